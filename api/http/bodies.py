"""The bodies of submissions and messages: read within limits of size, time and memory, told before any parsing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from api.http.problems import TooSlow, Unsupported
from api.service.service import Service
from ledger.errors import Busy, Invalid, TooLarge
from ledger.limits import SUBMISSION_SECONDS_MAX, WAITING_BYTES_MAX


@asynccontextmanager
async def body(service: Service, request: Request, what: str, bytes_max: int) -> AsyncIterator[bytes]:
    """The body of a request, counted from its first byte among those that wait until the context ends.

    `what` is what errors call it. Raise TooLarge, TooSlow, Unsupported, Invalid when it was cut off, and Busy when all
    requests together hold too many bytes.
    """
    held = _Held(service)
    try:
        yield await _read(held, request, what, bytes_max)
    finally:
        held.release()


class _Held:
    """Bytes that one request holds in memory."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._bytes = 0

    def take(self, size: int) -> None:
        self._bytes += size
        self._service.waiting_bytes += size
        if self._service.waiting_bytes > WAITING_BYTES_MAX:
            raise Busy("too many submissions and messages are waiting", retry_after=2)

    def release(self) -> None:
        self._service.waiting_bytes -= self._bytes


async def _read(held: _Held, request: Request, what: str, bytes_max: int) -> bytes:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unsupported(f"a {what} has no content encoding")
    announced = request.headers.get("content-length", "0")
    size = int(announced[:18]) if announced.isascii() and announced.isdecimal() else 0
    if size > bytes_max:
        raise TooLarge(f"{size} bytes announced; a {what} has at most {bytes_max}")
    try:
        async with asyncio.timeout(SUBMISSION_SECONDS_MAX):
            return await _receive(held, request, what, bytes_max)
    except TimeoutError:
        raise TooSlow(f"a {what} arrives within {SUBMISSION_SECONDS_MAX} s") from None
    except ClientDisconnect:
        raise Invalid("the request ended before its body did") from None


async def _receive(held: _Held, request: Request, what: str, bytes_max: int) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise TooLarge(f"a {what} has at most {bytes_max} bytes")
        held.take(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)
