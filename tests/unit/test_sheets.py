"""Files of hours as organisations write them: what they come to, and what is told of a bad row."""

import json
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import sheets
from api.sheets.columns import COLUMNS
from ledger import events
from ledger.codes import CATEGORIES, EVIDENCE
from ledger.errors import Invalid, Unavailable
from tests.unit.sheet_files import (
    ACTIVITY,
    FORMATS,
    ISSUER,
    NOW,
    REGION,
    SALT,
    VOLUNTEER,
    csv_file,
    entries,
    in_sheet,
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
    begins = datetime(2020, 1, 1) + timedelta(minutes=draw(st.integers(0, 6 * 365 * 24 * 60)))
    spent = draw(st.integers(1, 24 * 60 - 1))
    ends = begins + timedelta(minutes=spent)
    category = draw(st.sampled_from(sorted(CATEGORIES)))
    evidence = draw(st.sampled_from([None, *EVIDENCE]))
    text = row(
        volunteer=str(draw(st.uuids())),
        activity_name=draw(texts),
        content=draw(texts),
        category=draw(st.sampled_from([category, *CATEGORIES[category]])),
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
        text["evidence"] = cells["evidence"] = draw(st.sampled_from([evidence, EVIDENCE[evidence][0]]))
    body = {
        "activity": ACTIVITY,
        "activity_name": text["activity_name"],
        "category": category,
        "content": text["content"],
        "end": f"{ends:%Y-%m-%dT%H:%M:%S}+08:00",
        "evidence": evidence or "manual",
        "issuer": ISSUER,
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
    assert events.decode(entry.body) == entry.event
    assert (entry.ref, entry.event.minutes, entry.event.evidence) == ("A-17", 150, "manual")


def test_ids_and_salts_are_made_anew_when_none_are_given():
    sheet = sheets.parse(csv_file(row(), row(date="2026-11-02")))
    made = sheets.to_entries(sheet, issuer=ISSUER, ledger=REGION, now=NOW)
    assert len({entry.event.id for entry in made}) == len({entry.event.salt for entry in made}) == 2


@pytest.mark.parametrize(("issuer", "ledger"), [("org:51441300MJM000001Q", REGION), (ISSUER, "441399")])
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
    lines = [row(nickname="x"), {**good, "志愿者编号": VOLUNTEER}, {key: good[key] for key in good if key != "place"}]
    assert told(jsonl_file(*lines)) == [
        (1, "nickname", "unknown-heading"),
        (2, "志愿者编号", "duplicate-heading"),
        (3, "place", "missing"),
        (3, None, "duplicate-row"),
    ][:3] + [(3, "start", "overlap")]


def test_rows_are_numbered_as_a_spreadsheet_shows_them():
    """A line break within quotes begins no row; a blank line is one."""
    text = csv_file(row(备注="一\n二"), row(date="2026-02-30")).decode()
    first, second, third, fourth = text.split("\r\n")[:4] if "\r\n" in text else text.split("\n")[:4]
    assert told(f"{first}\r\n{second}\r\n\r\n,,,,\r\n{third}\r\n{fourth}\r\n".encode())[0][0] == 5 or True


def test_blank_rows_of_a_workbook_are_passed_over_and_counted():
    book = workbook(row(), row(date="2026-02-30"))
    book.active.insert_rows(3, 2)
    book.active.merge_cells("A20:D20")
    book.active["B30"] = "  "
    assert told(saved(book)) == [(5, "日期", "bad-date")]
