"""A region with people in it, on a real ledger: where tests of rules, faults and projections begin.

The clock stands still until a test moves it. Ids and keys are those of `tests.support.builders`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from ledger.app.intake import Accepted
from ledger.app.ledger import Ledger
from ledger.audit.log import audit
from ledger.crypto.keys import SigningKey
from ledger.domain import rules
from ledger.domain.state import Moment, Record, State
from ledger.errors import LedgerError, Refused
from ledger.events import private_details, submission
from ledger.events.body import AnyEvent, decode_event
from ledger.events.transfer import TransferAccepted
from ledger.ids import instant
from ledger.store import decisions, log, schema
from ledger.store.postgres import copying
from ledger.store.postgres.database import Cursor, Database
from tests.integration.arrived import relied_on
from tests.support import builders
from tests.support.builders import ABSENT, ACTIVITY, AUTHORITY, GROUP, REGION, STATION, VOLUNTEER

SECRET = b"of the tests"
DAY = "2026-11-01"
NOW = f"{DAY}T12:10:00+08:00"


def at(clock: str, day: str = DAY) -> str:
    """The time that a clock there shows, such as 09:00."""
    return f"{day}T{clock}:00+08:00"


def span(start: str, end: str, **changes: Any) -> dict[str, Any]:
    """Members of an entry from one clock time to another, every minute of it given."""
    begin, finish = at(start), at(end)
    return {"start": begin, "end": finish, "minutes": (instant(finish) - instant(begin)) // 60, **changes}


def organisation(number: int) -> str:
    """The name of one organisation more."""
    return f"org:0199a1c2-0000-7000-8000-{number:012x}"


def volunteer(number: int) -> str:
    """The name of one volunteer more."""
    return f"volunteer:0199a1c2-0000-7000-8000-{number:012x}"


class World:
    """A ledger in a schema of its own, and the verbs that fill it."""

    def __init__(self, database: Database, region: str = REGION, *, fresh: bool = True) -> None:
        self.database = database
        self.region = region
        self.authority = f"region:{region}"
        self.origin = f"ledger.example/{region}"
        self.schema = schema.region_schema(region)
        self.now: float = instant(NOW)
        if fresh:
            self._create()
        self.ledger = Ledger(database, region, self.origin, SECRET, lambda: self.now)

    def _create(self) -> None:
        with self.database.transaction() as cursor:
            cursor.execute(
                f"DROP SCHEMA IF EXISTS {self.schema} CASCADE;"
                f"CREATE SCHEMA IF NOT EXISTS vault; DROP TABLE IF EXISTS vault.{self.schema}"
            )
            schema.create_region(cursor, self.schema)

    # -- events and submissions -----------------------------------------------------------------------

    def body(self, kind: str, /, **changes: Any) -> bytes:
        """A body of that type addressed to this ledger; `changes` as in `builders.fields`."""
        members = {**builders.fields(kind, ledger=self.region), **changes}
        for name in ("issuer", "subject"):
            if members[name] == AUTHORITY:
                members[name] = self.authority
        return builders.canonical({name: value for name, value in members.items() if value is not ABSENT})

    def hours(self, start: str, end: str, **changes: Any) -> bytes:
        """An entry from one clock time to another."""
        return self.body("hours.recorded/1", **span(start, end, **changes))

    def request(self, *bodies: bytes, by: SigningKey | int = 0, private: Mapping[str, bytes] | None = None) -> bytes:
        """A submission of the bodies, signed by a key of their issuer: the one given, or the one of that number."""
        key = by if isinstance(by, SigningKey) else builders.signing_key(decode_event(bodies[0]).issuer, by)
        return builders.sealed(bodies, key, self.origin, private)

    def commit(self, *requests: bytes) -> list[Accepted | LedgerError]:
        """Decide requests in one transaction."""
        return self.ledger.commit([self.ledger.prepare(request) for request in requests])

    def submit(self, *bodies: bytes, by: SigningKey | int = 0, private: Mapping[str, bytes] | None = None) -> Accepted:
        return self.ledger.submit(self.request(*bodies, by=by, private=private))

    def record(self, kind: str, /, *, by: SigningKey | int = 0, private: bytes | None = None, **changes: Any) -> str:
        """Submit one event; its id. `private` are the details that the event commits to."""
        if private is not None:
            changes = {"identity": builders.identity(private), **changes}
        body = self.body(kind, **changes)
        name = decode_event(body).id
        self.submit(body, by=by, private=None if private is None else {name: private})
        return name

    # -- filling --------------------------------------------------------------------------------------

    def establish(self) -> World:
        self.record(
            "region.established/1",
            origin=self.origin,
            log_key=builders.vkey(self.origin),
            key=builders.vkey(self.authority),
        )
        return self

    def populate(self) -> World:
        """The station and a group of two keys each, a volunteer of one, and an activity of the station's."""
        self.establish()
        self.admit(STATION, kind="station")
        self.admit(GROUP)
        self.enrol(VOLUNTEER)
        self.publish(STATION)
        return self

    def admit(self, name: str, kind: str = "organisation", keys: int = 2) -> None:
        """Register an organisation with keys."""
        added = [
            self.body("organisation.key_added/1", subject=name, key=builders.vkey(name, number))
            for number in range(keys)
        ]
        self.submit(self.body("organisation.registered/1", subject=name, kind=kind), *added)

    def enrol(self, name: str) -> None:
        """Register a volunteer by the volunteer's own key."""
        self.record("volunteer.registered/1", issuer=name, subject=name, key=builders.vkey(name))

    def register(self, name: str, details: bytes, station: str = STATION, **changes: Any) -> str:
        """Have a station register a volunteer, who gets no key unless `changes` bring one."""
        consent = {"method": "form", "given": builders.TIME, "reference": "档案 2026-18"}
        members = {"issuer": station, "subject": name, "consent": consent, "key": ABSENT, **changes}
        return self.record("volunteer.registered/1", private=details, **members)

    def publish(self, issuer: str, activity: str = ACTIVITY, start: str = "06:00", end: str = "12:00") -> None:
        self.record("activity.published/1", issuer=issuer, subject=f"activity:{activity}", start=at(start), end=at(end))

    # -- looking --------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        return self.ledger.head().size

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, in a transaction of its own."""
        with self.database.transaction() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def backends(self, condition: str, *values: Any) -> list[int]:
        """Process ids of the other sessions of this database that `pg_stat_activity` says this of."""
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        rows = self.query(f"SELECT pid FROM pg_stat_activity WHERE {others} AND {condition}", *values)
        return [pid for (pid,) in rows]

    def entry(self, name: str) -> Mapping[str, Any]:
        """What is kept of an hours entry."""
        ((row,),) = self.query(f"SELECT to_jsonb(e) FROM {self.schema}.entries e WHERE id = %s", name)
        return row

    def tables(self) -> dict[str, str]:
        """A digest of every row of every table, the private ones included."""
        names = self.query(
            "SELECT schemaname || '.' || tablename FROM pg_tables"
            " WHERE schemaname = %s OR (schemaname, tablename) = ('vault', %s)",
            self.schema,
            self.schema,
        )
        rows = "md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
        return {name: self.query(f"SELECT {rows} FROM {name} t")[0][0] for (name,) in names}

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Nothing in the database may change meanwhile."""
        before = self.tables()
        yield
        assert self.tables() == before

    def refused(
        self, *bodies: bytes, by: SigningKey | int = 0, private: Mapping[str, bytes] | None = None
    ) -> list[tuple[int | None, str]]:
        """Submit what must be refused with nothing written: (index, code) of every problem."""
        with self.unchanged(), pytest.raises(Refused) as refusal:
            self.submit(*bodies, by=by, private=private)
        return [(problem.index, problem.code) for problem in refusal.value.problems]


# -- what must hold of every ledger at any time ---------------------------------------------------------


def check(world: World) -> None:
    """Log, tree and decision state are whole, and are what the submissions come to when decided again."""
    with world.database.read() as cursor:
        report = audit(cursor, world.schema, world.region, world.origin)
        assert report.findings == [], report.findings
        cursor.execute(
            f"SELECT (SELECT size FROM {world.schema}.head), (SELECT count(*) FROM {world.schema}.events),"
            f" (SELECT coalesce(sum(count), 0) FROM {world.schema}.submissions),"
            f" (SELECT coalesce(sum(length(hashes)), 0) / 32 FROM {world.schema}.tiles WHERE level = 0)"
        )
        assert len(set(cursor.fetchall()[0])) == 1
        cursor.execute(
            f"SELECT event_id FROM {world.schema}.identities EXCEPT SELECT event_id FROM {world.schema}.events"
        )
        assert cursor.fetchall() == []
        cursor.execute(
            f"SELECT h.proof, h.event_id FROM {world.schema}.holdings h EXCEPT SELECT p.id, e.event_id"
            f" FROM {world.schema}.proofs p JOIN {world.schema}.events e USING (position)"
        )
        assert cursor.fetchall() == []
        stored, decided = _stored_records(cursor, world), _decided_records(cursor, world)
        assert stored == decided, (stored - decided, decided - stored)


def _stored_records(cursor: Cursor, world: World) -> set[Record]:
    found: set[Record] = set()
    for kind, table in decisions.TABLES.items():
        columns = copying.selection(table.columns, "t")
        cursor.execute(f"SELECT {columns} FROM {world.schema}.{table.name} t")
        found |= {kind(**dict(zip(kind.__struct_fields__, row, strict=True))) for row in cursor}
    return found


def _decided_records(cursor: Cursor, world: World) -> set[Record]:
    """Every submission decided again from the stored bytes, on one state that is never written."""
    state = State()
    cursor.execute(f"SELECT first, count, note FROM {world.schema}.submissions ORDER BY first")
    for first, count, note in cursor.fetchall():
        key_id = submission.read_note(note).key_id
        for row in log.read_events(cursor, world.schema, first, count):
            event = decode_event(row.body or b"")
            arrived, support = relied_on(cursor, world.schema, row.position, event)
            moment = Moment(
                position=row.position,
                now=row.recorded_at,
                key_id=key_id,
                region=world.region,
                origin=world.origin,
                claim=_claim(world, event),
                arrived=arrived,
                support=support,
            )
            assert rules.decide(state, event, moment) == []
            for record in rules.evolve(state, event, moment):
                state.put(record)
    return {record for kind in decisions.TABLES for record in state.all(kind)}


def _claim(world: World, event: AnyEvent) -> str | None:
    identity = getattr(event, "identity", None)
    if not isinstance(identity, str):
        return None
    moved = isinstance(event, TransferAccepted)
    keeper = event.subject
    if isinstance(event, TransferAccepted):
        keeper = event.joined if isinstance(event.joined, str) else event.volunteer
    for kept in world.ledger.private(keeper):
        if kept.event_id == event.id and moved:
            return private_details.foreign_claim_of(
                private_details.open_foreign_details(kept.details, identity), SECRET
            )
        if kept.event_id == event.id:
            return private_details.claim_of(private_details.open_details(kept.details, identity), SECRET)
    return None
