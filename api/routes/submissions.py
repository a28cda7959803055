"""POST /v1/regions/{region}/submissions: a plain Starlette route, documented in OpenAPI by hand.

It is the hottest path there is: the request's bytes go to a verifying thread as they came.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api import problems
from api.problems import TooSlow, Unsupported
from api.service import Region, Service
from ledger.errors import Busy, Invalid, LedgerError, TooLarge
from ledger.intake import Accepted
from ledger.limits import SUBMISSION_BYTES_MAX, SUBMISSION_SECONDS_MAX, WAITING_BYTES_MAX

PATH: Final = "/v1/regions/{region}/submissions"


class _Event(msgspec.Struct):
    id: str
    position: int
    entry: bytes


class _Answer(msgspec.Struct):
    region: str
    first: int
    count: int
    tree_size: int
    events: list[_Event]


async def submit(request: Request) -> Response:
    """Take one submission; 201 when it was committed, 200 when all of it was there before."""
    service: Service = request.app.state.service
    try:
        region = service.region(request.path_params["region"])
        accepted = await _take(service, region, request)
    except LedgerError as error:
        service.metrics.submissions.labels(problems.kind_of(error)[0]).inc()
        return problems.response(error, request)
    service.metrics.submissions.labels("accepted" if accepted.new else "repeated").inc()
    if accepted.new:
        service.metrics.events.labels(region.code).inc(len(accepted.events))
    return Response(_encode(accepted), 201 if accepted.new else 200, media_type="application/json")


async def _take(service: Service, region: Region, request: Request) -> Accepted:
    region.check_writable()
    held = _Held(service)
    try:
        data = await _read(held, request)
        loop = asyncio.get_running_loop()
        prepared = await loop.run_in_executor(service.verifying, region.ledger.prepare, data)
        outcome = await asyncio.wrap_future(region.committer.submit(prepared))
    finally:
        held.release()
    if isinstance(outcome, LedgerError):
        raise outcome
    return outcome


class _Held:
    """Bytes that one request holds in memory, counted from the first that arrives."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._bytes = 0

    def take(self, size: int) -> None:
        """Count more; raise Busy when all requests together hold too many."""
        self._bytes += size
        self._service.waiting_bytes += size
        if self._service.waiting_bytes > WAITING_BYTES_MAX:
            raise Busy("too many submissions are waiting", retry_after=2)

    def release(self) -> None:
        """The request is answered."""
        self._service.waiting_bytes -= self._bytes


async def _read(held: _Held, request: Request) -> bytes:
    """The body, within its limits of size, time and memory; the limits are told before parsing."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unsupported("a submission has no content encoding")
    announced = request.headers.get("content-length", "0")
    size = int(announced[:18]) if announced.isascii() and announced.isdecimal() else 0
    if size > SUBMISSION_BYTES_MAX:
        raise TooLarge(f"{size} bytes announced; a submission has at most {SUBMISSION_BYTES_MAX}")
    try:
        async with asyncio.timeout(SUBMISSION_SECONDS_MAX):
            return await _receive(held, request)
    except TimeoutError:
        raise TooSlow(f"a submission arrives within {SUBMISSION_SECONDS_MAX} s") from None
    except ClientDisconnect:
        raise Invalid("the request ended before its body did") from None


async def _receive(held: _Held, request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > SUBMISSION_BYTES_MAX:
            raise TooLarge(f"a submission has at most {SUBMISSION_BYTES_MAX} bytes")
        held.take(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def _encode(accepted: Accepted) -> bytes:
    events = [_Event(*one) for one in accepted.events]
    return msgspec.json.encode(_Answer(accepted.region, accepted.first, len(events), accepted.tree_size, events))
