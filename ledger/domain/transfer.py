"""Moves of a record between regions: requested, offered, accepted or not, closed or cancelled; and recovery.

The steps and what each may follow are those of docs/transfer.md. A decision rests on verified events of the other
ledger (`Moment.arrived`); silence is never one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import UNSET

from ledger import events as e
from ledger.domain.exchange import check_cited, check_peer, is_cited, replayed, units
from ledger.domain.registration import identity_claim, key_claim, new_key
from ledger.domain.state import (
    Arrived,
    Claim,
    Entry,
    KeyRecord,
    Moment,
    Need,
    Peer,
    Receipt,
    Record,
    State,
    Transfer,
    Volunteer,
    at_home,
    replace,
)
from ledger.domain.verdict import Rule, Violation
from ledger.event_fields import Event
from ledger.ids import instant
from ledger.keys import parse_vkey

DAY = 24 * 3600


def name_of(event: Event) -> str:
    """The transfer's UUID."""
    return event.subject.removeprefix("transfer:")


def _transfer(state: State, event: Event) -> Transfer | None:
    return state.get(Transfer, name_of(event))


def _needs_transfer(event: e.TransferEvent) -> Iterable[Need]:
    yield Need(Transfer, name_of(event))
    yield Need(Volunteer, event.volunteer)


def _check_state(state: State, event: e.TransferEvent, *states: str) -> Iterator[Violation]:
    """The transfer is known here, of that volunteer, and in one of these states."""
    found = _transfer(state, event)
    if found is None or found.volunteer != event.volunteer:
        yield Violation("unknown-transfer", f"no {event.subject} of {event.volunteer} here", "/subject")
    elif found.state not in states:
        yield Violation("wrong-state", f"the transfer is {found.state}", "/subject")


# -- at the home ----------------------------------------------------------------------------------


def _needs_requested(event: e.TransferRequested) -> Iterable[Need]:
    yield from _needs_transfer(event)
    yield Need(Peer, group=event.to_origin)


def _decide_requested(state: State, event: e.TransferRequested, moment: Moment) -> Iterator[Violation]:
    if _transfer(state, event):
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


def _evolve_requested(state: State, event: e.TransferRequested, moment: Moment) -> Iterable[Record]:
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


def _decide_offered(state: State, event: e.TransferOffered, moment: Moment) -> Iterator[Violation]:
    yield from _check_state(state, event, "requested")
    found, volunteer = _transfer(state, event), state.get(Volunteer, event.volunteer)
    if found is not None and (found.peer, found.peer_origin) != (event.to, event.to_origin):
        yield Violation("wrong-region", f"the move to {found.peer} was requested", "/to")
    if volunteer is not None and event.epoch != volunteer.epoch + 1:
        yield Violation("wrong-epoch", f"the next move is number {volunteer.epoch + 1}", "/epoch")
    if event.size > moment.position:
        yield Violation("position-ahead", "size lies beyond the end of the log", "/size")
    if instant(event.expires) <= moment.now:
        yield Violation("offer-expired", "the offer expires before it is made", "/expires")


def _evolve_offered(state: State, event: e.TransferOffered, moment: Moment) -> Iterable[Record]:
    if found := _transfer(state, event):
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
    state: State, event: e.TransferClosed | e.TransferCancelled, moment: Moment, kinds: tuple[type[e.Decision], ...]
) -> Iterator[Violation]:
    """The destination decided on this offer, and so."""
    assert isinstance(event.outcome, e.Cited)
    yield from check_cited(event.outcome, moment, "/outcome")
    found = _transfer(state, event)
    if not moment.arrived or found is None:
        return
    one = moment.arrived[0]
    if not isinstance(one.event, kinds) or one.event.subject != event.subject or one.origin != found.peer_origin:
        yield Violation("wrong-outcome", "what is cited is not the destination's decision on this transfer", "/outcome")
    elif (one.event.basis.origin, one.event.basis.position) != (moment.origin, found.decided):
        yield Violation("wrong-outcome", "the decision is about another offer", "/outcome")


def _decide_closed(state: State, event: e.TransferClosed, moment: Moment) -> Iterator[Violation]:
    yield from _check_state(state, event, "offered")
    yield from _check_outcome(state, event, moment, (e.TransferAccepted,))


def _evolve_closed(state: State, event: e.TransferClosed, moment: Moment) -> Iterable[Record]:
    found, volunteer = _transfer(state, event), state.get(Volunteer, event.volunteer)
    if found is not None and volunteer is not None:
        yield replace(found, state="closed", decided=moment.position)
        yield replace(volunteer, home=found.peer, transfer=None)


def _decide_cancelled(state: State, event: e.TransferCancelled, moment: Moment) -> Iterator[Violation]:
    yield from _check_state(state, event, "requested", "offered")
    found = _transfer(state, event)
    if found is None:
        return
    if found.state == "requested":
        if event.outcome is not UNSET or event.closure is not UNSET:
            yield Violation("not-offered", "what was never offered needs no proof to be cancelled", "/subject")
    elif event.outcome is not UNSET:
        yield from _check_outcome(state, event, moment, (e.TransferRejected, e.TransferExpired))
    elif event.closure is UNSET or moment.arrived is None:
        yield Violation("evidence-missing", "an offer is cancelled with the other side's proof alone", "/outcome")


def _evolve_cancelled(state: State, event: e.TransferCancelled, moment: Moment) -> Iterable[Record]:
    found, volunteer = _transfer(state, event), state.get(Volunteer, event.volunteer)
    if found is not None and volunteer is not None:
        yield replace(found, state="cancelled", decided=moment.position)
        yield replace(volunteer, transfer=None)


# -- at the destination ---------------------------------------------------------------------------


def _needs_decision(event: e.Decision) -> Iterable[Need]:
    yield from _needs_transfer(event)
    yield Need(Peer, group=event.basis.origin)


def _needs_accepted(event: e.TransferAccepted) -> Iterable[Need]:
    yield from _needs_decision(event)
    yield from needs_arrival(event)
    if isinstance(event.joined, str):
        yield Need(Volunteer, event.joined)
    for text in event.keys:
        yield Need(KeyRecord, group=text.partition("+")[0])
        yield Need(Claim, key_claim(text))


def needs_arrival(event: e.TransferAccepted) -> Iterable[Need]:
    """What replaying the record asks for: a projection needs no more."""
    for name in ids_of(event):
        yield Need(Volunteer, name)
        yield Need(Entry, group=name)


def ids_of(event: e.TransferAccepted | e.TransferOffered) -> tuple[str, ...]:
    """All ids under which the person's entries were recorded, the record's own first."""
    return event.volunteer, *event.aliases


def _check_undecided(state: State, event: e.Decision, moment: Moment) -> Iterator[Violation]:
    """The offer is addressed to this ledger, and nothing was decided on it."""
    if _transfer(state, event):
        yield Violation("already-decided", f"{event.subject} is decided", "/subject")
    yield from check_peer(state, event.basis.origin, event.home, "/home")
    yield from check_cited(event.basis, moment, "/basis")
    if not moment.arrived:
        return
    offer = moment.arrived[0].event
    if not isinstance(offer, e.TransferOffered) or offer.subject != event.subject:
        yield Violation("wrong-basis", "what is cited is not the offer of this transfer", "/basis")
    elif (offer.to, offer.to_origin) != (moment.region, moment.origin):
        yield Violation("wrong-region", f"the offer is to {offer.to} with the log {offer.to_origin}", "/basis")
    elif (offer.volunteer, offer.epoch, offer.issuer) != (event.volunteer, event.epoch, f"region:{event.home}"):
        yield Violation("wrong-basis", "the offer is of another volunteer, epoch or home", "/basis")


def _check_arrival(state: State, event: e.TransferAccepted, moment: Moment) -> Iterator[Violation]:
    """Nobody arrives twice, or where they are at home."""
    for name in ids_of(event):
        known = state.get(Volunteer, name)
        if known is None:
            continue
        if known.at_home:
            yield Violation("already-home", f"{name} is at home here", "/volunteer")
        if known.epoch >= event.epoch:
            yield Violation("wrong-epoch", f"{name} has made move {known.epoch} already", "/epoch")
    joined = joined_by(state, event, moment)
    if (event.joined if isinstance(event.joined, str) else None) != joined:
        yield Violation("wrong-join", f"the person is known here as {joined}", "/joined")
    elif joined and (found := state.get(Volunteer, joined)) and (found.transfer or found.status == "disclaimed"):
        yield Violation("record-frozen", f"the record of {joined} is under way or disclaimed", "/joined")


def joined_by(state: State, event: e.TransferAccepted, moment: Moment) -> str | None:
    """The id by which this ledger already knows the person who arrives, if that is another.

    It is the one at home here that holds the same identity number; else the one it knew first of those arriving.
    """
    claim = identity_claim(moment.claim)
    held = state.get(Claim, claim) if claim else None
    holder = state.get(Volunteer, held.holder) if held else None
    if holder is not None and holder.at_home:
        return None if holder.id == event.volunteer else holder.id
    known = [one for name in ids_of(event) if (one := state.get(Volunteer, name))]
    name = next((one.alias_of or one.id for one in known), event.volunteer)
    return None if name == event.volunteer else name


def _decide_accepted(state: State, event: e.TransferAccepted, moment: Moment) -> Iterator[Violation]:
    if event.recovery is UNSET:
        yield from _check_undecided(state, event, moment)
        offer = moment.arrived[0].event if moment.arrived else None
        if isinstance(offer, e.TransferOffered) and moment.now >= instant(offer.expires):
            yield Violation("offer-expired", f"the offer expired at {offer.expires}", "/basis")
    else:
        yield from _check_recovery(state, event, moment)
    yield from _check_arrival(state, event, moment)


def record_of(moment: Moment) -> Sequence[Arrived]:
    """The events of the record that was brought along, behind what the event cites."""
    return [one for one in moment.arrived or () if one.topic in e.RECORD_TYPES]


def _evolve_accepted(state: State, event: e.TransferAccepted, moment: Moment) -> Iterable[Record]:
    here = event.joined if isinstance(event.joined, str) else event.volunteer
    yield from _arrived_people(state, event, moment, here)
    yield from _arrived_keys(state, event, moment)
    yield from replay(event, moment, here)
    yield from units(moment)
    yield Transfer(
        id=name_of(event),
        outgoing=False,
        volunteer=event.volunteer,
        peer=event.home,
        peer_origin=event.basis.origin,
        state="accepted",
        opened=moment.position,
        decided=moment.position,
        epoch=event.epoch,
    )


def _arrived_people(state: State, event: e.TransferAccepted, moment: Moment, here: str) -> Iterable[Record]:
    region = f"region:{moment.region}"
    claim = identity_claim(moment.claim)
    status = "unverified" if claim is None else "verified"
    for name in dict.fromkeys((here, *ids_of(event))):
        known = state.get(Volunteer, name) or Volunteer(id=name, status=status, registrar=region)
        status_now = status if known.status in ("visiting", "noted") else known.status
        alias = None if name == here else here
        yield replace(
            known, status=status_now, home=None, epoch=max(event.epoch, known.epoch), transfer=None, alias_of=alias
        )
    if claim is not None:
        yield Claim(kind=claim[0], key=claim[1], holder=here)


def _arrived_keys(state: State, event: e.TransferAccepted, moment: Moment) -> Iterable[Record]:
    for text in event.keys:
        key = parse_vkey(text)
        if state.get(KeyRecord, (key.name, key.id)) is None and state.get(Claim, key_claim(text)) is None:
            yield from new_key(key.name, text, moment)


def replay(event: e.TransferAccepted, moment: Moment, here: str) -> Iterable[Record]:
    """The entries of a record that arrived, in the order it came in; what is known here beyond it comes last."""
    known = State()
    for name in ids_of(event):
        known.load(Volunteer(id=name, status="", registrar="", alias_of=None if name == here else here))
    record = record_of(moment)
    for turn, one in enumerate(record):
        yield Receipt(at=moment.position, turn=turn, origin=one.origin, position=one.position)
        for found in replayed(known, one, moment, turn + 1):
            known.put(found)
    for turn, entry in enumerate(sorted(known.all(Entry), key=_precedence)):
        yield replace(entry, rank=moment.position, turn=turn)


def _precedence(entry: Entry) -> tuple[int, int]:
    return entry.precedence


def _decide_rejected(state: State, event: e.TransferRejected, moment: Moment) -> Iterator[Violation]:
    yield from _check_undecided(state, event, moment)


def _decide_expired(state: State, event: e.TransferExpired, moment: Moment) -> Iterator[Violation]:
    yield from _check_undecided(state, event, moment)
    offer = moment.arrived[0].event if moment.arrived else None
    if isinstance(offer, e.TransferOffered) and moment.now < instant(offer.expires):
        yield Violation("not-expired", f"the offer stands until {offer.expires}", "/basis")


def _evolve_declined(state: State, event: e.TransferRejected | e.TransferExpired, moment: Moment) -> Iterable[Record]:
    yield Transfer(
        id=name_of(event),
        outgoing=False,
        volunteer=event.volunteer,
        peer=event.home,
        peer_origin=event.basis.origin,
        state="rejected" if isinstance(event, e.TransferRejected) else "expired",
        opened=moment.position,
        decided=moment.position,
        epoch=event.epoch,
    )


# -- recovery, when the home is gone --------------------------------------------------------------


def _needs_announced(event: e.RecoveryAnnounced) -> Iterable[Need]:
    yield from _needs_transfer(event)
    yield Need(Peer, group=event.basis.origin)
    for name in event.aliases:
        yield Need(Volunteer, name)


def _decide_announced(state: State, event: e.RecoveryAnnounced, moment: Moment) -> Iterator[Violation]:
    if _transfer(state, event):
        yield Violation("already-requested", f"{event.subject} is known here", "/subject")
    yield from check_peer(state, event.basis.origin, event.home, "/home")
    yield from check_cited(event.basis, moment, "/basis")
    for name in (event.volunteer, *event.aliases):
        known = state.get(Volunteer, name)
        if known is not None and (known.at_home or known.epoch >= event.epoch):
            yield Violation("already-home", f"{name} is at home here, or was later", "/volunteer")


def _evolve_announced(state: State, event: e.RecoveryAnnounced, moment: Moment) -> Iterable[Record]:
    yield Transfer(
        id=name_of(event),
        outgoing=False,
        volunteer=event.volunteer,
        peer=event.home,
        peer_origin=event.basis.origin,
        state="announced",
        opened=moment.position,
        decided=moment.position,
        epoch=event.epoch,
        size=moment.now,
        expires=moment.now + event.days * DAY,
        quorum=event.quorum,
    )


def _check_recovery(state: State, event: e.TransferAccepted, moment: Moment) -> Iterator[Violation]:
    """Announced, waited for, endorsed by enough peers and objected to by none."""
    yield from _check_state(state, event, "announced")
    yield from check_peer(state, event.basis.origin, event.home, "/home")
    yield from check_cited(event.basis, moment, "/basis")
    found = _transfer(state, event)
    if found is None:
        return
    if (event.recovery, event.epoch) != (found.opened, found.epoch):
        yield Violation("wrong-basis", "another announcement, or epoch", "/recovery")
    if moment.now < found.expires:
        yield Violation("recovery-waits", "the waiting time is not over", "/recovery")
    answers = {
        one.origin: one.event
        for one in moment.arrived or ()
        if isinstance(one.event, e.RecoveryAnswered)
        and one.event.subject == event.subject
        and (one.event.announcement.origin, one.event.announcement.position) == (moment.origin, found.opened)
    }
    if any(answer.outcome == "objected" for answer in answers.values()):
        yield Violation("recovery-objected", "a peer knows of a later home", "/recovery")
    if len(answers) < found.quorum:
        yield Violation("quorum-missing", f"{len(answers)} peers endorsed, {found.quorum} are needed", "/recovery")


def _needs_answered(event: e.RecoveryAnswered) -> Iterable[Need]:
    yield Need(Peer, group=event.announcement.origin)


def _decide_answered(state: State, event: e.RecoveryAnswered, moment: Moment) -> Iterator[Violation]:
    yield from check_cited(event.announcement, moment, "/announcement")
    if not moment.arrived:
        return
    announced = moment.arrived[0].event
    if not isinstance(announced, e.RecoveryAnnounced) or announced.subject != event.subject:
        yield Violation("wrong-basis", "what is cited is not the announcement", "/announcement")
    elif event.outcome == "endorsed" and not may_endorse(state, announced):
        yield Violation("later-home", "the volunteer is at home here, or moved on from here", "/outcome")


def may_endorse(state: State, announced: e.RecoveryAnnounced) -> bool:
    """Whether nothing is known here that contradicts a recovery: no later home, and none here."""
    found = [state.get(Volunteer, name) for name in (announced.volunteer, *announced.aliases)]
    return not any(one and (one.at_home or one.epoch >= announced.epoch) for one in found)


def _evolve_answered(state: State, event: e.RecoveryAnswered, moment: Moment) -> Iterable[Record]:
    """Whoever endorses takes no older offer of that record any more, even of a person not known here so far."""
    if event.outcome != "endorsed" or not moment.arrived:
        return
    announced = moment.arrived[0].event
    for name in (announced.volunteer, *announced.aliases):
        known = state.get(Volunteer, name) or Volunteer(
            id=name, status="noted", registrar=event.issuer, home=announced.ledger
        )
        yield replace(known, epoch=max(known.epoch, announced.epoch - 1))


__all__ = ["RULES", "at_home", "ids_of", "is_cited", "joined_by", "may_endorse", "name_of", "record_of", "replay"]

RULES: dict[type[Event], Rule] = {
    e.TransferRequested: Rule(_needs_requested, _decide_requested, _evolve_requested),
    e.TransferOffered: Rule(_needs_transfer, _decide_offered, _evolve_offered),
    e.TransferAccepted: Rule(_needs_accepted, _decide_accepted, _evolve_accepted),
    e.TransferRejected: Rule(_needs_decision, _decide_rejected, _evolve_declined),
    e.TransferExpired: Rule(_needs_decision, _decide_expired, _evolve_declined),
    e.TransferClosed: Rule(_needs_transfer, _decide_closed, _evolve_closed),
    e.TransferCancelled: Rule(_needs_transfer, _decide_cancelled, _evolve_cancelled),
    e.RecoveryAnnounced: Rule(_needs_announced, _decide_announced, _evolve_announced),
    e.RecoveryAnswered: Rule(_needs_answered, _decide_answered, _evolve_answered),
}
