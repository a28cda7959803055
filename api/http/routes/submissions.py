"""POST /v1/regions/{region}/submissions: a plain Starlette route, documented in OpenAPI by hand.

It is the hottest path there is: the request's bytes go to a verifying thread as they came.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.http import bodies, problems
from api.service.region import Region
from api.service.service import Service
from ledger.app.intake import Accepted
from ledger.errors import LedgerError
from ledger.limits import SUBMISSION_BYTES_MAX

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
    async with bodies.body(request, "submission", SUBMISSION_BYTES_MAX) as data:
        loop = asyncio.get_running_loop()
        prepared = await loop.run_in_executor(service.verifying, region.ledger.prepare, data)
        outcome = await asyncio.wrap_future(region.committer.submit(prepared))
    if isinstance(outcome, LedgerError):
        raise outcome
    return outcome


def _encode(accepted: Accepted) -> bytes:
    events = [_Event(*one) for one in accepted.events]
    return msgspec.json.encode(_Answer(accepted.region, accepted.first, len(events), accepted.tree_size, events))
