"""What a proof of service says: the one typed form of our credentials, read by all that show or check them.

A credential is a W3C Verifiable Credential 2.0 and an Open Badges 3.0 OpenBadgeCredential. What it states lies in
`credentialSubject.service`, one JSON literal: safe canonicalisation covers all of it, whatever fields it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger.crypto import canonical
from ledger.crypto.encoding import digest
from ledger.crypto.strict_json import parse_json
from ledger.errors import Invalid
from ledger.events.fields import Category, Code, Evidence, LongText, OrganisationId, ShortText, Time, Url, Uuid
from ledger.limits import CREDENTIAL_BYTES_MAX

CONTEXTS: Final = (
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
)
TERMS: Final[dict[str, Any]] = {
    "service": {"@id": "urn:yongzhi:vocab:service", "@type": "@json"},
    "event": "urn:yongzhi:vocab:event",
    "tlogProof": "urn:yongzhi:vocab:tlogProof",
    "1EdTechJsonSchemaValidator2019": (
        "https://purl.imsglobal.org/spec/vccs/v1p0/context.json#1EdTechJsonSchemaValidator2019"
    ),
}
"""Our own terms: they travel in `@context` itself, so that nobody has to fetch them."""
CONTEXT: Final[list[Any]] = [*CONTEXTS, TERMS]
STATUS_CONTEXT: Final[list[Any]] = [CONTEXTS[0]]
"""Of a status list credential."""

Day = Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", description="YYYY-MM-DD")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Did = Annotated[str, Meta(max_length=400, pattern=r"\Adid:web:[A-Za-z0-9.%:_-]+\Z")]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An object of a credential."""


# -- what is stated -------------------------------------------------------------------------------


class Amount(Part, frozen=True, kw_only=True):
    """Counted service under one category."""

    category: Category
    entries: Count
    minutes: Count


class Grade(Part, frozen=True, kw_only=True):
    """Counted service of one evidence grade."""

    evidence: Evidence
    entries: Count
    minutes: Count


class Line(Part, frozen=True, kw_only=True):
    """Counted service in one activity of one recording unit (Order 67, articles 7 and 15)."""

    activity: Uuid
    activity_name: ShortText
    category: Category
    content: LongText
    organisation: OrganisationId
    organisation_name: ShortText
    entries: Count
    minutes: Count
    first: Annotated[Day, Meta(description="local date of the first entry")]
    last: Annotated[Day, Meta(description="local date of the last entry")]


class Others(Part, frozen=True, kw_only=True):
    """What the lines leave out when there are more activities than a credential lists."""

    activities: Count
    entries: Count
    minutes: Count


class Filter(Part, frozen=True, kw_only=True):
    """What was left out because the holder asked for a part only; an absent member leaves nothing out."""

    activities: tuple[Uuid, ...] | UnsetType = UNSET
    categories: tuple[Category, ...] | UnsetType = UNSET
    organisations: tuple[OrganisationId, ...] | UnsetType = UNSET
    evidence: tuple[Evidence, ...] | UnsetType = UNSET


class StarLevel(Part, frozen=True, kw_only=True):
    """A level of an award scheme and the minutes it rests on."""

    scheme: Annotated[ShortText, Meta(description="id and version of the scheme, such as `cn-2012/1`")]
    level: Count
    title: ShortText
    title_en: ShortText
    minutes: Count


class ServiceStatement(Part, tag_field="kind", tag="service", frozen=True, kw_only=True):
    """Counted service within a period: minutes in all, by category, by grade, and line by line."""

    region: Code
    first: Annotated[Day, Meta(description="first day of the period")]
    last: Annotated[Day, Meta(description="last day of the period, inclusive")]
    minutes: Count
    entries: Count
    categories: tuple[Amount, ...]
    grades: tuple[Grade, ...]
    lines: tuple[Line, ...]
    others: Others | UnsetType = UNSET
    filter: Filter | UnsetType = UNSET
    star: StarLevel | UnsetType = UNSET
    note: ShortText | UnsetType = UNSET

    def __post_init__(self) -> None:
        if date.fromisoformat(self.first) > date.fromisoformat(self.last):
            raise ValueError("the period ends before it begins")
        others = (self.others,) if isinstance(self.others, Others) else ()
        for parts in (self.categories, self.grades, (*self.lines, *others)):
            if (_sum(parts, "minutes"), _sum(parts, "entries")) != (self.minutes, self.entries):
                raise ValueError("the parts do not add up to the whole")
        if len({one.category for one in self.categories}) < len(self.categories):
            raise ValueError("a category stands there twice")


class StarStatement(Part, tag_field="kind", tag="star", frozen=True, kw_only=True):
    """A star level reached (民函〔2012〕340号 and its like), as of a day."""

    region: Code
    day: Day
    star: StarLevel
    explanation: Annotated[tuple[LongText, ...], Meta(description="how the level follows, a line a rule, zh")]
    explanation_en: tuple[LongText, ...]


Statement = ServiceStatement | StarStatement


def _sum(parts: Sequence[Amount | Grade | Line | Others], name: str) -> int:
    return sum(getattr(part, name) for part in parts)


# -- the credential around it ---------------------------------------------------------------------


class Issuer(Part, frozen=True, kw_only=True):
    """The region as an Open Badges profile."""

    id: Did
    type: tuple[Literal["Profile"]]
    name: LongText


class Criteria(Part, frozen=True, kw_only=True):
    """How it is earned."""

    narrative: LongText


class Achievement(Part, frozen=True, kw_only=True):
    """What was achieved, in the words of Open Badges 3.0."""

    id: Url
    type: tuple[Literal["Achievement"]]
    achievementType: Literal["CommunityService", "Award"]
    name: LongText
    description: LongText
    criteria: Criteria


class Identity(Part, frozen=True, kw_only=True):
    """The holder's name, in clear; there only when the holder asked for it. Masked by whatever shows it."""

    type: Literal["IdentityObject"]
    hashed: Literal[False]
    identityHash: ShortText
    identityType: Literal["name"]


class Subject(Part, frozen=True, kw_only=True):
    """The holder, named or not, and what is stated."""

    id: Annotated[str, Meta(pattern=r"\Aurn:uuid:[0-9a-f-]{36}\Z", description="random, of this credential alone")]
    type: tuple[Literal["AchievementSubject"]]
    achievement: Achievement
    service: Statement
    narrative: Annotated[LongText, Meta(description="the same in a sentence, for software that knows only badges")]
    activityStartDate: Time | UnsetType = UNSET
    activityEndDate: Time | UnsetType = UNSET
    identifier: tuple[Identity] | UnsetType = UNSET


class StatusEntry(Part, frozen=True, kw_only=True):
    """Where to look whether it was revoked (W3C Bitstring Status List 1.0)."""

    id: Url
    type: Literal["BitstringStatusListEntry"]
    statusPurpose: Literal["revocation"]
    statusListIndex: Annotated[str, Meta(pattern=r"\A(?:0|[1-9][0-9]{0,7})\Z")]
    statusListCredential: Url


class Schema(Part, frozen=True, kw_only=True):
    """The JSON schema of Open Badges 3.0."""

    id: Url
    type: Literal["1EdTechJsonSchemaValidator2019"]


class LogEvidence(Part, frozen=True, kw_only=True):
    """The `proof.issued/1` event and where it stands in the region's log."""

    id: Annotated[str, Meta(pattern=r"\Aurn:uuid:[0-9a-f-]{36}\Z")]
    type: tuple[Literal["Evidence"]]
    name: LongText
    event: str
    tlogProof: str


class Proof(Part, frozen=True, kw_only=True):
    """A Data Integrity proof (W3C VC Data Integrity 1.0, EdDSA cryptosuites 1.0)."""

    type: Literal["DataIntegrityProof"]
    cryptosuite: Literal["eddsa-jcs-2022", "eddsa-rdfc-2022"]
    created: Time
    verificationMethod: Annotated[str, Meta(max_length=500)]
    proofPurpose: Literal["assertionMethod"]
    proofValue: Annotated[str, Meta(max_length=100)]
    context: list[Any] | UnsetType = msgspec.field(name="@context", default=UNSET)


class Credential(Part, frozen=True, kw_only=True):
    """A proof of service. `evidence` and `proof` are absent until the event stands under a checkpoint."""

    context: list[Any] = msgspec.field(name="@context")
    id: Annotated[Url, Meta(description="page of the proof, `https://host/p/<uuid>`")]
    type: tuple[Literal["VerifiableCredential"], Literal["OpenBadgeCredential"]]
    issuer: Issuer
    name: LongText
    validFrom: Time
    credentialSubject: Subject
    credentialSchema: tuple[Schema]
    credentialStatus: StatusEntry
    validUntil: Time | UnsetType = UNSET
    evidence: tuple[LogEvidence] | UnsetType = UNSET
    proof: Annotated[tuple[Proof, ...], Meta(min_length=1)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.context != CONTEXT:
            raise ValueError("the @context is not that of a proof of service")
        subject = self.credentialSubject
        if (subject.achievement.achievementType == "Award") is not isinstance(subject.service, StarStatement):
            raise ValueError("an award is a star level, and nothing else is one")

    @property
    def proof_id(self) -> str:
        """The UUID of the proof, last part of its page's address."""
        return self.id.rpartition("/")[2]

    @property
    def name_of_holder(self) -> str | None:
        """The holder's name, if it is stated."""
        return None if self.credentialSubject.identifier is UNSET else self.credentialSubject.identifier[0].identityHash


_decoder: Final = msgspec.json.Decoder(Credential)


def decode(data: bytes) -> Credential:
    """A credential from its JSON; raise Invalid for any other JSON, duplicate keys included."""
    if len(data) > CREDENTIAL_BYTES_MAX:
        raise Invalid(f"a credential over {CREDENTIAL_BYTES_MAX} bytes")
    parse_json(data)  # two readers may differ on which of two equal keys counts: there are none
    try:
        found = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"not a proof of service: {error}") from None
    return found


def to_json(credential: Credential) -> bytes:
    """The bytes in which a credential is kept and handed out: canonical JSON (RFC 8785)."""
    return canonical.write(credential)


def commitment(credential: Credential) -> str:
    """What `proof.issued/1` says of it: SHA-256 of the canonical JSON without `evidence` and `proof`, base64url."""
    bare = msgspec.structs.replace(credential, evidence=UNSET, proof=UNSET)
    data = to_json(bare)
    canonical.check_bytes(data)
    return digest(data)


__all__ = [
    "CONTEXT",
    "STATUS_CONTEXT",
    "Achievement",
    "Amount",
    "Credential",
    "Criteria",
    "Filter",
    "Grade",
    "Identity",
    "Issuer",
    "Line",
    "LogEvidence",
    "Others",
    "Proof",
    "Schema",
    "ServiceStatement",
    "StarLevel",
    "StarStatement",
    "Statement",
    "StatusEntry",
    "Subject",
    "commitment",
    "decode",
    "to_json",
]
