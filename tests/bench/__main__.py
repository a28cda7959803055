"""`python -m tests.bench`: measure, print a table, write JSON."""

from __future__ import annotations

import gc

from rich.console import Console

from tests.bench import machines, moving, options, primitives, proving, stock, writing
from tests.bench.machines import Machine
from tests.bench.options import Scale
from tests.bench.report import Report
from tests.bench.stock import Rates
from tests.bench.stored import Large

_ON_A_LARGE_LOG = frozenset({"projections", "audit", "storage", "reading", "growth"})


def measure(report: Report, scale: Scale, subjects: frozenset[str]) -> None:
    """Everything about the subjects, and the baselines that they need."""
    with machines.started(scale.primitive_seconds) as machine:
        primitives.measure(report, scale.primitive_seconds)
        rates = _stock(machine, scale) if subjects & {"ingest", "projections"} else None
        if "ingest" in subjects and rates:
            writing.by_the_thousand(report, machine, rates, scale.sheets, scale.rounds)
        if "singles" in subjects:
            writing.one_by_one(report, machine, scale)
        if "proofs" in subjects:
            proving.measure(report, machine, scale.proofs, scale.bulk)
        if "moving" in subjects:
            moving.measure(report, machine, scale.life, scale.movers, scale.entries)
        if subjects & _ON_A_LARGE_LOG:
            with machine.region("441900") as (data, ledger, people):
                _on_a_large_log(Large(report, machine, data, ledger, people), scale, subjects, rates)


def _stock(machine: Machine, scale: Scale) -> Rates:
    with machine.region("441400") as (_, _, people):
        bodies = people.bodies(scale.stock_batches)
    return stock.measure(machine.dsn, bodies, scale.saves)


def _on_a_large_log(large: Large, scale: Scale, subjects: frozenset[str], rates: Rates | None) -> None:
    if subjects & _ON_A_LARGE_LOG - {"growth"}:
        large.fill(scale.stored)
    if "projections" in subjects and rates:
        large.projections(rates, scale.rounds)
    if "audit" in subjects:
        large.audit(scale.rounds)
    if "storage" in subjects:
        large.storage()
    if "reading" in subjects:
        large.reading(scale.reads)
    if "growth" in subjects:
        large.growth(scale.growth_from, scale.growth)


def main() -> None:
    asked = options.parse()
    console = Console()
    report = Report(console, f"Yongzhi 永志: {asked.scale}")
    measure(report, asked.scale, asked.subjects)
    report.save(asked.json)
    console.print(report.table())


if __name__ == "__main__":
    gc.set_threshold(100_000, 50, 100)
    main()
