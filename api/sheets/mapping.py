"""From rows to signed-ready events. What one event must be is asked of `ledger.events`, never decided here."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from api.sheets.columns import COLUMNS
from api.sheets.problems import Fault, RowProblem, SheetError, shown
from api.sheets.reading import Row, Sheet
from api.sheets.values import DAY_SECONDS, Moment
from ledger import canonical, events
from ledger.errors import Invalid
from ledger.events import HoursRecorded
from ledger.ids import EventId, check_issuer, check_region, format_time, instant, new_id

BEIJING: Final = "+08:00"
"""The offset of times that are written without one (Asia/Shanghai)."""
SOUND: Final[Mapping[str, Any]] = {
    "volunteer": "volunteer:00000000-0000-4000-8000-000000000000",
    "activity": "00000000-0000-4000-8000-000000000000",
    "activity_name": "-",
    "category": "rural",
    "content": "-",
    "start": "2000-01-01T00:00:00Z",
    "end": "2000-01-08T00:00:00Z",
    "minutes": 1,
    "place": "-",
    "region": "110000",
    "responsible": "-",
    "recorder": "-",
    "evidence": "manual",
}
"""Stands in for a value that was found bad, so that the others of its row are examined too."""
_COLUMN_OF: Final = {f"/{key}": key for key in SOUND} | {
    "/subject": "volunteer",
    "/place": "region",
    "/place/name": "place",
    "/place/region": "region",
}
"""JSON pointer into a body → key of the column it comes from."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as an event: its number in the file, its reference in the organisation's system, body and event."""

    row: int
    ref: str | None
    body: bytes
    event: HoursRecorded
