"""Waiting for what another thread or process does: always on a condition, never longer than a deadline."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 30.0
"""Far beyond what anything here takes: a test that reaches it has failed."""


def eventually(condition: Callable[[], T], seconds: float = DEADLINE_SECONDS) -> T:
    """The first true value of the condition; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return value


@contextmanager
def threads(*targets: Callable[[], object]) -> Iterator[None]:
    """Run targets beside the block, and wait for them at its end; what one raises, the block raises."""
    errors: list[BaseException] = []

    def run(target: Callable[[], object]) -> None:
        try:
            target()
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=run, args=(target,), daemon=True) for target in targets]
    for thread in running:
        thread.start()
    yield
    for thread in running:
        thread.join(DEADLINE_SECONDS)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in running), "a thread did not end"
