"""Issuing proofs of service: what was asked becomes a statement, an event, and then a file that anyone can check."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET

from api.deployment.data_folder import ProofKeys
from api.service.status_lists import Indexes
from ledger.app.committer import Committer
from ledger.app.ledger import Ledger
from ledger.app.publisher import Publisher
from ledger.credentials import holdings, issuing, model, qr_code
from ledger.credentials.certificate import certificate
from ledger.credentials.holdings import Holding, Request
from ledger.credentials.sd_jwt import token as sd_jwt
from ledger.credentials.star_levels import to_star_level, to_statement
from ledger.crypto.encoding import digest
from ledger.crypto.keys import SigningKey
from ledger.domain.deadlines import local_day
from ledger.domain.state import Proof, Region
from ledger.errors import Busy, Invalid, LedgerError, NotFound, NotYet, Problem, Refused, Rejected, Unavailable
from ledger.events import drafts
from ledger.events.body import encode_event
from ledger.events.fields import Event
from ledger.events.private_details import read_details
from ledger.events.proofs import ProofIssued, ProofRevoked, RevocationReason, StatusIndex
from ledger.events.submission import pack, seal
from ledger.ids import format_time
from ledger.limits import PROOFS_PER_DAY
from ledger.schemes import scheme
from ledger.store import proofs, vault
from ledger.store.receipts import make_receipt
from projections.statements import Stated, Statements

_DAY: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Ask:
    """One proof that is asked for: whose, what, which revoked proof it is to replace, and the UUID it gets."""

    volunteer: str
    request: Request
    replaces: str | None = None
    proof: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class Issued:
    """A proof that was issued and where its event stands, or why there is none."""

    proof: str = ""
    position: int = -1
    problem: LedgerError | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What a holder is handed: the signed credential, and the text of the certificate's QR."""

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


class NotCountedHere(Refused):
    """The volunteer's hours do not count here now, so nothing is certified of them."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__([Problem(index=None, id=None, code=reason, detail=detail, pointer="/volunteer")])
        self.detail = detail


@dataclass(frozen=True, slots=True)
class _Made:
    event: ProofIssued
    holding: bytes


class Proving:
    """Issues, hands out and revokes the proofs of one region; safe to share between threads."""

    def __init__(
        self,
        ledger: Ledger,
        committer: Committer,
        publisher: Publisher,
        statements: Statements,
        issuing_key: SigningKey,
        keys: ProofKeys,
    ) -> None:
        self.keys = keys
        self._ledger = ledger
        self._committer = committer
        self._publisher = publisher
        self._statements = statements
        self._issuing_key = issuing_key
        self._indexes = Indexes(ledger)

    # -- issuing --------------------------------------------------------------------------------------

    def issue(self, ask: Ask) -> Issued:
        """Issue one proof; raise what is wrong with the request."""
        self._check_rate(ask.volunteer)
        (issued,) = self.issue_all([ask])
        if issued.problem is not None:
            raise issued.problem
        return issued

    def issue_all(self, asks: Sequence[Ask]) -> list[Issued]:
        """Issue proofs under one signature, without a limit a holder; an answer for each, in order."""
        made = [self._try_to_make(ask) for ask in asks]
        return self._submit(made)

    def _submit(self, made: Sequence[_Made | Rejected]) -> list[Issued]:
        good = [one for one in made if isinstance(one, _Made)]
        first = self._commit([one.event for one in good], {one.event.id: one.holding for one in good}) if good else 0
        position = iter(range(first, first + len(good)))
        return [
            Issued(one.event.subject.removeprefix("proof:"), next(position))
            if isinstance(one, _Made)
            else Issued(problem=one)
            for one in made
        ]

    def _try_to_make(self, ask: Ask) -> _Made | Rejected:
        try:
            return self._make(ask)
        except Rejected as error:  # the asker's fault, and nothing else, is an answer
            return error

    def _check_rate(self, volunteer: str) -> None:
        with self._ledger.database.read() as cursor:
            made = proofs.issued_since(cursor, self._ledger.schema, volunteer, self._ledger.now() - _DAY)
        if made >= PROOFS_PER_DAY:
            raise Busy(f"{made} proofs were issued within a day, and at most {PROOFS_PER_DAY} are", retry_after=3600)

    def _check_home(self, volunteer: str) -> None:
        """Proofs are issued where the hours count; those issued before a move stay what they are."""
        person = self._statements.person(volunteer)
        if person is None:
            return
        if person.elsewhere is not None:
            raise NotCountedHere("not-home", f"the hours count in {person.elsewhere}, the home: ask there")
        if person.move is not None and person.in_transit:
            raise NotCountedHere("in-transit", f"the record is on its way to {person.move.to}: ask when it has arrived")

    def _make(self, ask: Ask) -> _Made:
        self._check_home(ask.volunteer)
        issued, today = format_time(self._ledger.now()), self._today()
        if ask.request.first > today:
            raise Invalid("the period has not begun", "/first")
        # Nothing is certified of days that are still to come.
        request = msgspec.structs.replace(ask.request, last=min(ask.request.last, today))
        stated = self._statements.state(ask.volunteer, request)
        if not stated.entries:
            raise Invalid("no counted service in that period and selection: there is nothing to prove", "/first")
        statement = self._statement(ask, stated, today)
        name = self._name(ask.volunteer) if request.named else None
        _check_glyphs(name, request)
        listed, index = self._indexes.take("vc")
        place = issuing.Place(
            did=self.keys.did,
            base=self.keys.base,
            region=self._ledger.region,
            issuer_name=self.issuer_name(),
            proof=ask.proof,
            subject=str(uuid.uuid4()),
            list=listed,
            index=index,
        )
        credential = issuing.make_credential(statement, place, issued, name)
        holding = Holding(
            volunteer=ask.volunteer,
            salt=drafts.salt(),
            request=request,
            seen=stated.seen,
            entries=stated.entries,
            statement=statement,
            credential=credential,
        )
        return self._commit_to(holding, place.proof, StatusIndex(list=listed, index=index), ask.replaces)

    def _commit_to(self, holding: Holding, proof: str, status: StatusIndex, replaces: str | None) -> _Made:
        data = holdings.encode(holding)
        event = ProofIssued(
            **self._common(f"proof:{proof}"),
            credential=holdings.committed(holding),
            holder=digest(data),
            format="vc" if isinstance(holding.credential, model.Credential) else "sd-jwt",
            status=status,
            replaces=replaces or UNSET,
        )
        return _Made(event, data)

    def _statement(self, ask: Ask, stated: Stated, day: str) -> model.Statement:
        """The statement with the star level that was asked for."""
        request = ask.request
        if request.kind == "service" and not request.star:
            return stated.statement
        recognised = self._statements.recognise(ask.volunteer, day)
        if request.kind == "star":
            return to_statement(recognised, self._ledger.region)
        star = to_star_level(recognised, self._ledger.region) if recognised.level else UNSET
        return msgspec.structs.replace(stated.statement, star=star)

    def _today(self) -> str:
        return local_day(self._ledger.now()).isoformat()

    def issuer_name(self) -> str:
        """The region, as its credentials name it."""
        region = self._ledger.record(Region, f"region:{self._ledger.region}")
        if region is None:
            raise NotYet("the region is not established")
        return f"{region.zh} · {region.en}"

    def _name(self, volunteer: str) -> str:
        """The name that a station last saw in a document; what a person says of itself is not stated."""
        person = self._statements.person(volunteer)
        if person is None or person.status != "verified":
            raise Invalid("no station has verified this person, so no name can be stated", "/named")
        kept = self._ledger.private(person.id)
        if not kept:
            raise Invalid("no name is kept of this person any more, so none can be stated", "/named")
        return read_details(kept[-1].details).name

    # -- handing out ----------------------------------------------------------------------------------

    def holding(self, proof: str) -> Holding:
        """What is kept of a proof; raise NotFound when it was erased, or never was."""
        return self._held(proof)[0]

    def holdings(self, ids: Sequence[str]) -> dict[str, Holding]:
        """What is kept of these proofs, those that were erased left out."""
        with self._ledger.database.read() as cursor:
            found = vault.read_holdings(cursor, self._ledger.schema, ids)
        return {one.proof: holdings.decode(one.holding) for one in found}

    def _held(self, proof: str) -> tuple[Holding, str]:
        with self._ledger.database.read() as cursor:
            found = vault.read_holdings(cursor, self._ledger.schema, [proof])
        if not found:
            raise NotFound("what was kept of this proof was erased, or it never was")
        return holdings.decode(found[0].holding), found[0].event_id

    def finished(self, proof: str) -> Finished:
        """What a holder is handed; raise NotYet until a checkpoint covers the event. The same bytes ever after.

        Only when the key that signed it was revoked is it signed anew, by the present one.
        """
        if self.record(proof).format != "vc":
            raise NotFound("this proof is a token: see `sd-jwt`")
        with self._ledger.database.read() as cursor:
            kept = vault.finished(cursor, self._ledger.schema, proof)
            valid = {key.multikey for key in proofs.credential_keys(cursor, self._ledger.schema)}
        if kept is not None and (found := Finished.of(kept)).signer in valid:
            return found
        if self.keys.credential.multikey not in valid:
            raise Unavailable("the key that signs proofs here was revoked: its operator has to restart with another")
        made = self._finish(proof)
        with self._ledger.database.transaction() as cursor:
            return Finished.of(vault.finish(cursor, self._ledger.schema, proof, made.kept(), instead_of=kept))

    def _finish(self, proof: str) -> Finished:
        holding, event_id = self._held(proof)
        if not isinstance(holding.credential, model.Credential):
            raise NotFound("this proof is a token: see `sd-jwt`")
        row, note = self._ledger.event(event_id), self._publisher.published
        if note is None:
            raise NotYet("no checkpoint is signed yet")
        with self._ledger.database.read() as cursor:
            receipt = make_receipt(cursor, self._ledger.schema, row, note)
        key = self.keys.credential
        described = qr_code.describe(holding.credential, row.recorded_at, secrets.token_bytes(qr_code.NAME_SALT_BYTES))
        page = qr_code.page(holding.credential, qr_code.seal(described, key))
        return Finished(issuing.finish(holding.credential, event_id, row.body or b"", receipt, key), page)

    def issue_token(self, proof: str, request: Request, holder: bytes | None, expires: int | None) -> tuple[str, str]:
        """An SD-JWT of what a standing proof states, bound to a P-256 key (33 bytes): its own proof id, the token.

        The request is that of the proof, with the consent under which the token is asked for.
        """
        parent = self.holding(proof)
        self._check_home(parent.volunteer)
        self._check_rate(parent.volunteer)
        if self.record(proof).revoked is not None or not isinstance(parent.credential, model.Credential):
            raise Invalid("a token is made of a credential that stands", "/proof")
        listed, index = self._indexes.take("sd-jwt")
        name = parent.credential.name_of_holder
        token = sd_jwt.issue(
            parent.statement,
            self.keys.token,
            issuer=f"{self.keys.base}/regions/{self._ledger.region}",
            issued=self._ledger.now(),
            status=sd_jwt.Status(uri=f"{self.keys.base}/status/{listed}", index=index),
            randomness=secrets.token_bytes,
            name=name,
            holder=holder,
            expires=expires,
            years=self._statements.years(parent.volunteer, parent.request, parent.entries),
        )
        payload = token.partition("~")[0].split(".")[1]
        kept = {"salt": drafts.salt(), "request": request, "credential": UNSET, "token": payload, "of": proof}
        holding = msgspec.structs.replace(parent, **kept)
        made = self._commit_to(holding, str(uuid.uuid4()), StatusIndex(list=listed, index=index), None)
        (issued,) = self._submit([made])
        with self._ledger.database.transaction() as cursor:
            vault.finish(cursor, self._ledger.schema, issued.proof, token.encode())
        parent_record = self.record(proof)
        if parent_record.revoked is not None:  # meanwhile: what fell takes along what was made of it
            self.revoke(issued.proof, cast(RevocationReason, parent_record.reason))
        return issued.proof, token

    def token(self, proof: str) -> str:
        """The SD-JWT that was issued under this id; raise NotFound."""
        if self.record(proof).format == "sd-jwt":
            with self._ledger.database.read() as cursor:
                if kept := vault.finished(cursor, self._ledger.schema, proof):
                    return kept.decode()
        raise NotFound("no token was issued under this id, or it was erased")

    # -- what became of it ----------------------------------------------------------------------------

    def find(self, proof: str) -> Proof | None:
        """What anyone may know of a proof, if it was issued here."""
        return self._ledger.record(Proof, proof)

    def record(self, proof: str) -> Proof:
        """The same; raise NotFound."""
        found = self.find(proof)
        if found is None:
            raise NotFound("no such proof, or not yours to see")
        return found

    def revoke(self, proof: str, reason: RevocationReason, detail: str | None = None) -> None:
        """Revoke a proof and the tokens made of it; one that is revoked already stays as it is."""
        while standing := self._standing(proof):
            made = [
                ProofRevoked(**self._common(f"proof:{one}"), reason=reason, detail=detail or UNSET) for one in standing
            ]
            try:
                self._commit(made, {})
            except Refused as refused:
                # Somebody else was first with some of them.
                if {problem.code for problem in refused.problems} != {"proof-revoked"}:
                    raise

    def _standing(self, proof: str) -> list[str]:
        """The proof, unless it is revoked, and the tokens made of it that are not."""
        with self._ledger.database.read() as cursor:
            tokens = proofs.tokens_of(cursor, self._ledger.schema, proof)
        return tokens if self.record(proof).revoked is not None else [proof, *tokens]

    def still_holds(self, proof: str) -> tuple[bool, int]:
        """Whether the record still says what the proof says, and how many events that takes into account."""
        holding, event_id = self._held(proof)
        if isinstance(holding.of, str) and self.record(holding.of).revoked is not None:
            return False, holding.seen
        stated = self._statements.state(holding.volunteer, holding.request, holding.entries)
        statement = holding.statement
        if isinstance(star := statement.star, model.StarLevel):
            # By the scheme that was stated and as of that day: a new year, or a new scheme, breaks no proof.
            day = self._stated_on(holding, event_id)
            found = self._statements.recognise(holding.volunteer, day, scheme.find(star.scheme))
            if (found.level, found.minutes) < (star.level, star.minutes):
                return False, stated.seen
        if isinstance(statement, model.ServiceStatement):
            return msgspec.structs.replace(statement, star=UNSET) == stated.statement, stated.seen
        return True, stated.seen

    def _stated_on(self, holding: Holding, event_id: str) -> str:
        """The day, YYYY-MM-DD, as of which a star level was stated; of a token, that of its credential."""
        if isinstance(holding.statement, model.StarStatement):
            return holding.statement.day
        origin = self._held(holding.of)[1] if isinstance(holding.of, str) else event_id
        return local_day(self._ledger.event(origin).recorded_at).isoformat()

    # -- submitting -----------------------------------------------------------------------------------

    def _common(self, subject: str) -> dict[str, Any]:
        common = drafts.common(self._issuing_key.name, self._ledger.region, subject)
        return {**common, "time": format_time(self._ledger.now())}

    def _commit(self, made: Sequence[Event], private: dict[str, bytes]) -> int:
        """Submit events of the region; the position of the first. Raise what is wrong with them."""
        bodies = [encode_event(event) for event in made]
        note = seal(bodies, self._issuing_key, self._ledger.origin)
        outcome = self._committer.submit(self._ledger.prepare(pack(note, bodies, private))).result()
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome.first


def _check_glyphs(name: str | None, request: Request) -> None:
    """Raise Invalid, naming the characters, when the certificate could not show the name or the note asked for."""
    for pointer, text in (("/named", name), ("/note", request.note)):
        if missing := certificate.missing_glyphs(text or ""):
            raise Invalid(f"the certificate's typefaces cannot show: {' '.join(missing)}", pointer)
