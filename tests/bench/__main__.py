"""`python -m tests.bench`: measure, print a table, write JSON."""

from __future__ import annotations

import argparse
import gc
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from tests.bench import machines, moving, primitives, proving, stock, writing
from tests.bench.report import Report
from tests.bench.stock import Rates
from tests.bench.stored import Large

SUBJECTS = ("ingest", "singles", "projections", "audit", "reading", "growth", "proofs", "moving")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything."""

    primitive_seconds: float = 3.5
    saves: int = 2_000
    stock_batches: int = 30
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


QUICK = Scale(
    primitive_seconds=0.7,
    saves=200,
    stock_batches=4,
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


def measure(report: Report, scale: Scale, subjects: frozenset[str]) -> None:
    """Everything about the subjects, and the baselines always."""
    with machines.started() as machine:
        verify = primitives.measure(report, scale.primitive_seconds)
        baseline = None
        if subjects & {"ingest", "projections"}:
            with machine.region("441400") as (_, _, people):
                bodies = people.bodies(scale.stock_batches)
            baseline = stock.measure(report, machine.dsn, bodies, scale.saves)
        if "ingest" in subjects:
            writing.by_the_thousand(report, machine, verify, baseline, scale.sheets, scale.rounds)
        if "singles" in subjects:
            writing.one_by_one(report, machine, verify, scale.singles, scale.rounds)
        if "proofs" in subjects:
            proving.measure(report, machine, scale.proofs, scale.bulk)
        if "moving" in subjects:
            moving.measure(report, machine, scale.life, scale.movers, scale.entries)
        if subjects & {"projections", "audit", "reading", "growth"}:
            with machine.region("441900") as (data, ledger, people):
                _on_a_large_log(Large(report, machine, data, ledger, people), scale, subjects, baseline)


def _on_a_large_log(large: Large, scale: Scale, subjects: frozenset[str], baseline: Rates | None) -> None:
    if subjects - {"growth"}:
        large.fill(scale.stored)
    if "projections" in subjects:
        large.projections(baseline, scale.rounds)
    if "audit" in subjects:
        large.audit(scale.rounds)
    if "reading" in subjects:
        large.reading(scale.reads)
    if "growth" in subjects:
        large.growth(scale.growth_from, scale.growth)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure against the budgets.")
    parser.add_argument("--only", action="append", choices=SUBJECTS, help="this subject (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="less than a minute, and as rough")
    parser.add_argument("--full", action="store_true", help="1 million events stored, growth to 5 million")
    parser.add_argument("--stored", type=int, metavar="N", help="events stored for projections, audit and reading")
    parser.add_argument("--growth", type=int, metavar="N", help="events up to which growth is measured")
    parser.add_argument("--json", type=Path, default=Path("var/bench.json"), metavar="PATH")
    arguments = parser.parse_args()
    scale = QUICK if arguments.quick else FULL if arguments.full else Scale()
    for name in ("stored", "growth"):
        if (number := getattr(arguments, name)) is not None:
            scale = replace(scale, **{name: number})
    console = Console()
    report = Report(console)
    measure(report, scale, frozenset(arguments.only or SUBJECTS))
    report.save(arguments.json)
    console.print(report.table())


if __name__ == "__main__":
    gc.set_threshold(100_000, 50, 100)
    main()
