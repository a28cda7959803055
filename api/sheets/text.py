"""The cells of CSV and of JSON lines: encoding and delimiter are found out, never guessed in silence."""

from __future__ import annotations

import codecs
import csv
import json
import unicodedata
from collections.abc import Iterator
from io import StringIO
from typing import Any, Final

from api.sheets import columns
from api.sheets.problems import Fault, SheetError, shown

_DELIMITERS: Final = ",\t;"
_FIRST_LINES: Final = 64 * 1024
"""Characters in which the headings are looked for."""

Pairs = list[tuple[str, str | Fault]]


# -- CSV ----------------------------------------------------------------------------------------------


def read_csv(data: bytes) -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """The encoding, and the records with their numbers: a line break within quotes begins no new one.

    Raises Fault when the encoding is not certain; the records raise SheetError where the quoting is broken.
    """
    text, encoding = _decode(data)
    return encoding, _records(text, _delimiter(text))


def _decode(data: bytes) -> tuple[str, str]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Fault("encoding", detail="UTF-16")
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        detail = f"byte {error.start} is not UTF-8"
    # Most bytes make some text in GB18030. It is believed when a Chinese heading comes out, and no character
    # that has no meaning.
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError as error:
        raise Fault("encoding", detail=f"{detail}, byte {error.start} is not GB18030") from None
    headings = _headings(text, _delimiter(text))
    if not any(not heading.isascii() and columns.find(heading) for heading in headings):
        raise Fault("encoding", detail=f"{detail}; GB18030 gives no known Chinese heading")
    if odd := next((char for char in set(text) if unicodedata.category(char) in ("Cn", "Co")), None):
        raise Fault("encoding", detail=f"{detail}; GB18030 gives U+{ord(odd):04X}")
    return text, "gb18030"


def _delimiter(text: str) -> str:
    """The delimiter under which the most headings are known; the comma when none is."""

    def known(mark: str) -> int:
        return sum(columns.find(heading) is not None for heading in _headings(text, mark))

    return max(_DELIMITERS, key=known)


def _headings(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(StringIO(text[:_FIRST_LINES], newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, record in enumerate(reader, 1):
            yield number, record
    except csv.Error as error:
        raise SheetError([Fault("unreadable", detail=str(error)).at(number + 1)]) from None


# -- JSON lines ---------------------------------------------------------------------------------------


class _Object(list[tuple[str, Any]]):
    """The members of a JSON object as they stand: duplicates are still there."""


def is_json_lines(data: bytes) -> bool:
    """Whether the text begins with an object; no heading begins with a brace."""
    return data.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"


def read_json_lines(data: bytes) -> Iterator[tuple[int, Pairs | Fault]]:
    """Line by line the members of each object, or what is wrong with it. Raises Fault unless it is UTF-8."""
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise Fault("encoding", detail=f"byte {error.start} is not UTF-8") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _members(line)


def _members(line: str) -> Pairs | Fault:
    try:
        # A number stays as it is written; NaN and Infinity become what is no text.
        found = json.loads(line, object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=float)
    except (ValueError, RecursionError) as error:
        return Fault("not-an-object", detail=shown(str(error)))
    if not isinstance(found, _Object):
        return Fault("not-an-object", detail=type(found).__name__)
    return [(name, _cell(value)) for name, value in found]


def _cell(value: object) -> str | Fault:
    if isinstance(value, str):
        return value
    return "" if value is None else Fault("not-text")
