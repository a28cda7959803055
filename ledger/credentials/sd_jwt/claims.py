"""What an SD-JWT says of a statement, claim by claim, and what of it can be shown alone.

Beside the exact numbers stand thresholds that were reached, `at_least`, so that a holder can show "at least 100 hours
in 2026, emergency rescue" and nothing else. A threshold that was not reached has no claim: it cannot be asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ledger.codes import CATEGORIES, EVIDENCE
from ledger.credentials.model import ServiceStatement, StarLevel, StarStatement, Statement
from ledger.credentials.sd_jwt.disclosures import Hider
from ledger.errors import Invalid
from ledger.limits import PROOF_LINES_MAX

THRESHOLDS: Final = (20, 50, 100, 300, 600, 1000, 1500)
"""Hours that can be shown to have been reached."""
SCOPES_MAX: Final = 64
"""Scopes of thresholds in one token: all, each year, each category, each category of a year; decoys fill them up."""
MEMBERS: Final = 16
"""Digests at the top of a token, decoys among them: whether there is a name or a star does not show."""

Minutes = Mapping[tuple[int, str], int]
"""Minutes by calendar year and category."""


def members(statement: Statement, name: str | None, years: Minutes | None, hider: Hider) -> dict[str, Any]:
    """The hidden claims of a statement, still to be hidden themselves by `hider.members(…, MEMBERS)`.

    `name`, and either of a service statement `first`, `last`, `minutes`, `entries`, `categories`, `grades`, `lines`,
    `others`, `filter`, `star`, `note` and `at_least`, or of a star statement `day`, `star`, `explanation` and
    `explanation_en`. Arrays of categories, grades, lines and `at_least` hide each element by itself; `star` hides its
    minutes. `years` splits the minutes of a period longer than a calendar year; without it such a statement has no
    thresholds by year. Raise Invalid when it does not add up to the statement.
    """
    named = {} if name is None else {"name": name}
    if isinstance(statement, StarStatement):
        plain = {"day": statement.day, "star": _star(statement.star, hider)}
        texts = {"explanation": list(statement.explanation), "explanation_en": list(statement.explanation_en)}
        return named | plain | texts
    claims: dict[str, Any] = msgspec.to_builtins(statement)
    for hidden in ("kind", "region"):
        del claims[hidden]
    for array, count in (("categories", len(CATEGORIES)), ("grades", len(EVIDENCE)), ("lines", PROOF_LINES_MAX)):
        claims[array] = hider.elements(claims[array], count)
    if isinstance(statement.star, StarLevel):
        claims["star"] = _star(statement.star, hider)
    return named | claims | {"at_least": _at_least(statement, years, hider)}


def _star(star: StarLevel, hider: Hider) -> dict[str, Any]:
    claims: dict[str, Any] = msgspec.to_builtins(star)
    return claims | hider.members({"minutes": claims.pop("minutes")}, 1)


def _at_least(statement: ServiceStatement, years: Minutes | None, hider: Hider) -> list[dict[str, str]]:
    """`{year?, category?, hours: […]}` per scope, each of `hours` hidden by itself: a scope tells of no other."""
    values = []
    for year, category, minutes in _scopes(statement, years)[:SCOPES_MAX]:
        scope = ({} if year is None else {"year": year}) | ({} if category is None else {"category": category})
        reached = [hours for hours in THRESHOLDS if minutes >= hours * 60]
        values.append({**scope, "hours": hider.elements(reached, len(THRESHOLDS))})
    return hider.elements(values, SCOPES_MAX)


def _scopes(statement: ServiceStatement, years: Minutes | None) -> list[tuple[int | None, str | None, int]]:
    """Year, category and minutes of each scope that reached a threshold, the least specific and the latest first."""
    found: list[tuple[int | None, str | None, int]] = [(None, None, statement.minutes)]
    found += [(None, one.category, one.minutes) for one in statement.categories]
    by_year: defaultdict[int, int] = defaultdict(int)
    split = sorted(_years(statement, years).items(), reverse=True)
    for (year, _), minutes in split:
        by_year[year] += minutes
    found += [(year, None, minutes) for year, minutes in by_year.items()]
    found += [(year, category, minutes) for (year, category), minutes in split]
    return [scope for scope in found if scope[2] >= THRESHOLDS[0] * 60]


def _years(statement: ServiceStatement, years: Minutes | None) -> Minutes:
    first, last = int(statement.first[:4]), int(statement.last[:4])
    whole = {one.category: one.minutes for one in statement.categories}
    if years is None:
        return {(first, category): minutes for category, minutes in whole.items()} if first == last else {}
    summed: defaultdict[str, int] = defaultdict(int)
    for (year, category), minutes in years.items():
        if not first <= year <= last:
            raise Invalid(f"minutes of {year}, outside the statement's period")
        summed[category] += minutes
    if summed != whole:
        raise Invalid("the minutes by year do not add up to those by category")
    return years
