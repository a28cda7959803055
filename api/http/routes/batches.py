"""Proofs by the thousand: a station's or the region's request for many volunteers, its progress, its ZIP."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from msgspec import UNSET
from pydantic import BaseModel, Field

from api.http.access import Reader, Served
from api.http.paging import position_of
from api.http.proof_forms import Selection
from api.http.routes.proofs import wait_for_totals
from ledger.errors import Forbidden, Invalid, NotYet
from ledger.ids import check_uuid, check_volunteer, format_time, issuer_kind
from ledger.limits import BATCH_VOLUNTEERS_MAX, PAGE_ROWS_MAX

router = APIRouter(prefix="/v1/regions/{region}/proof-batches", tags=["proofs"])


class BatchIn(Selection):
    """The same proof for many people, by the station that registered them or by the region."""

    volunteers: list[str]


class BatchOut(BaseModel):
    """The progress of a batch."""

    id: str
    created: str
    total: int
    waiting: int
    issued: int
    refused: int
    ready: bool = Field(description="whether all is done and under a checkpoint, so that the ZIP can be fetched")


class ItemOut(BaseModel):
    """One volunteer of a batch."""

    number: int
    volunteer: str
    proof: str | None
    problem: str | None


class ItemsOut(BaseModel):
    """A page of a batch's volunteers in one state, by number."""

    items: list[ItemOut]
    next: str | None


@router.post("", status_code=202, summary="Issue proofs for many volunteers")
async def create(region: Served, session: Reader, asked: BatchIn) -> BatchOut:
    """At most 10,000 at once; they are issued in the background. `consent` says where the consents are kept."""
    return await asyncio.to_thread(_create, region, session, asked)


def _create(region: Served, session: Reader, asked: BatchIn) -> BatchOut:
    if issuer_kind(session.issuer) == "volunteer":
        raise Forbidden("proofs for many are issued to the station that registered them, or the region")
    if not 1 <= len(asked.volunteers) <= BATCH_VOLUNTEERS_MAX:
        raise Invalid(f"a batch is for 1 to {BATCH_VOLUNTEERS_MAX} volunteers", "/volunteers")
    for index, volunteer in enumerate(asked.volunteers):
        try:
            check_volunteer(volunteer)
        except Invalid as error:
            raise Invalid(error.detail, f"/volunteers/{index}") from None
    if len(set(asked.volunteers)) < len(asked.volunteers):
        raise Invalid("a volunteer stands there twice", "/volunteers")
    request = asked.request()
    if request.consent is UNSET:
        raise Invalid("who asks for others names where their consents are kept", "/consent")
    region.check_writable()
    if region.ledger.closed:
        raise Forbidden("the ledger was closed: nothing is issued any more")
    wait_for_totals(region)
    return _shown(region, session, region.proofs.batches.create(session.issuer, asked.volunteers, request))


def _shown(region: Served, session: Reader, batch: str) -> BatchOut:
    record = region.proofs.batches.find(check_uuid(batch), session.issuer)
    progress = region.proofs.batches.progress(batch)
    return BatchOut(
        id=batch,
        created=format_time(record.created),
        total=progress.waiting + progress.issued + progress.refused,
        waiting=progress.waiting,
        issued=progress.issued,
        refused=progress.refused,
        ready=not progress.waiting and region.published_size() > progress.last,
    )


@router.get("/{batch}", summary="How far a batch has come")
def get_batch(region: Served, session: Reader, batch: str) -> BatchOut:
    """For whoever began it, and the region."""
    return _shown(region, session, batch)


@router.get("/{batch}/items", summary="The volunteers of a batch")
def get_items(
    region: Served,
    session: Reader,
    batch: str,
    state: Annotated[str, Query(pattern="^(waiting|issued|refused)$")] = "refused",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_ROWS_MAX)] = 50,
) -> ItemsOut:
    """By number; `refused` says why."""
    region.proofs.batches.find(check_uuid(batch), session.issuer)
    page = region.proofs.batches.items(batch, state, position_of(cursor) or 0, limit + 1)
    shown = [
        ItemOut(
            number=item.number,
            volunteer=item.volunteer,
            proof=item.proof if item.state == "issued" else None,
            problem=item.problem,
        )
        for item in page[:limit]
    ]
    return ItemsOut(items=shown, next=str(page[limit - 1].number) if len(page) > limit else None)


@router.get("/{batch}/zip", summary="The certificates of a batch", response_class=Response)
def get_archive(region: Served, session: Reader, batch: str) -> Response:
    """A ZIP of PDFs, with `index.csv`, made while it is sent; 404 with Retry-After until all is done."""
    if not _shown(region, session, batch).ready:
        raise NotYet("the batch is not done, or no checkpoint covers it yet", retry_after=2)
    headers = {"content-disposition": f'attachment; filename="{batch}.zip"'}
    return StreamingResponse(
        region.proofs.batches.archive(batch, session.issuer), media_type="application/zip", headers=headers
    )
