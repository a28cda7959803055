"""Status lists as the tables of a region's ledger tell them: which were begun, and what each says now."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ledger.store import log, proofs
from ledger.store.postgres.database import Cursor, Database


class ListState(NamedTuple):
    """The revoked indexes, and the last revocation: its position (-1 for none) and its unix second (0 for none)."""

    revoked: list[int]
    last: int
    at: int


@dataclass(frozen=True, slots=True)
class StatusRecords:
    """Reads about the status lists of one region, each call in a snapshot of its own."""

    database: Database
    schema: str

    def names(self, region: str) -> list[str]:
        """Every list in which an index was given out, and the first of each kind even before."""
        with self.database.read() as cursor:
            return [name for kind in ("", "t") for name in self._names(cursor, f"{region}-{kind}")]

    def state(self, name: str) -> ListState:
        """What a list says now."""
        with self.database.read() as cursor:
            revoked, last = proofs.list_state(cursor, self.schema, name)
            rows = log.read_positions(cursor, self.schema, [last])
        return ListState(revoked, last, max((row.recorded_at for row in rows), default=0))

    def _names(self, cursor: Cursor, prefix: str) -> Iterator[str]:
        for number in itertools.count(1):
            name = f"{prefix}{number}"
            if number > 1 and not proofs.is_begun(cursor, self.schema, name):
                return
            yield name
