"""Proofs of service as the tables of a region's ledger keep them."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.domain.state import CredentialKeyRecord, Proof
from ledger.store import proofs
from ledger.store.postgres.database import Database
from ledger.store.proofs import Access


@dataclass(frozen=True, slots=True)
class ProofRecords:
    """Reads what is kept of proofs of service, each call in a snapshot of its own. Safe to share between threads."""

    database: Database
    schema: str

    def held_by(self, volunteer: str, before: int | None, limit: int) -> list[Proof]:
        """A page of a volunteer's proofs, the newest first, those issued before position `before`."""
        with self.database.read() as cursor:
            return proofs.held_by(cursor, self.schema, volunteer, before, limit)

    def standing_of(self, volunteer: str) -> list[str]:
        """The ids of a volunteer's proofs that are not revoked."""
        with self.database.read() as cursor:
            return proofs.standing_of(cursor, self.schema, volunteer)

    def credential_keys(self) -> list[CredentialKeyRecord]:
        """The keys of the region's credentials that are not revoked, oldest first."""
        with self.database.read() as cursor:
            return proofs.credential_keys(cursor, self.schema)

    def note_access(self, access: Access, since: int, limit: int) -> bool:
        """Write down who looked; False, and nothing, when the same was done `limit` times since a unix second."""
        with self.database.transaction() as cursor:
            return proofs.note_access(cursor, self.schema, access, since, limit)

    def accesses(self, proof: str, limit: int) -> list[Access]:
        """Who looked at a proof, the latest first: of each action the latest `limit`."""
        with self.database.read() as cursor:
            return proofs.accesses(cursor, self.schema, proof, limit)
