"""What events of other ledgers come to here: their numbers, their place, and what the rules get to see of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.domain.state import Arrived, Moment, State, Volunteer, replace
from ledger.domain.transfer_state import ids_of
from ledger.errors import Untrusted
from ledger.events.body import decode_event
from ledger.events.fields import Event, type_name
from ledger.events.transfer import TransferAccepted
from ledger.evidence.evidence import Foreign, Verified
from ledger.store import log
from ledger.store.exchange import imports, records
from ledger.store.postgres.database import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """Verified events of other ledgers on which one event of a submission relies."""

    sender: str
    """Code of the region that sent them."""
    cited: tuple[Verified, ...] = ()
    """What the event cites; then, of a move, the record in its order."""
    support: tuple[Verified, ...] = ()
    """About the keys and names of those who signed these."""


class Arrivals:
    """Numbers the foreign events of a batch, under the head's lock; the events of this log are found where they stand.

    An event keeps its number however often it arrives.
    """

    def __init__(self, schema: str, origin: str) -> None:
        self._schema = schema
        self._origin = origin
        self._numbers: dict[imports.Name, int] = {}
        self._stored: set[imports.Name] = set()
        self._own: dict[int, bytes] = {}
        self.telling: list[Arrived] = []
        """What events of the batch rely on: the rules ask for records by it."""

    def name(self, cursor: Cursor, brought: Sequence[Brought]) -> None:
        """Give a number to everything that is brought along."""
        if not brought:
            return
        items = [one for each in brought for one in (*each.cited, *each.support)]
        foreign = {(item.origin, item.position) for item, _ in items if item.origin != self._origin}
        own = [found.position for _, found in items if found.origin == self._origin]
        self._own = {row.position: row.entry for row in log.read_positions(cursor, self._schema, own)}
        self._numbers = imports.numbers(cursor, self._schema, foreign)
        self._stored = set(self._numbers)
        last = imports.last_number(cursor, self._schema)
        for number, name in enumerate(sorted(foreign - self._stored), last + 1):
            self._numbers[name] = number
        telling = [found for each in brought for _, found in (*each.cited, *each.support)]
        self.telling = [self._arrived(found) for found in telling]

    def bring(self, cursor: Cursor, state: State, event: Event, moment: Moment, brought: Brought) -> Moment:
        """The moment of an event with all that it relies on; raise Untrusted for events of this log that it lacks."""
        for _, found in brought.cited:
            if found.origin == self._origin and self._own.get(found.position) != found.entry:
                raise Untrusted(
                    f"position {found.position} of this log holds another event than the one that came back"
                )
        arrived = [self._arrived(found) for _, found in brought.cited]
        if isinstance(event, TransferAccepted):
            arrived += self._left_over(cursor, state, event, moment, arrived)
        support = tuple(self._arrived(found) for _, found in brought.support)
        return replace(moment, arrived=tuple(arrived), support=support)

    def take(self, brought: Brought, position: int) -> list[imports.Import]:
        """What is to be stored of it, once, when the event at `position` is."""
        found = []
        for evidence, foreign in (*brought.cited, *brought.support):
            name = (foreign.origin, foreign.position)
            if name in self._numbers and name not in self._stored:
                self._stored.add(name)
                topic = type_name(foreign.event)
                found.append(imports.Import(self._numbers[name], brought.sender, position, evidence, foreign, topic))
        return found

    def _arrived(self, found: Foreign) -> Arrived:
        own = found.origin == self._origin
        number = self._numbers.get((found.origin, found.position), 0)
        return Arrived(
            origin="" if own else found.origin,
            position=found.position,
            handle=found.position if own else -number,
            entry=found.entry,
            key_id=found.key_id,
            topic=type_name(found.event),
            event=found.event,
        )

    def _left_over(
        self, cursor: Cursor, state: State, event: TransferAccepted, moment: Moment, arrived: Sequence[Arrived]
    ) -> list[Arrived]:
        """Events about somebody who visited, or was at home before, that the record which arrives does not have yet."""
        ids = ids_of(event)
        if not any(state.get(Volunteer, name) for name in ids):
            return []
        listed = {(one.origin, one.position) for one in arrived}
        kept = records.record(cursor, self._schema, ids, moment.position)
        return [as_arrived(one) for one in kept if (one.origin, one.position) not in listed]


def as_arrived(kept: records.Kept) -> Arrived:
    """An event of a record that is kept here, as the rules see it."""
    return Arrived(
        origin=kept.origin,
        position=kept.position,
        handle=kept.handle,
        entry=kept.entry,
        key_id=kept.key_id,
        topic=kept.topic,
        event=decode_event(kept.body),
    )
