"""Proofs of service: asked for, handed out, revoked, and who looked at them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Header, Query
from fastapi.responses import PlainTextResponse, Response
from msgspec import UNSET, ValidationError, convert, to_builtins
from msgspec.structs import replace

from api.http import media
from api.http.access import Reader, Served
from api.http.paging import position_of
from api.http.proof_forms import AccessOut, ProofIn, ProofOut, ProofsOut, RevocationIn, TokenIn, TokenOut
from api.http.sessions import Session
from api.service.proving import Ask
from api.service.region import Region
from ledger.app.proof_records import KeptProof
from ledger.credentials import holdings, model
from ledger.credentials.certificate import qr
from ledger.credentials.sd_jwt import jws
from ledger.credentials.sd_jwt import token as sd_jwt
from ledger.domain.proofs import is_offered, lacks_consent, may_ask
from ledger.domain.state import Volunteer
from ledger.errors import Forbidden, Invalid, NotFound, NotYet
from ledger.events.proofs import RevocationReason
from ledger.ids import check_uuid, check_volunteer, format_time, issuer_kind, parse_time
from ledger.limits import ACCESSES_SHOWN_MAX, PAGE_ROWS_MAX

router = APIRouter(prefix="/v1/regions/{region}", tags=["proofs"])
T = TypeVar("T")

_WAIT_SECONDS = 10.0


# -- who may --------------------------------------------------------------------------------------


def may_ask_for(region: Region, session: Session, volunteer: str) -> bool:
    """See `ledger.domain.proofs.may_ask`."""
    return session.issuer == volunteer or may_ask(region.ledger.record(Volunteer, volunteer), session.issuer)


def check_consent(session: Session, volunteer: str, request: holdings.Request) -> None:
    """Whoever asks for somebody else says where that person's consent is kept (Order 67, articles 6 and 16)."""
    if lacks_consent(volunteer, session.issuer, request.consent or None):
        raise Invalid("who asks for somebody else names where the consent is kept", "/consent")


def _consented(request: holdings.Request, consent: str | None) -> holdings.Request:
    """The request made before, with the place of this consent; raise Invalid when that is no text."""
    if consent is None:
        return replace(request, consent=UNSET)
    try:
        again = convert({**to_builtins(request), "consent": consent}, holdings.Request)
    except ValidationError as error:
        raise Invalid(*holdings.explain(error)) from None
    holdings.check_request(again)
    return again


def _kept(region: Region, session: Session, proof: str) -> KeptProof:
    """A proof that whoever is signed in may see, with what was finished of it; raise NotFound."""
    kept = region.ledger.proofs.find(check_uuid(proof))
    if kept is None or kept.volunteer is None:
        raise NotFound("no such proof, or not yours to see")
    if session.issuer != kept.volunteer and not may_ask(kept.holder, session.issuer):
        raise NotFound("no such proof, or not yours to see")
    return kept


def _handed(region: Region, session: Session, proof: str, action: str, make: Callable[[KeptProof], T]) -> T:
    """Something of a proof for somebody who may have it; written down for its holder to read."""
    made = make(_kept(region, session, proof))
    region.note_access(proof, action, session.issuer, "handed out")
    return made


# -- issuing --------------------------------------------------------------------------------------


@router.post("/proofs", status_code=201, summary="Issue a proof of service")
async def issue(region: Served, session: Reader, asked: ProofIn) -> ProofOut:
    """Free of charge (Order 67, article 14). Waits until the totals have seen all that is in the log."""
    ask = await asyncio.to_thread(_ask, region, session, asked)
    region.check_writable()
    await asyncio.to_thread(wait_for_totals, region)
    issued = await asyncio.to_thread(region.proofs.proving.issue, ask)
    return await asyncio.to_thread(_show, region, issued.proof)


def _ask(region: Region, session: Session, asked: ProofIn) -> Ask:
    with _at("/replaces"):
        replaced = None if asked.replaces is None else _replaced(region, session, asked.replaces)
    if replaced is not None and asked.again:
        volunteer, request = replaced.volunteer, _consented(replaced.request, asked.consent)
    else:
        with _at("/volunteer"):
            volunteer = check_volunteer(asked.volunteer or session.issuer)
        request = asked.request()
    if not may_ask_for(region, session, volunteer):
        raise Forbidden("a proof is issued to the volunteer, the station that registered it, or the region")
    if replaced is not None and replaced.volunteer != volunteer:
        raise Invalid("the proof of somebody else", "/replaces")
    check_consent(session, volunteer, request)
    return Ask(volunteer, request, asked.replaces)


def _replaced(region: Region, session: Session, proof: str) -> holdings.Holding:
    return region.proofs.handing_out.holding(_kept(region, session, proof).record.id)


@contextmanager
def _at(pointer: str) -> Iterator[None]:
    """Re-raise Invalid with this JSON pointer."""
    try:
        yield
    except Invalid as error:
        raise Invalid(error.detail, pointer) from None


def wait_for_totals(region: Region) -> None:
    """Wait until the totals have seen everything that is in the log now; raise NotYet when that takes too long."""
    last = region.ledger.head().size - 1
    if not region.runner.wait(last, _WAIT_SECONDS):
        raise NotYet(f"the totals have not seen position {last}", retry_after=1)


def _shown(region: Region, ids: Sequence[str]) -> list[ProofOut]:
    published = region.published_size()
    return [
        ProofOut(
            id=proof.id,
            format=proof.format,
            state="issued" if proof.revoked is None else "revoked",
            position=proof.position,
            issued=format_time(issued),
            page=f"{region.proofs.proving.keys.base}/p/{proof.id}" if proof.format == "vc" else None,
            ready=published > proof.position,
            reason=proof.reason,
            replaced_by=proof.replaced_by,
            offer=is_offered(proof),
            **({} if held is None else _stated(holdings.decode(held.holding))),
        )
        for proof, issued, held in region.ledger.proofs.told(ids)
    ]


def _stated(holding: holdings.Holding) -> dict[str, Any]:
    """The fields that tell one proof of a volunteer from another."""
    request, statement = holding.request, holding.statement
    minutes = statement.star.minutes if isinstance(statement, model.StarStatement) else statement.minutes
    return {
        "kind": request.kind,
        "first": request.first,
        "last": request.last,
        "minutes": minutes,
        "named": request.named,
    }


def _show(region: Region, proof: str) -> ProofOut:
    (shown,) = _shown(region, [proof])
    return shown


# -- reading --------------------------------------------------------------------------------------


@router.get("/proofs", summary="A volunteer's proofs")
def list_proofs(
    region: Served,
    session: Reader,
    volunteer: str | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_ROWS_MAX)] = 50,
) -> ProofsOut:
    """Newest first; those revoked for a change of the record are offered again (`offer`)."""
    whose = check_volunteer(volunteer or session.issuer)
    if not may_ask_for(region, session, whose):
        raise NotFound("no such volunteer, or not yours to see")
    page = region.ledger.proofs.held_by(whose, position_of(cursor), limit + 1)
    following = str(page[limit - 1].position) if len(page) > limit else None
    return ProofsOut(proofs=_shown(region, [proof.id for proof in page[:limit]]), next=following)


@router.get("/proofs/{proof}", summary="A proof as it stands")
def get_proof(region: Served, session: Reader, proof: str) -> ProofOut:
    """For its holder, the station that registered the holder, and the region."""
    _kept(region, session, proof)
    return _show(region, proof)


@router.get("/proofs/{proof}/credential", summary="The credential", response_class=Response)
def get_credential(
    region: Served, session: Reader, proof: str, accept: Annotated[str, Header()] = "application/json"
) -> Response:
    """W3C Verifiable Credential 2.0, Open Badges 3.0. `application/vc` only when asked for: older readers lack it."""
    made = _handed(region, session, proof, "credential", region.proofs.handing_out.hand_out)
    wanted = media.wanted(accept, media.CREDENTIAL)
    return Response(made.credential, media_type=wanted, headers={"vary": "accept"})


@router.get("/proofs/{proof}/pdf", summary="The certificate", response_class=Response)
def get_certificate(region: Served, session: Reader, proof: str) -> Response:
    """One page, PDF/A-3b with the credential attached; the same bytes whenever it is fetched."""
    made = _handed(
        region,
        session,
        proof,
        "pdf",
        lambda kept: region.print_certificate(region.proofs.handing_out.hand_out(kept)),
    )
    return Response(
        made, media_type="application/pdf", headers={"content-disposition": f'inline; filename="{proof}.pdf"'}
    )


@router.get("/proofs/{proof}/qr", summary="The QR of the certificate", response_class=Response)
def get_qr(region: Served, session: Reader, proof: str, accept: Annotated[str, Header()] = "*/*") -> Response:
    """An SVG image; with `accept: text/plain` the text in it."""
    page = _handed(region, session, proof, "qr", region.proofs.handing_out.hand_out).page
    if media.accepts(accept, "text/plain"):
        return PlainTextResponse(page, headers={"vary": "accept"})
    return Response(qr.svg(page, qr.QUIET), media_type="image/svg+xml", headers={"vary": "accept"})


@router.post("/proofs/{proof}/sd-jwt", status_code=201, summary="Make an SD-JWT of a proof")
def issue_token(region: Served, session: Reader, proof: str, asked: TokenIn) -> TokenOut:
    """For a wallet (RFC 9901): the holder shows what is asked and no more. It is revoked with its credential."""
    region.check_writable()
    kept = _kept(region, session, proof)
    parent = region.proofs.handing_out.holding(kept.record.id)
    request = _consented(parent.request, asked.consent)
    check_consent(session, parent.volunteer, request)
    with _at("/jwk"):
        holder = None if asked.jwk is None else jws.point_of(asked.jwk)
    with _at("/expires"):
        expires = _expiry(region, asked)
    made = region.proofs.handing_out.issue_token(proof, parent, request, holder, expires)
    region.note_access(proof, "sd-jwt", session.issuer, "handed out")
    return TokenOut(id=made[0], token=made[1], choices=sd_jwt.choices(made[1]))


def _expiry(region: Region, asked: TokenIn) -> int | None:
    expires = None if asked.expires is None else parse_time(asked.expires)
    if expires is not None and expires <= region.ledger.now():
        raise Invalid("the token would have expired before it is made")
    return expires


@router.get("/proofs/{proof}/sd-jwt", summary="An SD-JWT that was made", response_class=PlainTextResponse)
def get_token(
    region: Served,
    session: Reader,
    proof: str,
    show: Annotated[list[str] | None, Query(description="paths of `choices`: show these alone", max_length=64)] = None,
) -> Response:
    """By the id that making it gave; with `show`, what a verifier gets who is to see no more."""
    token = _handed(region, session, proof, "sd-jwt", region.proofs.handing_out.token)
    return PlainTextResponse(token if show is None else sd_jwt.present(token, show))


# -- what becomes of it -----------------------------------------------------------------------------


@router.post("/proofs/{proof}/revocation", summary="Take a proof back")
def revoke(region: Served, session: Reader, proof: str, asked: RevocationIn) -> ProofOut:
    """By its holder, or by the region when it was issued by mistake. For good; the status list says so at once."""
    kept = _kept(region, session, proof)
    if issuer_kind(session.issuer) == "org":
        raise Forbidden("a proof is taken back by its holder or the region")
    region.check_writable()
    reason: RevocationReason = "requested" if session.issuer == kept.volunteer else "mistaken"
    region.proofs.proving.revoke(proof, reason, asked.detail)
    return _show(region, proof)


@router.get("/proofs/{proof}/accesses", summary="Who looked at a proof")
def get_accesses(region: Served, session: Reader, proof: str) -> list[AccessOut]:
    """The latest first: pages opened, names tried, files fetched. Offline checks leave no trace, by design."""
    _kept(region, session, proof)
    accesses = region.ledger.proofs.accesses(proof, ACCESSES_SHOWN_MAX)
    return [
        AccessOut(at=format_time(access.at), action=access.action, by=access.by, outcome=access.outcome)
        for access in accesses
    ]


__all__ = ["check_consent", "may_ask_for", "router", "wait_for_totals"]
