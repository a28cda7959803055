"""What can be wrong with a file of hours: one table of codes, each explained in Chinese and in English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.errors import Rejected

_SHOWN_MAX: Final = 40
"""Characters of a cell that are repeated in an explanation."""

MESSAGES: Final[Mapping[str, tuple[str, str]]] = {
    # the file
    "too-large": ("文件过大：{limit}", "the file is too large: {limit}"),
    "unreadable": ("文件无法读取：{detail}", "the file cannot be read: {detail}"),
    "encoding": (
        "文字编码无法确定（{detail}），请另存为“CSV UTF-8”",
        "the encoding of the text is not certain ({detail}): save it as “CSV UTF-8”",
    ),
    "unsafe-xml": (
        "文件内含 DTD 声明，不予读取",
        "the file holds a document type declaration, which is not read",
    ),
    "empty": ("文件中没有任何数据行", "the file has no rows of data"),
    # the headings
    "unknown-heading": (
        "不认识的列名；不需要提交的列请在列名前加 #",
        "no such column; put # before the heading of a column that is not to be submitted",
    ),
    "duplicate-heading": ("与“{other}”是同一列", "the same column as “{other}”"),
    "missing-heading": ("第 1 行缺少这一列", "row 1 lacks this column"),
    # the rows
    "not-an-object": ("这一行不是 JSON 对象：{detail}", "the line is not a JSON object: {detail}"),
    "extra-cell": ("第 {number} 格没有列名：{value}", "cell {number} stands under no heading: {value}"),
    "missing": ("不能为空", "is required"),
    "formula-text": (
        "以 = 开头的文字会被当作公式，请填写结果",
        "text that begins with = would be taken for a formula: enter its result",
    ),
    "formula-without-value": (
        "公式没有保存计算结果，请用电子表格软件打开并保存，或填写结果",
        "a formula without a saved result: save the file in a spreadsheet program, or enter the result",
    ),
    "error-value": ("单元格是错误值 {value}", "the cell holds the error {value}"),
    "digits-lost": (
        "数字超过 15 位，电子表格已丢失末尾数字，请将该列设为文本后重新填写",
        "more than 15 digits, of which the spreadsheet has lost the last: format the column as text",
    ),
    "not-text": ("只能是文字或数字", "only text or a number can stand here"),
    "bad-character": ("含有不允许的字符 {point}", "holds the character {point}, which is not allowed"),
    "too-long": ("超过 {limit} 个字符", "longer than {limit} characters"),
    "bad-code": ("{value} 不在代码表中", "{value} is not in the list of codes"),
    "bad-date": (
        "{value} 不是日期，应如 2026-11-01",
        "{value} is no date of the form 2026-11-01",
    ),
    "bad-time": (
        "{value} 不是时间，应如 09:00 或 2026-11-01 09:00，精确到秒为止",
        "{value} is no time of the form 09:00 or 2026-11-01 09:00, in whole seconds",
    ),
    "no-date": ("只有钟点，没有日期", "a time of day without a date"),
    "date-mismatch": ("与日期列的 {other} 不一致", "not the date {other} of the date column"),
    "bad-number": ("{value} 不是整数分钟", "{value} is not a whole number of minutes"),
    "bad-hours": (
        "{value} 小时不是至多两位小数的数，或不合整数分钟",
        "{value} hours has more than two decimals, or is not a whole number of minutes",
    ),
    "durations-differ": ("与另一时长列的 {other} 分钟不一致", "not the {other} minutes of the other column"),
    "invalid-value": ("{value} 不符合要求：{expects_zh}", "{value} is not {expects_en}{detail}"),
    "not-ended": (
        "结束时间晚于现在，服务结束后才能提交",
        "ends in the future: hours are submitted after their end",
    ),
    "overlap": ("与第 {other} 行时间重叠（同一志愿者）", "overlaps row {other}, of the same volunteer"),
    "duplicate-row": ("与第 {other} 行重复", "repeats row {other}"),
    "duplicate-ref": ("与第 {other} 行的编号相同", "has the same reference as row {other}"),
}
"""Code → what is told in Chinese and in English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """One thing wrong: `row` as a spreadsheet numbers it, `column` as the file heads it, None for the whole."""

    row: int | None
    column: str | None
    code: str
    zh: str
    en: str


class Fault(Exception):
    """What is wrong with a value, before it is known where the value stands."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.code = code
        self.values = values

    def at(self, row: int | None = None, column: str | None = None) -> RowProblem:
        """The problem that this is, at its place."""
        zh, en = (text.format_map(self.values) for text in MESSAGES[self.code])
        place = None if column is None else shown(column)
        return RowProblem(row=row, column=place, code=self.code, zh=zh, en=en)


class SheetError(Rejected):
    """A file that is not submitted. `problems` lists every bad row, in the order of the rows."""

    code = "sheet"

    def __init__(self, problems: Sequence[RowProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.row or 0))
        first = self.problems[0]
        place = "the file" if first.row is None else f"row {first.row}"
        super().__init__(f"{len(self.problems)} problem(s), the first in {place}: {first.en}")


def shown(text: str) -> str:
    """A value as it is repeated to people: short, and with every character that cannot be seen named."""
    cut = text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 1] + "…"
    return "".join(char if char.isprintable() else f"<U+{ord(char):04X}>" for char in cut)
