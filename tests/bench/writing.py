"""Submissions over HTTP to a server as it runs in life: rules, log, checkpoints and projections on, fsync on."""

from __future__ import annotations

import statistics

from tests.bench import budgets, floors
from tests.bench.data import SHEET
from tests.bench.load import Result, post
from tests.bench.machines import Machine, serving
from tests.bench.options import Scale
from tests.bench.report import Report
from tests.bench.serve import INSERT
from tests.bench.stock import Rates

_SHEET_CONNECTIONS = 4
_SINGLE_CONNECTIONS = 64


def by_the_thousand(report: Report, machine: Machine, stock: Rates, sheets: int, rounds: int) -> None:
    """Submissions of 1,000 entries over four connections."""
    verifying = []
    with machine.region("441300") as (data, ledger, people):
        path = f"/v1/regions/{people.region}/submissions"
        with serving(data, machine.dsn) as port:
            results = []
            for _ in range(rounds + 1):
                verifying.append(machine.verify())
                requests = [post(path, body) for body in people.sheets(sheets)]
                results.append(machine.send(port, requests, _SHEET_CONNECTIONS).check())
        copied = floors.copy(machine, ledger.schema)
    rate, verify = _rate(results) * SHEET, statistics.median(verifying)
    report.add(budgets.BULK, rate, verify)
    report.add(budgets.BULK_SAVE, rate, stock.save)
    report.add(budgets.BULK_STOCK, rate, stock.verified_batches)
    report.add(budgets.BULK_UNSIGNED, rate, stock.batches)
    report.add(budgets.BULK_COPY, rate, copied)
    report.add(budgets.BULK_P99, _p99(results), SHEET / verify * 1000)


def one_by_one(report: Report, machine: Machine, scale: Scale) -> None:
    """Submissions of one entry over 64 connections; then as many bare INSERTs, which arrive at the same rate."""
    inserts, verifying = floors.inserts(machine, scale.pgbench_seconds), []
    with machine.region("442000") as (data, _, people), serving(data, machine.dsn) as port:
        path = f"/v1/regions/{people.region}/submissions"
        results, floor = [], []
        for _ in range(scale.rounds + 1):
            verifying.append(machine.verify())
            bodies = people.singles(scale.singles)
            requests = [post(path, body) for body in bodies]
            results.append(machine.send(port, requests, _SINGLE_CONNECTIONS).check())
            inserting = [post(INSERT, body) for body in bodies]
            floor.append(machine.send(port, inserting, _SINGLE_CONNECTIONS, results[-1].rate).check())
    rate = _rate(results)
    report.add(budgets.SINGLES, rate, statistics.median(verifying))
    report.add(budgets.SINGLES_PGBENCH, rate, inserts)
    report.add(budgets.SINGLES_P99, _p99(results), _p99(floor))


def _rate(results: list[Result]) -> float:
    """Requests a second; the first round warms up."""
    return statistics.median(result.rate for result in results[1:])


def _p99(results: list[Result]) -> float:
    return statistics.median(result.percentile_ms(0.99) for result in results[1:])
