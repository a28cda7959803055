"""The cells of an Excel workbook as text. The file is not trusted: sizes first, no DTD, nothing computed."""

from __future__ import annotations

import warnings
import zipfile
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import IO, Any, Final
from xml.parsers import expat

from openpyxl import load_workbook
from openpyxl.cell.read_only import ReadOnlyCell
from openpyxl.utils.datetime import from_excel
from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

from api.sheets import columns
from api.sheets.problems import Fault, shown
from ledger.limits import WORKBOOK_BYTES_MAX, WORKBOOK_PART_BYTES_MAX, WORKBOOK_PARTS_MAX

COLUMN_MAX: Final = 16_384
"""Columns of a worksheet, the limit of Excel."""
_EXACT_MAX: Final = 10**15
"""From here on a spreadsheet does not keep every digit of a number."""
_SERIALS: Final = (36_526, 73_051)
"""A number in a column of days is a day between these, counted from 1900: the years 2000 to 2099."""

Cells = list[str | Fault]


def read_rows(data: bytes, rows_max: int) -> list[tuple[int, Cells]]:
    """The rows of the first visible worksheet that are not blank, and row 1, with their numbers.

    Formulas give the value that was saved with them. Raises Fault for what cannot be read.
    """
    try:
        _check_archive(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about charts, styles and the like
            return _read_book(data, rows_max)
    except Fault:
        raise
    except Exception as error:  # there is no end to what zipfile, zlib and openpyxl raise for spoiled files
        raise Fault("unreadable", detail=shown(f"{type(error).__name__}: {error}")) from None


# -- before anything is unpacked --------------------------------------------------------------------


def _check_archive(data: bytes) -> None:
    """Hold the zip directory against the limits; zipfile never unpacks more than that promises."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        parts = archive.infolist()
        if len(parts) > WORKBOOK_PARTS_MAX:
            raise Fault("too-large", limit=f"> {WORKBOOK_PARTS_MAX} parts")
        if sum(part.file_size for part in parts) > WORKBOOK_BYTES_MAX:
            raise Fault("too-large", limit=f"> {WORKBOOK_BYTES_MAX >> 20} MiB unpacked")
        for part in parts:
            if part.file_size > WORKBOOK_PART_BYTES_MAX and not part.filename.startswith("xl/worksheets/"):
                raise Fault("too-large", limit=f"> {WORKBOOK_PART_BYTES_MAX >> 20} MiB, {shown(part.filename)}")
        for part in parts:
            with archive.open(part) as source:
                _refuse_dtd(source)


class _RootReached(Exception):
    """Not an error: all that comes before the root element was seen."""


def _refuse_dtd(source: IO[bytes]) -> None:
    """Read as far as the root element: a document type declaration stands before it or nowhere."""

    def doctype(*_: object) -> None:
        raise Fault("unsafe-xml")

    def root(*_: object) -> None:
        raise _RootReached

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = root
    try:
        while piece := source.read(65_536):
            parser.Parse(piece)
    except (_RootReached, expat.ExpatError):  # what is not XML here is not XML to openpyxl either
        pass


# -- cells --------------------------------------------------------------------------------------------


class _Parser(WorkSheetParser):
    """Tells a formula without a value from a blank cell.

    Used below openpyxl's worksheet object, which fills gaps between rows without end and drops rows that are
    out of order.
    """

    def parse_cell(self, element: Any) -> dict[str, Any]:
        cell: dict[str, Any] = super().parse_cell(element)
        if cell["value"] is None and element.find(FORMULA_TAG) is not None:
            cell["data_type"] = "f"
        return cell


def _read_book(data: bytes, rows_max: int) -> list[tuple[int, Cells]]:
    book: Any = load_workbook(BytesIO(data), read_only=True, data_only=True, keep_links=False)
    try:
        sheet = next((one for one in book.worksheets if one.sheet_state == "visible"), None)
        if sheet is None:
            raise Fault("empty")
        formats = book._date_formats, book._timedelta_formats
        with sheet._get_source() as source:
            parser = _Parser(source, sheet._shared_strings, True, book.epoch, *formats)
            return _read_sheet(parser, sheet, rows_max)
    finally:
        book.close()


def _read_sheet(parser: _Parser, sheet: Any, rows_max: int) -> list[tuple[int, Cells]]:
    rows: list[tuple[int, Cells]] = []
    times: set[int] = set()
    last = 0
    for number, found in parser.parse():
        cells: Cells = []
        for cell in found:
            column = cell["column"] - 1
            if number <= last or not len(cells) <= column < COLUMN_MAX:
                raise Fault("unreadable", detail=f"row {number}, column {column + 1}: out of order")
            cells.extend([""] * (column - len(cells)))
            cells.append(_text(cell, sheet, parser, column in times))
        last = number
        if number == 1:
            times = _time_columns(cells)
        if number == 1 or any(cells):
            rows.append((number, cells))
        if len(rows) > rows_max + 1:
            raise Fault("too-large", limit=f"> {rows_max} rows")
    return rows


def _time_columns(headings: Cells) -> set[int]:
    named = [columns.find(text) if isinstance(text, str) else None for text in headings]
    return {index for index, column in enumerate(named) if column and column.key in columns.TIMES}


def _text(cell: dict[str, Any], sheet: Any, parser: _Parser, is_time: bool) -> str | Fault:
    value, kind = cell["value"], cell["data_type"]
    if kind == "f":
        return Fault("formula-without-value")
    if kind == "e":
        return Fault("error-value", value=shown(str(value)))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if is_time and (0 <= value < 1 or _SERIALS[0] <= value < _SERIALS[1]):
            # General format, or one of the Chinese formats that openpyxl does not know for dates.
            whole_day = value == int(value) and value != 0
            return _time_text(from_excel(value, parser.epoch), whole_day)
        return _number_text(value)
    if isinstance(value, date | time | timedelta):
        number_format = ReadOnlyCell(sheet, **cell).number_format if isinstance(value, datetime) else ""
        return _time_text(value, "h" not in number_format.lower())
    if isinstance(value, bool):
        return Fault("not-text")
    return "" if value is None else str(value)


def _number_text(value: int | float) -> str | Fault:
    """A number as the spreadsheet shows it, which keeps 15 digits: 3.3 for a sum of 1.1 and 2.2."""
    if not abs(value) < _EXACT_MAX:
        return Fault("digits-lost")
    return str(value) if isinstance(value, int) else f"{value:.15g}"


def _time_text(value: object, only_days: bool) -> str:
    """`only_days`: the cell shows no time of day, so that its midnight means nothing."""
    if isinstance(value, timedelta):
        minutes, seconds = divmod(value.total_seconds(), 60)
        return f"{int(minutes) // 60:02}:{int(minutes) % 60:02}:{seconds:02g}"
    if isinstance(value, datetime):
        return str(value.date()) if only_days and value.time() == time() else str(value)
    return str(value)
