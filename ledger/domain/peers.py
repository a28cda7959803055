"""Peers, visitors, and what was recorded elsewhere: trusted, expected, received (docs/transfer.md, "Relay")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import UNSET

from ledger.crypto.encoding import encode_base64url
from ledger.domain import hours, registration
from ledger.domain.rule import Rule, Violation
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
    Unit,
    Volunteer,
    at_home,
    person,
    replace,
)
from ledger.domain.transfer_state import ids_of, name_of
from ledger.events.body import CHANGE_TYPES, RECORD_TYPES
from ledger.events.fields import Event
from ledger.events.hours import HoursApproved, HoursDisputed
from ledger.events.peers import EntryReceived, PeerDismissed, PeerRecognised, RecordStated, VolunteerVisiting
from ledger.events.registration import OrganisationDissolved, OrganisationRegistered
from ledger.events.transfer import Cited, RecoveryAnnounced, TransferAccepted, TransferOffered

# -- peers ----------------------------------------------------------------------------------------


def known_peer(state: State, origin: str, region: str = "") -> Peer | None:
    """A peer of that origin, and that region if it is named, that is recognised now."""
    found = (one for one in state.group(Peer, origin) if one.dismissed is None)
    return next((one for one in found if region in ("", one.region)), None)


def check_peer(state: State, origin: str, region: str, pointer: str) -> Iterator[Violation]:
    """The region is recognised as a peer, by this origin."""
    if known_peer(state, origin, region) is None:
        yield Violation("unknown-peer", f"{region} with the log {origin} is not recognised here", pointer)


def _needs_peer(event: PeerRecognised | PeerDismissed) -> Iterable[Need]:
    yield Need(Peer, group=event.peer_origin)


def _decide_recognised(state: State, event: PeerRecognised, moment: Moment) -> Iterator[Violation]:
    known = state.get(Peer, (event.peer_origin, event.log_key))
    if known is not None and known.dismissed is None:
        yield Violation("already-recognised", f"{event.peer_origin} is recognised by this key", "/log_key")
    if any(one.region != event.peer for one in state.group(Peer, event.peer_origin)):
        yield Violation("wrong-region", f"{event.peer_origin} is the log of another region", "/peer")
    if event.peer_origin == moment.origin:
        yield Violation("wrong-origin", "that is this log", "/peer_origin")


def _evolve_recognised(state: State, event: PeerRecognised, moment: Moment) -> Iterable[Record]:
    yield Peer(origin=event.peer_origin, log_key=event.log_key, region=event.peer, added=moment.position)


def _decide_dismissed(state: State, event: PeerDismissed, moment: Moment) -> Iterator[Violation]:
    if known_peer(state, event.peer_origin) is None:
        yield Violation("unknown-peer", f"the log {event.peer_origin} is not recognised here", "/peer_origin")


def _evolve_dismissed(state: State, event: PeerDismissed, moment: Moment) -> Iterable[Record]:
    for one in state.group(Peer, event.peer_origin):
        if one.dismissed is None:
            yield replace(one, dismissed=moment.position)


# -- visitors -------------------------------------------------------------------------------------


def _needs_visiting(event: VolunteerVisiting) -> Iterable[Need]:
    yield Need(Volunteer, event.subject)
    yield Need(Peer, group=event.home_origin)
    if isinstance(event.key, str):
        yield Need(KeyRecord, group=event.subject)
        yield Need(Claim, registration.key_claim(event.key))


def _decide_visiting(state: State, event: VolunteerVisiting, moment: Moment) -> Iterator[Violation]:
    known = state.get(Volunteer, event.subject)
    declared_anew = known is not None and known.status == "visiting" and known.home != event.home
    if known is not None and known.status != "noted" and not declared_anew:
        yield Violation("already-registered", f"{event.subject} is known here", "/subject")
    yield from check_peer(state, event.home_origin, event.home, "/home")
    if isinstance(event.key, str):
        yield from registration.check_new_key(state, event.key)


def _evolve_visiting(state: State, event: VolunteerVisiting, moment: Moment) -> Iterable[Record]:
    known = state.get(Volunteer, event.subject)
    epoch = 0 if known is None else known.epoch
    yield Volunteer(id=event.subject, status="visiting", registrar=event.issuer, home=event.home, epoch=epoch)
    if isinstance(event.key, str):
        yield from registration.new_key(event.subject, event.key, moment)


# -- what is cited --------------------------------------------------------------------------------


def cited(event: Arrived) -> str:
    """The log entry of an event as a body cites it."""
    return encode_base64url(event.entry)


def is_cited(named: Cited, one: Arrived) -> bool:
    """Whether this is the event that was named."""
    return (named.origin, named.position, named.entry) == (one.origin, one.position, cited(one))


def check_cited(named: Cited, moment: Moment, pointer: str) -> Iterator[Violation]:
    """What an event cites was brought along, and verified."""
    if not moment.arrived or not is_cited(named, moment.arrived[0]):
        yield Violation("evidence-missing", "the event that this one cites was not brought along", pointer)


def units(moment: Moment) -> Iterable[Record]:
    """The organisations of other ledgers that the support tells of."""
    for one in moment.support:
        if isinstance(one.event, OrganisationRegistered) and one.origin:
            yield Unit(id=one.event.subject, origin=one.origin, name=one.event.name, kind=one.event.kind)


# -- relays ---------------------------------------------------------------------------------------


def needs_of(one: Arrived) -> Iterable[Need]:
    """Records that deciding on an event which arrived will ask for."""
    if isinstance(one.event, RecoveryAnnounced):
        yield from (Need(Volunteer, name) for name in (one.event.volunteer, *one.event.aliases))
    if isinstance(one.event, TransferAccepted) and one.event.recovery is not UNSET:
        yield Need(Transfer, one.event.subject.removeprefix("transfer:"))
    if isinstance(one.event, OrganisationRegistered):
        yield Need(Unit, (one.event.subject, one.origin))
    if one.topic in CHANGE_TYPES:
        entry, origin = hours.entry_of(one.event, one.origin)
        yield Need(Entry, (entry, origin))
        yield Need(Entry, (entry, ""))  # of this log, when the event names it
    elif one.topic in RECORD_TYPES:
        yield Need(Entry, (one.event.id, one.origin))


def _needs_received(event: EntryReceived) -> Iterable[Need]:
    yield Need(Volunteer, event.subject)
    yield Need(Peer, group=event.event.origin)
    yield Need(Receipt, cited=(event.event.origin, event.event.position))
    yield Need(Transfer, group=event.subject)


def _decide_received(state: State, event: EntryReceived, moment: Moment) -> Iterator[Violation]:
    yield from check_cited(event.event, moment, "/event")
    if not moment.arrived:
        return
    one = moment.arrived[0]
    if event.event.origin == moment.origin or one.handle >= 0:
        yield Violation("wrong-origin", "an event of this log is known here", "/event/origin")
    elif known_peer(state, event.event.origin) is None:
        yield Violation("unknown-peer", f"the log {event.event.origin} is not recognised here", "/event/origin")
    if any((found.origin, found.position) == (one.origin, one.position) for found in state.all(Receipt)):
        yield Violation("already-received", "the event was received before", "/event")
    if one.topic not in hours.BY_NAME:
        yield Violation("not-of-a-record", "the event is not about service", "/event")
    elif one.event.subject != event.subject:
        yield Violation("wrong-subject", f"the event is about {one.event.subject}", "/subject")
    elif (known := state.get(Volunteer, person(state, event.subject))) is None or known.status == "noted":
        yield Violation("unknown-volunteer", f"{event.subject} is not known here", "/subject")
    elif one.topic in CHANGE_TYPES:
        entry = state.get(Entry, hours.entry_of(one.event, one.origin, moment.origin))
        if entry is None or entry.volunteer != person(state, event.subject):
            yield Violation("unknown-entry", f"the entry {one.event.entry} is not known here yet", "/event")
        else:
            yield from _check_author(state, one, entry, moment)
    elif state.get(Entry, (one.event.id, one.origin)):
        yield Violation("entry-known", f"{one.origin} recorded {one.event.id} before", "/event")
    elif not one.event.issuer.startswith("org:"):
        yield Violation("wrong-author", f"{one.event.issuer} records no hours", "/event")


def _check_author(state: State, one: Arrived, entry: Entry, moment: Moment) -> Iterator[Violation]:
    """Whoever changes an entry may: in the log where it was recorded, or in that of a home of the person."""
    event, region = one.event, f"region:{one.event.ledger}"
    heirs = {
        other.event.successor
        for other in moment.support
        if isinstance(other.event, OrganisationDissolved)
        and (other.origin, other.event.subject) == (one.origin, entry.issuer)
    }
    allowed = {entry.issuer, region, *heirs}
    if isinstance(event, HoursApproved | HoursDisputed) and event.issuer.startswith("volunteer:"):
        allowed.add(event.issuer if person(state, event.issuer) == entry.volunteer else "")
    if event.issuer not in allowed:
        yield Violation("wrong-author", f"{event.issuer} may not change that entry", "/event")
    elif entry.origin != one.origin and event.ledger not in homes(state, entry.volunteer, event.subject, moment):
        yield Violation("wrong-author", f"{event.ledger} was no home, and the entry stands in another log", "/event")


def homes(state: State, volunteer: str, name: str, moment: Moment) -> set[str]:
    """The regions that were home to somebody, as this ledger and offers and acceptances in their own logs show it.

    `name` is the id by which an event calls the person.
    """
    known = state.get(Volunteer, volunteer)
    found = {moment.region, known.home or moment.region} if known else set()
    found |= {
        move.peer
        for one in {volunteer, name}
        for move in state.group(Transfer, one)
        if move.state in ("accepted", "closed")
    }
    hops = [(start, end) for _, start, end in hops_of(state, volunteer, moment)]
    while more := {one for hop in hops if found & {*hop} for one in hop} - found:
        found |= more
    return found


def hops_of(state: State, volunteer: str, moment: Moment) -> list[tuple[int, str, str]]:
    """Moves of somebody that the support shows: number, from where, to where; each offered there and accepted here.

    A recovery is one where it was endorsed in this log.
    """
    offers = {(one.origin or moment.origin, one.position): one.event for one in moment.support}
    found = []
    for one in moment.support:
        event = one.event
        if not isinstance(event, TransferAccepted) or volunteer not in {person(state, name) for name in ids_of(event)}:
            continue
        endorsed = state.get(Transfer, name_of(event)) if event.recovery is not UNSET else None
        offer = offers.get((event.basis.origin, event.basis.position))
        if _is_endorsed(endorsed, event) if endorsed else _is_taken(offer, event):
            found.append((event.epoch, event.home, event.ledger))
    return sorted(found)


def _is_endorsed(found: Transfer, accepted: TransferAccepted) -> bool:
    return (found.state, found.peer, found.epoch) == ("endorsed", accepted.ledger, accepted.epoch)


def _is_taken(offer: Event | None, accepted: TransferAccepted) -> bool:
    return isinstance(offer, TransferOffered) and (offer.subject, offer.epoch, offer.ledger, offer.to) == (
        accepted.subject,
        accepted.epoch,
        accepted.home,
        accepted.ledger,
    )


def replayed(state: State, one: Arrived, moment: Moment, received: int) -> Iterable[Record]:
    """The records as an event of a record leaves them, when it takes its place at `received`."""
    there = replace(moment, position=one.handle, key_id=one.key_id, source=one.origin, received=received)
    return hours.BY_NAME[one.topic].evolve(state, one.event, there)


def _evolve_received(state: State, event: EntryReceived, moment: Moment) -> Iterable[Record]:
    for one in (moment.arrived or ())[:1]:
        yield Receipt(at=moment.position, turn=0, origin=one.origin, position=one.position)
        for record in replayed(state, one, moment, moment.position):
            yield _in_its_place(state, one, record) if isinstance(record, Entry) else record
    yield from units(moment)


def _in_its_place(state: State, one: Arrived, entry: Entry) -> Entry:
    """An entry that its own log upholds ends no contest at home: that is for the home to decide."""
    before = state.get(Entry, entry.identity)
    if one.topic != "hours.decided/1" or one.origin != entry.origin or before is None or entry.rank >= 0:
        return entry
    rank, turn = before.precedence if before.approved else (-entry.rank, 0)
    return replace(entry, rank=rank, turn=turn)


# -- the record stated ----------------------------------------------------------------------------


def _needs_subject(event: RecordStated) -> Iterable[Need]:
    yield Need(Volunteer, event.subject)


def _decide_stated(state: State, event: RecordStated, moment: Moment) -> Iterator[Violation]:
    if not at_home(state, event.subject):
        yield Violation("not-home", f"{event.subject} is not at home here", "/subject")
    known = state.get(Volunteer, event.subject)
    if known is not None and known.epoch != event.epoch:
        yield Violation("wrong-epoch", f"the last move is number {known.epoch}", "/epoch")
    if event.size > moment.position:
        yield Violation("position-ahead", "size lies beyond the end of the log", "/size")


def _evolve_nothing(state: State, event: Event, moment: Moment) -> Iterable[Record]:
    return ()


RULES: dict[type[Event], Rule] = {
    PeerRecognised: Rule(_needs_peer, _decide_recognised, _evolve_recognised),
    PeerDismissed: Rule(_needs_peer, _decide_dismissed, _evolve_dismissed),
    VolunteerVisiting: Rule(_needs_visiting, _decide_visiting, _evolve_visiting),
    EntryReceived: Rule(_needs_received, _decide_received, _evolve_received),
    RecordStated: Rule(_needs_subject, _decide_stated, _evolve_nothing),
}
