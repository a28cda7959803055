"""Submissions over HTTP to a server as it runs in life: rules, log, checkpoints and projections on, fsync on."""

from __future__ import annotations

import statistics

from tests.bench.data import SHEET
from tests.bench.load import Result, post
from tests.bench.machines import Machine, serving
from tests.bench.report import Report
from tests.bench.stock import Rates

_SHEET_CONNECTIONS = 4
_SINGLE_CONNECTIONS = 64


def by_the_thousand(
    report: Report, machine: Machine, verify: float, stock: Rates | None, sheets: int, rounds: int
) -> None:
    """Submissions of 1,000 entries over four connections."""
    results = _send(machine, "441300", "sheets", sheets, rounds, _SHEET_CONNECTIONS)
    rate = statistics.median(result.rate for result in results) * SHEET
    name = "ingest over HTTP, 1,000 a submission"
    report.add(f"{name} / Ed25519 verify", rate, baseline=verify, target=1.5)
    if stock:
        report.add(f"{name} / stock save()", rate, baseline=stock.save, target=20)
        report.add(f"{name} / stock batches, each event verified", rate, baseline=stock.batches, target=1.5)
    report.add(f"{name}: p99", _p99(results), "ms")


def one_by_one(report: Report, machine: Machine, verify: float, singles: int, rounds: int) -> None:
    """Submissions of one entry over 64 connections."""
    results = _send(machine, "442000", "singles", singles, rounds, _SINGLE_CONNECTIONS)
    rate = statistics.median(result.rate for result in results)
    report.add("single events over HTTP, 64 clients / Ed25519 verify", rate, baseline=verify, target=0.35)
    report.add("single events over HTTP, 64 clients: p99", _p99(results), "ms", target=100)


def _send(machine: Machine, code: str, kind: str, count: int, rounds: int, connections: int) -> list[Result]:
    """Rounds of `count` submissions, after one that warms up."""
    path = f"/v1/regions/{code}/submissions"
    results = []
    with machine.region(code) as (data, _, people), serving(data, machine.dsn) as port:
        for _ in range(rounds + 1):
            bodies = people.singles(count) if kind == "singles" else people.sheets(count)
            requests = [post(path, body) for body in bodies]
            results.append(machine.send(port, requests, connections).check())
    return results[1:]


def _p99(results: list[Result]) -> float:
    return statistics.median(result.percentile_ms(0.99) for result in results)
