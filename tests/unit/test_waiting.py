"""Tests that wait for threads: what a thread raised is told, not that it was waited for in vain."""

import threading

import pytest

from tests.integration.waiting import eventually, threads


def test_what_a_thread_raised_is_told_at_once():
    with pytest.raises(ZeroDivisionError), threads(lambda: 1 / 0):
        eventually(lambda: False)


def test_what_a_thread_raised_is_told_before_what_follows_from_it():
    reads, died = [0], threading.Event()

    def read() -> None:
        try:
            reads[0] = 1 // 0
        finally:
            died.set()

    def fail() -> None:
        with threads(read):
            died.wait()
            assert reads == [1]

    with pytest.raises(ZeroDivisionError):
        fail()


def test_who_waits_in_vain_is_told_the_state():
    reads = [1, 0, 2]
    with pytest.raises(AssertionError, match=r"all\(reads\).*reads=\[1, 0, 2\].*False"):
        eventually(lambda: all(reads), seconds=0)


def test_who_waits_is_given_the_value():
    with threads(lambda: None):
        assert eventually(lambda: 7) == 7
