"""Waiting for a log to grow: by notification, and by looking anyway, since notifications can be lost."""

from __future__ import annotations

import os
import select
from typing import Final

import psycopg2
from psycopg2.extensions import connection as Connection

from ledger.errors import Unavailable
from ledger.store.postgres import LOST, Database

POLL_SECONDS: Final = 1.0
"""Longest time after which a waiter looks, notified or not."""


class Listener:
    """Wakes one waiting thread when a schema's log was appended to; on a connection of its own.

    psycopg2 can miss notifications that arrive while a connection commits, so this one never does anything else.
    """

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._schema = schema
        self._wake_read, self._wake_write = os.pipe()
        self._connection: Connection | None = None
        self._connect()

    def wait(self, timeout: float = POLL_SECONDS) -> None:
        """Return after a notification, after `wake`, or after `timeout` seconds; spurious returns are fine."""
        if self._connection is None:
            self._connect()
        watched = [self._wake_read] + ([self._connection] if self._connection else [])
        ready, _, _ = select.select(watched, [], [], timeout)
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        if self._connection is not None and self._connection in ready:
            self._drain(self._connection)

    def wake(self) -> None:
        """Make a present or the next `wait` return at once; may be called from any thread."""
        os.write(self._wake_write, b"\0")

    def close(self) -> None:
        """Give up the connection; the waiter must have returned."""
        if self._connection is not None:
            self._connection.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _connect(self) -> None:
        try:
            connection = self._database.connect()
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {self._schema}")
        except (Unavailable, *LOST):
            return  # polling goes on, and the next wait tries again
        self._connection = connection

    def _drain(self, connection: Connection) -> None:
        try:
            connection.poll()
            connection.notifies.clear()
        except psycopg2.Error:
            connection.close()
            self._connection = None
