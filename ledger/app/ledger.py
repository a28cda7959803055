"""Ledger: one region's events; submit, read, subscribe. An application of the eventsourcing library."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from eventsourcing.application import Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import InfrastructureFactory, Mapper, ProcessRecorder, StoredEvent
from eventsourcing.utils import Environment

from ledger.app.intake import Accepted, Batch, Prepared, foreign_claim, prepare
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.domain.state import Identity, Need, R, Region, State
from ledger.errors import Conflict, Corrupt, LedgerError, NotFound, Unavailable
from ledger.events.body import KEY_TYPES, AnyEvent, decode_event
from ledger.store import decisions, log, proofs, schema, vault
from ledger.store.postgres.database import LOST, CommitUnknown, Database, IntegrityError
from ledger.store.recorder import PostgresFactory, PostgresRecorder

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


class ReadingRecorder(PostgresRecorder):
    """The recorder of a ledger's log, which only submissions extend."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> NoReturn:
        """Refuses."""
        _refuse()


class Ledger(Application[str]):
    """The ledger of one region. Submissions are its only way in; `save` refuses."""

    name = "ledger"

    def __init__(
        self, database: Database, region: str, origin: str, claim_secret: bytes, clock: Clock = time.time
    ) -> None:
        self.database = database
        self.region = region
        self.origin = origin
        self.schema = schema.region_schema(region)
        self._claim_secret = claim_secret
        self._clock = clock
        self.find_key = lru_cache(maxsize=65_536)(self._find_key)
        super().__init__()

    # -- the library's construction, without its environment variables ------------------------------

    def construct_env(self, name: str, env: Mapping[str, str] | None = None) -> Environment:
        """An empty environment: a stray CIPHER_KEY must not decide what is stored."""
        return Environment(name, {})

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        """Ours, on the database that was given."""
        return PostgresFactory({"YONGZHI_SCHEMA": self.schema}, self.database)

    def construct_mapper(self) -> Mapper[str]:
        """Signed bytes, untouched."""
        return SignedBytesMapper()

    def construct_recorder(self) -> ProcessRecorder:
        """Our recorder over this region's schema, for reading."""
        return ReadingRecorder(self.database, self.schema)

    def save(self, *objs: Any, **kwargs: Any) -> Any:
        """Refuses."""
        _refuse()

    # -- submitting -----------------------------------------------------------------------------------

    def prepare(self, data: bytes) -> Prepared:
        """Check a request as far as that needs no lock; see `ledger.app.intake.prepare`."""
        return prepare(data, self.region, self.origin, self._known_key, self._claim_secret)

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

    # -- reading --------------------------------------------------------------------------------------

    def head(self) -> log.Head:
        """The end of the log."""
        with self.database.read() as cursor:
            return log.read_head(cursor, self.schema)

    def event(self, event_id: str) -> log.StoredRow:
        """One event; raise NotFound."""
        with self.database.read() as cursor:
            rows = log.find_events(cursor, self.schema, [event_id])
        if not rows:
            raise NotFound(f"no event {event_id} in the ledger of {self.region}")
        return rows[0]

    def stream(self, subject: str) -> list[log.StoredRow]:
        """All events about one subject, oldest first."""
        with self.database.read() as cursor:
            return log.read_stream(cursor, self.schema, subject)

    def rows_at(self, positions: Sequence[int]) -> dict[int, log.StoredRow]:
        """The events at these positions."""
        with self.database.read() as cursor:
            return {row.position: row for row in log.read_positions(cursor, self.schema, positions)}

    def record(self, kind: type[R], identity: Identity) -> R | None:
        """A record of the decision state as it is now."""
        state = State()
        with self.database.read() as cursor:
            decisions.load(cursor, self.schema, [Need(kind, identity)], state)
        return state.get(kind, identity)

    def private(self, volunteer: str) -> list[vault.Private]:
        """The private details kept of a volunteer, oldest first."""
        with self.database.read() as cursor:
            return vault.read(cursor, self.schema, volunteer)

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

    @property
    def closed(self) -> bool:
        """Whether the ledger has ended: nothing comes after that, no revocation either."""
        region = self.record(Region, f"region:{self.region}")
        return region is not None and region.closed is not None

    def valid_key(self, issuer: str, key_id: str) -> VerifyingKey | None:
        """The key of an issuer if it is valid at the end of the log."""
        rows = self.database.query(
            f"SELECT vkey FROM {self.schema}.keys WHERE issuer = %s AND key_id = %s AND revoked IS NULL",
            (issuer, key_id),
        )
        return parse_vkey(rows[0][0]) if rows else None

    def key_events(self, issuer: str) -> list[log.StoredRow]:
        """The events that add and revoke an issuer's keys, oldest first."""
        return [row for row in self.stream(issuer) if row.topic in KEY_TYPES]

    def _known_key(self, issuer: str, key_id: str) -> VerifyingKey | None:
        try:
            return self.find_key(issuer, key_id)
        except NotFound:
            return None

    def _find_key(self, issuer: str, key_id: str) -> VerifyingKey:
        # Cached by the caller: the key of an id never changes. Whether it is still valid is asked under the lock.
        with self.database.read() as cursor:
            cursor.execute(f"SELECT vkey FROM {self.schema}.keys WHERE issuer = %s AND key_id = %s", (issuer, key_id))
            row = cursor.fetchone()
        if row is None:
            raise NotFound(f"{issuer} has no key {key_id} in the ledger of {self.region}")
        return parse_vkey(row[0])

    def close(self) -> None:
        """The database belongs to whoever made it, so closing a ledger leaves it open."""
        self.closing.set()
