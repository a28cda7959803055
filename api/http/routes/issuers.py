"""Documents of an issuer that anyone needs to check a proof: DID document, token keys, status lists, achievements."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from api.http import access, media
from api.http.access import Served
from api.service.region import Region
from ledger.credentials import issuing
from ledger.credentials.sd_jwt import token, token_status
from ledger.crypto import did
from ledger.crypto.multikey import parse_multikey
from ledger.domain.state import CredentialKeyRecord
from ledger.errors import NotFound
from ledger.ids import parse_list_name

router = APIRouter(tags=["verification"])

_LIST_CACHE = {"cache-control": "public, max-age=60", "access-control-allow-origin": "*"}
_CACHE = {"cache-control": "public, max-age=300", "access-control-allow-origin": "*"}


def _keys(region: Region) -> list[CredentialKeyRecord]:
    return region.ledger.proofs.credential_keys()


@router.get("/regions/{region}/did.json", summary="The did document of a region", response_class=JSONResponse)
def did_document(region: Served) -> Response:
    """did:web. A verifier takes keys from a trust bundle; this is for software that knows only DIDs."""
    keys = [key.multikey for key in _keys(region)]
    return JSONResponse(did.document(region.proofs.proving.keys.did, keys), headers=_CACHE)


@router.get(
    "/.well-known/jwt-vc-issuer/regions/{region}", summary="The token keys of a region", response_class=JSONResponse
)
def issuer_metadata(region: Served) -> Response:
    """JWT VC Issuer Metadata (draft-ietf-oauth-sd-jwt-vc)."""
    keys = [parse_multikey(key.multikey) for key in _keys(region) if key.use == "token"]
    return JSONResponse(token.issuer_metadata(_issuer(region), keys), headers=_CACHE)


def _issuer(region: Region) -> str:
    return f"{region.proofs.proving.keys.base}/regions/{region.code}"


@router.get("/status/{name}", summary="A status list", response_class=Response)
def status_list(request: Request, name: str) -> Response:
    """Bitstring Status List (credential) or Token Status List (`…-t<n>`, JWT); signed, dated, cacheable."""
    listed = parse_list_name(name)
    if listed is None:
        raise NotFound("no such status list")
    region = access.service(request).region(listed.region)
    asked = request.headers.get("accept", "")
    kind = token_status.MEDIA_TYPE if listed.tokens else media.wanted(asked, media.CREDENTIAL)
    return Response(region.proofs.statuses.get(name), media_type=kind, headers={**_LIST_CACHE, "vary": "accept"})


@router.get(
    "/regions/{region}/achievements/{kind}", summary="What a credential says was achieved", response_class=JSONResponse
)
def achievement(region: Served, kind: str) -> Response:
    """The achievement that Open Badges name by this address."""
    described: dict[str, Any] | None = issuing.achievement(region.proofs.proving.keys.base, region.code, kind)
    if described is None:
        raise NotFound("no such achievement")
    return JSONResponse(described, headers=_CACHE)
