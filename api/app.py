"""The HTTP application: `create_app(service, origin)` with explicit collaborators."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi_offline import FastAPIOffline
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http import bodies, openapi, problems, uploads
from api.http.routes import (
    batches,
    events,
    issuers,
    operations,
    peers,
    proofs,
    records,
    regions,
    sessions,
    stars,
    submissions,
    tiles,
    verify,
    volunteers,
)
from api.http.sessions import Sessions
from api.pages import routes
from api.service.metrics import Metrics
from api.service.service import Service
from ledger.errors import Invalid, LedgerError, NotFound, TooLarge
from ledger.limits import BATCH_BYTES_MAX, REQUEST_BYTES_MAX

logger = logging.getLogger("yongzhi.http")

API: Final = (
    regions,
    sessions,
    events,
    volunteers,
    records,
    proofs,
    stars,
    batches,
    issuers,
    verify,
    peers,
    tiles,
    operations,
)
"""What is served under /v1 and beside it, by module; submissions have a route of their own."""
THREADS: Final = 32
"""Requests that work or wait outside the event loop at a time."""


def create_app(service: Service, origin: str) -> FastAPI:
    """The application over a running service. `origin` is this server's name in sign-in challenges."""
    app = FastAPIOffline(
        lifespan=_threads,
        static_url="/docs/static",
        title="Yongzhi 永志",
        version="1",
        description=openapi.DESCRIPTION,
        # Telemetry would cost 8 % and records exception messages, which may quote what a client sent.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.service = service
    app.state.sessions = Sessions(origin)
    app.state.waiting = bodies.new_budget()
    app.state.uploads = uploads.new_budget()
    app.router.routes.insert(0, Route(submissions.PATH, submissions.submit, methods=["POST"]))
    for module in (*API, routes):
        app.include_router(module.router)
    app.add_exception_handler(LedgerError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)
    app.add_middleware(Bounded)
    app.add_middleware(Observing, metrics=service.metrics)
    openapi.document(app)
    return app


@asynccontextmanager
async def _threads(app: FastAPI) -> AsyncIterator[None]:
    """More threads than the few per core that asyncio has: most of what they do is wait for the database."""
    with ThreadPoolExecutor(THREADS, "work") as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        yield


async def _problem(request: Request, error: Exception) -> Response:
    if problems.kind_of(error)[1].status >= 500:
        logger.error("request failed", extra={"code": problems.kind_of(error)[0], "reason": str(error)})
    return problems.response(error, request)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    pointer = "".join(f"/{part}" for part in first["loc"][1:])
    return problems.response(Invalid(str(first["msg"]), pointer), request)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problems.response(NotFound("no such page"), request)
    if error.status_code == 400:
        return problems.response(Invalid(error.detail), request)
    body = {"type": "about:blank", "title": error.detail, "status": error.status_code}
    return Response(problems.encode(body), error.status_code, error.headers, problems.MEDIA_TYPE)


async def _internal(request: Request, error: Exception) -> Response:
    logger.error("unexpected error", exc_info=error)
    return problems.response(error, request)


def _limit(path: str) -> int | None:
    """Bytes that a request to a path may have; None where the route bounds itself."""
    if path in ("/verify", "/v1/verify") or path.endswith(("/submissions", "/inbox")):
        return None
    return BATCH_BYTES_MAX if path.endswith("/proof-batches") else REQUEST_BYTES_MAX


class Bounded:
    """Refuses requests that are larger than their address allows. Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the small body that is allowed, then pass the request on with it."""
        limit = _limit(scope.get("path", ""))
        if scope["type"] != "http" or limit is None:
            await self._app(scope, receive, send)
            return
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return  # what was cut off is not what was meant
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > limit:
                error = TooLarge(f"a request to this address has at most {limit} bytes")
                await problems.response(error, Request(scope))(scope, receive, send)
                return
        read: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]
        await self._app(scope, lambda: _next(read, receive), send)


async def _next(read: list[Message], receive: Receive) -> Message:
    return read.pop() if read else await receive()


class Observing:
    """Counts requests, and keeps answers out of caches. Pure ASGI: anything thicker costs more than the handlers."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note how it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                submitting = scope.get("endpoint") is submissions.submit
                route: Any = scope.get("route")
                # The template of the route, never the path: a path may name a person.
                path = submissions.PATH if submitting else getattr(route, "path", "other")
                self._metrics.requests.labels(path, message["status"]).inc()
                # Answers differ by who asks: none is kept by a cache unless its route says so.
                MutableHeaders(scope=message).setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, observed)
