"""The program as a process of its own: commands that end, and servers that can be killed."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.integration.waiting import DEADLINE_SECONDS, eventually

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "api"]


def environment(database_url: str | None = None, **variables: str) -> dict[str, str]:
    """That of a command, with the database that it is to use."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("YONGZHI_")}
    found = {**kept, "NO_COLOR": "1", "COLUMNS": "200", **variables}
    return found if database_url is None else {**found, "YONGZHI_DATABASE_URL": database_url}


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: object, database_url: str | None = None, **variables: str) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=environment(database_url, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=4 * DEADLINE_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def start(*arguments: object, database_url: str | None = None) -> subprocess.Popen[bytes]:
    """Start a command that a test will kill."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=environment(database_url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class Server:
    """A running `yongzhi serve`."""

    def __init__(self, data: Path, database_url: str, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.process = start("serve", "--data", data, "--port", port, database_url=database_url)

    def get(self, path: str) -> httpx2.Response | None:
        """What is answered, if anything is."""
        try:
            return httpx2.get(self.url + path, timeout=DEADLINE_SECONDS)
        except httpx2.TransportError:
            assert self.process.poll() is None, "the server ended"
            return None

    def wait_ready(self) -> None:
        eventually(lambda: (answer := self.get("/readyz")) is not None and answer.status_code == 200)

    def kill(self) -> None:
        """At once, with nothing tidied up."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As an operator does; the status it ends with."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)


@contextmanager
def serving(data: Path, database_url: str, port: int | None = None) -> Iterator[Server]:
    """A server of a data folder that is ready; stopped at the end unless it was killed."""
    server = Server(data, database_url, port or free_port())
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()
