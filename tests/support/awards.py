"""Building blocks for tests about award schemes: scheme files and service."""

import json
from datetime import date
from typing import Any

from ledger.schemes import recognition
from ledger.schemes import scheme as schemes
from ledger.schemes.facts import Service, Tally

DAY = date(2026, 11, 22)


def scheme_file(*levels: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A scheme as data, each level given by its conditions."""
    text = {"zh": "级", "zh_hant": "級", "en": "level"}
    return {
        "id": "test",
        "version": 1,
        "role": "level",
        "regions": ["*"],
        "name": {"zh": "评定", "zh_hant": "評定", "en": "Recognition"},
        "source": "试字〔2026〕1号",
        "counts": {"states": ["counted"]},
        "levels": [
            {
                "level": number,
                "title": {language: f"{number} {word}" for language, word in text.items()},
                "conditions": found,
            }
            for number, found in enumerate(levels or ([minutes(6000)],), 1)
        ],
        **changes,
    }


def minutes(at_least: int) -> dict[str, Any]:
    return {"kind": "minutes", "at_least": at_least}


def scheme(*levels: list[dict[str, Any]], **changes: Any) -> schemes.Scheme:
    return schemes.parse(json.dumps(scheme_file(*levels, **changes)).encode())


def tally(minutes: int, year: int = DAY.year, **changes: Any) -> Tally:
    fields: dict[str, Any] = {
        "category": "rural",
        "evidence": "check-in",
        "kind": "station",
        "first": date(year, 1, 1),
        "last": date(year, 1, 1),
    }
    return Tally(year=year, minutes=minutes, **{**fields, **changes})


def level(found: schemes.Scheme, *tallies: Tally, day: date = DAY, **facts: Any) -> int:
    return recognition.star_level(found, Service(tallies=tallies, **facts), day).level
