"""What all events about one transfer have in common: its name, its record, the state it has to be in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.domain.rule import Violation
from ledger.domain.state import Moment, Need, State, Transfer, Volunteer
from ledger.events.fields import Event
from ledger.events.transfer import Decision, RecoveryAnnounced, TransferAccepted, TransferEvent, TransferOffered


def name_of(event: Event) -> str:
    """The transfer's UUID."""
    return event.subject.removeprefix("transfer:")


def find_transfer(state: State, event: Event) -> Transfer | None:
    """The transfer that an event is about, as far as it is known here."""
    return state.get(Transfer, name_of(event))


def needs_transfer(event: TransferEvent) -> Iterable[Need]:
    """What every event about a transfer asks for."""
    yield Need(Transfer, name_of(event))
    yield Need(Volunteer, event.volunteer)


def check_state(state: State, event: TransferEvent, *states: str) -> Iterator[Violation]:
    """The transfer is known here, of that volunteer, and in one of these states."""
    found = find_transfer(state, event)
    if found is None or found.volunteer != event.volunteer:
        yield Violation("unknown-transfer", f"no {event.subject} of {event.volunteer} here", "/subject")
    elif found.state not in states:
        yield Violation("wrong-state", f"the transfer is {found.state}", "/subject")


def ids_of(event: TransferAccepted | TransferOffered) -> tuple[str, ...]:
    """All ids under which the person's entries were recorded, the record's own first."""
    return event.volunteer, *event.aliases


def arriving(state: State, event: Decision | RecoveryAnnounced, moment: Moment, new_state: str) -> Transfer:
    """The transfer of a record to here, as the event leaves it; it goes on from an announcement, if there was one."""
    before = find_transfer(state, event)
    return Transfer(
        id=name_of(event),
        outgoing=False,
        volunteer=event.volunteer,
        peer=event.home,
        peer_origin=event.basis.origin,
        state=new_state,
        opened=before.opened if before else moment.position,
        decided=moment.position,
        epoch=event.epoch,
    )
