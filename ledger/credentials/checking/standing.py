"""Steps 5 and 6 of a check: the dates of a proof that is genuine, and whether it was revoked (docs/proofs.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ledger.credentials.checking.steps import Course
from ledger.credentials.checking.verdict import Result
from ledger.errors import LedgerError, Untrusted
from ledger.ids import format_time
from ledger.limits import CLOCK_AHEAD_MAX

Lists = Callable[[str], bytes | tuple[bytes, ...] | None]
"""Gives the status list of an address, or all that are at hand, or None; a LedgerError that it raises counts as None.

An older list beside a newer one does no harm: none hides what another revokes, and the newest says how fresh they are.
"""


class StatusList(Protocol):
    """What status lists of both kinds answer."""

    @property
    def valid_from(self) -> int: ...
    @property
    def valid_until(self) -> int | None: ...
    def is_revoked(self, index: int) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What steps 5 and 6 need of a proof of any kind. Times in unix seconds."""

    issued: int
    expires: int | None
    list_url: str
    index: int
    open_list: Callable[[bytes], StatusList]


def check_dates(stated: Stated, now: int) -> None:
    """Raise Untrusted for a proof that is yet to come, or expired, at unix second `now`."""
    if stated.issued > now + CLOCK_AHEAD_MAX:
        raise Untrusted(f"valid only from {format_time(stated.issued)}")
    if stated.expires is not None and now >= stated.expires:
        raise Untrusted(f"expired at {format_time(stated.expires)}")


def check_status(course: Course, stated: Stated, lists: Lists, now: int) -> None:
    """Record whether any list at hand revokes the proof, or else whether the newest is good at `now`."""
    told, detail = _told(stated, lists)
    if not told:
        course.record("status", Result.UNKNOWN, detail)
        return
    revoking = [found for found, revoked in told if revoked]  # for good: an old list says so as well as a new one
    found = max(revoking or [found for found, _ in told], key=lambda one: one.valid_from)
    course.known["as_of"] = format_time(found.valid_from)
    if revoking:
        course.fail("status", f"revoked by the list of {format_time(found.valid_from)}")
    if found.valid_from > now + CLOCK_AHEAD_MAX:
        course.record("status", Result.UNKNOWN, "the status list says that it is yet to come")
    elif found.valid_until is not None and now >= found.valid_until:
        course.record("status", Result.UNKNOWN, f"the status list expired at {format_time(found.valid_until)}")
    else:
        course.record("status", Result.PASSED)


def _told(stated: Stated, lists: Lists) -> tuple[list[tuple[StatusList, bool]], str]:
    """The lists at hand that hold, each with whether it revokes the proof; and what to say when there is none."""
    told, detail = [], "no status list is at hand"
    try:
        served = lists(stated.list_url)
    except LedgerError as error:
        return [], error.detail
    for data in (served,) if isinstance(served, bytes) else served or ():
        try:
            found = stated.open_list(data)
            told.append((found, found.is_revoked(stated.index)))
        except LedgerError as error:
            detail = error.detail
    return told, detail
