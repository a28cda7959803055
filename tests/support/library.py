"""A persistence module of the eventsourcing library that writes: what its suites and examples need of one.

A ledger's log is written by submissions alone, so the product has recorders that read. These inherit all reading from
there; only the tables differ: a stream has versions of its own, which the library chooses.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from eventsourcing.persistence import AggregateRecorder, InfrastructureFactory, StoredEvent, Tracking
from eventsourcing.utils import resolve_topic

from ledger.store import log, schema
from ledger.store.postgres.database import Database
from ledger.store.recorder import (
    PostgresAggregateRecorder,
    PostgresRecorder,
    PostgresTrackingRecorder,
    insert_tracking,
    library_errors,
)

_VARIANT = """
ALTER TABLE {schema}.events DROP CONSTRAINT events_stream_version_key;
ALTER TABLE {schema}.events ADD UNIQUE (stream, version) DEFERRABLE INITIALLY DEFERRED;
"""
"""An event is stored before it gets the version that the library chose for it."""


def create(database: Database, schema_name: str) -> None:
    """Make the tables of a log in which the library chooses versions, if they are not there."""
    with library_errors(), database.transaction() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NULL", (f"{schema_name}.events",))
        [(absent,)] = cursor.fetchall()
        schema.create_log(cursor, schema_name)
        if absent:
            cursor.execute(_VARIANT.format(schema=schema_name))


class Writing(AggregateRecorder):
    """Appends events in one transaction, as entries of a Merkle log."""

    database: Database
    schema: str

    def _append(self, stored_events: Sequence[StoredEvent], tracking: Tracking | None = None) -> Sequence[int]:
        """Append events, and record `tracking` if given, in one transaction; the notification ids they got."""
        new = [
            log.NewEvent(sha256(event.state).digest(), None, str(event.originator_id), event.topic, event.state)
            for event in stored_events
        ]
        with library_errors(), self.database.transaction() as cursor:
            if tracking is not None:
                insert_tracking(cursor, self.schema, tracking)
            head = log.read_head(cursor, self.schema, lock=True)
            if new:
                log.append(cursor, self.schema, head, int(time.time()), new)
                cursor.execute(
                    f"UPDATE {self.schema}.events e SET version = chosen.version"
                    " FROM unnest(%s::bigint[]) WITH ORDINALITY AS chosen (version, number)"
                    " WHERE e.position = %s + chosen.number",
                    ([event.originator_version for event in stored_events], head.size - 1),
                )
        return [head.size + number for number in range(1, len(new) + 1)]


class WritingAggregateRecorder(Writing, PostgresAggregateRecorder):
    """Aggregates' events."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Append events in one transaction."""
        self._append(stored_events)
        return None


class WritingRecorder(Writing, PostgresRecorder):
    """An application's log, and tracking beside it."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Append events, and record `tracking` if given, in one transaction; the ids they got."""
        return self._append(stored_events, kwargs.get("tracking"))


class WritingFactory(InfrastructureFactory[PostgresTrackingRecorder]):
    """Builds recorders for applications of the library; each application has a schema of its own.

    `YONGZHI_DATABASE_URL` in the given environment names the database, `YONGZHI_SCHEMA` the schema
    (by default that of the application's name).
    """

    def __init__(self, env: Any, database: Database | None = None) -> None:
        super().__init__(env)
        self.database = database or Database(self.env.get("YONGZHI_DATABASE_URL") or "")
        self.schema = self.env.get("YONGZHI_SCHEMA") or f"app_{self.env.name.lower() or 'default'}"

    def _created(self, schema_name: str) -> str:
        create(self.database, schema_name)
        return schema_name

    def aggregate_recorder(self, purpose: str = "events") -> WritingAggregateRecorder:
        """A recorder for the aggregates, or for another purpose such as snapshots, kept apart."""
        name = self.schema if purpose == "events" else f"{self.schema}_{purpose}"
        return WritingAggregateRecorder(self.database, self._created(name))

    def application_recorder(self) -> WritingRecorder:
        """A recorder of the application's log."""
        return WritingRecorder(self.database, self._created(self.schema))

    def tracking_recorder(
        self, tracking_recorder_class: type[PostgresTrackingRecorder] | None = None
    ) -> PostgresTrackingRecorder:
        """A tracking recorder, of the class that is given, or that TRACKING_RECORDER_TOPIC names."""
        topic = self.env.get(self.TRACKING_RECORDER_TOPIC)
        kind = tracking_recorder_class or (resolve_topic(topic) if topic else PostgresTrackingRecorder)
        return kind(self.database, self._created(self.schema))

    def process_recorder(self) -> WritingRecorder:
        """A recorder of log and tracking together."""
        return WritingRecorder(self.database, self._created(self.schema))

    def close(self) -> None:
        """Close the connections."""
        self.database.close()
