"""The catalogue of event types: one table from which validation, the API schema and docs all come.

A type is a struct. Its fields are what a body of that type holds, no more; `Meta` carries the form and
the description. What needs no other event is checked here (`check`); what does is in `domain`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, Final, Union, get_args, get_type_hints

import msgspec
from msgspec import UNSET

from ledger.crypto import canonical
from ledger.errors import Invalid
from ledger.events.fields import (
    Event,
    at,
    type_name,
)
from ledger.events.hours import (
    ActivityPublished,
    EntryChange,
    HoursApproved,
    HoursCorrected,
    HoursDecided,
    HoursDisputed,
    HoursFields,
    HoursRecorded,
    HoursWithdrawn,
)
from ledger.events.peers import EntryReceived, PeerDismissed, PeerRecognised, RecordStated, VolunteerVisiting
from ledger.events.proofs import ProofIssued, ProofRevoked, RegionCredentialKeyAdded, RegionCredentialKeyRevoked
from ledger.events.registration import (
    OrganisationDissolved,
    OrganisationKeyAdded,
    OrganisationKeyRevoked,
    OrganisationRegistered,
    OrganisationReinstated,
    OrganisationSuspended,
    RegionClosed,
    RegionEstablished,
    RegionKeyAdded,
    RegionKeyRevoked,
    Revocation,
    VolunteerDisclaimed,
    VolunteerKeyAdded,
    VolunteerKeyRevoked,
    VolunteerRegistered,
    VolunteerVerified,
)
from ledger.events.transfer import (
    RecoveryAnnounced,
    RecoveryAnswered,
    TransferAccepted,
    TransferCancelled,
    TransferClosed,
    TransferExpired,
    TransferOffered,
    TransferRejected,
    TransferRequested,
)
from ledger.ids import check_issuer, instant
from ledger.limits import BODY_BYTES_MAX

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


def decode_event(body: bytes) -> AnyEvent:
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


def field_reader(names: Collection[str]) -> Callable[[str, bytes | memoryview], Any]:
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


def encode_event(event: Event) -> bytes:
    """The canonical body of an event, checked as a receiver would check it."""
    body = canonical.write(event)
    decode_event(body)
    return body


class _Issuer(msgspec.Struct):
    issuer: str


_issuers: Final[msgspec.json.Decoder[_Issuer]] = msgspec.json.Decoder(_Issuer)


def issuer_of(body: bytes) -> str:
    """Who issued a body that was checked before."""
    return _issuers.decode(body).issuer


def _explain(message: str) -> tuple[str, str]:
    """The detail and the JSON pointer in a msgspec message."""
    place = _PLACE.search(message)
    pointer = re.sub(r"[.\[]", "/", place[1]).replace("]", "") if place else ""
    detail = message[: place.start()] if place else message
    if named := _FIELD.search(detail):
        pointer += f"/{canonical.pointer_token(named[1])}"
    return detail, pointer
