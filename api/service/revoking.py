"""Keeps proofs true: a proof whose record changed is compared with it, and revoked when it says something else."""

from __future__ import annotations

import logging
import threading
from typing import Final, cast

from api.service.proving import Proving
from ledger.app.ledger import Ledger
from ledger.domain.state import Volunteer
from ledger.errors import LedgerError, NotFound, Refused, Unavailable
from ledger.events.proofs import RevocationReason
from ledger.store import proofs
from ledger.store.postgres.database import DatabaseError
from projections.engine import Runner

logger = logging.getLogger("yongzhi.proofs")

RETRY_SECONDS: Final = 1.0
_STEP_SECONDS: Final = 0.2


class Watching:
    """Follows the totals of one region, in a thread.

    What is suspect is asked of the tables each time, so nothing is lost when the process dies, and two processes
    do no harm: a proof is revoked once, whoever is first.
    """

    def __init__(self, ledger: Ledger, runner: Runner, proving: Proving) -> None:
        self._ledger = ledger
        self._runner = runner
        self._proving = proving
        self._looked = (0, 0)
        """Up to where changes, and proofs issued, were looked at."""
        self.position = 0
        """Every event before it is reflected in what is revoked."""
        self._again: set[str] = set()
        """Proofs that could not be compared: to be tried with the next change."""
        self.failure: str | None = None
        """Why a proof could not be compared, if one could not."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"proofs-{ledger.region}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the proof at hand."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._look() and not self._runner.wait(self._looked[0], _STEP_SECONDS):
                    self._stopping.wait(_STEP_SECONDS)  # where the totals stopped, nothing else waits
            except (LedgerError, DatabaseError) as error:
                logger.warning("proofs not compared", extra={"region": self._ledger.region, "reason": str(error)})
                self._stopping.wait(RETRY_SECONDS)

    def _look(self) -> bool:
        """Compare what is suspect; whether there was anything new to look at."""
        issued, applied = self._ledger.head().size, self._runner.position
        if (applied, issued) == self._looked:
            return False
        totals = self._runner.projection
        with totals.read() as cursor:
            found = proofs.suspects(cursor, self._ledger.schema, totals.schema, *self._looked)
        self.failure = None
        for proof in dict.fromkeys([*self._again, *found]):
            if self._stopping.is_set():
                return True
            self._try_to_compare(proof)
        self._looked = (applied, issued)
        self.position = applied
        return True

    def _try_to_compare(self, proof: str) -> None:
        """One proof that cannot be compared does not keep the others from it."""
        try:
            self._compare(proof)
        except (Unavailable, DatabaseError):
            raise
        except Refused as refused:
            if {problem.code for problem in refused.problems} != {"region-closed"}:
                raise
            logger.warning("proof stands in a ledger that closed", extra={"region": self._ledger.region})
        except Exception as error:
            self._again.add(proof)
            self.failure = f"proof {proof}: {type(error).__name__}: {error}"
            logger.error("proof not compared", exc_info=error, extra={"region": self._ledger.region})
        else:
            self._again.discard(proof)

    def _compare(self, proof: str) -> None:
        if self._proving.record(proof).revoked is not None:
            return
        try:
            holds, seen = self._proving.still_holds(proof)
        except NotFound:
            return  # erased meanwhile, and revoked with that
        if not holds:
            reason = self._reason(proof)
            logger.info("proof revoked", extra={"region": self._ledger.region, "code": reason})
            self._proving.revoke(proof, reason)
            return
        with self._ledger.database.transaction() as cursor:
            proofs.mark_seen(cursor, self._ledger.schema, proof, seen)

    def _reason(self, proof: str) -> RevocationReason:
        """What happened to the record: the strongest of disclaimed, withdrawn, corrected."""
        holding = self._proving.holding(proof)
        if isinstance(holding.of, str) and (parent := self._proving.record(holding.of)).revoked is not None:
            return cast(RevocationReason, parent.reason)
        volunteer = self._ledger.record(Volunteer, holding.volunteer)
        if volunteer is not None and volunteer.status == "disclaimed":
            return "disclaimed"
        person = holding.volunteer if volunteer is None else volunteer.alias_of or volunteer.id
        with self._ledger.database.read() as cursor:
            withdrawn = proofs.any_withdrawn(cursor, self._ledger.schema, person, holding.entries)
        return "withdrawn" if withdrawn else "corrected"
