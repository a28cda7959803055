"""The signed code in the QR of a certificate: what a proof states, short enough to print.

COSE_Sign1 (RFC 9052, 4.2), tagged, EdDSA, in deterministic CBOR (RFC 8949, 4.2.1), as base64url behind the `#` of
the page's address: a phone opens the page, a command line checks the code itself, and no server sees it.
The payload is a map; its keys are in `_KEYS`. A code never holds the holder's name, only a salted hash by which a
reader who has the name in print confirms it. Who holds the code can try names until one fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

import cbor2
from msgspec import UNSET

from ledger.codes import is_region
from ledger.credentials.model import Credential, ServiceStatement, commitment
from ledger.crypto.encoding import decode_base64url, encode_base64url
from ledger.crypto.keys import SIGNATURE_BYTES, VerifyingKey
from ledger.crypto.multikey import CredentialKey
from ledger.errors import Invalid, Untrusted
from ledger.ids import TIME_MAX, UUID_PATTERN, parse_list_name
from ledger.limits import CODE_CHARACTERS_MAX, INTEGER_MAX, STATUS_LIST_SIZE

NAME_SALT_BYTES: Final = 8
_NAME_HASH_BYTES: Final = 16
_KID_BYTES: Final = 8
_ALGORITHM: Final = 1
_KID: Final = 4
_EDDSA: Final = -8
_TAGGED: Final = b"\xd2"
"""Tag 18, of a COSE_Sign1: readers tell by it what they hold."""
_EPOCH: Final = date(1970, 1, 1)
_PAGE: Final = re.compile(rf"(https?://[!-~]{{1,300}}/p/({UUID_PATTERN}))(?:\?lang=[A-Za-z-]{{2,10}})?")
"""The language is let pass: it stands in the address when a reader has chosen one, and copies the address."""

_KEYS: Final = {
    "proof": 1, "region": 2, "list": 3, "index": 4, "issued": 5, "kind": 6, "minutes": 7, "entries": 8,
    "first": 9, "last": 10, "digest": 11, "level": 12, "name": 13,
}  # fmt: skip
_OPTIONAL: Final = {"level", "name"}
_KINDS: Final = ("service", "star")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What the QR says of a proof. An instance is well-formed; raise Invalid otherwise."""

    proof: str
    """UUID."""
    region: str
    list: str
    """Id of the status list, `<region>-<n>`."""
    index: int
    issued: int
    """Unix seconds."""
    kind: Literal["service", "star"]
    minutes: int
    entries: int
    """0 for a star level."""
    first: str
    """YYYY-MM-DD; for a star level the day as of which it holds, as is `last`."""
    last: str
    digest: bytes
    """The commitment of the credential (model.commitment), 32 bytes."""
    level: int | None = None
    """Star level, when it is stated."""
    name: bytes | None = None
    """Salt ‖ truncated SHA-256 of the holder's name, 24 bytes, when it is stated."""

    def __post_init__(self) -> None:
        for wrong, what in (
            (not is_region(self.region), "region"),
            (parse_list_name(self.list) != (self.region, False), "status list"),
            (not 0 <= self.index < STATUS_LIST_SIZE, "index"),
            (not 0 <= self.issued <= TIME_MAX, "time of issue"),
            (self.kind not in _KINDS, "kind"),
            (not all(0 <= one <= INTEGER_MAX for one in (self.minutes, self.entries)), "minutes or entries"),
            (len(self.digest) != sha256().digest_size, "digest"),
            (self.level is not None and not 0 <= self.level <= INTEGER_MAX, "level"),
            (self.name is not None and len(self.name) != NAME_SALT_BYTES + _NAME_HASH_BYTES, "name"),
            (_days(self.first) > _days(self.last), "period"),
        ):
            if wrong:
                raise Invalid(f"the code's {what} is not one")


def describe(credential: Credential, issued: int, salt: bytes) -> Code:
    """The code of a credential issued at `issued` (unix seconds), with 8 random bytes of salt for its name."""
    statement, status, name = (
        credential.credentialSubject.service,
        credential.credentialStatus,
        credential.name_of_holder,
    )
    if isinstance(statement, ServiceStatement):
        sums = (statement.minutes, statement.entries)
        days = (statement.first, statement.last)
    else:
        sums = (statement.star.minutes, 0)
        days = (statement.day, statement.day)
    return Code(
        proof=credential.proof_id,
        region=statement.region,
        list=status.statusListCredential.rpartition("/")[2],
        index=int(status.statusListIndex),
        issued=issued,
        kind="service" if isinstance(statement, ServiceStatement) else "star",
        minutes=sums[0],
        entries=sums[1],
        first=days[0],
        last=days[1],
        digest=decode_base64url(commitment(credential)),
        level=None if statement.star is UNSET else statement.star.level,
        name=None if name is None else name_check(name, salt),
    )


def name_check(name: str, salt: bytes) -> bytes:
    """Salt ‖ the first 16 bytes of SHA-256(salt ‖ name as UTF-8). The salt has 8 bytes."""
    if len(salt) != NAME_SALT_BYTES:
        raise Invalid(f"a salt of {NAME_SALT_BYTES} bytes")
    return salt + sha256(salt + name.encode()).digest()[:_NAME_HASH_BYTES]


def key_id(public: bytes) -> bytes:
    """The `kid` of an Ed25519 key: the first 8 bytes of SHA-256 over its 32."""
    return sha256(public).digest()[:_KID_BYTES]


def page(credential: Credential, sealed: str) -> str:
    """The text of the QR: the address of the proof's page with the sealed code as fragment."""
    return f"{credential.id}#{sealed}"


# -- writing --------------------------------------------------------------------------------------


def seal(code: Code, key: CredentialKey) -> str:
    """base64url of the COSE_Sign1; the same code under the same key gives the same text."""
    protected = _encode({_ALGORITHM: _EDDSA, _KID: key_id(key.key.verifier.public)})
    payload = _encode(_to_map(code))
    signature = key.sign(_to_be_signed(protected, payload))
    return encode_base64url(_TAGGED + _encode([protected, {}, payload, signature]))


def _to_map(code: Code) -> dict[int, Any]:
    fields = {name: value for name, value in asdict(code).items() if value is not None}
    fields |= {
        "proof": UUID(code.proof).bytes,
        "region": int(code.region),
        "kind": _KINDS.index(code.kind),
        "first": _days(code.first),
        "last": _days(code.last),
    }
    return {_KEYS[name]: value for name, value in fields.items()}


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure (RFC 9052, 4.4), without external data."""
    return _encode(["Signature1", protected, b"", payload])


# -- reading --------------------------------------------------------------------------------------


def page_in(text: str) -> str | None:
    """The address of the proof's page in a QR's text; None when there is none, or it is not one."""
    found = _PAGE.fullmatch(text.rpartition("#")[0])
    return None if found is None else found[1]


def open_code(text: str, find_key: Callable[[str, bytes], bytes]) -> Code:
    """The code of a QR's text, or of its fragment alone, once it verifies.

    `find_key` gives the Ed25519 key (32 bytes) of a region with a kid, or raises Untrusted: it must not give one
    region the key of another. Raise Invalid for any other form, Untrusted when the signature does not verify or
    the page is another proof's.
    """
    if len(text) > CODE_CHARACTERS_MAX:
        raise Invalid(f"a code over {CODE_CHARACTERS_MAX} characters")
    address, hash_sign, fragment = text.rpartition("#")
    found = _PAGE.fullmatch(address)
    if hash_sign and found is None:
        raise Invalid("not the address of a proof's page before the #")
    protected, payload, signature = _open_envelope(decode_base64url(fragment))
    kid = _kid(protected)
    code = _from_map(_decode(payload))
    verifier = VerifyingKey(f"region:{code.region}", find_key(code.region, kid))
    if key_id(verifier.public) != kid:
        raise Untrusted("the key found is not the one the code names")
    verifier.verify(signature, _to_be_signed(protected, payload))
    if found is not None and found[2] != code.proof:
        raise Untrusted("the address names another proof than the signed code")
    return code


def _open_envelope(data: bytes) -> tuple[bytes, bytes, bytes]:
    if data[:1] != _TAGGED:
        raise Invalid("not a tagged COSE_Sign1")
    parts = _decode(data[1:])
    if not isinstance(parts, list) or len(parts) != 4 or parts[1] != {}:
        raise Invalid("not a COSE_Sign1 with an empty unprotected header")
    protected, _, payload, signature = parts
    if not all(isinstance(part, bytes) for part in (protected, payload, signature)):
        raise Invalid("not a COSE_Sign1 of byte strings")
    if len(signature) != SIGNATURE_BYTES:
        raise Invalid(f"an EdDSA signature has {SIGNATURE_BYTES} bytes")
    return protected, payload, signature


def _kid(protected: bytes) -> bytes:
    header = _decode(protected)
    if not isinstance(header, dict) or set(header) != {_ALGORITHM, _KID} or header[_ALGORITHM] != _EDDSA:
        raise Invalid("not a protected header of `alg` EdDSA and `kid`")
    kid = header[_KID]
    if not isinstance(kid, bytes) or len(kid) != _KID_BYTES:
        raise Invalid(f"a kid has {_KID_BYTES} bytes")
    return kid


_TYPES: Final = {"proof": bytes, "list": str, "digest": bytes, "name": bytes}
"""Of the payload's values; what is not listed is an integer."""


def _from_map(found: object) -> Code:
    if not isinstance(found, dict) or not {_KEYS[name] for name in _KEYS.keys() - _OPTIONAL} <= found.keys():
        raise Invalid("a member of the code is missing")
    if unknown := found.keys() - set(_KEYS.values()):
        raise Invalid(f"an unknown member of the code: {min(map(repr, unknown)):.20}")
    fields: dict[str, Any] = {name: found[key] for name, key in _KEYS.items() if key in found}
    for name, value in fields.items():
        if type(value) is not _TYPES.get(name, int):
            raise Invalid(f"the code's {name} has another type")
    if len(fields["proof"]) != 16 or not 0 <= fields["kind"] < len(_KINDS) or not 0 <= fields["region"] < 10**6:
        raise Invalid("the code's proof, kind or region is not one")
    return Code(
        **fields
        | {
            "proof": str(UUID(bytes=fields["proof"])),
            "region": f"{fields['region']:06}",
            "kind": _KINDS[fields["kind"]],
            "first": _day(fields["first"]),
            "last": _day(fields["last"]),
        }
    )


def _encode(value: object) -> bytes:
    return cbor2.dumps(value, canonical=True)


def _decode(data: bytes) -> object:
    """One item of deterministic CBOR; the re-encoding refuses what else a decoder lets pass."""
    try:
        value: object = cbor2.loads(data, max_depth=3, allow_indefinite=False, allow_duplicate_keys=False)
        same = _encode(value) == data
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise Invalid(f"not CBOR: {error}") from None
    if not same:
        raise Invalid("not deterministic CBOR (RFC 8949, 4.2.1)")
    return value


def _days(day: str) -> int:
    try:
        found = date.fromisoformat(day)
    except ValueError:
        raise Invalid("the code's period is not one") from None
    if found < _EPOCH or found.isoformat() != day:
        raise Invalid("the code's period is not one")
    return (found - _EPOCH).days


def _day(days: int) -> str:
    try:
        return (_EPOCH + timedelta(days)).isoformat()
    except OverflowError:
        raise Invalid("the code's period is not one") from None
