"""Connections and transactions through psycopg2; one dialect, one code path."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import psycopg2
import psycopg2.extensions
from psycopg2.extensions import connection as Connection
from psycopg2.pool import ThreadedConnectionPool

from ledger.errors import Unavailable
from ledger.limits import IDLE_IN_TRANSACTION_TIMEOUT_MS, LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS

Cursor = psycopg2.extensions.cursor
LOST: Final = (psycopg2.OperationalError, psycopg2.InterfaceError)
"""The errors of psycopg2 for a server or a connection that is gone, among other things."""

_OPTIONS: Final = (
    f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS}"
    f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_MS} -c jit=off -c timezone=UTC"
)


IntegrityError: Final = psycopg2.IntegrityError
"""A constraint of the tables was about to be broken."""
DatabaseError: Final = psycopg2.Error
"""The base of all errors of psycopg2."""


class CommitUnknown(Unavailable):
    """The connection was lost in COMMIT: look the result up before answering."""


class Database:
    """A bounded pool of connections to one database; safe to share between threads."""

    def __init__(self, dsn: str, connections_max: int = 16) -> None:
        self.dsn = dsn
        self._free = threading.BoundedSemaphore(connections_max)
        self._pool = _pool(dsn, connections_max)

    def connect(self) -> Connection:
        """A connection outside the pool, in autocommit mode, for LISTEN and advisory locks."""
        try:
            connection = psycopg2.connect(self.dsn, options="-c timezone=UTC")
        except LOST as error:
            raise Unavailable(f"cannot reach the database: {error}") from None
        connection.autocommit = True
        return connection

    @contextlib.contextmanager
    def transaction(self, mode: str = "") -> Iterator[Cursor]:
        """A cursor inside BEGIN … COMMIT; rolled back when the block raises.

        `mode` goes behind BEGIN, such as `READ ONLY`. Raises Unavailable when the database is out of
        reach or gets lost, CommitUnknown when it is lost while committing.
        """
        with self._free:
            connection, _ = self._start(f"BEGIN {mode}")
            try:
                with connection.cursor() as cursor:
                    yield cursor
            except LOST as error:
                self._give_up(connection)
                raise Unavailable(f"the database gave up: {error}") from error
            except BaseException:
                self._give_up(connection)
                raise
            self._commit(connection)

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one reading statement, which needs no transaction around it: one round trip instead of three."""
        with self._free:
            connection, cursor = self._start(statement, values)
            try:
                return cursor.fetchall()
            finally:
                self._pool.putconn(connection)

    def read(self) -> contextlib.AbstractContextManager[Cursor]:
        """One snapshot for all reads of the block."""
        return self.transaction("ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def started(self) -> datetime:
        """When the server of this database began: what was under way before that is gone."""
        [(found,)] = self.query("SELECT pg_postmaster_start_time()")
        assert isinstance(found, datetime)
        return found

    def check(self) -> None:
        """Raise Unavailable when the database is out of reach."""
        self.query("SELECT 1")

    def close(self) -> None:
        """Close every connection of the pool."""
        with contextlib.suppress(psycopg2.pool.PoolError):
            self._pool.closeall()

    def _start(self, statement: str, values: Sequence[Any] = ()) -> tuple[Connection, Cursor]:
        """A pooled connection on which the statement ran; dead ones, as a restarted server leaves them, are dropped."""
        last: Exception | None = None
        for _ in range(self._pool.maxconn + 1):
            try:
                connection: Connection = self._pool.getconn()
            except LOST as error:
                raise Unavailable(f"cannot reach the database: {error}") from None
            try:
                connection.autocommit = True
                cursor = connection.cursor()
                cursor.execute(statement, values)
                return connection, cursor
            except LOST as error:
                last = error
                self._pool.putconn(connection, close=True)
            except BaseException:
                self._pool.putconn(connection, close=bool(connection.closed))
                raise
        raise Unavailable(f"cannot reach the database: {last}")

    def _give_up(self, connection: Connection) -> None:
        try:
            if not connection.closed:
                _execute(connection, "ROLLBACK")
        except LOST:
            pass
        self._pool.putconn(connection, close=bool(connection.closed))

    def _commit(self, connection: Connection) -> None:
        try:
            _execute(connection, "COMMIT")
        except LOST as error:
            self._pool.putconn(connection, close=True)
            raise CommitUnknown(f"the connection was lost while committing: {error}") from None
        except psycopg2.Error:
            self._give_up(connection)
            raise
        self._pool.putconn(connection)


def _pool(dsn: str, connections_max: int) -> Any:
    try:
        pool = ThreadedConnectionPool(0, connections_max, dsn, options=_OPTIONS)
    except LOST as error:
        raise Unavailable(f"cannot reach the database: {error}") from None
    pool.minconn = connections_max  # how many returned connections it keeps; none are opened before they are used
    return pool


def _execute(connection: Connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
