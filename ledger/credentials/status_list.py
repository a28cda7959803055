"""Which credentials of a region are revoked, as a signed credential (W3C Bitstring Status List 1.0).

One bit an index, set when revoked. The same revocations and dates give the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ledger.credentials import data_integrity
from ledger.credentials.data_integrity import FindKey
from ledger.credentials.model import STATUS_CONTEXT, Did, Part, Proof
from ledger.crypto import canonical
from ledger.crypto.encoding import encode_base64url
from ledger.crypto.multikey import CredentialKey
from ledger.crypto.strict_json import parse_json
from ledger.errors import Invalid, TooLarge, Untrusted
from ledger.events.fields import Url
from ledger.ids import format_time, instant
from ledger.limits import STATUS_LIST_BYTES_MAX, STATUS_LIST_SIZE

_BYTES: Final = STATUS_LIST_SIZE // 8
_GZIP: Final = 16 + zlib.MAX_WBITS

Second = Annotated[str, Meta(pattern=r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")]


class Bits(Part, frozen=True, kw_only=True):
    """The list itself."""

    id: Url
    type: Literal["BitstringStatusList"]
    statusPurpose: Literal["revocation"]
    encodedList: Annotated[str, Meta(pattern=r"\Au[A-Za-z0-9_-]*\Z")]


class ListCredential(Part, frozen=True, kw_only=True):
    """A BitstringStatusListCredential as we write it."""

    context: list[Any] = msgspec.field(name="@context")
    id: Url
    type: tuple[Literal["VerifiableCredential"], Literal["BitstringStatusListCredential"]]
    issuer: Did
    validFrom: Second
    credentialSubject: Bits
    validUntil: Second | UnsetType = UNSET
    proof: tuple[Proof, ...] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.context != STATUS_CONTEXT:
            raise ValueError("the @context is not that of a status list")


_decoder: Final = msgspec.json.Decoder(ListCredential)


@dataclass(frozen=True, slots=True)
class StatusList:
    """A list whose form and proofs hold; whether it is fresh enough is for the caller to say. Unix seconds."""

    url: str
    issuer: str
    valid_from: int
    valid_until: int | None
    """None: never expires, as the last list of a region that closed."""
    _bits: bytes = field(repr=False)

    def is_revoked(self, index: int) -> bool:
        """Whether the bit of the index is set; raise Invalid for an index that the list has not."""
        if not 0 <= index < STATUS_LIST_SIZE:
            raise Invalid(f"a status list has no index {index}")
        return bool(self._bits[index // 8] & 0x80 >> index % 8)


def make(url: str, key: CredentialKey, revoked: Collection[int], valid_from: int, valid_until: int | None) -> bytes:
    """The signed list at `url`, canonical JSON; dates in unix seconds, None for a list that never expires."""
    bits = bytearray(_BYTES)
    for index in revoked:
        if not 0 <= index < STATUS_LIST_SIZE:
            raise Invalid(f"a status list has no index {index}")
        bits[index // 8] |= 0x80 >> index % 8
    plain = ListCredential(
        context=STATUS_CONTEXT,
        id=url,
        type=("VerifiableCredential", "BitstringStatusListCredential"),
        issuer=key.did,
        validFrom=format_time(valid_from),
        validUntil=UNSET if valid_until is None else format_time(valid_until),
        credentialSubject=Bits(
            id=f"{url}#list",
            type="BitstringStatusList",
            statusPurpose="revocation",
            encodedList="u" + encode_base64url(gzip.compress(bits, mtime=0)),
        ),
    )
    document = msgspec.to_builtins(plain)
    return canonical.write(data_integrity.secure(document, key, plain.validFrom))


def open_list(data: bytes, url: str, find_key: FindKey) -> StatusList:
    """The list that `data` holds; raise Invalid, TooLarge or Untrusted unless it is the one of `url` and holds.

    `find_key` decides whose lists are believed: its keys must be those of the region whose credentials are asked for.
    """
    if len(data) > STATUS_LIST_BYTES_MAX:
        raise TooLarge(f"a status list over {STATUS_LIST_BYTES_MAX} bytes")
    try:
        document = parse_json(data)  # two readers may differ on which of two equal keys counts: there are none
        found = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"not a status list: {error}") from None
    if found.id != url or found.credentialSubject.id != f"{url}#list":
        raise Untrusted(f"a status list of another address than {url}")
    data_integrity.check(document, find_key)
    valid_until = None if found.validUntil is UNSET else instant(found.validUntil)
    return StatusList(url, found.issuer, instant(found.validFrom), valid_until, _bits(found.credentialSubject))


def _bits(subject: Bits) -> bytes:
    """The bits, unpacked: no more of them than a list has, whatever the packed bytes would unpack to."""
    packed, unpack = subject.encodedList[1:], zlib.decompressobj(_GZIP)
    try:
        raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        bits = unpack.decompress(raw, _BYTES + 1)
    except (binascii.Error, ValueError, zlib.error):
        raise Invalid("the bits of the status list are not gzip in base64url") from None
    if len(bits) != _BYTES or not unpack.eof or unpack.unused_data:
        raise Invalid(f"the status list has other than {STATUS_LIST_SIZE} bits")
    return bits
