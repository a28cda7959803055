"""The facts that levels rest on: what a volunteer's counted service comes to, and how each condition measures it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, Final, TypeVar

from ledger.errors import Invalid
from ledger.schemes.conditions import (
    AnyCondition,
    AwardsHeld,
    Condition,
    LevelHeld,
    Minutes,
    MinutesAtKinds,
    MinutesInCategories,
    MinutesInYear,
    SpanDays,
    Trainings,
    Years,
)
from ledger.schemes.scheme import Counts

_Value = TypeVar("_Value")
_NO_KINDS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counted service of one year, category, evidence grade and kind of organisation.

    What is None is not known: a scheme that asks for it is refused and never answered as if it were not met.
    """

    year: int
    category: str
    minutes: int
    evidence: str | None = None
    kind: str | None = None
    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.minutes < 0:
            raise Invalid("a tally of less than no minutes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A level of a scheme (its id, any version) that was granted before."""

    scheme: str
    level: int
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The facts about one volunteer that levels rest on."""

    tallies: tuple[Tally, ...] = ()
    held: tuple[Held, ...] | None = None
    trainings: int | None = None


def of_totals(
    rows: Iterable[tuple[str, int, str, str, int, int]], day: date, kinds: Mapping[str, str] = _NO_KINDS
) -> Service:
    """Service from rows (organisation, year, category, state, minutes, entries) of a volunteer's totals.

    `kinds` gives organisations their kind. Later years than that of `day` are left out, later days cannot be: for a
    day before the last of its year the totals must be those of that day. Days and evidence grades stay unknown.
    """
    sums: Counter[tuple[int, str, str | None]] = Counter()
    for organisation, year, category, state, minutes, _ in rows:
        if state == "counted" and year <= day.year:
            sums[year, category, kinds.get(organisation)] += minutes
    return Service(
        tallies=tuple(
            Tally(year=year, category=category, kind=kind, minutes=minutes)
            for (year, category, kind), minutes in sums.items()
        )
    )


def of_entries(
    rows: Iterable[tuple[str, date, str, str, str, int]], day: date, kinds: Mapping[str, str] = _NO_KINDS
) -> Service:
    """Service from rows (organisation, local day of the start, category, evidence, state, minutes), one an entry.

    Later days than `day` are left out. All is known that any scheme asks for, but what was granted before.
    """
    groups: defaultdict[tuple[int, str, str, str | None], list[tuple[date, int]]] = defaultdict(list)
    for organisation, served, category, evidence, state, minutes in rows:
        if state == "counted" and served <= day:
            groups[served.year, category, evidence, kinds.get(organisation)].append((served, minutes))
    return Service(
        tallies=tuple(
            Tally(
                year=year,
                category=category,
                evidence=evidence,
                kind=kind,
                minutes=sum(minutes for _, minutes in found),
                first=min(found)[0],
                last=max(found)[0],
            )
            for (year, category, evidence, kind), found in groups.items()
        )
    )


# -- what conditions measure ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """What counts under a scheme as of a day, and what was granted before."""

    tallies: Sequence[Tally]
    service: Service
    day: date


def counted(counts: Counts, service: Service, day: date) -> Facts:
    """The part of the service that counts; raise Invalid when that cannot be told for want of an evidence grade."""
    tallies = [
        tally
        for tally in service.tallies
        if tally.minutes
        and tally.year <= day.year
        and (not counts.categories or tally.category in counts.categories)
        and (not counts.evidence or _known(tally.evidence, "evidence grade") in counts.evidence)
    ]
    return Facts(tallies, service, day)


def measure(condition: AnyCondition, facts: Facts) -> int:
    """What a condition measures, in its unit; raise Invalid when a fact it needs is not known."""
    return MEASURES[type(condition)](condition, facts)


def total(tallies: Iterable[Tally]) -> int:
    """Their minutes."""
    return sum(tally.minutes for tally in tallies)


def _known(value: _Value | None, what: str) -> _Value:
    if value is None:
        raise Invalid(f"the scheme asks for the {what}, which is not known of all service")
    return value


def _minutes(condition: Minutes, facts: Facts) -> int:
    return total(facts.tallies)


def _minutes_in_year(condition: MinutesInYear, facts: Facts) -> int:
    return total(tally for tally in facts.tallies if tally.year == facts.day.year)


def _minutes_in_categories(condition: MinutesInCategories, facts: Facts) -> int:
    return total(tally for tally in facts.tallies if tally.category in condition.categories)


def _minutes_at_kinds(condition: MinutesAtKinds, facts: Facts) -> int:
    return total(tally for tally in facts.tallies if _known(tally.kind, "kind of organisation") in condition.kinds)


def _years(condition: Years, facts: Facts) -> int:
    sums: Counter[int] = Counter()
    for tally in facts.tallies:
        sums[tally.year] += tally.minutes
    years = {year for year, minutes in sums.items() if minutes >= condition.minutes_each}
    if not condition.consecutive:
        return len(years)
    longest = run = 0
    for year in sorted(years):
        run = run + 1 if year - 1 in years else 1
        longest = max(longest, run)
    return longest


def _span_days(condition: SpanDays, facts: Facts) -> int:
    if not facts.tallies:
        return 0
    first = min(_known(tally.first, "first day") for tally in facts.tallies)
    last = max(_known(tally.last, "last day") for tally in facts.tallies)
    return (last - first).days + 1


def _level_held(condition: LevelHeld, facts: Facts) -> int:
    granted = _known(facts.service.held, "levels granted before")
    return max((held.level for held in granted if held.scheme == condition.scheme), default=0)


def _awards_held(condition: AwardsHeld, facts: Facts) -> int:
    sought = (condition.scheme, condition.level)
    granted = _known(facts.service.held, "awards granted before")
    return sum(held.times for held in granted if (held.scheme, held.level) == sought)


def _trainings(condition: Trainings, facts: Facts) -> int:
    return _known(facts.service.trainings, "number of trainings")


MEASURES: Final[Mapping[type[Condition], Callable[[Any, Facts], int]]] = {
    Minutes: _minutes,
    MinutesInYear: _minutes_in_year,
    MinutesInCategories: _minutes_in_categories,
    MinutesAtKinds: _minutes_at_kinds,
    Years: _years,
    SpanDays: _span_days,
    LevelHeld: _level_held,
    AwardsHeld: _awards_held,
    Trainings: _trainings,
}
