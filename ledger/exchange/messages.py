"""The messages of one region, to its peers and from them, as the tables keep them: for whoever sends them or looks.

All times are unix milliseconds, and the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.store.exchange import inbox, outbox
from ledger.store.postgres.database import Database

_PAGE: Final = 500

Counts = dict[str, tuple[int, int]]
"""By state, the number of messages and when the oldest came."""


@dataclass(frozen=True, slots=True)
class Messages:
    """The outbox and the inbox of a region, each call in a transaction of its own. Safe to share between threads."""

    database: Database
    schema: str

    # -- sending --------------------------------------------------------------------------------------

    def take(self, now: int, limit: int, without: Sequence[str] = ()) -> list[outbox.Row]:
        """Take up to `limit` messages that are due, but none to the peers `without`; see `outbox.due`."""
        with self.database.transaction() as cursor:
            return outbox.due(cursor, self.schema, now, limit, without)

    def settle(self, number: int, state: str, due: int, reason: str = "", answer: str = "") -> None:
        """Say what became of a message that was taken: `done`, `aside`, or `waiting` until `due`."""
        with self.database.transaction() as cursor:
            outbox.settle(cursor, self.schema, number, state, due, reason, answer)

    def put_back(self, numbers: Sequence[int], due: int) -> None:
        """Leave messages that were taken, and not tried, to whoever takes them when they are `due`."""
        with self.database.transaction() as cursor:
            outbox.put_back(cursor, self.schema, numbers, due)

    # -- looking --------------------------------------------------------------------------------------

    def counts(self) -> dict[str, Counts]:
        """The numbers of messages in the `outbox` and the `inbox` that are not done."""
        with self.database.read() as cursor:
            return {"outbox": outbox.counts(cursor, self.schema), "inbox": inbox.counts(cursor, self.schema)}

    def pending(self, limit: int) -> tuple[list[outbox.Row], list[inbox.Row]]:
        """Messages of both boxes that wait or are aside, the oldest first, at most `limit` of each."""
        outgoing: list[outbox.Row] = []
        with self.database.read() as cursor:
            while len(outgoing) < limit:
                after = outgoing[-1].number if outgoing else 0
                page = outbox.pending(cursor, self.schema, min(_PAGE, limit - len(outgoing)), after)
                if not page:
                    break
                outgoing += page
            return outgoing, inbox.pending(cursor, self.schema, limit)

    # -- trying again ---------------------------------------------------------------------------------

    def release(self, now: int) -> None:
        """Have all that waits in either box tried at once: whoever had taken some of it is gone."""
        with self.database.transaction() as cursor:
            outbox.release(cursor, self.schema, now)
            inbox.release(cursor, self.schema, now)

    def send_again(self, now: int, peer: str) -> int:
        """Have everything that a peer was ever told told again, in order; how many messages."""
        with self.database.transaction() as cursor:
            return outbox.send_again(cursor, self.schema, now, peer)

    def retry_all(self, now: int) -> int:
        """Have all messages of both boxes that are aside tried at once; how many."""
        with self.database.transaction() as cursor:
            return outbox.retry(cursor, self.schema, now) + inbox.retry(cursor, self.schema, now)

    def retry_outgoing(self, now: int, number: int) -> int:
        """Have one message to a peer that is not done tried at once; how many that were."""
        with self.database.transaction() as cursor:
            return outbox.retry(cursor, self.schema, now, number)

    def retry_incoming(self, now: int, origin: str, position: int) -> int:
        """Have the message about an event of a peer's log, unless it is done, tried at once; how many that were."""
        with self.database.transaction() as cursor:
            return inbox.retry(cursor, self.schema, now, (origin, position))
