"""Folding: what a batch of events makes of hours entries, by the very rules that admitted them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast

from ledger.domain import peers, rules
from ledger.domain.arrival import needs_arrival, replay
from ledger.domain.state import Arrived, Entry, Moment, Need, State, Volunteer
from ledger.domain.transfer_state import ids_of
from ledger.events.body import CATALOGUE, field_reader
from ledger.events.hours import EntryChange, HoursFields
from ledger.events.peers import EntryReceived
from ledger.events.registration import Revocation, VolunteerDisclaimed
from ledger.events.transfer import TransferAccepted
from ledger.store import decisions, log
from ledger.store.exchange import records
from ledger.store.postgres import copying
from ledger.store.postgres.copying import VOLUNTEER
from ledger.store.postgres.database import Cursor

Change = tuple[Entry | None, Entry]
"""An entry before (None when it is new) and after a batch."""

_TOPICS: Final = frozenset(
    name
    for name, kind in CATALOGUE.items()
    if issubclass(kind, HoursFields | EntryChange | Revocation | VolunteerDisclaimed)
    or kind in (EntryReceived, TransferAccepted)
)
_ARRIVALS: Final = frozenset({"entry.received/1", "transfer.accepted/1"})
_RECORDED: Final = "hours.recorded/1"
_ALIASES: Final[copying.Columns] = {"volunteer": VOLUNTEER, "alias_of": VOLUNTEER}
_read = field_reader(
    {
        "id",
        "issuer",
        "subject",
        "entry",
        "activity",
        "category",
        "start",
        "end",
        "minutes",
        "evidence",
        "outcome",
        "origin",
    }
    | {"key_id", "suspect_from"}
    | {"volunteer", "aliases", "joined"}
)


def _needs(topic: str, event: Any, arrived: Sequence[Arrived]) -> Iterable[Need]:
    match topic:
        case "transfer.accepted/1":
            needs = needs_arrival(event)
        case "entry.received/1":
            needs = (need for one in arrived for need in peers.needs_of(one))
        case _:
            needs = rules.BY_NAME[topic].needs(event)
    return (need for need in needs if need.kind is Entry and need.span is None)


class Folding:
    """Folds events of the log in schema `source` into the tables `entries` and `aliases` of a projection's `schema`.

    The entries are only read; whoever asks writes them.
    """

    def __init__(self, source: str, schema: str) -> None:
        self._source = source
        self._schema = schema
        self._origin = ""

    def fold(self, cursor: Cursor, rows: Sequence[log.Body]) -> tuple[list[Change], dict[str, int]]:
        """Entries before and after the events, by the rules that admitted them.

        And the volunteers whose entries changed after they were recorded, with the last position at which one did:
        what a proof of service rests on may have changed with them.
        """
        changed: dict[str, int] = {}
        found = [
            (position, topic, _read(topic, body))
            for position, topic, body in rows
            if topic in _TOPICS and body is not None
        ]
        if not found:
            return [], changed
        state = State()
        arrived = self._arrived(cursor, [position for position, topic, _ in found if topic in _ARRIVALS])
        self._load_aliases(cursor, state, {event.subject for _, _, event in found})
        needs = (
            need
            for position, topic, event in found
            if topic != _RECORDED
            for need in _needs(topic, event, arrived.get(position, ()))
        )
        decisions.load(cursor, self._schema, needs, state)
        signers = log.read_signers(cursor, self._source, found[0][0], found[-1][0])[::-1]
        key_id = ""
        for position, topic, event in found:
            while signers and signers[-1][0] <= position:
                key_id = signers.pop()[1]
            moment = Moment(
                position=position, now=0, key_id=key_id, region="", origin=self._origin, arrived=arrived.get(position)
            )
            for record in self._evolved(state, topic, event, moment, cursor):
                state.put(record)
                if topic != _RECORDED:
                    changed[record.volunteer] = position
        return cast("list[Change]", state.changes()), changed

    def _evolved(self, state: State, topic: str, event: Any, moment: Moment, cursor: Cursor) -> Iterator[Entry]:
        """The entries as an event leaves them, by the rules that admitted it."""
        if topic == "transfer.accepted/1":
            here = event.joined if isinstance(event.joined, str) else event.volunteer
            self._add_aliases(cursor, state, [name for name in ids_of(event) if name != here], here)
            records = replay(event, moment, here)
        else:
            records = rules.BY_NAME[topic].evolve(state, event, moment)
        return (record for record in records if type(record) is Entry)

    def _arrived(self, cursor: Cursor, positions: Sequence[int]) -> dict[int, tuple[Arrived, ...]]:
        """What the events at these positions received from elsewhere, in order."""
        if not positions:
            return {}
        cursor.execute(f"SELECT origin FROM {self._source}.region")
        [(self._origin,)] = cursor.fetchall()
        return {
            at: tuple(
                Arrived(
                    origin=one.origin,
                    position=one.position,
                    handle=one.handle,
                    entry=one.entry,
                    key_id=one.key_id,
                    topic=one.topic,
                    event=_read(one.topic, one.body),
                )
                for one in kept
            )
            for at, kept in records.received(cursor, self._source, positions).items()
        }

    def _load_aliases(self, cursor: Cursor, state: State, subjects: set[str]) -> None:
        """Those of these people who are kept under another id."""
        cursor.execute(f"SELECT EXISTS (SELECT FROM {self._schema}.aliases)")
        if cursor.fetchone() == (False,):
            return
        names = [(name,) for name in subjects if name.startswith(VOLUNTEER.prefix)]
        source, values = copying.arrays({"volunteer": VOLUNTEER}, names)
        columns = copying.selection(_ALIASES, "t")
        cursor.execute(
            f"SELECT {columns} FROM {self._schema}.aliases t WHERE volunteer IN (SELECT * FROM {source})", values
        )
        for name, here in cursor.fetchall():
            state.load(Volunteer(id=name, status="", registrar="", alias_of=here))

    def _add_aliases(self, cursor: Cursor, state: State, names: Sequence[str], here: str) -> None:
        """From here on these ids are other names of the person `here`."""
        source, values = copying.arrays(_ALIASES, [(name, here) for name in names])
        cursor.execute(
            f"INSERT INTO {self._schema}.aliases SELECT * FROM {source}"
            " ON CONFLICT (volunteer) DO UPDATE SET alias_of = EXCLUDED.alias_of",
            values,
        )
        for name in names:
            state.load(Volunteer(id=name, status="", registrar="", alias_of=here))
