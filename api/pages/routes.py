"""The public pages where anyone checks a proof of service: `/`, `/p/{id}`, `/verify` and their static files.

They work without JavaScript; scripts add a check in the browser itself. No cookies, nothing from elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.http import uploads
from api.http.problems import TooSlow, Unsupported, kind_of
from api.pages.rendering import render, static_file
from api.wording import verdicts
from api.wording.languages import choose_language
from ledger.codes import region_name
from ledger.credentials import model
from ledger.credentials.checking.verdict import Outcome, Verdict
from ledger.errors import Busy, Invalid, LedgerError, NotFound, NotYet, TooLarge
from ledger.limits import REQUEST_BYTES_MAX, SHORT_TEXT_MAX

logger = logging.getLogger("yongzhi.pages")
router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_PRIVATE: Final = {**HEADERS, "x-robots-tag": "noindex"}
_FOREVER: Final = {
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}


class ShownProof(Protocol):
    """What this server knows of a proof that it issued."""

    @property
    def verdict(self) -> Verdict:
        """Of the proof as it is kept, checked now."""

    @property
    def credential(self) -> model.Credential | None:
        """None when the private details were erased."""

    @property
    def replacement(self) -> str | None:
        """UUID of the proof that replaces this one, if one does."""

    def name_matches(self, text: str) -> bool:
        """Whether the proof states this name; False when it states none. Raise Busy after too many tries."""


class Checking(Protocol):
    """Shows and checks proofs. Its methods may block, and are called from several threads."""

    def shown_proof(self, proof_id: str) -> ShownProof:
        """A proof by its UUID; raise NotFound or Invalid for any other text, NotYet before it can be checked."""

    def check_upload(self, data: bytes) -> Verdict:
        """Check what somebody presents: a PDF, JSON, an SD-JWT, a photo, or a QR's text."""


class Service(Protocol):
    """The running service, as far as the pages know it."""

    @property
    def regions(self) -> Mapping[str, object]:
        """The regions served, by code."""

    @property
    def checking(self) -> Checking:
        """What shows and checks proofs."""


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@router.get("/")
def front(request: Request) -> Response:
    """What this is, and where to check a proof."""
    regions = {code: region_name(code) or code for code in sorted(_service(request).regions)}
    return _page(request, "front.html", regions=regions)


@router.get("/p/{proof_id}")
def show_proof(request: Request, proof_id: str) -> Response:
    """What the QR of a certificate opens."""
    return _proof_page(request, proof_id, None)


@router.post("/p/{proof_id}")
async def compare_name(request: Request, proof_id: str) -> Response:
    """The same page, with an answer to whether the proof states the name typed in."""
    try:
        async with uploads.form(request, REQUEST_BYTES_MAX) as fields:
            name = uploads.text_in(fields, "name", SHORT_TEXT_MAX)
    except LedgerError as error:
        return _failure(request, error)
    return await asyncio.to_thread(_proof_page, request, proof_id, name)


def _proof_page(request: Request, proof_id: str, name: str | None) -> Response:
    try:
        shown = _service(request).checking.shown_proof(proof_id)
        matches = shown.name_matches(name) if name else None
    except Invalid:
        return _failure(request, NotFound("no proof has such a number"))
    except LedgerError as error:
        return _failure(request, error)
    credential = shown.credential
    return _page(
        request,
        "proof.html",
        region=shown.verdict.region,
        verdict=shown.verdict,
        credential=credential,
        digest=model.commitment(credential) if credential else None,
        holder=credential.name_of_holder if credential else None,
        replacement=shown.replacement or shown.verdict.replacement,
        name=name,
        matches=matches,
    )


@router.get("/verify")
def ask(request: Request) -> Response:
    """The form in which to present a proof."""
    return _page(request, "verify.html")


@router.post("/verify")
async def verify(request: Request) -> Response:
    """Check what was sent: `file`, or `text`; with `name`, whether the proof states that name."""
    try:
        async with uploads.form(request) as fields:
            data, name = uploads.proof_in(fields), uploads.text_in(fields, "name", SHORT_TEXT_MAX)
            if not data:
                return _page(request, "verify.html", status=400, problem="verify.nothing")
            verdict = await asyncio.to_thread(_service(request).checking.check_upload, data)
    except TooLarge:
        return _unread(_page(request, "verify.html", status=413, problem="verify.too_large"))
    except (Invalid, TooSlow, Unsupported) as error:
        status = kind_of(error)[1].status
        return _unread(_page(request, "verify.html", status=status, problem="verify.unreadable"))
    except LedgerError as error:
        return _failure(request, error)
    matches = verdicts.name_matches(verdict, name) if name else None
    known = verdict.outcome is not Outcome.INVALID
    return _page(
        request,
        "verify.html",
        region=verdict.region,
        verdict=verdict,
        credential=verdict.credential if known else None,
        claims=verdicts.statement(verdict) if verdict.credential is None else None,
        holder=verdicts.holder(verdict),
        replacement=verdict.replacement,
        name=name,
        matches=matches,
        served=verdict.region in _service(request).regions,
    )


@router.get("/static/{version}/{path:path}")
def static(version: str, path: str) -> Response:
    """A style sheet, script or picture; its address changes with its content, so that it may be kept for ever."""
    data, media_type = static_file(version, path)
    return Response(data, media_type=media_type, headers=_FOREVER)


# -- answering --------------------------------------------------------------------------------------


def _page(request: Request, template: str, *, status: int = 200, region: str | None = None, **values: Any) -> Response:
    query = request.query_params
    language = choose_language(query.get("lang"), request.headers.get("accept-language", ""), region)
    local = request.url.hostname in {"127.0.0.1", "localhost"}
    base = f"{'http' if local else 'https'}://{request.url.netloc}"
    text = render(template, language, base=base, path=request.url.path, kept="lang" in query, **values)
    headers = HEADERS if template == "front.html" else _PRIVATE
    return HTMLResponse(text, status, headers={**headers, "content-language": language})


def _failure(request: Request, error: LedgerError) -> Response:
    """A page that says why there is no answer."""
    if isinstance(error, NotFound):
        return _page(request, "error.html", status=404, title="error.not_found", lead="error.not_found.lead")
    if isinstance(error, Invalid | TooLarge | TooSlow | Unsupported):
        status = 400 if isinstance(error, TooLarge) else kind_of(error)[1].status  # a name that is too long
        return _unread(_page(request, "error.html", status=status, title="error.title", lead="verify.unreadable"))
    if isinstance(error, NotYet):
        status, lead = (429, "error.busy") if isinstance(error, Busy) else (404, "error.not_yet")
        answer = _page(request, "error.html", status=status, title="error.title", lead=lead)
        answer.headers["retry-after"] = str(error.retry_after)
        return _unread(answer) if isinstance(error, Busy) else answer
    logger.error("no answer about a proof", extra={"code": error.code, "reason": error.detail})
    return _page(request, "error.html", status=503, title="error.title", lead="error.unavailable")


def _unread(answer: Response) -> Response:
    """Of a request whose body is not worth reading to its end."""
    answer.headers["connection"] = "close"
    return answer


__all__ = ["HEADERS", "Checking", "Service", "ShownProof", "router"]
