"""Proofs of service in tables: what a holder has, what is suspect, what a status list says, who looked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger.domain.state import CredentialKeyRecord, Proof
from ledger.store.decisions import TABLES
from ledger.store.postgres import copying
from ledger.store.postgres.copying import VOLUNTEER
from ledger.store.postgres.database import Cursor


class Access(NamedTuple):
    """Somebody looked at a proof: when (unix seconds), what was done, by whom if known, and what came of it."""

    proof: str
    at: int
    action: str
    by: str
    outcome: str


def held_by(cursor: Cursor, schema: str, volunteer: str, before: int | None, limit: int) -> list[Proof]:
    """A page of a volunteer's proofs, the newest first, those issued before position `before`."""
    columns = copying.selection(TABLES[Proof].columns, "p")
    cursor.execute(
        f"SELECT {columns} FROM {schema}.holdings h JOIN {schema}.proofs p ON p.id = h.proof WHERE h.volunteer = %s"
        " AND (%s::bigint IS NULL OR p.position < %s) ORDER BY p.position DESC LIMIT %s",
        (VOLUNTEER.bind(volunteer), before, before, limit),
    )
    return [Proof(**dict(zip(Proof.__struct_fields__, row, strict=True))) for row in cursor]


def standing_of(cursor: Cursor, schema: str, volunteer: str) -> list[str]:
    """The proofs of a volunteer that are not revoked."""
    cursor.execute(
        f"SELECT p.id FROM {schema}.holdings h JOIN {schema}.proofs p ON p.id = h.proof"
        " WHERE h.volunteer = %s AND p.revoked IS NULL ORDER BY p.position",
        (VOLUNTEER.bind(volunteer),),
    )
    return [row[0] for row in cursor]


def tokens_of(cursor: Cursor, schema: str, proof: str) -> list[str]:
    """The SD-JWTs made of a credential that are not revoked."""
    cursor.execute(
        f"SELECT p.id FROM {schema}.holdings h JOIN {schema}.proofs p ON p.id = h.proof"
        " WHERE h.of = %s AND p.revoked IS NULL ORDER BY p.position",
        (proof,),
    )
    return [row[0] for row in cursor]


def issued_since(cursor: Cursor, schema: str, volunteer: str, since: int) -> int:
    """The number of proofs of a volunteer issued at or after a unix second, which is what a log entry ends with."""
    cursor.execute(
        f"SELECT count(*) FROM {schema}.holdings h JOIN {schema}.events e ON e.event_id = h.event_id"
        " WHERE h.volunteer = %s AND substr(e.entry, 33) >= %s",
        (VOLUNTEER.bind(volunteer), since.to_bytes(8, "big")),
    )
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def issuing_event(cursor: Cursor, schema: str, proof: str) -> str | None:
    """The id of the event that issued a proof; None when its holding was erased."""
    cursor.execute(f"SELECT event_id FROM {schema}.holdings WHERE proof = %s", (proof,))
    row = cursor.fetchone()
    return None if row is None else str(row[0])


def suspects(cursor: Cursor, schema: str, totals: str, changes: int, issued: int) -> list[str]:
    """Standing proofs whose volunteers' entries changed since they were last compared, or whose credential fell.

    Looked for among changes at or after position `changes` and proofs issued at or after position `issued`, so
    that asking again costs only what is new; both 0 look at everything.
    """
    cursor.execute(
        f"SELECT p.id FROM {totals}.changed c CROSS JOIN LATERAL (SELECT c.volunteer UNION ALL"
        f" SELECT v.id FROM {schema}.volunteers v WHERE v.alias_of = c.volunteer) n (id)"
        f" JOIN {schema}.holdings h ON h.volunteer = n.id JOIN {schema}.proofs p ON p.id = h.proof"
        " WHERE c.position >= h.seen AND p.revoked IS NULL AND (c.position >= %s OR p.position >= %s)"
        f" UNION SELECT p.id FROM {schema}.proofs q JOIN {schema}.holdings h ON h.of = q.id"
        f" JOIN {schema}.proofs p ON p.id = h.proof WHERE q.revoked >= %s AND p.revoked IS NULL",
        (changes, issued, issued),
    )
    return [row[0] for row in cursor]


def any_withdrawn(cursor: Cursor, schema: str, volunteer: str, handles: Sequence[int]) -> bool:
    """Whether one of these entries of a volunteer, named by `Entry.position`, was withdrawn or annulled."""
    cursor.execute(
        f"SELECT EXISTS (SELECT FROM {schema}.entries"
        " WHERE volunteer = %s AND position = ANY(%s::bigint[]) AND withdrawn)",
        (VOLUNTEER.bind(volunteer), list(handles)),
    )
    row = cursor.fetchone()
    return bool(row and row[0])


def mark_seen(cursor: Cursor, schema: str, proof: str, seen: int) -> None:
    """Note that a proof agrees with the record as of the first `seen` events."""
    cursor.execute(f"UPDATE {schema}.holdings SET seen = greatest(seen, %s) WHERE proof = %s", (seen, proof))


def list_state(cursor: Cursor, schema: str, name: str) -> tuple[list[int], int]:
    """The revoked indexes of a status list, and the position of the last revocation (-1 when there is none)."""
    cursor.execute(
        f"SELECT index, revoked FROM {schema}.proofs WHERE list = %s AND revoked IS NOT NULL ORDER BY index", (name,)
    )
    rows = cursor.fetchall()
    return [index for index, _ in rows], max((position for _, position in rows), default=-1)


def is_begun(cursor: Cursor, schema: str, name: str) -> bool:
    """Whether an index of a status list was given out."""
    cursor.execute(f"SELECT EXISTS (SELECT FROM {schema}.proofs WHERE list = %s)", (name,))
    row = cursor.fetchone()
    return bool(row and row[0])


def is_taken(cursor: Cursor, schema: str, listed: str, index: int) -> bool:
    """Whether an index of a status list was given to a proof."""
    cursor.execute(f"SELECT 1 FROM {schema}.proofs WHERE list = %s AND index = %s", (listed, index))
    return cursor.fetchone() is not None


def count_in(cursor: Cursor, schema: str, listed: str) -> int:
    """The number of indexes of a status list that were given out."""
    cursor.execute(f"SELECT count(*) FROM {schema}.proofs WHERE list = %s", (listed,))
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def credential_keys(cursor: Cursor, schema: str) -> list[CredentialKeyRecord]:
    """The keys of a region's credentials that are not revoked, oldest first."""
    columns = copying.selection(TABLES[CredentialKeyRecord].columns, "t")
    cursor.execute(f"SELECT {columns} FROM {schema}.credential_keys t WHERE revoked IS NULL ORDER BY added")
    fields = CredentialKeyRecord.__struct_fields__
    return [CredentialKeyRecord(**dict(zip(fields, row, strict=True))) for row in cursor]


# -- who looked -----------------------------------------------------------------------------------


def note_access(cursor: Cursor, schema: str, access: Access, since: int, limit: int) -> bool:
    """Write down who looked; False, and nothing, when the same was done `limit` times since a unix second.

    The proof's row is locked, so that many at once are counted one after another. The commit waits for no disk: a
    crash may cost the last of these lines and nothing else.
    """
    cursor.execute("SET LOCAL synchronous_commit = off")
    cursor.execute(f"SELECT FROM {schema}.proofs WHERE id = %s FOR NO KEY UPDATE", (access.proof,))
    cursor.execute(
        f"INSERT INTO {schema}.accesses SELECT %s, %s, %s, %s, %s WHERE (SELECT count(*) FROM {schema}.accesses"
        " WHERE proof = %s AND action = %s AND at >= %s) < %s",
        (*access, access.proof, access.action, since, limit),
    )
    return bool(cursor.rowcount)


def accesses(cursor: Cursor, schema: str, proof: str, limit: int) -> list[Access]:
    """Who looked at a proof, the latest first: of each action the latest `limit`, so that none hides another."""
    cursor.execute(
        "SELECT proof, at, action, by, outcome FROM (SELECT *, row_number() OVER (PARTITION BY action ORDER BY at DESC)"
        f" AS number FROM {schema}.accesses WHERE proof = %s) latest WHERE number <= %s ORDER BY at DESC, action",
        (proof, limit),
    )
    return [Access(*row) for row in cursor]


__all__ = [
    "Access",
    "accesses",
    "any_withdrawn",
    "count_in",
    "credential_keys",
    "held_by",
    "is_begun",
    "is_taken",
    "issued_since",
    "issuing_event",
    "list_state",
    "mark_seen",
    "note_access",
    "standing_of",
    "suspects",
    "tokens_of",
]
