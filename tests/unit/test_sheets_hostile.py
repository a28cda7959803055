"""Files that are broken, deceptive or hostile: nothing but our error comes out, and nothing is taken in silence."""

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.styles import NamedStyle

from api import sheets
from api.sheets import reading, xlsx
from api.sheets.problems import MESSAGES
from ledger.errors import LedgerError
from tests.sheet_files import (
    FORMATS,
    csv_file,
    entries,
    in_sheet,
    jsonl_file,
    problems,
    rezip,
    row,
    saved,
    told,
    workbook,
    xlsx_file,
)

TEXT_FORMATS = [csv_file, jsonl_file]


def codes(data: bytes) -> list[str]:
    return [problem.code for problem in problems(data)]


# -- text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "known_as"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("gb18030", "gb18030"), ("gbk", "gb18030")]
)
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_the_encodings_and_delimiters_of_spreadsheet_programs_are_read(encoding, known_as, delimiter):
    # Each delimiter also stands within the cells.
    rows = row(content="一,二;三\t四", recorder="林;老师"), row(date="2026-11-02", content='他说："好"')
    rows = row(content="一,二;三", recorder="林;老师"), row(date="2026-11-02", content='他说："好"')
    data = csv_file(*rows, delimiter=delimiter, encoding=encoding)
    assert sheets.parse(data).encoding == known_as
    assert [entry.event for entry in entries(data)] == [entry.event for entry in entries(csv_file(*rows))]


def test_characters_beyond_the_gbk_plane_survive_gb18030():
    (entry,) = entries(csv_file(row(responsible="𠮷野㐂"), encoding="gb18030"))
    assert entry.event.responsible == "𠮷野㐂"


@pytest.mark.parametrize(
    "data",
    [
        csv_file(row(), encoding="utf-16"),
        csv_file(row(), encoding="utf-16-be"),
        csv_file(row(activity_name="志愿", content="陪診", responsible="陳站長", recorder="林老師", place="街道"), encoding="gb18030")
        .replace("志愿者编号".encode("gb18030"), "志願者".encode("big5")),
        csv_file({"volunteer": "x", "活动编号": "y"}).decode().replace("活动编号", "activité").encode("latin-1"),
        csv_file(row()) + b"\xff\xfe",
        csv_file(row()).replace("陈".encode(), "陈".encode()[:2]),
        b"volunteer,activity\n" + "志愿者,活动".encode("gb18030"),  # nothing shows that it is GB18030
        csv_file(row(content="")).replace("陈站长".encode(), b"") .decode().encode("gb18030").replace(b",,", b",\xa2\xa0\xa6\xfe,"),
        jsonl_file(row()).decode().encode("gb18030"),
    ],
    ids=["utf-16", "utf-16 without mark", "big5 among gb18030", "latin-1", "bytes appended", "half a character",
         "gb18030 without chinese headings", "private use", "json lines in gb18030"],
)  # fmt: skip
def test_an_encoding_is_not_guessed(data):
    assert codes(data)[0] in {"encoding", "unknown-heading"}


def test_a_file_in_big5_is_not_read_as_gb18030():
    """All its bytes mean something in GB18030."""
    text = csv_file({**row(), "志願者編號": "x"}).decode()
    assert codes("志願者編號,活動編號\n陳站長,街道社區".encode("big5")) == ["encoding"]
    assert text


@pytest.mark.parametrize(
    ("char", "point"),
    [
        ("\x00", "U+0000"), ("\x07", "U+0007"), ("\n", "U+000A"), ("\t", "U+0009"), ("\x7f", "U+007F"),
        ("\x85", "U+0085"), ("\u061c", "U+061C"), ("\u200f", "U+200F"), ("\u202e", "U+202E"), ("\u2066", "U+2066"),
        ("\ufffd", "U+FFFD"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("write", FORMATS)
def test_a_character_that_no_body_may_hold_is_named(write, char, point):
    if write is xlsx_file and char < " " and char not in "\n\t":
        pytest.skip("XML does not hold it")
    (problem,) = problems(write(row(content=f"陪诊{char}代购\\")))
    assert (problem.code, point in problem.zh, point in problem.en) == ("bad-character", True, True)


def test_half_a_character_of_json_is_named():
    data = jsonl_file(row()).replace("陪诊".encode(), rb"\ud83d")
    (problem,) = problems(data)
    assert (problem.column, problem.code, "U+D83D" in problem.en) == ("content", "bad-character", True)
    assert codes(data.replace(b'"content"', rb'"\ud83d"')) == ["unknown-heading", "missing"]


def test_a_backslash_is_a_character_like_any_other():
    (entry,) = entries(csv_file(row(content=r"C:\n 与 \u202e")))
    assert entry.event.content == r"C:\n 与 \u202e"


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize("key", ["content", "volunteer", "minutes", "ref"])
def test_what_a_spreadsheet_would_compute_is_no_text(write, key):
    assert codes(write(row(**{key: "=1+1"})))[0] in {"formula-text", "formula-without-value"}


@pytest.mark.parametrize("text", ["+1 陪诊", "-代购", "@社区", "'=1+1"])
@pytest.mark.parametrize("write", FORMATS)
def test_other_beginnings_are_text(write, text):
    (entry,) = entries(write(row(content=text)))
    assert entry.event.content == text


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("陪诊、代购", '"陪诊"、代购', "unreadable"),
        ("陪诊、代购", '"陪诊、代购', "unreadable"),
        ("陪诊、代购", "x" * 200_000, "unreadable"),
        ("林老师", "林老师,多余", "extra-cell"),
    ],
)
def test_a_broken_record_is_told_with_its_row(old, new, code):
    data = csv_file(row(), row(date="2026-11-02", content="第二行")).decode()
    assert [place[::2] for place in told(data.replace(old, new, 1).encode())][0] == (2, code)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("[]", "not-an-object"),
        ("{", "not-an-object"),
        ('{"content": "陪诊"} {}', "not-an-object"),
        ("{'content': 1}", "not-an-object"),
        ("陪诊", "not-an-object"),
        ('{"a":' * 100_000, "not-an-object"),
        ("1" * 5000, "not-an-object"),
    ],
)
def test_a_line_that_is_no_object_is_told_beside_the_others(line, code):
    data = jsonl_file(row(recorder="")) + line.encode() + b"\n" + jsonl_file(row(date="2026-11-31"))
    assert told(data) == [(1, "recorder", "missing"), (2, None, code), (3, "date", "bad-date")]


@pytest.mark.parametrize("value", ["true", "[]", "{}", '{"name":"x"}', "NaN", "-Infinity"])
def test_a_value_of_json_is_text_or_a_number(value):
    assert codes(jsonl_file(row()).replace('"陪诊、代购"'.encode(), value.encode())) == ["not-text"]


@pytest.mark.parametrize(("number", "code"), [("1.005", "bad-hours"), ("2.500000000000000001", "bad-hours"),
    ("1e999999999", "bad-hours"), ("9" * 9999, "bad-hours"), ("2.50", None), ("2", None)])  # fmt: skip
def test_a_number_of_json_is_read_as_written(number, code):
    data = jsonl_file(row(hours="?")).replace(b'"?"', number.encode())
    assert codes(data) == [code] * (code is not None)


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes_give_a_sheet_or_our_error(data):
    for prefix in (b"", b"PK\x03\x04", b'{"volunteer":', csv_file(row()), jsonl_file(row())):
        try:
            entries(prefix + data)
        except sheets.SheetError as error:
            assert error.problems
            assert all(problem.zh and problem.en for problem in error.problems)


# -- sizes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", FORMATS)
def test_a_file_has_a_greatest_size_and_number_of_rows(write, monkeypatch, tmp_path):
    data = write(row(), row(date="2026-11-02"), row(**dict.fromkeys(row(), "")))
    monkeypatch.setattr(reading, "ROWS_MAX", 2)
    assert codes(data) == []
    monkeypatch.setattr(reading, "ROWS_MAX", 1)
    assert codes(data) == ["too-large"]
    monkeypatch.setattr(reading, "ROWS_MAX", 2)
    path = tmp_path / "hours"
    path.write_bytes(data)
    monkeypatch.setattr(reading, "FILE_BYTES_MAX", len(data))
    assert sheets.read(path).rows
    monkeypatch.setattr(reading, "FILE_BYTES_MAX", len(data) - 1)
    with pytest.raises(sheets.SheetError) as error:
        sheets.read(path)
    assert [problem.code for problem in error.value.problems] == ["too-large"]


def test_the_limits_are_those_of_the_documentation():
    assert (reading.FILE_BYTES_MAX, reading.ROWS_MAX) == (64 * 1024 * 1024, 200_000)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", csv_file(row()).splitlines()[0], xlsx_file({}), b"{}\n", csv_file(row(**dict.fromkeys(row(), " ")))])
def test_a_file_without_rows_is_told(data):
    assert codes(data) in (["empty"], ["missing-heading"] * 11)
