"""Private details: what identifies a person, kept beside the events, sealed under a key of that volunteer.

A body holds only `identity`, the SHA-256 of the canonical details (with a salt of their own). Destroying the
row and the key erases the person and leaves every event valid.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger import canonical
from ledger.codes import ID_TYPES, normal_id_number
from ledger.errors import Corrupt, Invalid
from ledger.events import LongText, Salt, ShortText
from ledger.limits import PRIVATE_BYTES_MAX

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_QUOTED: Final = re.compile(r"'.*'|(?<=unknown field )`.*`", re.DOTALL)
_DATE: Final = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"

if TYPE_CHECKING:  # the code list is data, which a type checker cannot see
    IdType = str
else:
    IdType = Annotated[Literal[tuple(ID_TYPES)], Meta(description="kind of document")]


class Details(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person's details (Order 67, article 5), as far as they are given."""

    name: ShortText
    salt: Salt
    id_type: IdType | UnsetType = UNSET
    id_number: ShortText | UnsetType = UNSET
    born: Annotated[str, Meta(pattern=_DATE)] | UnsetType = UNSET
    contact: LongText | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.id_type is UNSET) is not (self.id_number is UNSET):
            raise ValueError("id_type and id_number go together")


def identity_of(details: bytes) -> str:
    """What a body says of canonical details: their SHA-256, base64url without padding."""
    return base64.urlsafe_b64encode(sha256(details).digest()).decode().rstrip("=")


def open_details(data: bytes, identity: str) -> Details:
    """Check details against the hash in the body; raise Invalid otherwise."""
    if len(data) > PRIVATE_BYTES_MAX:
        raise Invalid(f"private details over {PRIVATE_BYTES_MAX} bytes")
    canonical.check_bytes(data)
    try:
        details = msgspec.json.decode(data, type=Details)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # msgspec quotes a code that is not in the list, and a field that is unknown: either may be private.
        raise Invalid(f"private details: {_QUOTED.sub('…', str(error))}") from None
    canonical.check_form(details, data)
    if identity_of(data) != identity:
        raise Invalid("private details do not have the hash that the body states")
    return details


def claim_of(details: Details, secret: bytes) -> str | None:
    """Keyed hash of the identity number: one person, one claim; None when there is no number."""
    if not isinstance(details.id_type, str) or not isinstance(details.id_number, str):
        return None
    number = normal_id_number(details.id_type, details.id_number)
    return hmac.new(secret, f"{details.id_type}\n{number}".encode(), sha256).hexdigest()


def new_key() -> bytes:
    """A key for one volunteer's details."""
    return os.urandom(KEY_BYTES)


def seal(details: bytes, key: bytes, event_id: str) -> bytes:
    """Nonce and AES-256-GCM ciphertext, bound to the event that commits to the details."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, details, event_id.encode())


def unseal(sealed: bytes, key: bytes, event_id: str) -> bytes:
    """The details; raise Corrupt when key, event and ciphertext do not belong together."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], event_id.encode())
    except (InvalidTag, ValueError):
        raise Corrupt(f"the private details of event {event_id} cannot be opened") from None
