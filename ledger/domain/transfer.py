"""Moves of a record between regions: requested, offered, accepted or not, closed or cancelled.

The steps and what each may follow are those of docs/transfer.md. A decision rests on verified events of the other
ledger (`Moment.arrived`); silence is never one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import UNSET

from ledger.domain.arrival import arrived_keys, arrived_people, check_arrival, check_record, needs_arrival, replay
from ledger.domain.peers import check_cited, check_peer, units
from ledger.domain.recovery import check_recovery
from ledger.domain.registration import key_claim
from ledger.domain.rule import Rule, Violation
from ledger.domain.state import Claim, KeyRecord, Moment, Need, Peer, Record, State, Transfer, Volunteer, replace
from ledger.domain.transfer_state import arriving, check_state, find_transfer, name_of, needs_transfer
from ledger.events.fields import Event
from ledger.events.transfer import (
    Cited,
    Decision,
    TransferAccepted,
    TransferCancelled,
    TransferClosed,
    TransferExpired,
    TransferOffered,
    TransferRejected,
    TransferRequested,
)
from ledger.ids import instant

# -- at the home ----------------------------------------------------------------------------------


def _needs_requested(event: TransferRequested) -> Iterable[Need]:
    yield from needs_transfer(event)
    yield Need(Peer, group=event.to_origin)


def _decide_requested(state: State, event: TransferRequested, moment: Moment) -> Iterator[Violation]:
    if find_transfer(state, event):
        yield Violation("already-requested", f"{event.subject} is known here", "/subject")
    volunteer = state.get(Volunteer, event.volunteer)
    if volunteer is None:
        yield Violation("unknown-volunteer", f"{event.volunteer} is not registered here", "/volunteer")
    elif not volunteer.at_home:
        yield Violation("not-home", f"{event.volunteer} is not at home here", "/volunteer")
    elif volunteer.status == "disclaimed":
        yield Violation("record-frozen", "the record is frozen since it was disclaimed", "/volunteer")
    elif volunteer.transfer is not None:
        yield Violation("transfer-open", f"transfer {volunteer.transfer} is under way", "/volunteer")
    if event.to == event.ledger:
        yield Violation("wrong-region", "the volunteer is at home there", "/to")
    else:
        yield from check_peer(state, event.to_origin, event.to, "/to")


def _evolve_requested(state: State, event: TransferRequested, moment: Moment) -> Iterable[Record]:
    yield Transfer(
        id=name_of(event),
        outgoing=True,
        volunteer=event.volunteer,
        peer=event.to,
        peer_origin=event.to_origin,
        state="requested",
        opened=moment.position,
        decided=moment.position,
    )
    if volunteer := state.get(Volunteer, event.volunteer):
        yield replace(volunteer, transfer=name_of(event))


def _decide_offered(state: State, event: TransferOffered, moment: Moment) -> Iterator[Violation]:
    yield from check_state(state, event, "requested")
    found, volunteer = find_transfer(state, event), state.get(Volunteer, event.volunteer)
    if found is not None and (found.peer, found.peer_origin) != (event.to, event.to_origin):
        yield Violation("wrong-region", f"the move to {found.peer} was requested", "/to")
    if volunteer is not None and event.epoch != volunteer.epoch + 1:
        yield Violation("wrong-epoch", f"the next move is number {volunteer.epoch + 1}", "/epoch")
    if event.size > moment.position:
        yield Violation("position-ahead", "size lies beyond the end of the log", "/size")
    if instant(event.expires) <= moment.now:
        yield Violation("offer-expired", "the offer expires before it is made", "/expires")


def _evolve_offered(state: State, event: TransferOffered, moment: Moment) -> Iterable[Record]:
    if found := find_transfer(state, event):
        yield replace(
            found,
            state="offered",
            decided=moment.position,
            epoch=event.epoch,
            size=event.size,
            expires=instant(event.expires),
        )
    if volunteer := state.get(Volunteer, event.volunteer):
        # Spent even if the offer comes to nothing: no two offers ever have one number.
        yield replace(volunteer, epoch=event.epoch)


def _check_outcome(
    state: State, event: TransferClosed | TransferCancelled, moment: Moment, kinds: tuple[type[Decision], ...]
) -> Iterator[Violation]:
    """The destination decided on this offer, and so."""
    assert isinstance(event.outcome, Cited)
    yield from check_cited(event.outcome, moment, "/outcome")
    found = find_transfer(state, event)
    if not moment.arrived or found is None:
        return
    one = moment.arrived[0]
    if not isinstance(one.event, kinds) or one.event.subject != event.subject or one.origin != found.peer_origin:
        yield Violation("wrong-outcome", "what is cited is not the destination's decision on this transfer", "/outcome")
    elif (one.event.basis.origin, one.event.basis.position) != (moment.origin, found.decided):
        yield Violation("wrong-outcome", "the decision is about another offer", "/outcome")


def _decide_closed(state: State, event: TransferClosed, moment: Moment) -> Iterator[Violation]:
    yield from check_state(state, event, "offered")
    yield from _check_outcome(state, event, moment, (TransferAccepted,))


def _evolve_closed(state: State, event: TransferClosed, moment: Moment) -> Iterable[Record]:
    found, volunteer = find_transfer(state, event), state.get(Volunteer, event.volunteer)
    if found is not None and volunteer is not None:
        yield replace(found, state="closed", decided=moment.position)
        yield replace(volunteer, home=found.peer, transfer=None)


def _decide_cancelled(state: State, event: TransferCancelled, moment: Moment) -> Iterator[Violation]:
    yield from check_state(state, event, "requested", "offered")
    found = find_transfer(state, event)
    if found is None:
        return
    if found.state == "requested":
        if event.outcome is not UNSET or event.closure is not UNSET:
            yield Violation("not-offered", "what was never offered needs no proof to be cancelled", "/subject")
    elif event.outcome is not UNSET:
        yield from _check_outcome(state, event, moment, (TransferRejected, TransferExpired))
    elif event.closure is UNSET or moment.arrived is None:
        yield Violation("evidence-missing", "an offer is cancelled with the other side's proof alone", "/outcome")


def _evolve_cancelled(state: State, event: TransferCancelled, moment: Moment) -> Iterable[Record]:
    found, volunteer = find_transfer(state, event), state.get(Volunteer, event.volunteer)
    if found is not None and volunteer is not None:
        yield replace(found, state="cancelled", decided=moment.position)
        yield replace(volunteer, transfer=None)


# -- at the destination ---------------------------------------------------------------------------


def _needs_decision(event: Decision) -> Iterable[Need]:
    yield from needs_transfer(event)
    yield Need(Peer, group=event.basis.origin)


def _needs_accepted(event: TransferAccepted) -> Iterable[Need]:
    yield from _needs_decision(event)
    yield from needs_arrival(event)
    if isinstance(event.joined, str):
        yield Need(Volunteer, event.joined)
    for text in event.keys:
        yield Need(KeyRecord, group=text.partition("+")[0])
        yield Need(Claim, key_claim(text))


def is_another(found: Transfer, event: Decision) -> bool:
    """Whether the UUID was used for another move before: this one can only be rejected, which its home is told."""
    return found.outgoing or (found.peer_origin, found.volunteer, found.epoch) != (
        event.basis.origin,
        event.volunteer,
        event.epoch,
    )


def _check_undecided(state: State, event: Decision, moment: Moment) -> Iterator[Violation]:
    """The offer is addressed to this ledger, and nothing was decided on it."""
    found = find_transfer(state, event)
    if found is not None and not (isinstance(event, TransferRejected) and is_another(found, event)):
        yield Violation("already-decided", f"{event.subject} is decided", "/subject")
    yield from check_peer(state, event.basis.origin, event.home, "/home")
    yield from check_cited(event.basis, moment, "/basis")
    if not moment.arrived:
        return
    offer = moment.arrived[0].event
    if not isinstance(offer, TransferOffered) or offer.subject != event.subject:
        yield Violation("wrong-basis", "what is cited is not the offer of this transfer", "/basis")
    elif (offer.to, offer.to_origin) != (moment.region, moment.origin):
        yield Violation("wrong-region", f"the offer is to {offer.to} with the log {offer.to_origin}", "/basis")
    elif (offer.volunteer, offer.epoch, offer.issuer) != (event.volunteer, event.epoch, f"region:{event.home}"):
        yield Violation("wrong-basis", "the offer is of another volunteer, epoch or home", "/basis")


def _decide_accepted(state: State, event: TransferAccepted, moment: Moment) -> Iterator[Violation]:
    if event.recovery is UNSET:
        yield from _check_undecided(state, event, moment)
        offer = moment.arrived[0].event if moment.arrived else None
        if isinstance(offer, TransferOffered) and moment.now >= instant(offer.expires):
            yield Violation("offer-expired", f"the offer expired at {offer.expires}", "/basis")
    else:
        yield from check_recovery(state, event, moment)
    yield from check_record(state, event, moment)
    yield from check_arrival(state, event, moment)


def _evolve_accepted(state: State, event: TransferAccepted, moment: Moment) -> Iterable[Record]:
    here = event.joined if isinstance(event.joined, str) else event.volunteer
    yield from arrived_people(state, event, moment, here)
    yield from arrived_keys(state, event, moment)
    yield from replay(event, moment, here)
    yield from units(moment)
    yield arriving(state, event, moment, "accepted")


def _decide_rejected(state: State, event: TransferRejected, moment: Moment) -> Iterator[Violation]:
    yield from _check_undecided(state, event, moment)


def _decide_expired(state: State, event: TransferExpired, moment: Moment) -> Iterator[Violation]:
    yield from _check_undecided(state, event, moment)
    offer = moment.arrived[0].event if moment.arrived else None
    if isinstance(offer, TransferOffered) and moment.now < instant(offer.expires):
        yield Violation("not-expired", f"the offer stands until {offer.expires}", "/basis")


def _evolve_declined(state: State, event: TransferRejected | TransferExpired, moment: Moment) -> Iterable[Record]:
    if find_transfer(state, event):
        return  # which was another move
    yield arriving(state, event, moment, "rejected" if isinstance(event, TransferRejected) else "expired")


RULES: dict[type[Event], Rule] = {
    TransferRequested: Rule(_needs_requested, _decide_requested, _evolve_requested),
    TransferOffered: Rule(needs_transfer, _decide_offered, _evolve_offered),
    TransferAccepted: Rule(_needs_accepted, _decide_accepted, _evolve_accepted),
    TransferRejected: Rule(_needs_decision, _decide_rejected, _evolve_declined),
    TransferExpired: Rule(_needs_decision, _decide_expired, _evolve_declined),
    TransferClosed: Rule(needs_transfer, _decide_closed, _evolve_closed),
    TransferCancelled: Rule(needs_transfer, _decide_cancelled, _evolve_cancelled),
}
