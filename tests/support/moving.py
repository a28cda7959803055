"""Records that move between real ledgers, step by step, as the regions themselves would have them move.

What one ledger brings before another is proven from the first one's store and verified, whoever kept it meanwhile.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from ledger.app.arrivals import Brought
from ledger.crypto.keys import VerifyingKey
from ledger.errors import LedgerError
from ledger.evidence.evidence import LEARNED, Checker, Verified
from ledger.exchange import manifest
from ledger.ids import format_time
from ledger.store import log
from ledger.store.exchange import records
from ledger.store.exchange.prover import Prover
from ledger.store.tiles import Tiles
from ledger.tlog import notes
from ledger.tlog.checkpoint import Checkpoint
from tests.integration.world import World
from tests.support import builders
from tests.support.builders import ABSENT

Place = tuple[World, int]
"""An event: its ledger, and its position there."""


class Moving:
    """Ledgers that recognise each other, and what passes between them."""

    def __init__(self, *worlds: World) -> None:
        self.worlds = {world.origin: world for world in worlds}
        for world in worlds:
            for peer in worlds:
                if peer is not world:
                    self.recognise(world, peer)

    def recognise(self, world: World, peer: World) -> None:
        named: dict[str, Any] = {"peer": peer.region, "peer_origin": peer.origin, "log_key": builders.vkey(peer.origin)}
        world.record("region.peer_recognised/1", issuer=world.authority, subject=world.authority, **named)

    # -- a whole move ---------------------------------------------------------------------------------

    def move(self, volunteer: str, home: World, to: World, **changes: Any) -> str:
        """The UUID of the transfer."""
        transfer = self.offer(volunteer, home, to)
        self.accept(transfer, volunteer, home, to, **changes)
        self.close(transfer, volunteer, home, to)
        return transfer

    def request(self, volunteer: str, home: World, to: World) -> str:
        transfer = str(uuid.uuid4())
        self._submit(home, "transfer.requested/1", transfer, volunteer, issuer=volunteer, **self._to(to))
        return transfer

    def offer(self, volunteer: str, home: World, to: World, transfer: str | None = None, **changes: Any) -> str:
        transfer = transfer or self.request(volunteer, home, to)
        epoch = self._epoch(home, volunteer) + 1
        expires = format_time(int(home.now) + 14 * 24 * 3600)
        fields = {**self._to(to), "epoch": epoch, "size": home.size, "aliases": [], "expires": expires, **changes}
        self._submit(home, "transfer.offered/1", transfer, volunteer, issuer=home.authority, **fields)
        return transfer

    def accept(
        self, transfer: str, volunteer: str, home: World, to: World, private: bytes | None = None, **changes: Any
    ) -> int:
        """The position of the acceptance; the whole record is brought along, and perhaps details."""
        if private is not None:
            changes["identity"] = builders.identity(private)
        record = self.record_of(home, [volunteer, *changes.get("aliases", [])])
        fields = {
            "events": len(record),
            "root": self.root_of(record),
            "home": home.region,
            "basis": self.cite((home, self.decided(home, transfer))),
            "epoch": self._epoch(home, volunteer),
            "keys": [] if "joined" in changes else [builders.vkey(volunteer)],
            "aliases": [],
            **changes,
        }
        places = [(home, self.decided(home, transfer)), *record]
        members = {"issuer": to.authority, **fields}
        return self._submit(to, "transfer.accepted/1", transfer, volunteer, places, private, **members)

    def close(self, transfer: str, volunteer: str, home: World, to: World) -> None:
        place = (to, self.decided(to, transfer))
        cited: dict[str, Any] = {"outcome": self.cite(place)}
        self._submit(home, "transfer.closed/1", transfer, volunteer, [place], issuer=home.authority, **cited)

    def reject(self, transfer: str, volunteer: str, home: World, to: World) -> None:
        """The destination does not take it, and the home hears of that."""
        place = (home, self.decided(home, transfer))
        fields: dict[str, Any] = {"home": home.region, "basis": self.cite(place), "epoch": self._epoch(home, volunteer)}
        at = self._submit(to, "transfer.rejected/1", transfer, volunteer, [place], issuer=to.authority, **fields)
        cited: dict[str, Any] = {"outcome": self.cite((to, at))}
        self._submit(home, "transfer.cancelled/1", transfer, volunteer, [(to, at)], issuer=home.authority, **cited)

    def receive(self, at: World, place: Place, volunteer: str) -> int:
        """The position of the event by which a ledger receives one of another."""
        fields = {"event": self.cite(place), "sender": place[0].region, "subject": volunteer}
        return self.bring(at, at.body("entry.received/1", issuer=at.authority, **fields), [place])

    def last(self, world: World) -> Place:
        """What was signed there last."""
        return world, world.size - 1

    # -- evidence -------------------------------------------------------------------------------------

    def cite(self, place: Place) -> dict[str, Any]:
        world, position = place
        with world.database.read() as cursor:
            (row,) = log.read_positions(cursor, world.schema, [position])
        return {
            "origin": world.origin,
            "position": position,
            "entry": base64.urlsafe_b64encode(row.entry).decode().rstrip("="),
        }

    def root_of(self, places: Sequence[Place]) -> str:
        """Over the log entries of a record, as an acceptance states it."""
        return manifest.root_of(world.ledger.rows_at([position])[position].entry for world, position in places)

    def decided(self, world: World, transfer: str) -> int:
        rows = world.query(f"SELECT decided FROM {world.schema}.transfers WHERE id = %s", transfer)
        return int(rows[0][0])

    def record_of(self, world: World, ids: Sequence[str]) -> list[Place]:
        """The events of a record in the order in which a ledger keeps it."""
        with world.database.read() as cursor:
            kept = records.record(cursor, world.schema, ids, world.size)
        return [(self.worlds[one.origin or world.origin], one.position) for one in kept]

    def verified(self, place: Place) -> tuple[Verified, list[Verified]]:
        """An event with its proof, and what tells of everybody in its ledger."""
        world, position = place
        with world.database.read() as cursor:
            size = log.read_head(cursor, world.schema).size
            root = Tiles(cursor, world.schema, size).root()
            note = notes.sign(Checkpoint(world.origin, size, root).text(), [builders.signing_key(world.origin)])
            rows = {row.position: row for row in log.read_events(cursor, world.schema, 0, size)}
            wanted = [row for row in rows.values() if row.topic in LEARNED or row.position == position]
            items = Prover(cursor, world.schema, world.origin, note).prove(wanted)
        checker = Checker(_log_keys)
        learned = checker.learn(one for one in items if rows[one.position].topic in LEARNED)
        found = {item.position: item for item in items}
        return (found[position], checker.check(found[position])), [(found[one.position], one) for one in learned]

    def bring(self, world: World, body: bytes, places: Iterable[Place], private: bytes | None = None) -> int:
        """Submit an event of the region with what it relies on, the first of it cited; its position."""
        cited: list[Verified] = []
        support: dict[tuple[str, int], Verified] = {}
        for place in places:
            one, others = self.verified(place)
            cited.append(one)
            support |= {(item.origin, item.position): (item, found) for item, found in others}
        sender = "" if not cited else self.worlds[cited[0][0].origin].region
        brought = Brought(sender=sender, cited=tuple(cited), support=tuple(support.values()))
        name = json.loads(body)["id"]
        prepared = world.ledger.prepare(world.request(body, private=None if private is None else {name: private}))
        (answer,) = world.ledger.commit([dataclasses.replace(prepared, brought={name: brought} if cited else {})])
        if isinstance(answer, LedgerError):
            raise answer
        return answer.first

    # -- making bodies --------------------------------------------------------------------------------

    def _submit(
        self,
        world: World,
        kind: str,
        transfer: str,
        volunteer: str,
        places: Iterable[Place] = (),
        private: bytes | None = None,
        **fields: Any,
    ) -> int:
        members = {"subject": f"transfer:{transfer}", "volunteer": volunteer, "closure": ABSENT, **fields}
        return self.bring(world, world.body(kind, **members), places, private)

    def _to(self, to: World) -> dict[str, Any]:
        return {"to": to.region, "to_origin": to.origin}

    def _epoch(self, world: World, volunteer: str) -> int:
        name = volunteer.removeprefix("volunteer:")
        return int(world.query(f"SELECT epoch FROM {world.schema}.volunteers WHERE id = %s", name)[0][0])


def _log_keys(origin: str) -> list[VerifyingKey]:
    return [builders.signing_key(origin).verifier]
