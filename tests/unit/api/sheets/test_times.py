"""Dates, times and durations as people type them, and as they must not be read."""

import pytest

from api.sheets.columns import COLUMNS
from tests.support.sheet_files import FORMATS, csv_file, entries, jsonl_file, row, told


@pytest.mark.parametrize(
    ("day", "start", "end", "expected"),
    [
        ("2026-11-01", "9:00", "11:30", ("2026-11-01T09:00:00+08:00", "2026-11-01T11:30:00+08:00")),
        ("2026/11/1", "09:00:15", "11:30:45.000", ("2026-11-01T09:00:15+08:00", "2026-11-01T11:30:45+08:00")),
        ("2026.1.2", "9时", "11点30分", ("2026-01-02T09:00:00+08:00", "2026-01-02T11:30:00+08:00")),
        ("２０２６年１月２日", "９：００", "１１：３０", ("2026-01-02T09:00:00+08:00", "2026-01-02T11:30:00+08:00")),
        ("20260102", "22:00", "01:30", ("2026-01-02T22:00:00+08:00", "2026-01-03T01:30:00+08:00")),
        ("2026-02-28", "22:00", "24:00", ("2026-02-28T22:00:00+08:00", "2026-03-01T00:00:00+08:00")),
        ("2026-02-28", "22:00", "0:00", ("2026-02-28T22:00:00+08:00", "2026-03-01T00:00:00+08:00")),
        ("2024-02-28", "00:00", "24:00", ("2024-02-28T00:00:00+08:00", "2024-02-29T00:00:00+08:00")),
        ("2026-01-02", "9:00", "2026-01-03 1:00", ("2026-01-02T09:00:00+08:00", "2026-01-03T01:00:00+08:00")),
        ("", "2026-01-02 9:00", "11:00", ("2026-01-02T09:00:00+08:00", "2026-01-02T11:00:00+08:00")),
        ("", "2026年1月2日9时", "2026年1月2日 11时", ("2026-01-02T09:00:00+08:00", "2026-01-02T11:00:00+08:00")),
        ("", "2026-01-02T01:00:00Z", "11:00", ("2026-01-02T01:00:00Z", "2026-01-02T11:00:00Z")),
        ("", "2026-01-02T01:00Z", "2026-01-02 11:00", ("2026-01-02T01:00:00Z", "2026-01-02T11:00:00+08:00")),
    ],
)
@pytest.mark.parametrize("write", FORMATS)
def test_a_time_is_read_as_people_write_it(write, day, start, end, expected):
    (entry,) = entries(write(row(date=day, start=start, end=end)))
    assert (entry.event.start, entry.event.end) == expected


@pytest.mark.parametrize(
    ("changes", "column", "code"),
    [
        ({"date": "2026-02-30"}, "日期", "bad-date"),
        ({"date": "2026-11-1 09:00"}, "日期", "bad-date"),
        ({"date": "1/11/2026"}, "日期", "bad-date"),
        ({"date": "2026-11/01"}, "日期", "bad-date"),
        ({"date": "26-11-01"}, "日期", "bad-date"),
        ({"date": "٢٠٢٦-١١-٠١"}, "日期", "bad-date"),
        ({"date": "0000-01-01"}, "日期", "bad-date"),
        ({"date": "9999-12-31", "start": "22:00", "end": "01:00"}, "结束时间", "bad-date"),
        ({"start": "25:00"}, "开始时间", "bad-time"),
        ({"start": "24:00"}, "开始时间", "bad-time"),
        ({"start": "09:60"}, "开始时间", "bad-time"),
        ({"start": "09"}, "开始时间", "bad-time"),
        ({"start": "09:00:00.5"}, "开始时间", "bad-time"),
        ({"start": "09:00+08:00"}, "开始时间", "bad-time"),
        ({"start": "2026-11-01"}, "开始时间", "bad-time"),
        ({"start": "٠٩:٠٠"}, "开始时间", "bad-time"),
        ({"start": "0" * 30_000 + "9:00"}, "开始时间", "bad-time"),
        ({"start": "2026-02-30 09:00"}, "开始时间", "bad-date"),
        ({"start": "2026-11-02 09:00"}, "开始时间", "date-mismatch"),
        ({"date": ""}, "开始时间", "no-date"),
        ({"end": "24:01"}, "结束时间", "bad-time"),
        ({"end": "09:00"}, "结束时间", "invalid-value"),
        ({"end": "2026-10-31 11:00"}, "结束时间", "invalid-value"),
        ({"end": "2026-11-09 09:00"}, "结束时间", "invalid-value"),
        ({"end": "9:00:30"}, "结束时间", "invalid-value"),
        ({"end": "2026-11-01T11:30:00+99:00"}, "结束时间", "invalid-value"),
        ({"minutes": "151"}, "服务时长(分钟)", "invalid-value"),
        ({"minutes": "0"}, "服务时长(分钟)", "invalid-value"),
        ({"minutes": "1.5"}, "服务时长(分钟)", "bad-number"),
        ({"minutes": "-30"}, "服务时长(分钟)", "bad-number"),
        ({"minutes": "1e2"}, "服务时长(分钟)", "bad-number"),
        ({"minutes": "1²"}, "服务时长(分钟)", "bad-number"),
        ({"minutes": "9" * 5000}, "服务时长(分钟)", "bad-number"),
        ({"hours": "1.005"}, "服务时长(小时)", "bad-hours"),
        ({"hours": "2.33"}, "服务时长(小时)", "bad-hours"),
        ({"hours": "0.01"}, "服务时长(小时)", "bad-hours"),
        ({"hours": ".5"}, "服务时长(小时)", "bad-hours"),
        ({"hours": "2,5"}, "服务时长(小时)", "bad-hours"),
        ({"hours": "2.55"}, "服务时长(小时)", "invalid-value"),
        ({"minutes": "120", "hours": "2.5"}, "服务时长(小时)", "durations-differ"),
    ],
)
@pytest.mark.parametrize("write", FORMATS)
def test_a_time_that_is_none_is_told_once_where_it_stands(write, changes, column, code):
    headed = next(key for key in COLUMNS if COLUMNS[key].zh == column) if write is jsonl_file else column
    assert told(write(row(**changes))) == [(1 if write is jsonl_file else 2, headed, code)]


@pytest.mark.parametrize(
    ("minutes", "hours", "expected"),
    [("90", "", 90), ("90.0", "", 90), ("９０", "", 90), ("", "1.5", 90), ("", "１．５", 90), ("", "2.50", 150),
     ("", "0.05", 3), ("150", "2.5", 150), ("", "", 150)],
)  # fmt: skip
def test_a_duration_is_whole_minutes(minutes, hours, expected):
    (entry,) = entries(csv_file(row(minutes=minutes, hours=hours)))
    assert entry.event.minutes == expected


def test_without_a_duration_the_full_minutes_between_start_and_end_count():
    (entry,) = entries(csv_file(row(start="09:00:59", end="11:30:00")))
    assert entry.event.minutes == 149
