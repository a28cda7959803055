"""Whole records as files, for those whose they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any, Final

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from api.http import access
from api.http.access import Reader, Served
from api.http.sessions import Session
from api.service.region import Region
from ledger.domain.state import Volunteer
from ledger.errors import NotFound
from ledger.exchange import stating
from ledger.ids import check_volunteer, issuer_kind

router = APIRouter(prefix="/v1/regions/{region}", tags=["records"])

JSON_LINES: Final = "application/jsonl"
_PIECE: Final = 64 * 1024
_MEMORY: Final = 4 * 1024 * 1024
"""Bytes of one file that stay in memory; a longer one lies on disk until it is sent."""
_LINES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {JSON_LINES: {}}}}


@router.get(
    "/volunteers/{volunteer}/record",
    summary="A volunteer's whole record, as a file that anyone can check",
    response_class=Response,
    responses=_LINES,
)
def get_record(region: Served, session: Reader, volunteer: str) -> Response:
    """For the volunteer and the region. A record that changed is stated anew: 404, to be asked again, until then.

    See docs/transfer.md, "The record as a file".
    """
    if not _may_see(region, session, check_volunteer(volunteer)):
        raise NotFound("no such volunteer, or not yours to see")
    desk = region.exchange.desk
    stated = stating.state(desk, volunteer, region.check_writable)
    # Made before it is sent: whoever reads slowly would keep a snapshot of the database open.
    file = tempfile.SpooledTemporaryFile(_MEMORY)  # noqa: SIM115 -- closed when it is sent
    try:
        file.writelines(stating.export(desk, stated))
        file.seek(0)
    except BaseException:
        file.close()
        raise
    headers = {"content-disposition": f'attachment; filename="{stated[0].subject.partition(":")[2]}.record"'}
    return StreamingResponse(_pieces(file), media_type=JSON_LINES, headers=headers)


def _may_see(region: Region, session: Session, volunteer: str) -> bool:
    if access.is_region(session):
        return True
    own = issuer_kind(session.issuer) == "volunteer"
    return own and _person(region, session.issuer) == _person(region, volunteer)


def _person(region: Region, name: str) -> str:
    record = region.ledger.record(Volunteer, name)
    return name if record is None or record.alias_of is None else record.alias_of


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
