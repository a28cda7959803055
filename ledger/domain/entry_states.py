"""The state of an hours entry: the one rule from which every total follows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from ledger.domain.state import Entry


def contested_among(entries: Iterable[Entry]) -> set[tuple[str, str]]:
    """Which of one person's entries, named by id and origin, overlap one that stands and goes before them."""
    found, taken = set(), _Taken()
    for entry in sorted(entries, key=lambda entry: entry.precedence):
        if taken.overlaps(entry.start, entry.end):
            found.add(entry.identity)
        if entry.standing:
            taken.add(entry.start, entry.end)
    return found


def state_of(entry: Entry, contested: bool) -> str:
    """The one state that an entry is in; where several apply, the first of these."""
    if entry.withdrawn:
        return "withdrawn"
    if entry.disputed:
        return "disputed"
    if not entry.approved:
        return "pending"
    return "contested" if contested else "counted"


class _Taken:
    """Time that is taken, as half-open intervals apart from each other and in order: a hostile record is no slower."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def overlaps(self, start: int, end: int) -> bool:
        at = bisect_right(self._ends, start)
        return at < len(self._starts) and self._starts[at] < end

    def add(self, start: int, end: int) -> None:
        first, behind = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if first < behind:
            start, end = min(start, self._starts[first]), max(end, self._ends[behind - 1])
        self._starts[first:behind], self._ends[first:behind] = [start], [end]
