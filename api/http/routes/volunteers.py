"""Totals and entries of volunteers and organisations."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.http import access
from api.http.access import Reader, Served
from api.http.paging import position_of
from api.http.sessions import Session
from api.service.region import Region
from ledger.domain.deadlines import is_late
from ledger.domain.hours import entry_of
from ledger.domain.state import Organisation
from ledger.errors import Forbidden, Invalid, NotFound, NotYet
from ledger.events.body import field_reader
from ledger.ids import check_issuer, format_time, issuer_kind
from ledger.limits import AFTER_WAIT_MAX, PAGE_ROWS_MAX
from projections.histories import SignedEvent
from projections.people import Person
from projections.views import TRANSIT, Breakdown, EntryRow, Sum, hide_small

router = APIRouter(prefix="/v1/regions/{region}", tags=["totals"])

After = Annotated[int | None, Query(ge=0, description="wait until the event at this position is counted")]
_WAIT_STEP = 0.02
_detail = field_reader({"issuer", "entry", "origin", "reason", "outcome"})


class MoveOut(BaseModel):
    """A transfer of the record to another region that is under way."""

    id: str
    to: str = Field(description="code of the other region")
    state: str = Field(description="requested, or offered: the record is in transit until the other region decides")


class SumsOut(BaseModel):
    """Minutes and entries by state, and by state under each heading."""

    total: dict[str, Sum]
    by_year: dict[str, dict[str, Sum]]
    by_category: dict[str, dict[str, Sum]]
    by_organisation: dict[str, dict[str, Sum]]


class TotalsOut(SumsOut):
    """A volunteer's totals by state (counted, pending, contested, disputed, withdrawn; of a record on its way transit).

    They are empty where the volunteer's home is another region: that region counts the hours.
    """

    id: str = Field(description="the id under which this ledger keeps the record")
    aliases: list[str] = Field(description="other ids of the same person; not shown to organisations")
    status: str = Field(description="unverified, verified, disclaimed or visiting")
    home: str = Field(description="code of the region that counts the hours")
    move: MoveOut | None
    served_here: SumsOut | None = Field(
        description="where the home is another region: what was recorded in this ledger, never to be added to totals"
    )


class Change(BaseModel):
    """One event about an entry."""

    id: str
    type: str
    origin: str | None = Field(description="the log that it stands in, if that is another")
    position: int
    recorded_at: str
    issuer: str
    reason: str | None = None
    outcome: str | None = None


class EntryOut(BaseModel):
    """An entry as it stands, with its fields as last signed and the events that led there."""

    id: str
    origin: str | None = Field(description="the log in which it was recorded, if that is another")
    position: int = Field(description="in that log")
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
        if time.monotonic() > deadline or region.runner.stopped:
            raise NotYet(f"the totals have not seen position {after}", retry_after=1)
        await asyncio.sleep(_WAIT_STEP)


def _person(region: Region, session: Session, volunteer: str) -> tuple[Person, str | None]:
    """Who is meant, by whichever of their ids, and whose entries of theirs the reader sees."""
    if issuer_kind(check_issuer(volunteer)) != "volunteer":
        raise Invalid("not a volunteer's id")
    person = region.totals.person(volunteer)
    own = person is not None and session.issuer in person.ids
    scope = access.organisation_scope(session, session.issuer if own else volunteer)
    if person is None:
        raise NotFound("no such volunteer, or not yours to see")
    return person, scope


@router.get("/volunteers/{volunteer}", summary="A volunteer's totals")
async def volunteer_totals(region: Served, session: Reader, volunteer: str, after: After = None) -> TotalsOut:
    """For the volunteer and the region; an organisation sees what it recorded itself."""
    await _wait(region, after)
    return await asyncio.to_thread(_totals, region, session, volunteer)


def _totals(region: Region, session: Session, volunteer: str) -> TotalsOut:
    known, scope = _person(region, session, volunteer)
    totals = region.totals.record(known.id, scope)
    if totals is None:
        raise NotFound("no such volunteer, or not yours to see")
    person, move = totals.person, totals.person.move
    return TotalsOut(
        id=person.id,
        aliases=[] if scope else list(person.aliases),
        status=person.status,
        home=person.elsewhere or region.code,
        move=None if move is None else MoveOut(id=move.id, to=move.to, state=move.state),
        served_here=None if totals.served_here is None else SumsOut(**_sums(totals.served_here)),
        **_sums(totals.totals),
    )


def _sums(totals: Breakdown) -> dict[str, Any]:
    return {name: getattr(totals, name) for name in SumsOut.model_fields}


@router.get("/volunteers/{volunteer}/entries", summary="A volunteer's entries with their history")
async def volunteer_entries(
    region: Served,
    session: Reader,
    volunteer: str,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_ROWS_MAX)] = 50,
    after: After = None,
) -> EntriesOut:
    """The latest first. An organisation sees its own entries, and whether one is contested, not by whose entry."""
    await _wait(region, after)
    return await asyncio.to_thread(_entries, region, session, volunteer, cursor, limit)


def _entries(region: Region, session: Session, volunteer: str, cursor: str | None, limit: int) -> EntriesOut:
    person, scope = _person(region, session, volunteer)
    page = region.totals.entries(person.id, scope, _before(cursor), limit + 1)
    signed = region.totals.events([handle for row in page for handle in (row.position, row.version)])
    history: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for row in region.totals.changes(person.ids):
        about = _detail(row.topic, row.body)
        history[entry_of(about, row.origin, region.ledger.origin)].append(_change(row))
    shown = [_entry(row, signed, history[row.id, row.origin], in_transit=person.in_transit) for row in page[:limit]]
    return EntriesOut(entries=shown, next=_cursor(page[limit - 1].position) if len(page) > limit else None)


_IMPORTED: Final = "i"
"""Prefix of a cursor for an entry recorded elsewhere, whose position here is negative."""


def _before(cursor: str | None) -> int | None:
    if cursor is not None and cursor.startswith(_IMPORTED):
        return -(position_of(cursor[len(_IMPORTED) :]) or 0)
    return position_of(cursor)


def _cursor(position: int) -> str:
    return str(position) if position >= 0 else f"{_IMPORTED}{-position}"


def _entry(row: EntryRow, signed: dict[int, SignedEvent], changes: list[Change], *, in_transit: bool) -> EntryOut:
    recorded, latest = signed[row.position], signed[row.version]
    return EntryOut(
        id=row.id,
        origin=row.origin or None,
        position=recorded.position,
        state=TRANSIT if in_transit else row.state,
        minutes=row.minutes,
        late=is_late(row.end, recorded.recorded_at),
        fields=msgspec.json.decode(latest.body or b"{}"),
        history=[_change(recorded), *changes],
    )


def _change(row: SignedEvent) -> Change:
    about = _detail(row.topic, row.body)
    reason, outcome = getattr(about, "reason", None), getattr(about, "outcome", None)
    return Change(
        id=row.event_id,
        type=row.topic,
        origin=row.origin or None,
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
    """The hours that an organisation recorded, by state; for itself and the region."""

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
    record = region.ledger.record(Organisation, organisation)
    if record is None:
        raise NotFound(f"{organisation} is not registered in this ledger")
    return record


@router.get("/organisations/{organisation}", summary="An organisation")
def get_organisation(region: Served, organisation: str) -> OrganisationOut:
    """Anyone may ask."""
    record = _organisation(region, organisation)
    return OrganisationOut(
        id=record.id, name=record.name, kind=record.kind, status=record.status, successor=record.successor
    )


@router.get("/organisations/{organisation}/totals", summary="What an organisation recorded")
async def organisation_totals(
    region: Served, session: Reader, organisation: str, after: After = None
) -> OrganisationTotals:
    """All states, for the organisation itself and the region; it learns how much is contested, never by whom."""
    if not access.is_region(session) and session.issuer != organisation:
        raise Forbidden("an organisation's totals are shown to itself and the region; see …/statistics")
    await _wait(region, after)
    record = await asyncio.to_thread(_organisation, region, organisation)
    sums = await asyncio.to_thread(region.totals.organisation, organisation)
    return OrganisationTotals(id=record.id, total=sums.total, by_year=sums.by_year, by_category=sums.by_category)


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
            minutes=cell.minutes if cell else None,
            entries=cell.entries if cell else None,
        )
        for (year, category), cell in sorted(hidden.items())
    ]
