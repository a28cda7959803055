"""Foreign events that a ledger relies on, with all that proves them, and the places that its own events gave them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from ledger.events.body import AnyEvent
from ledger.events.transfer import TransferEvent
from ledger.evidence.evidence import Evidence, Foreign
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT, BYTEA, LABEL, TEXT, UUID
from ledger.store.postgres.database import Cursor, Database
from ledger.tlog import merkle

Name = tuple[str, int]
"""Origin and position."""

_COLUMNS: Final[copying.Columns] = {
    "number": BIGINT,
    "origin": LABEL,
    "position": BIGINT,
    "entry": BYTEA,
    "event_id": UUID,
    "stream": TEXT,
    "topic": LABEL,
    "issuer": LABEL,
    "key_id": LABEL,
    "body": BYTEA,
    "sender": LABEL,
    "at": BIGINT,
    "note": BYTEA,
    "index": BIGINT,
    "note_path": BYTEA,
    "log_path": BYTEA,
    "checkpoint": BYTEA,
}


class Import(NamedTuple):
    """A foreign event about to be stored: under which number, from whom, received by the event at which position."""

    number: int
    sender: str
    at: int
    evidence: Evidence
    foreign: Foreign
    topic: str


def numbers(cursor: Cursor, schema: str, names: Iterable[Name]) -> dict[Name, int]:
    """The numbers of those of these events that were imported."""
    call, values = copying.arrays({"origin": LABEL, "position": BIGINT}, sorted(set(names)))
    cursor.execute(
        f"SELECT origin, position, number FROM {schema}.imports WHERE (origin, position) IN (SELECT * FROM {call})",
        values,
    )
    return {(origin, position): number for origin, position, number in cursor}


def last_number(cursor: Cursor, schema: str) -> int:
    """The number of the last import, 0 when there is none."""
    cursor.execute(f"SELECT coalesce(max(number), 0) FROM {schema}.imports")
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def keep(cursor: Cursor, schema: str, imports: Sequence[Import]) -> None:
    """Store foreign events with what proves them; each note and checkpoint once."""
    if not imports:
        return
    digests: dict[str, bytes] = {}
    for item in imports:
        for text in (item.evidence.note, item.evidence.checkpoint):
            if text not in digests:
                digests[text] = sha256(text.encode()).digest()
    call, values = copying.arrays({"digest": BYTEA, "text": TEXT}, [(digest, text) for text, digest in digests.items()])
    cursor.execute(f"INSERT INTO {schema}.texts SELECT * FROM {call} ON CONFLICT DO NOTHING", values)
    copying.copy(cursor, f"{schema}.imports", _COLUMNS, [_row(item, digests) for item in imports])


def _row(item: Import, digests: Mapping[str, bytes]) -> tuple[object, ...]:
    evidence, foreign = item.evidence, item.foreign
    return (
        item.number,
        evidence.origin,
        evidence.position,
        foreign.entry,
        foreign.event.id,
        about(foreign.event),
        item.topic,
        foreign.event.issuer,
        foreign.key_id,
        evidence.body,
        item.sender,
        item.at,
        digests[evidence.note],
        evidence.index,
        b"".join(evidence.note_path),
        b"".join(evidence.log_path),
        digests[evidence.checkpoint],
    )


def about(event: AnyEvent) -> str:
    """The stream that an import is kept under: the person, if it is about a move of theirs, or else the subject."""
    return event.volunteer if isinstance(event, TransferEvent) else event.subject


_EVIDENCE: Final = (
    "i.origin, i.position, i.entry, i.body, n.text, i.index, i.note_path, i.log_path, c.text"
    " FROM {schema}.imports i JOIN {schema}.texts n ON n.digest = i.note"
    " JOIN {schema}.texts c ON c.digest = i.checkpoint"
)


def evidence(cursor: Cursor, schema: str, names: Iterable[Name]) -> dict[Name, Evidence]:
    """The evidence of these events, as far as they were imported and not erased."""
    call, values = copying.arrays({"origin": LABEL, "position": BIGINT}, sorted(set(names)))
    columns = _EVIDENCE.format(schema=schema)
    cursor.execute(
        f"SELECT {columns} WHERE i.body IS NOT NULL AND (i.origin, i.position) IN (SELECT * FROM {call})", values
    )
    return {(item.origin, item.position): item for item in _evidence(cursor)}


def support(cursor: Cursor, schema: str, issuers: Iterable[tuple[str, str]], topics: Collection[str]) -> list[Evidence]:
    """Imported events of these types about issuers, each named by (origin, stream), by origin and position."""
    call, values = copying.arrays({"origin": LABEL, "stream": LABEL}, sorted(set(issuers)))
    columns = _EVIDENCE.format(schema=schema)
    cursor.execute(
        f"SELECT {columns} WHERE i.topic = ANY(%s) AND i.body IS NOT NULL"
        f" AND (i.origin, i.stream) IN (SELECT * FROM {call}) ORDER BY i.origin, i.position",
        [list(topics), *values],
    )
    return _evidence(cursor)


def moves(cursor: Cursor, schema: str, volunteer: str, topic: str) -> list[Evidence]:
    """Imported events of one type about moves of a volunteer, in whatever log."""
    columns = _EVIDENCE.format(schema=schema)
    cursor.execute(
        f"SELECT {columns} WHERE i.stream = %s AND i.topic = %s AND i.body IS NOT NULL ORDER BY i.number",
        (volunteer, topic),
    )
    return _evidence(cursor)


def offers_of(cursor: Cursor, schema: str, origin: str) -> list[Name]:
    """The imported offers of one log, as far as they were not erased."""
    cursor.execute(
        f"SELECT DISTINCT origin, position FROM {schema}.imports"
        " WHERE origin = %s AND topic = 'transfer.offered/1' AND body IS NOT NULL",
        (origin,),
    )
    return cursor.fetchall()


def _evidence(cursor: Cursor) -> list[Evidence]:
    return [
        Evidence(
            origin=origin,
            position=position,
            recorded_at=int.from_bytes(bytes(entry)[32:], "big"),
            body=bytes(body),
            note=note,
            index=index,
            note_path=hashes(bytes(note_path)),
            log_path=hashes(bytes(log_path)),
            checkpoint=checkpoint,
        )
        for origin, position, entry, body, note, index, note_path, log_path, checkpoint in cursor
    ]


def hashes(joined: bytes) -> tuple[bytes, ...]:
    """A path as evidence holds it, of the hashes as they are stored."""
    return tuple(joined[at : at + merkle.HASH_BYTES] for at in range(0, len(joined), merkle.HASH_BYTES))


# -- places ---------------------------------------------------------------------------------------


def place_of(database: Database, schema: str, name: Name) -> int | None:
    """Position of the first event here that received a foreign event; None when none did."""
    [(at,)] = database.query(f"SELECT min(at) FROM {schema}.receipts WHERE origin = %s AND position = %s", name)
    return None if at is None else int(at)


def count_places(cursor: Cursor, schema: str) -> int:
    """The number of places that events of this log gave to events they received."""
    cursor.execute(f"SELECT count(*) FROM {schema}.receipts")
    [(count,)] = cursor.fetchall()
    return int(count)


def places(cursor: Cursor, schema: str, origin: str, positions: Sequence[int]) -> dict[int, list[Name]]:
    """The events to which each of these events of the log of `origin`, the own one, gave a place, in order."""
    cursor.execute(
        f"SELECT at, coalesce(nullif(origin, ''), %s), position FROM {schema}.receipts WHERE at = ANY(%s)"
        " ORDER BY at, turn",
        (origin, list(positions)),
    )
    received: dict[int, list[Name]] = {}
    for at, log, position in cursor:
        received.setdefault(at, []).append((log, position))
    return received


# -- auditing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredImport:
    """An import as it is stored, with the type of the event that received it."""

    number: int
    origin: str
    position: int
    entry: bytes
    event_id: str
    stream: str
    topic: str
    issuer: str
    key_id: str
    body: bytes | None
    at: int
    received_by: str | None
    note: str
    index: int
    note_path: bytes
    log_path: bytes
    checkpoint: str

    def evidence(self, body: bytes) -> Evidence:
        """The evidence of this event with that body; raise Invalid for columns that cannot be any."""
        return Evidence(
            origin=self.origin,
            position=self.position,
            recorded_at=int.from_bytes(bytes(self.entry)[32:], "big"),
            body=bytes(body),
            note=self.note,
            index=self.index,
            note_path=hashes(bytes(self.note_path)),
            log_path=hashes(bytes(self.log_path)),
            checkpoint=self.checkpoint,
        )


_STORED: Final = (
    "SELECT i.number, i.origin, i.position, i.entry, i.event_id::text, i.stream, i.topic, i.issuer, i.key_id, i.body,"
    " i.at, e.topic, n.text, i.index, i.note_path, i.log_path, c.text FROM {schema}.imports i"
    " JOIN {schema}.texts n ON n.digest = i.note JOIN {schema}.texts c ON c.digest = i.checkpoint"
    " LEFT JOIN {schema}.events e ON e.position = i.at"
)


def read_of(cursor: Cursor, schema: str, topics: Collection[str], after: Name, limit: int) -> list[StoredImport]:
    """Up to `limit` imports of these types, by origin and position, behind the one called `after`."""
    cursor.execute(
        _STORED.format(schema=schema) + " WHERE i.topic = ANY(%s) AND (i.origin, i.position) > (%s, %s)"
        " ORDER BY i.origin, i.position LIMIT %s",
        (list(topics), *after, limit),
    )
    return [StoredImport(*row) for row in cursor]


def read_others(cursor: Cursor, schema: str, topics: Collection[str], after: int, limit: int) -> list[StoredImport]:
    """Up to `limit` imports of any but these types, by number, behind the one numbered `after`."""
    cursor.execute(
        _STORED.format(schema=schema) + " WHERE i.topic <> ALL(%s) AND i.number > %s ORDER BY i.number LIMIT %s",
        (list(topics), after, limit),
    )
    return [StoredImport(*row) for row in cursor]


def senders(cursor: Cursor, schema: str, positions: Iterable[int]) -> list[tuple[int, str]]:
    """(position, sender): from which regions the imports came that each of these events brought."""
    cursor.execute(f"SELECT DISTINCT at, sender FROM {schema}.imports WHERE at = ANY(%s)", (list(positions),))
    return cursor.fetchall()


def entries(cursor: Cursor, schema: str, origin: str, names: Iterable[Name]) -> dict[Name, bytes]:
    """The log entries of events that are imports, or stand in the log of `origin`, the own one."""
    wanted = list(names)
    cursor.execute(
        f"SELECT %(origin)s, position, entry FROM {schema}.events WHERE position = ANY(%(own)s)"
        f" UNION ALL SELECT i.origin, i.position, i.entry FROM {schema}.imports i"
        " JOIN unnest(%(origins)s::text[], %(positions)s::bigint[]) n (origin, position) USING (origin, position)",
        {
            "origin": origin,
            "own": [position for log, position in wanted if log == origin],
            "origins": [log for log, _ in wanted],
            "positions": [position for _, position in wanted],
        },
    )
    return {(log, position): bytes(entry) for log, position, entry in cursor}
