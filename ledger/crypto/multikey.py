"""The keys that sign credentials: Ed25519 as a Multikey of the region's did document, P-256 for SD-JWT.

They are apart from the log key and the issuing key: one key, one role.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from ledger.crypto.encoding import encode_base64url
from ledger.crypto.keys import SigningKey, VerifyingKey
from ledger.errors import Invalid, Unavailable, Untrusted

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519: Final = b"\xed\x01"
_P256: Final = b"\x80\x24"
_P256_ORDER_BYTES: Final = 32
MULTIKEY_MAX: Final = 60
"""Characters of a Multikey; a longer text is not looked at."""


def base58(data: bytes) -> str:
    """Base58 in the alphabet of Bitcoin, as multibase `z` has it (W3C Controlled Identifiers 1.0, 2.4)."""
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def parse_base58(text: str, length: int) -> bytes:
    """`length` bytes from their base58 spelling; raise Invalid otherwise."""
    if len(text) > 2 * length or not set(text) <= set(_ALPHABET):
        raise Invalid("not base58")
    number = 0
    for character in text:
        number = number * 58 + _ALPHABET.index(character)
    if number >> (8 * length) or base58(data := number.to_bytes(length, "big")) != text:
        raise Invalid(f"not the base58 of {length} bytes")
    return data


def multikey(public: bytes) -> str:
    """The Multikey of a public key: 32 bytes of Ed25519 give `z6Mk…`, 33 of compressed P-256 give `zDn…`."""
    return "z" + base58((_ED25519 if len(public) == 32 else _P256) + public)


def parse_multikey(text: str) -> bytes:
    """The public key of a Multikey, 32 bytes of Ed25519 or 33 of P-256, on its curve; raise Invalid otherwise."""
    if not text.startswith("z") or len(text) > MULTIKEY_MAX:
        raise Invalid("not a Multikey in base58")
    for prefix, length in ((_ED25519, 32), (_P256, 33)):
        try:
            data = parse_base58(text[1:], len(prefix) + length)
        except Invalid:
            continue
        if data.startswith(prefix):
            _check_point(data[len(prefix) :])
            return data[len(prefix) :]
    raise Invalid("a Multikey of neither Ed25519 nor P-256")


def _check_point(public: bytes) -> None:
    if len(public) == 32:
        VerifyingKey("multikey", public)
        return
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    except ValueError:
        raise Invalid("not a point of P-256") from None


@dataclass(frozen=True, slots=True)
class CredentialKey:
    """What signs credentials and status lists of a region: an Ed25519 key whose name is the region's DID."""

    key: SigningKey

    @property
    def did(self) -> str:
        """The issuer, such as `did:web:ledger.example:regions:441300`."""
        return self.key.name

    @property
    def multikey(self) -> str:
        """Its public half as it stands in the did document."""
        return multikey(self.key.verifier.public)

    @property
    def id(self) -> str:
        """The verification method: DID, `#`, Multikey."""
        return f"{self.did}#{self.multikey}"

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519 signature; the same message gives the same bytes."""
        return self.key.sign(message)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """What signs SD-JWTs and token status lists of a region: ECDSA with P-256 and SHA-256 (JOSE ES256)."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """The compressed point, 33 bytes."""
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    @property
    def multikey(self) -> str:
        """Its public half as it stands in the did document; also its `kid`."""
        return multikey(self.public)

    def sign(self, message: bytes) -> bytes:
        """R ‖ S, 64 bytes (RFC 7518, 3.4)."""
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_P256_ORDER_BYTES, "big") + s.to_bytes(_P256_ORDER_BYTES, "big")


def verify_es256(public: bytes, signature: bytes, message: bytes) -> None:
    """Raise Untrusted unless R ‖ S is the signature of the P-256 key (33 bytes, compressed) over the message."""
    if len(signature) != 2 * _P256_ORDER_BYTES:
        raise Untrusted("an ES256 signature has 64 bytes")
    half = _P256_ORDER_BYTES
    encoded = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        point.verify(encoded, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        raise Untrusted("the ES256 signature does not verify") from None


def jwk_of(public: bytes) -> dict[str, str]:
    """The JWK of a P-256 key (33 bytes, compressed): `kty`, `crv`, `x`, `y` (RFC 7518, 6.2)."""
    numbers = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public).public_numbers()
    x, y = (encode_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def generate_token_key() -> TokenKey:
    """A new P-256 key."""
    return TokenKey(ec.generate_private_key(ec.SECP256R1()))


def save_token_key(key: TokenKey, path: Path) -> None:
    """Write a P-256 key as PKCS #8 in PEM, mode 0600; never over an existing one."""
    data = key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except OSError as error:
        raise Unavailable(f"cannot write the key {path}: {error}") from None


def load_token_key(path: Path) -> TokenKey:
    """Read a P-256 key; raise Unavailable when there is none to read, Invalid when it is another kind."""
    try:
        found = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise Unavailable(f"cannot read the key {path}: {error}") from None
    except (ValueError, TypeError):
        raise Invalid(f"{path} holds no private key in PEM") from None
    if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
        raise Invalid(f"{path} holds no P-256 key")
    return TokenKey(found)
