"""The columns of a file of hours: one table, from which reading, messages and the documentation come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.sheets import values
from ledger.codes import CATEGORIES, EVIDENCE
from ledger.limits import ENTRY_MINUTES_MAX, LONG_TEXT_MAX, SHORT_TEXT_MAX
from ledger.texts import catalogue as texts
from ledger.texts.text import Text

COMMENT: Final = "#"
"""A heading that begins with it marks a column that is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. `key` is its English heading and its field in JSON lines, `zh` its Chinese heading."""

    key: str
    zh: str
    other: tuple[str, ...] = ()
    """Further headings."""
    required: bool = True
    """The column must be there, and every row must fill it."""
    ignored: bool = False
    """For people's eyes: never read into an event."""
    parse: Callable[[str], Any] = str
    """From the text of a cell to its value; raises Fault."""

    @property
    def expects(self) -> Text:
        """What a cell has to hold."""
        text = texts.find(f"expects.{self.key}")
        return text.filled(short=SHORT_TEXT_MAX, long=LONG_TEXT_MAX, minutes=ENTRY_MINUTES_MAX)


_ALL: Final = (
    Column(
        key="volunteer",
        zh="志愿者编号",
        parse=values.parse_volunteer,
    ),
    Column(
        key="activity",
        zh="活动编号",
        parse=values.parse_activity,
    ),
    Column(key="activity_name", zh="活动名称"),
    Column(
        key="category",
        zh="服务类别",
        parse=values.code_of(CATEGORIES),
    ),
    Column(
        key="content",
        zh="服务内容",
    ),
    Column(
        key="date",
        zh="日期",
        other=("服务日期",),
        required=False,
        parse=values.parse_day,
    ),
    Column(
        key="start",
        zh="开始时间",
        parse=values.parse_moment,
    ),
    Column(
        key="end",
        zh="结束时间",
        parse=values.parse_moment,
    ),
    Column(
        key="minutes",
        zh="服务时长(分钟)",
        required=False,
        parse=values.parse_minutes,
    ),
    Column(
        key="hours",
        zh="服务时长(小时)",
        required=False,
        parse=values.parse_hours,
    ),
    Column(key="place", zh="地点", other=("服务地点",)),
    Column(
        key="region",
        zh="地区代码",
        parse=values.narrow,
    ),
    Column(key="responsible", zh="负责人", other=("活动负责人",)),
    Column(key="recorder", zh="记录人"),
    Column(
        key="evidence",
        zh="凭证等级",
        required=False,
        parse=values.code_of(EVIDENCE),
    ),
    Column(
        key="ref",
        zh="行号",
        other=("row id",),
        required=False,
        parse=values.parse_ref,
    ),
    Column(
        key="name",
        zh="姓名",
        required=False,
        ignored=True,
    ),
    Column(
        key="remark",
        zh="备注",
        required=False,
        ignored=True,
    ),
)
COLUMNS: Final[Mapping[str, Column]] = {column.key: column for column in _ALL}
"""Every column by its key, in the order in which they are documented."""
TIMES: Final = frozenset({"date", "start", "end"})
"""Where a bare number in a spreadsheet is a day or a time that lost its format."""

_HEADINGS: Final = {values.fold(name): column for column in _ALL for name in (column.key, column.zh, *column.other)}


def find(heading: str) -> Column | None:
    """The column that a heading names, however it is typed."""
    return _HEADINGS.get(values.fold(heading))


def is_comment(heading: str) -> bool:
    """Whether the column is marked as not to be read."""
    return values.narrow(heading).startswith(COMMENT)


def label(column: Column) -> str:
    """A column as it is named where the file does not name it."""
    return f"{column.zh} {column.key}"
