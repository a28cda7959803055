"""The load generator: raw HTTP requests made beforehand, over connections kept alive.

They are sent as fast as answers come, or at a rate, however long the answers take.

A protocol on the event loop and nothing else, since what it takes of the two cores the server does not have.
"""

from __future__ import annotations

import asyncio
import gc
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a load: all of it, and request by request."""

    seconds: float
    latencies_ms: list[float]
    statuses: Counter[int]
    sample: bytes
    """An answer that was not a success, if there was one."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, share: float) -> float:
        """The latency that this share of the requests did not exceed."""
        return sorted(self.latencies_ms)[int(share * (len(self.latencies_ms) - 1))]

    def check(self) -> Result:
        """Itself; raise RuntimeError unless every request succeeded."""
        if set(self.statuses) - {200, 201}:
            raise RuntimeError(f"answers {dict(self.statuses)}, among them {self.sample[:1000]!r}")
        return self


def post(path: str, body: bytes) -> bytes:
    """The bytes of a POST request."""
    return f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def get(path: str, token: str) -> bytes:
    """The bytes of a GET request by somebody signed in."""
    return f"GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n".encode()


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[tuple[float, bytes]], finished: asyncio.Future[None]) -> None:
        self.latencies_ms: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.sample = b""
        self._requests = requests
        self._finished = finished
        self._received = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def begin(self) -> None:
        """Send the next request when it is due, or finish when there is none left."""
        due, request = next(self._requests, (0.0, None))
        if request is None:
            self._finished.set_result(None)
            self._transport.close()
        elif (early := due - time.perf_counter()) > 0:
            asyncio.get_running_loop().call_later(early, self._send, request)
        else:
            # An arrival that had to wait for a free connection has waited since it was due.
            self._send(request, due)

    def _send(self, request: bytes, due: float = 0) -> None:
        self._sent = due or time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not separator or (length and len(body) < int(length[1])):
            return
        self.latencies_ms.append((time.perf_counter() - self._sent) * 1000)
        status = int(head[9:12])
        self.statuses[status] += 1
        if status >= 300:
            self.sample = self._received
        self._received = b""
        self.begin()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._finished.done():
            self._finished.set_exception(error or ConnectionError("the server closed the connection"))


def run(port: int, requests: Sequence[bytes], connections: int, rate: float | None = None) -> Result:
    """Send all requests, so many a second; without a rate, each connection sends as soon as it has its answer."""
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(port, requests, connections, rate))


def _arrivals(requests: Sequence[bytes], rate: float | None) -> Iterator[tuple[float, bytes]]:
    """Requests with the time at which each is due, 0 for at once; the clock starts with the first."""
    start = time.perf_counter()
    for number, request in enumerate(requests):
        yield (start + number / rate if rate else 0.0), request


async def _run(port: int, requests: Sequence[bytes], connections: int, rate: float | None) -> Result:
    loop = asyncio.get_running_loop()
    finished = [loop.create_future() for _ in range(connections)]
    arrivals = _arrivals(requests, rate)
    opened = [
        (await loop.create_connection(lambda: _Connection(arrivals, done), "127.0.0.1", port))[1]  # noqa: B023
        for done in finished
    ]
    start = time.perf_counter()
    for connection in opened:
        connection.begin()
    await asyncio.gather(*finished)
    seconds = time.perf_counter() - start
    latencies = [one for connection in opened for one in connection.latencies_ms]
    statuses = sum((connection.statuses for connection in opened), Counter())
    return Result(seconds, latencies, statuses, next((c.sample for c in opened if c.sample), b""))
