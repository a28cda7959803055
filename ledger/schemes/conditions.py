"""What a level of an award scheme may ask for. Each kind measures one whole number, which must be `at_least` so much.

The kinds together carry the schemes known to us (national, 博罗, 龙岗, 四川, 启东, Hong Kong, Macau). What they measure
is in `ledger.schemes.recognition`, how they are put in words in `ledger.schemes.scheme.wording`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, Struct

from ledger.events.fields import Category, Kind

SchemeId = Annotated[str, Meta(max_length=40, pattern=r"\A[a-z0-9]+(?:-[a-z0-9]+)*\Z", description="such as `cn-2012`")]
Number = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Unit = Literal["minutes", "days", "years", "level", "times"]


def check_distinct(values: tuple[Any, ...], what: str) -> None:
    """Raise ValueError, which msgspec turns into its own error with the place, when a value comes twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"the same {what} twice")


class Form(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object of a scheme file."""


class Condition(Form, tag_field="kind", frozen=True, kw_only=True):
    """One thing that a level asks for."""

    at_least: Number

    @property
    def kind(self) -> str:
        """The name of the kind in a scheme file."""
        return str(self.__struct_config__.tag)

    @property
    def unit(self) -> Unit:
        """What `at_least` is counted in."""
        return UNITS[type(self)]

    @property
    def measure(self) -> tuple[Any, ...]:
        """What is measured: two conditions with the same measure differ in `at_least` only."""
        values = (getattr(self, name) for name in self.__struct_fields__ if name != "at_least")
        return (self.kind, *(tuple(sorted(value)) if isinstance(value, tuple) else value for value in values))


class Minutes(Condition, tag="minutes", frozen=True, kw_only=True):
    """All that counts, whenever it was served."""


class MinutesInYear(Condition, tag="minutes-in-year", frozen=True, kw_only=True):
    """What was served in the calendar year of the day asked about (启东; Hong Kong, yearly)."""


class MinutesInCategories(Condition, tag="minutes-in-categories", frozen=True, kw_only=True):
    """What was served in any of these categories."""

    categories: Annotated[tuple[Category, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        check_distinct(self.categories, "category")


class MinutesAtKinds(Condition, tag="minutes-at-kinds", frozen=True, kw_only=True):
    """What was recorded by organisations of any of these kinds (博罗: communities)."""

    kinds: Annotated[tuple[Kind, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        check_distinct(self.kinds, "kind of organisation")


class Years(Condition, tag="years", frozen=True, kw_only=True):
    """Calendar years with `minutes_each` or more, one after another or not (Hong Kong, long service)."""

    minutes_each: Number
    consecutive: bool


class SpanDays(Condition, tag="span-days", frozen=True, kw_only=True):
    """Days from the first day of service to the last, both included (龙岗)."""


class LevelHeld(Condition, tag="level-held", frozen=True, kw_only=True):
    """The highest level of a scheme that was granted before: levels one by one, none skipped (四川)."""

    scheme: SchemeId


class AwardsHeld(Condition, tag="awards-held", frozen=True, kw_only=True):
    """How often one level of a scheme was granted before (Macau: two golds)."""

    scheme: SchemeId
    level: Number


class Trainings(Condition, tag="trainings", frozen=True, kw_only=True):
    """Certificates of training (Macau)."""


AnyCondition = (
    Minutes
    | MinutesInYear
    | MinutesInCategories
    | MinutesAtKinds
    | Years
    | SpanDays
    | LevelHeld
    | AwardsHeld
    | Trainings
)
KINDS: Final[tuple[type[Condition], ...]] = get_args(AnyCondition)
UNITS: Final[dict[type[Condition], Unit]] = {
    Minutes: "minutes",
    MinutesInYear: "minutes",
    MinutesInCategories: "minutes",
    MinutesAtKinds: "minutes",
    Years: "years",
    SpanDays: "days",
    LevelHeld: "level",
    AwardsHeld: "times",
    Trainings: "times",
}


def more(upper: tuple[AnyCondition, ...], lower: tuple[AnyCondition, ...]) -> bool:
    """Whether who meets all of `upper` surely meets all of `lower`, and `upper` asks for more."""
    amounts = {condition.measure: condition.at_least for condition in upper}
    floors = {condition.measure: condition.at_least for condition in lower}
    return amounts != floors and all(amounts.get(measure, 0) >= floor for measure, floor in floors.items())


__all__ = [
    "KINDS",
    "AnyCondition",
    "AwardsHeld",
    "Condition",
    "Form",
    "LevelHeld",
    "Minutes",
    "MinutesAtKinds",
    "MinutesInCategories",
    "MinutesInYear",
    "Number",
    "SchemeId",
    "SpanDays",
    "Trainings",
    "Unit",
    "Years",
    "check_distinct",
    "more",
]
