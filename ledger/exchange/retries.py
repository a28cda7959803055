"""Delivery: one attempt to tell a message, what becomes of it then, and when it is tried again. Pure, but for chance.

Full jitter: a wait is drawn evenly from zero to a bound that doubles with each attempt, so that what failed together
is not tried again together (M. Brooker, Exponential Backoff and Jitter, AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal, NamedTuple

from ledger.errors import Busy, Conflict, Corrupt, LedgerError, NotYet, Rejected, Unavailable, Untrusted
from ledger.exchange.incoming import Answer
from ledger.limits import DELIVERY_DELAY_MAX, DELIVERY_DELAY_MIN

Chance = Callable[[], float]
"""A number drawn evenly from 0 to 1."""


class Fate(NamedTuple):
    """What becomes of a message: `done` and `aside` are for good, `waiting` until it is tried again."""

    state: Literal["done", "aside", "waiting"]
    reason: str = ""
    retry_after: int = 0
    """Seconds that whoever refused it asked for."""
    unreachable: bool = False
    """Whether it was the peer that failed, so that no other message would fare better now."""


def retry_at(attempts: int, now: int, retry_after: int = 0, chance: Chance = random.random) -> int:
    """When to try again after that many attempts, at least `retry_after` seconds from `now`; unix milliseconds.

    Never later than DELIVERY_DELAY_MAX, whatever was asked for.
    """
    # Beyond some doublings the bound is the largest one anyway, and the number need not grow with it.
    bound = min(DELIVERY_DELAY_MIN << min(max(attempts - 1, 0), 32), DELIVERY_DELAY_MAX)
    seconds = min(max(chance() * bound, retry_after), DELIVERY_DELAY_MAX)
    return now + round(seconds * 1000)


def due(fate: Fate, attempts: int, now: int, chance: Chance = random.random) -> int:
    """When a message of that fate is due after that many attempts; unix milliseconds, at once when it is for good."""
    return retry_at(attempts, now, fate.retry_after, chance) if fate.state == "waiting" else now


def answered(answer: Answer) -> Fate:
    """What an answer comes to: whoever has the message, or lets it wait, will see to it; we are rid of it."""
    return Fate("aside" if answer.state == "aside" else "done", answer.reason)


def unsent(error: Exception) -> Fate:
    """What comes of a message that could not be made: that is no peer's doing."""
    return failed(error)._replace(unreachable=False)


def failed(error: Exception) -> Fate:
    """What a failed attempt comes to.

    Aside when the same message would fail the same way: refused, not believed, at odds with what is stored. Anything
    else may pass, a fault of this program included, since it may be mended.
    """
    reason = (error.detail if isinstance(error, LedgerError) else f"{type(error).__name__}: {error}") or repr(error)
    match error:
        case NotYet():
            return Fate("waiting", reason, error.retry_after, unreachable=isinstance(error, Busy))
        case Unavailable():
            return Fate("waiting", reason, unreachable=True)
        case Rejected() | Untrusted() | Conflict() | Corrupt():
            return Fate("aside", reason)
        case _:
            return Fate("waiting", reason)


class Attempt(NamedTuple):
    """What came of making one message and telling it."""

    fate: Fate
    answer: Answer | None = None
    error: Exception | None = None
    asked: bool = True
    """Whether the peer was turned to at all."""

    @property
    def said(self) -> str:
        """What the peer made of it, as the outbox keeps it: state, and position of the event to which it led."""
        if self.answer is None:
            return ""
        return self.answer.state if self.answer.position is None else f"{self.answer.state} {self.answer.position}"


def attempt(make: Callable[[], bytes], send: Callable[[bytes], Answer]) -> Attempt:
    """Make a message and send it; whatever is raised is told as what came of it."""
    try:
        data = make()
    except Exception as error:
        return Attempt(unsent(error), error=error, asked=False)
    try:
        answer = send(data)
    except Exception as error:
        return Attempt(failed(error), error=error)
    return Attempt(answered(answer), answer)
