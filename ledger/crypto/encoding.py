"""Base64 and base64url, each in its one canonical spelling (RFC 4648, 4 and 5), and digests in it."""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256

from ledger.errors import Invalid


def encode_base64(data: bytes) -> str:
    """Standard base64, padded."""
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes:
    """The bytes of standard base64, padded, in the one canonical spelling; raise Invalid otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("not base64") from None
    if encode_base64(data) != text:
        raise Invalid("not the canonical spelling of base64")
    return data


def encode_base64url(data: bytes) -> str:
    """base64url without padding, as bodies hold hashes and log entries."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode_base64url(text: str) -> bytes:
    """The bytes of base64url without padding, in the one canonical spelling; raise Invalid otherwise."""
    try:
        data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("not base64url") from None
    if encode_base64url(data) != text:
        raise Invalid("not the canonical spelling of base64url")
    return data


def digest(data: bytes) -> str:
    """SHA-256 of data in base64url: how bodies and credentials name other bytes."""
    return encode_base64url(sha256(data).digest())
