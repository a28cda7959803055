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
from tests.bench import budgets
from tests.bench.data import SHEET, People
from tests.bench.load import get
from tests.bench.machines import Machine, call, caught_up, serving
from tests.bench.report import Report
from tests.bench.serve import SELECT
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
        self._report.add(budgets.GROWTH, self._rate_at(last), self._rate_at(first))

    def _rate_at(self, events: int) -> float:
        """The median rate over the tenth of `events` (at most 100,000) before that many were stored."""
        low = events - min(events // 2, 100_000)
        return statistics.median(rate for stored, rate in self._rates if low < stored <= events)

    def projections(self, stock: Rates, rounds: int) -> None:
        """Totals from nothing, and rebuilt beside the live tables and compared with them."""
        rate, verify = self._paired(self._catch_up, rounds)
        self._report.add(budgets.CATCH_UP, rate, verify)
        self._report.add(budgets.CATCH_UP_STOCK, rate, stock.projection)
        self._report.add(budgets.REBUILD, *self._paired(self._rebuild, rounds))

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
        self._report.add(budgets.AUDIT, *self._paired(self._audit, rounds))

    def _audit(self) -> None:
        ledger = self._ledger
        with ledger.database.read() as cursor:
            found = audit.audit(cursor, ledger.schema, ledger.region, ledger.origin).findings
        if found:
            raise RuntimeError(f"the audit found {found}")

    def _paired(self, work: Callable[[], object], rounds: int) -> tuple[float, float]:
        """Events a second of a work on the whole log, and verifications a second measured in between: medians."""
        seconds, verifying = [], []
        for _ in range(rounds):
            verifying.append(self._machine.verify())
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        return self._ledger.head().size / statistics.median(seconds), statistics.median(verifying)

    def storage(self) -> None:
        """All tables of the region with their indexes, entries and totals caught up, shared among its events."""
        self._catch_up()
        schema = self._ledger.schema
        with self._ledger.database.read() as cursor:
            cursor.execute(
                "SELECT sum(pg_total_relation_size(t.oid)) FROM pg_class t JOIN pg_namespace n ON n.oid = relnamespace"
                " WHERE relkind = 'r' AND (nspname = ANY(%s) OR (nspname = 'vault' AND relname = %s))",
                ([schema, self._totals.schema], schema),
            )
            [(stored,)] = cursor.fetchall()
            cursor.execute(f"SELECT count(*), avg(octet_length(body)) FROM {schema}.events")
            [(events, body)] = cursor.fetchall()
        self._report.add(budgets.STORED, float(stored) / events, float(body))

    def reading(self, requests: int) -> None:
        """Totals of volunteers chosen at random, over HTTP, by eight clients who signed in; then their bare rows."""
        people, table = self._people, f"{self._totals.schema}.volunteer_totals"
        with serving(self._data, self._machine.dsn) as port:
            caught_up(self._ledger, self._totals.schema)
            tokens = [_sign_in(port, people) for _ in range(_CLIENTS)]
            whom = [random.choice(people.volunteers) for _ in range(requests)]
            totals = [f"/v1/regions/{people.region}/volunteers/{name}" for name in whom]
            rows = [SELECT.format(table=table, volunteer=name.removeprefix("volunteer:")) for name in whom]
            loads = [[get(path, tokens[at % _CLIENTS]) for at, path in enumerate(paths)] for paths in (totals, rows)]
            # Taking turns, so that both meet the same machine; the first round warms up.
            pairs = [[self._machine.send(port, load, _CLIENTS).check() for load in loads] for _ in range(_ROUNDS + 1)]
        for budget, share in ((budgets.TOTALS_P50, 0.5), (budgets.TOTALS_P99, 0.99)):
            latencies = ([result.percentile_ms(share) for result in pair] for pair in pairs[1:])
            value, baseline = map(statistics.median, zip(*latencies, strict=True))
            self._report.add(budget, value, baseline)


def _sign_in(port: int, people: People) -> str:
    key = people.authority
    asked = json.dumps({"issuer": key.name, "region": people.region})
    text = json.loads(call(port, "/v1/challenges", asked.encode()))["text"]
    note = answer_challenge(text, key, f"127.0.0.1:{port}")
    token: str = json.loads(call(port, "/v1/sessions", json.dumps({"note": note}).encode()))["token"]
    return token
