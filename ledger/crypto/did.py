"""did:web of a region: its name, the address it stands for, and its document (W3C DID 1.0, did:web method)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

from ledger.errors import Invalid
from ledger.limits import ORIGIN_MAX

CONTEXT: Final = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1")
_BASE: Final = re.compile(r"(https?)://([A-Za-z0-9.-]+(?::[0-9]{1,5})?)")
_DID: Final = re.compile(r"did:web:([A-Za-z0-9.-]+(?:%3A[0-9]{1,5})?):regions:([0-9]{6})")
_LOCAL: Final = ("127.0.0.1", "localhost")


def check_base(base: str) -> str:
    """Accept the address of a server: `https://host`, or `http://` of this machine alone; raise Invalid."""
    match = _BASE.fullmatch(base)
    if not match or len(base) > ORIGIN_MAX // 2:
        raise Invalid("an address is https://host or https://host:port, without a path")
    if (match[1] == "http") is not (match[2].partition(":")[0] in _LOCAL):
        raise Invalid("https:// is needed, but for 127.0.0.1 and localhost, where it is http://")
    return base


def did_of(base: str, region: str) -> str:
    """The DID of a region served at this address, such as `did:web:ledger.example:regions:441300`."""
    return f"did:web:{quote(check_base(base).partition('://')[2], safe='.-')}:regions:{region}"


def base_of(did: str) -> str:
    """The address that a region's DID stands for; raise Invalid for any other DID."""
    match = _DID.fullmatch(did)
    if not match:
        raise Invalid("not the DID of a region: did:web:host:regions:code")
    host = unquote(match[1])
    return f"{'http' if host.partition(':')[0] in _LOCAL else 'https'}://{host}"


def document(did: str, multikeys: Sequence[str]) -> dict[str, Any]:
    """The did document in which the region's keys stand, each to assert with."""
    methods = [
        {"id": f"{did}#{key}", "type": "Multikey", "controller": did, "publicKeyMultibase": key} for key in multikeys
    ]
    return {
        "@context": list(CONTEXT),
        "id": did,
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }
