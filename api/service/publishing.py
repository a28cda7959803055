"""The thread that signs a checkpoint about once a second; one publisher a region."""

from __future__ import annotations

import logging

from ledger.app.ledger import Ledger
from ledger.app.publisher import Publisher
from ledger.app.worker import Alarm, Stopped, Worker
from ledger.errors import LedgerError, Unavailable
from ledger.limits import CHECKPOINT_INTERVAL
from ledger.store.postgres.database import DatabaseError
from ledger.store.postgres.leadership import Leadership

logger = logging.getLogger("yongzhi.service")


class Publishing:
    """Signs a checkpoint about once a second while the log grows; one publisher a region.

    Which process publishes is decided by an advisory lock on a connection of its own: when that
    process dies, so does its lock, and another takes over.
    """

    def __init__(self, ledger: Ledger, publisher: Publisher) -> None:
        self._publisher = publisher
        self._leadership = Leadership(ledger.database, f"publish {ledger.schema}")
        self._worker = Worker(f"publish-{ledger.region}", self._step, Alarm(CHECKPOINT_INTERVAL))
        try:
            self._sign()  # before anything is taken: a log that cannot go on must not grow
        except Stopped as refusal:
            self._worker.end(refusal)
        else:
            self._worker.start()

    @property
    def failure(self) -> str | None:
        """Why no checkpoint is signed, if so."""
        return self._worker.failure

    @property
    def refuses(self) -> bool:
        """Whether the log refuses to sign for good: to sign on could fork it."""
        return self._worker.ended

    def close(self) -> None:
        """Sign once more, then stop."""
        self._worker.close()
        try:
            if not self.refuses:
                self._step()
        except (LedgerError, DatabaseError, Stopped) as error:
            logger.warning("checkpoint not signed", extra={"part": self._worker.name, "reason": str(error)})
        finally:
            self._leadership.close()

    def _step(self) -> bool:
        """Sign as the leader, or else take over what the leader signed; there is nothing more until a second later."""
        if self._leadership.held():
            self._sign()
        else:
            self._publisher.refresh()
        return False

    def _sign(self) -> None:
        try:
            self._publisher.publish()
        except Unavailable:
            raise
        except LedgerError as error:
            raise Stopped(error.detail) from error  # nothing short of an operator may go on from here
