"""One server process: for every region a committing thread, a publishing thread, projections."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

from api.deployment.data_folder import Deployment
from api.peers.exchange import Exchange
from api.service.checking import Checking
from api.service.metrics import Metrics
from api.service.region import Region
from ledger.errors import LedgerError, NotFound
from ledger.limits import MESSAGES_AT_ONCE
from ledger.store.postgres.database import DatabaseError


class Service:
    """All regions of a deployment, running."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.metrics = Metrics()
        self.regions = {code: Region(deployment, code, self._exchange) for code in deployment.regions()}
        key = deployment.federation_key() if any(region.issues for region in self.regions.values()) else None
        self.checking = Checking(self.regions, key)
        self.verifying = ThreadPoolExecutor(max_workers=2, thread_name_prefix="verify")
        self.handling = ThreadPoolExecutor(max_workers=MESSAGES_AT_ONCE, thread_name_prefix="inbox")
        self.bundles = 0
        """That are being sent; changed by the event loop alone."""
        for region in self.regions.values():
            region.exchange.start()

    def _exchange(self, code: str) -> Exchange | None:
        region = self.regions.get(code)
        return None if region is None else region.exchange

    def region(self, code: str) -> Region:
        """A region by its code; raise NotFound."""
        try:
            return self.regions[code]
        except KeyError:
            raise NotFound(f"region {code!r:.20} is not served here") from None

    def failures(self) -> dict[str, str]:
        """The parts that do not work, and why; empty when all do."""
        failures = {}
        for region in self.regions.values():
            failures.update(region.failures())
        try:
            self.deployment.database.check()
        except (LedgerError, DatabaseError):
            failures["database"] = "out of reach"
        return failures

    def observe(self) -> None:
        """Bring the gauges up to date."""
        for code, region in self.regions.items():
            self.metrics.published_size.labels(code).set(region.published_size())
            for name, position in region.positions().items():
                self.metrics.projection_position.labels(code, name).set(position)
            for name, failure in region.parts().items():
                self.metrics.failed.labels(code, name).set(failure is not None)
            with contextlib.suppress(LedgerError, DatabaseError):
                self.metrics.log_size.labels(code).set(region.ledger.head().size)
                self._observe_messages(region)

    def _observe_messages(self, region: Region) -> None:
        now = region.ledger.now()
        for queue in region.exchange.waiting():
            age = now - queue.oldest // 1000 if queue.number else 0
            self.metrics.messages.labels(region.code, queue.box, queue.state).set(queue.number)
            self.metrics.message_age.labels(region.code, queue.box, queue.state).set(max(age, 0))

    def close(self) -> None:
        """Answer what is queued, then stop every thread."""
        self.verifying.shutdown()
        self.handling.shutdown()
        for region in self.regions.values():
            region.exchange.close()  # all of them first: each may be telling another one something
        for region in self.regions.values():
            region.close()
