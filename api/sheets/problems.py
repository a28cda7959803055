"""What can be wrong with a file of hours: one table of codes, each explained in Chinese and in English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.errors import Rejected
from ledger.texts.catalogue import read

_SHOWN_MAX: Final = 40
"""Characters of a cell that are repeated in an explanation."""

MESSAGES: Final = {key.removeprefix("sheet."): text for key, text in read("sheets").items() if key.startswith("sheet.")}
"""What is told, by code."""


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
        text = MESSAGES[self.code].filled(**self.values)
        place = None if column is None else shown(column)
        return RowProblem(row=row, column=place, code=self.code, zh=text.zh, en=text.en)


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
