"""The processes of a run: a database in a temporary folder, a server as `serve` runs it, a load generator."""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from api.deployment import data_folder
from ledger.app.ledger import Ledger
from ledger.store.postgres import embedded
from tests.bench import load, primitives
from tests.bench.data import People

_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Machine:
    """A running database and a load generator, and a folder for what else is needed."""

    folder: Path
    dsn: str
    generator: ProcessPoolExecutor
    verify_seconds: float

    def verify(self) -> float:
        """Ed25519 verifications a second on one core, measured now: beside the work whose baseline they are."""
        return primitives.verify(self.verify_seconds)

    @contextlib.contextmanager
    def region(self, code: str) -> Iterator[tuple[Path, Ledger, People]]:
        """A settled region in a data folder of its own."""
        data = self.folder / code
        with data_folder.opened(data, self.dsn) as opened:
            people = People(code, opened.create_region(code, f"bench.example/{code}"))
            ledger = opened.ledger(code)
            people.settle(ledger)
            yield data, ledger, people

    def send(self, port: int, requests: Sequence[bytes], connections: int, rate: float | None = None) -> load.Result:
        """Have the generator send raw HTTP requests; how long it took, and each of them."""
        return self.generator.submit(load.run, port, requests, connections, rate).result()


@contextlib.contextmanager
def started(verify_seconds: float) -> Iterator[Machine]:
    """Everything but the server."""
    # As root, pytest's and our own temporary folders are 0700, and the database runs under another user.
    folder = Path(tempfile.mkdtemp(prefix="yongzhi-bench-"))
    folder.chmod(0o711)
    try:
        with (
            embedded.running(folder / "database") as server,
            ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as generator,
        ):
            yield Machine(folder, server.dsn, generator, verify_seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serving(data: Path, dsn: str) -> Iterator[int]:
    """A server of the data folder, in a process of its own; its port."""
    port = _free_port()
    command = [sys.executable, "-m", "tests.bench.serve", str(data), dsn, str(port)]
    with subprocess.Popen(command) as process:
        try:
            _wait(process, port)
            yield port
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), contextlib.closing(_connect(port)) as connection:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    raise RuntimeError("the server did not start")


def _connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=60)


def call(port: int, path: str, body: bytes) -> bytes:
    """POST to the server, once; what it answers."""
    with contextlib.closing(_connect(port)) as connection:
        connection.request("POST", path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status not in {200, 201}:
            raise RuntimeError(f"{path}: {response.status} {answer[:500]!r}")
        return answer


def caught_up(ledger: Ledger, schema: str) -> None:
    """Wait until a projection has seen the whole log."""
    size = ledger.head().size
    while True:
        with ledger.database.read() as cursor:
            cursor.execute(f"SELECT coalesce(max(notification_id), 0) FROM {schema}.tracking")
            if cursor.fetchall()[0][0] >= size:
                return
        time.sleep(0.02)
