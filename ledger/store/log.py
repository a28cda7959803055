"""Appending to a region's log, and reading its events and tiles. Positions are handed out here only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ledger.errors import Corrupt
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT, BYTEA, LABEL, TEXT, UUID
from ledger.store.postgres.database import Cursor, Database
from ledger.tlog import merkle
from ledger.tlog.entries import make_entry

EVENT_COLUMNS: Final[copying.Columns] = {
    "position": BIGINT,
    "entry": BYTEA,
    "event_id": UUID.or_null(),
    "stream": TEXT.or_null(),
    "version": BIGINT,
    "topic": LABEL,
    "body": BYTEA.or_null(),
}


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a log: number of events, frontier of its tree, last recorded_at."""

    size: int
    frontier: merkle.Frontier
    clock: int


class NewEvent(NamedTuple):
    """An event about to be appended. `version` None means position + 1."""

    commitment: bytes
    event_id: str | None
    stream: str | None
    topic: str
    body: bytes | None
    version: int | None = None


class StoredRow(NamedTuple):
    """An event as it is stored."""

    position: int
    entry: bytes
    event_id: str | None
    stream: str | None
    version: int
    topic: str
    body: bytes | None

    @property
    def recorded_at(self) -> int:
        """Unix seconds."""
        return int.from_bytes(self.entry[32:], "big")


@dataclass(frozen=True, slots=True)
class StoredSubmission:
    """A submission as it is stored: where its events begin, how many there are, by which key they were signed, how."""

    first: int
    count: int
    key_id: str
    note: str


def read_head(cursor: Cursor, schema: str, *, lock: bool = False) -> Head:
    """The head of the log; with `lock`, held against every other append until the transaction ends."""
    cursor.execute(f"SELECT size, frontier, clock FROM {schema}.head{' FOR UPDATE' if lock else ''}")
    row = cursor.fetchone()
    if row is None:
        raise Corrupt(f"{schema} has no head row")
    size, packed, clock = row
    packed = bytes(packed)
    frontier = tuple(packed[at : at + merkle.HASH_BYTES] for at in range(0, len(packed), merkle.HASH_BYTES))
    if len(frontier) != size.bit_count():
        raise Corrupt(f"the frontier of {schema} does not fit its size {size}")
    return Head(size, frontier, clock)


def append(cursor: Cursor, schema: str, head: Head, now: int, new: Sequence[NewEvent]) -> Head:
    """Store events at the positions from `head.size`, extend tiles and head, and notify; head is locked."""
    recorded_at = max(now, head.clock)
    entries = [make_entry(event.commitment, recorded_at) for event in new]
    size, frontier, nodes = merkle.append(head.size, head.frontier, map(merkle.leaf_hash, entries))
    rows = (
        (
            position,
            entry,
            event.event_id,
            event.stream,
            position + 1 if event.version is None else event.version,
            event.topic,
            event.body,
        )
        for position, (entry, event) in enumerate(zip(entries, new, strict=True), head.size)
    )
    copying.copy(cursor, f"{schema}.events", EVENT_COLUMNS, rows)
    tiles = [(level, index, b"".join(hashes)) for (level, index), hashes in nodes.items()]
    call, values = copying.arrays({"level": BIGINT, "index": BIGINT, "hashes": BYTEA}, tiles)
    # Parts of one transaction sent together: each is a round trip under the lock otherwise.
    cursor.execute(
        f"INSERT INTO {schema}.tiles AS old SELECT * FROM {call}"
        " ON CONFLICT (level, index) DO UPDATE SET hashes = old.hashes || EXCLUDED.hashes;"
        f"UPDATE {schema}.head SET size = %s, frontier = %s, clock = %s;"
        f"NOTIFY {schema}",
        [*values, size, b"".join(frontier), recorded_at],
    )
    return Head(size, frontier, recorded_at)


def _rows(cursor: Cursor) -> list[StoredRow]:
    return [
        StoredRow(position, bytes(entry), event_id, stream, version, topic, None if body is None else bytes(body))
        for position, entry, event_id, stream, version, topic, body in cursor
    ]


_COLUMNS: Final = copying.names(EVENT_COLUMNS)


def read_events(cursor: Cursor, schema: str, first: int, limit: int) -> list[StoredRow]:
    """Up to `limit` events from position `first` on."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {schema}.events WHERE position >= %s ORDER BY position LIMIT %s",
        (first, limit),
    )
    return _rows(cursor)


Body = tuple[int, str, memoryview | None]
"""An event as a projection reads it: position, topic, body (None once it was erased)."""


def read_bodies(cursor: Cursor, schema: str, first: int, limit: int) -> list[Body]:
    """Up to `limit` events from position `first` on, with no more columns than projections need."""
    cursor.execute(
        f"SELECT position, topic, body FROM {schema}.events WHERE position >= %s ORDER BY position LIMIT %s",
        (first, limit),
    )
    return cursor.fetchall()


def find_events(cursor: Cursor, schema: str, ids: Sequence[str]) -> list[StoredRow]:
    """The events of these ids, as far as they are there, by position."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {schema}.events WHERE event_id = ANY(%s::uuid[]) ORDER BY position",
        (list(ids),),
    )
    return _rows(cursor)


def read_positions(cursor: Cursor, schema: str, positions: Sequence[int]) -> list[StoredRow]:
    """The events at these positions, as far as they are there."""
    cursor.execute(f"SELECT {_COLUMNS} FROM {schema}.events WHERE position = ANY(%s)", (list(positions),))
    return _rows(cursor)


def read_stream(cursor: Cursor, schema: str, stream: str, topics: Collection[str] = ()) -> list[StoredRow]:
    """The events of one stream, oldest first; of these types only, if any are named."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM {schema}.events WHERE stream = %s AND (topic = ANY(%s) OR %s) ORDER BY version",
        (stream, list(topics), not topics),
    )
    return _rows(cursor)


def count_stream(database: Database, schema: str, stream: str) -> int:
    """The number of events of one stream."""
    [(count,)] = database.query(f"SELECT count(*) FROM {schema}.events WHERE stream = %s", (stream,))
    return int(count)


def read_submissions(cursor: Cursor, schema: str, after: int, limit: int) -> list[StoredSubmission]:
    """Up to `limit` submissions whose first position is greater than `after`."""
    cursor.execute(
        f"SELECT first, count, key_id, note FROM {schema}.submissions WHERE first > %s ORDER BY first LIMIT %s",
        (after, limit),
    )
    return [StoredSubmission(*row) for row in cursor]


def read_signers(cursor: Cursor, schema: str, first: int, last: int) -> list[tuple[int, str]]:
    """(first position, id of the key that signed) of every submission that covers positions `first` to `last`."""
    cursor.execute(
        f"SELECT first, key_id FROM {schema}.submissions WHERE first <= %(last)s AND first >= coalesce("
        f"(SELECT max(first) FROM {schema}.submissions WHERE first <= %(first)s), 0) ORDER BY first",
        {"first": first, "last": last},
    )
    return cursor.fetchall()


def read_entries(cursor: Cursor, schema: str, first: int, count: int) -> list[bytes]:
    """Log entries, 40 bytes each, of `count` positions."""
    cursor.execute(
        f"SELECT entry FROM {schema}.events WHERE position >= %s AND position < %s ORDER BY position",
        (first, first + count),
    )
    return [bytes(entry) for (entry,) in cursor]
