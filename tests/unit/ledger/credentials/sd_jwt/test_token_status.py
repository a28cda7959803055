"""Token status lists: bits in their order, and lists that are not to be believed."""

import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from ledger.credentials.sd_jwt import jws, token_status
from ledger.crypto.encoding import decode_base64url, encode_base64url
from ledger.errors import Invalid, TooLarge, Untrusted
from ledger.limits import STATUS_LIST_BYTES_MAX, STATUS_LIST_SECONDS, STATUS_LIST_SIZE
from tests.support.tokens import KEY, LIST_URL, NOW, STRANGER, find_key

UNTIL = NOW + STATUS_LIST_SECONDS
EDGES = [0, 7, 8, 94_567, STATUS_LIST_SIZE - 1]


def make(*revoked: int, until: int | None = UNTIL) -> str:
    return token_status.make(LIST_URL, KEY, revoked, NOW, until)


def open_list(text: str) -> token_status.StatusList:
    return token_status.open_list(text, LIST_URL, find_key)


@pytest.mark.parametrize("revoked", [[], EDGES, range(STATUS_LIST_SIZE)], ids=["none", "edges", "all"])
def test_a_list_says_what_was_revoked(revoked: Any):
    found = open_list(make(*revoked))
    assert [index for index in range(STATUS_LIST_SIZE) if found.is_revoked(index)] == list(revoked)
    assert (found.kid, found.valid_from, found.valid_until) == (KEY.multikey, NOW, UNTIL)


def test_the_claims_are_those_of_the_draft():
    listed = jws.parse(make(3), token_status.TYP)
    assert listed.header == {"alg": "ES256", "typ": "statuslist+jwt", "kid": KEY.multikey}
    assert set(listed.payload) == {"sub", "iat", "exp", "ttl", "status_list"}
    assert set(listed.payload["status_list"]) == {"bits", "lst"}


def test_the_bits_lie_as_in_the_drafts_example():
    """Its section 4.1: 1001 1101 1100 0101 from index 0 on is b9 a3."""
    listed = jws.parse(make(0, 3, 4, 5, 7, 8, 9, 13, 15), token_status.TYP).payload["status_list"]
    bits = zlib.decompress(decode_base64url(listed["lst"]))
    assert bits[:2].hex() == "b9a3"
    assert len(bits) == STATUS_LIST_SIZE // 8
    assert zlib.decompress(decode_base64url("eNrbuRgAAhcBXQ")).hex() == "b9a3"


def test_the_last_list_of_a_region_never_ends():
    last = make(until=None)
    assert open_list(last).valid_until is None
    assert set(jws.parse(last, token_status.TYP).payload) == {"sub", "iat", "status_list"}


@pytest.mark.parametrize("index", [-1, STATUS_LIST_SIZE])
def test_an_index_outside(index: int):
    with pytest.raises(Invalid, match="no index"):
        make(index)
    with pytest.raises(Invalid, match="no index"):
        open_list(make()).is_revoked(index)


@pytest.mark.parametrize("spoil", [lambda text: text.replace("A", "B", 1), lambda text: text[:-6] + "AAAAAA"])
def test_a_changed_list(spoil: Callable[[str], str]):
    with pytest.raises((Invalid, Untrusted)):
        open_list(spoil(make()))


def test_a_list_of_another_key_or_address():
    with pytest.raises(Untrusted, match="nobody knows"):
        open_list(token_status.make(LIST_URL, STRANGER, [], NOW, UNTIL))
    with pytest.raises(Untrusted, match="another address"):
        open_list(token_status.make(LIST_URL + "0", KEY, [], NOW, UNTIL))
    stolen = token_status.make(LIST_URL, KEY, [], NOW, UNTIL).split(".")
    other = make(1).split(".")
    with pytest.raises(Untrusted, match="does not verify"):
        open_list(".".join([*stolen[:2], other[2]]))


def packed(data: bytes) -> dict[str, Any]:
    return {"bits": 1, "lst": encode_base64url(data)}


FULL = zlib.compress(bytes(STATUS_LIST_SIZE // 8))
FORMS: dict[str, dict[str, Any]] = {
    "no-list": {"status_list": ...},
    "two-bits": {"status_list": {**packed(FULL), "bits": 2}},
    "true-bits": {"status_list": {**packed(FULL), "bits": "1"}},
    "no-lst": {"status_list": {"bits": 1}},
    "lst-of-numbers": {"status_list": {"bits": 1, "lst": [1]}},
    "not-compressed": {"status_list": packed(bytes(100))},
    "raw-deflate": {"status_list": packed(FULL[2:-4])},
    "gzip": {"status_list": packed(zlib.compressobj(wbits=31).compress(b"") + b"x")},
    "cut-short": {"status_list": packed(FULL[:-1])},
    "something-after": {"status_list": packed(FULL + b"x")},
    "wrong-checksum": {"status_list": packed(FULL[:-1] + b"x")},
    "too-few": {"status_list": packed(zlib.compress(bytes(STATUS_LIST_SIZE // 8 - 1)))},
    "too-many": {"status_list": packed(zlib.compress(bytes(STATUS_LIST_SIZE // 8 + 1)))},
    "no-time": {"iat": ...},
    "time-is-text": {"iat": "2026"},
    "time-beyond-9999": {"iat": 253_402_300_800},
    "end-beyond-9999": {"exp": 2**53 - 1},
    "end-is-null": {"exp": None},
}


@pytest.mark.parametrize("changes", FORMS.values(), ids=FORMS)
def test_lists_of_another_form(changes: dict[str, Any]):
    fields = {"sub": LIST_URL, "iat": NOW, "status_list": packed(FULL), **changes}
    claims = {name: value for name, value in fields.items() if value is not ...}
    with pytest.raises(Invalid):
        open_list(jws.sign(KEY, token_status.TYP, claims, KEY.multikey))


def test_a_bomb_is_not_unpacked():
    bomb = zlib.compress(bytes(30_000_000), 9)
    claims = {"sub": LIST_URL, "iat": NOW, "status_list": packed(bomb)}
    text = jws.sign(KEY, token_status.TYP, claims, KEY.multikey)
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match="indexes"):
            open_list(text)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("typ", ["JWT", "dc+sd-jwt", "statuslist+cwt"])
def test_another_type(typ: str):
    claims = {"sub": LIST_URL, "iat": NOW, "status_list": packed(FULL)}
    assert open_list(jws.sign(KEY, token_status.TYP, claims, KEY.multikey)).valid_until is None
    with pytest.raises(Invalid, match="type"):
        open_list(jws.sign(KEY, typ, claims, KEY.multikey))


def test_a_list_too_large_is_not_looked_at():
    with pytest.raises(TooLarge):
        open_list("a" * (STATUS_LIST_BYTES_MAX + 1))
    with pytest.raises(Invalid):
        open_list("a" * STATUS_LIST_BYTES_MAX)
    half = token_status.make(LIST_URL, KEY, [one for one in range(STATUS_LIST_SIZE) if one * one % 7 < 3], NOW, UNTIL)
    assert open_list(half).is_revoked(1)
