"""Star levels as credentials state them."""

from __future__ import annotations

from ledger.codes import writes_traditional
from ledger.credentials import model
from ledger.errors import Invalid
from ledger.schemes.recognition import Recognised, explain
from ledger.schemes.scheme import Language


def to_star_level(found: Recognised, region: str) -> model.StarLevel:
    """The level as a credential of the region states it; raise Invalid when none is reached."""
    if found.reached is None:
        raise Invalid(f"no level of {found.scheme.reference} is reached")
    return model.StarLevel(
        scheme=found.scheme.reference,
        level=found.level,
        title=found.reached.title.to(_chinese(region)),
        title_en=found.reached.title.en,
        minutes=found.minutes,
    )


def _chinese(region: str) -> Language:
    return "zh_hant" if writes_traditional(region) else "zh"


def to_statement(found: Recognised, region: str) -> model.StarStatement:
    """What a region states about the level, with its explanation; raise Invalid when none is reached."""
    return model.StarStatement(
        region=region,
        day=found.day.isoformat(),
        star=to_star_level(found, region),
        explanation=explain(found, _chinese(region)),
        explanation_en=explain(found, "en"),
    )
