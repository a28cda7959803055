"""Group commit: whatever arrived while the last transaction committed goes into the next one."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future

from ledger.app.intake import Accepted, Prepared
from ledger.app.ledger import Ledger
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
        self._thread = threading.Thread(target=self._run, name=f"commit-{ledger.region}", daemon=True)
        self._thread.start()

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
        self._thread.join()

    def _run(self) -> None:
        while not (self._stopping and not self._waiting):
            batch = self._next()
            if not batch:
                continue  # all of it was cancelled, or there was nothing left to do
            try:
                answers = self._ledger.commit([prepared for prepared, _ in batch])
            except Exception as error:
                for _, answer in batch:
                    answer.set_exception(error)
                continue
            for (_, answer), outcome in zip(batch, answers, strict=True):
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
