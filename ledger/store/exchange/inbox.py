"""Messages from peers in a table: durable before they are answered, answered the same whenever they come again.

A message is named by the event that it tells of. All times are unix milliseconds, and the caller's.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.errors import Conflict
from ledger.limits import DELIVERY_LEASE, DELIVERY_REASON_MAX
from ledger.store.postgres.database import Cursor


class Row(NamedTuple):
    """A message as it stands."""

    origin: str
    position: int
    entry: bytes
    """The 40 bytes of the log entry."""
    kind: str
    """Type of the event."""
    sender: str
    message: bytes
    state: str
    attempts: int
    created: int
    due: int
    reason: str
    answer: int | None
    """Position of the event of this log to which it led."""


_COLUMNS: Final = ", ".join(Row._fields)


def put(
    cursor: Cursor, schema: str, origin: str, position: int, entry: bytes, kind: str, sender: str, data: bytes, now: int
) -> Row:
    """Keep a verified message, or find it: the row as it now stands.

    A message that was put aside waits again when it comes with other evidence. Raises Conflict when another event
    came from that place of that log.
    """
    cursor.execute(
        f"INSERT INTO {schema}.inbox (origin, position, entry, kind, sender, message, created, due)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (origin, position, entry, kind, sender, data, now, now),
    )
    cursor.execute(
        f"UPDATE {schema}.inbox SET state = 'waiting', message = %s, sender = %s, attempts = 0, due = %s"
        " WHERE origin = %s AND position = %s AND entry = %s AND state = 'aside' AND message <> %s",
        (data, sender, now, origin, position, entry, data),
    )
    row = find(cursor, schema, origin, position)
    assert row is not None
    if row.entry != entry:
        raise Conflict(f"another event came from position {position} of {origin}")
    return row


def find(cursor: Cursor, schema: str, origin: str, position: int) -> Row | None:
    """The message about an event, if it came."""
    cursor.execute(f"SELECT {_COLUMNS} FROM {schema}.inbox WHERE origin = %s AND position = %s", (origin, position))
    return next(iter(_rows(cursor)), None)


def of_kind(cursor: Cursor, schema: str, kind: str) -> list[Row]:
    """All messages about events of a type that were done, in the order they came."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {schema}.inbox WHERE kind = %s AND state = 'done' ORDER BY created, origin, position",
        (kind,),
    )
    return _rows(cursor)


def due(cursor: Cursor, schema: str, now: int, limit: int) -> list[Row]:
    """Take up to `limit` messages that wait and are due, in the order they came; each by one taker at a time."""
    columns = ", ".join(f"i.{name}" for name in Row._fields)
    cursor.execute(
        "WITH taken AS MATERIALIZED ("
        f"SELECT origin, position FROM {schema}.inbox WHERE state = 'waiting' AND due <= %s"
        f" ORDER BY due, created, origin, position LIMIT %s FOR UPDATE SKIP LOCKED)"
        f" UPDATE {schema}.inbox i SET attempts = i.attempts + 1, due = %s FROM taken t"
        f" WHERE i.origin = t.origin AND i.position = t.position RETURNING {columns}",
        (now, limit, now + DELIVERY_LEASE * 1000),
    )
    return sorted(_rows(cursor), key=lambda row: (row.created, row.origin, row.position))


def settle(
    cursor: Cursor,
    schema: str,
    origin: str,
    position: int,
    state: str,
    due: int,
    reason: str = "",
    answer: int | None = None,
) -> None:
    """Say what became of a message: `done`, `aside`, or `waiting` until `due`; what is done or aside stays so."""
    cursor.execute(
        f"UPDATE {schema}.inbox SET state = %s, due = %s, reason = %s, answer = %s"
        " WHERE origin = %s AND position = %s AND state = 'waiting'",
        (state, due, reason[:DELIVERY_REASON_MAX], answer, origin, position),
    )


def pending(cursor: Cursor, schema: str, limit: int) -> list[Row]:
    """Messages that wait or are aside, the oldest first."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {schema}.inbox WHERE state <> 'done' ORDER BY created, origin, position LIMIT %s",
        (limit,),
    )
    return _rows(cursor)


def counts(cursor: Cursor, schema: str) -> dict[str, tuple[int, int]]:
    """By state, the number of messages that wait or are aside and when the oldest came; no item for none."""
    cursor.execute(f"SELECT state, count(*), min(created) FROM {schema}.inbox WHERE state <> 'done' GROUP BY state")
    return {state: (count, oldest) for state, count, oldest in cursor}


def release(cursor: Cursor, schema: str, now: int) -> None:
    """Make every waiting message due now, also those that a process took which is gone since."""
    cursor.execute(f"UPDATE {schema}.inbox SET due = %s WHERE state = 'waiting' AND due > %s", (now, now))


def retry(cursor: Cursor, schema: str, now: int, event: tuple[str, int] | None = None) -> int:
    """Have one message that is not done tried at once, or all that are aside; how many. `event` names it."""
    chosen = "state = 'aside'" if event is None else "state <> 'done' AND origin = %s AND position = %s"
    cursor.execute(
        f"UPDATE {schema}.inbox SET state = 'waiting', attempts = 0, due = %s WHERE {chosen}", (now, *(event or ()))
    )
    return cursor.rowcount


def _rows(cursor: Cursor) -> list[Row]:
    return [
        Row(origin, position, bytes(entry), kind, sender, bytes(message), *rest)
        for origin, position, entry, kind, sender, message, *rest in cursor
    ]
