"""The bodies of submissions and messages: read within limits of size, time and memory, told before any parsing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from starlette.requests import Request

from api.http.budgets import Budget, in_time, joined
from ledger.limits import WAITING_BYTES_MAX


def budget(request: Request) -> Budget:
    """The budget of submissions and messages that are read and not yet answered."""
    return cast(Budget, request.app.state.waiting)


def new_budget() -> Budget:
    """The budget of a server that has just started."""
    return Budget(WAITING_BYTES_MAX, "submissions and messages")


@asynccontextmanager
async def body(request: Request, noun: str, bytes_max: int) -> AsyncIterator[bytes]:
    """The body of a request, counted among those that wait until the context ends.

    `noun` is what errors call it. Raise TooLarge, TooSlow, Unsupported, Invalid when it was cut off, and Busy when all
    requests together hold too many bytes.
    """
    with budget(request).share() as share:
        yield await in_time(joined(share.chunks(request, noun, bytes_max)), noun)
