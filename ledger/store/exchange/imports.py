"""Foreign events that a ledger relies on, with all that proves them; and records in the order they are kept here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from psycopg2.extensions import cursor as Cursor

from ledger.events.body import RECORD_TYPES, AnyEvent
from ledger.events.transfer import TransferEvent
from ledger.evidence.evidence import Evidence, Foreign
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT, BYTEA, LABEL, TEXT, UUID
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


class Kept(NamedTuple):
    """An event of a record as it is kept here; `origin` is empty and `handle` its position for one of this log."""

    at: int
    turn: int
    origin: str
    position: int
    handle: int
    entry: bytes
    topic: str
    key_id: str
    body: bytes


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
    for one in imports:
        for text in (one.evidence.note, one.evidence.checkpoint):
            if text not in digests:
                digests[text] = sha256(text.encode()).digest()
    call, values = copying.arrays({"digest": BYTEA, "text": TEXT}, [(digest, text) for text, digest in digests.items()])
    cursor.execute(f"INSERT INTO {schema}.texts SELECT * FROM {call} ON CONFLICT DO NOTHING", values)
    copying.copy(cursor, f"{schema}.imports", _COLUMNS, [_row(one, digests) for one in imports])


def _row(one: Import, digests: Mapping[str, bytes]) -> tuple[object, ...]:
    evidence, foreign = one.evidence, one.foreign
    return (
        one.number,
        evidence.origin,
        evidence.position,
        foreign.entry,
        foreign.event.id,
        about(foreign.event),
        one.topic,
        foreign.event.issuer,
        foreign.key_id,
        evidence.body,
        one.sender,
        one.at,
        digests[evidence.note],
        evidence.index,
        b"".join(evidence.note_path),
        b"".join(evidence.log_path),
        digests[evidence.checkpoint],
    )


def about(event: AnyEvent) -> str:
    """Whom an import is kept under: the person, if it is about a move of theirs, or else the subject."""
    return event.volunteer if isinstance(event, TransferEvent) else event.subject


_EVIDENCE: Final = (
    "i.origin, i.position, i.entry, i.body, n.text, i.index, i.note_path, i.log_path, c.text"
    " FROM {schema}.imports i JOIN {schema}.texts n ON n.digest = i.note"
    " JOIN {schema}.texts c ON c.digest = i.checkpoint"
)


def evidence(cursor: Cursor, schema: str, names: Iterable[Name]) -> dict[Name, Evidence]:
    """What proves these events, as far as they were imported and not erased."""
    call, values = copying.arrays({"origin": LABEL, "position": BIGINT}, sorted(set(names)))
    columns = _EVIDENCE.format(schema=schema)
    cursor.execute(
        f"SELECT {columns} WHERE i.body IS NOT NULL AND (i.origin, i.position) IN (SELECT * FROM {call})", values
    )
    return {(one.origin, one.position): one for one in _evidence(cursor)}


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


# -- records --------------------------------------------------------------------------------------

_SIGNER: Final = (
    "(SELECT s.key_id FROM {schema}.submissions s WHERE s.first <= e.position ORDER BY s.first DESC LIMIT 1)"
)
_OWN: Final = "'', e.position, e.position, e.entry, e.topic, " + _SIGNER + ", e.body FROM {schema}.events e"
_FOREIGN: Final = "i.origin, i.position, -i.number, i.entry, i.topic, i.key_id, i.body FROM {schema}.imports i"
_LAST: Final = (
    "SELECT r.at, r.turn FROM {schema}.receipts r"
    " WHERE r.origin = {origin} AND r.position = {position} AND r.at < %(size)s ORDER BY r.at DESC LIMIT 1"
)


def record(cursor: Cursor, schema: str, volunteers: Sequence[str], size: int) -> list[Kept]:
    """All events of a person's record that the log knew before position `size`, in record order.

    An event has the place that the last event that received it gave it; one of this log that none did, its own.
    """
    # By version, which is the position + 1: the index of streams has it, and the planner would scan the log otherwise.
    own = _LAST.format(schema=schema, origin="''", position="e.position")
    foreign = _LAST.format(schema=schema, origin="i.origin", position="i.position")
    cursor.execute(
        f"SELECT coalesce(p.at, e.position) AS at, coalesce(p.turn, 0) AS turn, {_OWN.format(schema=schema)}"
        f" LEFT JOIN LATERAL ({own}) p ON true"
        " WHERE e.stream = ANY(%(streams)s) AND e.topic = ANY(%(topics)s) AND e.version <= %(size)s"
        f" UNION ALL SELECT p.at, p.turn, {_FOREIGN.format(schema=schema)} JOIN LATERAL ({foreign}) p ON true"
        " WHERE i.stream = ANY(%(streams)s) AND i.topic = ANY(%(topics)s) ORDER BY at, turn",
        {"streams": list(volunteers), "topics": list(RECORD_TYPES), "size": size},
    )
    return _kept(cursor)


def received(cursor: Cursor, schema: str, positions: Sequence[int]) -> dict[int, list[Kept]]:
    """What the events at these positions received, in order."""
    cursor.execute(
        f"SELECT r.at, r.turn, {_OWN.format(schema=schema)} JOIN {schema}.receipts r ON r.origin = ''"
        " AND r.position = e.position WHERE r.at = ANY(%(at)s)"
        f" UNION ALL SELECT r.at, r.turn, {_FOREIGN.format(schema=schema)} JOIN {schema}.receipts r"
        " USING (origin, position) WHERE r.at = ANY(%(at)s) ORDER BY at, turn",
        {"at": list(positions)},
    )
    found: dict[int, list[Kept]] = {position: [] for position in positions}
    for one in _kept(cursor):
        found[one.at].append(one)
    return found


def _kept(cursor: Cursor) -> list[Kept]:
    return [
        Kept(at, turn, origin, position, handle, bytes(entry), topic, key_id, b"" if body is None else bytes(body))
        for at, turn, origin, position, handle, entry, topic, key_id, body in cursor
    ]


def bodies(cursor: Cursor, schema: str, handles: Sequence[int]) -> dict[int, tuple[str, bytes]]:
    """Type and body of the events that entries call by these handles, as `Entry.position` and `version` do."""
    cursor.execute(
        f"SELECT position, topic, body FROM {schema}.events WHERE position = ANY(%(handles)s)"
        f" UNION ALL SELECT -number, topic, body FROM {schema}.imports WHERE number = ANY(%(numbers)s)",
        {"handles": list(handles), "numbers": [-handle for handle in handles]},
    )
    return {handle: (topic, b"" if body is None else bytes(body)) for handle, topic, body in cursor}
