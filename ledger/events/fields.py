"""The forms in which events say things: field types, named objects inside a body, what every body holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

from ledger.codes import CATEGORIES, EVIDENCE, ORGANISATION_KINDS, is_region
from ledger.crypto.keys import parse_vkey
from ledger.errors import Invalid
from ledger.ids import (
    ISSUER_PATTERN,
    LIST_PATTERN,
    REGION_PATTERN,
    SOCIAL_CREDIT_PATTERN,
    TIME_PATTERN,
    UUID_PATTERN,
    instant,
)
from ledger.limits import ENTRY_MINUTES_MAX, LONG_TEXT_MAX, ORIGIN_MAX, SHORT_TEXT_MAX


def pattern(text: str, description: str) -> Meta:
    """The form of a text that matches a pattern as a whole."""
    return Meta(pattern=rf"\A(?:{text})\Z", description=description)


T = TypeVar("T")
_INK = r"[^\s\u00ad\u034f\u115f\u1160\u200b\u2060\u2800\u3164\ufeff\uffa0]"
_ORG = rf"org:(?:{SOCIAL_CREDIT_PATTERN}|{UUID_PATTERN})"

Uuid = Annotated[str, pattern(UUID_PATTERN, "lower-case UUID")]
IssuerName = Annotated[str, pattern(ISSUER_PATTERN, "`org:…`, `region:…` or `volunteer:…`")]
RegionId = Annotated[str, pattern(rf"region:{REGION_PATTERN}", "`region:` + code")]
OrganisationId = Annotated[str, pattern(_ORG, "`org:` + social credit code or UUID")]
VolunteerId = Annotated[str, pattern(f"volunteer:{UUID_PATTERN}", "`volunteer:` + UUID")]
ActivityId = Annotated[str, pattern(f"activity:{UUID_PATTERN}", "`activity:` + UUID")]
TransferId = Annotated[str, pattern(f"transfer:{UUID_PATTERN}", "`transfer:` + UUID")]
ProofId = Annotated[str, pattern(f"proof:{UUID_PATTERN}", "`proof:` + UUID version 4")]
Code = Annotated[str, pattern(REGION_PATTERN, "GB/T 2260 code, six digits")]
Time = Annotated[str, pattern(TIME_PATTERN, "RFC 3339, whole seconds")]
Salt = Annotated[str, pattern("[A-Za-z0-9_-]{21}[AQgw]", "128 random bits, base64url")]
Digest = Annotated[str, pattern("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", "SHA-256, base64url without padding")]
KeyId = Annotated[str, pattern("[0-9a-f]{8}", "C2SP key id, eight hexadecimal digits")]
VKey = Annotated[str, Meta(max_length=400, description="C2SP verifier key `<name>+<id>+<base64>`")]
Multikey = Annotated[str, pattern("z[1-9A-HJ-NP-Za-km-z]{40,59}", "Multikey of Ed25519 or P-256, base58")]
Did = Annotated[str, pattern("did:web:[A-Za-z0-9.%:_-]{1,200}", "`did:web:` + host + `:regions:` + code")]
ListName = Annotated[str, pattern(LIST_PATTERN, "region code, `-`, `t` for tokens, and a number from 1")]
Url = Annotated[str, Meta(max_length=400, pattern=r"\Ahttps?://[!-~]+\Z")]
Origin = Annotated[str, Meta(max_length=ORIGIN_MAX, description="name of the region's log")]
ShortText = Annotated[
    str,
    Meta(max_length=SHORT_TEXT_MAX, pattern=_INK, description=f"1 to {SHORT_TEXT_MAX} characters, not blank"),
]
LongText = Annotated[
    str,
    Meta(max_length=LONG_TEXT_MAX, pattern=_INK, description=f"1 to {LONG_TEXT_MAX} characters, not blank"),
]
Minutes = Annotated[int, Meta(ge=1, le=ENTRY_MINUTES_MAX, description=f"whole minutes, 1 to {ENTRY_MINUTES_MAX}")]
Position = Annotated[int, Meta(ge=0, le=2**53 - 1, description="position in this log, from 0")]


if TYPE_CHECKING:  # the code lists are data, which a type checker cannot see
    Category = str
    Evidence = str
    Kind = str
else:
    Category = Annotated[Literal[tuple(CATEGORIES)], Meta(description="one of the 18 categories")]
    Evidence = Annotated[Literal[tuple(EVIDENCE)], Meta(description="evidence grade")]
    Kind = Annotated[Literal[tuple(ORGANISATION_KINDS)], Meta(description="kind of organisation")]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A named object inside a body."""


class Place(Part, frozen=True, kw_only=True):
    """Where the service was given."""

    name: ShortText
    region: Code

    def __post_init__(self) -> None:
        if not is_region(self.region):
            raise Invalid(f"{self.region} is not a region of GB/T 2260", "/place/region")


class RegionName(Part, frozen=True, kw_only=True):
    """The region's name in the languages its documents are written in."""

    zh: ShortText
    en: ShortText


class Consent(Part, frozen=True, kw_only=True):
    """How the person agreed to be registered (Order 67, article 6; PIPL, articles 13, 29 and 31)."""

    method: Annotated[
        Literal["signed", "form"],
        Meta(description="`signed` by the volunteer's own key, or on a `form` that a station keeps"),
    ]
    given: Time
    reference: Annotated[ShortText | UnsetType, Meta(description="where the form is kept; required of a form")] = UNSET
    guardian: Annotated[bool | UnsetType, Meta(description="true when a guardian agreed for a minor")] = UNSET

    def __post_init__(self) -> None:
        at("/consent/given", instant, self.given)
        if (self.method == "form") is (self.reference is UNSET):
            raise ValueError("a form has a reference, a signed consent has none")


class Event(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
    tag=True,
):
    """What every body holds."""

    id: Annotated[Uuid, Meta(description="chosen by the issuer, unique in a ledger; UUID version 7 preferred")]
    issuer: IssuerName
    ledger: Annotated[Code, Meta(description="code of the region it is addressed to")]
    subject: str
    time: Annotated[Time, Meta(description="when the issuer made it")]
    salt: Salt

    def check(self) -> None:
        """Rules of this type that need nothing but the event itself; raise Invalid."""


def type_name(event: type[Event] | Event) -> str:
    """The name under which a type is written, such as `hours.recorded/1`."""
    return str(event.__struct_config__.tag)


def at(pointer: str, check: Callable[[str], T], value: str) -> T:
    """What `check` makes of a value; its Invalid names the place."""
    try:
        return check(value)
    except Invalid as error:
        raise Invalid(error.detail, pointer) from None


def check_key(text: str, name: str, pointer: str = "/key") -> None:
    """Raise Invalid unless the text is a verifier key of that name."""
    key = at(pointer, parse_vkey, text)
    if key.name != name:
        raise Invalid(f"the key is named {key.name!r:.80}, not {name}", pointer)
