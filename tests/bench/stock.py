"""The baseline: the eventsourcing library with the PostgreSQL module it ships (psycopg 3), as its docs use it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import StoredEvent, Tracking
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import EnvType
from psycopg.sql import SQL
from psycopg2.extensions import parse_dsn

from ledger.ids import new_id

_TOPIC = "hours.recorded/1"
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Rates:
    """Events a second, each way."""

    save: float
    batches: float
    verified_batches: float
    """With one verification an event."""
    projection: float


class HoursEntry(Aggregate):
    """An entry as users of the library write one."""

    @event("Recorded")
    def __init__(self, volunteer: str, minutes: int, fields: dict[str, Any]) -> None:
        self.volunteer = volunteer
        self.minutes = minutes
        self.fields = fields


class Hours(Application):
    """Keeps entries."""


class MinutesView(PostgresTrackingRecorder):
    """Minutes by volunteer, in PostgreSQL."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sql_create_statements.append(
            SQL(
                "CREATE TABLE IF NOT EXISTS bench_minutes (volunteer text PRIMARY KEY, minutes bigint NOT NULL)"
            ).format()
        )

    def add(self, volunteer: str, minutes: int, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO bench_minutes AS old VALUES (%s, %s)"
                " ON CONFLICT (volunteer) DO UPDATE SET minutes = old.minutes + EXCLUDED.minutes",
                (volunteer, minutes),
                prepare=True,
            )


class MinutesProjection(Projection[MinutesView]):
    """Adds every entry's minutes to its volunteer."""

    name = "bench"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        if isinstance(domain_event, HoursEntry.Recorded):  # type: ignore[attr-defined]
            self.view.add(domain_event.volunteer, domain_event.minutes, tracking)


def measure(dsn: str, bodies: Sequence[Sequence[bytes]], saves: int) -> Rates:
    """Rates of the library with these bodies: `saves` aggregates, and all of them in batches."""
    env = _environment(dsn)
    app = Hours(env=env)
    save = _save(app, [msgspec.json.decode(body) for batch in bodies for body in batch][:saves])
    projection = _project(env, saves)
    batches = _insert(app, bodies, None)
    verified_batches = _insert(app, bodies, Ed25519PrivateKey.generate())
    app.close()
    return Rates(save, batches, verified_batches, projection)


def _environment(dsn: str) -> EnvType:
    parts: Mapping[str, str] = parse_dsn(dsn)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts["dbname"],
        "POSTGRES_HOST": parts["host"],
        "POSTGRES_PORT": parts["port"],
        "POSTGRES_USER": parts["user"],
        "POSTGRES_PASSWORD": "none",
    }


def _save(app: Hours, entries: Sequence[dict[str, Any]]) -> float:
    made = [HoursEntry(fields["subject"], fields["minutes"], fields) for fields in entries]
    start = time.perf_counter()
    for entry in made:
        app.save(entry)
    return len(made) / (time.perf_counter() - start)


def _project(env: EnvType, count: int) -> float:
    start = time.perf_counter()
    with ProjectionRunner(
        application_class=Hours, projection_class=MinutesProjection, view_class=MinutesView, env=env
    ) as runner:
        runner.wait(runner.app.recorder.max_notification_id(), timeout=120)
        return count / (time.perf_counter() - start)


def _insert(app: Hours, bodies: Sequence[Sequence[bytes]], key: Ed25519PrivateKey | None) -> float:
    """Two threads, one verifying a batch while the other inserts: verification releases the interpreter.

    Batches of 500, as psycopg's pipeline hangs for good on more than some 400 kB (its issue 685).
    """
    recorder = app.recorder
    assert isinstance(recorder, PostgresApplicationRecorder)
    public, inserting = key.public_key() if key else None, threading.Lock()
    stored = [_stored(body) for batch in bodies for body in batch]
    signed = [(one, key.sign(one.state) if key else b"") for one in stored]
    batches = [signed[at : at + _BATCH] for at in range(0, len(signed), _BATCH)]

    def insert(batch: Sequence[tuple[StoredEvent, bytes]]) -> None:
        if public:
            for stored, signature in batch:
                public.verify(signature, stored.state)
        with inserting:
            recorder.insert_events([stored for stored, _ in batch])

    start = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(insert, batches))
    return len(signed) / (time.perf_counter() - start)


def _stored(body: bytes) -> StoredEvent:
    # A time-ordered id, which is kind to the primary key.
    return StoredEvent(UUID(new_id()), 1, _TOPIC, body)
