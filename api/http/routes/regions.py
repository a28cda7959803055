"""GET /v1/regions: which ledgers this server keeps."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from api.http import access
from api.http.access import Reader, Served
from api.service.region import Region
from ledger.codes import region_name
from ledger.errors import Forbidden, Invalid
from projections.views import Sum

router = APIRouter(prefix="/v1/regions", tags=["regions"])


class PeerOut(BaseModel):
    """Another region that this one recognises: events of its log are believed, and records move to and fro."""

    code: str = Field(examples=["442000"])
    origin: str = Field(description="name of its log", examples=["ledger.example/442000"])
    log_keys: list[str] = Field(description="vkeys that its checkpoints are verified with")


class RegionOut(BaseModel):
    """A region and how to check its log."""

    code: str = Field(examples=["441300"])
    name: str | None = Field(description="in Chinese", examples=["惠州市"])
    origin: str = Field(description="name of its log", examples=["ledger.example/441300"])
    log_vkey: str = Field(description="verifies its checkpoints; compare it with one obtained elsewhere")
    tree_size: int = Field(description="events under the last published checkpoint")
    peers: list[PeerOut] = Field(description="regions that it recognises now")


class DayOut(BaseModel):
    """The service of a day, by state."""

    day: str
    state: str
    minutes: int
    entries: int


class RegionTotals(BaseModel):
    """The totals of a region, by state."""

    total: dict[str, Sum]
    by_year: dict[str, dict[str, Sum]]
    by_category: dict[str, dict[str, Sum]]
    days: list[DayOut]


def _out(region: Region) -> RegionOut:
    return RegionOut(
        code=region.code,
        name=region_name(region.code),
        origin=region.ledger.origin,
        log_vkey=str(region.log_key),
        tree_size=region.published_size(),
        peers=[
            PeerOut(code=peer.code, origin=peer.origin, log_keys=list(peer.log_keys)) for peer in region.totals.peers()
        ],
    )


@router.get("", summary="The regions served here")
def list_regions(request: Request) -> list[RegionOut]:
    """Anyone may ask."""
    return [_out(region) for region in access.service(request).regions.values()]


@router.get("/{region}", summary="One region")
def get_region(region: Annotated[Region, Depends(access.served)]) -> RegionOut:
    """Anyone may ask."""
    return _out(region)


def _check_day(name: str, day: str) -> None:
    try:
        date.fromisoformat(day)
    except ValueError:
        raise Invalid(f"{day} is no day", f"/{name}") from None


_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


@router.get("/{region}/totals", summary="What the region comes to")
def totals(
    region: Served,
    session: Reader,
    first: Annotated[str, Query(pattern=_DAY)] = "1900-01-01",
    last: Annotated[str, Query(pattern=_DAY)] = "9999-12-31",
) -> RegionTotals:
    """Minutes and entries by state, year and category, and by day within the given days; for the region itself."""
    if not access.is_region(session):
        raise Forbidden("a region's totals are shown to the region; see …/organisations/{id}/statistics")
    for name, day in (("first", first), ("last", last)):
        _check_day(name, day)
    sums = region.totals.region()
    days = [
        DayOut(day=day, state=state, minutes=served.minutes, entries=served.entries)
        for day, state, served in region.totals.days(first, last)
    ]
    return RegionTotals(total=sums.total, by_year=sums.by_year, by_category=sums.by_category, days=days)
