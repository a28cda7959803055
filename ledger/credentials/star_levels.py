"""Star levels as credentials state them."""

from __future__ import annotations

from ledger.codes import chinese_of
from ledger.credentials import model
from ledger.errors import Invalid
from ledger.schemes.recognition import Recognised, explain


def to_star_level(found: Recognised, region: str) -> model.StarLevel:
    """The level as a credential of the region states it; raise Invalid when none is reached."""
    if found.reached is None:
        raise Invalid(f"no level of {found.scheme.reference} is reached")
    return model.StarLevel(
        scheme=found.scheme.reference,
        level=found.level,
        title=found.reached.title.to(chinese_of(region)),
        title_en=found.reached.title.en,
        minutes=found.minutes,
    )


def to_statement(found: Recognised, region: str) -> model.StarStatement:
    """What a region states about the level, with its explanation; raise Invalid when none is reached."""
    return model.StarStatement(
        region=region,
        day=found.day.isoformat(),
        star=to_star_level(found, region),
        explanation=explain(found, chinese_of(region)),
        explanation_en=explain(found, "en"),
    )
