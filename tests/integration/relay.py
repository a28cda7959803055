"""A relay between libpq and PostgreSQL on real sockets, which loses one statement or what is said about it."""

import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path

from psycopg2.extensions import make_dsn, parse_dsn

_SOCKET = ".s.PGSQL.5432"


class Loss(Enum):
    """What becomes of a statement; the client's connection is closed in every case."""

    ANSWER = auto()
    """It is carried out."""
    REQUEST = auto()
    """It never reaches the server, which sees the connection end."""
    DELAY = auto()
    """It reaches the server when the relay is told to release it."""


class Relay:
    """Listens in a folder; `dsn` leads through it to the server."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.dsn = make_dsn(dsn, host=str(folder), port=5432)
        self.loss: Loss | None = None
        self.statement = b"COMMIT"
        """The next statement that begins like this meets its loss; those after it do not."""
        self.refusing = False
        self._release = threading.Event()
        self._server = parse_dsn(dsn)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / _SOCKET))
        self._listening.listen()
        self._open: list[socket.socket] = [self._listening]
        threading.Thread(target=self._accept, daemon=True).start()

    def release(self) -> None:
        """Let a delayed statement go on."""
        self._release.set()

    def close(self) -> None:
        self._release.set()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self._open.append(client)
                if self.refusing:
                    _end(client)
                    continue
                self._open.append(server := self._connect())
                _Pair(self, client, server).start()

    def _connect(self) -> socket.socket:
        host, port = self._server.get("host", "localhost"), self._server.get("port", "5432")
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def wait_for_release(self) -> None:
        self._release.wait()


class _Pair:
    """One connection of the client and one of the server."""

    def __init__(self, relay: Relay, client: socket.socket, server: socket.socket) -> None:
        self._relay = relay
        self._client = client
        self._server = server
        self._answer_lost = False

    def start(self) -> None:
        for run in (self._forth, self._back):
            threading.Thread(target=run, daemon=True).start()

    def _forth(self) -> None:
        with suppress(OSError):
            for message in _messages(self._client):
                if message[:1] == b"Q" and message[5:].startswith(self._relay.statement) and self._relay.loss:
                    loss, self._relay.loss = self._relay.loss, None
                    self._lose(loss, message)
                    return
                self._server.sendall(message)
        _end(self._server)

    def _lose(self, loss: Loss, statement: bytes) -> None:
        if loss is Loss.ANSWER:
            self._answer_lost = True
            self._server.sendall(statement)  # `_back` ends the client's connection when it is answered
            return
        _end(self._client)
        if loss is Loss.DELAY:
            self._relay.wait_for_release()
            self._server.sendall(statement)
        _end(self._server)

    def _back(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(65_536):
                if self._answer_lost:
                    break
                self._client.sendall(data)
        _end(self._client)
        _end(self._server)


def _messages(stream: socket.socket) -> Iterator[bytes]:
    """Whole messages of a client; the first one has no type before its length."""
    data, head = b"", 0
    while received := stream.recv(65_536):
        data += received
        while len(data) >= head + 4:
            end = head + struct.unpack_from("!I", data, head)[0]
            if len(data) < end:
                break
            yield data[:end]
            data, head = data[end:], 1


def _end(stream: socket.socket) -> None:
    with suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)


@contextmanager
def relaying(dsn: str) -> Iterator[Relay]:
    """A relay in a folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        relay = Relay(Path(folder), dsn)
        try:
            yield relay
        finally:
            relay.close()
