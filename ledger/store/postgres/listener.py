"""Waiting for a log to grow: by notification, and by looking anyway, since notifications can be lost."""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Final

import psycopg2
from psycopg2.extensions import connection as Connection

from ledger.errors import Unavailable
from ledger.store.postgres.database import LOST, Database

POLL_SECONDS: Final = 1.0
"""Longest time after which a waiter looks, notified or not."""


class Listener:
    """Wakes one waiting thread when a schema's log was appended to; on a connection of its own.

    psycopg2 can miss notifications that arrive while a connection commits, so this one never does anything else.
    """

    def __init__(self, database: Database, schema: str) -> None:
        self._database = database
        self._schema = schema
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._connection: Connection | None = None
        self._connect()

    def wait(self, timeout: float = POLL_SECONDS) -> None:
        """Return after a notification, after `wake`, or after `timeout` seconds; spurious returns are fine."""
        if self._connection is None:
            self._connect()
        poll = select.poll()  # and not select.select, which takes no descriptor beyond 1023
        poll.register(self._woken, select.POLLIN)
        if self._connection is not None:
            poll.register(self._connection, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(timeout * 1000)}
        if self._woken.fileno() in ready:
            self._woken.recv(4096)
        if self._connection is not None and self._connection.fileno() in ready:
            self._drain(self._connection)

    def wake(self) -> None:
        """Make a present or the next `wait` return at once; may be called from any thread."""
        with contextlib.suppress(OSError):  # closed, or woken so often that the buffer is full
            self._waker.send(b"\0")

    def close(self) -> None:
        """Give up the connection; the waiter must have returned."""
        if self._connection is not None:
            self._connection.close()
        self._woken.close()
        self._waker.close()

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
