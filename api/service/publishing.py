"""The thread that signs a checkpoint about once a second; one publisher a region."""

from __future__ import annotations

import logging
import threading

from ledger.app.ledger import Ledger
from ledger.app.publisher import Publisher
from ledger.errors import LedgerError, Unavailable
from ledger.limits import CHECKPOINT_INTERVAL
from ledger.store.postgres.database import DatabaseError

logger = logging.getLogger("yongzhi.service")


class Publishing:
    """Signs a checkpoint about once a second while the log grows; one publisher a region.

    Which process publishes is decided by an advisory lock on a connection of its own: when that
    process dies, so does its lock, and another takes over.
    """

    def __init__(self, ledger: Ledger, publisher: Publisher) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._stopping = threading.Event()
        self.failure: str | None = None
        """Why no checkpoint is signed any more, if so."""
        self._sign()  # before anything is taken: a log that cannot go on must not grow
        self._thread = threading.Thread(target=self._run, name=f"publish-{ledger.region}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Sign once more, then stop."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while self.failure is None:
            last_time = self._stopping.is_set()
            try:
                with self._ledger.database.leadership(f"publish {self._ledger.schema}") as still_leading:
                    while still_leading() and self.failure is None:
                        self._sign()
                        if last_time or self._stopping.wait(CHECKPOINT_INTERVAL):
                            break
                    else:
                        self._publisher.refresh()
            except (LedgerError, DatabaseError) as error:
                logger.warning("checkpoint not signed", extra={"region": self._ledger.region, "reason": str(error)})
            if last_time:
                return
            self._stopping.wait(CHECKPOINT_INTERVAL)

    def _sign(self) -> None:
        try:
            self._publisher.publish()
        except Unavailable:
            raise
        except LedgerError as error:
            # To sign on could fork the log: nothing short of an operator may go on from here.
            self.failure = error.detail
            logger.error("log refuses to sign", extra={"region": self._ledger.region, "reason": error.detail})
