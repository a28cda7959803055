"""Events as they were signed, their receipts, and the keys of an issuer."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, Field

from api.http import access
from api.http.access import Reader, Served
from api.http.sessions import Session
from api.service.region import Region
from ledger.crypto.encoding import encode_base64
from ledger.errors import NotFound, NotYet
from ledger.events.body import field_reader
from ledger.ids import check_issuer, check_uuid, format_time, issuer_kind
from ledger.store.log import StoredRow

router = APIRouter(prefix="/v1/regions/{region}", tags=["events"])

_issuer_of = field_reader({"issuer"})
_key_of = field_reader({"key", "key_id"})


def _visible(region: Region, session: Session, event_id: str) -> StoredRow:
    row = region.ledger.event(check_uuid(event_id))
    if row.body is None:
        raise NotFound("the body of this event was erased")
    access.check_event(session, row, _issuer_of(row.topic, row.body).issuer)
    return row


@router.get("/events/{event_id}", summary="The body as signed")
def get_event(region: Served, session: Reader, event_id: str) -> Response:
    """The canonical bytes as they were submitted; position and entry stand in the headers."""
    row = _visible(region, session, event_id)
    headers = {
        "yongzhi-position": str(row.position),
        "yongzhi-entry": encode_base64(row.entry),
        "yongzhi-recorded-at": format_time(row.recorded_at),
    }
    return Response(row.body, media_type="application/json", headers=headers)


@router.get("/events/{event_id}/receipt", summary="The tlog-proof", response_class=PlainTextResponse)
def get_receipt(region: Served, session: Reader, event_id: str) -> Response:
    """Proves offline that the event stands in the log (C2SP tlog-proof)."""
    return PlainTextResponse(_receipt(region, _visible(region, session, event_id)))


def _receipt(region: Region, row: StoredRow) -> str:
    note = region.publisher.published
    if note is None:
        raise NotYet("no checkpoint is signed yet")
    return region.ledger.receipt(row, note)


def _names_key(row: StoredRow) -> bool:
    """Not so for the registration of a volunteer who has no key yet."""
    about = row.body and _key_of(row.topic, row.body)
    return any(isinstance(getattr(about, name, None), str) for name in ("key", "key_id"))


class KeyEvent(BaseModel):
    """An event that adds or revokes a key."""

    id: str
    type: str
    position: int
    body: str = Field(description="the canonical body as signed, base64")
    receipt: str | None = Field(description="its tlog-proof; null until a checkpoint covers it")


@router.get("/issuers/{issuer}/keys", summary="The keys of an issuer")
async def get_keys(request: Request, region: Served, issuer: str) -> list[KeyEvent]:
    """The events that add and revoke keys, with receipts, so that anyone can check old signatures.

    Keys of organisations and regions are public; a volunteer's are shown to the volunteer and the region.
    """
    if issuer_kind(check_issuer(issuer)) == "volunteer":
        session = await access.reader(request, region)
        if session.issuer != issuer and not access.is_region(session):
            raise NotFound("no such issuer, or not yours to see")
    return await asyncio.to_thread(_keys, region, issuer)


def _keys(region: Region, issuer: str) -> list[KeyEvent]:
    found = []
    for row in filter(_names_key, region.ledger.key_events(issuer)):
        try:
            receipt = _receipt(region, row)
        except NotYet:
            receipt = None
        body = encode_base64(row.body or b"")
        found.append(KeyEvent(id=str(row.event_id), type=row.topic, position=row.position, body=body, receipt=receipt))
    if not found:
        raise NotFound(f"{issuer} has no keys in this ledger")
    return found
