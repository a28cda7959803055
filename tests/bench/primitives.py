"""What one core does of the primitives. The rate of verifying is the baseline of most rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.bench import budgets
from tests.bench.report import Report

_ROUNDS = 7
_MESSAGE = b"\x55" * 600


def measure(report: Report, seconds: float) -> None:
    """Signing and hashing against verifying."""
    verifying, key = verify(seconds), Ed25519PrivateKey.generate()
    report.add(budgets.SIGN, rate(lambda: key.sign(_MESSAGE), seconds), verifying)
    report.add(budgets.SHA256, rate(lambda: sha256(_MESSAGE).digest(), seconds), verifying)


def verify(seconds: float) -> float:
    """Verifications a second."""
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key(), key.sign(_MESSAGE)
    return rate(lambda: public.verify(signature, _MESSAGE), seconds)


def rate(work: Callable[[], object], seconds: float) -> float:
    """Calls a second: the median of rounds that take `seconds` together."""
    rates = []
    for _ in range(_ROUNDS):
        start, calls = time.perf_counter(), 0
        while (passed := time.perf_counter() - start) < seconds / _ROUNDS:
            for _ in range(100):
                work()
            calls += 100
        rates.append(calls / passed)
    return statistics.median(rates)
