"""Sign-in: POST /v1/challenges, then POST /v1/sessions with the signed note."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.http import access
from api.http.sessions import Sessions, verify_answer
from ledger.errors import Invalid
from ledger.ids import format_time
from ledger.limits import NOTE_BYTES_MAX, SESSION_SECONDS

router = APIRouter(prefix="/v1", tags=["sign-in"])


class ChallengeIn(BaseModel, extra="forbid"):
    """Who wants to sign in, and to which region's ledger."""

    issuer: str = Field(max_length=64, examples=["org:51441300MJM000001P"])
    region: str = Field(max_length=6, examples=["441300"])


class ChallengeOut(BaseModel):
    """The text of the note to sign; its third line names this server and must be compared."""

    text: str
    expires: str


class SessionIn(BaseModel, extra="forbid"):
    """The signed note over the challenge's text."""

    note: str = Field(max_length=NOTE_BYTES_MAX)


class SessionOut(BaseModel):
    """The bearer token, told once."""

    token: str
    issuer: str
    region: str
    expires: str


def _sessions(request: Request) -> Sessions:
    found: Sessions = request.app.state.sessions
    return found


@router.post("/challenges", status_code=201, summary="Ask for a challenge")
async def challenge(request: Request, asked: ChallengeIn) -> ChallengeOut:
    """The same answer whether or not the issuer is known."""
    access.service(request).region(asked.region)
    text, expires = _sessions(request).challenge(asked.issuer, asked.region)
    return ChallengeOut(text=text, expires=format_time(expires))


@router.post("/sessions", status_code=201, summary="Answer a challenge")
async def open_session(request: Request, response: Response, given: SessionIn) -> SessionOut:
    """Each challenge is answered once. Browsers keep the token in an http-only cookie."""
    sessions = _sessions(request)
    note, challenge = sessions.claim(given.note)
    ledger = access.service(request).region(challenge.region).ledger
    key_id = await asyncio.to_thread(verify_answer, ledger, note, challenge.issuer)
    token, session = sessions.open(challenge, key_id)
    response.set_cookie(
        access.COOKIE,
        token,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return SessionOut(token=token, issuer=session.issuer, region=session.region, expires=format_time(session.expires))


@router.delete("/sessions", status_code=204, summary="Sign out")
async def close_session(request: Request, response: Response) -> None:
    """Ends the session of the token that is sent."""
    token = access.token(request)
    if token is None:
        raise Invalid("no token was sent")
    _sessions(request).close(token)
    response.delete_cookie(access.COOKIE)
