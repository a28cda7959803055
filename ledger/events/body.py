"""The catalogue of event types: one table from which validation, the API schema and docs all come.

A type is a struct. Its fields are what a body of that type holds, no more; `Meta` carries the form and
the description. What needs no other event is checked here (`check`); what does is in `domain`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from hashlib import sha256
from typing import Annotated, Any, Final, Literal, Union, get_args, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ledger import canonical
from ledger.credentials.did import base_of, did_of
from ledger.credentials.keys import parse_multikey
from ledger.errors import Invalid
from ledger.event_fields import (
    ActivityId,
    Category,
    Consent,
    Did,
    Digest,
    Event,
    Evidence,
    KeyId,
    Kind,
    ListName,
    LongText,
    Minutes,
    Multikey,
    OrganisationId,
    Origin,
    Part,
    Place,
    Position,
    ProofId,
    RegionId,
    RegionName,
    ShortText,
    Time,
    Uuid,
    VKey,
    VolunteerId,
    at,
    check_key,
    type_name,
)
from ledger.ids import check_issuer, check_origin, instant, parse_list_name
from ledger.limits import BODY_BYTES_MAX, ENTRY_MINUTES_MAX, STATUS_LIST_SIZE
from ledger.transfer_events import (
    Cited,
    Closure,
    Decision,
    EntryReceived,
    Objection,
    PeerDismissed,
    PeerRecognised,
    RecordStated,
    RecoveryAnnounced,
    RecoveryAnswered,
    StateSum,
    TransferAccepted,
    TransferCancelled,
    TransferClosed,
    TransferEvent,
    TransferExpired,
    TransferOffered,
    TransferRejected,
    TransferRequested,
    VolunteerVisiting,
)

__all__ = [  # beside what is defined here
    "Cited",
    "Closure",
    "Consent",
    "Decision",
    "EntryReceived",
    "Event",
    "Objection",
    "PeerDismissed",
    "PeerRecognised",
    "Place",
    "RecordStated",
    "RecoveryAnnounced",
    "RecoveryAnswered",
    "RegionName",
    "StateSum",
    "TransferAccepted",
    "TransferCancelled",
    "TransferClosed",
    "TransferEvent",
    "TransferExpired",
    "TransferOffered",
    "TransferRejected",
    "TransferRequested",
    "VolunteerVisiting",
    "type_name",
]

# -- regions --------------------------------------------------------------------------------------


class RegionEstablished(Event, tag="region.established/1", frozen=True, kw_only=True):
    """Begins a ledger: its name, its origin, its log key and its first issuing key. Position 0, once."""

    subject: RegionId
    name: RegionName
    origin: Origin
    log_key: Annotated[VKey, Meta(description="verifies checkpoints; its name is the origin")]
    key: Annotated[VKey, Meta(description="verifies this submission; its name is the issuer")]

    def check(self) -> None:
        at("/origin", check_origin, self.origin)
        check_key(self.log_key, self.origin, "/log_key")
        check_key(self.key, self.issuer)


class RegionKeyAdded(Event, tag="region.key_added/1", frozen=True, kw_only=True):
    """Adds an issuing key of the region."""

    subject: RegionId
    key: VKey

    def check(self) -> None:
        check_key(self.key, self.subject)


class Revocation(Event, frozen=True, kw_only=True):
    """What the revocations of all kinds of issuers hold."""

    key_id: KeyId
    reason: LongText
    suspect_from: Annotated[
        Position | UnsetType, Meta(description="entries this key signed from here on become disputed")
    ] = UNSET


class RegionKeyRevoked(Revocation, tag="region.key_revoked/1", frozen=True, kw_only=True):
    """Ends an issuing key of the region."""

    subject: RegionId


class RegionCredentialKeyAdded(Event, tag="region.credential_key_added/1", frozen=True, kw_only=True):
    """Adds a key that signs credentials: Ed25519 for proofs of service, P-256 for tokens (SD-JWT)."""

    subject: RegionId
    did: Annotated[Did, Meta(description="the issuer that the region's credentials name")]
    multikey: Multikey
    use: Annotated[Literal["credential", "token"], Meta(description="Ed25519 signs credentials, P-256 tokens")]

    def check(self) -> None:
        if did_of(at("/did", base_of, self.did), self.ledger) != self.did:
            raise Invalid("the DID of another region", "/did")
        public = at("/multikey", parse_multikey, self.multikey)
        if (len(public) == 32) is not (self.use == "credential"):
            raise Invalid("an Ed25519 key signs credentials, a P-256 key tokens", "/use")


class RegionCredentialKeyRevoked(Event, tag="region.credential_key_revoked/1", frozen=True, kw_only=True):
    """Ends a key that signed credentials; what it signed has to be signed anew, by another."""

    subject: RegionId
    multikey: Multikey
    reason: LongText


class RegionClosed(Event, tag="region.closed/1", frozen=True, kw_only=True):
    """Ends the ledger: nothing comes after it, and the last status lists do not expire."""

    subject: RegionId
    reason: LongText


# -- organisations ----------------------------------------------------------------------------------


class OrganisationRegistered(Event, tag="organisation.registered/1", frozen=True, kw_only=True):
    """Admits an organisation. One of kind `station` may register and verify volunteers."""

    subject: OrganisationId
    name: ShortText
    name_en: ShortText | UnsetType = UNSET
    kind: Kind

    def check(self) -> None:
        at("/subject", check_issuer, self.subject)


class OrganisationKeyAdded(Event, tag="organisation.key_added/1", frozen=True, kw_only=True):
    """Adds a signing key of an organisation; the first comes from the region."""

    subject: OrganisationId
    key: VKey

    def check(self) -> None:
        check_key(self.key, self.subject)


class OrganisationKeyRevoked(Revocation, tag="organisation.key_revoked/1", frozen=True, kw_only=True):
    """Ends a signing key of an organisation; the last one only the region may end."""

    subject: OrganisationId


class OrganisationSuspended(Event, tag="organisation.suspended/1", frozen=True, kw_only=True):
    """The organisation may submit nothing until it is reinstated."""

    subject: OrganisationId
    reason: LongText


class OrganisationReinstated(Event, tag="organisation.reinstated/1", frozen=True, kw_only=True):
    """Ends a suspension."""

    subject: OrganisationId
    reason: LongText


class OrganisationDissolved(Event, tag="organisation.dissolved/1", frozen=True, kw_only=True):
    """Ends the organisation; a successor may correct its records (民发〔2015〕149号)."""

    subject: OrganisationId
    reason: LongText
    successor: OrganisationId | UnsetType = UNSET


# -- volunteers -------------------------------------------------------------------------------------


class VolunteerRegistered(Event, tag="volunteer.registered/1", frozen=True, kw_only=True):
    """Registers a consenting person: unverified when signed by their own key, verified by a station."""

    subject: VolunteerId
    consent: Consent
    key: Annotated[VKey | UnsetType, Meta(description="the volunteer's first key; required when self-signed")] = UNSET
    identity: Annotated[Digest | UnsetType, Meta(description="hash of the private details; required of a station")] = (
        UNSET
    )

    def check(self) -> None:
        if self.key is not UNSET:
            check_key(self.key, self.subject)
        own = self.issuer == self.subject
        if own and (self.key is UNSET or self.consent.method != "signed"):
            raise Invalid("a self-registration carries its key, and consent by that signature", "/consent")
        if not own and (self.identity is UNSET or self.consent.method != "form"):
            raise Invalid("a station registers with the private details' hash and a consent form", "/consent")


class VolunteerKeyAdded(Event, tag="volunteer.key_added/1", frozen=True, kw_only=True):
    """Adds a key of a volunteer."""

    subject: VolunteerId
    key: VKey

    def check(self) -> None:
        check_key(self.key, self.subject)


class VolunteerKeyRevoked(Revocation, tag="volunteer.key_revoked/1", frozen=True, kw_only=True):
    """Ends a key of a volunteer; the last one only the region may end."""

    subject: VolunteerId


class VolunteerVerified(Event, tag="volunteer.verified/1", frozen=True, kw_only=True):
    """A station saw the person's document: takes the claim on the identity number."""

    subject: VolunteerId
    identity: Annotated[Digest, Meta(description="hash of the private details as seen")]


class VolunteerDisclaimed(Event, tag="volunteer.disclaimed/1", frozen=True, kw_only=True):
    """The person never agreed to be registered: freezes the record at once, all entries disputed."""

    subject: VolunteerId
    reason: LongText
    reference: Annotated[
        ShortText | UnsetType,
        Meta(description="where the signed statement is kept; required on another's behalf"),
    ] = UNSET

    def check(self) -> None:
        if (self.issuer == self.subject) is not (self.reference is UNSET):
            raise Invalid("a statement made for another names where it is kept; one's own has none", "/reference")


# -- activities and hours ---------------------------------------------------------------------------


def _check_window(start: str, end: str) -> int:
    begins, ends = at("/start", instant, start), at("/end", instant, end)
    if ends <= begins:
        raise Invalid("the end is not after the start", "/end")
    return ends - begins


class ActivityPublished(Event, tag="activity.published/1", frozen=True, kw_only=True):
    """Announces an activity and the window in which hours can be served."""

    subject: ActivityId
    name: ShortText
    category: Category
    content: LongText
    start: Time
    end: Time
    place: Place
    responsible: ShortText

    def check(self) -> None:
        _check_window(self.start, self.end)


class HoursFields(Event, frozen=True, kw_only=True):
    """What Order 67 (articles 7 and 15) asks of a service record; the organising unit is the issuer."""

    subject: VolunteerId
    activity: Annotated[Uuid, Meta(description="UUID of a published activity of the same organisation")]
    activity_name: ShortText
    category: Category
    content: LongText
    start: Time
    end: Annotated[Time, Meta(description="exclusive; the entry is made after it")]
    minutes: Annotated[Minutes, Meta(description="time actually given, at most the time between start and end")]
    place: Place
    responsible: ShortText
    recorder: ShortText
    evidence: Evidence

    def check(self) -> None:
        seconds = _check_window(self.start, self.end)
        if seconds > ENTRY_MINUTES_MAX * 60:
            raise Invalid(f"longer than {ENTRY_MINUTES_MAX} minutes from start to end", "/end")
        if self.minutes * 60 > seconds:
            raise Invalid("more minutes than lie between start and end", "/minutes")


class HoursRecorded(HoursFields, tag="hours.recorded/1", frozen=True, kw_only=True):
    """One entry of service."""


class EntryChange(Event, frozen=True, kw_only=True):
    """What every event about an existing entry holds."""

    subject: VolunteerId
    entry: Annotated[Uuid, Meta(description="id of the `hours.recorded/1` event")]


class HoursCorrected(HoursFields, tag="hours.corrected/1", frozen=True, kw_only=True):
    """Replaces the fields of an entry; all are repeated, the evidence grade stays."""

    entry: Annotated[Uuid, Meta(description="id of the `hours.recorded/1` event")]
    reason: LongText


class HoursWithdrawn(EntryChange, tag="hours.withdrawn/1", frozen=True, kw_only=True):
    """Takes an entry back, for good."""

    reason: LongText


class HomeChange(EntryChange, frozen=True, kw_only=True):
    """What the volunteer and the home region may say of an entry, wherever it was recorded."""

    origin: Annotated[
        Origin | UnsetType, Meta(description="log of the entry, when it was recorded in another than this one")
    ] = UNSET


class HoursApproved(EntryChange, tag="hours.approved/1", frozen=True, kw_only=True):
    """A second key of the organisation approves a manual entry, or the volunteer confirms any."""


class HoursDisputed(HomeChange, tag="hours.disputed/1", frozen=True, kw_only=True):
    """The volunteer or the region says that an entry is wrong; it stops counting."""

    reason: LongText


class HoursDecided(HomeChange, tag="hours.decided/1", frozen=True, kw_only=True):
    """The region decides a disputed, contested or doubtful entry."""

    outcome: Annotated[
        Literal["upheld", "annulled"],
        Meta(description="`upheld` counts before all others, `annulled` never again"),
    ]
    reason: LongText


# -- proofs of service ------------------------------------------------------------------------------


class StatusIndex(Part, frozen=True, kw_only=True):
    """Where a status list tells whether a proof was revoked."""

    list: ListName
    index: Annotated[int, Meta(ge=0, lt=STATUS_LIST_SIZE, description=f"0 to {STATUS_LIST_SIZE - 1}, never twice")]


class ProofIssued(Event, tag="proof.issued/1", frozen=True, kw_only=True):
    """Certifies service (Order 67, articles 14 and 15). Names no volunteer: whoever checks the proof sees this body."""

    subject: ProofId
    credential: Annotated[Digest, Meta(description="of the canonical credential without `evidence` and `proof`")]
    holder: Annotated[Digest, Meta(description="of the private object that tells whose proof it is")]
    format: Annotated[Literal["vc", "sd-jwt"], Meta(description="credential or SD-JWT")]
    status: StatusIndex
    replaces: Annotated[Uuid | UnsetType, Meta(description="the revoked proof that this one replaces")] = UNSET

    def check(self) -> None:
        if parse_list_name(self.status.list) != (self.ledger, self.format == "sd-jwt"):
            raise Invalid("a status list of another region or format", "/status/list")


RevocationReason = Literal["corrected", "withdrawn", "disclaimed", "requested", "erased", "mistaken"]


class ProofRevoked(Event, tag="proof.revoked/1", frozen=True, kw_only=True):
    """Ends a proof of service, for good."""

    subject: ProofId
    reason: Annotated[RevocationReason, Meta(description="what happened to the record, or who asked")]
    detail: LongText | UnsetType = UNSET


AnyEvent = Union[  # noqa: UP007 - a list of types reads better down than across
    RegionEstablished,
    RegionKeyAdded,
    RegionKeyRevoked,
    RegionCredentialKeyAdded,
    RegionCredentialKeyRevoked,
    RegionClosed,
    OrganisationRegistered,
    OrganisationKeyAdded,
    OrganisationKeyRevoked,
    OrganisationSuspended,
    OrganisationReinstated,
    OrganisationDissolved,
    VolunteerRegistered,
    VolunteerKeyAdded,
    VolunteerKeyRevoked,
    VolunteerVerified,
    VolunteerDisclaimed,
    ActivityPublished,
    HoursRecorded,
    HoursCorrected,
    HoursWithdrawn,
    HoursApproved,
    HoursDisputed,
    HoursDecided,
    ProofIssued,
    ProofRevoked,
    PeerRecognised,
    PeerDismissed,
    VolunteerVisiting,
    EntryReceived,
    RecordStated,
    TransferRequested,
    TransferOffered,
    TransferAccepted,
    TransferRejected,
    TransferExpired,
    TransferClosed,
    TransferCancelled,
    RecoveryAnnounced,
    RecoveryAnswered,
]
CATALOGUE: Final[dict[str, type[Event]]] = {type_name(kind): kind for kind in get_args(AnyEvent)}

KEY_TYPES: Final = frozenset(
    name
    for name, kind in CATALOGUE.items()
    if {"key", "keys"} & {*kind.__struct_fields__} or issubclass(kind, Revocation)
)
"""Types that add or revoke keys: of their subject, or of the person whose record arrives."""

RECORD_TYPES: Final = frozenset(name for name, kind in CATALOGUE.items() if issubclass(kind, EntryChange | HoursFields))
"""Types that make up a volunteer's record."""

CHANGE_TYPES: Final = frozenset(
    name for name, kind in CATALOGUE.items() if issubclass(kind, EntryChange | HoursCorrected)
)
"""Types about an entry that was recorded before."""

_decoder: Final[msgspec.json.Decoder[AnyEvent]] = msgspec.json.Decoder(AnyEvent)
_PLACE: Final = re.compile(r" - at `\$?([^`]*)`$")
_FIELD: Final = re.compile(r"field `([^`]+)`$")


def decode(body: bytes) -> AnyEvent:
    """The event of canonical bytes; raise Invalid, naming the place, for anything else."""
    if len(body) > BODY_BYTES_MAX:
        raise Invalid(f"a body over {BODY_BYTES_MAX} bytes")
    canonical.check_bytes(body)
    try:
        event = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Invalid(*_explain(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"not JSON: {error}") from None
    canonical.check_form(event, body)
    at("/issuer", check_issuer, event.issuer)
    at("/time", instant, event.time)
    event.check()
    return event


def reader(names: Collection[str]) -> Callable[[str, bytes | memoryview], Any]:
    """A function from (type name, stored body) to the named fields, those that the type has.

    Bodies in the log were checked when they came in: nothing is checked again, and it is ten times as fast.
    """
    decoders = {}
    for name, kind in CATALOGUE.items():
        hints = get_type_hints(kind)
        fields = [
            (field.name, hints[field.name], UNSET) if field.default is UNSET else (field.name, hints[field.name])
            for field in msgspec.structs.fields(kind)
            if field.name in names
        ]
        form = msgspec.defstruct(kind.__name__, fields, kw_only=True, frozen=True, gc=False)
        decoders[name] = msgspec.json.Decoder(form).decode
    return lambda name, body: decoders[name](body)


def encode(event: Event) -> bytes:
    """The canonical body of an event, checked as a receiver would check it."""
    body = canonical.write(event)
    decode(body)
    return body


class _Issuer(msgspec.Struct):
    issuer: str


_issuers: Final[msgspec.json.Decoder[_Issuer]] = msgspec.json.Decoder(_Issuer)


def issuer_of(body: bytes) -> str:
    """Who issued a body that was checked before."""
    return _issuers.decode(body).issuer


def commitment(body: bytes) -> bytes:
    """SHA-256 of a body, 32 bytes: its entry in a submission's tree, and the head of its log entry."""
    return sha256(body).digest()


def _explain(message: str) -> tuple[str, str]:
    """The detail and the JSON pointer in a msgspec message."""
    place = _PLACE.search(message)
    pointer = re.sub(r"[.\[]", "/", place[1]).replace("]", "") if place else ""
    detail = message[: place.start()] if place else message
    if named := _FIELD.search(detail):
        pointer += f"/{canonical.pointer_token(named[1])}"
    return detail, pointer
