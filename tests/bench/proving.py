"""What a proof of service costs: issued singly and by the school term, rendered, checked without a network."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence

from api.deployment import data_folder
from api.service.proving import Ask
from api.service.region import Region
from api.service.service import Service
from ledger.credentials.checking import reading, verify
from ledger.credentials.holdings import Request
from projections.engine import catch_up
from projections.totals import Totals
from tests.bench import budgets, floors
from tests.bench.machines import Machine
from tests.bench.report import Report

_WARM = 5
_BASE = "https://bench.example"


def measure(report: Report, machine: Machine, singly: int, many: int) -> None:
    """Proofs over the record of a region that runs as a server runs it, but without HTTP."""
    with machine.region("441500") as (data, ledger, people), data_folder.opened(data, machine.dsn) as opened:
        for sheet in people.sheets(20):
            ledger.submit(sheet)
        opened.change_proof_keys(people.region, _BASE)
        catch_up(Totals(ledger.database, ledger.schema), ledger)
        with contextlib.closing(Service(opened)) as service:
            region = service.region(people.region)
            request = Request(kind="service", first="2000-01-01", last="2100-01-01", named=True, star=True)
            # One in ten has nothing but entries that wait for approval.
            counted = [one for number, one in enumerate(people.volunteers) if number % 10 != 9]
            page_ms = floors.page_ms(machine)
            _singly(report, service, region, counted, request, singly, page_ms)
            rate = _many(region, people.authority.name, counted, request, many)
            report.add(budgets.BULK_PROOFS, rate, 1000 / page_ms)


def _singly(
    report: Report,
    service: Service,
    region: Region,
    volunteers: Sequence[str],
    request: Request,
    count: int,
    page_ms: float,
) -> None:
    proving, issued, rendered, checked, opened = region.proofs.proving, Times(), Times(), Times(), Times()
    trust, lists = service.checking.trust(), service.checking.status_list
    now = region.ledger.now()
    for volunteer in volunteers[: count + _WARM]:
        with issued.taken():
            made = proving.issue(Ask(volunteer, request))
        region.publisher.publish()  # a server signs within a second; the wait is not counted
        with issued.more():
            pdf = region.certificate(made.proof)
        with rendered.taken():
            region.certificate(made.proof)
        with checked.taken():
            verdict = verify.check(reading.read(pdf), trust, lists, now)
        assert verdict.outcome == "valid"
        with opened.taken():
            floors.attachment(pdf)
    report.add(budgets.PROOF, issued.median(), page_ms)
    report.add(budgets.CERTIFICATES, 1000 / rendered.median(), 1000 / page_ms)
    report.add(budgets.CHECKED, checked.median(), opened.median())


def _many(region: Region, requester: str, volunteers: Sequence[str], request: Request, count: int) -> float:
    """Proofs a second in whole batches, from asking to the last byte of the ZIP."""
    batches = region.proofs.batches
    start = time.perf_counter()
    left = count
    while left:
        whom = volunteers[: min(left, len(volunteers))]
        batch = batches.create(requester, whom, request)
        while batches.progress(batch).waiting:
            time.sleep(0.01)
        region.publisher.publish()
        for _ in batches.archive(batch, requester):
            pass
        left -= len(whom)
    return count / (time.perf_counter() - start)


class Times:
    """Durations of one kind of work."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """One more."""
        self._seconds.append(0)
        with self.more():
            yield

    @contextlib.contextmanager
    def more(self) -> Iterator[None]:
        """Another part of the last one."""
        start = time.perf_counter()
        yield
        self._seconds[-1] += time.perf_counter() - start

    def median(self) -> float:
        """Milliseconds, the first few, which warm things up, left out."""
        return statistics.median(self._seconds[_WARM:]) * 1000
