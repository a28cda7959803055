"""Ledgers in one database that recognise each other: what passes between them is proven by one, verified by the next.

Every step is an event of its own, made as the regions would make it, so that a test may leave one out or spoil it.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from ledger.app.arrivals import Brought
from ledger.app.intake import Accepted
from ledger.crypto.keys import VerifyingKey
from ledger.errors import LedgerError, Refused
from ledger.events.body import AnyEvent, decode_event
from ledger.evidence.evidence import LEARNED, Checker, Evidence, Verified
from ledger.exchange import manifest
from ledger.store import log
from ledger.store.exchange import records
from ledger.store.exchange.prover import Prover
from ledger.store.postgres.database import Database
from ledger.store.tiles import Tiles
from ledger.tlog import notes
from ledger.tlog.checkpoint import Checkpoint
from tests.integration.world import World
from tests.projections.tables import fresh
from tests.support import builders
from tests.support.builders import ABSENT, VOLUNTEER, signing_key, vkey

CODES = ("441300", "442000", "440300")
"""Regions, in the order in which `Regions` names them."""
TRANSFER_DAYS = "2026-11-15T12:00:00+08:00"


def checkpoint_of(world: World) -> str:
    """The signed head of a ledger."""
    with world.database.read() as cursor:
        size = log.read_head(cursor, world.schema).size
        root = Tiles(cursor, world.schema, size).root()
    return notes.sign(Checkpoint(world.origin, size, root).text(), [signing_key(world.origin)])


def evidence_at(world: World, positions: Iterable[int]) -> list[Evidence]:
    """What proves the events at these positions of a ledger, each in its present tree."""
    checkpoint = checkpoint_of(world)
    with world.database.read() as cursor:
        rows = {row.position: row for row in log.read_positions(cursor, world.schema, sorted(set(positions)))}
        return Prover(cursor, world.schema, world.origin, checkpoint).prove(list(rows.values()))


def evidence_of(world: World, event_id: str) -> Evidence:
    """What proves an event of a ledger."""
    return evidence_at(world, [world.ledger.event(event_id).position])[0]


def trusted(origin: str) -> list[VerifyingKey]:
    """The log key of each world."""
    return [signing_key(origin).verifier]


def submit_with(
    world: World, bodies: Sequence[bytes], brought: Mapping[str, Brought], private: Mapping[str, bytes] | None = None
) -> Accepted:
    """Submit bodies of the region with what they rely on, by event id; raises what is wrong with them."""
    prepared = world.ledger.prepare(world.request(*bodies, private=private))
    (answer,) = world.ledger.commit([dataclasses.replace(prepared, brought=dict(brought))])
    if isinstance(answer, LedgerError):
        raise answer
    return answer


class Regions:
    """Populated ledgers that all recognise each other. The volunteer of `builders` is at home in the first."""

    def __init__(self, database: Database, number: int = 2) -> None:
        self.worlds = [fresh(database, code) for code in CODES[:number]]
        self.lawless: list[World] = []
        """Those whose tables a test changed, as an operator who keeps no rules would."""
        self.by_origin = {world.origin: world for world in self.worlds}
        for world in self.worlds:
            self._populate(world)
        for world in self.worlds:
            for peer in self.worlds:
                if peer is not world:
                    self.recognise(world, peer)

    def _populate(self, world: World) -> None:
        world.establish()
        world.admit(builders.STATION, kind="station")
        world.admit(builders.GROUP)
        world.publish(builders.STATION)
        world.publish(builders.GROUP, GROUP_ACTIVITY)
        if world is self.worlds[0]:
            world.enrol(VOLUNTEER)

    def recognise(self, world: World, peer: World, **changes: Any) -> None:
        named = {"peer": peer.region, "peer_origin": peer.origin, "log_key": vkey(peer.origin), **changes}
        self.issue(world, "region.peer_recognised/1", subject=world.authority, **named)

    # -- evidence -------------------------------------------------------------------------------------

    def cite(self, world: World, position: int) -> dict[str, Any]:
        """The name of an event, as a body holds it."""
        row = world.ledger.rows_at([position])[position]
        entry = base64.urlsafe_b64encode(row.entry).decode().rstrip("=")
        return {"origin": world.origin, "position": position, "entry": entry}

    def brought(self, sender: World, *names: tuple[str, int]) -> Brought:
        """Events by origin and position, proven by their own ledgers and verified, with all that tells of keys there.

        The first of them is what is cited.
        """
        items: dict[tuple[str, int], Evidence] = {}
        support: dict[tuple[str, int], Evidence] = {}
        for origin in dict.fromkeys(origin for origin, _ in names):
            world = self.by_origin[origin]
            telling = [row.position for row in world.ledger.rows_at(range(world.size)).values() if row.topic in LEARNED]
            wanted = [position for log_name, position in names if log_name == origin]
            for item in evidence_at(world, [*telling, *wanted]):
                name = (item.origin, item.position)
                if item.position in telling:
                    support[name] = item
                items[name] = item
        checker = Checker(trusted)
        learned = [(support[one.origin, one.position], one) for one in checker.learn(support.values())]
        cited: list[Verified] = [(items[name], checker.check(items[name])) for name in names]
        return Brought(sender=sender.region, cited=tuple(cited), support=tuple(learned))

    # -- events of a region -----------------------------------------------------------------------------

    def issue(
        self,
        world: World,
        kind: str,
        brought: Brought | None = None,
        private: bytes | None = None,
        **changes: Any,
    ) -> int:
        """Submit one event of the region with what it relies on; its position."""
        body, name = self.body(world, kind, **changes)
        details = None if private is None else {name: private}
        return submit_with(world, [body], {} if brought is None else {name: brought}, details).first

    def body(self, world: World, kind: str, **changes: Any) -> tuple[bytes, str]:
        body = world.body(kind, **{"issuer": world.authority, **changes})
        return body, decode_event(body).id

    def refused(
        self, world: World, kind: str, brought: Brought | None = None, private: bytes | None = None, **changes: Any
    ) -> set[str]:
        """The codes for which such an event is refused, with nothing written."""
        with world.unchanged(), pytest.raises(Refused) as refusal:
            self.issue(world, kind, brought, private, **changes)
        return {problem.code for problem in refusal.value.problems}

    # -- the steps of a move ----------------------------------------------------------------------------

    def to(self, world: World) -> dict[str, Any]:
        return {"to": world.region, "to_origin": world.origin}

    def request(self, home: World, to: World, volunteer: str = VOLUNTEER, by: str = "") -> str:
        """The transfer, by its name as a subject; `by` a station on somebody's behalf."""
        name, form = f"transfer:{builders.event_id()}", {"reference": "档案 2026-21"} if by else {}
        members: dict[str, Any] = {"subject": name, "volunteer": volunteer, **self.to(to), **form}
        home.record("transfer.requested/1", issuer=by or volunteer, **members)
        return name

    def manifest(self, home: World, volunteer: str) -> manifest.Record:
        """The record as the home has it now."""
        with home.database.read() as cursor:
            ids = [volunteer, *records.aliases(cursor, home.schema, volunteer)]
            return manifest.collect(cursor, home.schema, home.origin, ids, home.size)

    def offering(self, home: World, to: World, volunteer: str) -> dict[str, Any]:
        """The members of an offer, all as they should be."""
        record = self.manifest(home, volunteer)
        return {
            "volunteer": volunteer,
            **self.to(to),
            "aliases": list(record.ids[1:]),
            "epoch": self.epoch(home, volunteer) + 1,
            "size": record.size,
            "events": len(record.kept),
            "root": record.root,
            "entries": record.entries,
            "sums": msgspec.to_builtins(record.sums),
            "expires": TRANSFER_DAYS,
        }

    def offer(self, home: World, to: World, volunteer: str = VOLUNTEER, transfer: str = "", **changes: Any) -> str:
        transfer = transfer or self.request(home, to, volunteer)
        members = {**self.offering(home, to, volunteer), **changes}
        self.issue(home, "transfer.offered/1", subject=transfer, **members)
        return transfer

    def deciding(self, home: World, transfer: str) -> dict[str, Any]:
        """What the destination's decisions on an offer hold."""
        position = self.decided(home, transfer)
        offer: Any = self.event(home, position)
        basis = self.cite(home, position)
        return {
            "subject": transfer,
            "volunteer": offer.volunteer,
            "home": home.region,
            "basis": basis,
            "epoch": offer.epoch,
        }

    def accepting(self, home: World, transfer: str) -> dict[str, Any]:
        """The members of an acceptance, all as they should be where the person is not known."""
        offer: Any = self.event(home, self.decided(home, transfer))
        minutes = sum(one.minutes for one in offer.sums)
        record = {"aliases": list(offer.aliases), "events": offer.events, "root": offer.root, "entries": offer.entries}
        return {**self.deciding(home, transfer), **record, "minutes": minutes, "keys": [vkey(offer.volunteer)]}

    def bundle(self, home: World, transfer: str) -> Brought:
        """The offer and the record behind it."""
        position = self.decided(home, transfer)
        offer: Any = self.event(home, position)
        with home.database.read() as cursor:
            ids = [offer.volunteer, *offer.aliases]
            record = manifest.collect(cursor, home.schema, home.origin, ids, offer.size)
            custody = records.custody(cursor, home.schema, home.origin, ids, offer.size)
        names = [(one.origin or home.origin, one.position) for one in record.kept]
        found = self.brought(home, (home.origin, position), *names, *custody)
        hands = dict.fromkeys(item for item in found.cited if (item[0].origin, item[0].position) in custody)
        cited = tuple(item for item in found.cited if item not in hands)
        return dataclasses.replace(found, cited=cited, support=tuple(dict.fromkeys((*found.support, *hands))))

    def accept(self, home: World, to: World, transfer: str, private: bytes | None = None, **changes: Any) -> int:
        """The position of the acceptance; `private` are the person's details, if they came along."""
        members = {**self.accepting(home, transfer), **({"keys": []} if "joined" in changes else {}), **changes}
        if private is not None:
            members["identity"] = builders.identity(private)
        return self.issue(to, "transfer.accepted/1", self.bundle(home, transfer), private, **members)

    def decline(self, home: World, to: World, transfer: str, kind: str = "transfer.rejected/1", **changes: Any) -> int:
        brought = self.brought(home, (home.origin, self.decided(home, transfer)))
        return self.issue(to, kind, brought, **{**self.deciding(home, transfer), **changes})

    def end(self, home: World, to: World, transfer: str, kind: str = "transfer.closed/1", **changes: Any) -> int:
        """Close or cancel, as the destination decided."""
        position = self.decided(to, transfer)
        decision: Any = self.event(to, position)
        members = {"volunteer": decision.volunteer, "outcome": self.cite(to, position), "closure": ABSENT, **changes}
        return self.issue(home, kind, self.brought(to, (to.origin, position)), subject=transfer, **members)

    def move(self, home: World, to: World, volunteer: str = VOLUNTEER, **changes: Any) -> str:
        """A whole move; `changes` are of the acceptance."""
        transfer = self.offer(home, to, volunteer)
        self.accept(home, to, transfer, **changes)
        self.end(home, to, transfer)
        return transfer

    # -- relays -------------------------------------------------------------------------------------------

    def receive(self, world: World, origin: World, position: int, sender: World | None = None, **changes: Any) -> int:
        """The event at a position of one ledger is received by another."""
        subject = origin.ledger.rows_at([position])[position].stream
        cited = {"event": self.cite(origin, position), "sender": (sender or origin).region}
        brought = self.brought(sender or origin, (origin.origin, position))
        return self.issue(world, "entry.received/1", brought, **{"subject": subject, **cited, **changes})

    # -- looking ------------------------------------------------------------------------------------------

    def decided(self, world: World, transfer: str) -> int:
        """Position of the event that led to the present state of a transfer."""
        name = transfer.removeprefix("transfer:")
        return int(world.query(f"SELECT decided FROM {world.schema}.transfers WHERE id = %s", name)[0][0])

    def epoch(self, world: World, volunteer: str) -> int:
        name = volunteer.removeprefix("volunteer:")
        return int(world.query(f"SELECT epoch FROM {world.schema}.volunteers WHERE id = %s", name)[0][0])

    def event(self, world: World, position: int) -> AnyEvent:
        return decode_event(world.ledger.rows_at([position])[position].body or b"")


GROUP_ACTIVITY = "0199a1c2-0000-7000-8000-00000000cc01"
"""Of the group, in the same hours as the station's."""
