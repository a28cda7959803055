"""Award schemes: what a region recognises volunteers for, as versioned data in the JSON files beside this module.

Nothing here or in `recognition` knows any one scheme. A file `<id>.<version>.json` is one version for good: a
statement names it, so what changes is a new version. All texts are in simplified and traditional Chinese and English.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import combinations, pairwise
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ledger.crypto import canonical
from ledger.errors import Invalid, NotFound, TooLarge
from ledger.events.fields import Category, Evidence, ShortText
from ledger.limits import SCHEME_BYTES_MAX, SCHEME_LEVELS_MAX
from ledger.schemes.conditions import AnyCondition, AwardsHeld, Form, LevelHeld, Number, SchemeId, check_distinct, more
from ledger.texts.text import Text

Scope = Annotated[
    str, Meta(pattern=r"\A(?:\*|(?:[0-9]{2}){1,3})\Z", description="`*`, or how the codes of the regions begin")
]
"""`44` is all of Guangdong, `4413` all of Huizhou, `441300` the city's own code alone, without its counties."""


class Name(Text, frozen=True, kw_only=True):
    """A text of a scheme file: none of its languages may lack."""

    zh: ShortText
    zh_hant: ShortText
    en: ShortText


class Counts(Form, frozen=True, kw_only=True):
    """Which service counts; an absent list leaves nothing out."""

    states: tuple[Literal["counted"]]
    evidence: Annotated[tuple[Evidence, ...], Meta(min_length=1)] | UnsetType = UNSET
    categories: Annotated[tuple[Category, ...], Meta(min_length=1)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_distinct(self.evidence or (), "evidence grade")
        check_distinct(self.categories or (), "category")


class Level(Form, frozen=True, kw_only=True):
    """A level and all that it asks for."""

    level: Annotated[Number, Meta(description="1 is the lowest")]
    title: Name
    conditions: Annotated[tuple[AnyCondition, ...], Meta(min_length=1, max_length=SCHEME_LEVELS_MAX)]

    def __post_init__(self) -> None:
        check_distinct(tuple(condition.measure for condition in self.conditions), "measure")


class Scheme(Form, frozen=True, kw_only=True):
    """One version of a scheme."""

    id: SchemeId
    version: Number
    role: Annotated[
        Literal["level", "award"],
        Meta(description="`level`: the one scheme for a region's star levels; `award`: in addition to it"),
    ]
    regions: Annotated[tuple[Scope, ...], Meta(min_length=1)]
    name: Name
    source: Annotated[ShortText, Meta(description="the document that says so, with its number")]
    begins: Annotated[date | UnsetType, Meta(description="first day in force; absent when long before")] = UNSET
    ends: Annotated[date | UnsetType, Meta(description="last day in force; absent while it is")] = UNSET
    counts: Counts
    levels: Annotated[tuple[Level, ...], Meta(min_length=1, max_length=SCHEME_LEVELS_MAX)]

    def __post_init__(self) -> None:
        check_distinct(self.regions, "region")
        if self.first > self.last:
            raise ValueError("it ends before it begins")
        if [level.level for level in self.levels] != list(range(1, len(self.levels) + 1)):
            raise ValueError("the levels are not numbered 1, 2, 3 … in order")
        for lower, upper in pairwise(self.levels):
            if not more(upper.conditions, lower.conditions):
                raise ValueError(f"level {upper.level} does not ask for all of level {lower.level} and more")

    @property
    def reference(self) -> str:
        """Id and version, as statements name it."""
        return f"{self.id}/{self.version}"

    @property
    def first(self) -> date:
        """First day in force."""
        return self.begins or date.min

    @property
    def last(self) -> date:
        """Last day in force."""
        return self.ends or date.max

    def closeness(self, region: str) -> int | None:
        """How closely its scope fits a region: digits in common, 0 for all regions, None when it is not meant."""
        found = [len(scope.strip("*")) for scope in self.regions if region.startswith(scope.strip("*"))]
        return max(found, default=None)


_decoder: Final = msgspec.json.Decoder(Scheme)


def parse(data: bytes) -> Scheme:
    """The scheme of a file; raise Invalid, or TooLarge, for anything else. Other schemes are not looked at."""
    if len(data) > SCHEME_BYTES_MAX:
        raise TooLarge(f"a scheme over {SCHEME_BYTES_MAX} bytes")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_distinct)
        return _decoder.decode(canonical.encode(value))
    except (ValueError, RecursionError) as error:  # those of json, UTF-8 and msgspec are all ValueErrors
        raise Invalid(f"not an award scheme: {error}") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("not an award scheme: the same key twice in one object")
    return found


def check(schemes: Sequence[Scheme]) -> None:
    """Raise Invalid unless the schemes go together: distinct, in order, unambiguous, and none names an unknown one."""
    known = {(scheme.id, scheme.version): scheme for scheme in schemes}
    if len(known) != len(schemes):
        raise Invalid("the same scheme and version twice")
    ordered = [known[key] for key in sorted(known)]
    for older, newer in pairwise(ordered):
        if older.id == newer.id and (older.first >= newer.first or older.role != newer.role):
            raise Invalid(f"{newer.reference} does not begin after {older.reference}, or is of another role")
    for one, other in combinations(ordered, 2):
        if _rivals(one, other):
            raise Invalid(f"{one.reference} and {other.reference} are both the scheme of one region on one day")
    for scheme in ordered:
        _check_references(scheme, ordered)


def _rivals(one: Scheme, other: Scheme) -> bool:
    return (
        one.role == other.role == "level"
        and one.id != other.id
        and not set(one.regions).isdisjoint(other.regions)
        and max(one.first, other.first) <= min(one.last, other.last)
    )


def _check_references(scheme: Scheme, schemes: Sequence[Scheme]) -> None:
    heights = {other.id: len(other.levels) for other in schemes}
    for condition in (condition for level in scheme.levels for condition in level.conditions):
        if isinstance(condition, LevelHeld | AwardsHeld):
            level = condition.at_least if isinstance(condition, LevelHeld) else condition.level
            if level > heights.get(condition.scheme, 0):
                raise Invalid(f"{scheme.reference} asks for level {level} of {condition.scheme}, which there is not")


def load(folder: Traversable) -> tuple[Scheme, ...]:
    """Every scheme of the `.json` files of a folder, by id and version; raise Invalid naming the file.

    Not yet held against each other: see `check`.
    """
    found = []
    for file in folder.iterdir():
        if file.name.endswith(".json"):
            try:
                scheme = parse(file.read_bytes())
            except (Invalid, TooLarge) as error:
                raise Invalid(f"{file.name}: {error.detail}") from None
            if file.name != f"{scheme.id}.{scheme.version}.json":
                raise Invalid(f"{file.name}: holds {scheme.reference}")
            found.append(scheme)
    return tuple(sorted(found, key=lambda scheme: (scheme.id, scheme.version)))


@cache
def shipped() -> tuple[Scheme, ...]:
    """The schemes that come with this package."""
    schemes = load(resources.files("ledger.schemes"))
    check(schemes)
    return schemes


def find(reference: str, schemes: Sequence[Scheme] | None = None) -> Scheme:
    """The scheme that a statement names, in force or not; raise NotFound."""
    for scheme in shipped() if schemes is None else schemes:
        if scheme.reference == reference:
            return scheme
    raise NotFound(f"no scheme {reference!r}")


def scheme_for(region: str, day: date, schemes: Sequence[Scheme] | None = None) -> Scheme:
    """The scheme of a region's star levels on a day; raise NotFound when there is none.

    Of those in force it is the one whose scope fits most closely: a city's own goes before its province's, and that
    before the one for all regions. Of one scheme it is the newest version in force.
    """
    found = [scheme for scheme in _in_force(region, day, schemes) if scheme.role == "level"]
    if not found:
        raise NotFound(f"no scheme of star levels for {region} on {day}")
    return max(found, key=lambda scheme: scheme.closeness(region) or 0)


def awards_for(region: str, day: date, schemes: Sequence[Scheme] | None = None) -> tuple[Scheme, ...]:
    """The other schemes of a region on a day, by id, the newest version in force of each."""
    return tuple(scheme for scheme in _in_force(region, day, schemes) if scheme.role == "award")


def _in_force(region: str, day: date, schemes: Sequence[Scheme] | None) -> Iterable[Scheme]:
    ordered = sorted(shipped() if schemes is None else schemes, key=lambda scheme: (scheme.id, scheme.version))
    meant = (one for one in ordered if one.first <= day <= one.last and one.closeness(region) is not None)
    return {scheme.id: scheme for scheme in meant}.values()
