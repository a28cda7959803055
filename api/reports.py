"""How totals are shown in a terminal, and how the API writes them."""

from __future__ import annotations

import json
from typing import Any, Final

from rich.table import Table

from projections.totals import STATES
from projections.views import Breakdown

STATE_NAMES: Final = {
    "counted": "counted 计入",
    "pending": "pending 待核准",
    "contested": "contested 时间重叠",
    "disputed": "disputed 有异议",
    "withdrawn": "withdrawn 已撤回",
}


def as_dict(found: Breakdown) -> dict[str, Any]:
    """A breakdown as the API writes it."""
    one = {"total": found.total} | {"by_year": found.by_year} | {"by_category": found.by_category}
    built: dict[str, Any] = json.loads(json.dumps(one | {"by_organisation": found.by_organisation}, default=_sum))
    return built


def _sum(value: Any) -> dict[str, int]:
    return {"minutes": value.minutes, "entries": value.entries}


def totals_table(title: str, found: dict[str, Any]) -> Table:
    """Hours by state, in all and under each heading."""
    table = Table(title=title, title_justify="left")
    table.add_column("", overflow="fold")
    for state in STATES:
        table.add_column(STATE_NAMES[state], justify="right")
    table.add_row("total 合计", *(hours(found["total"].get(state)) for state in STATES))
    for heading in ("by_year", "by_category", "by_organisation"):
        for name, sums in sorted(found.get(heading, {}).items()):
            table.add_row(name, *(hours(sums.get(state)) for state in STATES))
    return table


def hours(one: dict[str, int] | None) -> str:
    return f"{one['minutes'] // 60}:{one['minutes'] % 60:02} ({one['entries']})" if one and one["entries"] else "–"
