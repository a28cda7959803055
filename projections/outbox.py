"""What other regions are to be told, as it follows from the log (docs/transfer.md, "Relay" and "Delivery").

Events of people who move or visit are told to their home, and back to where their entries came from; those of a
transfer to its other side. For everybody else a page of the log costs three queries that find nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from ledger.domain import hours
from ledger.domain.transfer_state import name_of
from ledger.events.body import CHANGE_TYPES, RECORD_TYPES, decode_event, field_reader
from ledger.events.transfer import TransferAccepted, TransferClosed
from ledger.store import log
from ledger.store.exchange import outbox
from ledger.store.exchange.outbox import Message
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT, INTEGER, LABEL, TEXT, UUID
from ledger.store.postgres.database import Cursor
from projections.engine import BatchProjection, Feed
from projections.relay import Move, People, Place, Step, Told, messages_of, names_of, peers_of, relays

_MOVING: Final = (
    "volunteer.visiting/1",
    "transfer.offered/1",
    "transfer.accepted/1",
    "transfer.rejected/1",
    "transfer.expired/1",
    "transfer.closed/1",
    "recovery.announced/1",
    "recovery.answered/1",
)
_RECEIVED: Final = "entry.received/1"
_read = field_reader({"id", "entry", "origin"})

_DDL: Final = """
CREATE TABLE {schema}.roaming (        -- everybody who ever moved, or served elsewhere
    stream text PRIMARY KEY,
    person text NOT NULL,              -- id under which the record is kept here
    home text                          -- NULL for this region
);
CREATE INDEX ON {schema}.roaming (person);
CREATE TABLE {schema}.moves (          -- offers made here
    transfer uuid PRIMARY KEY,
    stream text NOT NULL,
    peer text NOT NULL,
    size bigint NOT NULL,              -- what the offer covers
    closed bigint                      -- position of the event that closed it
);
CREATE INDEX ON {schema}.moves (stream);
CREATE TABLE {schema}.messages (
    at bigint, turn integer,           -- the event that they follow from, and their order
    peer text NOT NULL, lane uuid NOT NULL, kind text NOT NULL, origin text NOT NULL, position bigint NOT NULL,
    transfer uuid,
    PRIMARY KEY (at, turn), UNIQUE (peer, origin, position)
);
"""
_ROAMING: Final[copying.Columns] = {"stream": TEXT, "person": TEXT, "home": LABEL.or_null()}
_MOVES: Final[copying.Columns] = {
    "transfer": UUID,
    "stream": TEXT,
    "peer": LABEL,
    "size": BIGINT,
    "closed": BIGINT.or_null(),
}
_PLACED: Final[copying.Columns] = {"at": BIGINT, "turn": INTEGER, **outbox.MESSAGE_COLUMNS}


class Outgoing(BatchProjection):
    """Messages to peers. They are compared when this is rebuilt; how each fares is kept apart, in the outbox."""

    name = "outgoing"
    tables: ClassVar[Sequence[str]] = ("roaming", "moves", "messages")
    ddl: ClassVar[str] = _DDL

    def apply(self, rows: Sequence[log.Body], cursor: Cursor) -> None:
        """Follow from the first to the last of the positions; the bodies are not looked at."""
        Page(cursor, self.source, self.schema, rows[0][0], rows[-1][0]).apply()


class Outline(Feed):
    """The first and the last position of each page: all that this projection reads of a log itself."""

    def _read(self, first: int) -> list[log.Body]:
        with self._ledger.database.read() as cursor:
            last = min(first + self._page, log.read_head(cursor, self._ledger.schema).size) - 1
        return [(position, "", None) for position in sorted({first, last})] if first <= last else []


@dataclass(slots=True)
class Page:
    """Events from one position to another, inclusive, and what is known of the people they are about."""

    cursor: Cursor
    source: str
    schema: str
    first: int
    last: int
    people: People = field(default_factory=People)
    regions: dict[str, str] = field(default_factory=dict)
    """Whose log it is, by origin."""

    def apply(self) -> None:
        """Find what moves, then what is to be told, and write both."""
        steps = self._steps()
        told = self._told(steps, self._enter(steps))
        if not steps and not told:
            return
        self._load({name for step in steps for name in names_of(step.event)} | {one.stream for one in told})
        places = self._places(told)
        out: list[tuple[int, Message]] = []
        ordered: list[Step | Told] = sorted([*steps, *told], key=_order)
        for one in ordered:
            if isinstance(one, Told):
                to = peers_of(one, self.people, places.get((one.at, one.turn)))
                out += ((one.at, message) for message in relays(one, self.people, to, self.regions))
            else:
                out += ((one.position, message) for message in self._follow(one))
        self._write(out)

    def _follow(self, step: Step) -> list[Message]:
        self.people.follow(step)
        if isinstance(step.event, TransferClosed):
            return self._released(self.people.moves[name_of(step.event)], step.position)
        return messages_of(step, self.regions, self._recognised)

    # -- reading --------------------------------------------------------------------------------------

    def _steps(self) -> list[Step]:
        self.cursor.execute(
            f"SELECT position, body FROM {self.source}.events WHERE position BETWEEN %s AND %s AND topic = ANY(%s)"
            " ORDER BY position",
            (self.first, self.last, list(_MOVING)),
        )
        return [Step(position, decode_event(bytes(body))) for position, body in self.cursor.fetchall()]

    def _enter(self, steps: Sequence[Step]) -> set[str]:
        """Have everybody who begins to move, or to serve elsewhere, among those whose events are looked at.

        Gives who of those that move was among them before.
        """
        self.cursor.execute(
            f"INSERT INTO {self.schema}.roaming SELECT DISTINCT stream, stream FROM {self.source}.events"
            " WHERE position BETWEEN %s AND %s AND topic = %s ON CONFLICT DO NOTHING",
            (self.first, self.last, _RECEIVED),
        )
        streams = sorted({name for step in steps for name in names_of(step.event)})
        if not streams:
            return set()
        self.cursor.execute(f"SELECT stream FROM {self.schema}.roaming WHERE stream = ANY(%s)", (streams,))
        known = {stream for (stream,) in self.cursor}
        self.cursor.execute(
            f"INSERT INTO {self.schema}.roaming SELECT s, s FROM unnest(%s) s ON CONFLICT DO NOTHING", (streams,)
        )
        return known

    def _told(self, steps: Sequence[Step], known: set[str]) -> list[Told]:
        """Events of records in this page: recorded here, received one by one, and changes that came with a record.

        Only a record that returns changes what others but its sender know: nobody else had any of it.
        """
        self.cursor.execute(
            f"SELECT e.position, e.topic, e.stream, e.body FROM {self.source}.events e"
            f" JOIN {self.schema}.roaming r USING (stream) WHERE e.position BETWEEN %s AND %s AND e.topic = ANY(%s)",
            (self.first, self.last, [*RECORD_TYPES, _RECEIVED]),
        )
        found = self.cursor.fetchall()
        returning = []
        for step in steps:
            if isinstance(step.event, TransferAccepted) and known & {*names_of(step.event)}:
                returning.append(step.position)
            known |= {*names_of(step.event)}
        return [*self._gathered(found), *self._imported(returning, CHANGE_TYPES)]

    def _gathered(self, rows: Sequence[tuple[int, str, str, memoryview | None]]) -> Iterator[Told]:
        """What rows of the log tell: the events themselves, or those that they say were received."""
        received = []
        for position, topic, stream, body in rows:
            if topic == _RECEIVED:
                received.append(position)
            else:
                yield Told(position, 0, "", position, topic, stream, None if body is None else bytes(body), "")
        yield from self._imported(received, RECORD_TYPES)

    def _imported(self, positions: Sequence[int], topics: Iterable[str]) -> list[Told]:
        """Events of other logs that came first with the events at these positions."""
        if not positions:
            return []
        self.cursor.execute(
            "SELECT r.at, r.turn + 1, i.origin, i.position, i.topic, i.stream, i.body, i.sender"
            f" FROM {self.source}.receipts r JOIN {self.source}.imports i ON i.origin = r.origin"
            " AND i.position = r.position AND i.at = r.at WHERE r.at = ANY(%s) AND i.topic = ANY(%s)",
            (list(positions), list(topics)),
        )
        return [
            Told(at, turn, origin, position, topic, stream, None if body is None else bytes(body), sender)
            for at, turn, origin, position, topic, stream, body, sender in self.cursor
        ]

    def _released(self, move: Move, position: int) -> list[Message]:
        """What came since the offer goes to the new home, in order."""
        self.cursor.execute(
            f"SELECT position, topic, stream, body FROM {self.source}.events WHERE stream = ANY(%s)"
            " AND version > %s AND version <= %s AND topic = ANY(%s)",
            # An event's version is its position and one: streams are indexed by it.
            (self.people.ids(move.stream), move.size, position, [*RECORD_TYPES, _RECEIVED]),
        )
        held = sorted(self._gathered(self.cursor.fetchall()), key=_order)
        return [message for one in held for message in relays(one, self.people, {move.peer}, self.regions)]

    def _load(self, streams: set[str]) -> None:
        """What was known of these people before the page."""
        schema = self.schema
        self.cursor.execute(
            f"SELECT stream, person, home FROM {schema}.roaming WHERE person IN"
            f" (SELECT person FROM {schema}.roaming WHERE stream = ANY(%s))",
            (sorted(streams),),
        )
        for stream, person, home in self.cursor:
            self.people.persons[stream] = person
            self.people.homes[stream] = home
        self.cursor.execute(
            f"SELECT transfer, stream, peer, size, closed FROM {schema}.moves WHERE stream = ANY(%s)",
            (sorted(self.people.persons),),
        )
        self.people.moves = {name: Move(*values) for name, *values in self.cursor}
        self.cursor.execute(f"SELECT DISTINCT origin, region FROM {self.source}.peers")
        self.regions = dict(self.cursor.fetchall())

    def _places(self, told: Sequence[Told]) -> dict[tuple[int, int], Place]:
        """Where the entries that are changed became known here, by what changes them.

        That never changes, so it may be asked of a log that has gone on.
        """
        self.cursor.execute(f"SELECT origin FROM {self.source}.region")
        [(own,)] = self.cursor.fetchall()
        entries = {
            (one.at, one.turn): hours.entry_of(_read(one.topic, one.body), one.origin, own)
            for one in told
            if one.topic in CHANGE_TYPES and one.body is not None
        }
        call, values = copying.arrays({"id": UUID, "origin": LABEL}, sorted(set(entries.values())))
        self.cursor.execute(
            "SELECT e.id, e.origin, coalesce((SELECT min(r.at)"
            f" FROM {self.source}.receipts r WHERE r.origin = i.origin AND r.position = i.position), e.position),"
            f" coalesce(i.sender, '') FROM {self.source}.entries e LEFT JOIN {self.source}.imports i"
            f" ON i.number = -e.position AND e.position < 0 WHERE (e.id, e.origin) IN (SELECT * FROM {call})",
            values,
        )
        found = {(name, origin): Place(since, sender) for name, origin, since, sender in self.cursor}
        return {name: found[entry] for name, entry in entries.items() if entry in found}

    def _recognised(self, position: int) -> list[str]:
        self.cursor.execute(
            f"SELECT DISTINCT region FROM {self.source}.peers WHERE added < %s"
            " AND (dismissed IS NULL OR dismissed > %s) ORDER BY region",
            (position, position),
        )
        return [region for (region,) in self.cursor]

    # -- writing --------------------------------------------------------------------------------------

    def _write(self, out: Sequence[tuple[int, Message]]) -> None:
        people = self.people
        roaming = [(stream, person, people.homes[stream]) for stream, person in people.persons.items()]
        self._upsert("roaming", _ROAMING, roaming)
        moves = [(name, move.stream, move.peer, move.size, move.closed) for name, move in people.moves.items()]
        self._upsert("moves", _MOVES, moves)
        if not out:
            return
        turns: dict[int, int] = {}
        rows = []
        for at, message in out:
            turns[at] = turns.get(at, -1) + 1
            rows.append((at, turns[at], *message))
        call, values = copying.arrays(_PLACED, rows)
        columns = copying.names(_PLACED)
        self.cursor.execute(
            f"INSERT INTO {self.schema}.messages ({columns}) SELECT * FROM {call} ON CONFLICT DO NOTHING", values
        )
        (last,) = log.read_positions(self.cursor, self.source, [self.last])
        outbox.put(self.cursor, self.source, [message for _, message in out], last.recorded_at * 1000)

    def _upsert(self, table: str, columns: copying.Columns, rows: Sequence[Sequence[Any]]) -> None:
        if not rows:
            return
        key, *others = columns
        call, values = copying.arrays(columns, rows)
        changed = ", ".join(f"{name} = EXCLUDED.{name}" for name in others)
        self.cursor.execute(
            f"INSERT INTO {self.schema}.{table} SELECT * FROM {call} ON CONFLICT ({key}) DO UPDATE SET {changed}",
            values,
        )


def _order(one: Step | Told) -> tuple[int, int, int]:
    return (one.position, -1, 0) if isinstance(one, Step) else (one.at, one.turn, one.position)
