"""Excel workbooks: cells of every kind, and files that are broken or hostile."""

import io
import struct
import zipfile
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.chart import BarChart

from api.sheets import xlsx
from tests.support.sheet_files import (
    codes,
    csv_file,
    entries,
    gives_entries_or_problems,
    in_sheet,
    rezip,
    row,
    saved,
    told,
    workbook,
    xlsx_file,
)

DAY = datetime.fromisoformat("2026-11-01")

# -- cells ------------------------------------------------------------------------------------


def with_cell(key: str, value: object, number_format: str | None = None, **changes: object) -> bytes:
    """A workbook of one row, with one cell as a spreadsheet program would hold it."""
    book = workbook(row(**{key: "?", **changes}))
    cell = next(cell for cell in book.active[2] if cell.value == "?")
    cell.value = value
    if number_format:
        cell.number_format = number_format
    return saved(book)


@pytest.mark.parametrize(
    ("key", "value", "number_format", "start", "end"),
    [
        ("date", date(2026, 11, 1), None, "2026-11-01T09:00", "2026-11-01T11:30"),
        ("date", DAY, 'yyyy"年"m"月"d"日"', "2026-11-01T09:00", "2026-11-01T11:30"),
        ("date", 46327, "General", "2026-11-01T09:00", "2026-11-01T11:30"),
        ("date", 20261101, "General", "2026-11-01T09:00", "2026-11-01T11:30"),
        ("start", time(8), None, "2026-11-01T08:00", "2026-11-01T11:30"),
        ("start", 0.375, "General", "2026-11-01T09:00", "2026-11-01T11:30"),
        ("start", 0, "h:mm", "2026-11-01T00:00", "2026-11-01T11:30"),
        ("start", timedelta(hours=8, minutes=5), "[h]:mm", "2026-11-01T08:05", "2026-11-01T11:30"),
        ("start", DAY + timedelta(hours=8), None, "2026-11-01T08:00", "2026-11-01T11:30"),
        ("start", DAY, "yyyy-mm-dd h:mm", "2026-11-01T00:00", "2026-11-01T11:30"),
        ("end", time(1), None, "2026-11-01T09:00", "2026-11-02T01:00"),
        ("end", DAY + timedelta(hours=25), None, "2026-11-01T09:00", "2026-11-02T01:00"),
        ("end", 46328.0416666667, "General", "2026-11-01T09:00", "2026-11-02T01:00"),
        ("end", timedelta(hours=24), "[h]:mm", "2026-11-01T09:00", "2026-11-02T00:00"),
    ],
)
def test_a_time_may_be_a_cell_of_any_kind(key, value, number_format, start, end):
    (entry,) = entries(with_cell(key, value, number_format))
    assert (entry.event.start, entry.event.end) == (f"{start}:00+08:00", f"{end}:00+08:00")


@pytest.mark.parametrize(
    ("key", "value", "number_format", "code"),
    [
        ("start", DAY, "yyyy-mm-dd", "bad-time"),  # shows a day, not a midnight
        ("start", DAY + timedelta(hours=9, milliseconds=500), None, "bad-time"),
        ("start", timedelta(hours=25), "[h]:mm", "bad-time"),
        ("start", timedelta(hours=-1), "[h]:mm", "bad-time"),
        ("start", 9, "General", "bad-time"),
        ("start", 1.25, "h:mm", "date-mismatch"),  # 30:00, shown as 6:00
        ("date", DAY + timedelta(hours=9), None, "bad-date"),
        ("date", 12345, "General", "bad-date"),
        ("date", 10**9, "yyyy-mm-dd", "error-value"),
        ("hours", 1.005, None, "bad-hours"),
        ("hours", 7 / 3, None, "bad-hours"),
        ("minutes", 1.5, None, "bad-number"),
        ("minutes", True, None, "not-text"),
        ("content", "#N/A", None, "error-value"),
        ("content", "#DIV/0!", None, "error-value"),
        ("ref", 123456789012345678, None, "digits-lost"),
        ("ref", 1e300, None, "digits-lost"),
    ],
)
def test_a_cell_that_does_not_say_what_is_needed_is_told(key, value, number_format, code):
    assert codes(with_cell(key, value, number_format)) == [code]


def test_a_number_is_read_as_the_spreadsheet_shows_it():
    assert 0.1 + 0.7 != 0.8
    assert (
        entries(with_cell("hours", 0.1 + 0.7))
        == entries(with_cell("hours", 0.8))
        == entries(csv_file(row(hours="0.8")))
    )
    assert entries(with_cell("region", 441302)) == entries(with_cell("region", 441302.0)) == entries(csv_file(row()))


def test_days_may_be_counted_from_1904():
    book = workbook(row(date=date(2026, 11, 1), start=time(9), end=time(11, 30)))
    book.epoch = datetime.fromisoformat("1904-01-01")
    assert [entry.event for entry in entries(saved(book))] == [entry.event for entry in entries(csv_file(row()))]


def test_a_formula_is_worth_what_was_saved_with_it():
    data = with_cell("minutes", "=60*2")
    assert told(data) == [(2, "服务时长(分钟)", "formula-without-value")]
    (entry,) = entries(in_sheet(data, "<f>60*2</f><v></v>", "<f>60*2</f><v>120</v>"))
    assert entry.event.minutes == 120


def test_strings_may_lie_in_a_table_of_the_workbook():
    """As spreadsheet programs write them, in runs of different fonts."""
    data = in_sheet(with_cell("content", "?"), 't="inlineStr"><is><t>?</t></is>', 't="s"><v>1</v>')
    table = (
        '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>x</t></si>'
        '<si><r><t>陪诊、</t></r><r><rPr><b/></rPr><t>代购</t></r><rPh sb="0" eb="1"><t>peizhen</t></rPh></si></sst>'
    )
    assert entries(with_shared_strings(data, table)) == entries(csv_file(row()))
    assert codes(with_shared_strings(data, table.replace("<si><t>x</t></si>", ""))) == ["unreadable"]


def with_shared_strings(data: bytes, table: str) -> bytes:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'

    def change(name: str, part: bytes) -> bytes:
        return part.replace(b"</Types>", override.encode()) if name == "[Content_Types].xml" else part

    changed = io.BytesIO(rezip(data, change))
    with zipfile.ZipFile(changed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", table)
    return changed.getvalue()


def test_the_first_sheet_that_can_be_seen_is_read():
    book = workbook(row())
    book.create_sheet("代码", 0).append(["别的"])
    assert codes(saved(book))[0] == "unknown-heading"
    book.worksheets[0].sheet_state = "hidden"
    assert codes(saved(book)) == []
    for sheet in book.worksheets:
        sheet.sheet_state = "veryHidden"
    book.create_chartsheet("图", 0).add_chart(BarChart())
    assert codes(saved(book)) == ["empty"]


def test_rows_below_a_wrong_dimension_are_not_lost():
    data = xlsx_file(row(), row(date="2026-11-02"))
    assert len(entries(in_sheet(data, 'ref="A1:L3"', 'ref="A1:B2"'))) == 2


# -- spoiled ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"), [('<row r="3"', '<row r="2"'), ('<row r="3"', '<row r="1"'), ('r="B3"', 'r="A3"')]
)
def test_rows_or_cells_out_of_order_are_not_dropped_in_silence(old, new):
    data = xlsx_file(row(), row(date="2026-11-02"))
    assert codes(in_sheet(data, old, new)) == ["unreadable"]


def test_a_row_far_down_takes_no_time_to_reach():
    assert told(in_sheet(xlsx_file(row(date="2026-11-31")), '<row r="2"', '<row r="99999999999"'))[0][2] == "bad-date"
    assert codes(in_sheet(xlsx_file(row()), 'r="L2"', 'r="ZZZ2"')) == ["unreadable"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_workbook_is_told(share):
    data = xlsx_file(row())
    assert codes(data[: int(len(data) * share)]) == ["unreadable"]


def test_what_is_no_workbook_is_told():
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    assert codes(other.getvalue()) == ["unreadable"]
    assert codes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)) == ["unreadable"]
    assert codes(b"%PDF-1.7\n") == ["unknown-heading", *["missing-heading"] * 11]


def test_a_damaged_member_is_told():
    """Its checksum no longer holds."""
    data = bytearray(rezip(xlsx_file(row()), lambda name, part: part))
    start = data.index(b"xl/worksheets/sheet1.xml") + 60
    data[start : start + 20] = bytes(20)
    assert codes(bytes(data)) == ["unreadable"]


def test_a_zip_bomb_is_refused_by_what_its_directory_promises(monkeypatch):
    data = xlsx_file(row())
    monkeypatch.setattr(xlsx, "load_workbook", lambda *_, **__: pytest.fail("opened"))
    bomb = with_shared_strings(data, " " * 140_000_000)
    assert len(bomb) < 1_000_000
    assert codes(bomb) == ["too-large"]
    monkeypatch.setattr(xlsx, "WORKBOOK_BYTES_MAX", 1000)
    assert codes(data) == ["too-large"]
    monkeypatch.setattr(xlsx, "WORKBOOK_PARTS_MAX", 3)
    assert codes(data) == ["too-large"]


def test_a_member_larger_than_its_directory_says_is_not_unpacked_further():
    text = "x" * 50_000_000
    data = bytearray(rezip(xlsx_file(row()), lambda name, part: part + text.encode() if "sheet1" in name else part))
    name = b"xl/worksheets/sheet1.xml"
    for place, offset in ((data.index(name), 30 - 22), (data.rindex(name), 46 - 24)):
        struct.pack_into("<I", data, place - offset, 5000)
    assert codes(bytes(data)) == ["unreadable"]


MEMBERS = zipfile.ZipFile(io.BytesIO(with_shared_strings(xlsx_file(row()), "<sst/>"))).namelist()
DOCTYPE = """<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("member", MEMBERS)
def test_a_document_type_declaration_is_refused_wherever_it_stands(member, encoding, monkeypatch):
    def spoil(name: str, part: bytes) -> bytes:
        if name != member:
            return part
        head = f'<?xml version="1.0" encoding="{encoding}"?>{"<!-- -->" * 10_000}{DOCTYPE}'
        return (head + part.decode().partition("?>")[2]).encode(encoding)

    data = rezip(with_shared_strings(xlsx_file(row()), "<sst/>"), spoil)
    monkeypatch.setattr(xlsx, "load_workbook", lambda *_, **__: pytest.fail("opened"))
    assert codes(data) == ["unsafe-xml"]


@given(st.sampled_from(MEMBERS), st.data())
def test_a_workbook_spoiled_anywhere_gives_a_sheet_or_our_error(member, data):
    good = with_shared_strings(xlsx_file(row()), "<sst/>")

    def spoil(name: str, part: bytes) -> bytes:
        if name != member:
            return part
        start = data.draw(st.integers(0, len(part)))
        end = data.draw(st.integers(start, min(len(part), start + 40)))
        new = data.draw(st.binary(max_size=8) | st.sampled_from([b"<f>1</f>", b"-1", b"1e999"]))
        return part[:start] + new + part[end:]

    gives_entries_or_problems(rezip(good, spoil))
