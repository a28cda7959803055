"""Events by which records move between regions: peers, visitors, transfers, relays, recovery (docs/transfer.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from ledger.errors import Invalid
from ledger.events.fields import (
    Category,
    Code,
    Digest,
    Event,
    LongText,
    Origin,
    Part,
    Position,
    ShortText,
    Time,
    TransferId,
    VKey,
    VolunteerId,
    at,
    check_key,
    pattern,
)
from ledger.ids import check_origin, check_region, instant
from ledger.limits import ALIASES_MAX, BUNDLE_EVENTS_MAX, RECOVERY_DAYS_MAX, TRANSFER_KEYS_MAX, TRANSFER_REASONS_MAX

LogEntry = Annotated[str, pattern("[A-Za-z0-9_-]{53}[AQgw]", "40 bytes of a log entry, base64url without padding")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1, description="a number from 0")]
Events = Annotated[int, Meta(ge=0, le=BUNDLE_EVENTS_MAX, description=f"a number, 0 to {BUNDLE_EVENTS_MAX}")]
Epoch = Annotated[int, Meta(ge=1, le=2**31 - 1, description="number of the move, from 1; an offer takes the next one")]
Aliases = Annotated[
    tuple[VolunteerId, ...],
    Meta(max_length=ALIASES_MAX, description="other ids of the same person, under which entries were recorded"),
]
StateName = Literal["counted", "pending", "contested", "disputed", "withdrawn"]


class Cited(Part, frozen=True, kw_only=True):
    """An event of a log, named for good: log, place and log entry."""

    origin: Origin
    position: Position
    entry: LogEntry


class StateSum(Part, frozen=True, kw_only=True):
    """What the entries of one category in one state come to."""

    category: Category
    state: Annotated[StateName, Meta(description="state of an entry")]
    entries: Events
    minutes: Count


class Objection(Part, frozen=True, kw_only=True):
    """One reason why an offer was rejected."""

    code: Annotated[str, pattern("[a-z][a-z-]{0,63}", "stable name of the reason")]
    detail: LongText


class Closure(Part, frozen=True, kw_only=True):
    """A federation's word that a log has ended, and where."""

    federation: ShortText
    serial: Count
    size: Count
    root: Digest


Sums = Annotated[tuple[StateSum, ...], Meta(max_length=120, description="one for each category and state there is")]


def _check_peer(code: str, origin: str, name: str) -> None:
    at(f"/{name}", check_region, code)
    at(f"/{name}_origin", check_origin, origin)


# -- transfers ------------------------------------------------------------------------------------


class TransferEvent(Event, frozen=True, kw_only=True):
    """What every event about a transfer holds."""

    subject: TransferId
    volunteer: Annotated[VolunteerId, Meta(description="whose record moves")]


class TransferRequested(TransferEvent, tag="transfer.requested/1", frozen=True, kw_only=True):
    """The volunteer asks to move the record to another region."""

    to: Annotated[Code, Meta(description="code of the region to move to")]
    to_origin: Annotated[Origin, Meta(description="name of its log")]
    reference: Annotated[
        ShortText | UnsetType, Meta(description="where the signed form is kept; required of a station")
    ] = UNSET

    def check(self) -> None:
        _check_peer(self.to, self.to_origin, "to")
        if (self.issuer == self.volunteer) is not (self.reference is UNSET):
            raise Invalid("a request made for another names where the form is kept; one's own has none", "/reference")


class TransferOffered(TransferEvent, tag="transfer.offered/1", frozen=True, kw_only=True):
    """The home offers the record: freezes it, and states all that belongs to it."""

    aliases: Aliases
    to: Annotated[Code, Meta(description="code of the region to move to")]
    to_origin: Annotated[Origin, Meta(description="name of its log")]
    epoch: Epoch
    size: Annotated[Position, Meta(description="the record is what this log knew before this position")]
    events: Annotated[Events, Meta(description="events of the record")]
    root: Annotated[Digest, Meta(description="RFC 6962 root over their log entries, in record order")]
    entries: Annotated[Events, Meta(description="hours entries among them")]
    sums: Sums
    key_events: Annotated[Events, Meta(description="events about the keys of everyone who signed the record")]
    key_root: Annotated[
        Digest, Meta(description="RFC 6962 root over the log entries of these, by origin and position: all there are")
    ]
    expires: Annotated[Time, Meta(description="until when the destination may accept, by its own clock")]
    details: Annotated[Digest | UnsetType, Meta(description="hash of the private details that travel sealed")] = UNSET

    def check(self) -> None:
        _check_peer(self.to, self.to_origin, "to")
        at("/expires", instant, self.expires)
        if self.volunteer in self.aliases or len(set(self.aliases)) < len(self.aliases):
            raise Invalid("an id stands there twice", "/aliases")


class Decision(TransferEvent, frozen=True, kw_only=True):
    """What the destination's decisions on an offer hold."""

    home: Annotated[Code, Meta(description="code of the region that offered")]
    basis: Annotated[Cited, Meta(description="the offer; in a recovery, the home's last word on the record")]
    epoch: Epoch


class TransferAccepted(Decision, tag="transfer.accepted/1", frozen=True, kw_only=True):
    """The destination verified the record, has all of it, and is the volunteer's home from here on."""

    aliases: Aliases
    joined: Annotated[
        VolunteerId | UnsetType, Meta(description="the id by which this ledger knew the person, and still does")
    ] = UNSET
    events: Annotated[Events, Meta(description="events received")]
    root: Annotated[Digest, Meta(description="root over their log entries, in record order")]
    entries: Annotated[Events, Meta(description="hours entries among them")]
    minutes: Annotated[Count, Meta(description="minutes of these, in whatever state")]
    identity: Annotated[Digest | UnsetType, Meta(description="hash of the private details that arrived")] = UNSET
    keys: Annotated[
        tuple[VKey, ...], Meta(max_length=TRANSFER_KEYS_MAX, description="the volunteer's keys, valid here")
    ]
    recovery: Annotated[
        Position | UnsetType, Meta(description="position of the announcement, when the home is gone")
    ] = UNSET

    def check(self) -> None:
        for index, key in enumerate(self.keys):
            name = key.partition("+")[0]
            if name not in (self.volunteer, *self.aliases):
                raise Invalid("the key is of another person", f"/keys/{index}")
            check_key(key, name, f"/keys/{index}")


class TransferRejected(Decision, tag="transfer.rejected/1", frozen=True, kw_only=True):
    """The destination does not take the record; it stays at its home."""

    reasons: Annotated[tuple[Objection, ...], Meta(min_length=1, max_length=TRANSFER_REASONS_MAX, description="why")]


class TransferExpired(Decision, tag="transfer.expired/1", frozen=True, kw_only=True):
    """The offer's time ran out by the destination's clock before it was decided."""


class TransferClosed(TransferEvent, tag="transfer.closed/1", frozen=True, kw_only=True):
    """The former home knows that the destination has the record."""

    outcome: Annotated[Cited, Meta(description="the destination's `transfer.accepted/1`")]


class TransferCancelled(TransferEvent, tag="transfer.cancelled/1", frozen=True, kw_only=True):
    """The record stays, and counts again: the destination rejected it or let it expire, or its log has ended."""

    outcome: Annotated[
        Cited | UnsetType, Meta(description="the destination's `transfer.rejected/1` or `transfer.expired/1`")
    ] = UNSET
    closure: Annotated[
        Closure | UnsetType, Meta(description="the end of the destination's log, which holds no acceptance")
    ] = UNSET

    def check(self) -> None:
        if self.outcome is not UNSET and self.closure is not UNSET:
            raise Invalid("either an outcome or a closure", "/closure")


# -- recovery -------------------------------------------------------------------------------------


class RecoveryAnnounced(TransferEvent, tag="recovery.announced/1", frozen=True, kw_only=True):
    """A home is gone: tells all peers that its record of a volunteer is to be taken over, and waits."""

    aliases: Aliases
    home: Annotated[Code, Meta(description="code of the region that is gone")]
    closure: Closure
    basis: Annotated[Cited, Meta(description="the home's last word on the record that is at hand")]
    epoch: Epoch
    events: Annotated[Events, Meta(description="events at hand")]
    root: Annotated[Digest, Meta(description="root over their log entries, in record order")]
    days: Annotated[int, Meta(ge=1, le=RECOVERY_DAYS_MAX, description=f"a number, 1 to {RECOVERY_DAYS_MAX}")]
    quorum: Annotated[int, Meta(ge=0, le=10_000, description="a number, 0 to 10000")]


class RecoveryAnswered(Event, tag="recovery.answered/1", frozen=True, kw_only=True):
    """A peer's answer to an announcement: it knows of no later home, or it does."""

    subject: TransferId
    announcement: Cited
    outcome: Annotated[
        Literal["endorsed", "objected"],
        Meta(description="`objected` when the volunteer is at home here, or moved on from here"),
    ]
    reason: LongText | UnsetType = UNSET
