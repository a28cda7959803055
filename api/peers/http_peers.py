"""How other regions are reached: at the addresses of the installed federation, or directly where this server is theirs.

Whom to ask is for the federation alone to say: no address comes from what a peer sent.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal, Protocol
from weakref import WeakSet

import httpx2
import msgspec

from api.client.client import Told
from api.peers import bundle_requests
from ledger.crypto.keys import SigningKey
from ledger.errors import Busy, LedgerError, Unavailable
from ledger.evidence import wire
from ledger.evidence.evidence import Evidence
from ledger.exchange.incoming import Answer
from ledger.federation.members import Region
from ledger.federation.trust_bundle import Trust
from ledger.limits import (
    BUNDLE_RATE_MIN,
    DELIVERY_DELAY_MAX,
    DELIVERY_REASON_MAX,
    MESSAGE_BYTES_MAX,
    REQUEST_BYTES_MAX,
)

_TIMEOUT: Final = httpx2.Timeout(15, connect=5)
_SECONDS_MAX: Final = 30
"""For one answer as a whole, and before the rate of a bundle is looked at; a peer that drips is given up."""
_PIECE: Final = 64 * 1024
_ASKED_AGAIN_SECONDS: Final = 10
"""A key that is not among those just fetched makes nobody ask again at once."""
_FINAL: Final = frozenset({400, 401, 403, 409, 413, 415, 422})
"""What a peer says about a message: it would say the same again. Everything else may pass."""


class _Answer(msgspec.Struct, frozen=True):
    state: Literal["done", "waiting", "aside"]
    position: int | None = None
    reason: str = ""


_answers: Final = msgspec.json.Decoder(_Answer)


class Served(Protocol):
    """A region that this very process serves."""

    def deliver(self, data: bytes, sender: str) -> Answer:
        """Take a message."""

    def hand_out(self, transfer: str, to: str, to_origin: str) -> Iterator[bytes]:
        """The bundle of an offer to that region."""


class HttpPeers:
    """The peers of one region, as `ledger.exchange.node.Peers`. Safe to share between threads."""

    def __init__(
        self,
        key: SigningKey,
        origin: str,
        federation: Callable[[], Trust],
        served: Callable[[str], Served | None],
        clock: Callable[[], int],
    ) -> None:
        """`key` issues for the region whose log is `origin`; `served` finds regions of this process by code."""
        self._key = key
        self._origin = origin
        self._federation = federation
        self._served = served
        self._clock = clock
        self._stopping = threading.Event()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._http = httpx2.Client(
            timeout=_TIMEOUT,
            follow_redirects=False,
            headers={"accept-encoding": "identity"},  # what is compressed could be any size
            limits=httpx2.Limits(max_connections=32, max_keepalive_connections=8),
        )

    def close(self) -> None:
        """Give up what is under way: whoever waits for a peer is told so at once."""
        self._stopping.set()
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # to close it would wake nobody who reads from it
        self._http.close()

    def region(self, code: str) -> Region:
        """A peer as the federation states it; raise Unavailable for one that is none now."""
        trust = self._federation()
        found = trust.region(code)
        if found is None or not trust.valid(found, self._clock()):
            raise Unavailable(f"{code} is no region of the installed federation, or not at this time")
        return found

    def send(self, region: str, data: bytes, sender: str) -> Answer:
        """Put a message into the inbox of a region; raise what it refused it with, or Unavailable."""
        peer = self.region(region)
        if (served := self._served(region)) is not None:
            return served.deliver(data, sender)
        place = f"{peer.address}/v1/regions/{region}/inbox"
        said = self._ask("POST", place, REQUEST_BYTES_MAX, params={"sender": sender}, content=data)
        try:
            found = _answers.decode(said)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Unavailable(f"{place} answers something else than is agreed on") from None
        return Answer(found.state, found.position, found.reason[:DELIVERY_REASON_MAX])

    def fetch(self, region: str, transfer: str) -> Iterable[bytes]:
        """The bundle of a transfer, as it comes. Whatever goes wrong on the way is Unavailable: the offer waits."""
        peer, own = self.region(region), self._key.name.removeprefix("region:")
        if (served := self._served(region)) is not None:
            try:
                return served.hand_out(transfer, own, self._origin)
            except LedgerError as error:
                raise Unavailable(f"{region} does not give its bundle: {error.detail}") from None
        return self._pieces(peer, transfer)

    def keys(self, region: str) -> list[Evidence]:
        """What a region shows of its own keys; nothing of it is verified yet."""
        peer = self.region(region)
        return wire.read_message(self._ask("GET", f"{peer.address}/v1/regions/{region}/keys", MESSAGE_BYTES_MAX))

    # -- HTTP -----------------------------------------------------------------------------------------

    def _ask(self, method: str, url: str, bytes_max: int, **options: Any) -> bytes:
        with self._open(method, url, **options) as answer:
            data = _whole(answer, bytes_max)
            if answer.status_code == 200:
                return data
            raise _refusal(url, answer, data)

    def _pieces(self, peer: Region, transfer: str) -> Iterator[bytes]:
        url = f"{peer.address}/v1/regions/{peer.region}/transfers/{transfer}/bundle"
        signed = bundle_requests.header(self._key, peer.origin, transfer, self._clock())
        begun, size = time.monotonic(), 0
        with self._open("GET", url, headers={"authorization": signed}) as answer:
            if answer.status_code != 200:
                reason = _refusal(url, answer, _whole(answer, REQUEST_BYTES_MAX))
                raise Unavailable(f"{peer.region} does not give its bundle: {reason.detail}")
            for piece in answer.iter_raw(_PIECE):
                size += len(piece)
                if self._stopping.is_set():
                    raise Unavailable("this server is stopping")
                if time.monotonic() - begun > _SECONDS_MAX + size / BUNDLE_RATE_MIN:
                    raise Unavailable(f"{peer.region} sends less than {BUNDLE_RATE_MIN} bytes a second")
                yield piece

    @contextlib.contextmanager
    def _open(self, method: str, url: str, **options: Any) -> Iterator[httpx2.Response]:
        try:
            with self._http.stream(method, url, extensions={"trace": self._note_socket}, **options) as answer:
                yield answer
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, UnicodeError) as error:
            raise Unavailable(f"{url} is out of reach: {error}") from None
        except (RuntimeError, ValueError, OSError):  # of a client that was closed, of a socket that was shut down
            if not self._stopping.is_set():
                raise
            raise Unavailable("this server is stopping") from None

    def _note_socket(self, event: str, told: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._sockets.add(told["return_value"].get_extra_info("socket"))
            if self._stopping.is_set():
                raise Unavailable("this server is stopping")


def _whole(answer: httpx2.Response, bytes_max: int) -> bytes:
    data, ends = bytearray(), time.monotonic() + _SECONDS_MAX
    for piece in answer.iter_raw(_PIECE):
        data += piece
        if len(data) > bytes_max:
            raise Unavailable(f"{answer.request.url.host} answers with more than {bytes_max} bytes")
        if time.monotonic() > ends:
            raise Unavailable(f"{answer.request.url.host} takes longer than {_SECONDS_MAX} seconds to answer")
    return bytes(data)


def _refusal(url: str, answer: httpx2.Response, data: bytes) -> LedgerError:
    """What a peer answered instead of 200: final only when it is a problem document of ours about the message."""
    try:
        problem = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = {}
    ours = str(problem.get("type", "")).startswith("urn:yongzhi:problem:")
    detail = str(problem.get("detail") or problem.get("title") or "")[:DELIVERY_REASON_MAX]
    if answer.status_code == 429:
        wait = answer.headers.get("retry-after", "")
        seconds = int(wait[:6]) if wait.isascii() and wait.isdecimal() else 1
        return Busy(detail or "too many requests", min(seconds, DELIVERY_DELAY_MAX))
    if ours and answer.status_code in _FINAL:
        told = Told(problem)
        told.detail = f"{told.code}: {detail}"
        return told
    return Unavailable(f"{url} answers {answer.status_code} {detail}".rstrip())
