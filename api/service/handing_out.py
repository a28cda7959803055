"""Handing out proofs of service: the signed credential, the text of its QR, and tokens for wallets."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from typing import cast

import msgspec
from msgspec import UNSET

from api.service.proving import Proving, check_home, check_rate
from api.service.status_lists import Indexes
from ledger.app.ledger import Ledger
from ledger.app.proof_records import KeptProof
from ledger.app.publisher import Publisher
from ledger.credentials import holdings, issuing, model, qr_code
from ledger.credentials.holdings import Holding, Request
from ledger.credentials.sd_jwt import token as sd_jwt
from ledger.domain.state import Proof
from ledger.errors import Invalid, NotFound, NotYet, Unavailable
from ledger.events import drafts
from ledger.events.proofs import RevocationReason, StatusIndex
from projections import snapshot
from projections.snapshot import Snapshot
from projections.statements import Statements


@dataclass(frozen=True, slots=True)
class Finished:
    """The two things a holder is handed: the signed credential, and the text of the certificate's QR."""

    credential: bytes
    page: str

    def kept(self) -> bytes:
        """Both in one, as they are sealed: canonical JSON holds no line feed."""
        return self.credential + b"\n" + self.page.encode()

    @classmethod
    def of(cls, kept: bytes) -> Finished:
        """The opposite of `kept`."""
        credential, _, page = kept.partition(b"\n")
        return cls(credential, page.decode())

    @property
    def signer(self) -> str:
        """The Multikey that signed it."""
        proof = model.decode(self.credential).proof
        return proof[0].verificationMethod.rpartition("#")[2] if isinstance(proof, tuple) else ""


class HandingOut:
    """Finishes and hands out the proofs of one region; safe to share between threads."""

    def __init__(self, ledger: Ledger, proving: Proving, publisher: Publisher, statements: Statements) -> None:
        self._ledger = ledger
        self._keys = proving.keys
        self._proving = proving
        self._publisher = publisher
        self._statements = statements
        self._indexes = Indexes(ledger.region, "sd-jwt")

    def kept(self, proof: str) -> KeptProof:
        """A proof with what was finished of it; raise NotFound."""
        kept = self._ledger.proofs.find(proof)
        if kept is None:
            raise NotFound("no such proof, or not yours to see")
        return kept

    def holding(self, proof: str) -> Holding:
        """The holding of a proof: what it rests on; raise NotFound when that was erased, or never was."""
        return holdings.decode(self._ledger.proofs.held(proof).holding)

    # -- credentials ----------------------------------------------------------------------------------

    def finished(self, proof: str) -> Finished:
        """Hand out a proof by its UUID; see `hand_out`."""
        return self.hand_out(self.kept(proof))

    def hand_out(self, kept: KeptProof) -> Finished:
        """Hand out a proof; raise NotYet until a checkpoint covers the event. The same bytes ever after.

        Only when the key that signed it was revoked is it signed anew, by the present one.
        """
        if kept.record.format != "vc":
            raise NotFound("this proof is a token: see `sd-jwt`")
        if kept.finished is not None and (done := Finished.of(kept.finished)).signer in kept.valid_keys:
            return done
        if self._keys.credential.multikey not in kept.valid_keys:
            raise Unavailable("the key that signs proofs here was revoked: its operator has to restart with another")
        made = self._finish(kept.record.id)
        return Finished.of(self._ledger.proofs.finish(kept.record.id, made.kept(), kept.finished))

    def _finish(self, proof: str) -> Finished:
        note = self._publisher.published
        if note is None:
            raise NotYet("no checkpoint is signed yet")
        held, row, receipt = self._ledger.proofs.covered(proof, note)
        credential = holdings.decode(held.holding).credential
        if not isinstance(credential, model.Credential):
            raise NotFound("this proof is a token: see `sd-jwt`")
        key = self._keys.credential
        described = qr_code.describe(credential, row.recorded_at, secrets.token_bytes(qr_code.NAME_SALT_BYTES))
        page = qr_code.page(credential, qr_code.seal(described, key))
        return Finished(issuing.finish(credential, held.event_id, row.body or b"", receipt, key), page)

    # -- tokens ---------------------------------------------------------------------------------------

    def issue_token(
        self, proof: str, parent: Holding, request: Request, holder: bytes | None, expires: int | None
    ) -> tuple[str, str]:
        """An SD-JWT of what a standing proof states, bound to a P-256 key (33 bytes): its own proof id, the token.

        `parent` is the holding of the proof; `request` is its request, with the consent for this token.
        """
        with snapshot.taken(self._statements) as now:
            years = now.years(parent.volunteer, parent.request, parent.entries)
            name, status = self._read(proof, parent, now)
        token = sd_jwt.issue(
            parent.statement,
            self._keys.token,
            issuer=f"{self._keys.base}/regions/{self._ledger.region}",
            issued=self._ledger.now(),
            status=sd_jwt.Status(uri=f"{self._keys.base}/status/{status.list}", index=status.index),
            randomness=secrets.token_bytes,
            name=name,
            holder=holder,
            expires=expires,
            years=years,
        )
        payload = token.partition("~")[0].split(".")[1]
        changes = {"salt": drafts.salt(), "request": request, "credential": UNSET, "token": payload, "of": proof}
        made = self._proving.make_event(msgspec.structs.replace(parent, **changes), str(uuid.uuid4()), status)
        (issued,) = self._proving.submit([made])
        self._ledger.proofs.finish(issued.proof, token.encode())
        self._follow(proof, issued.proof)
        return issued.proof, token

    def _read(self, proof: str, parent: Holding, now: Snapshot) -> tuple[str | None, StatusIndex]:
        """The name that the token states, and the index that is taken for it; raise what is wrong with the request."""
        check_home(now.person(parent.volunteer))
        check_rate(now, parent.volunteer, self._ledger.now())
        record = now.record(Proof, proof)
        if record is None or record.revoked is not None or not isinstance(parent.credential, model.Credential):
            raise Invalid("a token is made of a credential that stands", "/proof")
        return parent.credential.name_of_holder, self._indexes.take(now)

    def _follow(self, proof: str, token: str) -> None:
        """Revoke a token when its credential fell meanwhile: what fell takes along what was made of it."""
        record = self._proving.find(proof)
        if record is not None and record.revoked is not None:
            self._proving.revoke(token, cast(RevocationReason, record.reason))

    def token(self, kept: KeptProof) -> str:
        """The SD-JWT that was issued under this id; raise NotFound."""
        if kept.record.format != "sd-jwt" or kept.finished is None:
            raise NotFound("no token was issued under this id, or it was erased")
        return kept.finished.decode()
