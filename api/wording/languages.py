"""The words of the public pages in three languages, and how minutes, days and moments are written in each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Final

from api.wording import verdicts
from ledger.codes import writes_traditional
from ledger.credentials.certificate.texts import MONTHS
from ledger.credentials.checking.verdict import Verdict
from ledger.texts.catalogue import catalogue, find
from ledger.texts.text import Language, Text

TAGS: Final[Mapping[str, Language]] = {"zh-Hans": "zh", "zh-Hant": "zh_hant", "en": "en"}
"""The languages by the tags with which HTML and HTTP name them (BCP 47)."""
LANGUAGES: Final = tuple(TAGS)
NAMES: Final = {"zh-Hans": "简体", "zh-Hant": "繁體", "en": "English"}
"""Each language as those who read it call it."""
_TRADITIONAL_TAGS: Final = ("zh-hant", "zh-hk", "zh-mo", "zh-tw")
_ACCEPT_MAX: Final = 500
_ZONE: Final = timezone(timedelta(hours=8))
"""Of every region that issues proofs."""


def choose_language(asked: str | None, accepted: str, region: str | None) -> str:
    """The language asked for by `?lang=`; else what the browser accepts (RFC 9110, 12.5.4); else that of the region."""
    if asked in LANGUAGES:
        return asked
    found = _accepted(accepted)
    return "zh-Hant" if found != "en" and writes_traditional(region or "") else found or "zh-Hans"


def _accepted(header: str) -> str | None:
    weighed: list[tuple[float, str]] = []
    for part in header[:_ACCEPT_MAX].lower().split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((float(weight or 1), tag.strip()))
        except ValueError:
            continue
    for _, tag in sorted(weighed, key=lambda one: -one[0]):
        if tag.startswith("zh"):
            return "zh-Hant" if tag.startswith(_TRADITIONAL_TAGS) else "zh-Hans"
        if tag == "en" or tag.startswith("en-"):
            return "en"
    return None


class Wording:
    """The texts of one language, filled in."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._language = TAGS[language]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key; raise KeyError for a key that is not in the catalogue."""
        return self.pick(find(key)).format(**values)

    def pick(self, text: Text) -> str:
        """This language of a text."""
        return text.to(self._language)

    def explanation(self, verdict: Verdict) -> str:
        """The outcome in a sentence, its date as people read dates."""
        as_of = None if verdict.as_of is None else self.moment(verdict.as_of)
        return self.pick(verdicts.explanation(replace(verdict, as_of=as_of)))

    def named(self, kind: str, code: str) -> str:
        """The name of a code of a list (`category`, `evidence`); the code itself when the list lacks it."""
        found = catalogue().get(f"{kind}.{code}")
        return self.pick(found) if found else code

    @staticmethod
    def written_in(region: str) -> str:
        """The language in which a region writes what it records."""
        return "zh-Hant" if writes_traditional(region) else "zh-Hans"

    def duration(self, minutes: int) -> str:
        """Minutes as hours and minutes; never rounded."""
        hours, rest = divmod(minutes, 60)
        parts = [self("minutes.hours", hours=f"{hours:,}")] if hours or not rest else []
        return " ".join([*parts, *([self("minutes.minutes", minutes=rest)] if rest else [])])

    def day(self, text: str) -> str:
        """A day written YYYY-MM-DD; any other text stays as it is."""
        found = _day(text)
        return self("date.day", **_parts(found)) if found else text

    def period(self, first: str, last: str) -> str:
        """From one day to another, what they share said once; or the one day."""
        start, end = _day(first), _day(last)
        if first == last or start is None or end is None or start.year != end.year:
            return self.day(first) if first == last else self("date.period", first=self.day(first), last=self.day(last))
        key = "date.month" if start.month == end.month else "date.year"
        return self(key, **_parts(start), **{f"last_{name}": value for name, value in _parts(end).items()})

    def moment(self, text: str) -> str:
        """An RFC 3339 time, in the time of the regions; any other text stays as it is."""
        try:
            found = datetime.fromisoformat(text).astimezone(_ZONE)
        except (ValueError, OverflowError):
            return text
        return self("date.moment", day=self.day(found.date().isoformat()), time=f"{found:%H:%M}")

    def claim(self, key: str, value: object) -> list[str]:
        """What an SD-JWT or a code says under a name, line by line."""
        if isinstance(value, list):
            return [line for item in value for line in self.claim(key, item)]
        if isinstance(value, dict):
            return [" · ".join(self._member(name, item) for name, item in value.items())]
        return [self._member(key, value)]

    def _member(self, name: str, value: object) -> str:
        """One value, by the name it has in statements (ledger.credentials.model)."""
        if isinstance(value, bool):
            return self("claim.true" if value else "claim.false")
        if name == "hours" and isinstance(value, list):
            return "≥ " + self("claim.hours", hours=max(value, default=0))
        if name == "minutes" and isinstance(value, int):
            return self.duration(value)
        if name in {"first", "last", "day"} and isinstance(value, str):
            return self.day(value)
        if name in {"category", "evidence", "claim.kind"} and isinstance(value, str):
            return self.named(name, value)
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _parts(day: date) -> dict[str, object]:
    return {"year": day.year, "month": day.month, "day": day.day, "name": MONTHS[day.month - 1]}
