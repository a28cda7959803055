"""What a record comes to, folded from its events alone: a home that offers it and whoever checks it agree."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

from ledger.domain.exchange import replayed
from ledger.domain.state import Arrived, Entry, Moment, State, Volunteer
from ledger.transfer_events import StateSum


def sums_of(record: Sequence[Arrived], ids: Sequence[str], own_origin: str = "") -> tuple[StateSum, ...]:
    """What the entries of a record come to, by category and state.

    `record` holds its events in record order. `ids` are the person's, the one under which the record is kept first.
    `own_origin` is the log that `Arrived.origin` leaves empty, if it does so for one.
    """
    entries = entries_of(record, ids, own_origin)
    contested = contested_among(entries)
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for entry in entries:
        sums = found[entry.category, state_of(entry, entry.identity in contested)]
        sums[0] += 1
        sums[1] += entry.minutes
    return tuple(
        StateSum(category=category, state=state, entries=entries, minutes=minutes)  # type: ignore[arg-type]
        for (category, state), (entries, minutes) in sorted(found.items())
    )


def entries_of(record: Sequence[Arrived], ids: Sequence[str], own_origin: str = "") -> list[Entry]:
    """The entries as the events of a record leave them, one after the other, by the rules that admitted them."""
    state = State()
    for name in ids:
        state.load(Volunteer(id=name, status="", registrar="", alias_of=None if name == ids[0] else ids[0]))
    moment = Moment(position=0, now=0, key_id="", region="", origin=own_origin)
    for turn, one in enumerate(record, 1):
        for found in replayed(state, one, moment, turn):
            state.put(found)
    return list(state.all(Entry))


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
