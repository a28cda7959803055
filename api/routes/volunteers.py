"""Totals and entries of volunteers and organisations."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api import access
from api.access import Reader, Served
from api.paging import position_of
from api.service import Region
from api.sessions import Session
from ledger import events
from ledger.deadlines import is_late
from ledger.domain.state import Organisation, Volunteer
from ledger.errors import Forbidden, Invalid, NotFound, NotYet
from ledger.ids import check_issuer, format_time, issuer_kind
from ledger.limits import AFTER_WAIT_MAX, PAGE_ROWS_MAX
from ledger.store.log import StoredRow
from projections.views import EntryRow, Sum, hide_small

router = APIRouter(prefix="/v1/regions/{region}", tags=["totals"])

After = Annotated[int | None, Query(ge=0, description="wait until the event at this position is counted")]
_WAIT_STEP = 0.02
_detail = events.reader({"issuer", "entry", "reason", "outcome"})


class TotalsOut(BaseModel):
    """Minutes and entries by state (counted, pending, contested, disputed, withdrawn), and under each heading."""

    id: str
    status: str = Field(description="unverified, verified or disclaimed")
    home: str = Field(description="the region whose projections count the hours")
    total: dict[str, Sum]
    by_year: dict[str, dict[str, Sum]]
    by_category: dict[str, dict[str, Sum]]
    by_organisation: dict[str, dict[str, Sum]]


class Change(BaseModel):
    """One event about an entry."""

    id: str
    type: str
    position: int
    recorded_at: str
    issuer: str
    reason: str | None = None
    outcome: str | None = None


class EntryOut(BaseModel):
    """An entry as it stands, with its fields as last signed and the events that led there."""

    id: str
    position: int
    state: str
    minutes: int
    late: bool = Field(description="recorded later than Order 67, article 11 asks")
    fields: dict[str, object]
    history: list[Change]


class EntriesOut(BaseModel):
    """A page of entries, the newest first."""

    entries: list[EntryOut]
    next: str | None = Field(description="cursor of the next page")


async def _wait(region: Region, after: int | None) -> None:
    """Waits on the event loop: a thread a waiting reader would let a few of them stop all others."""
    deadline = time.monotonic() + AFTER_WAIT_MAX
    while after is not None and region.runner.position <= after:
        if time.monotonic() > deadline or region.runner.failure is not None:
            raise NotYet(f"the totals have not seen position {after}", retry_after=1)
        await asyncio.sleep(_WAIT_STEP)


def _volunteer(region: Region, session: Session, volunteer: str) -> tuple[Volunteer, str | None]:
    if issuer_kind(check_issuer(volunteer)) != "volunteer":
        raise Invalid("not a volunteer's id")
    scope = access.organisation_scope(session, volunteer)
    found = region.ledger.record(Volunteer, volunteer)
    if found is None:
        raise NotFound("no such volunteer, or not yours to see")
    return found, scope


@router.get("/volunteers/{volunteer}", summary="A volunteer's totals")
async def volunteer_totals(region: Served, session: Reader, volunteer: str, after: After = None) -> TotalsOut:
    """For the volunteer and the region; an organisation sees what it recorded itself."""
    await _wait(region, after)
    return await asyncio.to_thread(_totals, region, session, volunteer)


def _totals(region: Region, session: Session, volunteer: str) -> TotalsOut:
    found, scope = _volunteer(region, session, volunteer)
    sums = region.totals.volunteer(volunteer, scope)
    return TotalsOut(
        id=volunteer,
        status=found.status,
        home=region.code,
        total=sums.total,
        by_year=sums.by_year,
        by_category=sums.by_category,
        by_organisation=sums.by_organisation,
    )


@router.get("/volunteers/{volunteer}/entries", summary="A volunteer's entries with their history")
async def volunteer_entries(
    region: Served,
    session: Reader,
    volunteer: str,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_ROWS_MAX)] = 50,
    after: After = None,
) -> EntriesOut:
    """Newest first; an organisation sees its own, and of others' doings only that an entry is contested."""
    await _wait(region, after)
    return await asyncio.to_thread(_entries, region, session, volunteer, cursor, limit)


def _entries(region: Region, session: Session, volunteer: str, cursor: str | None, limit: int) -> EntriesOut:
    _, scope = _volunteer(region, session, volunteer)
    page = region.totals.entries(volunteer, scope, position_of(cursor), limit + 1)
    bodies = region.ledger.rows_at([place for row in page for place in (row.position, row.version)])
    history: dict[str, list[Change]] = defaultdict(list)
    for row in region.ledger.changes_of(volunteer):
        about = _detail(row.topic, row.body or b"")
        history[about.entry].append(_change(row))
    shown = [_entry(row, bodies, history[row.id]) for row in page[:limit]]
    return EntriesOut(entries=shown, next=str(page[limit - 1].position) if len(page) > limit else None)


def _entry(row: EntryRow, bodies: dict[int, StoredRow], changes: list[Change]) -> EntryOut:
    recorded, latest = bodies[row.position], bodies[row.version]
    return EntryOut(
        id=row.id,
        position=row.position,
        state=row.state,
        minutes=row.minutes,
        late=is_late(row.end, recorded.recorded_at),
        fields=msgspec.json.decode(latest.body or b"{}"),
        history=[_change(recorded), *changes],
    )


def _change(row: StoredRow) -> Change:
    about = _detail(row.topic, row.body or b"")
    reason, outcome = getattr(about, "reason", None), getattr(about, "outcome", None)
    return Change(
        id=str(row.event_id),
        type=row.topic,
        position=row.position,
        recorded_at=format_time(row.recorded_at),
        issuer=about.issuer,
        reason=reason if isinstance(reason, str) else None,
        outcome=outcome if isinstance(outcome, str) else None,
    )


# -- organisations --------------------------------------------------------------------------------


class OrganisationOut(BaseModel):
    """The public part of an organisation's registration."""

    id: str
    name: str
    kind: str
    status: str
    successor: str | None


class OrganisationTotals(BaseModel):
    """What an organisation recorded, by state; for itself and the region."""

    id: str
    total: dict[str, Sum]
    by_year: dict[str, dict[str, Sum]]
    by_category: dict[str, dict[str, Sum]]


class Cell(BaseModel):
    """Counted service of a year and category; null where too few people stand behind it."""

    year: str
    category: str
    minutes: int | None
    entries: int | None


def _organisation(region: Region, organisation: str) -> Organisation:
    if issuer_kind(check_issuer(organisation)) != "org":
        raise Invalid("not an organisation's id")
    found = region.ledger.record(Organisation, organisation)
    if found is None:
        raise NotFound(f"{organisation} is not registered in this ledger")
    return found


@router.get("/organisations/{organisation}", summary="An organisation")
def get_organisation(region: Served, organisation: str) -> OrganisationOut:
    """Anyone may ask."""
    found = _organisation(region, organisation)
    return OrganisationOut(
        id=found.id, name=found.name, kind=found.kind, status=found.status, successor=found.successor
    )


@router.get("/organisations/{organisation}/totals", summary="What an organisation recorded")
async def organisation_totals(
    region: Served, session: Reader, organisation: str, after: After = None
) -> OrganisationTotals:
    """All states, for the organisation itself and the region; it learns how much is contested, never by whom."""
    if not access.is_region(session) and session.issuer != organisation:
        raise Forbidden("an organisation's totals are shown to itself and the region; see …/statistics")
    await _wait(region, after)
    found = await asyncio.to_thread(_organisation, region, organisation)
    sums = await asyncio.to_thread(region.totals.organisation, organisation)
    return OrganisationTotals(id=found.id, total=sums.total, by_year=sums.by_year, by_category=sums.by_category)


@router.get("/organisations/{organisation}/statistics", summary="Public statistics of an organisation")
def organisation_statistics(region: Served, organisation: str) -> list[Cell]:
    """Counted service by year and category; cells about fewer than five people are hidden. Anyone may ask."""
    _organisation(region, organisation)
    cells = region.totals.organisation_cells(organisation)
    hidden = hide_small(cells, region.totals.organisation_volunteers(organisation))
    return [
        Cell(
            year=year,
            category=category,
            minutes=one.minutes if one else None,
            entries=one.entries if one else None,
        )
        for (year, category), one in sorted(hidden.items())
    ]
