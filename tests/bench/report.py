"""The rows of a report, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

_SMALL = frozenset({"ms", "s"})
"""Units of what is to be small."""


@dataclass(frozen=True, slots=True)
class Row:
    """A measured value. The target is one of the ratio where there is a baseline, otherwise of the value."""

    name: str
    value: float
    unit: str
    baseline: float | None
    ratio: float | None
    target: float | None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met, if there is one; times are to be small, all else large."""
        if self.target is None:
            return None
        if self.ratio is not None:
            return self.ratio >= self.target
        return self.value <= self.target if self.unit in _SMALL else self.value >= self.target

    @property
    def target_text(self) -> str:
        if self.target is None:
            return ""
        if self.ratio is not None:
            return f"≥ {self.target:g} ×"
        return f"{'≤' if self.unit in _SMALL else '≥'} {self.target:,g} {self.unit}"


class Report:
    """Rows in the order measured, each told as soon as it is known."""

    def __init__(self, console: Console) -> None:
        self.rows: list[Row] = []
        self._console = console

    def add(
        self, name: str, value: float, unit: str = "/s", *, baseline: float | None = None, target: float | None = None
    ) -> None:
        ratio = value / baseline if baseline else None
        row = Row(name, _short(value) or 0.0, unit, _short(baseline), _short(ratio), target)
        self.rows.append(row)
        self._console.print(f"  {name}: {row.value:,g} {unit}", highlight=False)

    def table(self) -> Table:
        """All rows, and whether their targets are met."""
        table = Table("measured", title="Yongzhi 永志: budgets")
        for heading in ("value", "baseline", "ratio", "target", ""):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in self.rows:
            met = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[row.is_met]
            value = f"{row.value:,g} {row.unit}"
            baseline = "" if row.baseline is None else f"{row.baseline:,g}"
            ratio = "" if row.ratio is None else f"{row.ratio:.2f} ×"
            table.add_row(row.name, value, baseline, ratio, row.target_text, met)
        return table

    def save(self, path: Path) -> None:
        """Write all rows as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([asdict(row) for row in self.rows], ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")


def _short(value: float | None) -> float | None:
    """Four significant digits: more would be noise."""
    return None if value is None else float(f"{value:.4g}")
