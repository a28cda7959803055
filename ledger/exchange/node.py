"""What one region does about moves and relays, step by step. No threads, no HTTP, and no clock but its ledger's.

All it knows is in its ledger, its inbox and its outbox: after a crash it goes on from wherever it stood, and a step
that is taken twice is taken once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import UNSET

from ledger.domain.state import Transfer
from ledger.errors import Busy, LedgerError, NotYet, Unavailable
from ledger.events.fields import type_name
from ledger.events.transfer import RecoveryAnnounced, TransferOffered
from ledger.exchange import doubts, incoming, outgoing, recovery
from ledger.exchange.desk import Desk, Federation
from ledger.exchange.incoming import Answer, Message
from ledger.exchange.retries import retry_at
from ledger.store.exchange import inbox, transfers

logger = logging.getLogger("yongzhi.exchange")

_BATCH = 64
_AGAIN = (Unavailable, NotYet, Busy)
"""What may be otherwise the next time."""


class Peers(Protocol):
    """How other regions are reached. Both raise Unavailable when they are not, and what they answered otherwise."""

    def send(self, region: str, data: bytes, sender: str) -> Answer:
        """Put a message into the inbox of a region, in the name of `sender`."""

    def fetch(self, region: str, transfer: str) -> Iterable[bytes]:
        """The bundle of a transfer, as it comes."""


class Node:
    """One region among its peers."""

    def __init__(self, desk: Desk, peers: Peers, sealing_key: bytes, trust: Federation | None = None) -> None:
        self.desk = desk
        self._peers = peers
        self._sealing_key = sealing_key
        self._trust = trust or desk.trust

    @property
    def _now(self) -> int:
        """Unix milliseconds."""
        return self.desk.ledger.now() * 1000

    # -- what others ask ------------------------------------------------------------------------------

    def deliver(self, data: bytes, sender: str) -> Answer:
        """Take a message: verified and kept before this answers. Again, it is answered the same.

        Raise TooLarge, Invalid or Untrusted for one whose evidence does not hold: nothing of it is kept. Raise
        Unavailable while the log cannot go on.
        """
        self.desk.check_whole()
        message = incoming.check(self.desk, data)
        foreign, ledger = message.foreign, self.desk.ledger
        with ledger.database.transaction() as cursor:
            row = inbox.put(
                cursor,
                ledger.schema,
                foreign.origin,
                foreign.position,
                foreign.entry,
                type_name(foreign.event),
                sender,
                data,
                self._now,
            )
        if row.state != "waiting":
            return Answer("done" if row.state == "done" else "aside", row.answer, row.reason)
        return self._try(message, row, fetching=False)

    def bundle(self, transfer: str) -> Iterator[bytes]:
        """The bundle of a transfer that is offered from here; the caller has made sure who asks."""
        offer, _ = outgoing.offered(self.desk, transfer)
        trust = self._trust()
        region = None if trust is None else trust.by_origin(offer.to_origin)
        key = UNSET if region is None else region.sealing_key
        return outgoing.bundle(self.desk, transfer, key if isinstance(key, str) else None)

    def message(self, origin: str, position: int) -> bytes:
        """The message about an event that is known here; raise NotYet until a checkpoint covers it.

        Raise Unavailable while the log cannot go on.
        """
        self.desk.check_whole()
        return outgoing.message(self.desk, origin, position)

    # -- what goes on by itself -----------------------------------------------------------------------

    def step(self) -> bool:
        """Offer what was requested, and try again what waits in the inbox; whether anything came of it.

        Raise Unavailable while the log cannot go on.
        """
        self.desk.check_whole()
        worked = doubts.explain_away(self.desk) > 0
        for requested in self._transfers("requested"):
            worked |= self._offer(requested)
        ledger = self.desk.ledger
        with ledger.database.transaction() as cursor:
            rows = inbox.due(cursor, ledger.schema, self._now, _BATCH)
        for row in rows:
            try:
                answer = self._try(incoming.check(self.desk, row.message), row, fetching=True)
            except LedgerError as error:  # it held when it came: perhaps its log is no longer recognised
                answer = self._settle(row, Answer("aside", None, error.detail))
            worked |= answer.state != "waiting"
        return worked

    def _offer(self, requested: Transfer) -> bool:
        try:
            self._check_reachable(requested)
            outgoing.offer(self.desk, requested)
        except _AGAIN:
            return False
        except LedgerError as error:
            logger.warning("record not offered", extra={"region": self.desk.code, "reason": error.detail})
            return False
        return True

    def _check_reachable(self, requested: Transfer) -> None:
        """Raise NotYet unless the destination is a region of the federation now: nobody else could answer an offer."""
        trust = self._trust()
        if trust is None:
            return
        region = trust.by_origin(requested.peer_origin)
        if region is None or not trust.valid(region, self.desk.ledger.now()):
            raise NotYet(f"{requested.peer} is no region of the federation that is installed")

    def _try(self, message: Message, row: inbox.Row, *, fetching: bool) -> Answer:
        """Do what a message asks for, as far as it can be done now."""
        try:
            answer = incoming.handle(self.desk, message, row.sender)
            if answer.state == "waiting" and fetching:
                answer = self._proceed(message, answer)
        except _AGAIN as error:
            answer = Answer("waiting", None, error.detail)
        except LedgerError as error:
            answer = Answer("aside", None, error.detail)
        return self._settle(row, answer)

    def _proceed(self, message: Message, waiting: Answer) -> Answer:
        """What takes longer, and is not done while a peer waits for the answer."""
        match message.foreign.event:
            case TransferOffered():
                return incoming.decide(self.desk, message, self._peers.fetch, self._sealing_key)
            case RecoveryAnnounced():
                return recovery.answer(self.desk, message)
        return waiting

    def _settle(self, row: inbox.Row, answer: Answer) -> Answer:
        ledger = self.desk.ledger
        due = retry_at(row.attempts, self._now) if answer.state == "waiting" and row.attempts else self._now
        with ledger.database.transaction() as cursor:
            inbox.settle(
                cursor, ledger.schema, row.origin, row.position, answer.state, due, answer.reason, answer.position
            )
        return answer

    def _transfers(self, state: str) -> list[Transfer]:
        with self.desk.ledger.database.read() as cursor:
            return transfers.in_state(cursor, self.desk.ledger.schema, state)
