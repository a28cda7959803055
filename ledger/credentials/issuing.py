"""From a statement to the credential that a region commits to, and from there to what a holder is handed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from ledger.codes import chinese_of
from ledger.credentials import data_integrity, model
from ledger.crypto import canonical
from ledger.crypto.multikey import CredentialKey
from ledger.limits import LONG_TEXT_MAX
from ledger.texts.catalogue import find, pick
from ledger.texts.text import Text

_SCHEMA: Final = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"


_PARTS: Final = ("name", "achievement", "description", "criteria")
_SERVICE: Final = pick("credential.service", _PARTS)
_STAR: Final = pick("credential.star", _PARTS)
_SERVED: Final = find("credential.service.narrative")
_STAR_HELD: Final = find("credential.star.narrative")
_EVIDENCE: Final = find("credential.evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a credential stands: its issuer, its page, and its place on a status list."""

    did: str
    base: str
    region: str
    issuer_name: str
    proof: str
    subject: str
    """A UUID for the holder that is used in this credential alone."""
    list: str
    index: int


def make_credential(statement: model.Statement, place: Place, issued: str, name: str | None) -> model.Credential:
    """The credential without evidence and proofs, as `proof.issued/1` commits to it; `issued` is RFC 3339."""
    star = isinstance(statement, model.StarStatement)
    identity = model.Identity(type="IdentityObject", hashed=False, identityHash=name or "", identityType="name")
    listed = f"{place.base}/status/{place.list}"
    return model.Credential(
        context=model.CONTEXT,
        id=f"{place.base}/p/{place.proof}",
        type=("VerifiableCredential", "OpenBadgeCredential"),
        issuer=model.Issuer(id=place.did, type=("Profile",), name=place.issuer_name[:LONG_TEXT_MAX]),
        name=_words("name", place.region, star),
        validFrom=issued,
        credentialSubject=model.Subject(
            id=f"urn:uuid:{place.subject}",
            type=("AchievementSubject",),
            achievement=_achievement(place.base, place.region, star),
            service=statement,
            narrative=narrative(statement),
            **_period(statement),
            identifier=(identity,) if name else UNSET,
        ),
        credentialSchema=(model.Schema(id=_SCHEMA, type="1EdTechJsonSchemaValidator2019"),),
        credentialStatus=model.StatusEntry(
            id=f"{listed}#{place.index}",
            type="BitstringStatusListEntry",
            statusPurpose="revocation",
            statusListIndex=str(place.index),
            statusListCredential=listed,
        ),
    )


def narrative(statement: model.Statement) -> str:
    """A statement in a sentence, in Chinese and English."""
    chinese = chinese_of(statement.region)
    if isinstance(statement, model.StarStatement):
        star = statement.star
        title = Text(zh=star.title, en=star.title_en)
        return _STAR_HELD.filled(title=title, day=statement.day).beside(chinese)
    hours, minutes = divmod(statement.minutes, 60)
    served = _SERVED.filled(first=statement.first, last=statement.last, hours=hours, minutes=minutes)
    return served.beside(chinese)


def _period(statement: model.Statement) -> dict[str, Any]:
    """First and last moment of a period of days, as badges have it; China has one time zone."""
    if isinstance(statement, model.StarStatement):
        return {}
    return {
        "activityStartDate": f"{statement.first}T00:00:00+08:00",
        "activityEndDate": f"{statement.last}T23:59:59+08:00",
    }


def _words(part: str, region: str, star: bool) -> str:
    return (_STAR if star else _SERVICE)[part].beside(chinese_of(region))


def _achievement(base: str, region: str, star: bool) -> model.Achievement:
    return model.Achievement(
        id=f"{base}/regions/{region}/achievements/{'star' if star else 'service'}",
        type=("Achievement",),
        achievementType="Award" if star else "CommunityService",
        name=_words("achievement", region, star),
        description=_words("description", region, star),
        criteria=model.Criteria(narrative=_words("criteria", region, star)),
    )


def achievement(base: str, region: str, kind: str) -> dict[str, Any] | None:
    """What is served at the address of an achievement: `service` or `star`; None for any other kind."""
    if kind not in ("service", "star"):
        return None
    plain: dict[str, Any] = msgspec.to_builtins(_achievement(base, region, kind == "star"))
    return {"@context": list(model.CONTEXTS), **plain}


def finish(credential: model.Credential, event_id: str, body: bytes, receipt: str, key: CredentialKey) -> bytes:
    """What a holder is handed: the credential with its evidence, signed; canonical JSON, always the same bytes."""
    evidence = model.LogEvidence(
        id=f"urn:uuid:{event_id}",
        type=("Evidence",),
        name=_EVIDENCE.beside(),
        event=body.decode(),
        tlogProof=receipt,
    )
    document: dict[str, Any] = msgspec.json.decode(model.to_json(replace(credential, evidence=(evidence,))))
    secured = data_integrity.secure(document, key, credential.validFrom)
    return canonical.write(secured)
