"""Ed25519 keys in the text forms of Go's note package and C2SP signed-note. One key, one role.

`PRIVATE+KEY+<name>+<id>+<base64(1 ‖ seed)>` signs, `<name>+<id>+<base64(1 ‖ public key)>` verifies;
the id is the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), in hexadecimal.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ledger.crypto.encoding import decode_base64, encode_base64
from ledger.errors import Invalid, Unavailable, Untrusted

ED25519: Final = b"\x01"
"""C2SP signed-note signature type of Ed25519."""
SIGNATURE_BYTES: Final = 64

_NAME = re.compile(r"[^\s+\x00-\x1f\x7f\ud800-\udfff]+")
_SKEY_PREFIX: Final = "PRIVATE+KEY+"
_FIELD_PRIME: Final = 2**255 - 19
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _FIELD_PRIME - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)
"""y of the points whose order divides 8: under such a key one signature fits many messages."""


def key_id(name: str, public: bytes) -> str:
    """The C2SP key id, eight hexadecimal digits."""
    return sha256(name.encode() + b"\n" + ED25519 + public).hexdigest()[:8]


def check_name(name: str) -> str:
    """Accept a key name: not empty, no white space, no plus (C2SP signed-note)."""
    if not _NAME.fullmatch(name):
        raise Invalid("a key name is not empty and has no white space and no plus")
    return name


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key with its name. An instance is well-formed and not of small order."""

    name: str
    public: bytes
    id: str = field(init=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != 32:
            raise Invalid("an Ed25519 public key has 32 bytes")
        y = int.from_bytes(self.public, "little") & (2**255 - 1)
        if y >= _FIELD_PRIME or y in _SMALL_ORDER_Y:
            raise Invalid("an Ed25519 public key of small order, or not in canonical form")
        object.__setattr__(self, "id", key_id(self.name, self.public))
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.public))

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise Untrusted unless `signature` (64 bytes, RFC 8032) is this key's over `message`."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            raise Untrusted(f"the signature does not verify under key {self.id} of {self.name}") from None

    def __str__(self) -> str:
        return f"{self.name}+{self.id}+{encode_base64(ED25519 + self.public)}"


@lru_cache(maxsize=65_536)
def parse_vkey(text: str) -> VerifyingKey:
    """A verifying key from its text; raise Invalid unless it is well-formed and its id is right."""
    name, identifier, encoded = _fields(text, 3)
    data = decode_base64(encoded)
    if data[:1] != ED25519:
        raise Invalid("not an Ed25519 key")
    key = VerifyingKey(name, data[1:])
    if key.id != identifier:
        raise Invalid(f"the key id is {key.id}, not {identifier!r:.20}")
    return key


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its name; `str` of it shows only the public half."""

    name: str
    seed: bytes = field(repr=False)
    verifier: VerifyingKey = field(init=False)
    _key: Ed25519PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise Invalid("an Ed25519 seed has 32 bytes")
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "verifier", VerifyingKey(self.name, public))

    @property
    def id(self) -> str:
        """The C2SP key id."""
        return self.verifier.id

    def sign(self, message: bytes) -> bytes:
        """64 bytes of Ed25519 (RFC 8032) signature."""
        return self._key.sign(message)

    def secret_text(self) -> str:
        """The text form that belongs in a file only its owner can read."""
        return f"{_SKEY_PREFIX}{self.name}+{self.id}+{encode_base64(ED25519 + self.seed)}"

    def __str__(self) -> str:
        return str(self.verifier)


def generate(name: str) -> SigningKey:
    """A new key from the system's randomness."""
    seed = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return SigningKey(check_name(name), seed)


def parse_skey(text: str) -> SigningKey:
    """A signing key from its text; raise Invalid unless it is well-formed and its id is right."""
    if not text.startswith(_SKEY_PREFIX):
        raise Invalid("not a private key of the form PRIVATE+KEY+…")
    name, identifier, encoded = _fields(text.removeprefix(_SKEY_PREFIX), 3)
    data = decode_base64(encoded)
    if data[:1] != ED25519:
        raise Invalid("not an Ed25519 key")
    key = SigningKey(name, data[1:])
    if key.id != identifier:
        raise Invalid(f"the key id is {key.id}, not {identifier!r:.20}")
    return key


def _fields(text: str, count: int) -> list[str]:
    fields = text.split("+", count - 1)
    if len(fields) != count:
        raise Invalid("a key is written <name>+<id>+<base64>")
    return fields


def save(key: SigningKey, path: Path) -> None:
    """Write `path` (mode 0600) and, beside it, `path.pub`; never over an existing key."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with open(path, "x", encoding="utf-8", opener=_private) as file:
            file.write(key.secret_text() + "\n")
    except FileExistsError:
        raise Unavailable(f"{path} exists: a key is never overwritten") from None
    except OSError as error:
        raise Unavailable(f"cannot write the key {path}: {error}") from None
    path.with_name(path.name + ".pub").write_text(f"{key.verifier}\n", encoding="utf-8")


def load(path: Path) -> SigningKey:
    """Read a signing key; raise Unavailable when there is none to read, Invalid when its text is not one."""
    try:
        return parse_skey(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"cannot read the key {path}: {error}") from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
