"""Star levels and awards: which level of a scheme a volunteer's counted service reaches, and why, line by line.

Pure: the same service, scheme and day give the same answer, in whatever order the facts come. More service never
lowers a level. Time is whole minutes; a level is reached at its exact number of minutes and not one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial

from ledger.schemes import facts, wording
from ledger.schemes.conditions import Condition
from ledger.schemes.facts import Service
from ledger.schemes.scheme import Level, Scheme
from ledger.texts.text import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One condition of one level."""

    level: Level
    condition: Condition
    present: int

    @property
    def needed(self) -> int:
        """In the unit of the condition, as are `present` and `missing`."""
        return self.condition.at_least

    @property
    def missing(self) -> int:
        """What lacks; 0 when it is met."""
        return max(self.needed - self.present, 0)

    @property
    def met(self) -> bool:
        """Whether there is as much as is needed."""
        return not self.missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """The outcome: `level` is 0 when none is reached, `total` is all minutes that count under the scheme."""

    scheme: Scheme
    day: date
    total: int
    lines: tuple[Line, ...]

    @property
    def level(self) -> int:
        """The highest level whose conditions are all met: of a valid scheme those below are met as well."""
        unmet = {line.level.level for line in self.lines if not line.met}
        return max((level.level for level in self.scheme.levels if level.level not in unmet), default=0)

    @property
    def reached(self) -> Level | None:
        """The level of the scheme, None when none is reached."""
        return self.scheme.levels[self.level - 1] if self.level else None

    @property
    def next_level(self) -> Level | None:
        """The level after it, None at the top."""
        return self.scheme.levels[self.level] if self.level < len(self.scheme.levels) else None

    @property
    def lacking(self) -> tuple[Line, ...]:
        """What is missing to the next level."""
        return tuple(line for line in self.lines if line.level == self.next_level and not line.met)

    @property
    def minutes(self) -> int:
        """The minutes that the level rests on: of its first condition, or all when that is not about minutes."""
        first = next(line for line in self.lines if line.level == (self.reached or self.next_level))
        return first.present if first.condition.unit == "minutes" else self.total


def star_level(scheme: Scheme, service: Service, day: date) -> Recognised:
    """Which level of a scheme the service reaches as of a day; raise Invalid when a fact it needs is not known."""
    found = facts.counted(scheme.counts, service, day)
    lines = tuple(
        Line(level=level, condition=condition, present=facts.measure(condition, found))
        for level in scheme.levels
        for condition in level.conditions
    )
    return Recognised(scheme=scheme, day=day, total=facts.total(found.tallies), lines=lines)


def explain(found: Recognised, language: Language) -> tuple[str, ...]:
    """The outcome in words: the rule, what counts, a line a condition of every level, the result, what lacks."""
    sentence = partial(wording.sentence, language=language)
    result = sentence("reached").format(title=found.reached.title.to(language)) if found.reached else sentence("none")
    lacking = sentence("top")
    if found.next_level:
        gaps = sentence("between").join(_gap(line, found.day.year, language) for line in found.lacking)
        lacking = sentence("next").format(title=found.next_level.title.to(language), gaps=gaps)
    return (
        wording.heading(found.scheme, found.day.isoformat(), language),
        wording.counting(found.scheme.counts, found.total, language),
        *(_sentence(line, found.day.year, language) for line in found.lines),
        result,
        lacking,
    )


def _sentence(line: Line, year: int, language: Language) -> str:
    amounts = {"needed": line.needed, "present": line.present, "missing": line.missing}
    return wording.sentence("met" if line.met else "unmet", language).format(
        title=line.level.title.to(language),
        condition=wording.condition(line.condition, year, language),
        **{name: wording.amount(value, line.condition.unit, language) for name, value in amounts.items()},
    )


def _gap(line: Line, year: int, language: Language) -> str:
    return wording.sentence("gap", language).format(
        condition=wording.condition(line.condition, year, language),
        missing=wording.amount(line.missing, line.condition.unit, language),
    )
