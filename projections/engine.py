"""The projection engine: events in batches, each applied exactly once; rebuilding beside the live tables.

It speaks the eventsourcing library's vocabulary: a projection is a `Projection` over a `TrackingRecorder`, and
how far it has come is a `Tracking` recorded in the transaction of what came of the events.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from eventsourcing.persistence import Tracking
from eventsourcing.projection import Projection

from ledger.app.ledger import Ledger
from ledger.app.worker import PASSING, Stopped, Worker
from ledger.errors import Corrupt
from ledger.store import log
from ledger.store.postgres.database import Cursor, Database
from ledger.store.postgres.listener import Listener
from ledger.store.recorder import PostgresTrackingRecorder, insert_tracking

logger = logging.getLogger("yongzhi.projections")

BATCH: Final = 20_000
"""Events a transaction while catching up."""
PACE_SECONDS: Final = 0.05
"""Pause after a batch that was not full: a statement costs the same for one event as for a hundred, and the
committing thread needs the processor more."""
_TRACKING: Final = """
CREATE TABLE {schema}.tracking (application_name text PRIMARY KEY, notification_id bigint NOT NULL);
"""


class BatchProjection(Projection[PostgresTrackingRecorder]):
    """Tables that follow from events. Subclasses give `tables`, `ddl` and `apply`, and nothing else is kept."""

    name: str = ""
    tables: ClassVar[Sequence[str]] = ()
    """Those that a rebuild compares, row by row."""
    ddl: ClassVar[str] = ""
    """Creates them in `{schema}`."""

    def __init__(self, database: Database, source: str, schema: str = "") -> None:
        self.database = database
        self.source = source
        """Schema of the log."""
        self.schema = schema or f"{source}_{self.name}"
        super().__init__(PostgresTrackingRecorder(database, self.schema))

    @abstractmethod
    def apply(self, rows: Sequence[log.Body], cursor: Cursor) -> None:
        """Bring the tables from before the events to after them, in the cursor's transaction."""

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """The library's way in: a batch of one."""
        with self.database.transaction() as cursor:
            insert_tracking(cursor, self.schema, tracking)
            self.apply(log.read_bodies(cursor, self.source, tracking.notification_id - 1, 1), cursor)

    @contextlib.contextmanager
    def read(self) -> Iterator[Cursor]:
        """One snapshot of the tables for all reads of the block; a rebuild waits with its swap until the block ends.

        The lock comes first and the snapshot with the first query after it. A snapshot older than a swap would find
        the new tables empty: their rows were not yet there when it was taken.
        """
        with self.database.read() as cursor:
            cursor.execute(f"LOCK TABLE {self.schema}.tracking IN ACCESS SHARE MODE")
            yield cursor

    def create(self, cursor: Cursor) -> None:
        """Make the schema and its tables, if they are not there."""
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('yongzhi migrations'))")
        cursor.execute(
            "SELECT to_regclass(%s) IS NULL, bool_or(to_regclass(%s || name) IS NULL) FROM unnest(%s) name",
            (f"{self.schema}.tracking", f"{self.schema}.", list(self.tables)),
        )
        absent, lacking = cursor.fetchone() or (True, False)
        if lacking and not absent:
            # Made by an earlier form of this projection: its tables follow from the events, so they are made anew.
            cursor.execute(f"DROP SCHEMA {self.schema} CASCADE")
        if absent or lacking:
            cursor.execute(f"CREATE SCHEMA {self.schema};" + (_TRACKING + self.ddl).format(schema=self.schema))

    def prepare(self) -> None:
        """Make the schema and its tables, if they are not there, in a transaction of their own."""
        with self.database.transaction() as cursor:
            self.create(cursor)

    def beside(self, schema: str) -> BatchProjection:
        """The same projection over tables in another schema."""
        return type(self)(self.database, self.source, schema)


class Poisoned(Corrupt):
    """A handler raised: the projection stands before that event until it is mended."""


class Feed:
    """Pages of a log, the next one read by another thread while this one is applied."""

    def __init__(self, ledger: Ledger, page: int = BATCH) -> None:
        self._ledger = ledger
        self._page = page
        self._ahead: tuple[int, Future[list[log.Body]]] | None = None
        self._thread = ThreadPoolExecutor(1, f"feed-{ledger.region}")

    def read(self, first: int) -> list[log.Body]:
        """The page that begins at position `first`, shorter at the end of the log."""
        ahead, self._ahead = self._ahead, None
        rows = ahead[1].result() if ahead and ahead[0] == first else self._read(first)
        if len(rows) == self._page:
            start = first + self._page
            self._ahead = start, self._thread.submit(self._read, start)
        return rows

    def close(self) -> None:
        """End the reading thread."""
        self._thread.shutdown()

    def _read(self, first: int) -> list[log.Body]:
        with self._ledger.database.read() as cursor:
            return log.read_bodies(cursor, self._ledger.schema, first, self._page)


def advance(projection: BatchProjection, name: str, feed: Feed) -> int:
    """Apply the next page of the log of application `name` in one transaction with its tracking; how many events.

    The tracking row is locked first, so that two processes never apply the same events.
    """
    with projection.database.transaction() as cursor:
        rows = feed.read(_position(cursor, projection.schema, name))
        if rows:
            _record(cursor, projection.schema, name, rows[-1][0] + 1)
            projection.apply(rows, cursor)
    return len(rows)


def catch_up(projection: BatchProjection, ledger: Ledger, told: Callable[[int], None] | None = None) -> int:
    """Apply everything in the log, creating the tables if need be; `told` hears how many events are done."""
    with projection.database.transaction() as cursor:
        projection.create(cursor)
    done = 0
    with contextlib.closing(Feed(ledger)) as feed:
        while count := advance(projection, ledger.name, feed):
            done += count
            if told:
                told(done)
    return done


def _position(cursor: Cursor, schema: str, name: str) -> int:
    """How many events of the log the tables hold; locks the tracking row."""
    cursor.execute(f"INSERT INTO {schema}.tracking VALUES (%s, 0) ON CONFLICT DO NOTHING", (name,))
    cursor.execute(f"SELECT notification_id FROM {schema}.tracking WHERE application_name = %s FOR UPDATE", (name,))
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _record(cursor: Cursor, schema: str, name: str, position: int) -> None:
    insert_tracking(cursor, schema, Tracking(name, position))


def find_poison(projection: BatchProjection, ledger: Ledger) -> Poisoned:
    """After a batch raised: apply one event at a time until the culprit raises, and name it."""
    with contextlib.closing(Feed(ledger, 1)) as singly:
        return _find_poison(projection, ledger, singly)


def _find_poison(projection: BatchProjection, ledger: Ledger, singly: Feed) -> Poisoned:
    while True:
        try:
            if not advance(projection, ledger.name, singly):
                return Poisoned("a batch raised, and its events one by one do not")
        except PASSING:
            raise
        except Exception as error:
            with projection.database.read() as cursor:
                cursor.execute(
                    f"SELECT e.position, e.event_id, e.topic FROM {ledger.schema}.events e"
                    f" JOIN {projection.schema}.tracking t ON e.position = t.notification_id"
                )
                position, event_id, topic = cursor.fetchone() or (None, None, None)
            return Poisoned(f"event {event_id} ({topic}, position {position}): {type(error).__name__}: {error}")


class Runner:
    """Keeps one projection up with its ledger; an event that cannot be applied stops this runner alone."""

    def __init__(self, projection: BatchProjection, ledger: Ledger) -> None:
        self.projection = projection
        self.position = 0
        """Events applied, as last seen."""
        self.stopped = False
        """Whether it stands before an event that cannot be applied."""
        self._ledger = ledger
        self._progress = threading.Condition()
        projection.prepare()
        self._listener = Listener(ledger.database, ledger.schema)
        self._feed = Feed(ledger)
        self._worker = Worker(f"{projection.name}-{ledger.region}", self._step, self._listener)
        self._worker.start()

    @property
    def failure(self) -> str | None:
        """Why the projection does not get on, if so; names the event that cannot be applied."""
        return self._worker.failure

    def wait(self, position: int, timeout: float) -> bool:
        """Whether events up to `position`, inclusive, are applied; waits up to `timeout` seconds for it."""
        with self._progress:
            self._progress.wait_for(lambda: self.position > position or self.stopped, timeout)
            return self.position > position

    def close(self) -> None:
        """Stop after the batch at hand."""
        self._worker.close()
        self._feed.close()
        self._listener.close()

    def _step(self) -> bool:
        """Apply a page of the log; whether there may be another one."""
        count = self._advance()
        # Asked even when nothing was applied: another process, or a rebuild, may have been first.
        [(position,)] = self.projection.database.query(
            f"SELECT notification_id FROM {self.projection.schema}.tracking WHERE application_name = %s",
            (self._ledger.name,),
        )
        with self._progress:
            self.position = position
            self._progress.notify_all()
        if 0 < count < BATCH:
            self._worker.pause(PACE_SECONDS)
        return count > 0

    def _advance(self) -> int:
        try:
            return advance(self.projection, self._ledger.name, self._feed)
        except PASSING:
            raise
        except Exception as error:
            logger.warning("projection batch raised", exc_info=error)
            poisoned = find_poison(self.projection, self._ledger)
            with self._progress:
                self.stopped = True
                self._progress.notify_all()
            raise Stopped(poisoned.detail) from error


# -- rebuilding -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did: events replayed, seconds taken, and rows that differ, by table."""

    events: int = 0
    seconds: float = 0.0
    differences: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    """A few differing rows, for people."""

    @property
    def same(self) -> bool:
        """Whether the rebuilt tables are those that were live."""
        return not any(self.differences.values())


def rebuild(live: BatchProjection, ledger: Ledger, progress: Callable[[int, int], None] | None = None) -> Rebuilt:
    """Build the tables anew beside the live ones, compare row by row, and put the new ones in their place.

    Readers never see a table that is half built. `progress` is told (events done, events in all).
    """
    result, start = Rebuilt(), time.monotonic()
    new = live.beside(f"{live.schema}_new")
    with live.database.transaction() as cursor:
        live.create(cursor)
        cursor.execute(f"DROP SCHEMA IF EXISTS {new.schema} CASCADE")
    size = ledger.head().size
    result.events = catch_up(new, ledger, (lambda done: progress(done, max(size, done))) if progress else None)
    with live.database.transaction() as cursor:
        # Whoever applies events waits here, holding nothing; behind its row it would hold what is dropped below.
        cursor.execute(f"LOCK TABLE {live.schema}.tracking IN EXCLUSIVE MODE")
        result.events += _level(live, new, ledger, cursor)
        for table in live.tables:
            result.differences[table] = _compare(cursor, live.schema, new.schema, table, result.examples)
        # Readers wait here too, holding nothing (`BatchProjection.read`), and those under way are waited for: one that
        # held one of the tables and waited for another would be in a deadlock with what is dropped below.
        cursor.execute(f"LOCK TABLE {live.schema}.tracking IN ACCESS EXCLUSIVE MODE")
        old = f"{live.schema}_old"
        cursor.execute(f"ALTER SCHEMA {live.schema} RENAME TO {old}")
        cursor.execute(f"ALTER SCHEMA {new.schema} RENAME TO {live.schema}")
        cursor.execute(f"DROP SCHEMA {old} CASCADE")
    result.seconds = time.monotonic() - start
    return result


def _level(live: BatchProjection, new: BatchProjection, ledger: Ledger, cursor: Cursor) -> int:
    """Hold the live projection and bring both to the same event; how many the new one still lacked."""
    ahead = _position(cursor, live.schema, ledger.name)
    behind = _position(cursor, new.schema, ledger.name)
    late, target, start = (new, ahead, behind) if behind <= ahead else (live, behind, ahead)
    while start < target:
        rows = log.read_bodies(cursor, ledger.schema, start, min(BATCH, target - start))
        if not rows:
            raise Corrupt(f"{late.schema} is ahead of the log of {ledger.region}")
        start = rows[-1][0] + 1
        _record(cursor, late.schema, ledger.name, start)
        late.apply(rows, cursor)
    return max(0, ahead - behind)


def _compare(cursor: Cursor, live: str, new: str, table: str, examples: list[str]) -> int:
    """Rows that stand in one of the two tables and not in the other."""
    cursor.execute(
        f"(SELECT 'live', t::text FROM (TABLE {live}.{table} EXCEPT ALL TABLE {new}.{table}) t)"
        f" UNION ALL (SELECT 'rebuilt', t::text FROM (TABLE {new}.{table} EXCEPT ALL TABLE {live}.{table}) t)"
    )
    count = 0
    for side, row in cursor:
        count += 1
        if len(examples) < 10:
            examples.append(f"{table}: only {side}: {row}")
    return count
