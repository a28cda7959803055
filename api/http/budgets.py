"""Budgets: how many bytes requests of a kind may hold in memory together, and how a body is read within them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from api.http.problems import TooSlow, Unsupported
from ledger.errors import Busy, Invalid, TooLarge
from ledger.limits import SUBMISSION_SECONDS_MAX

T = TypeVar("T")


class Budget:
    """Bytes that requests hold from the first that arrives until they are answered; changed by the event loop alone."""

    def __init__(self, bytes_max: int, kind: str) -> None:
        """`kind` is the plural by which the refusal calls the requests."""
        self.bytes_max = bytes_max
        self.taken = 0
        self._kind = kind

    @contextlib.contextmanager
    def share(self) -> Iterator[Share]:
        """The share of one request, given back when the block ends."""
        share = Share(self)
        try:
            yield share
        finally:
            self.taken -= share.bytes

    def take(self, size: int) -> None:
        """Count bytes; raise Busy when all requests together hold more than the budget."""
        self.taken += size
        if self.taken > self.bytes_max:
            raise Busy(f"too many {self._kind} are waiting", retry_after=2)


class Share:
    """The bytes that one request holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.bytes = 0

    async def chunks(self, request: Request, noun: str, bytes_max: int) -> AsyncGenerator[bytes, None]:
        """The body of a request as it comes; errors call it a `noun`.

        Raise TooLarge for more than `bytes_max`, before anything is read where the length is announced; Busy for more
        than the budget; Unsupported for a content encoding.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Unsupported(f"a {noun} has no content encoding")
        announced = request.headers.get("content-length", "0")
        if announced.isascii() and announced.isdecimal() and int(announced[:18]) > bytes_max:
            raise TooLarge(f"{announced:.18} bytes announced; a {noun} has at most {bytes_max}")
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > bytes_max:
                raise TooLarge(f"a {noun} has at most {bytes_max} bytes")
            self.bytes += len(chunk)
            self._budget.take(len(chunk))
            yield chunk


async def in_time(reading: Coroutine[object, object, T], noun: str) -> T:
    """The result of reading a body; raise TooSlow after SUBMISSION_SECONDS_MAX, Invalid when the client has gone."""
    try:
        async with asyncio.timeout(SUBMISSION_SECONDS_MAX):
            return await reading
    except TimeoutError:
        raise TooSlow(f"a {noun} arrives within {SUBMISSION_SECONDS_MAX} s") from None
    except ClientDisconnect:
        raise Invalid("the request ended before its body did") from None


async def joined(chunks: AsyncGenerator[bytes, None]) -> bytes:
    """All chunks as one."""
    return b"".join([chunk async for chunk in chunks])
