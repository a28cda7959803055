"""Who is to be told of what: rules over what is known of people who move (docs/transfer.md, "Relay").

Nothing here does I/O. The order in which events come is the order of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec import UNSET

from ledger.domain.transfer_state import ids_of, name_of
from ledger.events.peers import VolunteerVisiting
from ledger.events.transfer import (
    RecoveryAnnounced,
    RecoveryAnswered,
    TransferAccepted,
    TransferClosed,
    TransferExpired,
    TransferOffered,
    TransferRejected,
)
from ledger.store.exchange.outbox import Message


class Told(NamedTuple):
    """An event of a record that became known at position `at`; `origin` and `sender` are empty for one of this log."""

    at: int
    turn: int
    origin: str
    position: int
    topic: str
    stream: str
    body: bytes | None
    sender: str


class Place(NamedTuple):
    """Since when an entry is known here, and who sent it; empty for one recorded here."""

    since: int
    sender: str


class Step(NamedTuple):
    """An event by which somebody moves."""

    position: int
    event: Any


@dataclass(slots=True)
class Move:
    """An offer made here of what was known before position `size`, and the position at which it was closed."""

    stream: str
    peer: str
    size: int
    closed: int | None = None


@dataclass(slots=True)
class People:
    """Everybody concerned: under which id their record is kept, where they are at home, and how they went there."""

    persons: dict[str, str] = field(default_factory=dict)
    homes: dict[str, str | None] = field(default_factory=dict)
    """None for this region."""
    moves: dict[str, Move] = field(default_factory=dict)
    """By transfer."""

    def ids(self, name: str) -> list[str]:
        """All ids of the person who is known by this one."""
        person = self.persons[name]
        return [one for one, known in self.persons.items() if known == person]

    def went(self, name: str, at: int, since: int) -> set[str]:
        """Where the person moved to from here before position `at` with what was known here from `since` on."""
        ids = self.ids(name)
        return {
            move.peer
            for move in self.moves.values()
            if move.stream in ids and move.closed is not None and move.closed < at and since < move.size
        }

    def follow(self, step: Step) -> None:
        """Take the step into account."""
        event = step.event
        match event:
            case VolunteerVisiting():
                self._settle([event.subject], event.home)
            case TransferOffered():
                self.moves[name_of(event)] = Move(event.volunteer, event.to, event.size)
            case TransferAccepted():
                names = names_of(event)
                here = event.joined if isinstance(event.joined, str) else event.volunteer
                self.persons.update(dict.fromkeys(names, here))
                self._settle(names, None)
            case TransferClosed():
                move = self.moves[name_of(event)]
                move.closed = step.position
                self._settle(self.ids(move.stream), move.peer)

    def _settle(self, names: Sequence[str], home: str | None) -> None:
        self.homes.update(dict.fromkeys(names, home))


def names_of(event: Any) -> tuple[str, ...]:
    """Ids of the person who moves by this event; none when it does not tell where to."""
    match event:
        case VolunteerVisiting():
            return (event.subject,)
        case TransferOffered():
            return ids_of(event)
        case TransferAccepted():
            joined = (event.joined,) if isinstance(event.joined, str) else ()
            return (*ids_of(event), *joined)
        case TransferClosed():
            return (event.volunteer,)
        case _:
            return ()


def messages_of(step: Step, regions: Mapping[str, str], recognised: Callable[[int], Sequence[str]]) -> list[Message]:
    """What the other side of a transfer is told, and everybody in a recovery.

    `regions` says whose log it is, by origin; `recognised` which peers are so at a position.
    """
    event = step.event
    match event:
        case TransferOffered():
            to, kind = [event.to], "offer"
        case TransferAccepted() if event.recovery is UNSET:
            to, kind = [event.home], "outcome"
        case TransferRejected() | TransferExpired():
            to, kind = [event.home], "outcome"
        case RecoveryAnnounced():
            # The home that is gone is asked too: one that is not after all will object.
            to, kind = [*recognised(step.position)], "announcement"
        case RecoveryAnswered():
            to, kind = [regions[event.announcement.origin]], "answer"
        case _:
            return []
    name = name_of(event)
    return [Message(peer, name, kind, "", step.position, name) for peer in to]


def peers_of(told: Told, people: People, place: Place | None) -> set[str]:
    """Who is told of an event of a record: the home, and of a change whoever has the entry from here, or it is from.

    `place` is that of the entry that is changed; None for a new one.
    """
    home = people.homes[people.persons[told.stream]]
    back = {place.sender, *people.went(told.stream, told.at, place.since)} if place else set()
    return {peer for peer in (home, *back) if peer}


def relays(told: Told, people: People, to: set[str], regions: Mapping[str, str]) -> list[Message]:
    """The messages about an event: none to the region in whose log it stands, which has it.

    Nor back to who sent it; but the home is told whoever that was said to be. Anybody may deliver a message in the name
    of a region, and what the home lacks must not depend on that: once too often is received once.
    """
    person = people.persons[told.stream]
    spared = {told.sender} - {people.homes[person]}
    return [
        Message(peer, person.removeprefix("volunteer:"), "relay", told.origin, told.position, None)
        for peer in sorted(to - spared - {regions.get(told.origin, "")})
    ]
