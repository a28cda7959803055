"""Checking proofs of service as this server does it: whom it trusts, the lists it has, the proofs it issued."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from api.service.region import Region
from api.wording import verdicts
from ledger.app.proof_records import KeptProof
from ledger.credentials import model
from ledger.credentials.checking import verify
from ledger.credentials.checking.steps import CODES
from ledger.credentials.checking.verdict import Outcome, Result, Step, Verdict
from ledger.credentials.sd_jwt.token import Binding
from ledger.crypto.keys import SigningKey
from ledger.domain.state import Proof
from ledger.errors import Busy, NotFound
from ledger.federation import trust_bundle
from ledger.federation.members import Federation
from ledger.federation.trust_bundle import Trust
from ledger.ids import check_uuid, format_time, parse_list_name
from ledger.limits import CHECKS_AT_ONCE, NAME_GUESSES_MAX, TRUST_BUNDLE_SECONDS

_DAY: Final = 24 * 3600
_HOUR: Final = 3600
_AGES: Final = 100 * 365 * _DAY
_PATIENCE_SECONDS: Final = 1
_CHANGES_MAX: Final = 1_000_000
"""Keys and names that all regions of a deployment ever change; the day stands before it in the serial."""


@dataclass(frozen=True, slots=True)
class ShownProof:
    """A proof that this server issued, as its page shows it."""

    verdict: Verdict
    credential: model.Credential | None
    replacement: str | None
    _region: Region
    _proof: str

    def name_matches(self, text: str) -> bool:
        """Whether the proof states this name. Raise Busy after too many names: one could go on until one fits."""
        name = self.credential.name_of_holder if self.credential else None
        matches = name is not None and verdicts.same_name(name, text)
        outcome = "matches" if matches else "does not match"
        if not self._region.note_access(self._proof, "name", "", outcome, NAME_GUESSES_MAX):
            raise Busy("too many names were tried for this proof: ask again in an hour", retry_after=_HOUR)
        return matches


class Checking:
    """Checks proofs with all that a server knows of its regions: keys, status lists, revocations."""

    def __init__(self, regions: Mapping[str, Region], key: SigningKey | None) -> None:
        self._regions = regions
        self._key = key
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(CHECKS_AT_ONCE)
        self._known: tuple[tuple[int, int], Trust] | None = None

    # -- whom to trust --------------------------------------------------------------------------------

    def trust(self) -> Trust:
        """The federation of this deployment's own regions, as its trust bundle states it."""
        version = self._version()
        with self._lock:
            known = self._known
        if known is None or known[0] != version:
            known = version, Trust(self._federation(*version))
            with self._lock:
                self._known = known
        return known[1]

    def bundle(self) -> bytes:
        """The trust bundle: the federation, signed, with every status list as it is now."""
        if self._key is None:
            raise NotFound("no region here issues proofs")
        lists = {
            region.proofs.statuses.url(name): region.proofs.statuses.get(name)
            for region in self._issuing()
            for name in region.proofs.statuses.names()
        }
        return trust_bundle.seal(self.trust().federation, [self._key], lists)

    def status_list(self, url: str) -> bytes | None:
        """A list of a region served here, by its address; None for any other address."""
        name = url.rpartition("/")[2]
        parts = parse_list_name(name)
        region = self._regions.get(parts.region) if parts else None
        if region is None or not region.issues or region.proofs.statuses.url(name) != url:
            return None
        try:
            return region.proofs.statuses.get(name)
        except NotFound:
            return None

    def _issuing(self) -> list[Region]:
        return [region for region in self._regions.values() if region.issues]

    def _version(self) -> tuple[int, int]:
        """The day, and how often the regions said something of themselves: the same in every process, and rising."""
        issuing = self._issuing()
        today = max((region.ledger.now() // _DAY for region in issuing), default=0)
        return today, sum(region.own_events() for region in issuing)

    def _federation(self, day: int, changes: int) -> Federation:
        if self._key is None:
            raise NotFound("no region here issues proofs")
        issued = day * _DAY
        return Federation(
            name=self._key.name,
            serial=day * _CHANGES_MAX + changes,
            issued=format_time(issued),
            # Nobody will sign another for regions that are all closed.
            expires=format_time(issued + (_AGES if self._all_closed() else TRUST_BUNDLE_SECONDS)),
            keys=(str(self._key.verifier),),
            threshold=1,
            regions=tuple(region.vouched() for region in self._issuing()),
        )

    def _all_closed(self) -> bool:
        return all(region.ledger.closed for region in self._issuing())

    # -- checking -------------------------------------------------------------------------------------

    def check_upload(self, data: bytes, binding: Binding | None = None) -> Verdict:
        """Check what somebody presents; a proof issued here also tells why it was revoked, and what replaces it."""
        if not self._room.acquire(timeout=_PATIENCE_SECONDS):
            raise Busy("too many proofs are being checked", retry_after=2)
        try:
            now = max((region.ledger.now() for region in self._regions.values()), default=0)
            return self._explained(verify.check_data(data, self.trust(), self.status_list, now, binding))
        finally:
            self._room.release()

    def revocation(self, proof: str) -> tuple[str, str | None] | None:
        """Why a proof issued here was revoked, and the proof that replaces it; None when it stands or is unknown."""
        for region in self._issuing():
            record = region.proofs.proving.find(proof)
            if record is not None and record.revoked is not None:
                return str(record.reason), record.replaced_by
        return None

    def _explained(self, verdict: Verdict) -> Verdict:
        if verdict.proof is None or verdict.outcome is not Outcome.REVOKED:
            return verdict
        reason, replacement = self.revocation(verdict.proof) or (None, None)
        return replace(verdict, reason=reason, replacement=replacement)

    def shown_proof(self, proof: str) -> ShownProof:
        """A proof by its UUID, as its page shows it; raise NotFound, or NotYet until a checkpoint covers it."""
        check_uuid(proof)
        for region in self._issuing():
            kept = region.ledger.proofs.find(proof)
            if kept is not None and kept.record.format == "vc":
                return self._shown(region, kept)
        raise NotFound("no such proof")

    def _shown(self, region: Region, kept: KeptProof) -> ShownProof:
        record = kept.record
        try:
            data = region.proofs.handing_out.hand_out(kept).credential
        except NotFound:
            return ShownProof(_erased(region, record), None, record.replaced_by, region, record.id)
        verdict = self.check_upload(data)
        region.note_access(record.id, "page", "", verdict.outcome)
        return ShownProof(verdict, model.decode(data), record.replaced_by, region, record.id)


def _erased(region: Region, record: Proof) -> Verdict:
    """The verdict on a proof whose contents were erased: only its revocation is left to check."""
    revoked = record.revoked is not None
    steps = tuple(
        Step(number=number, code=code, result=Result.FAILED if revoked and code == "status" else Result.SKIPPED)
        for number, code in enumerate(CODES, 1)
    )
    return Verdict(
        outcome=Outcome.REVOKED if revoked else Outcome.STATUS_UNKNOWN,
        format=record.format,
        steps=steps,
        proof=record.id,
        region=region.code,
        issuer_name=region.proofs.proving.issuer_name(),
        reason=record.reason,
        replacement=record.replaced_by,
    )
