"""Private details: the hash that binds them, the claim on a number, and the seal they are kept under."""

import hashlib

import msgspec
import pytest

from ledger.errors import Corrupt, Invalid
from ledger.events import private_details
from ledger.events.private_details import claim_of, identity_of, open_details
from ledger.limits import PRIVATE_BYTES_MAX
from tests.support.builders import ABSENT, SALT, details, event_id, identity

SECRET = b"a secret of this region alone"
MAINLAND = "44130318990307006X"  # of nobody alive


def claim(id_type: str, number: str, secret: bytes = SECRET, **changes: object) -> str | None:
    data = details(id_type=id_type, id_number=number, **changes)
    return claim_of(open_details(data, identity(data)), secret)


# -- the hash -------------------------------------------------------------------------------------------


def test_the_known_hash():
    data = b'{"name":"\xe7\x94\xb2","salt":"mJ2o4VqS0m0f4m0Jw1x3Yg"}'
    assert identity_of(data) == identity(data)
    assert identity_of(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_details_are_opened():
    data = details(born="1990-01-31", contact="139 0000 0000")
    found = open_details(data, identity(data))
    assert msgspec.json.encode(found, order="sorted") == data
    alone = details(id_type=ABSENT, id_number=ABSENT)
    assert open_details(alone, identity(alone)).name == "测试员甲"


@pytest.mark.parametrize("other", [details(name="测试员乙"), details(salt="A" * 22), details(born="1990-01-31")])
def test_details_with_another_hash_are_refused(other: bytes):
    with pytest.raises(Invalid, match="hash"):
        open_details(details(), identity(other))
    with pytest.raises(Invalid, match="hash"):
        open_details(details(), identity(details()) + "=")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        details(extra=1),
        details(name=ABSENT),
        details(name=" "),
        details(name=1),
        details(name="x" * 121),
        details(salt=ABSENT),
        details(salt=SALT[:-1] + "h"),
        details(id_type="driving-licence"),
        details(id_type=ABSENT),
        details(id_number=ABSENT),
        details(id_number=None),
        details(born="1990-1-31"),
        details(born="31.1.1990"),
        details(born="1990-01-31\n"),
        details(contact="x" * 2001),
        details(contact="\u202e"),
        details(contact="长" * 1300, name="短" * 100),
        details().replace(b":", b": "),
        details() + b"\n",
        details().replace(b'"name"', b'"name":"x","name"'),
        details().replace("测".encode(), rb"\u6d4b"),
        details().replace("测".encode(), b"\xff"),
        b"[" * 4000,
    ],
)
def test_ill_formed_details_are_refused(data: bytes):
    with pytest.raises(Invalid):
        open_details(data, identity(data))


def test_the_limit_is_met():
    data = details(contact="x" * 2000)
    wide = details(contact="长" * 1200)
    longest = details(contact="长" * 1200 + "x" * (PRIVATE_BYTES_MAX - len(wide)))
    assert len(longest) == PRIVATE_BYTES_MAX
    for one in (data, longest):
        open_details(one, identity(one))
    with pytest.raises(Invalid, match="4096"):
        open_details(longest + b" ", identity(longest + b" "))


@pytest.mark.parametrize(
    "changes",
    [
        {"id_type": MAINLAND},
        {"id_type": f"it's {MAINLAND}' - at `$.name`"},
        {MAINLAND: 1},
        {f"a`b {MAINLAND}": 1},
        {"born": MAINLAND},
        {"id_number": [MAINLAND]},
        {"salt": MAINLAND},
        {"name": MAINLAND * 10},
    ],
)
def test_an_error_quotes_nothing_of_the_details(changes: dict):
    data = details(**changes)
    with pytest.raises(Invalid) as caught:
        open_details(data, identity(data))
    assert MAINLAND not in str(caught.value)


# -- the claim ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_type", "first", "second"),
    [
        ("mainland-id", MAINLAND, MAINLAND.lower()),
        ("mainland-id", MAINLAND, "441303 18990307 006x"),
        ("mainland-id", MAINLAND, "４４１３０３１８９９０３０７００６Ｘ"),
        ("mainland-id", "441303990307996", "441303189903079961"),
        ("hk-id", "A123456(3)", "a1234563"),
        ("macau-id", "1234567(8)", "1/234567/8"),
        ("hk-macau-permit", "H1234567801", "H12345678"),
        ("passport", "E12345678", "e 1234-5678"),
    ],
)
def test_one_document_is_one_claim_however_it_is_written(id_type: str, first: str, second: str):
    found = claim(id_type, first)
    assert found is not None
    assert claim(id_type, second, name="另一人", salt="A" * 22) == found


def test_other_documents_are_other_claims():
    found = {
        claim("passport", "E12345678"),
        claim("passport", "E12345679"),
        claim("other", "E12345678"),
        claim("passport", "E12345678", b"another secret"),
    }
    assert len(found) == 4


def test_a_claim_does_not_show_the_number():
    found = claim("mainland-id", MAINLAND)
    assert found is not None
    assert len(found) == 64
    plain = f"mainland-id\n{MAINLAND}".encode()
    assert found != hashlib.sha256(plain).hexdigest()
    assert found != hashlib.sha256(SECRET + plain).hexdigest()


def test_without_a_number_there_is_no_claim():
    data = details(id_type=ABSENT, id_number=ABSENT)
    assert claim_of(open_details(data, identity(data)), SECRET) is None


def test_a_number_that_cannot_be_is_refused_without_being_repeated():
    with pytest.raises(Invalid) as caught:
        claim("mainland-id", MAINLAND[:-1] + "0")
    assert MAINLAND[:10] not in str(caught.value)


# -- the seal -------------------------------------------------------------------------------------------


def test_what_was_sealed_is_unsealed():
    key, event = private_details.new_key(), event_id()
    sealed = private_details.seal(details(), key, event)
    assert private_details.unseal(sealed, key, event) == details()
    assert "测试员甲".encode() not in sealed
    assert b"E12345678" not in sealed


def test_nothing_is_sealed_alike_twice():
    key, event = private_details.new_key(), event_id()
    assert key != private_details.new_key()
    first, second = (private_details.seal(details(), key, event) for _ in range(2))
    assert first[:12] != second[:12]
    assert first[12:] != second[12:]


def test_what_does_not_belong_together_is_corrupt():
    key, event = private_details.new_key(), event_id()
    sealed = private_details.seal(details(), key, event)
    flipped = [sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in (0, 12, 40, -1)]
    attempts = [
        (sealed, key, event_id()),
        (sealed, private_details.new_key(), event),
        (sealed, key[:-1], event),
        (sealed, b"", event),
        (sealed[:-1], key, event),
        (sealed + b"\0", key, event),
        (sealed[:12], key, event),
        (b"", key, event),
        *((one, key, event) for one in flipped if one != sealed),
    ]
    for data, with_key, of_event in attempts:
        with pytest.raises(Corrupt) as caught:
            private_details.unseal(data, with_key, of_event)
        assert of_event in caught.value.detail
