"""Status lists: one bit an index, the same bytes every time, and nothing believed that is not the list asked for."""

import base64
import gzip
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.credentials import data_integrity, model, status_list
from ledger.crypto.encoding import encode_base64url
from ledger.errors import Invalid, LedgerError, NotFound, TooLarge, Untrusted
from ledger.limits import STATUS_LIST_BYTES_MAX, STATUS_LIST_SECONDS, STATUS_LIST_SIZE
from tests.support import proofs
from tests.support.builders import REGION

KEY = proofs.credential_key()
URL = f"{proofs.HOST}/status/{proofs.LIST}"
FROM = 1_795_000_000
UNTIL = FROM + STATUS_LIST_SECONDS
REVOKED = {0, 7, 8, proofs.INDEX, STATUS_LIST_SIZE - 1}
MADE = status_list.make(URL, KEY, REVOKED, FROM, UNTIL)
LAST = STATUS_LIST_SIZE - 1


def find_key(method: str) -> bytes:
    if method != KEY.id:
        raise NotFound(method)
    return KEY.key.verifier.public


def signed(**changes: Any) -> bytes:
    """A list of the region's own making, properly signed, with other members."""
    document = json.loads(MADE)
    del document["proof"]
    subject = changes.pop("credentialSubject", {})
    document |= changes
    document["credentialSubject"] |= subject
    document = {name: value for name, value in document.items() if value is not ...}
    return data_integrity.jcs(data_integrity.secure(document, KEY, document["validFrom"]))


def packed(data: bytes) -> dict[str, str]:
    return {"encodedList": "u" + encode_base64url(data)}


def test_the_bits_are_those_that_were_set():
    found = status_list.open_list(MADE, URL, find_key)
    assert {index for index in range(STATUS_LIST_SIZE) if found.is_revoked(index)} == REVOKED
    assert (found.url, found.issuer, found.valid_from, found.valid_until) == (URL, proofs.DID, FROM, UNTIL)


def test_index_zero_is_the_first_bit_from_the_left():
    """W3C Bitstring Status List 1.0, 3.1: "the first index, with a value of zero (0), is located at the left-most"."""
    encoded = json.loads(MADE)["credentialSubject"]["encodedList"]
    bits = gzip.decompress(base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4)))
    assert len(bits) == STATUS_LIST_SIZE // 8
    assert (bits[0], bits[1], bits[-1]) == (0b10000001, 0b10000000, 0b00000001)


def test_the_same_list_gives_the_same_bytes_in_canonical_json():
    assert status_list.make(URL, KEY, sorted(REVOKED, reverse=True), FROM, UNTIL) == MADE
    assert data_integrity.jcs(json.loads(MADE)) == MADE


def test_a_last_list_never_expires():
    last = status_list.make(URL, KEY, [], FROM, None)
    assert "validUntil" not in json.loads(last)
    found = status_list.open_list(last, URL, find_key)
    assert found.valid_until is None
    assert not any(found.is_revoked(index) for index in range(STATUS_LIST_SIZE))


def test_a_list_of_any_pattern_is_within_the_limit():
    alternate = status_list.make(
        URL, KEY, [index for index in range(STATUS_LIST_SIZE) if index * index % 7 < 3], 0, None
    )
    assert len(alternate) < STATUS_LIST_BYTES_MAX
    assert status_list.open_list(alternate, URL, find_key).is_revoked(1)


@settings(max_examples=20)
@given(st.sets(st.integers(0, LAST)))
def test_any_set_of_indexes_comes_back(revoked: set[int]):
    found = status_list.open_list(status_list.make(URL, KEY, revoked, FROM, UNTIL), URL, find_key)
    assert {index for index in range(STATUS_LIST_SIZE) if found.is_revoked(index)} == revoked


@pytest.mark.parametrize("index", [-1, STATUS_LIST_SIZE])
def test_an_index_outside_the_list_is_nobodys(index: int):
    with pytest.raises(Invalid):
        status_list.make(URL, KEY, [index], FROM, UNTIL)
    with pytest.raises(Invalid):
        status_list.open_list(MADE, URL, find_key).is_revoked(index)


REFUSED = {
    "other-address": (MADE, f"{proofs.HOST}/status/441300-2", Untrusted),
    "other-id": (signed(id=f"{proofs.HOST}/status/{REGION}-2"), URL, Untrusted),
    "other-subject": (signed(credentialSubject={"id": f"{URL}#other"}), URL, Untrusted),
    "other-purpose": (signed(credentialSubject={"statusPurpose": "suspension"}), URL, Invalid),
    "other-type": (signed(type=["VerifiableCredential"]), URL, Invalid),
    "other-context": (signed(**{"@context": [*model.STATUS_CONTEXT, {"extra": "urn:x:y"}]}), URL, Invalid),
    "other-member": (signed(name="list"), URL, Invalid),
    "without-proof": (data_integrity.jcs({k: v for k, v in json.loads(MADE).items() if k != "proof"}), URL, Untrusted),
    "other-bit": (MADE.replace(b'"encodedList":"uH4sIAAAAAAAC', b'"encodedList":"uH4sIAAAAAAAD'), URL, Untrusted),
    "other-date": (MADE.replace(b'"validUntil":"2026', b'"validUntil":"2027'), URL, Untrusted),
    "no-such-date": (signed(validUntil="2026-02-30T00:00:00Z"), URL, Invalid),
    "key-twice": (MADE.replace(b'"validFrom":', b'"validFrom":"2020-01-01T00:00:00Z","validFrom":'), URL, Invalid),
    "not-gzip": (signed(credentialSubject=packed(b"\0" * 100)), URL, Invalid),
    "not-multibase": (signed(credentialSubject={"encodedList": "AAAA"}), URL, Invalid),
    "bad-base64": (signed(credentialSubject={"encodedList": "uAAAAA"}), URL, Invalid),
    "too-few-bits": (signed(credentialSubject=packed(gzip.compress(b"\0" * 16_383))), URL, Invalid),
    "too-many-bits": (signed(credentialSubject=packed(gzip.compress(b"\0" * 16_385))), URL, Invalid),
    "cut-short": (signed(credentialSubject=packed(gzip.compress(b"\0" * 16_384)[:-1])), URL, Invalid),
    "more-behind": (signed(credentialSubject=packed(gzip.compress(b"\0" * 16_384) + b"\0")), URL, Invalid),
    "too-large": (MADE + b" " * STATUS_LIST_BYTES_MAX, URL, TooLarge),
    "nested": (b"[" * 60_000, URL, Invalid),
    "not-utf-8": (MADE.replace(b"did:web:", b"did:web\xff"), URL, Invalid),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(reason: str):
    data, url, error = REFUSED[reason]
    assert data != MADE or url != URL
    with pytest.raises(error):
        status_list.open_list(data, url, find_key)


def test_any_spelling_of_the_same_list():
    """Whoever reformats a list that revokes must not make it unreadable."""
    for data in (MADE + b"\n", json.dumps(dict(reversed(json.loads(MADE).items())), indent=2).encode()):
        assert status_list.open_list(data, URL, find_key) == status_list.open_list(MADE, URL, find_key)


def test_a_list_that_would_unpack_to_much_is_not_unpacked():
    bomb = signed(credentialSubject=packed(gzip.compress(b"\0" * 30_000_000)))
    assert len(bomb) < STATUS_LIST_BYTES_MAX
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match="other than"):
            status_list.open_list(bomb, URL, find_key)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_the_list_of_another_region_is_refused():
    stranger = proofs.credential_key("did:web:other.example:regions:442000")
    with pytest.raises(Untrusted, match="does not hold"):
        status_list.open_list(status_list.make(URL, stranger, [], FROM, UNTIL), URL, find_key)


@given(st.binary(max_size=200) | st.builds(lambda cut, put: MADE[:cut] + put, st.integers(0, len(MADE)), st.binary()))
def test_whatever_bytes_come_only_our_errors_are_raised(data: bytes):
    if data.strip() != MADE:
        with pytest.raises(LedgerError):
            status_list.open_list(data, URL, find_key)
