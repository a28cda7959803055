"""Building blocks for tests about SD-JWT: tokens as a region issues them, and as a forger would."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import msgspec

from ledger.codes import CATEGORIES
from ledger.credentials import model
from ledger.credentials.sd_jwt import jws
from ledger.credentials.sd_jwt import token as sd_jwt
from ledger.credentials.sd_jwt.disclosures import reveal
from ledger.crypto.encoding import digest, encode_base64url
from ledger.crypto.multikey import TokenKey
from ledger.errors import Untrusted
from ledger.ids import parse_time
from tests.support import proofs
from tests.support.builders import REGION

ISSUER = f"{proofs.HOST}/regions/{REGION}"
LIST_URL = f"{proofs.HOST}/status/{REGION}-t1"
NOW = parse_time(proofs.ISSUED)
KEY = proofs.token_key()
HOLDER = proofs.token_key(1)
STRANGER = proofs.token_key(2)
STATUS = sd_jwt.Status(uri=LIST_URL, index=proofs.INDEX)
BINDING = sd_jwt.Binding(audience="https://school.example", nonce="n-0S6_WzA2Mj")
EMERGENCY = proofs.line(1, category="emergency", activity_name="防汛应急救援", minutes=6100, entries=20)
HEALTH = proofs.line(2, category="health", activity_name="义诊", minutes=59, entries=1)


def randomness(seed: str = "") -> Callable[[int], bytes]:
    """Bytes that never repeat within a token, and are the same in every run."""
    asked = 0

    def give(count: int) -> bytes:
        nonlocal asked
        asked += 1
        return sha256(f"{seed}/{asked}".encode()).digest()[:count]

    return give


def issue(statement: model.Statement | None = None, key: TokenKey = KEY, **changes: Any) -> str:
    """A token with all its disclosures, bound to HOLDER."""
    fields: dict[str, Any] = {
        "issuer": ISSUER,
        "issued": NOW,
        "status": STATUS,
        "randomness": randomness(),
        "name": "林小明",
        "holder": HOLDER.public,
    }
    return sd_jwt.issue(statement or proofs.service(EMERGENCY, HEALTH), key, **{**fields, **changes})


def find_key(kid: str) -> bytes:
    """The region's one key."""
    if kid != KEY.multikey:
        raise Untrusted("a key that nobody knows")
    return KEY.public


def open_token(text: str, **changes: Any) -> sd_jwt.Token:
    """What the token says, now."""
    return sd_jwt.open_token(text, changes.pop("find_key", find_key), **{"now": NOW, **changes})


def payload_of(token: str) -> dict[str, Any]:
    """What the issuer signed."""
    return jws.parse(token.partition("~")[0], sd_jwt.TYP).payload


def text_of(token: str, name: str) -> str:
    """The disclosure of a claim at the top."""
    opened = reveal(payload_of(token), token.split("~")[1:-1]).opened
    return next(one.texts[-1] for one in opened if one.path == (name,))


def disclosure(*parts: Any) -> str:
    """`[salt, name, value]` or `[salt, value]` as it is written."""
    return encode_base64url(msgspec.json.encode(list(parts)))


def hash_of(text: str) -> str:
    """The digest that vouches for a disclosure."""
    return digest(text.encode())


def forge(
    *disclosures: str,
    key: TokenKey = KEY,
    kid: str | None = None,
    claims: Mapping[str, Any] = MappingProxyType({}),
    **more: Any,
) -> str:
    """A token signed over whatever is given; a claim given as `...` is left out."""
    fields: dict[str, Any] = {
        "iss": ISSUER,
        "iat": NOW,
        "vct": sd_jwt.SERVICE,
        "region": REGION,
        "status": {"status_list": {"idx": 7, "uri": LIST_URL}},
        "_sd_alg": "sha-256",
    }
    payload = {name: value for name, value in {**fields, **claims, **more}.items() if value is not ...}
    return "~".join([jws.sign(key, sd_jwt.TYP, payload, kid or key.multikey), *disclosures, ""])


def everyone(minutes: int) -> model.ServiceStatement:
    """A statement with so many minutes in each of the categories."""
    lines = [proofs.line(place, category=name, minutes=minutes) for place, name in enumerate(CATEGORIES)]
    return proofs.service(*lines)
