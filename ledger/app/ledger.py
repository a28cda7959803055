"""Ledger: one region's events; submit, read, subscribe. An application of the eventsourcing library."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from eventsourcing.application import Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import InfrastructureFactory, Mapper, StoredEvent
from eventsourcing.utils import Environment

from ledger.app.intake import Accepted, Batch, Prepared, foreign_claim, prepare, prepare_own
from ledger.app.reader import Reader
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.errors import Conflict, Corrupt, LedgerError, NotFound, Unavailable
from ledger.events.body import AnyEvent, decode_event
from ledger.events.submission import Submission
from ledger.store import keys, log, proofs, vault
from ledger.store.postgres.database import LOST, CommitUnknown, Database, IntegrityError
from ledger.store.recorder import PostgresFactory

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """A stored event as the library's users see it: the signed bytes and what they say."""

    originator_id: str
    originator_version: int
    topic: str
    body: bytes

    @property
    def event(self) -> AnyEvent:
        """The typed event."""
        return decode_event(self.body)


class SignedBytesMapper(Mapper[str]):
    """Passes signed bytes through untouched; topics are event type names, never Python paths."""

    def __init__(self) -> None:  # no transcoder, cipher or compressor may come between
        pass

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Only a submission makes stored events."""
        _refuse()

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The stored bytes with their names."""
        return RecordedEvent(
            str(stored_event.originator_id),
            stored_event.originator_version,
            stored_event.topic,
            stored_event.state,
        )


def _refuse() -> NoReturn:
    raise TypeError("events enter a ledger as signed submissions only: use submit()")


class Ledger(Reader, Application[str]):
    """The ledger of one region. Submissions are its only way in; `save` refuses."""

    name = "ledger"

    def __init__(
        self, database: Database, region: str, origin: str, claim_secret: bytes, clock: Clock = time.time
    ) -> None:
        Reader.__init__(self, database, region)
        self.origin = origin
        self._claim_secret = claim_secret
        self._clock = clock
        self.find_key = lru_cache(maxsize=65_536)(self._find_key)
        Application.__init__(self)

    # -- the library's construction, without its environment variables ------------------------------

    def construct_env(self, name: str, env: Mapping[str, str] | None = None) -> Environment:
        """An empty environment: a stray CIPHER_KEY must not decide what is stored."""
        return Environment(name, {})

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        """Ours, on the database that was given."""
        return PostgresFactory(env, self.database, self.schema)

    def construct_mapper(self) -> Mapper[str]:
        """Signed bytes, untouched."""
        return SignedBytesMapper()

    def save(self, *objs: Any, **kwargs: Any) -> Any:
        """Refuses."""
        _refuse()

    # -- submitting -----------------------------------------------------------------------------------

    def prepare(self, data: bytes) -> Prepared:
        """Check a request as far as that needs no lock; see `ledger.app.intake.prepare`."""
        return prepare(data, self.region, self.origin, self._known_key, self._claim_secret)

    def prepare_own(self, submission: Submission, key: VerifyingKey) -> Prepared:
        """The same of a submission that this process has just signed; see `ledger.app.intake.prepare_own`."""
        return prepare_own(submission, key, self._known_key, self._claim_secret)

    def claim(self, details: bytes, identity: str) -> str | None:
        """The claim on a person whose details came from another region; raise Invalid when they are not those."""
        return foreign_claim(details, identity, self._claim_secret)

    def now(self) -> int:
        """The ledger's clock, unix seconds: what it records events by."""
        return int(self._clock())

    def commit(self, batch: Sequence[Prepared]) -> list[Accepted | LedgerError]:
        """Decide and append prepared submissions in one transaction; an answer for each, in order.

        Raises Unavailable when the database is out of reach: nothing was written, unless the detail says
        that this is not known, and then submitting the same bytes again tells.
        """
        try:
            return self._commit(batch)
        except CommitUnknown as unknown:
            return self._commit_again(batch, unknown)

    def _commit(self, batch: Sequence[Prepared]) -> list[Accepted | LedgerError]:
        try:
            with self.database.transaction() as cursor:
                return Batch(cursor, self.schema, self.region, self.origin, int(self._clock())).run(batch)
        except IntegrityError as error:
            raise Corrupt(f"decision state of {self.region} contradicts its events: {error}") from error
        except LOST as error:
            raise Unavailable(f"the database did not take the submission: {error}") from None

    def submit(self, data: bytes) -> Accepted:
        """Prepare and commit one request; raises what is wrong with it."""
        (answer,) = self.commit([self.prepare(data)])
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    def _commit_again(self, batch: Sequence[Prepared], unknown: CommitUnknown) -> list[Accepted | LedgerError]:
        """After a connection was lost in COMMIT: the head's lock waits for whatever became of it.

        What was committed then answers as a repetition, and what was not is committed now.
        """
        try:
            return self._commit(batch)
        except Unavailable:
            raise unknown from None

    # -- erasing --------------------------------------------------------------------------------------

    def erase(self, volunteer: str) -> int:
        """Destroy a volunteer's private details and their key; the events stay valid.

        Raises Conflict while a proof of the volunteer stands that could be revoked: afterwards nobody could tell
        that it is to be.
        """
        with self.database.transaction() as cursor:
            log.read_head(cursor, self.schema, lock=True)
            if not self.closed and proofs.standing_of(cursor, self.schema, volunteer):
                raise Conflict("a proof of this volunteer stands: revoke it first")
            return vault.erase(cursor, self.schema, volunteer)

    # -- keys -----------------------------------------------------------------------------------------

    def _known_key(self, issuer: str, key_id: str) -> VerifyingKey | None:
        try:
            return self.find_key(issuer, key_id)
        except NotFound:
            return None

    def _find_key(self, issuer: str, key_id: str) -> VerifyingKey:
        # Cached by the caller: the key of an id never changes. Whether it is still valid is asked under the lock.
        vkey = keys.find(self.database, self.schema, issuer, key_id)
        if vkey is None:
            raise NotFound(f"{issuer} has no key {key_id} in the ledger of {self.region}")
        return parse_vkey(vkey)

    def close(self) -> None:
        """The database belongs to whoever made it, so closing a ledger leaves it open."""
        self.closing.set()
