"""Batches of proofs as the tables of a region's ledger keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.store import batches
from ledger.store.batches import Batch, Item, Progress
from ledger.store.postgres.database import Database


@dataclass(frozen=True, slots=True)
class BatchRecords:
    """Reads and writes the batches of one region, each call in a transaction of its own."""

    database: Database
    schema: str

    def create(self, batch: Batch, items: Sequence[Item]) -> None:
        """Store a batch whose items all wait."""
        with self.database.transaction() as cursor:
            batches.create(cursor, self.schema, batch, items)

    def find(self, batch: str) -> Batch | None:
        """A batch by its UUID."""
        with self.database.read() as cursor:
            return batches.find(cursor, self.schema, batch)

    def unfinished(self) -> list[Batch]:
        """The batches in which something waits, the oldest first."""
        with self.database.read() as cursor:
            return batches.unfinished(cursor, self.schema)

    def progress(self, batch: str) -> Progress:
        """How far a batch has come."""
        with self.database.read() as cursor:
            return batches.progress(cursor, self.schema, batch)

    def items(self, batch: str, state: str, after: int, limit: int) -> list[Item]:
        """Items of a batch in a state, by number, those after number `after`."""
        with self.database.read() as cursor:
            return batches.items(cursor, self.schema, batch, state, after, limit)

    def settle(self, batch: str, refused: Sequence[tuple[int, str]]) -> None:
        """Mark items whose proofs are in the log as issued, and those named (number, problem) as refused."""
        with self.database.transaction() as cursor:
            batches.settle(cursor, self.schema, batch, refused)
