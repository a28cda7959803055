"""Messages from peers: each is verified, decided, and answered for good."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from msgspec import UNSET

from ledger.app.arrivals import Brought
from ledger.crypto.encoding import encode_base64url
from ledger.domain.arrival import joined_by
from ledger.domain.state import Claim, Moment, Need, State, Transfer, Volunteer, replace
from ledger.domain.transfer_state import ids_of, name_of
from ledger.errors import NotYet, Refused, Unavailable, Untrusted
from ledger.events import private_details
from ledger.events.body import RECORD_TYPES, decode_event
from ledger.events.fields import type_name
from ledger.events.peers import EntryReceived
from ledger.events.transfer import (
    Cited,
    Decision,
    Objection,
    RecoveryAnnounced,
    RecoveryAnswered,
    TransferAccepted,
    TransferCancelled,
    TransferClosed,
    TransferExpired,
    TransferOffered,
    TransferRejected,
)
from ledger.evidence import wire
from ledger.evidence.evidence import Foreign, Verified
from ledger.exchange import bundles
from ledger.exchange.desk import Desk
from ledger.ids import instant
from ledger.limits import TRANSFER_REASONS_MAX
from ledger.store import decisions
from ledger.store.exchange import imports


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a message: `done` with the event that it led to, `waiting` for what is not here yet, or `aside`.

    The sender is rid of it in each case: this region has it, and keeps it.
    """

    state: Literal["done", "waiting", "aside"]
    position: int | None = None
    reason: str = ""


class Fetch(Protocol):
    """Gets the bundle of a transfer from the region that offered it, as it comes; raises Unavailable."""

    def __call__(self, region: str, transfer: str) -> Iterable[bytes]: ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose evidence holds: the event that it tells of, and about the keys of its signer."""

    told: Verified
    support: tuple[Verified, ...]

    @property
    def foreign(self) -> Foreign:
        """The event."""
        return self.told[1]

    @property
    def sender(self) -> str:
        """Code of the region in whose log it stands."""
        return self.foreign.event.ledger

    def brought(self, sender: str, *more: Verified, support: Iterable[Verified] = ()) -> Brought:
        """The foreign events that the answer to this message relies on."""
        return Brought(sender=sender, cited=(self.told, *more), support=(*self.support, *support))


def check(desk: Desk, data: bytes) -> Message:
    """Verify a message; raise TooLarge, Invalid or Untrusted."""
    told, *keys = wire.read_message(data)
    checker = desk.checker()
    support = tuple(checker.learn_verified(keys))
    foreign = checker.check(told)
    _check_logs(desk, [foreign, *(learned for _, learned in support)])
    desk.seen([told, *keys])
    desk.watch.keys(support)
    desk.watch.move(told, foreign)
    return Message((told, foreign), support)


def _check_logs(desk: Desk, events: Iterable[Foreign]) -> None:
    """Raise Untrusted for an event addressed to another region than the one whose log it stands in."""
    for origin, ledger in {(foreign.origin, foreign.event.ledger) for foreign in events}:
        known = {desk.code} if origin == desk.origin else {peer.region for peer in desk.peers(origin)}
        if ledger not in known:
            raise Untrusted(f"{origin!r:.80} is not the log of {ledger}")


def handle(desk: Desk, message: Message, sender: str) -> Answer:
    """Do at once what the message asks for, if that is possible; an offer waits for `decide`."""
    event = message.foreign.event
    try:
        match event:
            case TransferOffered():
                return _already(desk, message.foreign) or Answer("waiting", None, "the bundle is to be fetched")
            case TransferAccepted() | TransferRejected() | TransferExpired():
                return _end(desk, message, event)
            case RecoveryAnnounced():
                return Answer("waiting", None, "the recovery is to be answered")
            case RecoveryAnswered():
                return Answer("done")  # it is kept, and found when the recovery is completed
            case _ if type_name(event) in RECORD_TYPES:
                return _receive(desk, message, sender)
            case _:
                return Answer("aside", None, f"{type_name(event)} is no business of another region")
    except Refused as refused:
        return _refused(refused)


def _refused(refused: Refused) -> Answer:
    """The answer to a refusal: some may be admitted later or came before, all others are for the operator."""
    codes = {problem.code for problem in refused.problems}
    if codes <= {"unknown-entry", "wrong-join"}:
        return Answer("waiting", None, refused.detail)
    return Answer("done" if codes == {"already-received"} else "aside", None, refused.detail)


# -- relays ---------------------------------------------------------------------------------------


def _receive(desk: Desk, message: Message, sender: str) -> Answer:
    foreign = message.foreign
    if foreign.origin == desk.origin:
        return Answer("done", foreign.position)  # it came home, where it stands
    name = (foreign.origin, foreign.position)
    known = imports.place_of(desk.ledger.database, desk.ledger.schema, name)
    if known is not None:
        return Answer("done", known)
    made = EntryReceived(
        **desk.issuer.common(foreign.event.subject),
        event=cite(foreign),
        sender=sender,
    )
    return Answer("done", desk.issuer.issue(made, message.brought(sender)).first)


def cite(foreign: Foreign) -> Cited:
    """The name of a verified event, as a body holds it."""
    return Cited(origin=foreign.origin, position=foreign.position, entry=encode_base64url(foreign.entry))


# -- the end of a transfer, at the home ------------------------------------------------------------


def _end(desk: Desk, message: Message, event: Decision) -> Answer:
    known = desk.ledger.record(Transfer, name_of(event))
    if known is not None and known.state in ("closed", "cancelled"):
        return Answer("done", known.decided)
    kind = TransferClosed if isinstance(event, TransferAccepted) else TransferCancelled
    made = kind(**desk.issuer.common(event.subject), volunteer=event.volunteer, outcome=cite(message.foreign))
    return Answer("done", desk.issuer.issue(made, message.brought(event.ledger)).first)


# -- the decision, at the destination -------------------------------------------------------------


def _already(desk: Desk, foreign: Foreign) -> Answer | None:
    """The answer that says how this very offer was decided, if it was."""
    for row in desk.ledger.stream(foreign.event.subject):
        event = decode_event(row.body or b"")
        if isinstance(event, Decision) and event.basis == cite(foreign):
            return Answer("done", row.position)
    return None


def decide(desk: Desk, message: Message, fetch: Fetch, sealing_key: bytes) -> Answer:
    """Decide on an offer: fetch and verify the record, then accept it, reject it with reasons, or let it expire.

    Raise Unavailable or NotYet when that cannot be told yet: the offer goes on waiting.
    """
    offer = message.foreign.event
    assert isinstance(offer, TransferOffered)
    if done := _already(desk, message.foreign):
        return done
    if desk.ledger.record(Transfer, name_of(offer)) is not None:
        taken = bundles.objection("already-decided", f"another move was made under {offer.subject}")
        return _reject(desk, message, (taken,))
    if desk.ledger.now() >= instant(offer.expires):
        return _decline(desk, message, TransferExpired(**_decision(desk, message)))
    _check_free(desk, offer)
    receiver = bundles.Receiver(
        offer=message.foreign, own_origin=desk.origin, checker=desk.checker(), sealing_key=sealing_key
    )
    chunks = fetch(message.sender, name_of(offer))
    try:
        received = receiver.read(chunks)
        _check_logs(desk, [verified for _, verified in (*received.support, *received.record)])
        desk.seen(item for item, _ in (*received.support, *received.record))
    except wire.CutOff as error:
        raise Unavailable(f"the bundle did not come to its end: {error.detail}") from None
    except bundles.Objected as objected:
        return _reject(desk, message, objected.reasons)
    except Untrusted as error:
        return _reject(desk, message, (bundles.objection(error.code, error.detail),))
    finally:
        if isinstance(chunks, Generator):
            chunks.close()  # whoever makes them may hold a connection for it
    return _accept(desk, message, received)


def _check_free(desk: Desk, offer: TransferOffered) -> None:
    """Raise NotYet while a move of theirs from here is open: how that ended has to be known first."""
    for name in (offer.volunteer, *offer.aliases):
        known = desk.ledger.record(Volunteer, name)
        if known is not None and known.transfer is not None:
            raise NotYet(f"transfer {known.transfer} from here is under way: its end comes first")


def _decision(desk: Desk, message: Message) -> dict[str, Any]:
    offer = message.foreign.event
    assert isinstance(offer, TransferOffered)
    return {
        **desk.issuer.common(offer.subject),
        "volunteer": offer.volunteer,
        "home": offer.ledger,
        "basis": cite(message.foreign),
        "epoch": offer.epoch,
    }


def _decline(desk: Desk, message: Message, event: Decision) -> Answer:
    try:
        return Answer("done", desk.issuer.issue(event, message.brought(message.sender)).first)
    except Refused as refused:
        return _refused(refused)


def _reject(desk: Desk, message: Message, reasons: tuple[Objection, ...]) -> Answer:
    return _decline(desk, message, TransferRejected(**_decision(desk, message), reasons=reasons))


def _accept(desk: Desk, message: Message, received: bundles.Received) -> Answer:
    offer = message.foreign.event
    assert isinstance(offer, TransferOffered)
    details = received.details
    event = TransferAccepted(
        **_decision(desk, message),
        aliases=offer.aliases,
        events=offer.events,
        root=offer.root,
        entries=received.entries,
        minutes=received.minutes,
        keys=received.keys,
        identity=private_details.identity_of(details) if details else UNSET,
    )
    here = joined(desk, event, details)
    if here is not None:
        known = desk.ledger.record(Volunteer, here)
        keys = () if known is not None and known.at_home else event.keys
        event = replace(event, joined=here, keys=keys)
    brought = message.brought(message.sender, *received.record, support=received.support)
    try:
        return Answer("done", desk.issuer.issue(event, brought, {event.id: details} if details else None).first)
    except Refused as refused:
        codes = {problem.code for problem in refused.problems}
        if codes & {"wrong-join"}:
            raise NotYet("the person was registered here meanwhile") from None
        _check_free(desk, offer)
        if codes == {"offer-expired"}:
            return _decline(desk, message, TransferExpired(**_decision(desk, message)))
        reasons = [bundles.objection(problem.code, problem.detail) for problem in refused.problems]
        return _reject(desk, message, tuple(reasons[:TRANSFER_REASONS_MAX]))


def joined(desk: Desk, event: TransferAccepted, details: bytes | None) -> str | None:
    """By which other id the person is known here, as far as it can be told before the lock."""
    claim = desk.ledger.claim(details, str(event.identity)) if details else None
    state = State()
    with desk.ledger.database.read() as cursor:
        schema = desk.ledger.schema
        needs = [Need(Volunteer, name) for name in ids_of(event)]
        if claim is not None:
            needs.append(Need(Claim, ("identity", claim)))
        decisions.load(cursor, schema, needs, state)
        decisions.load(cursor, schema, [Need(Volunteer, claimed.holder) for claimed in state.all(Claim)], state)
    moment = Moment(position=0, now=0, key_id="", region=desk.code, origin=desk.origin, claim=claim)
    return joined_by(state, event, moment)
