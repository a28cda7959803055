"""Transfers as a ledger knows them, by what is asked for; one by its id is `decisions.load`."""

from __future__ import annotations

from typing import Any, Final

from psycopg2.extensions import cursor as Cursor

from ledger.domain.state import Transfer
from ledger.store.decisions import TABLES
from ledger.store.postgres import copying

_COLUMNS: Final = copying.selection(TABLES[Transfer].columns, "t")
_OF_PERSON: Final = (
    "t.volunteer IN (SELECT o.id FROM {schema}.volunteers v JOIN {schema}.volunteers o"
    " ON coalesce(v.alias_of, v.id) IN (o.id, o.alias_of) WHERE v.id = %s)"
)


def latest(cursor: Cursor, schema: str, limit: int, volunteer: str | None = None) -> list[Transfer]:
    """Up to `limit` moves of a person, by any of their ids, or of everybody; what changed last comes first."""
    chosen = "TRUE" if volunteer is None else _OF_PERSON.format(schema=schema)
    named = () if volunteer is None else (volunteer.removeprefix("volunteer:"),)
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {schema}.transfers t WHERE {chosen} ORDER BY t.decided DESC LIMIT %s", (*named, limit)
    )
    return _read(cursor)


def in_state(cursor: Cursor, schema: str, state: str) -> list[Transfer]:
    """Those in a state, in the order in which they began here."""
    cursor.execute(f"SELECT {_COLUMNS} FROM {schema}.transfers t WHERE t.state = %s ORDER BY t.opened", (state,))
    return _read(cursor)


def _read(cursor: Cursor) -> list[Transfer]:
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return [Transfer(**dict(zip(Transfer.__struct_fields__, row, strict=True))) for row in rows]
