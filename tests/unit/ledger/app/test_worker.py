"""The supervised worker: it ends only by `close` or with a failure that can be seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ledger.app import worker
from ledger.app.worker import Alarm, Stopped, Worker
from ledger.errors import Unavailable

HANG_SECONDS = 120
"""Ends a test that hangs; nothing that works comes near it."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(worker, "RETRY_SECONDS_MAX", 0.002)


@contextmanager
def running(step: Callable[[], bool], bell: Alarm | None = None) -> Iterator[Worker]:
    one = Worker("test", step, bell)
    one.start()
    try:
        yield one
    finally:
        one.close()


def reached(event: threading.Event) -> None:
    assert event.wait(HANG_SECONDS)


@pytest.mark.parametrize(
    "error", [OSError(24, "Too many open files"), ValueError("x"), MemoryError(), AssertionError()]
)
def test_any_error_is_shown_and_the_step_tried_again(error: Exception) -> None:
    again = threading.Event()
    turns: list[str | None] = []

    def step() -> bool:
        turns.append(supervised.failure)
        if len(turns) <= 3:
            raise error
        again.set()
        return False

    supervised = Worker("test", step)
    supervised.start()
    reached(again)
    supervised.close()
    assert turns[0] is None
    assert all(turn is not None and type(error).__name__ in turn for turn in turns[1:4])
    assert supervised.failure is None
    assert not supervised.ended


def test_a_database_out_of_reach_is_no_failure_of_the_worker() -> None:
    done = threading.Event()
    turns: list[str | None] = []

    def step() -> bool:
        turns.append(supervised.failure)
        if len(turns) == 1:
            raise Unavailable("the database is out of reach")
        done.set()
        return False

    supervised = Worker("test", step)
    supervised.start()
    reached(done)
    supervised.close()
    assert turns == [None, None]


@pytest.mark.parametrize("error", [Stopped("the log refuses to sign"), SystemExit(1), KeyboardInterrupt()])
def test_a_thread_that_ends_leaves_its_failure(error: BaseException) -> None:
    ended = threading.Event()

    class Quiet(Alarm):
        def wait(self) -> None:
            raise AssertionError("nothing waits after the end")

    def step() -> bool:
        ended.set()
        raise error

    supervised = Worker("test", step, Quiet())
    supervised.start()
    reached(ended)
    supervised.close()
    assert supervised.ended
    assert supervised.failure == (str(error) if isinstance(error, Stopped) else f"{type(error).__name__}: {error}")


def test_an_idle_worker_goes_on_when_it_is_woken() -> None:
    turns = threading.Semaphore(0)

    def step() -> bool:
        turns.release()
        return False

    with running(step) as supervised:
        for _ in range(3):
            assert turns.acquire(timeout=HANG_SECONDS)
            supervised.wake()


def test_there_may_be_more_to_do_at_once() -> None:
    enough = threading.Event()
    count = 0

    def step() -> bool:
        nonlocal count
        count += 1
        if count == 100:
            enough.set()
        return count < 100

    with running(step):
        reached(enough)


def test_a_closed_worker_does_nothing_more() -> None:
    begun, done = threading.Event(), []

    def step() -> bool:
        begun.set()
        done.append(1)
        return True

    supervised = Worker("test", step)
    supervised.start()
    reached(begun)
    supervised.close()
    count = len(done)
    supervised.wake()
    assert len(done) == count
    assert supervised.failure is None
