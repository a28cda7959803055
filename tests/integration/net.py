"""Regions that tell each other what they are to be told: real ledgers, nodes, outboxes and inboxes, and no network.

What a message is sent through is the other region's node itself. Nothing happens but in `run`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any, NamedTuple

from ledger.app.issuer import Issuer
from ledger.errors import LedgerError, Unavailable
from ledger.evidence.wire import read_message
from ledger.exchange import retries
from ledger.exchange.desk import Desk
from ledger.exchange.incoming import Answer
from ledger.exchange.node import Node
from ledger.ids import new_id
from ledger.store import log
from ledger.store.exchange import outbox
from ledger.store.postgres.database import Database
from ledger.store.tiles import Tiles
from ledger.tlog import notes
from ledger.tlog.checkpoint import Checkpoint
from projections.engine import advance
from projections.outbox import Outgoing, Outline
from tests.integration.world import World, span
from tests.support import builders
from tests.support.builders import ABSENT, GROUP, STATION, VOLUNTEER

SEALING_KEY = b"\7" * 32


class Sent(NamedTuple):
    """An event that was told: by whom, to whom, of whose log and where there, and how it was answered."""

    by: str
    to: str
    log: str
    position: int
    answer: str


class Net:
    """Regions by their codes; each recognises all others."""

    def __init__(self, database: Database, *codes: str) -> None:
        self.database = database
        self.worlds = {code: World(database, code) for code in codes}
        self.origins = {world.origin: code for code, world in self.worlds.items()}
        self.nodes: dict[str, Node] = {}
        self.sent: list[Sent] = []
        self.cut: set[tuple[str, str]] = set()
        """Who cannot tell whom of service; what is about transfers gets through."""
        for code, world in self.worlds.items():
            with database.transaction() as cursor:
                cursor.execute(f"DROP SCHEMA IF EXISTS {world.schema}_outgoing CASCADE")
                self.follower(code).create(cursor)
            world.establish()
            issuer = Issuer(world.ledger, builders.signing_key(world.authority))
            desk = Desk(issuer, lambda one=world: checkpoint(one))  # type: ignore[misc]
            self.nodes[code] = Node(desk, self, SEALING_KEY)
        for code in codes:
            for peer in codes:
                if peer != code:
                    self.recognise(code, peer)
            self.worlds[code].admit(STATION, kind="station")
            self.worlds[code].admit(GROUP)
            self.worlds[code].publish(STATION)

    def __getitem__(self, code: str) -> World:
        return self.worlds[code]

    # -- how they reach each other, as `ledger.exchange.node.Peers` -----------------------------------

    def send(self, region: str, data: bytes, sender: str) -> Answer:
        told = read_message(data)[0]
        if (sender, region) in self.cut and b'"type":"hours.' in told.body:
            raise Unavailable("cut off")
        answer = self.nodes[region].deliver(data, sender)
        self.sent.append(Sent(sender, region, self.origins[told.origin], told.position, answer.state))
        return answer

    def fetch(self, region: str, transfer: str) -> Iterable[bytes]:
        return self.nodes[region].bundle(transfer)

    # -- what they do ---------------------------------------------------------------------------------

    def follower(self, code: str, schema: str = "") -> Outgoing:
        return Outgoing(self.database, self.worlds[code].schema, schema)

    def follow(self, code: str) -> bool:
        """Derive messages from all that is new in the log of a region."""
        found = False
        with closing(Outline(self.worlds[code].ledger)) as feed:
            while advance(self.follower(code), self.worlds[code].ledger.name, feed):
                found = True
        return found

    def run(self, *codes: str) -> list[Sent]:
        """Let the regions named, or all, do what there is to do until nothing is left; what was sent."""
        before = len(self.sent)
        while sum(self._work(code) for code in codes or self.worlds):
            pass
        return self.sent[before:]

    def _work(self, code: str) -> bool:
        world, node = self.worlds[code], self.nodes[code]
        worked = self.follow(code)
        now = world.ledger.now() * 1000
        with self.database.transaction() as cursor:
            rows = outbox.due(cursor, world.schema, now, 100)
        for row in rows:
            try:
                answer = self.send(row.peer, node.message(row.origin, row.position), code)
                fate = retries.answered(answer)
            except LedgerError as error:
                fate = retries.failed(error)
            with self.database.transaction() as cursor:
                outbox.settle(cursor, world.schema, row.number, fate.state, now + 3_600_000, fate.reason)
        return node.step() or worked or bool(rows)

    # -- what happens to them -------------------------------------------------------------------------

    def recognise(self, code: str, peer: str) -> None:
        world, other = self.worlds[code], self.worlds[peer]
        world.record(
            "region.peer_recognised/1",
            issuer=world.authority,
            subject=world.authority,
            peer=peer,
            peer_origin=other.origin,
            log_key=builders.vkey(other.origin),
        )

    def visit(self, code: str, home: str, volunteer: str = VOLUNTEER) -> None:
        self.worlds[code].record(
            "volunteer.visiting/1",
            issuer=volunteer,
            subject=volunteer,
            home=home,
            home_origin=self.worlds[home].origin,
            key=builders.vkey(volunteer),
        )

    def request(self, home: str, to: str, volunteer: str = VOLUNTEER) -> str:
        """The transfer's UUID."""
        name = new_id()
        self.worlds[home].record(
            "transfer.requested/1",
            issuer=volunteer,
            subject=f"transfer:{name}",
            volunteer=volunteer,
            to=to,
            to_origin=self.worlds[to].origin,
        )
        return name

    def move(self, home: str, to: str, volunteer: str = VOLUNTEER) -> list[Sent]:
        """A whole move; what was sent meanwhile."""
        self.request(home, to, volunteer)
        sent = self.run()
        assert self.home(home, volunteer) == to
        return sent

    def hours(self, code: str, start: str, end: str, **changes: Any) -> str:
        """Record an entry; its id."""
        return self.worlds[code].record("hours.recorded/1", **span(start, end), **changes)

    def change(self, code: str, kind: str, entry: str, of: str | None = None, **changes: Any) -> int:
        """Say something of an entry recorded at `of`, or here; the position."""
        origin = ABSENT if of in (None, code) else self.worlds[of or code].origin
        world = self.worlds[code]
        members = {"entry": entry, "origin": origin, **changes}
        if kind == "hours.decided/1":
            members = {"issuer": world.authority, **members}
        world.record(kind, **members)
        return world.size - 1

    # -- what became of it ----------------------------------------------------------------------------

    def home(self, code: str, volunteer: str = VOLUNTEER) -> str | None:
        world = self.worlds[code]
        [(home,)] = world.query(
            f"SELECT home FROM {world.schema}.volunteers WHERE id = %s", volunteer.removeprefix("volunteer:")
        )
        return home

    def messages(self, code: str, table: str = "outgoing.messages") -> list[tuple[str, str, str, int]]:
        """What follows from a region's log, in order: to whom, of what kind, of whose log and where there."""
        world = self.worlds[code]
        rows = world.query(f"SELECT peer, kind, origin, position FROM {world.schema}_{table} ORDER BY at, turn")
        return [(peer, kind, self.origins.get(origin, code), position) for peer, kind, origin, position in rows]

    def topic(self, code: str, position: int) -> str:
        return self.worlds[code].ledger.rows_at([position])[position].topic

    def told(self, sent: Iterable[Sent]) -> list[tuple[str, str, str]]:
        """Who told whom what, the types of events in short."""
        return [(one.by, one.to, self.topic(one.log, one.position).removesuffix("/1")) for one in sent]


def checkpoint(world: World) -> str:
    """The tree of all there is, signed by the region's log key."""
    with world.database.read() as cursor:
        head = log.read_head(cursor, world.schema)
        root = Tiles(cursor, world.schema, head.size).root()
    return notes.sign(Checkpoint(world.origin, head.size, root).text(), [builders.signing_key(world.origin)])
