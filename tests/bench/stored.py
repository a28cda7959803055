"""A large log: what it costs to add to it, to follow it, to audit it and to read from it."""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from api.client.sign_in import answer_challenge
from ledger.app.ledger import Ledger
from ledger.audit import log as audit
from projections import engine
from projections.totals import Totals
from tests.bench.data import SHEET, People
from tests.bench.load import get
from tests.bench.machines import Machine, call, caught_up, serving
from tests.bench.report import Report
from tests.bench.stock import Rates

_BLOCK = 20
"""Submissions timed together."""
_CLIENTS = 8
_ROUNDS = 3


class Large:
    """A log filled by `Ledger.commit`, without HTTP and projections, and what is measured on it."""

    def __init__(self, report: Report, machine: Machine, data: Path, ledger: Ledger, people: People) -> None:
        self._report = report
        self._machine = machine
        self._data = data
        self._ledger = ledger
        self._people = people
        self._totals = Totals(ledger.database, ledger.schema)
        self._rates: list[tuple[int, float]] = []
        """Events stored, and the rate at which the last of them were prepared and committed."""

    def fill(self, events: int) -> None:
        """Go on until there are so many hours entries."""
        stored = self._rates[-1][0] if self._rates else 0
        while stored < events:
            requests = list(self._people.sheets(_BLOCK))
            start = time.perf_counter()
            for request in requests:
                self._ledger.submit(request)
            count = len(requests) * SHEET
            stored += count
            self._rates.append((stored, count / (time.perf_counter() - start)))

    def growth(self, first: int, last: int) -> None:
        """Ingest when `last` events are stored, against ingest when `first` were."""
        self.fill(last)
        before, after = self._rate_at(first), self._rate_at(last)
        name = f"ingest without HTTP at {last:,} events stored / at {first:,}"
        self._report.add(name, after, baseline=before, target=0.8)

    def _rate_at(self, events: int) -> float:
        """The median rate over the tenth of `events` (at most 100,000) before that many were stored."""
        low = events - min(events // 2, 100_000)
        return statistics.median(rate for stored, rate in self._rates if low < stored <= events)

    def projections(self, stock: Rates | None, rounds: int) -> None:
        """Totals from nothing, and rebuilt beside the live tables and compared with them."""
        size = self._ledger.head().size
        rate = size / _seconds(self._catch_up, rounds)
        self._report.add("projection catch-up, entries and totals", rate, target=90_000)
        if stock:
            name = "projection catch-up / stock ProjectionRunner"
            self._report.add(name, rate, baseline=stock.projection, target=45)
        rate = size / _seconds(self._rebuild, rounds)
        self._report.add("projection rebuild, with comparison and swap", rate, target=90_000)

    def _catch_up(self) -> None:
        totals = self._totals
        with totals.database.transaction() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {totals.schema} CASCADE")
            totals.create(cursor)
        with contextlib.closing(engine.Feed(self._ledger)) as feed:
            while engine.advance(totals, self._ledger.name, feed):
                pass

    def _rebuild(self) -> None:
        if any(engine.rebuild(self._totals, self._ledger).differences.values()):
            raise RuntimeError("the rebuilt tables differ from the live ones")

    def audit(self, rounds: int) -> None:
        """The whole log from bodies up."""
        self._report.add("audit", self._ledger.head().size / _seconds(self._audit, rounds), target=100_000)

    def _audit(self) -> None:
        ledger = self._ledger
        with ledger.database.read() as cursor:
            found = audit.audit(cursor, ledger.schema, ledger.region, ledger.origin).findings
        if found:
            raise RuntimeError(f"the audit found {found}")

    def reading(self, requests: int) -> None:
        """Totals of volunteers chosen at random, over HTTP, by eight clients who signed in."""
        people, size = self._people, self._ledger.head().size
        with serving(self._data, self._machine.dsn) as port:
            caught_up(self._ledger, self._totals.schema)
            tokens = [_sign_in(port, people) for _ in range(_CLIENTS)]
            paths = [f"/v1/regions/{people.region}/volunteers/{name}" for name in people.volunteers]
            made = [get(random.choice(paths), tokens[number % _CLIENTS]) for number in range(requests)]
            results = [self._machine.send(port, made, _CLIENTS).check() for _ in range(_ROUNDS)]
        name = f"totals of a volunteer over HTTP, 8 clients, {size:,} events stored"
        for share, target in ((0.5, None), (0.99, 10)):
            latency = statistics.median(result.percentile_ms(share) for result in results)
            self._report.add(f"{name}: p{share * 100:.0f}", latency, "ms", target=target)


def _sign_in(port: int, people: People) -> str:
    key = people.authority
    asked = json.dumps({"issuer": key.name, "region": people.region})
    text = json.loads(call(port, "/v1/challenges", asked.encode()))["text"]
    note = answer_challenge(text, key, f"127.0.0.1:{port}")
    token: str = json.loads(call(port, "/v1/sessions", json.dumps({"note": note}).encode()))["token"]
    return token


def _seconds(work: Callable[[], object], rounds: int) -> float:
    """How long it takes: the median of rounds."""
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return statistics.median(found)
