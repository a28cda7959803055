"""How totals are shown in a terminal, and how the API writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from rich.table import Table

from ledger.texts.catalogue import pick
from projections.totals import STATES
from projections.views import TRANSIT, Breakdown, VolunteerTotals

STATE_NAMES: Final = {
    state: f"{text.en} {text.zh}"
    for state, text in pick("entry", ("counted", "pending", "contested", "disputed", "withdrawn", TRANSIT)).items()
}
_HEADINGS: Final = ("by_year", "by_category", "by_organisation")


def as_dict(found: Breakdown | VolunteerTotals) -> dict[str, Any]:
    """Totals as the API writes them; of a volunteer with `home` (None: this region), `move` and `served_here`."""
    if isinstance(found, Breakdown):
        return _plain({name: getattr(found, name) for name in ("total", *_HEADINGS)})
    person, here = found.person, found.served_here
    members = {"id": person.id, "home": person.elsewhere, "move": person.move and asdict(person.move)}
    return {**as_dict(found.totals), **members, "served_here": None if here is None else as_dict(here)}


def _plain(members: dict[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = json.loads(json.dumps(members, default=asdict))
    return built


def totals_table(title: str, found: dict[str, Any]) -> Table:
    """Hours by state, in all and under each heading; beneath them where else they count, or are to."""
    states = [*STATES, TRANSIT] if TRANSIT in found["total"] else STATES
    table = Table(title=title, title_justify="left", caption=_caption(found), caption_justify="left")
    table.add_column("", overflow="fold")
    for state in states:
        table.add_column(STATE_NAMES[state], justify="right")
    here = found.get("served_here")
    for name, sums in _rows(here, "served here 在本地区服务") if here else _rows(found, "total 合计"):
        table.add_row(name, *(hours(sums.get(state)) for state in states))
    return table


def _rows(found: dict[str, Any], title: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield title, found["total"]
    for heading in _HEADINGS:
        yield from sorted(found.get(heading, {}).items())


def _caption(found: dict[str, Any]) -> str | None:
    """Whether these hours count elsewhere, or are about to."""
    move = found.get("move")
    if found.get("served_here"):
        home = found["home"]
        return f"Counted in {home}, the home, and never to be added to that. 时长在归属地区 {home} 计入，不得重复相加。"
    if move and move["state"] == "offered":
        return f"On the way to {move['to']}: counted nowhere until it has arrived. 正转往 {move['to']}，转入后方计入。"
    return f"A move to {move['to']} was requested. 已申请转往 {move['to']}。" if move else None


def hours(one: dict[str, int] | None) -> str:
    return f"{one['minutes'] // 60}:{one['minutes'] % 60:02} ({one['entries']})" if one and one["entries"] else "–"
