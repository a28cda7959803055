"""Copies of a region's tables within one database: where a run begins, and backups, in a few milliseconds each."""

from __future__ import annotations

from functools import cache

from ledger.store import schema
from ledger.store.postgres.database import Cursor, Database
from projections.outbox import Outgoing
from projections.totals import Totals


def make(database: Database, name: str) -> None:
    """Empty tables of a region and of what follows from its log, in schemas that begin with `name`."""
    with database.transaction() as cursor:
        cursor.execute(
            f"DROP SCHEMA IF EXISTS {name} CASCADE; DROP SCHEMA IF EXISTS {name}_outgoing CASCADE;"
            f" DROP SCHEMA IF EXISTS {name}_totals CASCADE; CREATE SCHEMA IF NOT EXISTS vault;"
            f" DROP TABLE IF EXISTS vault.{name}"
        )
        schema.create_region(cursor, name)
        Outgoing(database, name).create(cursor)
        Totals(database, name).create(cursor)


def copy(cursor: Cursor, source: str, target: str) -> None:
    """Have the target hold what the source holds, and nothing else; both were made."""
    cursor.execute(_statements(_tables(cursor, source), source, target))


_found: dict[str, tuple[tuple[str, str], ...]] = {}


def _tables(cursor: Cursor, source: str) -> tuple[tuple[str, str], ...]:
    if source not in _found:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE tablename <> 'migrations'"
            " AND (schemaname IN (%s, %s, %s) OR (schemaname, tablename) = ('vault', %s)) ORDER BY 1, 2",
            (source, f"{source}_outgoing", f"{source}_totals", source),
        )
        _found[source] = tuple(cursor.fetchall())
    return _found[source]


@cache
def _statements(tables: tuple[tuple[str, str], ...], source: str, target: str) -> str:
    # References between the tables hold in the source, so they need not be checked again.
    parts = ["SET LOCAL session_replication_role = replica"]
    for place, table in tables:
        to = f"vault.{target}" if place == "vault" else f"{target}{place.removeprefix(source)}.{table}"
        numbered = " OVERRIDING SYSTEM VALUE" if table == "outbox" else ""
        parts += [f"DELETE FROM {to}", f"INSERT INTO {to}{numbered} SELECT * FROM {place}.{table}"]
    return ";".join(parts)
