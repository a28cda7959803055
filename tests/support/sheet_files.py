"""Files of hours for tests to start from and to spoil: the same rows as CSV, XLSX and JSON lines."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from openpyxl import Workbook

from api import sheets
from api.sheets.columns import COLUMNS
from ledger.ids import EventId, parse_time
from tests.support.builders import ACTIVITY, REGION, SALT, STATION

NOW = parse_time("2026-11-20T00:00:00+08:00")
VOLUNTEER = "0199a1c2-0000-7000-8000-00000000bbbb"

Row = Mapping[str, Any]


def row(**changes: Any) -> dict[str, Any]:
    """A good row by column key; changed where asked."""
    return {
        "volunteer": VOLUNTEER,
        "activity": ACTIVITY,
        "activity_name": "江南街道助老服务",
        "category": "空巢老人",
        "content": "陪诊、代购",
        "date": "2026-11-01",
        "start": "09:00",
        "end": "11:30",
        "place": "江南街道社区服务中心",
        "region": "441302",
        "responsible": "陈站长",
        "recorder": "林老师",
        **changes,
    }


def keys_of(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(key for one in rows for key in one))


def heading(key: str) -> str:
    return COLUMNS[key].zh if key in COLUMNS else key


def csv_file(*rows: Row, delimiter: str = ",", encoding: str = "utf-8", newline: str = "\r\n") -> bytes:
    keys = keys_of(rows)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerow([heading(key) for key in keys])
    writer.writerows([one.get(key, "") for key in keys] for one in rows)
    return text.getvalue().encode(encoding)


def workbook(*rows: Row) -> Any:
    keys = keys_of(rows)
    book: Any = Workbook()
    for values in ([heading(key) for key in keys], *([one.get(key) for key in keys] for one in rows)):
        book.active.append(values)
    return book


def saved(book: Any) -> bytes:
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def xlsx_file(*rows: Row) -> bytes:
    return saved(workbook(*rows))


def jsonl_file(*rows: Row) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False, default=str) + "\n" for one in rows).encode()


FORMATS: Sequence[Callable[..., bytes]] = (csv_file, xlsx_file, jsonl_file)


def rezip(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """A zip file with the bytes of its members changed."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return changed.getvalue()


def in_sheet(data: bytes, old: str, new: str) -> bytes:
    """A workbook in whose first worksheet some XML is replaced; it must be there."""

    def change(name: str, part: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return part
        part = part.replace(b"<v />", b"<v></v>")  # openpyxl writes either, by the XML library it finds
        assert old.encode() in part
        return part.replace(old.encode(), new.encode())

    return rezip(data, change)


def entries(data: bytes, now: int = NOW) -> list[sheets.Entry]:
    """The events of a file, with ids that count and one salt."""
    numbers = iter(range(1, 10**6))
    return sheets.to_entries(
        sheets.parse(data),
        issuer=STATION,
        ledger=REGION,
        now=now,
        ids=lambda: EventId(f"0199b7d4-0000-7000-8000-{next(numbers):012x}"),
        salts=lambda: SALT,
    )


def problems(data: bytes, now: int = NOW) -> list[sheets.RowProblem]:
    """What is wrong with a file; none when it is good."""
    try:
        entries(data, now)
    except sheets.SheetError as error:
        return list(error.problems)
    return []


def told(data: bytes, now: int = NOW) -> list[tuple[int | None, str | None, str]]:
    """Row, column and code of every problem, in the order told."""
    return [(problem.row, problem.column, problem.code) for problem in problems(data, now)]


def codes(data: bytes) -> list[str]:
    return [problem.code for problem in problems(data)]


def gives_entries_or_problems(data: bytes) -> None:
    """Whatever the bytes are, they come to events or to our error with something to tell."""
    found = problems(data)
    assert all(problem.zh and problem.en for problem in found)
    assert found or entries(data)
