"""Conditions and amounts in words, in simplified and traditional Chinese and in English."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ledger.codes import CATEGORIES, EVIDENCE, ORGANISATION_KINDS, Labels
from ledger.schemes.conditions import AwardsHeld, Condition, LevelHeld, MinutesAtKinds, MinutesInCategories, Unit, Years
from ledger.schemes.scheme import Counts, Scheme
from ledger.texts.catalogue import pick
from ledger.texts.text import Language

SENTENCES: Final = pick(
    "scheme.sentence",
    (
        "scheme",
        "counts",
        "evidence",
        "categories",
        "met",
        "unmet",
        "reached",
        "none",
        "next",
        "gap",
        "between",
        "top",
    ),
)
CONDITIONS: Final = pick(
    "scheme.condition",
    (
        "minutes",
        "minutes-in-year",
        "minutes-in-categories",
        "minutes-at-kinds",
        "years",
        "years-consecutive",
        "span-days",
        "level-held",
        "awards-held",
        "trainings",
    ),
)
AMOUNTS: Final = pick("scheme.amount", ("hours", "minutes", "days", "years", "level", "times"))


def sentence(name: str, language: Language) -> str:
    """A sentence of explanations, its places open."""
    return SENTENCES[name].to(language)


def amount(value: int, unit: Unit, language: Language) -> str:
    """A number with its unit; minutes as whole hours and the minutes left over."""
    if unit != "minutes":
        word = AMOUNTS[unit].to(language)
        return (word.removesuffix("s") if language == "en" and value == 1 else word).format(value)
    hours, minutes = divmod(value, 60)
    parts = [AMOUNTS["hours"].to(language).format(hours)] if hours or not minutes else []
    return " ".join([*parts, AMOUNTS["minutes"].to(language).format(minutes)] if minutes else parts)


def condition(found: Condition, year: int, language: Language) -> str:
    """What a condition measures, in words; `year` is that of the day asked about."""
    values: dict[str, object] = {"year": year}
    kind = found.kind
    match found:
        case MinutesInCategories(categories=codes):
            values["names"] = _names(codes, CATEGORIES, language)
        case MinutesAtKinds(kinds=codes):
            values["names"] = _names(codes, ORGANISATION_KINDS, language)
        case Years(minutes_each=minutes, consecutive=consecutive):
            values["each"] = amount(minutes, "minutes", language)
            kind += "-consecutive" if consecutive else ""
        case LevelHeld(scheme=scheme):
            values["scheme"] = scheme
        case AwardsHeld(scheme=scheme, level=level):
            values |= {"scheme": scheme, "level": level}
    return CONDITIONS[kind].to(language).format(**values)


def heading(scheme: Scheme, day: str, language: Language) -> str:
    """Which rule is applied, and as of when."""
    name = scheme.name.to(language)
    return sentence("scheme", language).format(name=name, source=scheme.source, reference=scheme.reference, day=day)


def counting(counts: Counts, total: int, language: Language) -> str:
    """Which service counts, and what it comes to."""
    restrictions = ""
    if counts.evidence:
        restrictions += sentence("evidence", language).format(names=_names(counts.evidence, EVIDENCE, language))
    if counts.categories:
        restrictions += sentence("categories", language).format(names=_names(counts.categories, CATEGORIES, language))
    return sentence("counts", language).format(restrictions=restrictions, total=amount(total, "minutes", language))


def _names(codes: Iterable[str], labels: Labels, language: Language) -> str:
    return (", " if language == "en" else "、").join(labels[code].to(language) for code in codes)
