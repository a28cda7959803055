"""Events of records as they are read: those signed here and those received from other logs alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ledger.events.body import CHANGE_TYPES
from ledger.store.postgres.database import Cursor


class SignedEvent(NamedTuple):
    """An event with its place in its own log; `origin` is empty for one of this log."""

    handle: int
    """What `Entry.position` and `version` call it here."""
    origin: str
    position: int
    event_id: str
    entry: bytes
    topic: str
    body: bytes
    """Empty once it was erased."""

    @property
    def recorded_at(self) -> int:
        """By the clock of its own log, unix seconds."""
        return int.from_bytes(self.entry[32:], "big")


_OWN: Final = "e.position, '', e.position, e.event_id, e.entry, e.topic, e.body"
_FOREIGN: Final = "-i.number, i.origin, i.position, i.event_id, i.entry, i.topic, i.body"
_PLACE: Final = (
    "SELECT r.at, r.turn FROM {source}.receipts r WHERE r.origin = {origin} AND r.position = {position}"
    " ORDER BY r.at DESC LIMIT 1"
)


def events_at(cursor: Cursor, source: str, handles: Sequence[int]) -> dict[int, SignedEvent]:
    """The events that entries call by these handles."""
    cursor.execute(
        f"SELECT {_OWN} FROM {source}.events e WHERE e.position = ANY(%(handles)s)"
        f" UNION ALL SELECT {_FOREIGN} FROM {source}.imports i WHERE i.number = ANY(%(numbers)s)",
        {"handles": list(handles), "numbers": [-handle for handle in handles]},
    )
    return {one.handle: one for one in _read(cursor)}


def changes(cursor: Cursor, source: str, volunteers: Sequence[str]) -> list[SignedEvent]:
    """Events about a person's entries after they were recorded, in record order, which decides what they come to.

    `volunteers` are all ids of the person. An event has the place that the last event that received it gave it.
    """
    own = _PLACE.format(source=source, origin="''", position="e.position")
    foreign = _PLACE.format(source=source, origin="i.origin", position="i.position")
    cursor.execute(
        f"SELECT {_OWN}, coalesce(p.at, e.position) AS at, coalesce(p.turn, 0) AS turn FROM {source}.events e"
        f" LEFT JOIN LATERAL ({own}) p ON true WHERE e.stream = ANY(%(streams)s) AND e.topic = ANY(%(topics)s)"
        f" UNION ALL SELECT {_FOREIGN}, p.at, p.turn FROM {source}.imports i JOIN LATERAL ({foreign}) p ON true"
        " WHERE i.stream = ANY(%(streams)s) AND i.topic = ANY(%(topics)s) ORDER BY at, turn",
        {"streams": list(volunteers), "topics": list(CHANGE_TYPES)},
    )
    return _read(cursor)


def _read(cursor: Cursor) -> list[SignedEvent]:
    return [
        SignedEvent(handle, origin, position, event_id, bytes(entry), topic, b"" if body is None else bytes(body))
        for handle, origin, position, event_id, entry, topic, body, *_ in cursor
    ]
