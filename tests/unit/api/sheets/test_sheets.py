"""Files of hours as organisations write them: what they come to, and what is told of a bad row."""

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import sheets
from api.sheets.columns import COLUMNS
from api.sheets.problems import MESSAGES
from ledger import limits
from ledger.codes import CATEGORIES, EVIDENCE
from ledger.errors import Invalid, Unavailable
from ledger.events.body import decode_event
from tests.support.builders import ACTIVITY, REGION, SALT, STATION
from tests.support.sheet_files import (
    FORMATS,
    NOW,
    VOLUNTEER,
    csv_file,
    entries,
    jsonl_file,
    problems,
    row,
    saved,
    told,
    workbook,
    xlsx_file,
)

BEIJING = "+08:00"


# -- rows to events -------------------------------------------------------------------------------------

texts = (
    st.text(st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\ufffd"), min_size=1, max_size=30)
    .map(str.strip)
    .filter(lambda text: text and not text.startswith("=") and "x005F_" not in text)
)


@st.composite
def services(draw):
    """A service: its row as text, its row as a spreadsheet holds it, and what the body must say."""
    begins = datetime.fromisoformat("2020-01-01") + timedelta(minutes=draw(st.integers(0, 6 * 365 * 24 * 60)))
    spent = draw(st.integers(1, 24 * 60 - 1))
    ends = begins + timedelta(minutes=spent)
    category = draw(st.sampled_from(sorted(CATEGORIES)))
    evidence = draw(st.sampled_from([None, *EVIDENCE]))
    text = row(
        volunteer=str(draw(st.uuids())),
        activity_name=draw(texts),
        content=draw(texts),
        category=draw(st.sampled_from([category, CATEGORIES[category].zh, CATEGORIES[category].en])),
        responsible=draw(texts),
    )
    cells = dict(text)
    if draw(st.booleans()):
        text |= {"date": f"{begins:%Y-%m-%d}", "start": f"{begins:%H:%M}", "end": f"{ends:%H:%M:%S}"}
        cells |= {"date": begins.date(), "start": begins.time(), "end": ends.time()}
    else:
        text |= {"date": "", "start": f"{begins:%Y-%m-%d %H:%M}", "end": f"{ends:%Y-%m-%dT%H:%M:%S+08:00}"}
        cells |= {"date": None, "start": begins, "end": ends}
    given_minutes = draw(st.none() | st.integers(1, spent))
    if given_minutes and given_minutes % 3 == 0 and draw(st.booleans()):
        text["hours"], cells["hours"] = str(Decimal(given_minutes) / 60), given_minutes / 60
    elif given_minutes:
        text["minutes"], cells["minutes"] = str(given_minutes), given_minutes
    if evidence:
        text["evidence"] = cells["evidence"] = draw(st.sampled_from([evidence, EVIDENCE[evidence].zh]))
    body = {
        "activity": ACTIVITY,
        "activity_name": text["activity_name"],
        "category": category,
        "content": text["content"],
        "end": f"{ends:%Y-%m-%dT%H:%M:%S}+08:00",
        "evidence": evidence or "manual",
        "issuer": STATION,
        "ledger": REGION,
        "minutes": given_minutes or spent,
        "place": {"name": text["place"], "region": "441302"},
        "recorder": "林老师",
        "responsible": text["responsible"],
        "salt": SALT,
        "start": f"{begins:%Y-%m-%dT%H:%M:%S}+08:00",
        "subject": f"volunteer:{text['volunteer']}",
        "time": "2026-11-19T16:00:00Z",
        "type": "hours.recorded/1",
    }
    return text, cells, body


@given(st.lists(services(), min_size=1, max_size=4, unique_by=lambda service: service[0]["volunteer"]))
def test_the_same_rows_come_to_the_same_events_in_every_format(services):
    as_text, as_cells, bodies = zip(*services, strict=True)
    made = entries(csv_file(*as_text))
    assert [{**json.loads(entry.body), "id": None} for entry in made] == [{**body, "id": None} for body in bodies]
    assert [entry.row for entry in made] == list(range(2, len(services) + 2))
    for other in (csv_file(*as_text, delimiter="\t"), xlsx_file(*as_cells), xlsx_file(*as_text)):
        assert entries(other) == made
    assert [entry.body for entry in entries(jsonl_file(*as_text))] == [entry.body for entry in made]


@pytest.mark.parametrize("write", FORMATS)
def test_an_entry_is_what_the_ledger_reads(write):
    (entry,) = entries(write(row(ref="A-17")))
    assert decode_event(entry.body) == entry.event
    assert (entry.ref, entry.event.minutes, entry.event.evidence) == ("A-17", 150, "manual")


def test_ids_and_salts_are_made_anew_when_none_are_given():
    sheet = sheets.parse(csv_file(row(), row(date="2026-11-02")))
    made = sheets.to_entries(sheet, issuer=STATION, ledger=REGION, now=NOW)
    assert len({entry.event.id for entry in made}) == len({entry.event.salt for entry in made}) == 2


@pytest.mark.parametrize(("issuer", "ledger"), [("org:51441300MJM000001Q", REGION), (STATION, "441399")])
def test_a_wrong_issuer_or_region_is_the_callers_fault_not_that_of_a_row(issuer, ledger):
    with pytest.raises(Invalid) as error:
        sheets.to_entries(sheets.parse(csv_file(row())), issuer=issuer, ledger=ledger, now=NOW)
    assert not isinstance(error.value, sheets.SheetError)


# -- headings and numbers of rows -----------------------------------------------------------------------


def test_every_column_is_known_by_both_headings_however_they_are_typed():
    for column in COLUMNS.values():
        for name in (column.key, column.zh, *column.other):
            full_width = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in name)
            for typed in (name, name.upper(), f"\u3000{name} ", full_width, name.replace("_", " ")):
                data = csv_file(row()).decode().replace(f"{column.zh},", f"{typed},", 1)
                assert not problems(data.encode()), typed


def test_a_column_may_be_left_for_people_to_read():
    data = csv_file(row(姓名="张三", 备注="=1+1\n\u202e", **{"# 内部": "\x00", "＃x": "y"}))
    (entry,) = entries(data)
    assert "张三" not in entry.body.decode()


@pytest.mark.parametrize("write", [csv_file, xlsx_file])
def test_all_that_is_wrong_with_the_headings_is_told_at_once(write):
    spoiled = {**row(), "volunteer_id": "x", "Volunteer": VOLUNTEER}
    del spoiled["recorder"]
    assert told(write(spoiled)) == [
        (1, "volunteer_id", "unknown-heading"),
        (1, "Volunteer", "duplicate-heading"),
        (1, "记录人 recorder", "missing-heading"),
    ]


def test_an_object_of_json_lines_has_headings_of_its_own():
    good = row(date="2026-11-02")
    lacking = {key: value for key, value in good.items() if key != "place"}
    assert told(jsonl_file(row(nickname="x"), {**good, "志愿者编号": VOLUNTEER}, lacking)) == [
        (1, "nickname", "unknown-heading"),
        (2, "志愿者编号", "duplicate-heading"),
        (3, "place", "missing"),
        (3, "start", "overlap"),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_rows_are_numbered_as_a_spreadsheet_shows_them(newline):
    """A line break within quotes begins no row; a blank line is one."""
    blank = row(**dict.fromkeys(row(), ""))
    bad = csv_file(row(备注=f"一{newline}二"), blank, row(date="2026-02-30"), newline=newline)
    assert told(bad) == [(4, "日期", "bad-date")]
    assert told(bad.replace(b",," + newline.encode(), b",," + 3 * newline.encode())) == [(6, "日期", "bad-date")]
    assert told(jsonl_file(row(备注="一\n二"), {}, blank, row(date="2026-02-30"))) == [(4, "date", "bad-date")]


def test_blank_rows_of_a_workbook_are_passed_over_and_counted():
    book = workbook(row(), row(date="2026-02-30"))
    book.active.insert_rows(3, 2)
    book.active.merge_cells("A20:D20")
    book.active["B30"] = "  "
    assert told(saved(book)) == [(5, "日期", "bad-date")]


# -- rules of one event are those of the ledger -------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("volunteer", "13800138000", "invalid-value"),
        ("volunteer", VOLUNTEER[:-1], "invalid-value"),
        ("volunteer", "org:" + VOLUNTEER, "invalid-value"),
        ("activity", "助老", "invalid-value"),
        ("activity_name", "名" * 121, "invalid-value"),
        ("category", "助老", "bad-code"),
        ("content", "容" * 2001, "invalid-value"),
        ("content", "容" * 30_000, "invalid-value"),
        ("place", "点" * 121, "invalid-value"),
        ("region", "441399", "invalid-value"),
        ("region", "44130", "invalid-value"),
        ("region", "٤٤١٣٠٢", "invalid-value"),
        ("responsible", "人" * 121, "invalid-value"),
        ("recorder", "", "missing"),
        ("recorder", "\u3000", "missing"),
        ("evidence", "听说", "bad-code"),
        ("ref", "x" * 121, "too-long"),
    ],
)
@pytest.mark.parametrize("write", FORMATS)
def test_a_value_that_the_ledger_would_refuse_is_told_under_its_column(write, key, value, code):
    assert told(write(row(**{key: value}))) == [(1, key, code) if write is jsonl_file else (2, COLUMNS[key].zh, code)]


@pytest.mark.parametrize(
    "typed", [VOLUNTEER.upper(), f"volunteer:{VOLUNTEER}", f" {VOLUNTEER}\t", f"Ｖolunteer：{VOLUNTEER}"]
)
def test_a_volunteer_is_recognised_however_the_number_is_typed(typed):
    (entry,) = entries(csv_file(row(volunteer=typed, activity=f"activity:{ACTIVITY.upper()}", region="４４１３０２")))
    assert (entry.event.subject, entry.event.activity) == (f"volunteer:{VOLUNTEER}", ACTIVITY)
    assert entry.event.place.region == "441302"


def test_every_bad_cell_of_every_bad_row_is_told():
    bad = {"volunteer": "x", "activity": "y", "category": "z", "region": "1", "date": "2026-11-31", "minutes": "x"}
    file = csv_file(row(), row(**bad, recorder=""), row(date="2026-11-02"), row(**dict.fromkeys(row(), "\u202e")))
    assert {place[:2] for place in told(file)} == {
        *((3, COLUMNS[key].zh) for key in (*bad, "recorder")),
        *((5, COLUMNS[key].zh) for key in row()),
    }
    assert [place[0] for place in told(file)] == [3] * 7 + [5] * 12


def test_one_bad_end_of_the_time_does_not_hide_the_other():
    bad = row(start="2026-11-01T09:00:00+99:00", end="2026-11-01T11:30:00+99:00", region="1")
    assert told(csv_file(bad)) == [(2, COLUMNS[key].zh, "invalid-value") for key in ("start", "end", "region")]


@pytest.mark.parametrize("write", FORMATS)
def test_a_problem_is_told_in_both_languages_with_what_was_typed(write):
    (problem,) = problems(write(row(volunteer="1380013\u200b8000")))
    assert "1380013<U+200B>8000 不符合要求：志愿者的 UUID" in problem.zh
    assert "1380013<U+200B>8000 is not the volunteer's UUID" in problem.en


# -- rows among each other, and the clock ---------------------------------------------------------------------


def test_hours_are_submitted_after_their_end():
    ends = NOW - 12 * 3600 - 30 * 60  # 11:30 of the day before
    file = csv_file(row(date="2026-11-19"))
    assert told(file, now=ends) == []
    assert told(file, now=ends - 1) == [(2, "结束时间", "not-ended")]


def test_services_of_one_volunteer_do_not_overlap_within_a_file():
    other = "0199a1c2-0000-7000-8000-0000000000ff"
    file = csv_file(
        row(start="13:00", end="15:00"),
        row(start="11:30", end="13:00"),  # touches on both sides
        row(start="14:59", end="16:00"),
        row(volunteer=other, start="14:00", end="15:00"),
        row(start="08:00", end="11:31"),
        row(start="10:00", end="11:00", recorder=""),  # overlaps whatever else is wrong with it
        row(date="2026-10-31", start="22:00", end="08:01"),
    )
    assert told(file) == [
        (3, "开始时间", "overlap"),
        (4, "开始时间", "overlap"),
        (6, "开始时间", "overlap"),
        (7, "记录人", "missing"),
        (7, "开始时间", "overlap"),
    ]
    assert [problem.zh for problem in problems(file)][:2] == [
        "与第 6 行时间重叠（同一志愿者）",
        "与第 2 行时间重叠（同一志愿者）",
    ]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=12))
def test_a_row_is_told_to_overlap_exactly_when_it_begins_within_an_earlier_one(spans):
    spans = [(who, start + index / 100, end) for index, (who, start, end) in enumerate(spans)]  # no two alike
    rows = [
        row(
            volunteer=f"0199a1c2-0000-7000-8000-00000000000{who}",
            start=f"{9 + int(start) // 60:02}:{int(start) % 60:02}:{round(start % 1 * 100):02}",
            end=f"{9 + int(start + length) // 60:02}:{int(start + length) % 60:02}:{round(start % 1 * 100):02}",
            minutes="1",
        )
        for who, start, length in spans
    ]
    expected = {
        index + 2
        for index, (who, start, _) in enumerate(spans)
        if any(who == other and begun < start < begun + length for other, begun, length in spans)
    }
    assert {place[0] for place in told(csv_file(*rows))} == expected


@pytest.mark.parametrize("write", FORMATS)
def test_a_row_that_stands_twice_is_told_as_that(write):
    first = 1 if write is jsonl_file else 2
    file = write(row(ref="1"), row(ref="2"), row(date="2026-11-02", ref="1"))
    assert [(place[0], place[2]) for place in told(file)] == [
        (first + 1, "duplicate-row"),
        (first + 2, "duplicate-ref"),
    ]


def test_a_file_that_cannot_be_opened_is_no_bad_file(tmp_path):
    with pytest.raises(Unavailable):
        sheets.read(tmp_path / "none.csv")
    path = tmp_path / "hours.dat"
    path.write_bytes(csv_file(row()))
    assert sheets.read(path) == sheets.parse(csv_file(row()))


# -- the documentation ------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[4] / "docs" / "submit-files.md").read_text(encoding="utf-8")


def table(heading: str) -> list[str]:
    """The rows of the table in a section of the page."""
    section = PAGE.partition(f"· {heading}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def test_the_documented_columns_are_those_that_are_read():
    assert table("Columns") == [
        f"| `{column.key}` | {'、'.join((column.zh, *column.other))} | {'是 yes' if column.required else ''} "
        f"| {column.expects.zh} | {column.expects.en} |"
        for column in COLUMNS.values()
    ]


def test_the_documented_codes_are_those_that_are_told():
    assert table("Error codes") == [f"| `{code}` | {text.zh} | {text.en} |" for code, text in MESSAGES.items()]


def test_the_documented_limits_hold():
    assert (limits.SHEET_BYTES_MAX, limits.SHEET_ROWS_MAX) == (64 * 1024 * 1024, 200_000)
    assert "64 MiB、200000 行" in PAGE
    assert "64 MiB and 200000 rows" in PAGE


def test_the_documented_examples_are_good_files():
    examples = re.findall(r"```(csv|json)\n(.*?)```", PAGE, re.DOTALL)
    assert [kind for kind, _ in examples] == ["csv", "csv", "json"]
    made = [entries(text.encode()) for _, text in examples]
    assert [entry.event.minutes for entry in made[0]] == [150, 210]
    assert made[0][0].ref == made[1][0].ref == made[2][0].ref == "2026-0001"
    assert made[0][0].event == made[2][0].event
