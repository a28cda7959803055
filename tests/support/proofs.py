"""Building blocks for tests about proofs of service: keys and a credential as a region issues them."""

from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from ledger.credentials import model
from ledger.crypto.multikey import CredentialKey, TokenKey
from tests.support.builders import DID, PROOF, REGION, STATION, signing_key

HOST = "https://ledger.example"
LIST = f"{REGION}-1"
INDEX = 94_567
ISSUED = "2026-11-22T08:00:00Z"


def credential_key(did: str = DID, number: int = 0) -> CredentialKey:
    """The key of that name and number, the same in every run."""
    return CredentialKey(signing_key(did, number))


def token_key(number: int = 0) -> TokenKey:
    """A P-256 key, the same in every run."""
    secret = int.from_bytes(sha256(f"token/{number}".encode()).digest(), "big") % (2**255)
    return TokenKey(ec.derive_private_key(secret, ec.SECP256R1()))


def line(number: int = 1, **changes: Any) -> model.Line:
    """One activity, 150 minutes in one entry."""
    fields: dict[str, Any] = {
        "activity": f"0199a1c2-0000-7000-8000-{number:012x}",
        "activity_name": "江南街道助老服务",
        "category": "empty-nest-elders",
        "content": "陪诊、代购",
        "organisation": STATION,
        "organisation_name": "江南街道志愿服务站",
        "entries": 1,
        "minutes": 150,
        "first": "2026-11-01",
        "last": "2026-11-01",
    }
    return model.Line(**{**fields, **changes})


def service(*lines: model.Line, **changes: Any) -> model.ServiceStatement:
    """A statement over the lines given, or over one; its sums follow from them."""
    lines = lines or (line(),)
    minutes, entries = sum(one.minutes for one in lines), sum(one.entries for one in lines)
    names = sorted({one.category for one in lines})
    categories = tuple(
        model.Amount(
            category=name,
            entries=sum(one.entries for one in lines if one.category == name),
            minutes=sum(one.minutes for one in lines if one.category == name),
        )
        for name in names
    )
    fields: dict[str, Any] = {
        "region": REGION,
        "first": "2026-01-01",
        "last": "2026-11-22",
        "minutes": minutes,
        "entries": entries,
        "categories": categories,
        "grades": (model.Grade(evidence="check-in", entries=entries, minutes=minutes),),
        "lines": lines,
    }
    return model.ServiceStatement(**{**fields, **changes})


def credential(
    statement: model.Statement | None = None, name: str | None = "林小明", **changes: Any
) -> model.Credential:
    """A credential without evidence and proofs, as it is committed to."""
    identity = model.Identity(type="IdentityObject", hashed=False, identityHash=name or "", identityType="name")
    subject = model.Subject(
        id="urn:uuid:7c9e6679-7425-40de-944b-e07fc1f90ae7",
        type=("AchievementSubject",),
        achievement=model.Achievement(
            id=f"{HOST}/regions/{REGION}/achievements/service",
            type=("Achievement",),
            achievementType="Award" if isinstance(statement, model.StarStatement) else "CommunityService",
            name="志愿服务 · Volunteer service",
            description="无偿志愿服务 · Unpaid service to others",
            criteria=model.Criteria(narrative="由记录单位据实记录 · Recorded by the recording units named"),
        ),
        service=statement or service(),
        narrative="150 分钟志愿服务 · 150 minutes of volunteer service",
        activityStartDate="2026-01-01T00:00:00+08:00",
        activityEndDate="2026-11-22T23:59:59+08:00",
    )
    subject = replace(subject, identifier=(identity,)) if name else subject
    schema = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
    plain = model.Credential(
        context=model.CONTEXT,
        id=f"{HOST}/p/{PROOF}",
        type=("VerifiableCredential", "OpenBadgeCredential"),
        issuer=model.Issuer(id=DID, type=("Profile",), name="惠州市 · Huizhou"),
        name="志愿服务记录证明 · Proof of volunteer service",
        validFrom=ISSUED,
        credentialSubject=subject,
        credentialSchema=(model.Schema(id=schema, type="1EdTechJsonSchemaValidator2019"),),
        credentialStatus=model.StatusEntry(
            id=f"{HOST}/status/{LIST}#{INDEX}",
            type="BitstringStatusListEntry",
            statusPurpose="revocation",
            statusListIndex=str(INDEX),
            statusListCredential=f"{HOST}/status/{LIST}",
        ),
    )
    return replace(plain, **changes)


__all__ = [
    "DID",
    "HOST",
    "INDEX",
    "ISSUED",
    "LIST",
    "PROOF",
    "credential",
    "credential_key",
    "line",
    "service",
    "token_key",
]
