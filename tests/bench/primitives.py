"""What one core does of the primitives. The rate of verifying is the baseline of most rows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.bench.report import Report

_ROUNDS = 7


def measure(report: Report, seconds: float) -> float:
    """Rates over a message of 600 bytes; that of verifying."""
    key, message = Ed25519PrivateKey.generate(), b"\x55" * 600
    public, signature = key.public_key(), key.sign(message)
    verify = rate(lambda: public.verify(signature, message), seconds)
    report.add("Ed25519 verify, one core", verify)
    report.add("Ed25519 sign, one core", rate(lambda: key.sign(message), seconds))
    report.add("SHA-256 of 600 bytes, one core", rate(lambda: sha256(message).digest(), seconds))
    return verify


def rate(work: Callable[[], object], seconds: float) -> float:
    """Calls a second: the median of rounds that take `seconds` together."""
    found = []
    for _ in range(_ROUNDS):
        start, calls = time.perf_counter(), 0
        while (passed := time.perf_counter() - start) < seconds / _ROUNDS:
            for _ in range(100):
                work()
            calls += 100
        found.append(calls / passed)
    return statistics.median(found)
