"""Group commit: whatever arrived while the last transaction committed goes into the next one."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future

from ledger.app.intake import Accepted, Prepared
from ledger.app.ledger import Ledger
from ledger.app.worker import Worker
from ledger.errors import LedgerError, Unavailable
from ledger.limits import GROUP_EVENTS_MAX

Answer = Future[Accepted | LedgerError]


class Committer:
    """The one committing thread of a region; no timer, so a lone submission never waits for company."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: deque[tuple[Prepared, Answer]] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._worker = Worker(f"commit-{ledger.region}", self._step)
        self._worker.start()

    @property
    def failure(self) -> str | None:
        """Why nothing is committed, if so; what is wrong with a submission goes to whoever submitted it."""
        return self._worker.failure

    def submit(self, prepared: Prepared) -> Answer:
        """Queue a submission; the future gives what became of it, errors included."""
        answer: Answer = Future()
        with self._changed:
            if self._stopping:
                raise Unavailable("the server is stopping")
            self._waiting.append((prepared, answer))
            self._changed.notify()
        return answer

    def close(self) -> None:
        """Commit what is queued, then end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._worker.close()
        while self._waiting:
            self._step()

    def _step(self) -> bool:
        """Commit one batch, after waiting for it; without one when all of it was cancelled, or at the end."""
        if batch := self._next():
            self._commit(batch)
        return True

    def _commit(self, batch: list[tuple[Prepared, Answer]]) -> None:
        try:
            outcomes = self._ledger.commit([prepared for prepared, _ in batch])
        except Exception as error:
            for _, answer in batch:
                answer.set_exception(error)
            return
        for (_, answer), outcome in zip(batch, outcomes, strict=True):
            answer.set_result(outcome)

    def _next(self) -> list[tuple[Prepared, Answer]]:
        """As many as one transaction takes, in order of arrival; a large submission goes alone or first."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            batch: list[tuple[Prepared, Answer]] = []
            events = 0
            while self._waiting:
                size = len(self._waiting[0][0].submission.events)
                if batch and events + size > GROUP_EVENTS_MAX:
                    break
                prepared, answer = self._waiting.popleft()
                if answer.set_running_or_notify_cancel():  # false when the client has gone
                    batch.append((prepared, answer))
                    events += size
            return batch
