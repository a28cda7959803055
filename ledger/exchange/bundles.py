"""Bundles: a whole record on its way, made at the home, and verified event by event at the destination."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ledger.crypto import canonical
from ledger.crypto.encoding import decode_base64url, encode_base64url
from ledger.domain.record import sums_of
from ledger.domain.state import Arrived
from ledger.domain.transfer_state import name_of
from ledger.errors import Invalid, LedgerError, TooLarge, Untrusted
from ledger.events import private_details
from ledger.events.body import RECORD_TYPES
from ledger.events.fields import type_name
from ledger.events.hours import EntryChange, HoursApproved, HoursCorrected, HoursDisputed, HoursRecorded
from ledger.events.registration import OrganisationDissolved
from ledger.events.transfer import Objection, StateSum, TransferOffered
from ledger.evidence import wire
from ledger.evidence.evidence import Checker, Evidence, Foreign, Verified
from ledger.evidence.form import Listed
from ledger.exchange.manifest import root_of
from ledger.ids import issuer_kind
from ledger.limits import TRANSFER_KEYS_MAX, TRANSFER_REASONS_MAX


class Objected(LedgerError):
    """The bundle is whole, and is not what was offered: it is rejected with these reasons."""

    code = "objected"

    def __init__(self, reasons: Sequence[Objection]) -> None:
        super().__init__("; ".join(one.detail for one in reasons))
        self.reasons = tuple(reasons)


@dataclass(slots=True)
class Received:
    """What a verified bundle holds."""

    record: list[Verified] = field(default_factory=list)
    support: list[Verified] = field(default_factory=list)
    details: bytes | None = None
    keys: tuple[str, ...] = ()
    """The volunteer's own, valid at home when the record was offered."""
    sums: tuple[StateSum, ...] = ()

    @property
    def entries(self) -> int:
        """Hours entries."""
        return sum(one.entries for one in self.sums)

    @property
    def minutes(self) -> int:
        """Minutes of all of them."""
        return sum(one.minutes for one in self.sums)


def manifest_of(offer: TransferOffered) -> bytes:
    """The first line of a bundle: which transfer it belongs to. Everything else stands in the offer."""
    return canonical.encode({"kind": "yongzhi.transfer/1", "transfer": offer.subject, "epoch": offer.epoch})


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Verifies a bundle against its offer, in the steps of docs/transfer.md, "Verifying a bundle"."""

    offer: Foreign
    own_origin: str
    checker: Checker
    sealing_key: bytes

    @property
    def offered(self) -> TransferOffered:
        """What the offer says."""
        assert isinstance(self.offer.event, TransferOffered)
        return self.offer.event

    def read(self, chunks: Iterable[bytes]) -> Received:
        """The record. Raise Objected when it is not what was offered, wire.CutOff when it did not come to its end."""
        reading = _Reading(self)
        try:
            for part in wire.BundleReader(chunks):
                reading.take(part)
            return reading.finish()
        except (Objected, wire.CutOff):
            raise
        except (Invalid, TooLarge, Untrusted) as error:
            raise Objected([objection(error.code, error.detail)]) from None


def objection(code: str, detail: str) -> Objection:
    """A reason as a body holds it: details may quote what a peer sent, so they are cut and cleaned."""
    clean = "".join(char if char.isprintable() else "�" for char in detail)[:1500]
    return Objection(code=code, detail=clean or code)


class _Reading:
    """A bundle while it is read."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._offer = receiver.offered
        self._checker = receiver.checker
        self._listed: list[Listed] = []
        self._keys: list[Evidence] = []
        self._learned = False
        self._found = Received()
        self._wrong: list[Objection] = []
        self._next = 0

    def take(self, part: wire.Part) -> None:
        match part:
            case wire.Manifest(data):
                if data != manifest_of(self._offer):
                    raise Objected([objection("wrong-transfer", "the bundle is of another transfer")])
            case wire.ListedItems(names):
                self._listed.extend(names)
                if len(self._listed) > self._offer.events:
                    raise Objected([objection("wrong-list", "the list has more events than were offered")])
            case wire.KeyItem(evidence):
                self._keys.append(evidence)
                if len(self._keys) > self._offer.key_events:
                    raise Objected([objection("wrong-keys", "there are more key events than were offered")])
            case wire.EventItem(evidence):
                self._begin()
                self._take_event(evidence)
            case wire.Private(data):
                self._begin()
                self._open(data)

    def _begin(self) -> None:
        """Before the first event: the list is the one that was signed, and so are the keys."""
        if self._learned:
            return
        self._learned = True
        if len(self._listed) != self._offer.events or self._root() != self._offer.root:
            self._object("wrong-list", "the list of events is not the one whose root was offered")
        keys = [item.entry for item in sorted(self._keys, key=lambda item: (item.origin, item.position))]
        if len(keys) != self._offer.key_events or root_of(keys) != self._offer.key_root:
            self._object("wrong-keys", "the key events are not those whose root was offered")
        self._give_up()
        self._found.support = self._checker.learn_verified(self._keys)

    def _root(self) -> str:
        return root_of(decode_base64url(one.entry) for one in self._listed)

    def _take_event(self, item: Evidence) -> None:
        while self._next < len(self._listed) and _name(self._listed[self._next]) != (item.origin, item.position):
            self._missing(self._listed[self._next])
            self._next += 1
        if self._next == len(self._listed):
            raise Objected(
                [*self._wrong, objection("unlisted-event", f"position {item.position} of {item.origin} is not listed")][
                    :TRANSFER_REASONS_MAX
                ]
            )
        named = self._listed[self._next]
        self._next += 1
        foreign = self._checker.check(item)
        if encode_base64url(foreign.entry) != named.entry:
            self._object("wrong-entry", f"position {item.position} of {item.origin} is another event than listed")
        if type_name(foreign.event) not in RECORD_TYPES or foreign.event.subject not in self._ids:
            self._object("not-of-the-record", f"position {item.position} of {item.origin} is not about the volunteer")
        self._found.record.append((item, foreign))

    @property
    def _ids(self) -> tuple[str, ...]:
        return self._offer.volunteer, *self._offer.aliases

    def _missing(self, named: Listed) -> None:
        self._object(
            "missing-event", f"the event at position {named.position} of {named.origin} ({named.entry}) is left out"
        )

    def _open(self, sealed: bytes) -> None:
        info = private_details.sealing_info(
            name_of(self._offer), self._receiver.offer.origin, self._receiver.own_origin
        )
        details = private_details.open_sealed(self._receiver.sealing_key, sealed, info)
        private_details.open_foreign_details(details, str(self._offer.details))
        self._found.details = details

    def finish(self) -> Received:
        self._begin()
        for named in self._listed[self._next :]:
            self._missing(named)
        self._give_up()
        found = self._found
        check_authors([foreign for _, foreign in found.record], [foreign for _, foreign in found.support], self._ids)
        found.sums = sums_of(
            [arrived(one, self._receiver.own_origin) for _, one in found.record], self._ids, self._receiver.own_origin
        )
        if found.sums != self._offer.sums or found.entries != self._offer.entries:
            self._object("wrong-sums", "the entries do not come to the sums that were offered")
        self._give_up()
        valid = [
            text
            for name in self._ids
            for text in self._checker.valid_keys(self._receiver.offer.origin, name, self._offer.size)
        ]
        found.keys = tuple(valid[:TRANSFER_KEYS_MAX])
        return found

    def _object(self, code: str, detail: str) -> None:
        if len(self._wrong) < TRANSFER_REASONS_MAX:
            self._wrong.append(objection(code, detail))

    def _give_up(self) -> None:
        if self._wrong:
            raise Objected(self._wrong)


def _name(named: Listed) -> tuple[str, int]:
    return named.origin, named.position


def arrived(one: Foreign, own_origin: str) -> Arrived:
    """A verified event as the rules see it."""
    own = one.origin == own_origin
    return Arrived(
        origin="" if own else one.origin,
        position=one.position,
        handle=one.position,
        entry=one.entry,
        key_id=one.key_id,
        topic=type_name(one.event),
        event=one.event,
    )


def check_authors(record: Sequence[Foreign], support: Sequence[Foreign], ids: Sequence[str]) -> None:
    """Raise Untrusted for an event by somebody who may not issue it: its ledger should have refused it.

    An entry is an organisation's; it is changed by that organisation, its successor, the region or the volunteer.
    """
    recorders: dict[tuple[str, str], str] = {}
    heirs = {
        (one.origin, one.event.subject): one.event.successor
        for one in support
        if isinstance(one.event, OrganisationDissolved)
    }
    for one in record:
        event = one.event
        if isinstance(event, HoursRecorded):
            if issuer_kind(event.issuer) != "org":
                raise Untrusted(f"position {one.position} of {one.origin}: {event.issuer} records no hours")
            recorders[one.origin, event.id] = event.issuer
            continue
        assert isinstance(event, HoursCorrected | EntryChange)
        origin = getattr(event, "origin", None)
        log = origin if isinstance(origin, str) else one.origin
        recorder = recorders.get((log, event.entry))
        allowed = {f"region:{event.ledger}", recorder, heirs.get((log, recorder or ""))}
        if isinstance(event, HoursApproved | HoursDisputed):
            allowed |= set(ids)
        if recorder is None or event.issuer not in allowed:
            raise Untrusted(f"position {one.position} of {one.origin}: {event.issuer} may not change that entry")


def lines(
    offer: TransferOffered,
    listed: Sequence[Listed],
    keys: Iterable[Evidence],
    items: Iterable[Evidence],
    sealed: bytes | None,
) -> Iterator[bytes]:
    """The bundle of an offer, line by line."""
    return wire.bundle_lines(manifest_of(offer), keys, items, sealed, listed)
