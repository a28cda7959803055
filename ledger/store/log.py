"""Appending to a region's log, and reading its events and tiles. Positions are handed out here only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from psycopg2.extensions import cursor as Cursor

from ledger import merkle
from ledger.errors import Corrupt, NotFound
from ledger.store import copying
from ledger.store.copying import BIGINT, BYTEA, LABEL, TEXT, UUID

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


def make_entry(commitment: bytes, recorded_at: int) -> bytes:
    """A log entry: SHA-256 of the body and the second it was recorded, u64 big-endian; 40 bytes."""
    return commitment + recorded_at.to_bytes(8, "big")


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
"""What a projection reads of an event: position, topic, body (None once it was erased)."""


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


TILES_KEPT: Final = 4096
"""Tiles, with the nodes above their hashes, that one reader of a tree keeps: some 64 MiB."""


def tree_rows(hashes: bytes) -> list[bytes]:
    """All nodes of a tree over joined leaf hashes: the rows, joined, lowest first; an odd last node moves up alone."""
    rows = [hashes]
    while len(row := rows[-1]) > merkle.HASH_BYTES:
        even = len(row) - len(row) % (2 * merkle.HASH_BYTES)
        pairs = [sha256(b"\1" + row[at : at + 64]).digest() for at in range(0, even, 64)]
        rows.append(b"".join(pairs) + row[even:])
    return rows


class Tiles:
    """Hashes of a tree read from its stored tiles, each tile and node once, so that proofs in bulk are cheap."""

    def __init__(self, cursor: Cursor, schema: str, size: int) -> None:
        self._cursor = cursor
        self._schema = schema
        self._size = size
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._rows: dict[tuple[int, int], list[bytes]] = {}
        self._uneven: dict[tuple[int, int], bytes] = {}

    def tile(self, level: int, index: int, width: int = merkle.TILE_WIDTH) -> bytes:
        """The first `width` hashes of a tile, joined; raise NotFound when the tree has not grown so far."""
        if (level, index) not in self._tiles:
            self._keep(level, index, self._load(level, index))
        hashes = self._tiles[level, index][: width * merkle.HASH_BYTES]
        if len(hashes) < width * merkle.HASH_BYTES:
            raise NotFound(f"tile {level}/{index} has fewer than {width} hashes")
        return hashes

    def prefetch(self, positions: Iterable[int]) -> None:
        """Read the tiles that the paths of these leaves, fewer than TILES_KEPT, go through: all in one query."""
        wanted: set[tuple[int, int]] = set()
        indexes, level = set(positions), 0
        while self._size >> (level * merkle.TILE_HEIGHT):
            indexes = {index >> merkle.TILE_HEIGHT for index in indexes}
            wanted.update((level, index) for index in indexes)
            level += 1
        if missing := sorted(wanted - self._tiles.keys()):
            call, values = copying.arrays({"level": BIGINT, "index": BIGINT}, missing)
            self._cursor.execute(
                f"SELECT level, index, hashes FROM {self._schema}.tiles WHERE (level, index) IN (SELECT * FROM {call})",
                values,
            )
            for found, index, hashes in self._cursor.fetchall():
                self._keep(found, index, bytes(hashes))

    def subtree(self, low: int, high: int) -> bytes:
        """Hash over leaves [low, high), a range that RFC 6962 proofs ask for."""
        width = high - low
        if width & (width - 1) == 0:
            return self._perfect(width.bit_length() - 1, low)
        if (low, high) not in self._uneven:
            middle = low + merkle.split(width)
            self._uneven[low, high] = merkle.node_hash(self.subtree(low, middle), self.subtree(middle, high))
        return self._uneven[low, high]

    def root(self) -> bytes:
        """Root of the whole tree."""
        return self.subtree(0, self._size) if self._size else merkle.EMPTY_ROOT

    def _perfect(self, height: int, low: int) -> bytes:
        level, rest = divmod(height, merkle.TILE_HEIGHT)
        first = low >> (level * merkle.TILE_HEIGHT)
        index, offset = first >> merkle.TILE_HEIGHT, first % merkle.TILE_WIDTH
        rows = self._rows.get((level, index))
        if rows is None or len(rows[0]) < (offset + (1 << rest)) * merkle.HASH_BYTES:
            self.tile(level, index, offset + (1 << rest))
            rows = self._rows[level, index] = tree_rows(self._tiles[level, index])
        at = (offset >> rest) * merkle.HASH_BYTES
        return rows[rest][at : at + merkle.HASH_BYTES]

    def _keep(self, level: int, index: int, hashes: bytes) -> None:
        if len(self._tiles) >= TILES_KEPT:
            oldest = next(iter(self._tiles))
            del self._tiles[oldest]
            self._rows.pop(oldest, None)
        self._tiles[level, index] = hashes

    def _load(self, level: int, index: int) -> bytes:
        self._cursor.execute(f"SELECT hashes FROM {self._schema}.tiles WHERE level = %s AND index = %s", (level, index))
        row = self._cursor.fetchone()
        return bytes(row[0]) if row else b""
