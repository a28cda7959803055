"""Schedules: which actions follow each other, drawn by a seed."""

from __future__ import annotations

import random
from typing import Final

from tests.simulation.actions import Action

WEIGHTS: Final = {
    "record": 14,
    "change": 12,
    "request": 9,
    "withdraw": 1,
    "twin": 4,
    "lose_key": 1,
    "trust": 2,
    "work": 16,
    "follow": 10,
    "step": 10,
    "deliver": 16,
    "arrive": 4,
    "part": 3,
    "crash": 6,
    "clock": 2,
    "back_up": 3,
    "restore": 3,
    "heal": 3,
}
_RANGE: Final = 840
"""A multiple of every small number of choices, so that all are as likely."""


def draw(seed: int, steps: int) -> tuple[int, list[Action]]:
    """How many regions there are, and what is done."""
    chance = random.Random(seed)
    regions = chance.choice((2, 2, 3, 3, 4))
    names = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=steps)
    return regions, [
        (name, chance.randrange(regions), chance.randrange(_RANGE), chance.randrange(_RANGE)) for name in names
    ]
