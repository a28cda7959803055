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

TYPE_PREFIX: Final = "urn:yongzhi:problem:"
MEDIA_TYPE: Final = "application/problem+json"


class Kind(NamedTuple):
    """A problem type: its HTTP status and its title in English and Chinese."""

    status: int
    en: str
    zh: str


class NotSignedIn(LedgerError):
    """Who is asking is not known, or no longer."""

    code = "not-signed-in"


class TooSlow(LedgerError):
    """A request that did not arrive in time."""

    code = "too-slow"


class Unsupported(LedgerError):
    """A content encoding or media type that is not taken."""

    code = "unsupported-encoding"


KINDS: Final[dict[type[LedgerError], Kind]] = {
    Invalid: Kind(400, "The request is malformed", "请求格式有误"),
    NotSignedIn: Kind(401, "Sign in first", "请先登录"),
    Untrusted: Kind(401, "The signature or its key is not valid", "签名或密钥无效"),
    UnknownOrigin: Kind(403, "The log of that region is not recognised here", "本地区未承认该地区的账本"),
    Forked: Kind(409, "The log of that region contradicts itself", "该地区的账本自相矛盾"),
    Forbidden: Kind(403, "This is not yours to see or do", "无权查看或操作"),
    NotFound: Kind(404, "There is no such thing", "未找到"),
    NotYet: Kind(404, "Not there yet, ask again", "尚未就绪，请稍后再试"),
    TooSlow: Kind(408, "The request took too long to arrive", "请求超时"),
    Conflict: Kind(409, "The ledger already holds something else", "与已有记录冲突"),
    TooLarge: Kind(413, "The request is too large", "请求过大"),
    Unsupported: Kind(415, "This encoding is not taken", "不支持的编码"),
    Refused: Kind(422, "A rule is broken; nothing was written", "不符合规则，未写入任何内容"),
    Busy: Kind(429, "Too much is waiting, ask again", "系统繁忙，请稍后再试"),
    Corrupt: Kind(500, "The ledger found itself damaged and stopped", "账本数据异常，已停止写入"),
    Unavailable: Kind(503, "A part of the service is out of reach", "服务暂不可用"),
}
INTERNAL: Final = Kind(500, "Something went wrong here", "服务器内部错误")


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
        "title": kind.zh if language.startswith("zh") else kind.en,
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
