"""Private details between regions: sealed for one of them alone, and read there whatever they hold."""

import base64
import contextlib
import hashlib
import hmac
import json
from typing import Any

import pytest
from Crypto.Cipher import AES
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Invalid, Untrusted
from ledger.events import private_details
from ledger.events.private_details import (
    ForeignDetails,
    claim_of,
    foreign_claim_of,
    open_details,
    open_foreign_details,
    open_sealed,
    read_details,
    seal_for,
    sealing_info,
    sealing_public,
)
from ledger.limits import PRIVATE_BYTES_MAX
from tests.support.builders import ABSENT, canonical, details, identity

KEY = bytes(range(32))
PUBLIC = sealing_public(KEY)
TRANSFER = "0199b7d4-0000-7000-8000-000000000001"
HERE, THERE = "ledger.example/441300", "ledger.example.mo/820000"
INFO = sealing_info(TRANSFER, HERE, THERE)
SECRET = b"a secret of this region alone"
PERMIT, RESIDENCE = "H12345678", "810000199001010001"


# -- sealing --------------------------------------------------------------------------------------------


def test_what_is_sealed_for_a_region_is_opened_by_it():
    sealed = seal_for(PUBLIC, details(), INFO)
    assert open_sealed(KEY, sealed, INFO) == details()
    assert "测试员甲".encode() not in sealed
    assert seal_for(PUBLIC, details(), INFO) != sealed
    assert open_sealed(KEY, seal_for(PUBLIC, b"", INFO), INFO) == b""


def test_keys_are_new_and_have_the_text_of_the_federation_file():
    keys = [private_details.new_sealing_key() for _ in range(3)]
    assert len(set(keys)) == 3
    assert [len(key) for key in keys] == [32] * 3
    assert PUBLIC == "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8"  # of RFC 7748 arithmetic, once and for all
    for key in keys:
        private_details.check_sealing_key(sealing_public(key))


def test_the_info_names_transfer_sender_and_receiver_by_line():
    assert f"yongzhi.details/1\n{TRANSFER}\n{HERE}\n{THERE}\n".encode() == INFO


def labelled_extract(salt: bytes, suite: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, hashlib.sha256).digest()


def labelled_expand(prk: bytes, suite: bytes, label: bytes, info: bytes, length: int) -> bytes:
    text = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.new(prk, text + b"\x01", hashlib.sha256).digest()[:length]


def test_it_is_hpke_as_the_rfc_writes_it():
    """RFC 9180, 4.1 and 5.1, done again with nothing but HMAC and another library's AES."""
    sealed = seal_for(PUBLIC, b"plain", INFO)
    encapsulated, cipher = sealed[:32], sealed[32:]
    shared = X25519PrivateKey.from_private_bytes(KEY).exchange(X25519PublicKey.from_public_bytes(encapsulated))
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    context = encapsulated + base64.urlsafe_b64decode(PUBLIC + "=")
    secret = labelled_expand(labelled_extract(b"", kem, b"eae_prk", shared), kem, b"shared_secret", context, 32)
    hashes = labelled_extract(b"", suite, b"psk_id_hash", b"") + labelled_extract(b"", suite, b"info_hash", INFO)
    prk = labelled_extract(secret, suite, b"secret", b"")
    key = labelled_expand(prk, suite, b"key", b"\0" + hashes, 32)
    nonce = labelled_expand(prk, suite, b"base_nonce", b"\0" + hashes, 12)
    opened = AES.new(key, AES.MODE_GCM, nonce=nonce).decrypt_and_verify(cipher[:-16], cipher[-16:])
    assert opened == b"plain"


BAD_INFO = {
    "another transfer": sealing_info(TRANSFER[:-1] + "2", HERE, THERE),
    "another sender": sealing_info(TRANSFER, "ledger.example/442000", THERE),
    "another receiver": sealing_info(TRANSFER, HERE, "ledger.example/442000"),
    "the way back": sealing_info(TRANSFER, THERE, HERE),
    "no info": b"",
}


@pytest.mark.parametrize("name", BAD_INFO)
def test_another_transfer_does_not_open_it(name):
    with pytest.raises(Untrusted):
        open_sealed(KEY, seal_for(PUBLIC, details(), INFO), BAD_INFO[name])


def test_another_key_does_not_open_it():
    with pytest.raises(Untrusted):
        open_sealed(private_details.new_sealing_key(), seal_for(PUBLIC, details(), INFO), INFO)


@settings(max_examples=200)
@given(st.data())
def test_no_bit_of_it_may_change(data):
    sealed = bytearray(seal_for(PUBLIC, details(), INFO))
    at = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[at // 8] ^= 1 << at % 8
    with pytest.raises(Untrusted):
        open_sealed(KEY, bytes(sealed), INFO)


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 47, 48, -1])
def test_a_part_of_it_is_nothing(length):
    with pytest.raises(Untrusted):
        open_sealed(KEY, seal_for(PUBLIC, details(), INFO)[:length], INFO)


@given(st.binary(max_size=200))
def test_any_bytes_are_untrusted(data):
    with pytest.raises(Untrusted):
        open_sealed(KEY, data, INFO)


def test_more_than_it_is_nothing():
    with pytest.raises(Untrusted):
        open_sealed(KEY, seal_for(PUBLIC, details(), INFO) + b"\0", INFO)


@pytest.mark.parametrize(
    "public",
    [
        "",
        "x",
        PUBLIC[:-1],
        PUBLIC + "A",
        PUBLIC + "=",
        PUBLIC[:-1] + "9",  # the same bytes in another spelling
        "+" + PUBLIC[1:],
        "键" * 43,
        base64.urlsafe_b64encode(bytes(32)).decode().rstrip("="),
        base64.urlsafe_b64encode(b"\1" + bytes(31)).decode().rstrip("="),
    ],
)
def test_nothing_is_sealed_for_what_is_no_key(public):
    with pytest.raises(Invalid):
        seal_for(public, details(), INFO)


@pytest.mark.parametrize("key", [b"", KEY[:-1], KEY + b"\0"])
def test_a_private_key_has_32_bytes(key):
    with pytest.raises(Invalid):
        sealing_public(key)
    with pytest.raises(Invalid):
        open_sealed(key, seal_for(PUBLIC, b"", INFO), INFO)


# -- details from another region ------------------------------------------------------------------------


def foreign(**changes: Any) -> ForeignDetails:
    data = details(**changes)
    return open_foreign_details(data, identity(data))


def test_details_that_we_would_take_are_read_alike():
    data = details(born="1990-01-31", contact="139 0000 0000")
    ours, theirs = open_details(data, identity(data)), open_foreign_details(data, identity(data))
    assert {name: getattr(theirs, name) for name in ours.__struct_fields__} == {
        name: getattr(ours, name) for name in ours.__struct_fields__
    }
    assert claim_of(ours, SECRET) == foreign_claim_of(theirs, SECRET) is not None


def test_an_unknown_document_is_kept_and_takes_no_claim():
    found = foreign(id_type="mo-student-card", id_number="学 7")
    assert (found.id_type, found.id_number, found.name) == ("mo-student-card", "学 7", "测试员甲")
    assert foreign_claim_of(found, SECRET) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"id_type": ABSENT, "id_number": ABSENT},
        {"id_type": ABSENT},
        {"id_number": ABSENT},
        {"id_type": "mainland-id", "id_number": "441303189903070060"},
        {"id_type": "hk-id", "id_number": "A123456(4)"},
        {"id_type": "02", "id_number": "学 7"},
        {"id_type": "08", "id_number": "E12345678"},
    ],
)
def test_without_a_document_known_here_there_is_no_claim(changes):
    assert foreign_claim_of(foreign(**changes), SECRET) is None


def test_members_that_we_do_not_have_are_let_be():
    found = foreign(name_pt="Ana", guardian={"name": "监护人"}, born="31/1/1990")
    assert (found.name, found.born) == ("测试员甲", "31/1/1990")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (("hk-macau-permit", "H1234567802"), ("hk-macau-permit", PERMIT)),
        (("02", "h12345678（01）"), ("hk-macau-permit", PERMIT)),
        (("03", "M12345678"), ("hk-macau-permit", "M1234567800")),
        (("02", "A123456(3)"), ("hk-id", "a1234563")),
        (("03", "1/234567/8"), ("macau-id", "12345678")),
        (("05", "e 1234-5678"), ("passport", "E12345678")),
    ],
)
def test_a_person_has_one_claim_whichever_way_the_document_was_written(theirs, ours):
    data = details(id_type=ours[0], id_number=ours[1])
    found = foreign_claim_of(foreign(id_type=theirs[0], id_number=theirs[1]), SECRET)
    assert found == claim_of(open_details(data, identity(data)), SECRET) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{" * 4000,
        details(name=ABSENT),
        details(name=" "),
        details(name="x" * 121),
        details(salt=ABSENT),
        details(id_type=" "),
        details(id_type=7),
        details(id_number=None),
        details(contact="\u202e"),
        details(more=1.5),
        details() + b"\n",
        details().replace(b'"name"', b'"name":"x","name"'),
        details().replace("测".encode(), b"\xff"),
        details(contact="长" * 1300, name="短" * 100),
    ],
)
def test_ill_formed_details_are_refused_all_the_same(data):
    with pytest.raises(Invalid) as caught:
        open_foreign_details(data, identity(data))
    assert "测试员" not in str(caught.value)


def test_the_hash_is_the_one_of_the_event():
    with pytest.raises(Invalid, match="hash"):
        open_foreign_details(details(name="测试员乙"), identity(details()))


def test_the_limit_is_met():
    data = details(contact="x" * 2000, more="x" * (PRIVATE_BYTES_MAX - len(details(contact="x" * 2000, more=""))))
    assert len(data) == PRIVATE_BYTES_MAX
    open_foreign_details(data, identity(data))
    with pytest.raises(Invalid, match="4096"):
        open_foreign_details(data + b" ", identity(data + b" "))


@given(st.binary(max_size=100) | st.dictionaries(st.text(max_size=6), st.text(max_size=6)).map(canonical))
def test_any_details(data):
    with contextlib.suppress(Invalid):
        found = read_details(data)
        assert json.loads(data)["name"] == found.name
        foreign_claim_of(found, SECRET)
