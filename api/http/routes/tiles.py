"""/log/{region}/…: what mirrors, witnesses and auditors fetch (C2SP tlog-tiles)."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from api.service.region import Region
from api.service.service import Service
from ledger.errors import NotFound, NotYet
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.tile_paths import parse_tile_path

router = APIRouter(prefix="/log/{region}", tags=["log"])

_BYTES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/octet-stream": {}}}}
_IMMUTABLE: Final = "public, max-age=31536000, immutable"


def _region(request: Request) -> Region:
    service: Service = request.app.state.service
    return service.region(request.path_params["region"])


@router.get("/checkpoint", summary="The last checkpoint", response_class=PlainTextResponse)
def checkpoint(request: Request, region: str) -> Response:
    """The newest signed tree head (C2SP tlog-checkpoint)."""
    note = _region(request).publisher.published
    if note is None:
        raise NotYet("no checkpoint is signed yet")
    return PlainTextResponse(note, headers={"cache-control": "no-store"})


@router.get("/tile/entries/{path:path}", summary="A bundle of log entries", response_class=Response, responses=_BYTES)
def entries(request: Request, region: str, path: str) -> Response:
    """Up to 256 entries of 40 bytes, each behind its u16 length."""
    served = _region(request)
    index, width = parse_tile_path(path)
    _check_published(served, 0, index, width)
    data = served.ledger.entry_bundle(index, width)
    return Response(data, media_type="application/octet-stream", headers={"cache-control": _IMMUTABLE})


@router.get("/tile/{level}/{path:path}", summary="A tile of hashes", response_class=Response, responses=_BYTES)
def tile(request: Request, region: str, level: str, path: str) -> Response:
    """Up to 256 hashes of one level of the tree."""
    served = _region(request)
    index, width = parse_tile_path(path)
    if level not in _LEVELS:
        raise NotFound(f"no tile level {level!r:.20}")
    _check_published(served, int(level), index, width)
    data = served.ledger.tile(int(level), index, width)
    return Response(data, media_type="application/octet-stream", headers={"cache-control": _IMMUTABLE})


_LEVELS: Final = frozenset(str(level) for level in range(8))


def _check_published(served: Region, level: int, index: int, width: int) -> None:
    """Only what a checkpoint covers is served: the rest may still be cached nowhere."""
    note = served.publisher.published
    size = parse_checkpoint(note.partition("\n\n")[0] + "\n").size if note else 0
    if (index * 256 + width) << (8 * level) > size:
        raise NotFound("no published checkpoint covers this tile")
