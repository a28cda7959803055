"""One supervised thread: what every part that runs by itself is built on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, Protocol

from ledger.errors import Unavailable
from ledger.store.postgres.database import LOST

logger = logging.getLogger("yongzhi.worker")

RETRY_SECONDS: Final = 1.0
"""Pause after an error; doubled up to RETRY_SECONDS_MAX while unexpected errors go on."""
RETRY_SECONDS_MAX: Final = 30.0
PASSING: Final = (Unavailable, *LOST)
"""The database is out of reach, which /readyz says by itself: tried again after RETRY_SECONDS, however often."""


class Stopped(Exception):
    """Raised by a step that nobody but an operator may repeat; its text says why."""


class Bell(Protocol):
    """What an idle worker waits for."""

    def wait(self) -> None:
        """Return after `wake`, or when it is time to look again; spurious returns are fine."""

    def wake(self) -> None:
        """End the present wait, or the next one, at once; may be called from any thread."""


class Alarm:
    """A bell without anything outside: it rings by `wake`, and every `seconds` if that is given."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._rung = threading.Event()

    def wait(self) -> None:
        """See `Bell.wait`."""
        self._rung.wait(self._seconds)
        self._rung.clear()

    def wake(self) -> None:
        """See `Bell.wake`."""
        self._rung.set()


class Worker:
    """Calls `step` in a thread of its own until it is closed.

    `step` returns whether there may be more to do; where there is not, the worker waits for its bell. The thread ends
    in two ways only: by `close`, or with a `failure` that stays. Any other error is kept as `failure` and the step is
    tried again, more and more seldom; the next success clears it.
    """

    def __init__(self, name: str, step: Callable[[], bool], bell: Bell | None = None) -> None:
        self.name = name
        self.failure: str | None = None
        """Why it does not get on, if so: shown by /readyz and /metrics."""
        self.ended = False
        """Whether the thread ended with its failure and will not try again."""
        self._step = step
        self._bell = bell or Alarm()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; what `step` uses must be there by now."""
        self._thread.start()

    def end(self, reason: Stopped) -> None:
        """Fail for good, in place of `start`."""
        self.ended = True
        self._fail(reason)

    @property
    def closing(self) -> bool:
        """Whether the worker was asked to end: a long step looks now and then."""
        return self._closing.is_set()

    def wake(self) -> None:
        """See `Bell.wake`."""
        self._bell.wake()

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than until `close`."""
        self._closing.wait(seconds)

    def close(self) -> None:
        """End after the step at hand."""
        self._closing.set()
        self._bell.wake()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        delay = RETRY_SECONDS
        try:
            while not self.closing:
                try:
                    more = self._step()
                except Stopped:
                    raise
                except PASSING as error:
                    logger.warning("waits", extra={"part": self.name, "reason": str(error)})
                    self.pause(RETRY_SECONDS)
                except Exception as error:
                    self._fail(error)
                    self.pause(delay)
                    delay = min(2 * delay, RETRY_SECONDS_MAX)
                else:
                    self.failure, delay = None, RETRY_SECONDS
                    if not more and not self.closing:
                        self._bell.wait()
        except BaseException as error:  # Stopped, or whatever ends a thread: it must not end unseen
            self.ended = True
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = str(error) if isinstance(error, Stopped) else f"{type(error).__name__}: {error}"
        logger.error("failed", exc_info=error, extra={"part": self.name, "reason": self.failure})
