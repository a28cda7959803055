"""Issuing proofs of service: what was asked becomes a statement, and that an event with its holding."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec import UNSET

from api.deployment.data_folder import ProofKeys
from api.service.status_lists import Indexes
from ledger.app.issuer import Issuer
from ledger.credentials import holdings, issuing, model
from ledger.credentials.certificate import certificate
from ledger.credentials.holdings import Holding, Request
from ledger.credentials.star_levels import to_star_level, to_statement
from ledger.crypto.encoding import digest
from ledger.domain.deadlines import local_day
from ledger.domain.state import Proof, Region
from ledger.errors import Busy, Invalid, LedgerError, NotYet, Problem, Refused, Rejected
from ledger.events import drafts
from ledger.events.private_details import read_details
from ledger.events.proofs import ProofIssued, ProofRevoked, RevocationReason, StatusIndex
from ledger.ids import format_time
from ledger.limits import PROOFS_PER_DAY
from projections import snapshot
from projections.people import Person
from projections.snapshot import Snapshot
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


class NotCountedHere(Refused):
    """The volunteer's hours do not count here now, so nothing is certified of them."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__([Problem(index=None, id=None, code=reason, detail=detail, pointer="/volunteer")])
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Made:
    """The event that issues a proof, and the holding that it commits to; not submitted yet."""

    event: ProofIssued
    holding: bytes


@dataclass(frozen=True, slots=True)
class _Basis:
    """Everything a proof is made of, read in one snapshot."""

    request: Request
    stated: Stated
    statement: model.Statement
    name: str | None
    issuer_name: str
    status: StatusIndex


class Proving:
    """Issues and revokes the proofs of one region; safe to share between threads."""

    def __init__(self, issuer: Issuer, statements: Statements, keys: ProofKeys) -> None:
        self.keys = keys
        self._issuer = issuer
        self._ledger = issuer.ledger
        self._statements = statements
        self._indexes = Indexes(self._ledger.region, "vc")

    # -- issuing --------------------------------------------------------------------------------------

    def issue(self, ask: Ask) -> Issued:
        """Issue one proof; raise what is wrong with the request."""
        (issued,) = self.submit([self._make(ask, limited=True)])
        return issued

    def issue_all(self, asks: Sequence[Ask]) -> list[Issued]:
        """Issue proofs under one signature, without a limit a holder; an answer for each, in order."""
        return self.submit([self._try_to_make(ask) for ask in asks])

    def submit(self, made: Sequence[Made | Rejected]) -> list[Issued]:
        """Submit the events that were made, all under one signature; an answer for each, in order."""
        good = [proof for proof in made if isinstance(proof, Made)]
        private = {proof.event.id: proof.holding for proof in good}
        first = self._issuer.issue_all([proof.event for proof in good], private).first if good else 0
        position = iter(range(first, first + len(good)))
        return [
            Issued(proof.event.subject.removeprefix("proof:"), next(position))
            if isinstance(proof, Made)
            else Issued(problem=proof)
            for proof in made
        ]

    def make_event(self, holding: Holding, proof: str, status: StatusIndex, replaces: str | None = None) -> Made:
        """The event that issues a proof by committing to its holding."""
        data = holdings.encode(holding)
        event = ProofIssued(
            **self._issuer.common(f"proof:{proof}"),
            credential=holdings.committed(holding),
            holder=digest(data),
            format="vc" if isinstance(holding.credential, model.Credential) else "sd-jwt",
            status=status,
            replaces=replaces or UNSET,
        )
        return Made(event, data)

    def _try_to_make(self, ask: Ask) -> Made | Rejected:
        try:
            return self._make(ask, limited=False)
        except Rejected as error:  # the asker's fault, and nothing else, is an answer
            return error

    def _make(self, ask: Ask, *, limited: bool) -> Made:
        issued = format_time(self._ledger.now())
        with snapshot.taken(self._statements) as now:
            basis = self._read(ask, now, limited)
        place = issuing.Place(
            did=self.keys.did,
            base=self.keys.base,
            region=self._ledger.region,
            issuer_name=basis.issuer_name,
            proof=ask.proof,
            subject=str(uuid.uuid4()),
            list=basis.status.list,
            index=basis.status.index,
        )
        holding = Holding(
            volunteer=ask.volunteer,
            salt=drafts.salt(),
            request=basis.request,
            seen=basis.stated.seen,
            entries=basis.stated.entries,
            statement=basis.statement,
            credential=issuing.make_credential(basis.statement, place, issued, basis.name),
        )
        return self.make_event(holding, ask.proof, basis.status, ask.replaces)

    def _read(self, ask: Ask, now: Snapshot, limited: bool) -> _Basis:
        """Read what the proof is made of; raise what is wrong with the request before an index is taken for it."""
        today = self._today()
        if ask.request.first > today:
            raise Invalid("the period has not begun", "/first")
        # Nothing is certified of days that are still to come.
        request = msgspec.structs.replace(ask.request, last=min(ask.request.last, today))
        stated = now.state(ask.volunteer, request)
        if limited:
            check_rate(now, ask.volunteer, self._ledger.now())
        person = now.person(ask.volunteer)
        check_home(person)
        if not stated.entries:
            raise Invalid("no counted service in that period and selection: there is nothing to prove", "/first")
        statement = self._statement(ask, stated, today, now)
        name = _name(person, now) if request.named else None
        _check_glyphs(name, request)
        issuer_name = _named(now.record(Region, f"region:{self._ledger.region}"))
        return _Basis(request, stated, statement, name, issuer_name, self._indexes.take(now))

    def _statement(self, ask: Ask, stated: Stated, day: str, now: Snapshot) -> model.Statement:
        """The statement with the star level that was asked for."""
        request = ask.request
        if request.kind == "service" and not request.star:
            return stated.statement
        recognised = now.recognise(ask.volunteer, day)
        if request.kind == "star":
            return to_statement(recognised, self._ledger.region)
        star = to_star_level(recognised, self._ledger.region) if recognised.level else UNSET
        return msgspec.structs.replace(stated.statement, star=star)

    def _today(self) -> str:
        return local_day(self._ledger.now()).isoformat()

    def issuer_name(self) -> str:
        """The region, as its credentials name it."""
        return _named(self._ledger.record(Region, f"region:{self._ledger.region}"))

    # -- what became of it ----------------------------------------------------------------------------

    def find(self, proof: str) -> Proof | None:
        """The public record of a proof that was issued here."""
        return self._ledger.record(Proof, proof)

    def revoke(self, proof: str, reason: RevocationReason, detail: str | None = None) -> None:
        """Revoke a proof and the tokens made of it; one that is revoked already stays as it is. Raise NotFound."""
        while standing := self._ledger.proofs.standing_with(proof):
            events = [
                ProofRevoked(**self._issuer.common(f"proof:{name}"), reason=reason, detail=detail or UNSET)
                for name in standing
            ]
            try:
                self._issuer.issue_all(events)
            except Refused as refused:
                # Somebody else was first with some of them.
                if {problem.code for problem in refused.problems} != {"proof-revoked"}:
                    raise


def check_rate(now: Snapshot, volunteer: str, at: int) -> None:
    """Raise Busy when as many proofs of a volunteer were issued within a day as are at most."""
    made = now.issued_since(volunteer, at - _DAY)
    if made >= PROOFS_PER_DAY:
        raise Busy(f"{made} proofs were issued within a day, and at most {PROOFS_PER_DAY} are", retry_after=3600)


def check_home(person: Person | None) -> None:
    """Proofs are issued where the hours count; those issued before a move stay what they are."""
    if person is None:
        return
    if person.elsewhere is not None:
        raise NotCountedHere("not-home", f"the hours count in {person.elsewhere}, the home: ask there")
    if person.move is not None and person.in_transit:
        raise NotCountedHere("in-transit", f"the record is on its way to {person.move.to}: ask when it has arrived")


def _name(person: Person | None, now: Snapshot) -> str:
    """The name that a station last saw in a document; what a person says of itself is not stated."""
    if person is None or person.status != "verified":
        raise Invalid("no station has verified this person, so no name can be stated", "/named")
    kept = now.private(person.id)
    if not kept:
        raise Invalid("no name is kept of this person any more, so none can be stated", "/named")
    return read_details(kept[-1].details).name


def _named(region: Region | None) -> str:
    if region is None:
        raise NotYet("the region is not established")
    return f"{region.zh} · {region.en}"


def _check_glyphs(name: str | None, request: Request) -> None:
    """Raise Invalid, naming the characters, when the certificate could not show the name or the note asked for."""
    for pointer, text in (("/named", name), ("/note", request.note)):
        if missing := certificate.missing_glyphs(text or ""):
            raise Invalid(f"the certificate's typefaces cannot show: {' '.join(missing)}", pointer)
