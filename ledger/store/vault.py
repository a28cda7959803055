"""Private details and the keys that seal them: the only state that events cannot rebuild.

The keys lie in a schema of their own, `vault`, so that regular dumps can leave them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor

from ledger import identities
from ledger.store import copying
from ledger.store.copying import BYTEA, UUID, VOLUNTEER


class Private(NamedTuple):
    """Details of a volunteer, in clear, and the event whose body commits to them."""

    volunteer: str
    event_id: str
    details: bytes


def keep(cursor: Cursor, schema: str, items: Sequence[Private]) -> None:
    """Seal and store details; a volunteer without a key gets one."""
    volunteers = sorted({item.volunteer for item in items})
    call, values = copying.arrays(
        {"volunteer": VOLUNTEER, "key": BYTEA},
        [(volunteer, identities.new_key()) for volunteer in volunteers],
    )
    cursor.execute(f"INSERT INTO vault.{schema} SELECT * FROM {call} ON CONFLICT DO NOTHING", values)
    keys = _keys(cursor, schema, volunteers)
    rows = [
        (item.volunteer, item.event_id, identities.seal(item.details, keys[item.volunteer], item.event_id))
        for item in items
    ]
    copying.copy(cursor, f"{schema}.identities", {"volunteer": VOLUNTEER, "event_id": UUID, "sealed": BYTEA}, rows)


def read(cursor: Cursor, schema: str, volunteer: str) -> list[Private]:
    """The details kept of a volunteer, oldest event first; nothing once they are erased."""
    cursor.execute(
        f"SELECT i.event_id, i.sealed, v.key FROM {schema}.identities i JOIN vault.{schema} v USING (volunteer)"
        f" JOIN {schema}.events e USING (event_id) WHERE volunteer = %s ORDER BY e.position",
        (VOLUNTEER.bind(volunteer),),
    )
    return [
        Private(volunteer, event_id, identities.unseal(bytes(sealed), bytes(key), event_id))
        for event_id, sealed, key in cursor.fetchall()
    ]


def erase(cursor: Cursor, schema: str, volunteer: str) -> int:
    """Destroy a volunteer's details and key; how many rows of details there were."""
    cursor.execute(f"DELETE FROM vault.{schema} WHERE volunteer = %s", (VOLUNTEER.bind(volunteer),))
    cursor.execute(f"DELETE FROM {schema}.identities WHERE volunteer = %s", (VOLUNTEER.bind(volunteer),))
    return cursor.rowcount


def _keys(cursor: Cursor, schema: str, volunteers: Sequence[str]) -> dict[str, bytes]:
    cursor.execute(
        f"SELECT {VOLUNTEER.read.format('volunteer')}, key FROM vault.{schema} WHERE volunteer = ANY(%s::uuid[])",
        ([VOLUNTEER.bind(volunteer) for volunteer in volunteers],),
    )
    return {volunteer: bytes(key) for volunteer, key in cursor.fetchall()}
