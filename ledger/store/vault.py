"""Private details, holdings of proofs, and the keys that seal them: the only state that events cannot rebuild.

The keys lie in a schema of their own, `vault`, so that regular dumps can leave them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger.errors import NotFound
from ledger.events import private_details
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT, BYTEA, UUID, VOLUNTEER
from ledger.store.postgres.database import Cursor


class Private(NamedTuple):
    """Details of a volunteer, in clear, and the event whose body commits to them."""

    volunteer: str
    event_id: str
    details: bytes


class Held(NamedTuple):
    """A holding, in clear, with the proof it is of and the event whose body commits to it."""

    volunteer: str
    event_id: str
    proof: str
    of: str | None
    seen: int
    holding: bytes


def keep(cursor: Cursor, schema: str, items: Sequence[Private]) -> None:
    """Seal and store details; a volunteer without a key gets one."""
    keys = _keys(cursor, schema, [item.volunteer for item in items])
    rows = [
        (item.volunteer, item.event_id, private_details.seal(item.details, keys[item.volunteer], item.event_id))
        for item in items
    ]
    copying.copy(cursor, f"{schema}.identities", {"volunteer": VOLUNTEER, "event_id": UUID, "sealed": BYTEA}, rows)


def keep_holdings(cursor: Cursor, schema: str, items: Sequence[Held]) -> None:
    """Seal and store holdings, likewise."""
    keys = _keys(cursor, schema, [item.volunteer for item in items])
    columns = {
        "proof": UUID,
        "volunteer": VOLUNTEER,
        "event_id": UUID,
        "of": UUID.or_null(),
        "seen": BIGINT,
        "sealed": BYTEA,
    }
    rows = [
        (
            item.proof,
            item.volunteer,
            item.event_id,
            item.of,
            item.seen,
            private_details.seal(item.holding, keys[item.volunteer], item.event_id),
        )
        for item in items
    ]
    copying.copy(cursor, f"{schema}.holdings", columns, rows)


def read(cursor: Cursor, schema: str, volunteer: str) -> list[Private]:
    """The details kept of a volunteer, oldest event first; nothing once they are erased.

    Those that arrived from another region come before those that were seen here.
    """
    cursor.execute(
        f"SELECT i.event_id, i.sealed, v.key FROM {schema}.identities i JOIN vault.{schema} v USING (volunteer)"
        f" JOIN {schema}.events e USING (event_id) WHERE volunteer = %s"
        " ORDER BY e.topic <> 'transfer.accepted/1', e.position",
        (VOLUNTEER.bind(volunteer),),
    )
    return [
        Private(volunteer, event_id, private_details.unseal(bytes(sealed), bytes(key), event_id))
        for event_id, sealed, key in cursor.fetchall()
    ]


def read_holdings(cursor: Cursor, schema: str, proofs: Sequence[str]) -> list[Held]:
    """The holdings of these proofs, in no particular order; erased ones are missing."""
    cursor.execute(
        f"SELECT {VOLUNTEER.read.format('h.volunteer')}, h.event_id, h.proof, h.of, h.seen, h.sealed, v.key"
        f" FROM {schema}.holdings h JOIN vault.{schema} v USING (volunteer) WHERE h.proof = ANY(%s::uuid[])",
        (list(proofs),),
    )
    return [
        Held(volunteer, event_id, proof, of, seen, private_details.unseal(bytes(sealed), bytes(key), event_id))
        for volunteer, event_id, proof, of, seen, sealed, key in cursor.fetchall()
    ]


def finish(cursor: Cursor, schema: str, proof: str, data: bytes, instead_of: bytes | None = None) -> bytes:
    """Keep what a holder is handed, sealed, in the place of nothing or of `instead_of`; what is kept then.

    Whoever is first decides, and everybody gets that.

    Raises NotFound when the holding was erased.
    """
    cursor.execute(
        f"SELECT h.event_id, h.finished, v.key FROM {schema}.holdings h JOIN vault.{schema} v USING (volunteer)"
        " WHERE h.proof = %s FOR UPDATE OF h",
        (proof,),
    )
    row = cursor.fetchone()
    if row is None:
        raise NotFound("what was kept of this proof was erased")
    event_id, finished, key = row
    kept = None if finished is None else private_details.unseal(bytes(finished), bytes(key), event_id)
    if kept is not None and kept != instead_of:
        return kept
    sealed = private_details.seal(data, bytes(key), event_id)
    cursor.execute(f"UPDATE {schema}.holdings SET finished = %s WHERE proof = %s", (sealed, proof))
    return data


def finished(cursor: Cursor, schema: str, proof: str) -> bytes | None:
    """The bytes that `finish` kept; None before, or once they are erased."""
    cursor.execute(
        f"SELECT h.event_id, h.finished, v.key FROM {schema}.holdings h JOIN vault.{schema} v USING (volunteer)"
        " WHERE h.proof = %s AND h.finished IS NOT NULL",
        (proof,),
    )
    row = cursor.fetchone()
    return None if row is None else private_details.unseal(bytes(row[1]), bytes(row[2]), row[0])


def erase(cursor: Cursor, schema: str, volunteer: str) -> int:
    """Destroy a volunteer's details, holdings and key; how many rows of details there were.

    And who looked at the proofs, and in which batches they were issued: either would tell whose they were.
    """
    cursor.execute(
        f"DELETE FROM {schema}.accesses a USING {schema}.holdings h WHERE a.proof = h.proof AND h.volunteer = %s",
        (VOLUNTEER.bind(volunteer),),
    )
    cursor.execute(f"DELETE FROM {schema}.batch_items WHERE volunteer = %s", (VOLUNTEER.bind(volunteer),))
    for table in (f"vault.{schema}", f"{schema}.holdings", f"{schema}.identities"):
        cursor.execute(f"DELETE FROM {table} WHERE volunteer = %s", (VOLUNTEER.bind(volunteer),))
    return cursor.rowcount


def _keys(cursor: Cursor, schema: str, volunteers: Sequence[str]) -> dict[str, bytes]:
    """Their keys, made where there were none."""
    names = sorted(set(volunteers))
    call, values = copying.arrays(
        {"volunteer": VOLUNTEER, "key": BYTEA}, [(volunteer, private_details.new_key()) for volunteer in names]
    )
    cursor.execute(f"INSERT INTO vault.{schema} SELECT * FROM {call} ON CONFLICT DO NOTHING", values)
    cursor.execute(
        f"SELECT {VOLUNTEER.read.format('volunteer')}, key FROM vault.{schema} WHERE volunteer = ANY(%s::uuid[])",
        ([VOLUNTEER.bind(volunteer) for volunteer in names],),
    )
    return {volunteer: bytes(key) for volunteer, key in cursor.fetchall()}
