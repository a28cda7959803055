"""POST /v1/verify: check a proof of service; GET /v1/trust-bundle: whom this server believes, to check offline."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api.http import access, uploads
from api.wording import verdicts
from ledger.credentials.sd_jwt.token import Binding
from ledger.errors import Invalid
from ledger.limits import SHORT_TEXT_MAX, VERIFY_BYTES_MAX

router = APIRouter(prefix="/v1", tags=["checking"])

_Text = Annotated[str, msgspec.Meta(max_length=uploads.TEXT_MAX)]
_Short = Annotated[str, msgspec.Meta(max_length=SHORT_TEXT_MAX)]
_Asked = Annotated[str, msgspec.Meta(min_length=1, max_length=SHORT_TEXT_MAX)]
_FIELDS = ("text", "name", "audience", "nonce")


class Presented(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A proof presented as JSON: its text (JSON, SD-JWT, or that of the QR), and what to compare it with."""

    text: _Text
    name: _Short | None = None
    audience: _Asked | None = None
    nonce: _Asked | None = None

    @property
    def binding(self) -> Binding | None:
        """The audience and nonce that the holder of an SD-JWT had to sign; raise Invalid for only one of them."""
        if self.audience is None and self.nonce is None:
            return None
        if self.audience is None or self.nonce is None:
            raise Invalid("`audience` and `nonce` belong together")
        return Binding(audience=self.audience, nonce=self.nonce)


class StepOut(BaseModel):
    """One step of the check."""

    model_config = ConfigDict(populate_by_name=True)

    number: int
    code: str = Field(examples=["signature"])
    result: str = Field(description="passed, failed, unknown or skipped")
    detail: str = Field(description="what exactly was found, in English")
    zh: str
    zh_hant: str = Field(alias="zh-Hant")
    en: str


class VerdictOut(BaseModel):
    """The result of checking what was presented."""

    model_config = ConfigDict(populate_by_name=True)

    outcome: str = Field(description="valid, revoked, expired, status-unknown or invalid")
    zh: str
    zh_hant: str = Field(alias="zh-Hant")
    en: str
    format: str = Field(description="vc, sd-jwt, code (of a QR) or unknown")
    proof: str | None = Field(description="UUID of the proof")
    region: str | None = Field(examples=["441300"])
    issuer: str | None = Field(description="as the trust bundle names it")
    issued: str | None
    steps: list[StepOut]
    reason: str | None = Field(description="of a revocation, when this server knows it")
    replacement: str | None = Field(description="UUID of the proof that replaces it")
    as_of: str | None = Field(description="date of the status list that was asked")
    name: str | None = Field(description="the holder's, masked unless it was presented")
    named_matches: bool | None = Field(None, description="there when a name was presented")
    statement: dict[str, Any] | None


_REQUEST = {
    "required": True,
    "description": f"At most {VERIFY_BYTES_MAX} bytes.",
    "content": {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["text"],
                "properties": {name: {"type": "string"} for name in _FIELDS},
            }
        },
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    **{name: {"type": "string"} for name in _FIELDS},
                },
            }
        },
    },
}


@router.post(
    "/verify",
    summary="Check a proof of service",
    response_class=Response,
    responses={200: {"model": VerdictOut}},
    openapi_extra={"requestBody": _REQUEST},
)
async def verify(request: Request) -> Response:
    """The body is a PDF, JSON, an SD-JWT, a photo of the QR or its text; or a form with `file`; or JSON `{"text"}`.

    Anyone may ask. Whatever is presented is answered by a verdict; nothing of it is kept.
    """
    async with _presented(request) as (data, asked):
        verdict = await asyncio.to_thread(access.service(request).checking.check_upload, data, asked.binding)
    return Response(msgspec.json.encode(verdicts.as_json(verdict, asked.name)), media_type="application/json")


@router.get(
    "/trust-bundle",
    summary="The regions this server knows, signed",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}}},
)
def trust_bundle(request: Request) -> Response:
    """Federation file with current status lists. Believe it only under a key that you have from elsewhere."""
    data = access.service(request).checking.bundle()
    return Response(data, media_type="application/json", headers={"cache-control": "public, max-age=300"})


# -- reading what was sent --------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _presented(request: Request) -> AsyncIterator[tuple[bytes, Presented]]:
    """The bytes to be checked, and what is to be compared; held as long as the context lasts."""
    kind = uploads.media_type(request)
    if kind == "multipart/form-data":
        async with uploads.form(request) as fields:
            yield uploads.proof_in(fields), _asked_in(fields)
        return
    async with uploads.body(request) as data:
        asked = _asked(data) if kind == "application/json" else None
        yield (data, Presented("")) if asked is None else (asked.text.encode(), asked)


def _asked(data: bytes) -> Presented | None:
    """The JSON form that wraps a text; None of any other JSON, which is taken for the proof itself."""
    try:
        return msgspec.json.decode(data, type=Presented)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _asked_in(fields: uploads.Fields) -> Presented:
    try:
        return msgspec.convert({"text": ""} | {name: fields[name] for name in _FIELDS if name in fields}, Presented)
    except msgspec.ValidationError as error:
        raise Invalid(f"not a form of ours: {error}") from None
