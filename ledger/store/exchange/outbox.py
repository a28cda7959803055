"""Messages to peers in a table: taken for a while, settled for good, put aside, looked at.

A lane is what must arrive in order: only the oldest waiting message of one is ever taken. All times are unix
milliseconds, and the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ledger.limits import DELIVERY_LEASE, DELIVERY_REASON_MAX
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT, LABEL, UUID
from ledger.store.postgres.database import Cursor


class Message(NamedTuple):
    """A peer and the event to tell it of, by its log (empty for this one) and position."""

    peer: str
    lane: str
    kind: str
    origin: str
    position: int
    transfer: str | None


class Row(NamedTuple):
    """A message as it stands."""

    number: int
    peer: str
    lane: str
    kind: str
    origin: str
    position: int
    transfer: str | None
    state: str
    attempts: int
    """Times that it was taken."""
    created: int
    due: int
    reason: str
    answer: str


MESSAGE_COLUMNS: Final[copying.Columns] = {
    "peer": LABEL,
    "lane": UUID,
    "kind": LABEL,
    "origin": LABEL,
    "position": BIGINT,
    "transfer": UUID.or_null(),
}
_COLUMNS: Final = ", ".join(f"o.{name}" for name in Row._fields)
_FRONT: Final = (
    "NOT EXISTS (SELECT 1 FROM {schema}.outbox p WHERE p.peer = o.peer AND p.lane = o.lane"
    " AND p.state = 'waiting' AND p.number < o.number)"
)


def put(cursor: Cursor, schema: str, messages: Sequence[Message], now: int) -> None:
    """Add messages behind those that are there; one that was ever there for the same peer is not added again."""
    if not messages:
        return
    call, values = copying.arrays(MESSAGE_COLUMNS, messages)
    columns = copying.names(MESSAGE_COLUMNS)
    cursor.execute(
        f"INSERT INTO {schema}.outbox ({columns}, created, due) SELECT {columns}, %s, %s"
        f" FROM ROWS FROM ({call}) WITH ORDINALITY AS m ({columns}, turn) ORDER BY turn ON CONFLICT DO NOTHING",
        [now, now, *values],
    )


def due(cursor: Cursor, schema: str, now: int, limit: int, without: Sequence[str] = ()) -> list[Row]:
    """Take up to `limit` messages that are due, the first of their lanes, but none to the peers `without`.

    A message that was taken is due again DELIVERY_LEASE later, should nobody settle it: whoever takes one may die.
    Two takers at a time never get the same.
    """
    front = _FRONT.format(schema=schema)
    cursor.execute(
        "WITH taken AS MATERIALIZED ("
        f"SELECT o.number FROM {schema}.outbox o WHERE o.state = 'waiting' AND o.due <= %s AND o.peer <> ALL(%s)"
        f" AND {front} ORDER BY o.due, o.number LIMIT %s FOR UPDATE SKIP LOCKED)"
        f" UPDATE {schema}.outbox o SET attempts = o.attempts + 1, due = %s FROM taken"
        f" WHERE o.number = taken.number RETURNING {_COLUMNS}",
        (now, list(without), limit, now + DELIVERY_LEASE * 1000),
    )
    return sorted(map(Row._make, cursor))


def settle(cursor: Cursor, schema: str, number: int, state: str, due: int, reason: str = "", answer: str = "") -> None:
    """Say what became of a message that was taken: `done`, `aside`, or `waiting` until `due`.

    What is done or aside stays so, whoever comes later.
    """
    cursor.execute(
        f"UPDATE {schema}.outbox SET state = %s, due = %s, reason = %s, answer = %s"
        " WHERE number = %s AND state = 'waiting'",
        (state, due, reason[:DELIVERY_REASON_MAX], answer[:DELIVERY_REASON_MAX], number),
    )


def put_back(cursor: Cursor, schema: str, numbers: Sequence[int], due: int) -> None:
    """Leave messages that were taken, and not tried, to whoever takes them when they are `due`."""
    cursor.execute(
        f"UPDATE {schema}.outbox SET due = %s, attempts = attempts - 1"
        " WHERE number = ANY(%s) AND state = 'waiting' AND attempts > 0",
        (due, list(numbers)),
    )


def pending(cursor: Cursor, schema: str, limit: int, after: int = 0) -> list[Row]:
    """A page of what is not delivered, waiting or aside, behind the message of number `after`."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {schema}.outbox o WHERE o.state <> 'done' AND o.number > %s"
        " ORDER BY o.number LIMIT %s",
        (after, limit),
    )
    return [Row._make(row) for row in cursor]


def counts(cursor: Cursor, schema: str) -> dict[str, tuple[int, int]]:
    """By state, the number of messages that wait or are aside and when the oldest was put there; no item for none."""
    cursor.execute(f"SELECT state, count(*), min(created) FROM {schema}.outbox WHERE state <> 'done' GROUP BY state")
    return {state: (count, oldest) for state, count, oldest in cursor}


def release(cursor: Cursor, schema: str, now: int) -> None:
    """Make every waiting message due now, also those that a process took which is gone since."""
    cursor.execute(f"UPDATE {schema}.outbox SET due = %s WHERE state = 'waiting' AND due > %s", (now, now))


def send_again(cursor: Cursor, schema: str, now: int, peer: str) -> int:
    """Have everything that a peer was ever told told again, in order: it lost what it had taken; how many."""
    cursor.execute(f"UPDATE {schema}.outbox SET state = 'waiting', attempts = 0, due = %s WHERE peer = %s", (now, peer))
    return cursor.rowcount


def retry(cursor: Cursor, schema: str, now: int, number: int | None = None) -> int:
    """Have a message that is not done tried at once, or all that are aside; how many."""
    chosen = "state = 'aside'" if number is None else "state <> 'done' AND number = %s"
    cursor.execute(
        f"UPDATE {schema}.outbox SET state = 'waiting', attempts = 0, due = %s WHERE {chosen}",
        (now,) if number is None else (now, number),
    )
    return cursor.rowcount
