"""Reading what somebody presents to be checked: a form, or bytes as they are, within bounds of size, time and memory.

Nothing of it is written to a file. Anyone may ask, so all requests together have a budget of their own: whoever fills
it keeps others from checking for a while, and nobody from submitting.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Final, cast

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from api.http.budgets import Budget, in_time, joined
from ledger.errors import Invalid, TooLarge
from ledger.limits import CHECKS_AT_ONCE, CREDENTIAL_BYTES_MAX, VERIFY_BYTES_MAX

TEXT_MAX: Final = 4 * CREDENTIAL_BYTES_MAX
"""Characters of a proof that is pasted."""
FORM_BYTES_MAX: Final = VERIFY_BYTES_MAX + CREDENTIAL_BYTES_MAX
"""A form with the largest file."""
HELD_BYTES_MAX: Final = CHECKS_AT_ONCE * VERIFY_BYTES_MAX
"""Bytes of uploads that are not answered yet, in all requests together; beyond them the answer is 429."""
_FIELDS_MAX: Final = 8
_BOUNDARY_MAX: Final = 70
"""Characters of a boundary (RFC 2046, 5.1.1)."""

NOUN: Final = "proof to check"
"""How errors call an upload."""
Fields = Mapping[str, str | bytes]
"""The fields of a form by name: each a text, or the content of a file."""


def budget(request: Request) -> Budget:
    """The budget of uploads that are read and not yet answered."""
    return cast(Budget, request.app.state.uploads)


def new_budget() -> Budget:
    """The budget of a server that has just started."""
    return Budget(HELD_BYTES_MAX, "proofs")


@contextlib.asynccontextmanager
async def form(request: Request, bytes_max: int = FORM_BYTES_MAX) -> AsyncIterator[Fields]:
    """The fields of a form; their bytes count as held until the context ends.

    Raise TooLarge before more than the limit is read, TooSlow, Busy, Unsupported, or Invalid for another form.
    """
    with budget(request).share() as share:
        yield await in_time(_fields(request, share.chunks(request, NOUN, bytes_max)), NOUN)


@contextlib.asynccontextmanager
async def body(request: Request, bytes_max: int = VERIFY_BYTES_MAX) -> AsyncIterator[bytes]:
    """The body of a request as it is; errors as of `form`."""
    with budget(request).share() as share:
        yield await in_time(joined(share.chunks(request, NOUN, bytes_max)), NOUN)


def media_type(request: Request) -> str:
    """The media type of the body, without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def proof_in(fields: Fields) -> bytes:
    """The proof to check: the field `file`, or else `text`; raise TooLarge."""
    file = fields.get("file")
    if isinstance(file, bytes) and file:
        if len(file) > VERIFY_BYTES_MAX:
            raise TooLarge(f"a file of at most {VERIFY_BYTES_MAX} bytes")
        return file
    return text_in(fields, "text", TEXT_MAX).encode(errors="replace")


def text_in(fields: Fields, name: str, characters_max: int) -> str:
    """A field of text without the blanks around it, empty when there is none; raise TooLarge."""
    value = fields.get(name)
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > characters_max:
        raise TooLarge(f"a field {name} of at most {characters_max} characters")
    return text


async def _fields(request: Request, chunks: AsyncGenerator[bytes, None]) -> Fields:
    parsed = await _parsed(request, chunks)
    try:
        items = parsed.multi_items()
        return {name: value if isinstance(value, str) else await value.read() for name, value in items}
    finally:
        await parsed.close()


class _InMemory(MultiPartParser):
    """Keeps what people present out of temporary files."""

    spool_max_size = FORM_BYTES_MAX


def _boundary_alone(request: Request) -> Headers:
    """The headers of a form without a character set: a client would choose by it which decoder runs here."""
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if not boundary or len(boundary) > _BOUNDARY_MAX or b'"' in boundary or b"\\" in boundary:
        raise Invalid("not a form: no boundary")
    return Headers(raw=[(b"content-type", b'multipart/form-data; boundary="' + boundary + b'"')])


async def _parsed(request: Request, chunks: AsyncGenerator[bytes, None]) -> FormData:
    try:
        match media_type(request):
            case "multipart/form-data":
                limits = {"max_files": 1, "max_fields": _FIELDS_MAX, "max_part_size": TEXT_MAX}
                return await _InMemory(_boundary_alone(request), chunks, **limits).parse()
            case "application/x-www-form-urlencoded":
                limits = {"max_fields": _FIELDS_MAX, "max_part_size": FORM_BYTES_MAX}
                return await FormParser(request.headers, chunks, **limits).parse()
    except (MultiPartException, KeyError, ValueError, LookupError) as error:
        raise Invalid(f"not a form: {error}") from None
    raise Invalid("a form is multipart/form-data or application/x-www-form-urlencoded")
