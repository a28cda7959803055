"""From a statement to the credential that a region commits to, and from there to what a holder is handed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from ledger.codes import writes_traditional
from ledger.credentials import data_integrity, model
from ledger.crypto import canonical
from ledger.crypto.multikey import CredentialKey
from ledger.limits import LONG_TEXT_MAX

_SCHEMA: Final = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"


@dataclass(frozen=True, slots=True)
class _Words:
    name: str
    achievement: str
    description: str
    narrative: str


_SERVICE: Final = (
    _Words(
        "志愿服务记录证明 · Proof of volunteer service",
        "志愿服务 · Volunteer service",
        "自愿、无偿向他人和社会提供的服务 · Service given to others of one's own will and without pay",
        "由记录单位据实记录，经签名写入地区志愿服务账本；时间为实际服务时间，以分钟计。 · Recorded by the units named,"
        " signed and written to the region's ledger; time is that actually given, in minutes.",
    ),
    _Words(
        "志願服務記錄證明 · Proof of volunteer service",
        "志願服務 · Volunteer service",
        "自願、無償向他人和社會提供的服務 · Service given to others of one's own will and without pay",
        "由記錄單位據實記錄，經簽名寫入地區志願服務賬本；時間為實際服務時間，以分鐘計。 · Recorded by the units named,"
        " signed and written to the region's ledger; time is that actually given, in minutes.",
    ),
)
_STAR: Final = (
    _Words(
        "志愿者星级证书 · Volunteer star level",
        "志愿者星级 · Volunteer star level",
        "按公布的办法，依据已记录的服务时间认定 · Recognised from recorded service by a published scheme",
        "逐条依据见 explanation · The rules are explained line by line in `explanation`",
    ),
    _Words(
        "志願者星級證書 · Volunteer star level",
        "志願者星級 · Volunteer star level",
        "按公佈的辦法，依據已記錄的服務時間認定 · Recognised from recorded service by a published scheme",
        "逐條依據見 explanation · The rules are explained line by line in `explanation`",
    ),
)


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
        name=_words(place.region, star).name,
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
    if isinstance(statement, model.StarStatement):
        star = statement.star
        return f"{star.title}（截至 {statement.day}） · {star.title_en} as of {statement.day}"
    hours, minutes = divmod(statement.minutes, 60)
    words = ("志願服務", "小時") if writes_traditional(statement.region) else ("志愿服务", "小时")
    return (
        f"{statement.first} 至 {statement.last} {words[0]} {hours} {words[1]} {minutes} 分"
        f" · {hours} h {minutes} min of volunteer service from {statement.first} to {statement.last}"
    )


def _period(statement: model.Statement) -> dict[str, Any]:
    """First and last moment of a period of days, as badges have it; China has one time zone."""
    if isinstance(statement, model.StarStatement):
        return {}
    return {
        "activityStartDate": f"{statement.first}T00:00:00+08:00",
        "activityEndDate": f"{statement.last}T23:59:59+08:00",
    }


def _words(region: str, star: bool) -> _Words:
    return (_STAR if star else _SERVICE)[writes_traditional(region)]


def _achievement(base: str, region: str, star: bool) -> model.Achievement:
    words = _words(region, star)
    return model.Achievement(
        id=f"{base}/regions/{region}/achievements/{'star' if star else 'service'}",
        type=("Achievement",),
        achievementType="Award" if star else "CommunityService",
        name=words.achievement,
        description=words.description,
        criteria=model.Criteria(narrative=words.narrative),
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
        name="账本中的签发记录 · The issue as it stands in the ledger: proof.issued/1",
        event=body.decode(),
        tlogProof=receipt,
    )
    document: dict[str, Any] = msgspec.json.decode(model.to_json(replace(credential, evidence=(evidence,))))
    secured = data_integrity.secure(document, key, credential.validFrom)
    return canonical.write(secured)
