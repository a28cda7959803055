"""Proofs of service as the tables of a region's ledger keep them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ledger.domain.state import CredentialKeyRecord, Need, Proof, State
from ledger.errors import NotFound
from ledger.store import decisions, kept_proofs, log, proofs, vault
from ledger.store.kept_proofs import KeptProof
from ledger.store.log import StoredRow
from ledger.store.postgres.database import Cursor, Database
from ledger.store.proofs import Access
from ledger.store.receipts import make_receipt
from ledger.store.vault import Held

_ERASED = "what was kept of this proof was erased, or it never was"


class Told(NamedTuple):
    """A proof as it stands, when it was issued (unix seconds), and what is kept of it if that was not erased."""

    record: Proof
    issued: int
    held: Held | None


class Covered(NamedTuple):
    """What is kept of a proof, the event that issued it, and the receipt for that event."""

    held: Held
    row: StoredRow
    receipt: str


@dataclass(frozen=True, slots=True)
class ProofRecords:
    """Reads what is kept of proofs of service, each call in a snapshot of its own. Safe to share between threads."""

    database: Database
    schema: str

    # -- as they stand --------------------------------------------------------------------------------

    def find(self, proof: str) -> KeptProof | None:
        """A proof that was issued here, with what was finished of it."""
        return kept_proofs.find(self.database, self.schema, proof)

    def held_by(self, volunteer: str, before: int | None, limit: int) -> list[Proof]:
        """A page of a volunteer's proofs, the newest first, those issued before position `before`."""
        with self.database.read() as cursor:
            return proofs.held_by(cursor, self.schema, volunteer, before, limit)

    def told(self, ids: Sequence[str]) -> list[Told]:
        """What there is to tell of these proofs, in their order; raise NotFound for one that was never issued."""
        with self.database.read() as cursor:
            records = [self._record(cursor, proof) for proof in ids]
            rows = log.read_positions(cursor, self.schema, [record.position for record in records])
            held = vault.read_holdings(cursor, self.schema, ids)
        issued, by_proof = {row.position: row.recorded_at for row in rows}, {one.proof: one for one in held}
        return [Told(record, issued[record.position], by_proof.get(record.id)) for record in records]

    def standing_of(self, volunteer: str) -> list[str]:
        """The ids of a volunteer's proofs that are not revoked."""
        with self.database.read() as cursor:
            return proofs.standing_of(cursor, self.schema, volunteer)

    def standing_with(self, proof: str) -> list[str]:
        """A proof, unless it is revoked, and the tokens made of it that are not; raise NotFound."""
        with self.database.read() as cursor:
            record, tokens = self._record(cursor, proof), proofs.tokens_of(cursor, self.schema, proof)
        return tokens if record.revoked is not None else [proof, *tokens]

    def mark_seen(self, proof: str, seen: int) -> None:
        """The proof says what the record says, `seen` events taken into account."""
        with self.database.transaction() as cursor:
            proofs.mark_seen(cursor, self.schema, proof, seen)

    def credential_keys(self) -> list[CredentialKeyRecord]:
        """The keys of the region's credentials that are not revoked, oldest first."""
        with self.database.read() as cursor:
            return proofs.credential_keys(cursor, self.schema)

    def _record(self, cursor: Cursor, proof: str) -> Proof:
        state = State()
        decisions.load(cursor, self.schema, [Need(Proof, proof)], state)
        record = state.get(Proof, proof)
        if record is None:
            raise NotFound("no such proof, or not yours to see")
        return record

    # -- what is kept of them -------------------------------------------------------------------------

    def held(self, proof: str) -> Held:
        """What is kept of a proof; raise NotFound when it was erased, or never was."""
        with self.database.read() as cursor:
            return self._held(cursor, proof)

    def covered(self, proof: str, checkpoint: str) -> Covered:
        """The same with its event and the receipt for it; raise NotYet while the checkpoint does not cover that."""
        with self.database.read() as cursor:
            held = self._held(cursor, proof)
            (row,) = log.find_events(cursor, self.schema, [held.event_id])
            return Covered(held, row, make_receipt(cursor, self.schema, row, checkpoint))

    def finish(self, proof: str, data: bytes, instead_of: bytes | None = None) -> bytes:
        """Keep what a holder is handed; what is kept then. See `ledger.store.vault.finish`."""
        with self.database.transaction() as cursor:
            return vault.finish(cursor, self.schema, proof, data, instead_of)

    def _held(self, cursor: Cursor, proof: str) -> Held:
        held = vault.read_holdings(cursor, self.schema, [proof])
        if not held:
            raise NotFound(_ERASED)
        return held[0]

    # -- who looked -----------------------------------------------------------------------------------

    def note_access(self, access: Access, since: int, limit: int) -> bool:
        """Write down who looked; False, and nothing, when the same was done `limit` times since a unix second."""
        with self.database.transaction() as cursor:
            return proofs.note_access(cursor, self.schema, access, since, limit)

    def accesses(self, proof: str, limit: int) -> list[Access]:
        """Who looked at a proof, the latest first: of each action the latest `limit`."""
        with self.database.read() as cursor:
            return proofs.accesses(cursor, self.schema, proof, limit)


__all__ = ["Access", "Covered", "KeptProof", "ProofRecords", "Told"]
