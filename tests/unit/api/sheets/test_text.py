"""Text files that are broken or deceptive: nothing but our error comes out, and nothing is taken in silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import sheets
from api.sheets import reading
from tests.support.sheet_files import (
    FORMATS,
    codes,
    csv_file,
    entries,
    gives_entries_or_problems,
    jsonl_file,
    problems,
    row,
    told,
    xlsx_file,
)

# -- encodings, delimiters and characters --------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "known_as"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("gb18030", "gb18030"), ("gbk", "gb18030")]
)
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_the_encodings_and_delimiters_of_spreadsheet_programs_are_read(encoding, known_as, delimiter):
    # Each delimiter also stands within a cell.
    rows = row(content="一,二;三", recorder="林;老师"), row(date="2026-11-02", content='他说,"好"')
    data = csv_file(*rows, delimiter=delimiter, encoding=encoding)
    assert sheets.parse(data).encoding == known_as
    assert [entry.event for entry in entries(data)] == [entry.event for entry in entries(csv_file(*rows))]


def test_characters_beyond_the_gbk_plane_survive_gb18030():
    (entry,) = entries(csv_file(row(responsible="𠮷野㐂"), encoding="gb18030"))
    assert entry.event.responsible == "𠮷野㐂"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(csv_file(row(), encoding="utf-16"), id="utf-16"),
        pytest.param(csv_file(row(), encoding="utf-16-be"), id="utf-16 without its mark"),
        pytest.param("志願者編號,活動編號\r\n陳站長,街道社區".encode("big5"), id="big5, all of which is gb18030 too"),
        pytest.param("volunteer,activité\r\nx,y".encode("latin-1"), id="latin-1"),
        pytest.param("volunteer,activity\r\n志愿者,活动".encode("gb18030"), id="no heading shows gb18030"),
        pytest.param(csv_file(row(content="?"), encoding="gb18030").replace(b"?", b"\xaa\xa1"), id="private use"),
        pytest.param(csv_file(row(), encoding="gb18030") + b"\xff", id="gb18030 and a stray byte"),
        pytest.param(csv_file(row()) + b"\xff", id="utf-8 and a stray byte"),
        pytest.param(csv_file(row()).replace("陈".encode(), "陈".encode()[:2]), id="half a character"),
        pytest.param(jsonl_file(row()).decode().encode("gb18030"), id="json lines are utf-8"),
    ],
)
def test_an_encoding_is_not_guessed(data):
    assert codes(data) == ["encoding"]


@pytest.mark.parametrize(
    ("char", "point"),
    [
        ("\x00", "U+0000"), ("\x07", "U+0007"), ("\n", "U+000A"), ("\t", "U+0009"), ("\x7f", "U+007F"),
        ("\x85", "U+0085"), ("\u061c", "U+061C"), ("\u200f", "U+200F"), ("\u202e", "U+202E"), ("\u2066", "U+2066"),
        ("\ufffd", "U+FFFD"),
    ],
)  # fmt: skip
def test_a_character_that_no_body_may_hold_is_named(char, point):
    writable = FORMATS if char >= " " or char in "\n\t" else [csv_file, jsonl_file]  # XML does not hold the others
    for write in writable:
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
    assert told(data.replace(old, new, 1).encode())[0] == (2, None, code)


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
    for start in (b"", b"PK\x03\x04", b'{"volunteer":', csv_file(row()), jsonl_file(row())):
        gives_entries_or_problems(start + data)


# -- sizes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", FORMATS)
def test_a_file_has_a_greatest_size_and_number_of_rows(write, monkeypatch, tmp_path):
    data = write(row(), row(date="2026-11-02"), row(**dict.fromkeys(row(), "")))
    monkeypatch.setattr(reading, "SHEET_ROWS_MAX", 2)
    assert codes(data) == []
    monkeypatch.setattr(reading, "SHEET_ROWS_MAX", 1)
    assert codes(data) == ["too-large"]
    monkeypatch.setattr(reading, "SHEET_ROWS_MAX", 2)
    path = tmp_path / "hours"
    path.write_bytes(data)
    monkeypatch.setattr(reading, "SHEET_BYTES_MAX", len(data))
    assert sheets.read(path).rows
    monkeypatch.setattr(reading, "SHEET_BYTES_MAX", len(data) - 1)
    with pytest.raises(sheets.SheetError) as error:
        sheets.read(path)
    assert [problem.code for problem in error.value.problems] == ["too-large"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbf",
        b"{}\n",
        csv_file(row()).splitlines()[0],
        csv_file(dict.fromkeys(row(), " ")),
        xlsx_file({}),
    ],
)
def test_a_file_without_rows_is_told(data):
    assert codes(data) == ["empty"]
