"""The rows of the report and their targets. Every row is a ratio to a baseline that is measured in the same run.

Machines differ by a factor of two from day to day; a ratio does not. The work and its baseline have one unit,
and the unit tells the direction: rates are to be large, durations and sizes small.

    verify             Ed25519 verifications of 600 bytes a second, one core
    stock save()       the eventsourcing library, one aggregate at a time
    stock batch        its insert_events, 500 at a time, bodies unsigned
    stock batch + verify  the same with a verification an event, on both cores
    stock runner       its ProjectionRunner with a view in PostgreSQL
    binary COPY        rows of the events table into an equal table, 1,000 a transaction, nothing else
    pgbench inserts    one row of 600 bytes a transaction, 64 clients
    insert POST        a POST to the same server that does nothing but one fsynced INSERT, at the same rate of arrival
    SELECT             a GET to the same server that does nothing but one SELECT by primary key, as many clients
    bare page          one line on an A4 page, by Typst, one thread
    pypdf              the library finding the attachment of the same PDF
    body               bytes of an event's body
    small log          the same work when few events were stored
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Unit = Literal["/s", "ms", "B"]


@dataclass(frozen=True, slots=True)
class Budget:
    """A row to measure: the work, its baseline, and the ratio to reach, if one is asked for."""

    work: str
    of: str
    """The baseline."""
    target: float | None = None
    unit: Unit = "/s"

    @property
    def name(self) -> str:
        return f"{self.work} × {self.of}"

    @property
    def small_is_good(self) -> bool:
        return self.unit != "/s"

    @property
    def target_text(self) -> str:
        if self.target is None:
            return ""
        return f"{'≤' if self.small_is_good else '≥'} {self.target:g}"

    def is_met(self, ratio: float) -> bool | None:
        """Whether a ratio reaches the target; None where there is no target."""
        if self.target is None:
            return None
        return ratio <= self.target if self.small_is_good else ratio >= self.target


SIGN: Final = Budget("Ed25519 sign", "verify")
SHA256: Final = Budget("SHA-256 of 600 bytes", "verify")

BULK: Final = Budget("bulk ingest", "verify", 1.5)
BULK_SAVE: Final = Budget("bulk ingest", "stock save()", 20)
BULK_STOCK: Final = Budget("bulk ingest", "stock batch + verify", 1.5)
BULK_UNSIGNED: Final = Budget("bulk ingest", "stock batch")
BULK_COPY: Final = Budget("bulk ingest", "binary COPY")
BULK_P99: Final = Budget("bulk request p99", "1,000 verify", unit="ms")

SINGLES: Final = Budget("single events", "verify", 0.35)
SINGLES_PGBENCH: Final = Budget("single events", "pgbench inserts")
SINGLES_P99: Final = Budget("single event p99", "insert POST", 3, "ms")

CATCH_UP: Final = Budget("catch-up", "verify", 8)
CATCH_UP_STOCK: Final = Budget("catch-up", "stock runner", 45)
REBUILD: Final = Budget("rebuild, compared", "verify", 7)
AUDIT: Final = Budget("audit", "verify", 20)

STORED: Final = Budget("stored an event", "body", 2.35, "B")
"""1,500 bytes for a body of 639."""
TOTALS_P50: Final = Budget("totals p50", "SELECT", unit="ms")
TOTALS_P99: Final = Budget("totals p99", "SELECT", 4, "ms")
GROWTH: Final = Budget("commit, large log", "small log", 0.8)

# 40 ms, 50/s, 20 ms and 5,000 in two minutes on a machine that verifies 12,000 signatures a second, sets a bare page in
# 0.91 ms and finds the attachment in 0.87 ms.
PROOF: Final = Budget("proof with PDF p50", "bare page", 44, "ms")
CERTIFICATES: Final = Budget("certificates", "bare page", 0.045)
CHECKED: Final = Budget("PDF checked p50", "pypdf", 23, "ms")
BULK_PROOFS: Final = Budget("bulk proofs", "bare page", 0.038)

MOVE_LONG: Final = Budget("long record, entries", "verify", 0.7)
MOVE_MANY: Final = Budget("many records, entries", "verify", 0.5)
