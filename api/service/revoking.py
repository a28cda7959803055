"""Keeps proofs true: a proof whose record changed is compared with it, and revoked when it says something else."""

from __future__ import annotations

import logging
from typing import Final, cast

import msgspec
from msgspec import UNSET

from api.service.proving import Proving
from ledger.app.ledger import Ledger
from ledger.app.worker import Worker
from ledger.credentials import holdings, model
from ledger.credentials.holdings import Holding
from ledger.domain.deadlines import local_day
from ledger.domain.state import Proof, Volunteer
from ledger.errors import NotFound, Refused, Unavailable
from ledger.events.proofs import RevocationReason
from ledger.schemes import scheme
from ledger.store.postgres.database import DatabaseError
from ledger.store.vault import Held
from projections import snapshot
from projections.engine import Runner
from projections.snapshot import Snapshot
from projections.statements import Stated, Statements

logger = logging.getLogger("yongzhi.proofs")

_STEP_SECONDS: Final = 0.2


class Revoking:
    """Follows the totals of one region, in a thread.

    What is suspect is asked of the tables each time, so nothing is lost when the process dies, and two processes
    do no harm: a proof is revoked once, whoever is first.
    """

    def __init__(self, ledger: Ledger, runner: Runner, proving: Proving, statements: Statements) -> None:
        self._ledger = ledger
        self._statements = statements
        self._runner = runner
        self._proving = proving
        self._looked = (0, 0)
        """Up to where changes, and proofs issued, were looked at."""
        self.position = 0
        """Every event before it is reflected in what is revoked."""
        self._again: set[str] = set()
        """Proofs that could not be compared: to be tried with the next change."""
        self._incomparable: str | None = None
        """Why a proof could not be compared, if one could not."""
        self._worker = Worker(f"proofs-{ledger.region}", self._step)
        self._worker.start()

    @property
    def failure(self) -> str | None:
        """Why proofs are not compared, or one of them is not, if so."""
        return self._worker.failure or self._incomparable

    def close(self) -> None:
        """Stop after the proof at hand."""
        self._worker.close()

    def _step(self) -> bool:
        """Look, or wait until the totals have moved on; what it waits for is no bell, so there is always more."""
        if not self._look() and not self._runner.wait(self._looked[0], _STEP_SECONDS):
            self._worker.pause(_STEP_SECONDS)  # where the totals stopped, nothing else waits
        return True

    def _look(self) -> bool:
        """Compare what is suspect; whether there was anything new to look at."""
        issued, applied = self._ledger.head().size, self._runner.position
        if (applied, issued) == self._looked:
            return False
        with snapshot.taken(self._statements) as now:
            suspects = now.suspects(*self._looked)
        self._incomparable = None
        for proof in dict.fromkeys([*self._again, *suspects]):
            if self._worker.closing:
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
            self._incomparable = f"proof {proof}: {type(error).__name__}: {error}"
            logger.error("proof not compared", exc_info=error, extra={"region": self._ledger.region})
        else:
            self._again.discard(proof)

    def _compare(self, proof: str) -> None:
        try:
            reason, seen = self._finding(self._ledger.proofs.held(proof))
        except NotFound:
            return  # erased meanwhile, and revoked with that
        if reason is None:
            self._ledger.proofs.mark_seen(proof, seen)
        else:
            logger.info("proof revoked", extra={"region": self._ledger.region, "code": reason})
            self._proving.revoke(proof, reason)

    def _finding(self, held: Held) -> tuple[RevocationReason | None, int]:
        """The reason to revoke a proof, if there is one, and how many events that takes into account."""
        holding = holdings.decode(held.holding)
        with snapshot.taken(self._statements) as now:
            stated = now.state(holding.volunteer, holding.request, holding.entries)
            record = now.record(Proof, held.proof)
            if record is None or record.revoked is not None or still_holds(now, held, holding, stated):
                return None, stated.seen
            return _reason(now, holding), stated.seen


def still_holds(now: Snapshot, held: Held, holding: Holding, stated: Stated) -> bool:
    """Whether the record still says what the proof says, given what it states now."""
    if _revocation(now, holding) is not None:
        return False
    statement = holding.statement
    if isinstance(star := statement.star, model.StarLevel):
        # By the scheme that was stated and as of that day: a new year, or a new scheme, breaks no proof.
        day = _stated_on(now, held, holding)
        recognised = now.recognise(holding.volunteer, day, scheme.find(star.scheme))
        if (recognised.level, recognised.minutes) < (star.level, star.minutes):
            return False
    if isinstance(statement, model.ServiceStatement):
        return msgspec.structs.replace(statement, star=UNSET) == stated.statement
    return True


def _revocation(now: Snapshot, holding: Holding) -> RevocationReason | None:
    """The reason why the credential of a token was revoked, if it was."""
    parent = now.record(Proof, holding.of) if isinstance(holding.of, str) else None
    return None if parent is None or parent.revoked is None else cast(RevocationReason, parent.reason)


def _stated_on(now: Snapshot, held: Held, holding: Holding) -> str:
    """The day, YYYY-MM-DD, as of which a star level was stated; of a token, that of its credential."""
    if isinstance(holding.statement, model.StarStatement):
        return holding.statement.day
    event_id = now.issuing_event(holding.of) if isinstance(holding.of, str) else held.event_id
    if event_id is None:
        raise NotFound("what was kept of the credential was erased")
    return local_day(now.recorded_at(event_id)).isoformat()


def _reason(now: Snapshot, holding: Holding) -> RevocationReason:
    """The change that the record underwent: the strongest of disclaimed, withdrawn, corrected."""
    if (fallen := _revocation(now, holding)) is not None:
        return fallen
    volunteer = now.record(Volunteer, holding.volunteer)
    if volunteer is not None and volunteer.status == "disclaimed":
        return "disclaimed"
    person = holding.volunteer if volunteer is None else volunteer.alias_of or volunteer.id
    return "withdrawn" if now.any_withdrawn(person, holding.entries) else "corrected"
