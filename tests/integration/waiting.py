"""Waiting for what another thread or process does: always on a condition, and never for ever."""

import inspect
import reprlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 120.0
"""Only ends a hang, on however busy a machine: far beyond what anything here takes."""

_raised: dict[int, list[BaseException]] = {}
"""What the threads of each `threads` block under way raised; by the identity of the list."""


def eventually(condition: Callable[[], T], seconds: float = DEADLINE_SECONDS) -> T:
    """The first true value of the condition.

    Raise what a thread of a `threads` block raised, for whoever waits for it waits in vain; fail after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        _raise_errors()
        assert time.monotonic() < deadline, f"waited in vain for {_state(condition)}, which is {value!r}"
        time.sleep(0.005)
    return value


def _raise_errors() -> None:
    for errors in list(_raised.values()):
        if errors:
            raise errors[0]


def _state(condition: Callable[[], object]) -> str:
    """The source of a condition, and the variables that it asks."""
    try:
        source = " ".join(inspect.getsource(condition).split())
        variables = inspect.getclosurevars(condition).nonlocals
    except (OSError, TypeError, ValueError):  # no function, or one without a file
        return repr(condition)
    return ", ".join([source, *(f"{name}={reprlib.repr(value)}" for name, value in variables.items())])


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
    _raised[id(errors)] = errors
    try:
        for thread in running:
            thread.start()
        yield
        eventually(lambda: not any(thread.is_alive() for thread in running))
    except BaseException as error:
        # A thread that died is the cause, and the block that failed without it the consequence.
        if errors and error is not errors[0]:
            raise errors[0] from error
        raise
    finally:
        del _raised[id(errors)]
    if errors:
        raise errors[0]
