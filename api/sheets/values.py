"""From the text of a cell to a value: dates, times, durations and codes as people type them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from api.sheets.problems import Fault, shown
from ledger.codes import Labels
from ledger.limits import SHORT_TEXT_MAX

DAY_SECONDS: Final = 24 * 3600
_TIME_TEXT_MAX: Final = 40
"""Characters of a date or time that are looked at."""
_NARROW: Final = {0xFEE0 + code: code for code in range(0x21, 0x7F)} | {0x3000: 0x20}
"""Full-width forms of ASCII. Not NFKC, which would also make 12 of 1²."""
_DATES: Final = tuple(
    re.compile(form)
    for form in (
        "([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})",
        "([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})",
        r"([0-9]{4})\.([0-9]{1,2})\.([0-9]{1,2})",
        "([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日",
        "([0-9]{4})([0-9]{2})([0-9]{2})",
    )
)
_MIDNIGHT: Final = re.compile(r"[T ]0?0:00(:00)?\Z")
"""What spreadsheets write after a day."""
_MOMENTS: Final = tuple(
    re.compile(rf"(?:(.+?)(?:T| +|(?<=日)))?{clock}(Z|[+-][0-9]{{2}}:[0-9]{{2}})?")
    for clock in (
        r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.0+)?)?",
        "([0-9]{1,2})[时点](?:([0-9]{1,2})分(?:([0-9]{1,2})秒)?)?",
    )
)
_MINUTES: Final = re.compile(r"([0-9]{1,6})(?:\.0+)?")
_HOURS: Final = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,2}0*)?")


def narrow(text: str) -> str:
    """Full-width Latin letters, digits and marks as ASCII; everything else as it was."""
    return text.translate(_NARROW)


def fold(text: str) -> str:
    """How headings and names of codes are compared: case, width, white space, _ and - make no difference."""
    return re.sub(r"[\s_-]+", "", narrow(text)).casefold()


@dataclass(frozen=True, slots=True)
class Moment:
    """What a cell of time says: perhaps a day, seconds since its midnight, perhaps an offset from UTC."""

    day: date | None
    second: int
    zone: str | None


def parse_day(text: str) -> date:
    """A day, with or without its midnight."""
    return _day(_MIDNIGHT.sub("", text[: _TIME_TEXT_MAX + 1]))


def _day(text: str) -> date:
    for form in _DATES:
        if found := form.fullmatch(narrow(text)):
            try:
                return date(int(found[1]), int(found[2]), int(found[3]))
            except ValueError:
                break
    raise Fault("bad-date", value=shown(text))


def parse_moment(text: str) -> Moment:
    """A time of day up to 24:00; a day, with or without an offset from UTC, may stand with it."""
    for form in _MOMENTS:
        if found := form.fullmatch(narrow(text[: _TIME_TEXT_MAX + 1])):
            day, hour, minute, second, _ = found.groups("0")
            total = int(hour) * 3600 + int(minute) * 60 + int(second)
            if total > DAY_SECONDS or int(minute) > 59 or int(second) > 59 or (found[5] and not found[1]):
                break
            return Moment(_day(day) if found[1] else None, total, found[5])
    raise Fault("bad-time", value=shown(text))


def parse_minutes(text: str) -> int:
    """Whole minutes."""
    if found := _MINUTES.fullmatch(narrow(text)):
        return int(found[1])
    raise Fault("bad-number", value=shown(text))


def parse_hours(text: str) -> int:
    """Minutes, of hours with at most two decimals that come to whole minutes exactly."""
    plain = narrow(text)
    if _HOURS.fullmatch(plain) and (minutes := Decimal(plain) * 60) % 1 == 0:
        return int(minutes)
    raise Fault("bad-hours", value=shown(text))


def parse_volunteer(text: str) -> str:
    """`volunteer:` may be left out, and a UUID be in capitals."""
    return "volunteer:" + narrow(text).lower().removeprefix("volunteer:")


def parse_activity(text: str) -> str:
    """A UUID, which may be in capitals and have `activity:` before it."""
    return narrow(text).lower().removeprefix("activity:")


def parse_ref(text: str) -> str:
    """Any text that is not long."""
    if len(text) > SHORT_TEXT_MAX:
        raise Fault("too-long", limit=SHORT_TEXT_MAX)
    return text


def code_of(labels: Labels) -> Callable[[str], str]:
    """A parser of one list of codes: takes the code itself and its names in Chinese and English."""
    codes = {fold(name): code for code, text in labels.items() for name in (code, text.zh, text.en)}

    def parse(text: str) -> str:
        if code := codes.get(fold(text)):
            return code
        raise Fault("bad-code", value=shown(text))

    return parse
