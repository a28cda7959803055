"""The eventsourcing library's persistence interfaces over our log, for reading: gap-free, no table lock, psycopg2.

Notification id = position + 1, and the version of an event in its stream is its notification id. Only a submission
writes (`ledger.app.ledger`), so `insert_events` refuses. The suites that the library ships need a recorder that writes:
it stands in the tests, inherits all reading from here, and has tables of its own.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, cast
from uuid import UUID

import psycopg2
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    DatabaseError,
    DataError,
    InfrastructureFactory,
    IntegrityError,
    InterfaceError,
    InternalError,
    Notification,
    NotSupportedError,
    OperationalError,
    ProcessRecorder,
    ProgrammingError,
    StoredEvent,
    Subscription,
    Tracking,
    TrackingRecorder,
)

from ledger.errors import Unavailable
from ledger.store import log
from ledger.store.postgres.database import Cursor, Database
from ledger.store.postgres.listener import Listener

_ERRORS: Final = (
    (psycopg2.IntegrityError, IntegrityError),
    (psycopg2.DataError, DataError),
    (psycopg2.InternalError, InternalError),
    (psycopg2.ProgrammingError, ProgrammingError),
    (psycopg2.NotSupportedError, NotSupportedError),
    (psycopg2.OperationalError, OperationalError),
    (psycopg2.InterfaceError, InterfaceError),
    (Unavailable, OperationalError),
    (psycopg2.DatabaseError, DatabaseError),
)
_PAGE: Final = 500


@contextlib.contextmanager
def library_errors() -> Iterator[None]:
    """Turn psycopg2's errors into the library's of the same name."""
    try:
        yield
    except (psycopg2.Error, Unavailable) as error:
        for ours, theirs in _ERRORS:
            if isinstance(error, ours):
                raise theirs(str(error)) from error
        raise


def insert_tracking(cursor: Cursor, name: str, tracking: Tracking) -> None:
    """Record how far an application's log was processed, in the transaction of what came of it.

    Raises IntegrityError when that position, or a later one, was recorded: the work was done before.
    """
    cursor.execute(
        f"INSERT INTO {name}.tracking AS old VALUES (%s, %s) ON CONFLICT (application_name)"
        " DO UPDATE SET notification_id = EXCLUDED.notification_id"
        " WHERE old.notification_id < EXCLUDED.notification_id",
        (tracking.application_name, tracking.notification_id),
    )
    if cursor.rowcount != 1:
        raise IntegrityError(f"{tracking} is not ahead of what was recorded")


class PostgresTrackingRecorder(TrackingRecorder):
    """Tracking rows in a schema of their own or beside a log."""

    def __init__(self, database: Database, schema_name: str) -> None:
        self.database = database
        self.schema = schema_name

    def insert_tracking(self, tracking: Tracking) -> None:
        """Record a tracking object in a transaction of its own."""
        with library_errors(), self.database.transaction() as cursor:
            insert_tracking(cursor, self.schema, tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        """The largest notification id recorded for the application, or None."""
        with library_errors(), self.database.transaction("READ ONLY") as cursor:
            cursor.execute(
                f"SELECT notification_id FROM {self.schema}.tracking WHERE application_name = %s",
                (application_name,),
            )
            row = cursor.fetchone()
            return row[0] if row else None


class PostgresAggregateRecorder(AggregateRecorder):
    """A log read stream by stream."""

    def __init__(self, database: Database, schema_name: str) -> None:
        self.database = database
        self.schema = schema_name

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Refuse: events enter a ledger as signed submissions only."""
        raise TypeError("events enter a ledger as signed submissions only: use submit()")

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Events of one stream, by version."""
        conditions, values = ["stream = %s"], [str(originator_id)]
        for operator, bound in ((">", gt), ("<=", lte)):
            if bound is not None:
                conditions.append(f"version {operator} %s")
                values.append(cast(Any, bound))
        with library_errors(), self.database.transaction("READ ONLY") as cursor:
            cursor.execute(
                f"SELECT stream, version, topic, body FROM {self.schema}.events"
                f" WHERE {' AND '.join(conditions)} ORDER BY version {'DESC' if desc else ''} LIMIT %s",
                [*values, limit],
            )
            return [StoredEvent(stream, version, topic, bytes(body or b"")) for stream, version, topic, body in cursor]


class PostgresRecorder(PostgresAggregateRecorder, PostgresTrackingRecorder, ProcessRecorder):
    """The log as a sequence of notifications, and tracking beside it. Notification id = position + 1."""

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Events in log order, from notification id `start`."""
        first = (start or 0) - 1 if inclusive_of_start else (start or 0)
        conditions, values = ["position >= %s"], [cast(Any, first)]
        if stop is not None:
            conditions.append("position < %s")
            values.append(stop)
        if topics:
            conditions.append("topic = ANY(%s)")
            values.append(list(topics))
        with library_errors(), self.database.transaction("READ ONLY") as cursor:
            cursor.execute(
                f"SELECT stream, version, topic, body, position FROM {self.schema}.events"
                f" WHERE {' AND '.join(conditions)} ORDER BY position LIMIT %s",
                [*values, limit],
            )
            return [
                Notification(stream, version, topic, bytes(body or b""), position + 1)
                for stream, version, topic, body, position in cursor
            ]

    def max_notification_id(self) -> int | None:
        """The last notification id, or None for an empty log."""
        with library_errors(), self.database.transaction("READ ONLY") as cursor:
            return log.read_head(cursor, self.schema).size or None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Iterate over events after `gt`, those to come included."""
        return PostgresSubscription(self, gt, topics)


class PostgresSubscription(Subscription[PostgresRecorder]):
    """Blocks after the last event until another is appended; notified, and looking every second regardless."""

    def __init__(self, recorder: PostgresRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder, gt, topics)
        self._page: Iterator[Notification] = iter(())
        self._iterating = threading.Lock()
        self._listener = Listener(recorder.database, recorder.schema)
        self._close = weakref.finalize(self, self._listener.close)
        self._close.atexit = False

    def stop(self) -> None:
        """End the iteration, from any thread."""
        if not self._has_been_stopped:
            super().stop()
            self._listener.wake()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        super().__exit__(*args, **kwargs)
        with self._iterating:
            self._close()

    def __next__(self) -> Notification:
        with self._iterating:
            while not self._has_been_stopped:
                notification = next(self._page, None)
                if notification is not None:
                    self._last_notification_id = notification.id
                    return notification
                page = self._recorder.select_notifications(
                    self._last_notification_id, _PAGE, topics=self._topics, inclusive_of_start=False
                )
                self._page = iter(page)
                if not page:
                    self._listener.wait()
        raise StopIteration


class PostgresFactory(InfrastructureFactory[PostgresTrackingRecorder]):
    """Gives the recorder of a ledger's log to its application."""

    recorder_class: ClassVar[type[PostgresRecorder]] = PostgresRecorder

    def __init__(self, env: Any, database: Database, schema_name: str) -> None:
        super().__init__(env)
        self.database = database
        self.schema = schema_name

    def aggregate_recorder(self, purpose: str = "events") -> PostgresAggregateRecorder:
        """The recorder of the log; a ledger keeps nothing for another purpose, such as snapshots."""
        return self.recorder_class(self.database, self.schema)

    def application_recorder(self) -> PostgresRecorder:
        """The recorder of the log."""
        return self.recorder_class(self.database, self.schema)

    def tracking_recorder(
        self, tracking_recorder_class: type[PostgresTrackingRecorder] | None = None
    ) -> PostgresTrackingRecorder:
        """A tracking recorder, of the class that is given."""
        return (tracking_recorder_class or PostgresTrackingRecorder)(self.database, self.schema)

    def process_recorder(self) -> PostgresRecorder:
        """The recorder of the log, with tracking beside it."""
        return self.recorder_class(self.database, self.schema)

    def close(self) -> None:
        """Leave the database open: it belongs to whoever made it."""
