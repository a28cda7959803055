"""The evidence of a credential: the event that issued it, and where that stands in its region's log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UnsetType

from ledger.credentials.model import Credential, LogEvidence, commitment
from ledger.crypto.keys import VerifyingKey
from ledger.errors import LedgerError, Untrusted
from ledger.events.body import decode_event
from ledger.events.fields import type_name
from ledger.events.proofs import ProofIssued
from ledger.ids import format_time, instant
from ledger.limits import CLOCK_AHEAD_MAX
from ledger.tlog.receipt import Receipt, check_receipt


class Issued(NamedTuple):
    """An event that was found in the log, and where."""

    event: ProofIssued
    receipt: Receipt


def check_evidence(credential: Credential, region: str, log_keys: Sequence[VerifyingKey]) -> Issued:
    """Raise Invalid or Untrusted unless the region's log holds the event that issued exactly this credential.

    Step 4 of docs/proofs.md, "Checking a proof".
    """
    if isinstance(credential.evidence, UnsetType):
        raise Untrusted("the credential carries no evidence")
    (found,) = credential.evidence
    event = decode_event(found.event.encode())  # a canonical body
    if not isinstance(event, ProofIssued):  # by which this region issued a proof
        raise Untrusted(f"the event in evidence is {type_name(event)}, which issues nothing")
    if (event.issuer, event.ledger) != (f"region:{region}", region):
        raise Untrusted(f"the event in evidence was issued by {event.issuer} to the ledger of {event.ledger}")
    _check_same(credential, event)
    return Issued(event, _receipt(found, log_keys))  # and it stands in the region's log


def check_recorded(receipt: Receipt, issued: int, closed: str | UnsetType) -> None:
    """Raise Untrusted for a proof recorded after its region closed, or before it was issued (unix seconds).

    By the log, not by what the signer says: a key that was stolen signs any date, and records nothing any more.
    """
    if not isinstance(closed, UnsetType) and receipt.recorded_at > instant(closed):
        raise Untrusted(f"the region closed at {closed}, before the proof was recorded")
    if issued > receipt.recorded_at + CLOCK_AHEAD_MAX:
        raise Untrusted(f"recorded at {format_time(receipt.recorded_at)}, before it was issued")


def _check_same(credential: Credential, event: ProofIssued) -> None:
    if event.subject != f"proof:{credential.proof_id}":  # this one, of this content, at this place
        raise Untrusted("the event in evidence issued another proof")
    if event.format != "vc":
        raise Untrusted("the event in evidence issued an SD-JWT")
    if event.credential != commitment(credential):
        raise Untrusted("the event in evidence commits to another content")
    status = credential.credentialStatus
    place = (status.statusListCredential.rpartition("/")[2], status.statusListIndex)
    if (event.status.list, str(event.status.index)) != place:
        raise Untrusted("the event in evidence has another place in the status lists")


def _receipt(evidence: LogEvidence, log_keys: Sequence[VerifyingKey]) -> Receipt:
    """Where the event stands, by the first of the log's keys under which the receipt holds."""
    error: LedgerError = Untrusted("the trust bundle has no key of the region's log")
    for key in log_keys:
        try:
            return check_receipt(evidence.tlogProof, evidence.event.encode(), key)
        except LedgerError as found:
            error = found
    raise error
