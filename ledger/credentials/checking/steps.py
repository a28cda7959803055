"""The course of a check: which steps were taken, how each went, and the one outcome they come to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from ledger.credentials.checking.verdict import Outcome, Result, Step, Verdict
from ledger.errors import Invalid, LedgerError, TooLarge

CODES: Final = ("form", "issuer", "signature", "evidence", "dates", "status")
"""Codes of the steps in their order; the first has number 1."""


class Stopped(Exception):
    """A step failed; those after it are not asked."""


@dataclass(slots=True)
class Course:
    """Steps as they were taken, and what was learnt on the way."""

    format: str
    steps: list[Step] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)
    """Members of the verdict, by name."""

    def record(self, code: str, result: Result, detail: str = "") -> None:
        """Note how the next step went."""
        assert code == CODES[len(self.steps)], code
        self.steps.append(Step(number=len(self.steps) + 1, code=code, result=result, detail=detail))

    def fail(self, code: str, detail: str) -> NoReturn:
        """Note that the next step failed, and stop."""
        self.record(code, Result.FAILED, detail)
        raise Stopped

    @contextlib.contextmanager
    def step(self, code: str, *, ends: bool = True) -> Iterator[None]:
        """A step that fails by raising; unless it `ends` the course, those after it are asked all the same."""
        try:
            yield
        except LedgerError as error:
            self.record(code, Result.FAILED, error.detail)
            if ends:
                raise Stopped from None
        else:
            self.record(code, Result.PASSED)

    @contextlib.contextmanager
    def opening(self, keys: Keys) -> Iterator[None]:
        """Form, issuer and signature of what is opened in one go: the step that an error belongs to fails."""
        try:
            yield
        except LedgerError as error:
            failed = keys.failed(error)
            for code in CODES[: CODES.index(failed)]:
                self.record(code, Result.PASSED)
            self.fail(failed, error.detail)
        self.record("form", Result.PASSED)

    def verdict(self) -> Verdict:
        """The outcome that the steps come to; what was not asked is skipped."""
        outcome = _outcome({step.code: step.result for step in self.steps})
        for code in CODES[len(self.steps) :]:
            self.record(code, Result.SKIPPED)
        return Verdict(outcome=outcome, format=self.format, steps=tuple(self.steps), **self.known)


@dataclass(slots=True)
class Keys:
    """How far an opening came in asking for a key."""

    asked: bool = False
    found: bool = False

    def failed(self, error: LedgerError) -> str:
        """The step that an error of the opening belongs to."""
        if isinstance(error, Invalid | TooLarge) or not self.asked:
            return "form"
        return "signature" if self.found else "issuer"


def _outcome(taken: dict[str, Result]) -> Outcome:
    # What was not taken has no result: nothing is valid by a step that was forgotten.
    if any(taken.get(code) is not Result.PASSED for code in ("form", "issuer", "signature")):
        return Outcome.INVALID
    if taken.get("evidence") not in (Result.PASSED, Result.SKIPPED):
        return Outcome.INVALID
    if taken.get("status") is Result.FAILED:  # for good, whatever the dates are
        return Outcome.REVOKED
    if taken.get("dates") is not Result.PASSED:
        return Outcome.EXPIRED
    return Outcome.VALID if taken.get("status") is Result.PASSED else Outcome.STATUS_UNKNOWN
