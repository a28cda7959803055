"""Transfers as a ledger knows them, by what is asked for; one by its id is `decisions.load`."""

from __future__ import annotations

from typing import Any, Final

from ledger.domain.state import Transfer
from ledger.store.decisions import TABLES
from ledger.store.postgres import copying
from ledger.store.postgres.copying import VOLUNTEER
from ledger.store.postgres.database import Cursor, Database

_COLUMNS: Final = copying.selection(TABLES[Transfer].columns, "t")
_OF_PERSON: Final = (
    "t.volunteer IN (SELECT o.id FROM {schema}.volunteers v JOIN {schema}.volunteers o"
    " ON coalesce(v.alias_of, v.id) IN (o.id, o.alias_of) WHERE v.id = %s)"
)


def latest(cursor: Cursor, schema: str, limit: int, volunteer: str | None = None) -> list[Transfer]:
    """Up to `limit` moves of a person, by any of their ids, or of everybody; what changed last comes first."""
    chosen = "TRUE" if volunteer is None else _OF_PERSON.format(schema=schema)
    named = () if volunteer is None else (VOLUNTEER.bind(volunteer),)
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {schema}.transfers t WHERE {chosen} ORDER BY t.decided DESC LIMIT %s", (*named, limit)
    )
    return _read(cursor)


def in_state(cursor: Cursor, schema: str, state: str) -> list[Transfer]:
    """The transfers in a state, in the order in which they began here."""
    cursor.execute(f"SELECT {_COLUMNS} FROM {schema}.transfers t WHERE t.state = %s ORDER BY t.opened", (state,))
    return _read(cursor)


def accepted_at(cursor: Cursor, schema: str, transfer: str) -> int | None:
    """Position of the event that accepted a transfer here, None unless one did."""
    cursor.execute(f"SELECT decided FROM {schema}.transfers WHERE id = %s AND state = 'accepted'", (transfer,))
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def announced(database: Database, schema: str, volunteer: str, origin: str) -> str | None:
    """Id of the transfer by which the recovery of a record from a lost log was last announced here."""
    rows = database.query(
        f"SELECT t.id::text FROM {schema}.transfers t JOIN {schema}.events e ON e.position = t.opened"
        " WHERE t.volunteer = %s AND t.peer_origin = %s AND e.topic = 'recovery.announced/1'"
        " ORDER BY t.opened DESC LIMIT 1",
        (VOLUNTEER.bind(volunteer), origin),
    )
    return rows[0][0] if rows else None


def _read(cursor: Cursor) -> list[Transfer]:
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return [Transfer(**dict(zip(Transfer.__struct_fields__, row, strict=True))) for row in rows]
