"""One moment of a region's ledger and its totals: all that a proof of service rests on, read in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ledger.credentials.holdings import Request
from ledger.domain.state import Identity, Need, R, State
from ledger.schemes.recognition import Recognised
from ledger.schemes.scheme import Scheme
from ledger.store import decisions, log, proofs, vault
from ledger.store.postgres.database import Cursor
from projections import people
from projections.people import Person
from projections.statements import Stated, Statements


class Snapshot:
    """Reads the tables of the ledger and those of its totals as they were at one moment."""

    def __init__(self, cursor: Cursor, statements: Statements) -> None:
        self._cursor = cursor
        self._statements = statements
        self._schema = statements.source

    # -- the totals -----------------------------------------------------------------------------------

    def state(self, volunteer: str, request: Request, entries: Sequence[int] | None = None) -> Stated:
        """See `Statements.state`."""
        return self._statements.state_at(self._cursor, volunteer, request, entries)

    def years(self, volunteer: str, request: Request, entries: Sequence[int]) -> dict[tuple[int, str], int]:
        """See `Statements.years`."""
        return self._statements.years_at(self._cursor, volunteer, request, entries)

    def recognise(self, volunteer: str, day: str, scheme: Scheme | None = None) -> Recognised:
        """See `Statements.recognise`."""
        return self._statements.recognise_at(self._cursor, volunteer, day, scheme)

    # -- people ---------------------------------------------------------------------------------------

    def person(self, volunteer: str) -> Person | None:
        """The person of any of their ids, if they are known here."""
        return people.find_person(self._cursor, self._schema, volunteer)

    def private(self, volunteer: str) -> list[vault.Private]:
        """The private details kept of a volunteer, oldest first."""
        return vault.read(self._cursor, self._schema, volunteer)

    # -- the ledger -----------------------------------------------------------------------------------

    def record(self, kind: type[R], identity: Identity) -> R | None:
        """A record of the decision state."""
        state = State()
        decisions.load(self._cursor, self._schema, [Need(kind, identity)], state)
        return state.get(kind, identity)

    def recorded_at(self, event_id: str) -> int:
        """When an event that is in the log was recorded, unix seconds."""
        (row,) = log.find_events(self._cursor, self._schema, [event_id])
        return row.recorded_at

    # -- proofs ---------------------------------------------------------------------------------------

    def suspects(self, changes: int, issued: int) -> list[str]:
        """Standing proofs that may say something else than the record; see `ledger.store.proofs.suspects`."""
        return proofs.suspects(self._cursor, self._schema, self._statements.tables.schema, changes, issued)

    def issued_since(self, volunteer: str, since: int) -> int:
        """How many proofs of a volunteer were issued at or after a unix second."""
        return proofs.issued_since(self._cursor, self._schema, volunteer, since)

    def issuing_event(self, proof: str) -> str | None:
        """The id of the event that issued a proof, if what was kept of it was not erased."""
        return proofs.issuing_event(self._cursor, self._schema, proof)

    def any_withdrawn(self, volunteer: str, entries: Sequence[int]) -> bool:
        """Whether one of these entries of a volunteer was withdrawn or annulled."""
        return proofs.any_withdrawn(self._cursor, self._schema, volunteer, entries)

    def is_taken(self, listed: str, index: int) -> bool:
        """Whether an index of a status list was given to a proof."""
        return proofs.is_taken(self._cursor, self._schema, listed, index)

    def count_in(self, listed: str) -> int:
        """How many indexes of a status list were given out."""
        return proofs.count_in(self._cursor, self._schema, listed)


@contextmanager
def taken(statements: Statements) -> Iterator[Snapshot]:
    """A snapshot of now, for the block."""
    with statements.tables.read() as cursor:
        yield Snapshot(cursor, statements)
