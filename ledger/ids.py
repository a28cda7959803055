"""Typed identifiers and the forms in which they are written (docs/format.md, "Names")."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple, NewType

from ledger.codes import is_region, is_social_credit_code
from ledger.errors import Invalid
from ledger.limits import ORIGIN_MAX

RegionCode = NewType("RegionCode", str)
"""Six digits of GB/T 2260, such as `441300`."""
Issuer = NewType("Issuer", str)
"""`org:…`, `region:…` or `volunteer:…`: who signs."""
EventId = NewType("EventId", str)
"""Lower-case UUID chosen by the issuer."""

IssuerKind = Literal["org", "region", "volunteer"]

UUID_PATTERN: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SOCIAL_CREDIT_PATTERN: Final = r"[0-9A-HJ-NPQRTUWXY]{18}"
REGION_PATTERN: Final = r"[0-9]{6}"
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
TIME_PATTERN: Final = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CLOCK}:[0-5][0-9](?:Z|[+-]{_CLOCK})"
ISSUER_PATTERN: Final = (
    rf"org:(?:{SOCIAL_CREDIT_PATTERN}|{UUID_PATTERN})|region:{REGION_PATTERN}|volunteer:{UUID_PATTERN}"
)
ORIGIN_PATTERN: Final = rf"(?!org:|region:|volunteer:|yongzhi\.)[!-*,-~]{{1,{ORIGIN_MAX}}}"
"""Printable ASCII without space and plus (both are separators of C2SP signed notes)."""

LIST_PATTERN: Final = rf"({REGION_PATTERN})-(t?)([1-9][0-9]{{0,5}})"
"""Name of a status list: region, `t` for tokens, number."""

_LIST = re.compile(LIST_PATTERN)
_ISSUER = re.compile(ISSUER_PATTERN)
_ORIGIN = re.compile(ORIGIN_PATTERN)
_TIME = re.compile(TIME_PATTERN)
_UUID = re.compile(UUID_PATTERN)


@lru_cache(maxsize=65_536)
def check_issuer(text: str) -> Issuer:
    """Accept a well-formed issuer, check character included (GB 32100); raise Invalid otherwise."""
    if not _ISSUER.fullmatch(text):
        raise Invalid("not an issuer: org:…, region:… or volunteer:…")
    kind, _, rest = text.partition(":")
    if kind == "org" and len(rest) == 18 and not is_social_credit_code(rest):
        raise Invalid(f"{rest} is not a unified social credit code: its check character is wrong")
    if kind == "region" and not is_region(rest):
        raise Invalid(f"{rest} is not a region of GB/T 2260")
    return Issuer(text)


def issuer_kind(issuer: str) -> IssuerKind:
    """The part of a well-formed issuer before the colon."""
    kind = issuer.partition(":")[0]
    assert kind in ("org", "region", "volunteer"), issuer
    return kind  # type: ignore[return-value]


def check_volunteer(text: str) -> Issuer:
    """Accept a volunteer's id; raise Invalid otherwise."""
    if not check_issuer(text).startswith("volunteer:"):
        raise Invalid("not a volunteer: volunteer: and a UUID")
    return Issuer(text)


def check_region(text: str) -> RegionCode:
    """Accept a region code that GB/T 2260 has or had; raise Invalid otherwise."""
    if not re.fullmatch(REGION_PATTERN, text) or not is_region(text):
        raise Invalid(f"{text!r:.20} is not a region of GB/T 2260")
    return RegionCode(text)


def check_origin(text: str) -> str:
    """Accept the name of a log; raise Invalid when it could be taken for an issuer or another note."""
    if not _ORIGIN.fullmatch(text):
        raise Invalid("an origin is printable ASCII without space or plus, and no issuer's name")
    return text


class ListName(NamedTuple):
    """A status list: whose, and whether it tells of tokens (SD-JWT) or of credentials."""

    region: str
    tokens: bool


def parse_list_name(text: str) -> ListName | None:
    """What the name of a status list says, such as `441300-1` or `441300-t1`; None for any other text."""
    found = _LIST.fullmatch(text)
    return None if found is None else ListName(found[1], bool(found[2]))


def check_uuid(text: str) -> str:
    """Accept a lower-case UUID; raise Invalid otherwise."""
    if not _UUID.fullmatch(text):
        raise Invalid("not a lower-case UUID")
    return text


def parse_time(text: str) -> int:
    """Unix seconds of an RFC 3339 time in whole seconds with upper-case T and Z; raise Invalid otherwise."""
    if not _TIME.fullmatch(text):
        raise Invalid("not a time of the form 2026-11-01T09:00:00+08:00")
    return instant(text)


@lru_cache(maxsize=65_536)
def instant(text: str) -> int:
    """Unix seconds of a time whose form was checked; raise Invalid when there is no such moment."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        raise Invalid("no such date or time") from None


TIME_MAX: Final = 253_402_300_799
"""The last second of the year 9999: no later one can be written."""


def format_time(seconds: int) -> str:
    """The RFC 3339 form, in UTC, of unix seconds; raise Invalid outside the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + "Z"
    except (ValueError, OverflowError, OSError):
        raise Invalid("a time outside the years 1 to 9999") from None


def new_id() -> EventId:
    """A UUID version 7 (RFC 9562): made in time order, so that indexes grow at one end."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    return EventId(str(uuid.UUID(int=value | 0b10 << 62 | secrets.randbits(62))))
