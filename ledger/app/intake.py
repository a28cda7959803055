"""The way in: a submission is prepared without a lock, then decided and appended under the head's lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.app.arrivals import Arrivals, Brought
from ledger.credentials import holdings
from ledger.crypto.keys import VerifyingKey
from ledger.domain import rules
from ledger.domain.rule import Violation
from ledger.domain.state import KeyRecord, Moment, Need, State
from ledger.domain.transfer_state import ids_of
from ledger.errors import Conflict, LedgerError, NotYet, Problem, Refused, Untrusted
from ledger.events import private_details
from ledger.events.fields import Event, type_name
from ledger.events.proofs import ProofIssued
from ledger.events.submission import FindKey, SignedEvent, Submission, open_submission
from ledger.events.transfer import TransferAccepted
from ledger.store import decisions, log, vault
from ledger.store.exchange import imports
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT, TEXT
from ledger.store.postgres.database import Cursor
from ledger.tlog.entries import make_entry


@dataclass(frozen=True, slots=True)
class Prepared:
    """A submission whose form, root and signature hold, with what its private details come to."""

    submission: Submission
    private: tuple[vault.Private, ...]
    claims: Mapping[str, str | None]
    """Keyed hash of the identity number, by event id."""
    held: tuple[vault.Held, ...] = ()
    """Holdings of the proofs that are issued."""
    missing: tuple[Problem, ...] = ()
    """Events without the private details they commit to: fine when they are in the log already."""
    brought: Mapping[str, Brought] = field(default_factory=dict)
    """By event id; only the region itself brings anything."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Where a submission's events stand. `new` is false when they all stood there before."""

    region: str
    events: tuple[tuple[str, int, bytes], ...]
    """(id, position, entry) in the order submitted."""
    tree_size: int
    new: bool

    @property
    def first(self) -> int:
        """Position of the first event."""
        return self.events[0][1]


@dataclass(frozen=True, slots=True)
class Decided:
    """What one transaction is to write."""

    new: list[log.NewEvent] = field(default_factory=list)
    submissions: list[tuple[int, int, str, str]] = field(default_factory=list)
    private: list[vault.Private] = field(default_factory=list)
    held: list[vault.Held] = field(default_factory=list)
    imports: list[imports.Import] = field(default_factory=list)


# -- before the lock ------------------------------------------------------------------------------


def prepare(data: bytes, region: str, origin: str, find_key: FindKey, claim_secret: bytes) -> Prepared:
    """Everything about a request that needs no lock: shape, canonical form, root, signature, private details.

    Raises what `open_submission` raises; Untrusted when the signature does not hold; Refused for
    private details that are missing, not asked for, or not those a body commits to.
    """
    submission = open_submission(data, region, origin)
    submission.verify(find_key)
    return complete(submission, claim_secret)


def prepare_own(submission: Submission, key: VerifyingKey, find_key: FindKey, claim_secret: bytes) -> Prepared:
    """The same of a submission that was signed in this process a moment ago: its signature is not verified again.

    Raises Untrusted unless `key`, which signed it, is the key that a signature would be verified with.
    """
    if submission.key(find_key) != key:
        raise Untrusted(f"the key {key.id} of {key.name} in this ledger is another one")
    return complete(submission, claim_secret)


def complete(submission: Submission, claim_secret: bytes) -> Prepared:
    """Open the private details of a submission whose signature holds; raise Refused as `prepare` does."""
    opened = _Private()
    for index, signed in enumerate(submission.events):
        opened.take(index, signed, submission.private, claim_secret)
    committed = {signed.event.id for signed in submission.events if _commits(signed)}
    problems = opened.problems + [
        Problem(
            index=None,
            id=name,
            code="private-details",
            detail="no event commits to these",
            pointer="/private",
        )
        for name in sorted(set(submission.private) - committed)
    ]
    if problems:
        raise Refused(problems)
    return Prepared(submission, tuple(opened.private), opened.claims, tuple(opened.held), tuple(opened.missing))


def _commits(signed: SignedEvent) -> str | None:
    """The field by which an event commits to something that travels beside it."""
    if isinstance(signed.event, ProofIssued):
        return "holder"
    return "identity" if isinstance(getattr(signed.event, "identity", None), str) else None


@dataclass(slots=True)
class _Private:
    """What the events of a submission commit to, as far as it holds."""

    private: list[vault.Private] = field(default_factory=list)
    claims: dict[str, str | None] = field(default_factory=dict)
    held: list[vault.Held] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    missing: list[Problem] = field(default_factory=list)

    def take(self, index: int, signed: SignedEvent, private: Mapping[str, bytes], secret: bytes) -> None:
        """Check what belongs to one event and keep it."""
        name = _commits(signed)
        if name is None:
            return
        data = private.get(signed.event.id)
        if data is None:
            violation = Violation("private-details", "what the body commits to is missing", f"/{name}")
            self.missing.append(_problem(index, signed, violation))
            return
        try:
            self._open(signed.event, data, secret)
        except LedgerError as error:
            self.problems.append(_problem(index, signed, Violation("private-details", error.detail, f"/{name}")))

    def _open(self, event: Event, data: bytes, secret: bytes) -> None:
        if isinstance(event, ProofIssued):
            holding = holdings.open_holding(data, event)
            proof = event.subject.removeprefix("proof:")
            self.held.append(vault.Held(holding.volunteer, event.id, proof, holding.of or None, holding.seen, data))
        else:
            take = foreign_claim if isinstance(event, TransferAccepted) else _claim
            self.claims[event.id] = take(data, str(getattr(event, "identity", "")), secret)
            self.private.append(vault.Private(_keeper(event), event.id, data))


def _keeper(event: Event) -> str:
    """The volunteer under whose key the details of an event are sealed."""
    if isinstance(event, TransferAccepted):
        return event.joined if isinstance(event.joined, str) else event.volunteer
    return event.subject


def _claim(details: bytes, identity: str, secret: bytes) -> str | None:
    return private_details.claim_of(private_details.open_details(details, identity), secret)


def foreign_claim(details: bytes, identity: str, secret: bytes) -> str | None:
    """The same of details that another region took."""
    return private_details.foreign_claim_of(private_details.open_foreign_details(details, identity), secret)


def _problem(index: int, signed: SignedEvent, violation: Violation) -> Problem:
    return Problem(index=index, id=signed.event.id, **violation._asdict())


# -- under the lock -------------------------------------------------------------------------------


class Batch:
    """Decides submissions one after another, each seeing those before it, and writes those accepted."""

    def __init__(self, cursor: Cursor, schema: str, region: str, origin: str, now: int) -> None:
        self._cursor = cursor
        self._schema = schema
        self._region = region
        self._origin = origin
        self._head = log.read_head(cursor, schema, lock=True)
        self._now = max(now, self._head.clock)
        self._state = State()
        self._known: dict[str, tuple[int, bytes]] = {}
        self._decided = Decided()
        self._arrivals = Arrivals(schema, origin)

    def run(self, batch: Sequence[Prepared]) -> list[Accepted | LedgerError]:
        """The answer to each submission, in order; nothing is written of those refused."""
        found = [(one.event, prepared.claims) for prepared in batch for one in prepared.submission.events]
        self._load(need for event, claims in found for need in rules.needs(event, claims.get(event.id)))
        self._arrivals.name(self._cursor, [one for prepared in batch for one in prepared.brought.values()])
        further = list(rules.further_needs(self._state, self._arrivals.telling))
        self._load(need for need in further if not self._state.get(need.kind, need.identity))
        self._load(rules.further_spans(self._state, (event for event, _ in found)))
        rows = log.find_events(self._cursor, self._schema, [event.id for event, _ in found])
        self._known = {str(row.event_id): (row.position, row.entry) for row in rows}
        answers = [self._answer(prepared) for prepared in batch]
        self._write()
        return answers

    def _load(self, needs: Iterable[Need]) -> None:
        decisions.load(self._cursor, self._schema, needs, self._state)

    def _answer(self, prepared: Prepared) -> Accepted | LedgerError:
        try:
            self._check_key(prepared.submission)
            repeated = self._repeated(prepared.submission)
            return repeated or self._accept(prepared)
        except LedgerError as error:
            return error

    def _check_key(self, submission: Submission) -> None:
        """A key revoked since the signature was verified, or before, signs nothing any more."""
        key = self._state.get(KeyRecord, (submission.issuer, submission.key_id))
        if key is not None and key.revoked is not None:
            raise Untrusted(f"key {key.key_id} of {key.issuer} was revoked at position {key.revoked}")

    def _repeated(self, submission: Submission) -> Accepted | None:
        """The earlier answer when every event is in the log byte for byte; None when none is."""
        known = [(one, self._known[one.event.id]) for one in submission.events if one.event.id in self._known]
        if not known:
            return None
        places = [(one.event.id, position) for one, (position, _) in known]
        if any(entry[:32] != one.commitment for one, (_, entry) in known):
            raise Conflict("an id is in the log with other bytes", places)
        if len(known) < len(submission.events):
            raise Conflict("some of these events are in the log and some are not", places)
        found = tuple((one.event.id, *place) for one, place in known)
        return Accepted(self._region, found, self._size, new=False)

    @property
    def _size(self) -> int:
        return self._head.size + len(self._decided.new)

    def _accept(self, prepared: Prepared) -> Accepted:
        submission, state = prepared.submission, self._state
        mark = state.mark()
        problems = list(prepared.missing)
        for index, signed in enumerate(submission.events):
            moment = Moment(
                position=self._size + index,
                now=self._now,
                key_id=submission.key_id,
                region=self._region,
                origin=self._origin,
                claim=prepared.claims.get(signed.event.id),
            )
            if brought := prepared.brought.get(signed.event.id):
                self._check_settled(signed.event, submission.events[:index])
                moment = self._arrivals.bring(self._cursor, self._state, signed.event, moment, brought)
            if violations := rules.decide(state, signed.event, moment):
                problems += [_problem(index, signed, violation) for violation in violations]
            else:
                for record in rules.evolve(state, signed.event, moment):
                    state.put(record)
        if problems:
            state.undo(mark)
            raise Refused(problems)
        return self._take(prepared)

    def _check_settled(self, event: Event, before: Sequence[SignedEvent]) -> None:
        """A record arrives on top of what is stored about the person; raise NotYet for what is decided only now."""
        if isinstance(event, TransferAccepted):
            new = {one.stream for one in self._decided.new} | {one.event.subject for one in before}
            if not new.isdisjoint(ids_of(event)):
                raise NotYet("something about the person is stored in the same moment: try again")

    def _take(self, prepared: Prepared) -> Accepted:
        submission, first = prepared.submission, self._size
        found = []
        for position, signed in enumerate(submission.events, first):
            event = signed.event
            entry = make_entry(signed.commitment, self._now)
            self._known[event.id] = (position, entry)
            found.append((event.id, position, entry))
            self._decided.new.append(
                log.NewEvent(signed.commitment, event.id, event.subject, type_name(event), signed.body)
            )
        row = (first, len(submission.events), submission.key_id, submission.note_text)
        self._decided.submissions.append(row)
        self._decided.private.extend(prepared.private)
        self._decided.held.extend(prepared.held)
        for index, signed in enumerate(submission.events):
            if brought := prepared.brought.get(signed.event.id):
                self._decided.imports.extend(self._arrivals.take(brought, first + index))
        return Accepted(self._region, tuple(found), self._size, new=True)

    def _write(self) -> None:
        if not self._decided.new:
            return
        cursor, schema = self._cursor, self._schema
        columns = {"first": BIGINT, "count": copying.INTEGER, "key_id": TEXT, "note": TEXT}
        copying.copy(cursor, f"{schema}.submissions", columns, self._decided.submissions)
        decisions.save(cursor, schema, self._state.changes())
        if self._decided.private:
            vault.keep(cursor, schema, self._decided.private)
        if self._decided.held:
            vault.keep_holdings(cursor, schema, self._decided.held)
        imports.keep(cursor, schema, self._decided.imports)
        log.append(cursor, schema, self._head, self._now, self._decided.new)
