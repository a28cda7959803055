"""Compact JWS with ES256 and nothing else (RFC 7515, RFC 7518): what SD-JWTs and token status lists are made of.

The header never chooses: algorithm and type are those the caller expects, the key is one the caller has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ledger.crypto.encoding import decode_base64url, encode_base64url
from ledger.crypto.multikey import TokenKey, jwk_of, verify_es256
from ledger.crypto.strict_json import parse_json
from ledger.errors import Invalid, TooLarge, Untrusted
from ledger.ids import TIME_MAX
from ledger.limits import CREDENTIAL_BYTES_MAX

ALGORITHM: Final = "ES256"
_KID_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Jws:
    """A compact JWS whose form holds; nothing is known of its signature before `verify`."""

    header: dict[str, Any]
    payload: dict[str, Any]
    signed: bytes
    signature: bytes

    @property
    def kid(self) -> str:
        """The key that the header names; raise Invalid when it names none."""
        kid = self.header.get("kid")
        if not isinstance(kid, str) or not 0 < len(kid) <= _KID_MAX:
            raise Invalid("the JWS header names no key", "/kid")
        return kid

    def verify(self, public: bytes) -> None:
        """Raise Untrusted unless the P-256 key (33 bytes) signed it."""
        verify_es256(public, self.signature, self.signed)


def sign(key: TokenKey, typ: str, payload: dict[str, Any], kid: str | None = None) -> str:
    """The compact JWS over the payload; `kid` is left out when None."""
    header = {"alg": ALGORITHM, "typ": typ} | ({} if kid is None else {"kid": kid})
    signed = ".".join(encode_base64url(msgspec.json.encode(part)) for part in (header, payload))
    return f"{signed}.{encode_base64url(key.sign(signed.encode()))}"


def parse(text: str, typ: str) -> Jws:
    """A JWS of that `typ` from its text; raise Invalid for another form, type, algorithm or for `crit` headers."""
    if len(text) > CREDENTIAL_BYTES_MAX:
        raise TooLarge(f"a JWS over {CREDENTIAL_BYTES_MAX} bytes")
    parts = text.split(".")
    if len(parts) != 3:
        raise Invalid("a compact JWS has three parts")
    header, payload = (parse_json(decode_base64url(part)) for part in parts[:2])
    if not isinstance(header, dict) or not isinstance(payload, dict):
        raise Invalid("a JWS header and payload are JSON objects")
    if header.get("alg") != ALGORITHM:
        raise Invalid(f"the algorithm is not {ALGORITHM}", "/alg")
    if header.get("typ") != typ:
        raise Invalid(f"the type is not {typ}", "/typ")
    if "crit" in header:
        raise Invalid("a JWS header with critical extensions", "/crit")
    signed = f"{parts[0]}.{parts[1]}".encode()
    return Jws(header, payload, signed, decode_base64url(parts[2]))


def open_jws(text: str, typ: str, find_key: Callable[[str], bytes]) -> Jws:
    """A JWS whose signature holds under the key that `find_key` knows by its `kid`, 33 bytes of P-256."""
    jws = parse(text, typ)
    jws.verify(find_key(jws.kid))
    return jws


def point_of(jwk: object) -> bytes:
    """The P-256 key of a public JWK, 33 bytes (RFC 7518, 6.2); raise Invalid for any other key, a private one above."""
    if not isinstance(jwk, dict) or "d" in jwk:
        raise Invalid("not the JWK of a public key", "/cnf/jwk")
    named = {name: jwk.get(name) for name in ("kty", "crv", "x", "y")}
    x, y = named["x"], named["y"]
    if isinstance(x, str) and isinstance(y, str) and len(x) == len(y) == 43:
        public = bytes([2 + (decode_base64url(y)[-1] & 1)]) + decode_base64url(x)
        try:
            if jwk_of(public) == named:
                return public
        except ValueError:
            pass
    raise Invalid("not the JWK of a P-256 key", "/cnf/jwk")


def time_of(claims: dict[str, Any], name: str) -> int:
    """A claim that is a time, whole seconds since 1970 (RFC 7519, 4.1); raise Invalid when it is none, or absent."""
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= TIME_MAX:
        raise Invalid(f"`{name}` is not a time in seconds", f"/{name}")
    return value


def optional_time_of(claims: dict[str, Any], name: str) -> int | None:
    """The same, or None when the claim is absent."""
    return time_of(claims, name) if name in claims else None


def check_begun(now: int, ahead: int, **times: int | None) -> None:
    """Raise Untrusted when a time lies more than `ahead` seconds after now."""
    for name, value in times.items():
        if value is not None and value > now + ahead:
            raise Untrusted(f"`{name}` lies in the future")
