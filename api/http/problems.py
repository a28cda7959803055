"""RFC 9457 problem documents: one table from our errors to what a client is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ledger.errors import (
    Busy,
    Conflict,
    Corrupt,
    Forbidden,
    Invalid,
    LedgerError,
    NotFound,
    NotYet,
    Refused,
    TooLarge,
    Unavailable,
    Untrusted,
)
from ledger.evidence.evidence import Forked, UnknownOrigin
from ledger.texts.catalogue import find
from ledger.texts.text import Text

TYPE_PREFIX: Final = "urn:yongzhi:problem:"
MEDIA_TYPE: Final = "application/problem+json"


class Kind(NamedTuple):
    """A problem type: its HTTP status and its title."""

    status: int
    title: Text


class NotSignedIn(LedgerError):
    """Who is asking is not known, or no longer."""

    code = "not-signed-in"


class TooSlow(LedgerError):
    """A request that did not arrive in time."""

    code = "too-slow"


class Unsupported(LedgerError):
    """A content encoding or media type that is not taken."""

    code = "unsupported-encoding"


_STATUSES: Final[dict[type[LedgerError], int]] = {
    Invalid: 400,
    NotSignedIn: 401,
    Untrusted: 401,
    UnknownOrigin: 403,
    Forked: 409,
    Forbidden: 403,
    NotFound: 404,
    NotYet: 404,
    TooSlow: 408,
    Conflict: 409,
    TooLarge: 413,
    Unsupported: 415,
    Refused: 422,
    Busy: 429,
    Corrupt: 500,
    Unavailable: 503,
}
KINDS: Final = {error: Kind(status=status, title=find(f"problem.{error.code}")) for error, status in _STATUSES.items()}
INTERNAL: Final = Kind(status=500, title=find("problem.internal"))


def kind_of(error: Exception) -> tuple[str, Kind]:
    """The problem type of an error: the nearest class in the table."""
    for found in type(error).__mro__:
        if found in KINDS:
            return str(found.code), KINDS[found]
    return "internal", INTERNAL


def document(error: Exception, language: str = "en") -> dict[str, Any]:
    """The members of the problem document of an error."""
    code, kind = kind_of(error)
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + code,
        "title": kind.title.to("zh" if language.startswith("zh") else "en"),
        "status": kind.status,
    }
    if isinstance(error, LedgerError) and not isinstance(error, Corrupt):
        body["detail"] = error.detail
    match error:
        case Refused():
            body["errors"] = [
                {
                    "index": one.index,
                    "id": one.id,
                    "code": one.code,
                    "detail": one.detail,
                    "pointer": one.pointer,
                }
                for one in error.problems
            ]
        case Conflict():
            body["known"] = [{"id": name, "position": position} for name, position in error.known]
        case Invalid():
            body["pointer"] = error.pointer
    return body


def response(error: Exception, request: Request | None = None) -> Response:
    """The answer to a request that raised."""
    language = request.headers.get("accept-language", "en") if request else "en"
    body = document(error, language)
    headers: dict[str, str] = {}
    if isinstance(error, NotYet):
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, NotSignedIn):
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, TooSlow | TooLarge | Unsupported | Busy):
        headers["connection"] = "close"  # what is left of the body is not worth reading
    return Response(encode(body), body["status"], headers, MEDIA_TYPE)


def encode(body: Mapping[str, Any]) -> bytes:
    """A problem document's bytes."""
    return msgspec.json.encode(body)
