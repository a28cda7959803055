"""What `python -m tests.bench` is asked for: subjects, and how much of everything."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SUBJECTS = ("ingest", "singles", "projections", "audit", "storage", "reading", "growth", "proofs", "moving")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything."""

    primitive_seconds: float = 2.1
    saves: int = 2_000
    stock_batches: int = 30
    pgbench_seconds: int = 5
    rounds: int = 3
    sheets: int = 40
    singles: int = 8_000
    stored: int = 200_000
    reads: int = 4_000
    growth: int = 400_000
    growth_from: int = 100_000
    proofs: int = 100
    bulk: int = 5_000
    life: int = 10_000
    movers: int = 1_000
    entries: int = 100

    def __str__(self) -> str:
        return f"{self.stored:,} events stored, rounds: {self.rounds}"


QUICK = Scale(
    primitive_seconds=0.7,
    saves=200,
    stock_batches=4,
    pgbench_seconds=1,
    rounds=1,
    sheets=8,
    singles=1_000,
    stored=40_000,
    reads=500,
    growth=60_000,
    growth_from=20_000,
    proofs=20,
    bulk=100,
    life=1_000,
    movers=20,
    entries=20,
)
FULL = Scale(rounds=5, stored=1_000_000, growth=5_000_000)


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    scale: Scale
    subjects: frozenset[str]
    json: Path


def parse(arguments: Sequence[str] | None = None) -> Options:
    """The options of a command line; ends the program when they make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure, as ratios to baselines of the same run."
    )
    only = f"these subjects, with commas or repeated: {', '.join(SUBJECTS)}"
    parser.add_argument("--only", action="extend", type=_subjects, metavar="SUBJECT", help=only)
    parser.add_argument("--quick", action="store_true", help="about a minute, and as rough")
    parser.add_argument("--full", action="store_true", help="1 million events stored, growth to 5 million")
    parser.add_argument("--stored", type=int, metavar="N", help="events stored for projections, audit and reading")
    parser.add_argument("--growth", type=int, metavar="N", help="events up to which growth is measured")
    parser.add_argument("--json", type=Path, default=Path("var/bench.json"), metavar="PATH")
    asked = parser.parse_args(arguments)
    scale = QUICK if asked.quick else FULL if asked.full else Scale()
    for name in ("stored", "growth"):
        if (number := getattr(asked, name)) is not None:
            scale = replace(scale, **{name: number})
    return Options(scale, frozenset(asked.only or SUBJECTS), asked.json)


def _subjects(text: str) -> list[str]:
    subjects = text.split(",")
    if unknown := [subject for subject in subjects if subject not in SUBJECTS]:
        raise argparse.ArgumentTypeError(f"no such subject: {unknown[0]!r} (choose from {', '.join(SUBJECTS)})")
    return subjects
