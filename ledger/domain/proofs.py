"""Proofs of service and the keys that sign them: issued, revoked, replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.domain.rule import Rule, Violation
from ledger.domain.state import (
    Claim,
    CredentialKeyRecord,
    Moment,
    Need,
    Proof,
    Record,
    Region,
    State,
    Volunteer,
    replace,
)
from ledger.events.fields import Event
from ledger.events.proofs import (
    ProofIssued,
    ProofRevoked,
    RegionCredentialKeyAdded,
    RegionCredentialKeyRevoked,
    StatusIndex,
)
from ledger.events.registration import RegionClosed
from ledger.ids import issuer_kind

# -- who may ask for one ----------------------------------------------------------------------------


def may_ask(volunteer: Volunteer | None, asker: str) -> bool:
    """Whether the asker is issued and shown a proof of this volunteer's service: itself, its station, the region."""
    if issuer_kind(asker) == "region":
        return True
    return volunteer is not None and asker in (volunteer.id, volunteer.registrar, volunteer.verifier)


def lacks_consent(volunteer: str, asker: str, consent: str | None) -> bool:
    """Whether somebody asks for another without saying where that person's consent is kept (Order 67, 6 and 16)."""
    return asker != volunteer and consent is None


def is_offered(proof: Proof) -> bool:
    """Whether the holder may have the same again: revoked for a change of the record, and not replaced."""
    return proof.format == "vc" and proof.reason in ("corrected", "withdrawn") and proof.replaced_by is None


# -- proofs ---------------------------------------------------------------------------------------


def _proof_id(event: ProofIssued | ProofRevoked) -> str:
    return event.subject.removeprefix("proof:")


def _index_claim(status: StatusIndex) -> tuple[str, str]:
    """An index of a status list tells of one proof, ever."""
    return "status", f"{status.list}/{status.index}"


def _needs_issued(event: ProofIssued) -> Iterable[Need]:
    yield Need(Proof, _proof_id(event))
    yield Need(Claim, _index_claim(event.status))
    if isinstance(event.replaces, str):
        yield Need(Proof, event.replaces)


def _decide_issued(state: State, event: ProofIssued, moment: Moment) -> Iterator[Violation]:
    if state.get(Proof, _proof_id(event)):
        yield Violation("already-issued", f"{event.subject} was issued before", "/subject")
    if state.get(Claim, _index_claim(event.status)):
        yield Violation("index-taken", "the index tells of another proof", "/status/index")
    if isinstance(event.replaces, str):
        before = state.get(Proof, event.replaces)
        if before is None or before.revoked is None:
            yield Violation("proof-stands", "only a proof that was revoked is replaced", "/replaces")
        elif before.replaced_by is not None or before.format != event.format:
            yield Violation("already-replaced", "it was replaced before, or by another format", "/replaces")


def _evolve_issued(state: State, event: ProofIssued, moment: Moment) -> Iterable[Record]:
    proof_id, status = _proof_id(event), event.status
    yield Proof(
        id=proof_id,
        position=moment.position,
        format=event.format,
        list=status.list,
        index=status.index,
    )
    kind, key = _index_claim(status)
    yield Claim(kind=kind, key=key, holder=event.subject)
    if isinstance(event.replaces, str) and (before := state.get(Proof, event.replaces)):
        yield replace(before, replaced_by=proof_id)


def _needs_revoked(event: ProofRevoked) -> Iterable[Need]:
    yield Need(Proof, _proof_id(event))


def _decide_revoked(state: State, event: ProofRevoked, moment: Moment) -> Iterator[Violation]:
    proof = state.get(Proof, _proof_id(event))
    if proof is None:
        yield Violation("unknown-proof", f"{event.subject} was not issued here", "/subject")
    elif proof.revoked is not None:
        yield Violation("proof-revoked", f"it was revoked at position {proof.revoked}", "/subject")


def _evolve_revoked(state: State, event: ProofRevoked, moment: Moment) -> Iterable[Record]:
    if proof := state.get(Proof, _proof_id(event)):
        yield replace(proof, revoked=moment.position, reason=event.reason)


# -- what signs them ------------------------------------------------------------------------------


def _needs_key(event: RegionCredentialKeyAdded | RegionCredentialKeyRevoked) -> Iterable[Need]:
    yield Need(CredentialKeyRecord, event.multikey)


def _decide_key_added(state: State, event: RegionCredentialKeyAdded, moment: Moment) -> Iterator[Violation]:
    if state.get(CredentialKeyRecord, event.multikey):
        yield Violation("key-known", "the key was registered before", "/multikey")


def _evolve_key_added(state: State, event: RegionCredentialKeyAdded, moment: Moment) -> Iterable[Record]:
    yield CredentialKeyRecord(multikey=event.multikey, did=event.did, use=event.use, added=moment.position)


def _decide_key_revoked(state: State, event: RegionCredentialKeyRevoked, moment: Moment) -> Iterator[Violation]:
    key = state.get(CredentialKeyRecord, event.multikey)
    if key is None:
        yield Violation("unknown-key", "no such key signs credentials of this region", "/multikey")
    elif key.revoked is not None:
        yield Violation("key-revoked", f"the key was revoked at {key.revoked}", "/multikey")


def _evolve_key_revoked(state: State, event: RegionCredentialKeyRevoked, moment: Moment) -> Iterable[Record]:
    if key := state.get(CredentialKeyRecord, event.multikey):
        yield replace(key, revoked=moment.position)


# -- the end of a ledger --------------------------------------------------------------------------


def _needs_region(event: RegionClosed) -> Iterable[Need]:
    yield Need(Region, event.subject)


def _decide_closed(state: State, event: RegionClosed, moment: Moment) -> Iterator[Violation]:
    return iter(())  # that it is closed already is said of every event that comes after


def _evolve_closed(state: State, event: RegionClosed, moment: Moment) -> Iterable[Record]:
    if region := state.get(Region, event.subject):
        yield replace(region, closed=moment.position)


RULES: dict[type[Event], Rule] = {
    ProofIssued: Rule(_needs_issued, _decide_issued, _evolve_issued),
    ProofRevoked: Rule(_needs_revoked, _decide_revoked, _evolve_revoked),
    RegionCredentialKeyAdded: Rule(_needs_key, _decide_key_added, _evolve_key_added),
    RegionCredentialKeyRevoked: Rule(_needs_key, _decide_key_revoked, _evolve_key_revoked),
    RegionClosed: Rule(_needs_region, _decide_closed, _evolve_closed),
}
