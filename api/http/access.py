"""Who is asking, and what of it they may see: one place for every reading route."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, Request

from api.http.problems import NotSignedIn
from api.http.sessions import Session, Sessions
from api.service.region import Region
from api.service.service import Service
from ledger.errors import Forbidden, NotFound
from ledger.ids import issuer_kind
from ledger.store.log import StoredRow

COOKIE = "yongzhi_session"


def service(request: Request) -> Service:
    """The running service."""
    found: Service = request.app.state.service
    return found


async def served(request: Request, region: str) -> Region:
    """The region named in the path."""
    return service(request).region(region)


def token(request: Request) -> str | None:
    """The bearer token, from the header or a browser's cookie."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value if scheme.lower() == "bearer" and value else request.cookies.get(COOKIE)


async def reader(request: Request, region: Annotated[Region, Depends(served)]) -> Session:
    """Who is signed in to this region's ledger, by a key that is still valid; raise NotSignedIn."""
    sessions: Sessions = request.app.state.sessions
    found = token(request)
    if found is None:
        raise NotSignedIn("a bearer token is needed; see /v1/challenges")
    session = sessions.find(found)
    if session.region != region.code:
        raise Forbidden(f"signed in to the ledger of {session.region}, not of {region.code}")
    if await asyncio.to_thread(region.ledger.valid_key, session.issuer, session.key_id) is None:
        sessions.close(found)
        raise NotSignedIn("the key that signed in was revoked")
    return session


Served = Annotated[Region, Depends(served)]
Reader = Annotated[Session, Depends(reader)]


def is_region(session: Session) -> bool:
    """Whether the region itself is asking."""
    return issuer_kind(session.issuer) == "region"


def check_event(session: Session, row: StoredRow, issuer: str) -> None:
    """An event is shown to its issuer, its subject and the region; to others it does not exist."""
    if not is_region(session) and session.issuer not in (issuer, row.stream):
        raise NotFound("no such event, or not yours to see")


def organisation_scope(session: Session, volunteer: str) -> str | None:
    """The organisation whose entries of a volunteer the reader sees, None for all entries; raise NotFound."""
    if is_region(session) or session.issuer == volunteer:
        return None
    if issuer_kind(session.issuer) == "org":
        return session.issuer
    raise NotFound("no such volunteer, or not yours to see")
