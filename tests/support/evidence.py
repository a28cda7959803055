"""A log on paper: signed submissions and checkpoints of another region, without its database."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from ledger.crypto.keys import SigningKey
from ledger.events import submission
from ledger.evidence.evidence import Evidence
from ledger.tlog import merkle, notes
from ledger.tlog.entries import commitment_to
from tests.support import builders
from tests.support.builders import AUTHORITY, ORIGIN, STATION, VOLUNTEER, signing_key, subtree_of

SECOND = 1793505605
REGION_KEY, STATION_KEY, VOLUNTEER_KEY = map(signing_key, (AUTHORITY, STATION, VOLUNTEER))


class PaperLog:
    """Takes whatever is submitted, as a region that lies might."""

    def __init__(self, origin: str = ORIGIN, key: SigningKey | None = None) -> None:
        self.origin = origin
        self.key = key or signing_key(origin)
        self.bodies: list[bytes] = []
        self.entries: list[bytes] = []
        self._places: list[tuple[str, int, Sequence[bytes]]] = []

    def submit(self, *bodies: bytes, by: SigningKey = STATION_KEY, origin: str | None = None) -> int:
        """Append one submission; the position of its first event."""
        note = submission.seal(bodies, by, origin or self.origin)
        for index, body in enumerate(bodies):
            self.bodies.append(body)
            self.entries.append(commitment_to(body) + (SECOND + len(self._places)).to_bytes(8, "big"))
            self._places.append((note, index, bodies))
        return len(self.bodies) - len(bodies)

    def add(self, kind: str, by: SigningKey = REGION_KEY, /, **changes: Any) -> int:
        """Append an event of that type, issued and signed by the key's name."""
        return self.submit(builders.body(kind, **{"issuer": by.name, **changes}), by=by)

    def checkpoint(self, size: int | None = None) -> str:
        size = len(self.entries) if size is None else size
        root = merkle.tree_root([merkle.leaf_hash(entry) for entry in self.entries[:size]])
        return notes.sign(f"{self.origin}\n{size}\n{base64.b64encode(root).decode()}\n", [self.key])

    def evidence(self, position: int, size: int | None = None) -> Evidence:
        """Of one event, in the tree of that many entries, by default of all."""
        size = len(self.entries) if size is None else size
        note, index, bodies = self._places[position]
        leaves = [merkle.leaf_hash(commitment_to(body)) for body in bodies]
        above = [merkle.leaf_hash(entry) for entry in self.entries]
        return Evidence(
            origin=self.origin,
            position=position,
            recorded_at=int.from_bytes(self.entries[position][32:], "big"),
            body=self.bodies[position],
            note=note,
            index=index,
            note_path=tuple(merkle.prove_inclusion(index, len(leaves), subtree_of(leaves))),
            log_path=tuple(merkle.prove_inclusion(position, size, subtree_of(above))),
            checkpoint=self.checkpoint(size),
        )

    def all(self) -> list[Evidence]:
        return [self.evidence(position) for position in range(len(self.entries))]

    def populate(self) -> PaperLog:
        """The region, the station and its key, a volunteer, and two entries: positions 0 to 5."""
        self.add("region.established/1", origin=self.origin, log_key=str(self.key.verifier))
        admitted = builders.body("organisation.registered/1"), builders.body("organisation.key_added/1")
        self.submit(*admitted, by=REGION_KEY)
        self.add("volunteer.registered/1", VOLUNTEER_KEY)
        self.submit(*builders.hours_bodies(2))
        return self


KEY_POSITIONS = range(4)
"""Of a populated log: the events that `learn` takes."""
ENTRY = 4
"""And its first hours entry, which the station signed."""
