"""The columns of a file of hours: one table, from which reading, messages and the documentation come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from api.sheets import values
from ledger.codes import CATEGORIES, EVIDENCE
from ledger.limits import ENTRY_MINUTES_MAX, LONG_TEXT_MAX, SHORT_TEXT_MAX

COMMENT: Final = "#"
"""A heading that begins with it marks a column that is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. `key` is its English heading and its field in JSON lines, `zh` its Chinese heading."""

    key: str
    zh: str
    expects_zh: str
    expects_en: str
    other: tuple[str, ...] = ()
    """Further headings."""
    required: bool = True
    """The column must be there, and every row must fill it."""
    ignored: bool = False
    """For people's eyes: never read into an event."""
    parse: Callable[[str], Any] = str
    """From the text of a cell to its value; raises Fault."""


_SHORT_ZH: Final = f"1 至 {SHORT_TEXT_MAX} 个字符"
_SHORT_EN: Final = f"1 to {SHORT_TEXT_MAX} characters"
_ALL: Final = (
    Column(
        key="volunteer",
        zh="志愿者编号",
        expects_zh="志愿者的 UUID，前面可写 volunteer:",
        expects_en="the volunteer's UUID, with or without volunteer: before it",
        parse=values.parse_volunteer,
    ),
    Column(
        key="activity",
        zh="活动编号",
        expects_zh="已发布活动的 UUID",
        expects_en="the UUID of a published activity",
        parse=values.parse_activity,
    ),
    Column(key="activity_name", zh="活动名称", expects_zh=_SHORT_ZH, expects_en=_SHORT_EN),
    Column(
        key="category",
        zh="服务类别",
        expects_zh="18 个服务类别之一，写代码或名称",
        expects_en="one of the 18 categories, by code or name",
        parse=values.code_of(CATEGORIES),
    ),
    Column(
        key="content",
        zh="服务内容",
        expects_zh=f"1 至 {LONG_TEXT_MAX} 个字符，不能换行",
        expects_en=f"1 to {LONG_TEXT_MAX} characters without line breaks",
    ),
    Column(
        key="date",
        zh="日期",
        other=("服务日期",),
        required=False,
        expects_zh="开始的日期；开始时间已含日期时可省略",
        expects_en="the day of the start; not needed where the start holds it",
        parse=values.parse_day,
    ),
    Column(
        key="start",
        zh="开始时间",
        expects_zh="钟点，或日期和钟点；不写时区即 +08:00",
        expects_en="a time of day, or a date with one; without an offset it is +08:00",
        parse=values.parse_moment,
    ),
    Column(
        key="end",
        zh="结束时间",
        expects_zh="晚于开始；只写钟点且早于开始的，为次日",
        expects_en="after the start; a mere time of day earlier than the start is of the next day",
        parse=values.parse_moment,
    ),
    Column(
        key="minutes",
        zh="服务时长(分钟)",
        required=False,
        expects_zh=f"整数分钟，1 至 {ENTRY_MINUTES_MAX}，不超过起止之间的时间；不填即起止之间的整分钟数",
        expects_en=(
            f"whole minutes, 1 to {ENTRY_MINUTES_MAX}, at most the time between start and end; "
            "left blank, the full minutes between them"
        ),
        parse=values.parse_minutes,
    ),
    Column(
        key="hours",
        zh="服务时长(小时)",
        required=False,
        expects_zh="小时，至多两位小数，须合整数分钟（如 2.5；2.33 不可）；与分钟二选一",
        expects_en="hours, at most two decimals, of whole minutes in all (2.5, not 2.33); instead of minutes",
        parse=values.parse_hours,
    ),
    Column(key="place", zh="地点", other=("服务地点",), expects_zh=_SHORT_ZH, expects_en=_SHORT_EN),
    Column(
        key="region",
        zh="地区代码",
        expects_zh="服务地点的六位行政区划代码（GB/T 2260）",
        expects_en="the six-digit code of the place's region (GB/T 2260)",
        parse=values.narrow,
    ),
    Column(key="responsible", zh="负责人", other=("活动负责人",), expects_zh=_SHORT_ZH, expects_en=_SHORT_EN),
    Column(key="recorder", zh="记录人", expects_zh=_SHORT_ZH, expects_en=_SHORT_EN),
    Column(
        key="evidence",
        zh="凭证等级",
        required=False,
        expects_zh="现场签到、人工录入或外部导入，或其代码；不填即人工录入",
        expects_en="check-in, manual or imported; left blank, manual",
        parse=values.code_of(EVIDENCE),
    ),
    Column(
        key="ref",
        zh="行号",
        other=("row id",),
        required=False,
        expects_zh="该行在本单位系统中的固定编号，用于发现已经提交过的行；不写入记录",
        expects_en="what names the row in your own system, to find rows submitted before; not recorded",
        parse=values.parse_ref,
    ),
    Column(
        key="name",
        zh="姓名",
        required=False,
        ignored=True,
        expects_zh="仅供人核对，不读取、不提交",
        expects_en="for people to check by; neither read nor submitted",
    ),
    Column(
        key="remark",
        zh="备注",
        required=False,
        ignored=True,
        expects_zh="仅供人核对，不读取、不提交",
        expects_en="for people to check by; neither read nor submitted",
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
