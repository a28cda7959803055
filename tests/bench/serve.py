"""A server as `yongzhi serve` runs it, over a database that runs already: DATA DSN PORT.

Beside its own addresses it has two that do as little as can be: one INSERT, one SELECT by primary key. What they
take is the baseline of latencies.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from pathlib import Path

import psycopg2
import uvicorn
from psycopg2.extensions import connection as Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.app import create_app
from api.deployment import data_folder
from api.service.service import Service

INSERT = "/bench/insert"
SELECT = "/bench/{table}/{volunteer}"


class Floors:
    """The handlers of the two addresses, on connections of their own: one a thread, in autocommit mode."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._local = threading.local()
        with self._connection().cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS bench_posted (id bigserial PRIMARY KEY, body bytea NOT NULL)")

    def routes(self) -> list[Route]:
        """To be put before all others."""
        return [Route(INSERT, self.insert, methods=["POST"]), Route(SELECT, self.select)]

    async def insert(self, request: Request) -> Response:
        """Keep the body, durably."""
        await asyncio.get_running_loop().run_in_executor(None, self._insert, await request.body())
        return Response(status_code=201, content=b"{}")

    async def select(self, request: Request) -> Response:
        """The rows of a volunteer."""
        table, volunteer = request.path_params["table"], request.path_params["volunteer"]
        rows = await asyncio.get_running_loop().run_in_executor(None, self._select, table, volunteer)
        return JSONResponse(rows)

    def _insert(self, body: bytes) -> None:
        with self._connection().cursor() as cursor:
            cursor.execute("INSERT INTO bench_posted (body) VALUES (%s)", (body,))

    def _select(self, table: str, volunteer: str) -> list[list[object]]:
        with self._connection().cursor() as cursor:
            cursor.execute(f"SELECT year, category, state, minutes FROM {table} WHERE volunteer = %s", (volunteer,))
            return [list(row) for row in cursor]

    def _connection(self) -> Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = psycopg2.connect(self._dsn)
            self._local.connection.autocommit = True
        connection: Connection = self._local.connection
        return connection


def main(data: str, dsn: str, port: str) -> None:
    gc.set_threshold(100_000, 50, 100)
    with data_folder.opened(Path(data), dsn) as opened:
        service = Service(opened)
        app = create_app(service, f"127.0.0.1:{port}")
        app.router.routes[:0] = Floors(dsn).routes()
        uvicorn.run(app, host="127.0.0.1", port=int(port), access_log=False, log_level="warning")
        service.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
