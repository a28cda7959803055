"""One row on its way to an event: cells become values, and `ledger.events.body` says what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final, cast

from api.sheets.columns import COLUMNS
from api.sheets.problems import Fault, RowProblem, shown
from api.sheets.reading import Row, Sheet
from api.sheets.values import DAY_SECONDS, Moment
from ledger.crypto import canonical
from ledger.errors import Invalid
from ledger.events.body import decode_event
from ledger.events.fields import type_name
from ledger.events.hours import HoursRecorded
from ledger.ids import instant

BEIJING: Final = "+08:00"
"""The offset of times that are written without one (Asia/Shanghai)."""
_SOUND: Final[Mapping[str, Any]] = {
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
"""Stands in for a bad value, so that the others of its row are examined all the same."""
_COLUMN_OF: Final = {f"/{key}": key for key in _SOUND} | {
    "/subject": "volunteer",
    "/place": "region",
    "/place/name": "place",
    "/place/region": "region",
}
"""JSON pointer into a body → key of the column that it comes from."""
_CODE_POINT: Final = re.compile(r"U\+[0-9A-F]{4,6}")


class Draft:
    """A row while it is examined. `bad` holds the keys of its columns that have a problem."""

    def __init__(self, sheet: Sheet, row: Row) -> None:
        self.row = row.number
        self.problems: list[RowProblem] = []
        self.bad: set[str] = set()
        self._sheet = sheet
        self._texts: dict[str, str] = {}
        parsed = self._parse(dict(zip(sheet.columns, row.cells, strict=True)))
        self.ref: str | None = parsed.pop("ref", None)
        self.values: dict[str, Any] = {"evidence": "manual"} | parsed
        self._set_times(parsed.get("date"), parsed.get("start"), parsed.get("end"))
        self._minutes_from = self._set_minutes(parsed.get("minutes"), parsed.get("hours"))
        sound = {key: value for key, value in _SOUND.items() if key in self.bad}
        self.values = {key: (self.values | sound)[key] for key in _SOUND}

    def tell(self, key: str | None, fault: Fault) -> None:
        """Note a problem with a column, or with the row as a whole."""
        self.problems.append(fault.at(self.row, None if key is None else self._sheet.heading(key)))
        if key:
            self.bad.add(key)

    def make(self, envelope: Mapping[str, str]) -> tuple[HoursRecorded, bytes] | None:
        """The event and its body; None when the row has problems, all of which are then noted."""
        while True:
            try:
                body = self._body(envelope)
                event = cast(HoursRecorded, decode_event(body))
                return None if self.problems else (event, body)
            except Invalid as error:
                key = self._column_of(error.pointer)
                if key is None:
                    raise
                if not self._refused(key, error.detail):
                    return None

    # -- cells to values ----------------------------------------------------------------------------

    def _parse(self, cells: Mapping[str, str | Fault]) -> dict[str, Any]:
        parsed = {}
        for key, column in COLUMNS.items():
            cell = cells.get(key, "")
            try:
                if isinstance(cell, Fault):
                    raise cell
                if cell:
                    _check_text(cell)
                    self._texts[key] = cell
                    parsed[key] = column.parse(cell)
                elif column.required:
                    raise Fault("missing")
            except Fault as fault:
                self.tell(key, fault)
        return parsed

    def _set_times(self, day: date | None, start: Moment | None, end: Moment | None) -> None:
        """Both ends of the time as RFC 3339; both count as bad when one cannot be made out."""
        try:
            if start and end and "date" not in self.bad:
                self._set_both(day, start, end)
                return
        except OverflowError:
            self.tell("end", Fault("bad-date", value=shown(self._texts["end"])))
        self.bad |= {"start", "end"}

    def _set_both(self, day: date | None, start: Moment, end: Moment) -> None:
        first = start.day or day
        if first is None:
            self.tell("start", Fault("no-date"))
        elif day and day != first:
            self.tell("start", Fault("date-mismatch", other=day))
        elif start.second == DAY_SECONDS:
            self.tell("start", Fault("bad-time", value=shown(self._texts["start"])))
        if first is None or "start" in self.bad:
            self.bad.add("end")
            return
        zone = start.zone or BEIJING
        past_midnight = end.day is None and end.second < start.second
        self.values["start"] = _rfc3339(first, start.second, zone)
        end_zone = end.zone or (BEIJING if end.day else zone)
        self.values["end"] = _rfc3339(end.day or first, end.second + past_midnight * DAY_SECONDS, end_zone)

    def _set_minutes(self, minutes: int | None, hours: int | None) -> str:
        """The time given, and the key of the column that it was taken from."""
        if minutes is not None and hours is not None and minutes != hours:
            self.tell("hours", Fault("durations-differ", other=minutes))
        if minutes is not None or hours is not None:
            self.values["minutes"] = hours if minutes is None else minutes
            return "hours" if minutes is None else "minutes"
        if {"minutes", "hours", "start", "end"} & self.bad:
            self.values["minutes"] = _SOUND["minutes"]
            return "minutes"
        try:
            seconds = instant(self.values["end"]) - instant(self.values["start"])
        except Invalid:
            seconds = 0
        # An end that is not after the start is told once, as that.
        self.values["minutes"] = seconds // 60 if seconds > 0 else _SOUND["minutes"]
        return "end"

    # -- values to an event ---------------------------------------------------------------------------

    def _body(self, envelope: Mapping[str, str]) -> bytes:
        fields = dict(self.values)
        place = {"name": fields.pop("place"), "region": fields.pop("region")}
        subject = fields.pop("volunteer")
        return canonical.encode(
            {**envelope, **fields, "place": place, "subject": subject, "type": type_name(HoursRecorded)}
        )

    def _column_of(self, pointer: str) -> str | None:
        if pointer:
            return _COLUMN_OF.get(pointer)
        return max(self._texts, key=lambda key: len(self._texts[key]), default=None)  # the body is too large

    def _refused(self, key: str, detail: str) -> bool:
        """Note what the ledger says of a value and put a sound one in its place; False if it stands there."""
        shown_key = self._minutes_from if key == "minutes" else key
        if key in self.bad or shown_key in self.bad:
            return False
        column = COLUMNS[key]
        plain = "" if detail.startswith(("Expected ", "Invalid ")) else f" ({detail})"
        value = shown(self._texts.get(shown_key, str(self.values[key])))
        self.tell(
            shown_key,
            Fault(
                "invalid-value",
                value=value,
                expects=column.expects,
                detail=plain,
            ),
        )
        self.bad.add(key)
        self.values[key] = _SOUND[key]
        return True


def _check_text(text: str) -> None:
    """Refuse what no body may hold, named by its code point, and what a spreadsheet would compute."""
    if text.startswith("="):
        raise Fault("formula-text")
    if "\ufffd" in text:  # a character that was lost before the file came here
        raise Fault("bad-character", point="U+FFFD")
    try:
        # Which characters those are is the ledger's to say; it would take a backslash for an escape.
        canonical.check_bytes(text.replace("\\", "/").encode())
    except UnicodeEncodeError as error:
        raise Fault("bad-character", point=f"U+{ord(text[error.start]):04X}") from None
    except Invalid as error:
        found = _CODE_POINT.search(error.detail)
        raise Fault("bad-character", point=found[0] if found else error.detail) from None


def _rfc3339(day: date, second: int, zone: str) -> str:
    """`second` may lie in the day after."""
    later, second = divmod(second, DAY_SECONDS)
    day += timedelta(days=later)
    return f"{day.isoformat()}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{zone}"
