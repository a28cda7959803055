"""Requests of other regions: messages to the inbox, bundles, keys; and the state of a transfer, for people."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send

from api.http import access, bodies
from api.http.access import Reader, Served
from api.http.sessions import Session
from api.peers.exchange import as_dict
from api.service.region import Region
from api.service.service import Service
from ledger.domain.state import Transfer
from ledger.errors import Busy, Forbidden, NotFound
from ledger.events.body import issuer_of
from ledger.ids import REGION_PATTERN, UUID_PATTERN, check_volunteer, issuer_kind
from ledger.limits import BUNDLES_AT_ONCE, MESSAGE_BYTES_MAX

router = APIRouter(prefix="/v1/regions/{region}", tags=["exchange"])

JSON_LINES: Final = "application/jsonl"
_PIECE: Final = 64 * 1024
_PIECE_SECONDS: Final = 30
"""For a peer to take one piece; one that does not is given up."""
_KEYS_CACHE: Final = {"cache-control": "public, max-age=60"}
_Id = Annotated[str, Path(pattern=rf"^{UUID_PATTERN}$", description="UUID of the transfer")]
_MESSAGE: Final = {
    "requestBody": {
        "required": True,
        "description": 'see docs/format.md, "A message to an inbox"',
        "content": {"application/json": {"schema": {"type": "object", "required": ["checkpoints", "events", "notes"]}}},
    }
}
_LINES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {JSON_LINES: {}}}}


class AnswerOut(BaseModel):
    """The outcome of a message; in each state this region has it, and keeps it."""

    state: str = Field(description="done; waiting for what is not here yet; or aside, for the operator to look at")
    position: int | None = Field(description="of the event in this region's log to which it led")
    reason: str = Field(description="why it waits, or is aside")


class ReasonOut(BaseModel):
    """Why a record was not taken."""

    code: str
    detail: str


class TransferOut(BaseModel):
    """A move of a record, as this ledger knows it."""

    id: str = Field(description="UUID")
    volunteer: str
    direction: str = Field(description="out: to the peer; in: from the peer")
    peer: str = Field(description="code of the other region")
    peer_origin: str
    state: str = Field(
        description="out: requested, offered, closed, cancelled; in: accepted, rejected, expired, announced"
    )
    opened: int = Field(description="position of the event that began it here")
    decided: int = Field(description="position of the event that led to this state")
    expires: str | None = Field(description="until when the other region may accept")
    reasons: list[ReasonOut] = Field(description="why the destination rejected it, when it did")


class TransfersOut(BaseModel):
    """Moves, the latest first."""

    transfers: list[TransferOut]


# -- messages -------------------------------------------------------------------------------------


@router.post("/inbox", summary="Take a message of another region", openapi_extra=_MESSAGE)
async def inbox(
    request: Request,
    region: Served,
    sender: Annotated[str, Query(pattern=rf"^(?:{REGION_PATTERN})$", description="code of the region that sends it")],
) -> AnswerOut:
    """It authenticates itself: the evidence in it is verified. Kept durably before the answer; safe to send again."""
    region.check_writable()
    service = access.service(request)
    async with bodies.body(request, "message", MESSAGE_BYTES_MAX) as data:
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(service.handling, region.exchange.deliver, data, sender)
    return AnswerOut(state=answer.state, position=answer.position, reason=answer.reason)


# -- keys and bundles -----------------------------------------------------------------------------


@router.get("/keys", summary="Evidence of the keys with which this region issues", response_class=Response)
def keys(region: Served) -> Response:
    """A message of evidence, as an inbox takes it. Anyone may ask."""
    return Response(region.exchange.own_keys(), media_type="application/json", headers=_KEYS_CACHE)


@router.get(
    "/transfers/{transfer}/bundle",
    summary="A record that is offered to another region",
    response_class=Response,
    responses=_LINES,
)
async def bundle(
    request: Request,
    region: Served,
    transfer: _Id,
    authorization: Annotated[str, Header(description="`Yongzhi` and a signed note in base64")] = "",
) -> Response:
    """JSON lines, for the region that the record is offered to; the request is signed by that region's issuing key."""
    service = access.service(request)
    if service.bundles >= BUNDLES_AT_ONCE:
        raise Busy("too many bundles are being sent", retry_after=5)
    service.bundles += 1
    try:
        first, rest = await asyncio.to_thread(_open, region, transfer, authorization)
    except BaseException:
        service.bundles -= 1
        raise
    return _Sending(first, rest, lambda: _sent(service))


def _sent(service: Service) -> None:
    service.bundles -= 1


def _open(region: Region, transfer: str, authorization: str) -> tuple[bytes, Iterator[bytes]]:
    """The first piece as well: what cannot be given is told by a problem document, not by a bundle that breaks off."""
    to, origin = region.exchange.authorise(authorization, transfer)
    pieces = _pieces(region.exchange.hand_out(transfer, to, origin))
    return next(pieces), pieces


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    data = bytearray()
    for line in lines:
        data += line
        if len(data) >= _PIECE:
            yield bytes(data)
            data.clear()
    yield bytes(data)


class _Sending(Response):
    """Sends pieces as they are made, each in a thread, and no faster than they are taken."""

    media_type = JSON_LINES

    def __init__(self, first: bytes, rest: Iterator[bytes], done: Callable[[], None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._pieces = itertools.chain([first], rest)
        self._rest = rest
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them all; whatever goes wrong ends the connection, so that the peer sees a bundle without its end."""
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while (piece := await asyncio.to_thread(next, self._pieces, None)) is not None and not gone.done():
                async with asyncio.timeout(_PIECE_SECONDS):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            self._done()
            await asyncio.to_thread(_close, self._rest)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _close(pieces: Any) -> None:
    """Give back the snapshot that the rest was to be read from."""
    pieces.close()


# -- how a transfer stands ------------------------------------------------------------------------


@router.get("/transfers", summary="Moves of a volunteer's record, or of all")
def transfers(
    region: Served,
    session: Reader,
    volunteer: Annotated[str | None, Query(description="whose; default: who is signed in; all for the region")] = None,
) -> TransfersOut:
    """For the volunteer, for whoever requested it, and for the region."""
    if volunteer is None and not access.is_region(session):
        if issuer_kind(session.issuer) != "volunteer":
            raise Forbidden("of all records the region alone may ask")
        volunteer = session.issuer
    moves = region.exchange.transfers(None if volunteer is None else check_volunteer(volunteer))
    return TransfersOut(transfers=[_out(region, move) for move in moves if _may_see(region, session, move)])


@router.get("/transfers/{transfer}", summary="How a transfer stands")
def transfer_state(region: Served, session: Reader, transfer: _Id) -> TransferOut:
    """For the volunteer, for whoever requested it, and for the region; to others there is none."""
    move = region.ledger.record(Transfer, transfer)
    if move is None or not _may_see(region, session, move):
        raise NotFound("no such transfer, or not yours to see")
    return _out(region, move)


def _may_see(region: Region, session: Session, move: Transfer) -> bool:
    if access.is_region(session) or session.issuer == move.volunteer:
        return True
    person = region.totals.person(move.volunteer)
    if person is not None and session.issuer in person.ids:
        return True
    first = region.ledger.stream(f"transfer:{move.id}")[0]
    return issuer_kind(session.issuer) == "org" and issuer_of(first.body or b"") == session.issuer


def _out(region: Region, move: Transfer) -> TransferOut:
    return TransferOut(**as_dict(move, region.exchange.reasons(move)))
