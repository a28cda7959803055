"""One region in a simulation: its ledger, publisher, node and followers, which may die at any commit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from typing import Any

from ledger.app.issuer import Issuer
from ledger.app.publisher import CheckpointFile, Publisher
from ledger.errors import Corrupt, LedgerError, Unavailable
from ledger.events import private_details
from ledger.events.fields import RegionName
from ledger.exchange import retries
from ledger.exchange.desk import Desk
from ledger.exchange.incoming import Answer
from ledger.exchange.node import Node, Peers
from ledger.federation.members import Federation, Region
from ledger.federation.trust_bundle import Trust
from ledger.store.exchange import outbox
from ledger.store.postgres.database import Cursor, Database
from projections.engine import Feed, advance
from projections.outbox import Outgoing, Outline
from projections.totals import Totals
from tests.integration.world import World
from tests.support import builders

CODES = ("441300", "442000", "820000", "110101")
SEALING_KEY = b"\7" * 32


class Violated(AssertionError):
    """Something that must hold in every run does not."""


class Crash(BaseException):
    """The process of a region dies. Nothing of the product may catch it."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.region = region


class Mortal(Database):
    """A database whose process may die at a commit, just before it or just after."""

    def __init__(self, dsn: str, region: str) -> None:
        super().__init__(dsn, connections_max=8)
        self.region = region
        self.left: int | None = None
        """Commits until it dies; None when it does not."""
        self.after = False
        self.commits = 0
        """Transactions that may have written something."""

    @contextlib.contextmanager
    def transaction(self, mode: str = "") -> Iterator[Cursor]:
        dying = False
        with super().transaction(mode) as cursor:
            yield cursor
            if not mode and self.left is not None:
                self.left -= 1
                dying = self.left < 0
                if dying and not self.after:
                    self.left = None
                    raise Crash(self.region)
        self.commits += not mode
        if dying:
            self.left = None
            raise Crash(self.region)


class Signed(CheckpointFile):
    """The last checkpoint signed, kept beside the database: a restore does not touch it."""

    def __init__(self) -> None:
        self.note: str | None = None

    def read(self) -> str | None:
        return self.note

    def write(self, note: str) -> None:
        self.note = note

    @contextlib.contextmanager
    def signing(self) -> Iterator[None]:
        yield


class Site:
    """A region: what survives a crash of it (database, signed checkpoint, clock), and what is built anew after one."""

    def __init__(self, database: Mortal, code: str, peers: Peers) -> None:
        self.database = database
        self.code = code
        self._peers = peers
        self.file = Signed()
        self.offset = 0
        """Seconds its clock is ahead of the time that passes for all."""
        self.accused: list[str] = []
        """Misconduct of peers that this region believes to have seen: there is none."""
        self.failure: str | None = None
        """Why its log refuses to sign, if so: it takes nothing then (api/service/service.py)."""
        self.boot(0)

    def boot(self, elapsed: int) -> None:
        """Start the process."""
        self.database.left = None
        self.world = World(self.database, self.code, fresh=False)
        self._start = self.world.now
        self.tick(elapsed)
        world = self.world
        self.publisher = Publisher(self.database, world.schema, builders.signing_key(world.origin), self.file)
        self.desk = Desk(
            Issuer(world.ledger, builders.signing_key(world.authority)),
            lambda: self.publisher.published,
            trust=trust,
            report=lambda kind, data: self.accused.append(kind),
        )
        self.node = Node(self.desk, self._peers, SEALING_KEY, trust)
        self._outgoing = Outgoing(self.database, world.schema)
        self.totals = Totals(self.database, world.schema)

    def tick(self, elapsed: int) -> None:
        """Let its clock show that much time, in seconds, since the beginning, and what it is wrong by."""
        self.world.now = self._start + elapsed + self.offset

    @property
    def name(self) -> str:
        """Of its schema."""
        return self.world.schema

    @property
    def _now(self) -> int:
        return self.world.ledger.now() * 1000

    def publish(self) -> None:
        """Sign a checkpoint, or find out that this must not be done any more."""
        if self.failure is None:
            try:
                self.publisher.publish()
            except Corrupt as error:
                self.failure = error.detail

    def check_writable(self) -> None:
        if self.failure is not None:
            raise Unavailable("the log refuses to sign, so nothing is taken")

    # -- what it does -----------------------------------------------------------------------------

    def follow(self) -> bool:
        """Derive messages from the log; whether there was anything new."""
        with closing(Outline(self.world.ledger)) as feed:
            return advance(self._outgoing, self.world.ledger.name, feed) > 0

    def add_up(self) -> None:
        """Bring the totals up to the end of the log."""
        with closing(Feed(self.world.ledger)) as feed:
            while advance(self.totals, self.world.ledger.name, feed):
                pass

    def rebuilt(self) -> dict[str, list[str]]:
        """Rows in which totals and messages differ from what the whole log comes to at once, by table."""
        found = {}
        for live, feed in ((self.totals, Feed(self.world.ledger)), (self._outgoing, Outline(self.world.ledger))):
            new = live.beside(f"rebuilt_{self.code}_{live.name}")
            with self.database.transaction() as cursor:
                cursor.execute(";".join(f"DELETE FROM {new.schema}.{table}" for table in (*new.tables, "tracking")))
            with closing(feed):
                while advance(new, self.world.ledger.name, feed):
                    pass
            for table in live.tables:
                one, other = f"TABLE {live.schema}.{table}", f"TABLE {new.schema}.{table}"
                rows = self.world.query(
                    f"(SELECT t::text FROM ({one} EXCEPT ALL {other}) t)"
                    f" UNION ALL (SELECT t::text FROM ({other} EXCEPT ALL {one}) t)"
                )
                if rows:
                    found[f"{live.name}.{table}"] = [row for (row,) in rows]
        return found

    def take(self, without: list[str]) -> outbox.Row | None:
        """Take the next message that is due."""
        with self.database.transaction() as cursor:
            rows = outbox.due(cursor, self.name, self._now, 1, without)
        return rows[0] if rows else None

    def tell(self, row: outbox.Row, send: Callable[[str, bytes, str], Answer]) -> str:
        """Send a message that was taken, and write down what became of it, as api/peers/delivery.py does."""
        said = ""
        try:
            data = self.node.message(row.origin, row.position)
        except LedgerError as error:
            fate = retries.unsent(error)
        else:
            try:
                answer = send(row.peer, data, self.code)
                fate, said = retries.answered(answer), answer.state
            except LedgerError as error:
                fate = retries.failed(error)
        now = self._now
        due = retries.retry_at(row.attempts, now, fate.retry_after) if fate.state == "waiting" else now
        with self.database.transaction() as cursor:
            outbox.settle(cursor, self.name, row.number, fate.state, due, fate.reason, said)
        return fate.state


@cache
def trust() -> Trust:
    """The federation of all sites: to whom private details are sealed."""
    signer = builders.vkey("federation.example")
    regions = tuple(
        Region(
            region=code,
            origin=f"ledger.example/{code}",
            name=RegionName(zh=code, en=code),
            log_keys=(builders.vkey(f"ledger.example/{code}"),),
            did=f"did:web:ledger.example:regions:{code}",
            base="https://ledger.example",
            credential_keys=(),
            token_keys=(),
            witness_keys=(),
            sealing_key=private_details.sealing_public(SEALING_KEY),
        )
        for code in CODES
    )
    dates: dict[str, Any] = {"issued": "2026-10-01T12:00:00+08:00", "expires": "2030-10-01T12:00:00+08:00"}
    return Trust(Federation(name="federation.example", serial=1, keys=(signer,), threshold=1, regions=regions, **dates))
