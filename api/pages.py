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
from starlette.datastructures import FormData
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from api import verdicts
from api.page_texts import choose_language
from api.page_views import render, static_file
from ledger.codes import region_name
from ledger.credentials import model
from ledger.credentials.verdict import Outcome, Verdict
from ledger.errors import Busy, Invalid, LedgerError, NotFound, NotYet, TooLarge
from ledger.limits import CREDENTIAL_BYTES_MAX, SHORT_TEXT_MAX, VERIFY_BYTES_MAX

logger = logging.getLogger("yongzhi.pages")
router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_FORM_BYTES_MAX: Final = VERIFY_BYTES_MAX + CREDENTIAL_BYTES_MAX
_TEXT_MAX: Final = 4 * CREDENTIAL_BYTES_MAX
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


class Proofs(Protocol):
    """What the pages ask of the running service. Its methods may block, and are called from several threads."""

    @property
    def regions(self) -> Mapping[str, object]:
        """The regions served, by code."""

    def shown_proof(self, proof_id: str) -> ShownProof:
        """A proof by its UUID; raise NotFound or Invalid for any other text, NotYet before it can be checked."""

    def check_upload(self, data: bytes) -> Verdict:
        """Check what somebody presents: a PDF, JSON, an SD-JWT, a photo, or a QR's text."""


def _service(request: Request) -> Proofs:
    found: Proofs = request.app.state.service
    return found


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
        form = await _read_form(request)
        name = _text(form, "name", SHORT_TEXT_MAX)
    except LedgerError as error:
        return _failure(request, error)
    return await asyncio.to_thread(_proof_page, request, proof_id, name)


def _proof_page(request: Request, proof_id: str, name: str | None) -> Response:
    try:
        shown = _service(request).shown_proof(proof_id)
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
        form = await _read_form(request)
        data, name = _presented(form), _text(form, "name", SHORT_TEXT_MAX)
        if not data:
            return _page(request, "verify.html", status=400, problem="verify.nothing")
        verdict = await asyncio.to_thread(_service(request).check_upload, data)
    except TooLarge:
        return _page(request, "verify.html", status=413, problem="verify.too_large")
    except Invalid:
        return _page(request, "verify.html", status=400, problem="verify.unreadable")
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


# -- reading what was sent --------------------------------------------------------------------------


class _InMemory(MultiPartParser):
    """Keeps what people present out of temporary files."""

    spool_max_size = _FORM_BYTES_MAX


Fields = Mapping[str, str | bytes]
"""Of a form, by name: a text, or the content of a file."""


async def _read_form(request: Request) -> Fields:
    """The fields of a form; raise TooLarge before more than the limit is read, Invalid for another form."""
    form = await _parse_form(request)
    try:
        items = form.multi_items()
        return {name: value if isinstance(value, str) else await value.read() for name, value in items}
    finally:
        await form.close()


async def _parse_form(request: Request) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def bounded() -> Any:
        taken = 0
        async for chunk in request.stream():
            taken += len(chunk)
            if taken > _FORM_BYTES_MAX:
                raise TooLarge(f"a form of at most {_FORM_BYTES_MAX} bytes")
            yield chunk

    try:
        if kind == "multipart/form-data":
            parser = _InMemory(request.headers, bounded(), max_files=1, max_fields=8, max_part_size=_TEXT_MAX)
            return await parser.parse()
        if kind == "application/x-www-form-urlencoded":
            return await FormParser(request.headers, bounded()).parse()
    except (MultiPartException, KeyError, ValueError, LookupError) as error:
        raise Invalid(f"not a form: {error}") from None
    raise Invalid("a form is multipart/form-data or application/x-www-form-urlencoded")


def _presented(form: Fields) -> bytes:
    file = form.get("file")
    if isinstance(file, bytes) and file:
        if len(file) > VERIFY_BYTES_MAX:
            raise TooLarge(f"a file of at most {VERIFY_BYTES_MAX} bytes")
        return file
    return _text(form, "text", _TEXT_MAX).encode(errors="replace")


def _text(form: Fields, name: str, characters_max: int) -> str:
    value = form.get(name)
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > characters_max:
        raise TooLarge(f"a field {name} of at most {characters_max} characters")
    return text


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
    if isinstance(error, Invalid | TooLarge):
        return _page(request, "error.html", status=400, title="error.title", lead="verify.unreadable")
    if isinstance(error, NotYet):
        status, lead = (429, "error.busy") if isinstance(error, Busy) else (404, "error.not_yet")
        answer = _page(request, "error.html", status=status, title="error.title", lead=lead)
        answer.headers["retry-after"] = str(error.retry_after)
        return answer
    logger.error("no answer about a proof", extra={"code": error.code, "reason": error.detail})
    return _page(request, "error.html", status=503, title="error.title", lead="error.unavailable")


__all__ = ["HEADERS", "Proofs", "ShownProof", "router"]
