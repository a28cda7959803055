"""Proofs asked for by the thousand, in tables: who asked, for whom, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger.store.postgres import copying
from ledger.store.postgres.copying import INTEGER, TEXT, UUID, VOLUNTEER
from ledger.store.postgres.database import Cursor


class Batch(NamedTuple):
    """A batch: its request is the JSON of a `holdings.Request`; `created` is in unix seconds."""

    id: str
    requester: str
    request: str
    created: int


class Item(NamedTuple):
    """One volunteer of a batch, and the proof: waiting, issued, or refused for the problem."""

    number: int
    volunteer: str
    proof: str
    state: str
    problem: str | None


class Progress(NamedTuple):
    """Items by state, and the position of the last proof issued (-1 when there is none)."""

    waiting: int
    issued: int
    refused: int
    last: int


_COLUMNS = {"number": INTEGER, "volunteer": VOLUNTEER, "proof": UUID, "state": TEXT, "problem": TEXT.or_null()}


def create(cursor: Cursor, schema: str, batch: Batch, items: Sequence[Item]) -> None:
    """Store a batch whose items all wait."""
    cursor.execute(f"INSERT INTO {schema}.batches VALUES (%s, %s, %s, %s)", batch)
    columns = {"batch": UUID, **_COLUMNS}
    copying.copy(cursor, f"{schema}.batch_items", columns, [(batch.id, *item) for item in items])


def find(cursor: Cursor, schema: str, batch: str) -> Batch | None:
    """A batch by its UUID."""
    cursor.execute(f"SELECT id, requester, request, created FROM {schema}.batches WHERE id = %s", (batch,))
    row = cursor.fetchone()
    return None if row is None else Batch(*row)


def unfinished(cursor: Cursor, schema: str) -> list[Batch]:
    """The batches in which something waits, the oldest first."""
    cursor.execute(
        f"SELECT id, requester, request, created FROM {schema}.batches b WHERE EXISTS"
        f" (SELECT FROM {schema}.batch_items i WHERE i.batch = b.id AND i.state = 'waiting') ORDER BY created, id"
    )
    return [Batch(*row) for row in cursor]


def items(cursor: Cursor, schema: str, batch: str, state: str, after: int, limit: int) -> list[Item]:
    """Items of a batch in a state, by number, those after number `after`."""
    columns = copying.selection(_COLUMNS, "i")
    cursor.execute(
        f"SELECT {columns} FROM {schema}.batch_items i WHERE batch = %s AND state = %s AND number > %s"
        " ORDER BY number LIMIT %s",
        (batch, state, after, limit),
    )
    return [Item(*row) for row in cursor]


def settle(cursor: Cursor, schema: str, batch: str, refused: Sequence[tuple[int, str]]) -> None:
    """Mark items whose proofs are in the log as issued, and those named (number, problem) as refused."""
    cursor.execute(
        f"UPDATE {schema}.batch_items i SET state = 'issued' FROM {schema}.proofs p"
        " WHERE i.batch = %s AND i.state = 'waiting' AND p.id = i.proof",
        (batch,),
    )
    if refused:
        call, values = copying.arrays({"number": INTEGER, "problem": TEXT}, refused)
        cursor.execute(
            f"UPDATE {schema}.batch_items i SET state = 'refused', problem = r.problem"
            f" FROM {call} AS r (number, problem) WHERE i.batch = %s AND i.number = r.number"
            " AND i.state = 'waiting'",
            (*values, batch),
        )


def progress(cursor: Cursor, schema: str, batch: str) -> Progress:
    """The progress of a batch."""
    cursor.execute(
        "SELECT count(*) FILTER (WHERE i.state = 'waiting'), count(*) FILTER (WHERE i.state = 'issued'),"
        " count(*) FILTER (WHERE i.state = 'refused'), coalesce(max(p.position), -1)"
        f" FROM {schema}.batch_items i LEFT JOIN {schema}.proofs p ON p.id = i.proof WHERE i.batch = %s",
        (batch,),
    )
    return Progress(*(cursor.fetchone() or (0, 0, 0, -1)))
