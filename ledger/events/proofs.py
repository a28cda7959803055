"""Events that issue and revoke proofs of service, and that add and revoke the keys of credentials."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from ledger.crypto.did import base_of, did_of
from ledger.crypto.multikey import parse_multikey
from ledger.errors import Invalid
from ledger.events.fields import (
    Did,
    Digest,
    Event,
    ListName,
    LongText,
    Multikey,
    Part,
    ProofId,
    RegionId,
    Uuid,
    at,
)
from ledger.ids import parse_list_name
from ledger.limits import STATUS_LIST_SIZE


class RegionCredentialKeyAdded(Event, tag="region.credential_key_added/1", frozen=True, kw_only=True):
    """Adds a key that signs credentials: Ed25519 for proofs of service, P-256 for tokens (SD-JWT)."""

    subject: RegionId
    did: Annotated[Did, Meta(description="the issuer that the region's credentials name")]
    multikey: Multikey
    use: Annotated[Literal["credential", "token"], Meta(description="Ed25519 signs credentials, P-256 tokens")]

    def check(self) -> None:
        if did_of(at("/did", base_of, self.did), self.ledger) != self.did:
            raise Invalid("the DID of another region", "/did")
        public = at("/multikey", parse_multikey, self.multikey)
        if (len(public) == 32) is not (self.use == "credential"):
            raise Invalid("an Ed25519 key signs credentials, a P-256 key tokens", "/use")


class RegionCredentialKeyRevoked(Event, tag="region.credential_key_revoked/1", frozen=True, kw_only=True):
    """Ends a key that signed credentials; what it signed has to be signed anew, by another."""

    subject: RegionId
    multikey: Multikey
    reason: LongText


# -- proofs of service ------------------------------------------------------------------------------


class StatusIndex(Part, frozen=True, kw_only=True):
    """Where a status list tells whether a proof was revoked."""

    list: ListName
    index: Annotated[int, Meta(ge=0, lt=STATUS_LIST_SIZE, description=f"0 to {STATUS_LIST_SIZE - 1}, never twice")]


class ProofIssued(Event, tag="proof.issued/1", frozen=True, kw_only=True):
    """Certifies service (Order 67, articles 14 and 15). Names no volunteer: whoever checks the proof sees this body."""

    subject: ProofId
    credential: Annotated[Digest, Meta(description="of the canonical credential without `evidence` and `proof`")]
    holder: Annotated[Digest, Meta(description="of the private object that tells whose proof it is")]
    format: Annotated[Literal["vc", "sd-jwt"], Meta(description="credential or SD-JWT")]
    status: StatusIndex
    replaces: Annotated[Uuid | UnsetType, Meta(description="the revoked proof that this one replaces")] = UNSET

    def check(self) -> None:
        if parse_list_name(self.status.list) != (self.ledger, self.format == "sd-jwt"):
            raise Invalid("a status list of another region or format", "/status/list")


RevocationReason = Literal["corrected", "withdrawn", "disclaimed", "requested", "erased", "mistaken"]


class ProofRevoked(Event, tag="proof.revoked/1", frozen=True, kw_only=True):
    """Ends a proof of service, for good."""

    subject: ProofId
    reason: Annotated[RevocationReason, Meta(description="what happened to the record, or who asked")]
    detail: LongText | UnsetType = UNSET
