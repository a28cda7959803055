"""Recovery, when a home is gone: announced, answered by peers, waited for (docs/transfer.md, "Recovery")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.domain.peers import check_cited, check_peer, known_peer
from ledger.domain.rule import Rule, Violation
from ledger.domain.state import Moment, Need, Peer, Record, State, Transfer, Volunteer, replace
from ledger.domain.transfer_state import arriving, check_state, find_transfer, name_of, needs_transfer
from ledger.events.fields import Event
from ledger.events.peers import RecordStated
from ledger.events.transfer import RecoveryAnnounced, RecoveryAnswered, TransferAccepted

DAY = 24 * 3600
RECOVERY_STEP = 2
"""A recovery leaves out one number of a move: an offer that the home may have made before it was gone."""


def _needs_announced(event: RecoveryAnnounced) -> Iterable[Need]:
    yield from needs_transfer(event)
    yield Need(Peer, group=event.basis.origin)
    for name in event.aliases:
        yield Need(Volunteer, name)


def _decide_announced(state: State, event: RecoveryAnnounced, moment: Moment) -> Iterator[Violation]:
    if find_transfer(state, event):
        yield Violation("already-requested", f"{event.subject} is known here", "/subject")
    yield from check_peer(state, event.basis.origin, event.home, "/home")
    yield from check_cited(event.basis, moment, "/basis")
    yield from _check_basis(event, moment)
    for name in (event.volunteer, *event.aliases):
        known = state.get(Volunteer, name)
        if known is not None and (known.at_home or known.epoch >= event.epoch):
            yield Violation("already-home", f"{name} is at home here, or was later", "/volunteer")


def _check_basis(event: RecoveryAnnounced | TransferAccepted, moment: Moment) -> Iterator[Violation]:
    """The home's last word is about this person and this record; the move is the second after the last it knew."""
    stated = moment.arrived[0].event if moment.arrived else None
    if stated is None:
        return
    if not isinstance(stated, RecordStated) or stated.issuer != f"region:{event.home}":
        yield Violation("wrong-basis", "what is cited is not the home's word on a record", "/basis")
    elif (stated.subject, stated.aliases, stated.events, stated.root, stated.epoch + RECOVERY_STEP) != (
        event.volunteer,
        event.aliases,
        event.events,
        event.root,
        event.epoch,
    ):
        yield Violation("wrong-basis", "the home stated another record, person or number of a move", "/basis")


def _evolve_announced(state: State, event: RecoveryAnnounced, moment: Moment) -> Iterable[Record]:
    yield replace(
        arriving(state, event, moment, "announced"),
        size=moment.now,
        expires=moment.now + event.days * DAY,
        quorum=event.quorum,
    )


def check_recovery(state: State, event: TransferAccepted, moment: Moment) -> Iterator[Violation]:
    """Announced, waited for, endorsed by enough peers and objected to by none."""
    yield from check_state(state, event, "announced")
    yield from check_peer(state, event.basis.origin, event.home, "/home")
    yield from check_cited(event.basis, moment, "/basis")
    yield from _check_basis(event, moment)
    found = find_transfer(state, event)
    if found is None:
        return
    if (event.recovery, event.epoch) != (found.opened, found.epoch):
        yield Violation("wrong-basis", "another announcement, or epoch", "/recovery")
    if moment.now < found.expires:
        yield Violation("recovery-waits", "the waiting time is not over", "/recovery")
    answers = {
        one.origin: one.event
        for one in moment.arrived or ()
        if isinstance(one.event, RecoveryAnswered)
        and one.event.subject == event.subject
        and (one.event.announcement.origin, one.event.announcement.position) == (moment.origin, found.opened)
    }
    if any(answer.outcome == "objected" for answer in answers.values()):
        yield Violation("recovery-objected", "a peer knows of a later home", "/recovery")
    if len(answers) < found.quorum:
        yield Violation("quorum-missing", f"{len(answers)} peers endorsed, {found.quorum} are needed", "/recovery")


def _needs_answered(event: RecoveryAnswered) -> Iterable[Need]:
    yield Need(Peer, group=event.announcement.origin)
    yield Need(Transfer, name_of(event))


def _decide_answered(state: State, event: RecoveryAnswered, moment: Moment) -> Iterator[Violation]:
    if known_peer(state, event.announcement.origin) is None:
        yield Violation("unknown-peer", f"the log {event.announcement.origin} is not recognised here", "/announcement")
    yield from check_cited(event.announcement, moment, "/announcement")
    if find_transfer(state, event):
        yield Violation("already-decided", f"{event.subject} is answered", "/subject")
    if not moment.arrived:
        return
    announced = moment.arrived[0].event
    if not isinstance(announced, RecoveryAnnounced) or announced.subject != event.subject:
        yield Violation("wrong-basis", "what is cited is not the announcement", "/announcement")
    elif event.outcome == "endorsed" and not may_endorse(state, announced):
        yield Violation("later-home", "the volunteer is at home here, or moved on from here", "/outcome")


def may_endorse(state: State, announced: RecoveryAnnounced) -> bool:
    """Whether nothing is known here that contradicts a recovery: no later home, and none here."""
    found = [state.get(Volunteer, name) for name in (announced.volunteer, *announced.aliases)]
    return not any(one and (one.at_home or one.epoch >= announced.epoch) for one in found)


def _evolve_answered(state: State, event: RecoveryAnswered, moment: Moment) -> Iterable[Record]:
    """Whoever endorses takes no older offer of that record any more, even of a person not known here so far."""
    if not moment.arrived:
        return
    announced = moment.arrived[0].event
    yield Transfer(
        id=name_of(event),
        outgoing=False,
        volunteer=announced.volunteer,
        peer=announced.ledger,
        peer_origin=event.announcement.origin,
        state=event.outcome,
        opened=moment.position,
        decided=moment.position,
        epoch=announced.epoch,
    )
    if event.outcome != "endorsed":
        return
    for name in (announced.volunteer, *announced.aliases):
        known = state.get(Volunteer, name) or Volunteer(
            id=name, status="noted", registrar=event.issuer, home=announced.ledger
        )
        yield replace(known, epoch=max(known.epoch, announced.epoch - 1))


RULES: dict[type[Event], Rule] = {
    RecoveryAnnounced: Rule(_needs_announced, _decide_announced, _evolve_announced),
    RecoveryAnswered: Rule(_needs_answered, _decide_answered, _evolve_answered),
}
