"""What a credential or presentation of anybody must look like: W3C Verifiable Credentials Data Model 1.1 and 2.0.

Used only by the test profile in `vcapi`; our own credentials have the typed form of `ledger.credentials.model`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ledger.errors import Invalid

V1: Final = "https://www.w3.org/2018/credentials/v1"
V2: Final = "https://www.w3.org/ns/credentials/v2"

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_DATE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_DIGEST_SRI: Final = re.compile(r"sha(?:256|384|512)-[A-Za-z0-9+/]+={0,2}")
_TEXT_MEMBERS: Final = frozenset({"@value", "@language", "@direction"})
_TYPED: Final = ("credentialStatus", "credentialSchema", "termsOfUse", "evidence", "refreshService")


def check_credential(document: Any, *, issued: bool) -> None:
    """Accept a credential of either version, not yet issued or issued; raise Invalid naming the member (VCDM 4)."""
    first = _check_base(document, "VerifiableCredential")
    issuer = document.get("issuer")
    _check_url(issuer.get("id") if isinstance(issuer, dict) else issuer, "/issuer")
    subjects = listed(document.get("credentialSubject"))
    if not subjects or not all(isinstance(one, dict) and one for one in subjects):
        raise Invalid("one object or more, each with a claim", "/credentialSubject")
    for subject in subjects:
        _check_optional_url(subject, "/credentialSubject/id")
    begin, end = ("validFrom", "validUntil") if first == V2 else ("issuanceDate", "expirationDate")
    if first == V1 and issued and begin not in document:
        raise Invalid("a date of issue is needed", f"/{begin}")
    dates = [parse_date(document[name], f"/{name}") for name in (begin, end) if name in document]
    if dates != sorted(dates):
        raise Invalid(f"before {begin}", f"/{end}")
    _check_members(document)
    for holder, place in ((document, ""), (issuer, "/issuer")):
        if first == V2 and isinstance(holder, dict):
            _check_texts(holder, place)


def check_presentation(document: Any) -> None:
    """Accept a presentation; its credentials and proofs are looked at elsewhere (VCDM 4.13)."""
    _check_base(document, "VerifiablePresentation")
    if "holder" in document:
        holder = document["holder"]
        _check_url(holder.get("id") if isinstance(holder, dict) else holder, "/holder")
    if not all(isinstance(one, dict) for one in listed(document.get("verifiableCredential", []))):
        raise Invalid("an object or several", "/verifiableCredential")


def check_period(document: Mapping[str, Any], now: datetime) -> None:
    """Raise Invalid when a credential is not valid yet, or no longer."""
    for name in ("validFrom", "issuanceDate"):
        if name in document and parse_date(document[name], f"/{name}") > now:
            raise Invalid("not valid yet", f"/{name}")
    for name in ("validUntil", "expirationDate"):
        if name in document and parse_date(document[name], f"/{name}") < now:
            raise Invalid("expired", f"/{name}")


def parse_date(value: Any, pointer: str) -> datetime:
    """An XML Schema dateTimeStamp; one without a zone is taken for UTC (Data Integrity 1.0, 2.1)."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    try:
        found = datetime.fromisoformat(value) if match else None
    except ValueError:
        found = None
    if found is None:
        raise Invalid("not a date and time", pointer)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def listed(value: Any) -> list[Any]:
    """A single value as a list of one."""
    return value if isinstance(value, list) else [value]


def _check_base(document: Any, kind: str) -> str:
    """What credentials and presentations have in common; gives the first context."""
    if not isinstance(document, dict):
        raise Invalid("not an object")
    context = document.get("@context")
    if not isinstance(context, list) or not context or context[0] not in (V1, V2):
        raise Invalid(f"an array whose first item is {V2} or {V1}", "/@context")
    for item in context:
        if not isinstance(item, dict):
            _check_url(item, "/@context")
    types = document.get("type")
    if not isinstance(types, str | list) or kind not in listed(types):
        raise Invalid(f"{kind} is missing", "/type")
    _check_types(types, "/type")
    _check_optional_url(document, "/id")
    if "proof" in document:
        _check_each(document["proof"], "/proof", lambda proof, place: _check_types(proof.get("type"), f"{place}/type"))
    first: str = context[0]
    return first


def _check_members(document: Mapping[str, Any]) -> None:
    for name in _TYPED:
        if name in document:
            _check_each(document[name], f"/{name}", _check_typed)
    for schema in listed(document.get("credentialSchema", [])):
        _check_url(schema.get("id"), "/credentialSchema/id")
    if "relatedResource" in document:
        _check_each(document["relatedResource"], "/relatedResource", _check_resource)
        names = [one["id"] for one in listed(document["relatedResource"])]
        if len(set(names)) != len(names):
            raise Invalid("a resource twice", "/relatedResource")


def _check_typed(value: Mapping[str, Any], place: str) -> None:
    _check_types(value.get("type"), f"{place}/type")
    _check_optional_url(value, f"{place}/id")


def _check_resource(value: Mapping[str, Any], place: str) -> None:
    """VCDM 2.0, 5.3. Nothing is fetched, so the digest itself is not compared."""
    _check_url(value.get("id"), f"{place}/id")
    if "digestSRI" not in value and "digestMultibase" not in value:
        raise Invalid("a digest is needed", place)
    if "digestSRI" in value and not (isinstance(value["digestSRI"], str) and _DIGEST_SRI.fullmatch(value["digestSRI"])):
        raise Invalid("not a digest as subresource integrity has it", f"{place}/digestSRI")


def _check_texts(holder: Mapping[str, Any], place: str) -> None:
    """`name` and `description`: text, or objects of text, language and direction and nothing else (VCDM 2.0, 11.1)."""
    for name in ("name", "description"):
        for value in listed(holder.get(name, [])):
            if isinstance(value, dict) and "@value" in value and value.keys() <= _TEXT_MEMBERS:
                value = value["@value"]
            if not isinstance(value, str):
                raise Invalid("text, or text with its language", f"{place}/{name}")


def _check_each(value: Any, place: str, check: Callable[[Mapping[str, Any], str], None]) -> None:
    found = listed(value)
    if not found or not all(isinstance(one, dict) for one in found):
        raise Invalid("one object or more", place)
    for one in found:
        check(one, place)


def _check_types(value: Any, place: str) -> None:
    found = listed(value)
    if not found or not all(isinstance(one, str) and one for one in found):
        raise Invalid("one type or more, each a string", place)


def _check_optional_url(value: Mapping[str, Any], place: str) -> None:
    if "id" in value:
        _check_url(value["id"], place)


def _check_url(value: Any, place: str) -> None:
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise Invalid("not a URL", place)
