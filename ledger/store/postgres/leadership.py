"""Leadership: one process of several, by an advisory lock that ends with the process that holds it."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection

from ledger.store.postgres.database import LOST, Database


class Leadership:
    """An advisory lock on a connection of its own, which is never used for anything else."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._connection: Connection | None = None

    def held(self) -> bool:
        """Whether this process leads, after taking the lead where nobody has it; raise Unavailable or an error of LOST.

        It is asked of the connection that holds the lock, so that a lost connection is never taken for the lead.
        """
        connection = self._connection or self._database.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (self._name,))
                row = cursor.fetchone()
        except LOST:
            self.close()
            raise
        self._connection = connection
        return bool(row and row[0])

    def close(self) -> None:
        """Give up the lead, if it is held."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
