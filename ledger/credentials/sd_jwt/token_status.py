"""Token Status Lists (draft-ietf-oauth-status-list), one bit a token: which SD-JWTs of a region were revoked.

The JWT form, `statuslist+jwt`. The least significant bit of the first byte is index 0; the bytes are compressed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.credentials.sd_jwt import jws
from ledger.crypto.encoding import decode_base64url, encode_base64url
from ledger.crypto.multikey import TokenKey
from ledger.errors import Invalid, TooLarge, Untrusted
from ledger.limits import STATUS_LIST_BYTES_MAX, STATUS_LIST_SIZE, STATUS_LIST_TTL

TYP: Final = "statuslist+jwt"
MEDIA_TYPE: Final = "application/statuslist+jwt"
_BYTES: Final = STATUS_LIST_SIZE // 8


@dataclass(frozen=True, slots=True)
class StatusList:
    """A list whose signature holds."""

    kid: str
    """The key that signed it. The caller checks that it is of the region."""
    valid_from: int
    """When it was signed, in seconds since 1970."""
    valid_until: int | None
    """When it ends; None of a region that closed. The caller compares it with the time."""
    _bits: bytes = field(repr=False)

    def is_revoked(self, index: int) -> bool:
        """Whether the bit stands; raise Invalid for an index outside the list."""
        if not 0 <= index < 8 * len(self._bits):
            raise Invalid(f"the status list has no index {index}")
        return bool(self._bits[index // 8] >> index % 8 & 1)


def make(url: str, key: TokenKey, revoked: Collection[int], valid_from: int, valid_until: int | None) -> str:
    """The signed list that is served at `url`, with STATUS_LIST_SIZE indexes; times in seconds since 1970."""
    bits = bytearray(_BYTES)
    for index in revoked:
        if not 0 <= index < STATUS_LIST_SIZE:
            raise Invalid(f"the status list has no index {index}")
        bits[index // 8] |= 1 << index % 8
    claims: dict[str, Any] = {"sub": url, "iat": valid_from}
    if valid_until is not None:
        claims |= {"exp": valid_until, "ttl": STATUS_LIST_TTL}
    claims["status_list"] = {"bits": 1, "lst": encode_base64url(zlib.compress(bits, 9))}
    return jws.sign(key, TYP, claims, key.multikey)


def open_list(text: str, url: str, find_key: Callable[[str], bytes]) -> StatusList:
    """The list that was fetched from `url` (draft-ietf-oauth-status-list, 8.3); an old one is opened all the same.

    `find_key` gives the P-256 key (33 bytes) of a `kid`, or raises Untrusted. Raise Invalid, TooLarge or Untrusted.
    """
    if len(text) > STATUS_LIST_BYTES_MAX:
        raise TooLarge(f"a status list over {STATUS_LIST_BYTES_MAX} bytes")
    token = jws.open_jws(text, TYP, find_key)
    if token.payload.get("sub") != url:
        raise Untrusted("the status list of another address")
    listed = token.payload.get("status_list")
    if not isinstance(listed, dict) or listed.get("bits") != 1 or not isinstance(listed.get("lst"), str):
        raise Invalid("not a status list of one bit a token", "/status_list")
    bits = _inflate(decode_base64url(listed["lst"]))
    return StatusList(token.kid, jws.time_of(token.payload, "iat"), jws.optional_time_of(token.payload, "exp"), bits)


def _inflate(data: bytes) -> bytes:
    """The bytes of a list; no more than a list holds is ever unpacked."""
    unpacker = zlib.decompressobj()
    try:
        bits = unpacker.decompress(data, _BYTES + 1)
    except zlib.error:
        raise Invalid("the status list is not compressed as it should be", "/status_list/lst") from None
    if len(bits) != _BYTES or not unpacker.eof or unpacker.unused_data:
        raise Invalid(f"a status list has {STATUS_LIST_SIZE} indexes", "/status_list/lst")
    return bits
