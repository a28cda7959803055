"""Tells other regions what they are to be told, and goes on with what they told this one: for one region, in threads.

Everything that is to be done stands in tables, so that nothing is lost when the process dies, and two processes do no
harm: a message that is sent twice is taken once.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from ledger.app.ledger import Ledger
from ledger.app.worker import Worker
from ledger.errors import LedgerError, Unavailable
from ledger.exchange import retries
from ledger.exchange.incoming import Answer
from ledger.exchange.messages import Messages
from ledger.store.exchange import outbox
from ledger.store.postgres.database import LOST, DatabaseError
from ledger.store.postgres.listener import Listener
from projections.engine import Poisoned, advance, find_poison
from projections.outbox import Outgoing, Outline

logger = logging.getLogger("yongzhi.delivery")

_TAKEN: Final = 64
"""Messages taken at a time."""
_SENDERS: Final = 8
"""Peers that are told something at the same time; a slow one holds up no other."""


class Node(Protocol):
    """What a region does about exchange, without threads: see `ledger.exchange.node`."""

    def message(self, origin: str, position: int) -> bytes:
        """The message about an event; raise NotYet until a published checkpoint covers it."""

    def step(self) -> bool:
        """Go on with what waits; whether anything came of it."""


class Peers(Protocol):
    """How other regions are reached."""

    def send(self, region: str, data: bytes, sender: str) -> Answer:
        """Put a message into the inbox of a region, in the name of `sender`; raise Unavailable or what it answered."""


class Delivering:
    """Follows the log of one region, sends what follows from it, and has its node go on."""

    def __init__(
        self,
        ledger: Ledger,
        node: Node,
        peers: Peers,
        clock: Callable[[], float] = time.time,
        chance: retries.Chance = random.random,
    ) -> None:
        self._ledger = ledger
        self._messages = Messages(ledger.database, ledger.schema)
        self._node = node
        self._peers = peers
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        """Peers that are being told something."""
        self._resting: dict[str, tuple[int, int]] = {}
        """Peers that were out of reach: how often in turn, and until when they are left alone."""
        self._stepping = False
        self._failures: dict[str, str] = {}
        self._projection = Outgoing(ledger.database, ledger.schema)
        self._projection.prepare()
        self._feed = Outline(ledger)
        self._listener = Listener(ledger.database, ledger.schema)
        self._senders = ThreadPoolExecutor(_SENDERS, f"deliver-{ledger.region}")
        self._worker = Worker(f"delivery-{ledger.region}", self._deliver, self._listener)
        self._worker.start()

    @property
    def failure(self) -> str | None:
        """What does not get on by itself, if anything; a peer that is out of reach is none."""
        with self._lock:
            failures = dict(self._failures)
        if self._worker.failure is not None:
            failures["outbox"] = self._worker.failure
        return "; ".join(f"{part}: {reason}" for part, reason in sorted(failures.items())) or None

    def close(self) -> None:
        """Stop after the messages at hand."""
        self._worker.close()
        self._senders.shutdown()
        self._feed.close()
        self._listener.close()

    # -- the thread -----------------------------------------------------------------------------------

    def _deliver(self) -> bool:
        """Follow the log, send what is due, have the node go on; whether there may be more to do."""
        more = self._follow()
        more |= self._take()
        self._go_on()
        self._mended("outbox")
        return more

    @property
    def _now(self) -> int:
        """Unix milliseconds."""
        return int(self._clock() * 1000)

    def _follow(self) -> bool:
        """Derive messages from a page of the log; whether there was one."""
        if "log" in self._failures:
            return False  # until an operator has mended it and starts again
        try:
            return advance(self._projection, self._ledger.name, self._feed) > 0
        except (Unavailable, *LOST):
            raise
        except Exception as error:
            logger.warning("page raised", exc_info=error)
            self._fail("log", find_poison(self._projection, self._ledger))
            return False

    def _take(self) -> bool:
        """Give what is due to workers, one for each peer; whether there was anything."""
        now = self._now
        with self._lock:
            without = {*self._busy, *(peer for peer, (_, until) in self._resting.items() if until > now)}
        rows = self._messages.take(now, _TAKEN, sorted(without))
        by_peer: dict[str, list[outbox.Row]] = defaultdict(list)
        for row in rows:
            by_peer[row.peer].append(row)
        for peer, found in by_peer.items():
            with self._lock:
                self._busy.add(peer)
            self._senders.submit(self._tell, peer, found)
        return bool(rows)

    def _go_on(self) -> None:
        if not self._stepping:
            self._stepping = True
            self._senders.submit(self._step)

    # -- senders --------------------------------------------------------------------------------------

    def _step(self) -> None:
        worked = False
        try:
            worked = not self._worker.closing and self._node.step()
            self._mended("node")
        except (Unavailable, *LOST) as error:
            logger.warning("exchange waits", extra={"region": self._ledger.region, "reason": str(error)})
        except Exception as error:
            self._fail("node", error)
        finally:
            self._stepping = False
            if worked:
                self._listener.wake()

    def _tell(self, peer: str, rows: list[outbox.Row]) -> None:
        """Tell a peer one thing after another, until it is out of reach."""
        left = list(rows)
        try:
            while left and not self._worker.closing:
                if not self._send(left.pop(0)):
                    break
            self._put_back(peer, left)
        except (LedgerError, DatabaseError) as error:
            # What was taken is due again by itself.
            logger.warning("delivery waits", extra={"region": self._ledger.region, "reason": str(error)})
        except Exception as error:
            self._fail("outbox", error)
        finally:
            with self._lock:
                self._busy.discard(peer)
            self._listener.wake()

    def _send(self, row: outbox.Row) -> bool:
        """Try one message, and write down what became of it; False when its peer is out of reach."""
        found = retries.attempt(
            lambda: self._node.message(row.origin, row.position),
            lambda data: self._peers.send(row.peer, data, self._ledger.region),
        )
        if found.fate.unreachable:
            self._rest(row.peer, found.fate)
        elif found.asked:
            with self._lock:
                self._resting.pop(row.peer, None)
        self._settle(row, found)
        return not found.fate.unreachable

    def _rest(self, peer: str, fate: retries.Fate) -> None:
        with self._lock:
            times = self._resting.get(peer, (0, 0))[0] + 1
            self._resting[peer] = times, retries.retry_at(times, self._now, fate.retry_after, self._chance)

    def _settle(self, row: outbox.Row, found: retries.Attempt) -> None:
        fate, error = found.fate, found.error
        due = retries.due(fate, row.attempts, self._now, self._chance)
        self._messages.settle(row.number, fate.state, due, fate.reason, found.said)
        part = f"message {row.number}"
        if error is not None and not isinstance(error, LedgerError):
            self._fail(part, error)
        else:
            self._mended(part)
        if fate.state == "aside":
            logger.warning("message set aside", extra={"region": self._ledger.region, "reason": fate.reason})

    def _put_back(self, peer: str, rows: list[outbox.Row]) -> None:
        if not rows:
            return
        with self._lock:
            _, until = self._resting.get(peer, (0, self._now))
        self._messages.put_back([row.number for row in rows], until)

    def _fail(self, part: str, error: Exception) -> None:
        reason = error.detail if isinstance(error, Poisoned) else f"{type(error).__name__}: {error}"
        logger.error("delivery failed", exc_info=error, extra={"region": self._ledger.region, "reason": reason})
        with self._lock:
            self._failures[part] = reason

    def _mended(self, part: str) -> None:
        with self._lock:
            self._failures.pop(part, None)
