"""Private details: what identifies a person, kept beside the events, sealed under a key of that volunteer.

A body holds only `identity`, the SHA-256 of the canonical details (with a salt of their own). Destroying the
row and the key erases the person and leaves every event valid. Details that move to another region are sealed for
it alone, and are kept there as they came.
"""

from __future__ import annotations

import hmac
import os
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger.codes import ID_TYPES, known_document, normal_id_number
from ledger.crypto import canonical
from ledger.crypto.encoding import decode_base64url, digest, encode_base64url
from ledger.errors import Corrupt, Invalid, Untrusted
from ledger.events.fields import LongText, Salt, ShortText
from ledger.limits import PRIVATE_BYTES_MAX

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_QUOTED: Final = re.compile(r"'.*'|(?<=unknown field )`.*`", re.DOTALL)
_DATE: Final = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"
_SEALING_HEADER: Final = "yongzhi.details/1"
_SUITE: Final = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)

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
    return digest(details)


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


# -- details that another region collected --------------------------------------------------------------


class ForeignDetails(Struct, frozen=True, kw_only=True):
    """Details as another region took them: of a kind of document that may be unknown here, perhaps with more in them.

    They are kept to the byte, since the hash in the other region's event is over those bytes.
    """

    name: ShortText
    salt: Salt
    id_type: ShortText | UnsetType = UNSET
    id_number: ShortText | UnsetType = UNSET
    born: LongText | UnsetType = UNSET
    contact: LongText | UnsetType = UNSET


def open_foreign_details(data: bytes, identity: str) -> ForeignDetails:
    """Check details from another region against the hash in its event; raise Invalid otherwise.

    An unknown type of document, a number that we would not take, a member that we do not have: none of them is a
    reason to refuse a person. See `foreign_claim_of`.
    """
    if len(data) > PRIVATE_BYTES_MAX:
        raise Invalid(f"private details over {PRIVATE_BYTES_MAX} bytes")
    if identity_of(data) != identity:
        raise Invalid("private details do not have the hash that the event states")
    return read_details(data)


def read_details(data: bytes) -> ForeignDetails:
    """Details that are kept, whoever collected them; raise Invalid for what no region would have taken."""
    try:
        return msgspec.convert(canonical.decode(data), ForeignDetails)
    except Invalid:
        raise Invalid("private details are not in canonical form (RFC 8785)") from None  # and nothing of them is quoted
    except msgspec.ValidationError as error:
        raise Invalid(f"private details: {_QUOTED.sub('…', str(error))}") from None


def foreign_claim_of(details: ForeignDetails, secret: bytes) -> str | None:
    """The claim of a person who comes from another region: the same as if the document had been shown here.

    None without a number, for a type that is no document known here (`known_document`), and for a number that cannot
    be of its type: the person is taken in all the same, and only a later proof of identity takes a claim.
    """
    if not isinstance(details.id_type, str) or not isinstance(details.id_number, str):
        return None
    known = known_document(details.id_type, details.id_number)
    return None if known is None else hmac.new(secret, "\n".join(known).encode(), sha256).hexdigest()


# -- sealing for another region (RFC 9180) --------------------------------------------------------------


def new_sealing_key() -> bytes:
    """A private key, 32 bytes of X25519, to which others seal what only its owner may read."""
    return X25519PrivateKey.generate().private_bytes_raw()


def sealing_public(private: bytes) -> str:
    """The public half as a federation states it: base64url without padding, 43 characters."""
    key = _private(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return encode_base64url(key)


def check_sealing_key(public: str) -> None:
    """Raise Invalid for a text that is no public key, or for a key to which nothing can be kept secret."""
    try:
        # A point of small order gives the same secret with any key, and X25519 refuses to.
        X25519PrivateKey.from_private_bytes(b"\x40" * KEY_BYTES).exchange(_public(public))
    except ValueError:
        raise Invalid("an X25519 key of small order") from None


def sealing_info(transfer: str, sender: str, receiver: str) -> bytes:
    """What sealed details are bound to: the transfer, the origin of the log they leave, that of the log they go to."""
    return f"{_SEALING_HEADER}\n{transfer}\n{sender}\n{receiver}\n".encode()


def seal_for(public: str, data: bytes, info: bytes) -> bytes:
    """Encapsulated key (32 bytes) and ciphertext, which only the owner of the key opens, and only with this `info`.

    HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, no additional data, one message. It tells
    nothing of who sealed it: whoever opens it compares the details with the hash in a signed event.
    """
    check_sealing_key(public)
    return _SUITE.encrypt(data, _public(public), info)


def open_sealed(private: bytes, sealed: bytes, info: bytes) -> bytes:
    """What was sealed; raise Untrusted when key, info and ciphertext do not belong together."""
    try:
        return _SUITE.decrypt(sealed, _private(private), info)
    except (InvalidTag, ValueError):
        raise Untrusted("the sealed details cannot be opened with this key for this transfer") from None


def _private(key: bytes) -> X25519PrivateKey:
    try:
        return X25519PrivateKey.from_private_bytes(key)
    except ValueError:
        raise Invalid("a sealing key has 32 bytes") from None


def _public(text: str) -> X25519PublicKey:
    key = decode_base64url(text)
    try:
        return X25519PublicKey.from_public_bytes(key)
    except ValueError:
        raise Invalid("a sealing key is 43 characters of base64url") from None
