"""The rows of a report, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.budgets import Budget

_CAPTION = "≥ large is good, ≤ small is good; baselines of this run"


@dataclass(frozen=True, slots=True)
class Row:
    """What a budget came to: the value, that of its baseline, and value / baseline."""

    budget: Budget
    value: float
    baseline: float

    @property
    def ratio(self) -> float:
        return self.value / self.baseline

    @property
    def is_met(self) -> bool | None:
        return self.budget.is_met(self.ratio)

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        budget, met = self.budget, {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[self.is_met]
        value, baseline = (_figure(figure, budget.unit) for figure in (self.value, self.baseline))
        return budget.name, value, baseline, _number(self.ratio), budget.target_text, met

    def members(self) -> dict[str, str | float | None]:
        """The row of the JSON; four significant digits, as more would be noise."""
        value, baseline, ratio = (float(f"{figure:.4g}") for figure in (self.value, self.baseline, self.ratio))
        return {
            "name": self.budget.name,
            "value": value,
            "unit": self.budget.unit,
            "of": self.budget.of,
            "baseline": baseline,
            "ratio": ratio,
            "target": self.budget.target,
        }


class Report:
    """Rows in the order measured, each told as soon as it is known."""

    def __init__(self, console: Console, title: str) -> None:
        self.rows: list[Row] = []
        self._console = console
        self._title = title

    def add(self, budget: Budget, value: float, baseline: float) -> None:
        """One more row."""
        row = Row(budget, value, baseline)
        self.rows.append(row)
        self._console.print(f"  {budget.name}: {_number(row.ratio)}", highlight=False)

    def table(self) -> Table:
        """All rows within 80 columns, and whether their targets are met."""
        table = Table(title=self._title, caption=_CAPTION, box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("work × baseline", no_wrap=True)
        for heading in ("work", "baseline", "ratio", "target", ""):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self.rows:
            table.add_row(*row.cells())
        return table

    def save(self, path: Path) -> None:
        """Write all rows as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([row.members() for row in self.rows], ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")


def _figure(value: float, unit: str) -> str:
    return _number(value) + (unit if unit == "/s" else f" {unit}")


def _number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.{3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0}f}"
