"""When hours are to be recorded: within 10 working days after the activity (Order 67, article 11)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache, lru_cache
from typing import Final

import holidays

from ledger.limits import LATE_WORKING_DAYS

_CHINA: Final = timezone(timedelta(hours=8))


@cache
def _calendar() -> holidays.HolidayBase:
    """Public holidays and the weekends worked in exchange, as the State Council announces them."""
    return holidays.country_holidays("CN")


@lru_cache(maxsize=4096)
def deadline(day: date) -> date:
    """The last day on which service that ended on `day` is recorded in time."""
    return _calendar().get_nth_working_day(day, LATE_WORKING_DAYS)


def is_late(end: int, recorded_at: int) -> bool:
    """Whether an entry that ended at `end` was recorded after its deadline; both unix seconds."""
    return local_day(recorded_at) > deadline(local_day(end))


def local_day(seconds: int) -> date:
    """The day that it is in China at a unix second."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(_CHINA).date()
