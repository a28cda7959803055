"""From a file to rows under known columns. Cells are text as yet; a fault stands in the place of a cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

from api.sheets import columns, text
from api.sheets.columns import COLUMNS
from api.sheets.problems import Fault, RowProblem, SheetError, shown
from ledger.errors import Unavailable
from ledger.limits import SHEET_BYTES_MAX, SHEET_ROWS_MAX

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0"

Format = Literal["csv", "xlsx", "jsonl"]
Cell = str | Fault


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is not blank: its number in the spreadsheet, its cells in the order of the columns."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A file as read."""

    digest: str
    """SHA-256 of the file's bytes, hexadecimal."""
    format: Format
    encoding: str
    """`utf-8`, or `gb18030` when the bytes are not UTF-8 and the headings show it."""
    columns: Mapping[str, str]
    """Key of each column that is read → its heading as the file writes it."""
    rows: tuple[Row, ...]
    problems: tuple[RowProblem, ...]
    """Found with rows while reading; `to_entries` tells them together with its own."""

    def heading(self, key: str) -> str:
        """A column as the file heads it, or as the documentation does where the file lacks it."""
        return self.columns.get(key) or columns.label(COLUMNS[key])


def read(path: Path) -> Sheet:
    """Read a file; raise SheetError when it cannot be taken apart, Unavailable when it cannot be opened."""
    try:
        with open(path, "rb") as file:
            data = file.read(SHEET_BYTES_MAX + 1)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None
    return parse(data)


def parse(data: bytes) -> Sheet:
    """Take the bytes of a file apart; what it is shows in them, not in its name. Raises SheetError."""
    digest = sha256(data).hexdigest()
    try:
        if len(data) > SHEET_BYTES_MAX:
            raise Fault("too-large", limit=f"> {SHEET_BYTES_MAX >> 20} MiB")
        if data.startswith(_OLE):
            raise Fault("unreadable", detail="an old .xls workbook, or one with a password: save it as .xlsx")
        if data.startswith(_ZIP):
            from api.sheets import xlsx  # openpyxl takes a moment to import, and only this format needs it

            return _table(digest, "xlsx", "utf-8", xlsx.read_rows(data, SHEET_ROWS_MAX))
        if text.is_json_lines(data):
            return _objects(digest, text.read_json_lines(data))
        encoding, records = text.read_csv(data)
        return _table(digest, "csv", encoding, records)
    except Fault as fault:
        raise SheetError([fault.at()]) from None


# -- tables: the headings stand in row 1 ----------------------------------------------------------------


def _table(digest: str, kind: Format, encoding: str, records: Iterable[tuple[int, Sequence[Cell]]]) -> Sheet:
    remaining = iter(records)
    number, headings = next(remaining, (0, ()))
    if not number:
        raise Fault("empty")
    keys, named = _known_columns(headings if number == 1 else ())
    indexes = {key: index for index, key in enumerate(keys) if key in named}
    rows: list[Row] = []
    problems: list[RowProblem] = []
    for number, record in remaining:
        cells = [cell.strip() if isinstance(cell, str) else cell for cell in record]
        if any(cells):
            problems += _extra_cells(number, cells, keys)
            cells += [""] * (len(keys) - len(cells))
            rows.append(Row(number, tuple(cells[index] for index in indexes.values())))
        if len(rows) > SHEET_ROWS_MAX:
            raise Fault("too-large", limit=f"> {SHEET_ROWS_MAX} rows")
    if not rows:
        raise Fault("empty")
    written = {key: named[key] for key in indexes}
    return Sheet(
        digest=digest,
        format=kind,
        encoding=encoding,
        columns=written,
        rows=tuple(rows),
        problems=tuple(problems),
    )


def _known_columns(headings: Sequence[Cell]) -> tuple[list[str | None], dict[str, str]]:
    """For each place the key of its column ("" when nobody is to read it, None without a heading), and the
    headings as written by key. Raises SheetError with everything that is wrong with them.
    """
    keys: list[str | None] = []
    named: dict[str, str] = {}
    problems = []
    for cell in headings:
        heading = cell.strip() if isinstance(cell, str) else cell.code
        column = columns.find(heading)
        if not heading:
            keys.append(None)
        elif column is None or column.ignored:
            keys.append("")
            if column is None and not columns.is_comment(heading):
                problems.append(Fault("unknown-heading").at(1, heading))
        elif column.key in named:
            keys.append("")
            problems.append(Fault("duplicate-heading", other=shown(named[column.key])).at(1, heading))
        else:
            keys.append(column.key)
            named[column.key] = heading
    missing = [column for column in COLUMNS.values() if column.required and column.key not in named]
    problems += [Fault("missing-heading").at(1, columns.label(column)) for column in missing]
    if problems:
        raise SheetError(problems)
    return keys, named


def _extra_cells(number: int, cells: Sequence[Cell], keys: Sequence[str | None]) -> Iterable[RowProblem]:
    for index, cell in enumerate(cells):
        if cell and (index >= len(keys) or keys[index] is None):
            value = shown(cell) if isinstance(cell, str) else cell.code
            yield Fault("extra-cell", number=index + 1, value=value).at(number)


# -- JSON lines: every line has headings of its own -----------------------------------------------------


def _objects(digest: str, lines: Iterable[tuple[int, text.Pairs | Fault]]) -> Sheet:
    written: dict[str, str] = {}
    found: list[tuple[int, dict[str, Cell]]] = []
    problems: list[RowProblem] = []
    for number, members in lines:
        if isinstance(members, Fault):
            problems.append(members.at(number))
            continue
        cells: dict[str, Cell] = {}
        for heading, cell in members:
            column = columns.find(heading)
            if column is None:
                if not columns.is_comment(heading):
                    problems.append(Fault("unknown-heading").at(number, heading))
            elif column.key in cells:
                other = written[column.key]
                problems.append(Fault("duplicate-heading", other=shown(other)).at(number, heading))
            elif not column.ignored:
                cells[column.key] = cell.strip() if isinstance(cell, str) else cell
                written.setdefault(column.key, heading)
        if any(cells.values()):
            found.append((number, cells))
        if len(found) > SHEET_ROWS_MAX:
            raise Fault("too-large", limit=f"> {SHEET_ROWS_MAX} rows")
    if not found and not problems:
        raise Fault("empty")
    rows = tuple(Row(number, tuple(cells.get(key, "") for key in written)) for number, cells in found)
    return Sheet(digest=digest, format="jsonl", encoding="utf-8", columns=written, rows=rows, problems=tuple(problems))
