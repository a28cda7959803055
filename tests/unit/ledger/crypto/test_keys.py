"""Keys: their text forms, what no key may be, and the files they lie in."""

import os
import re
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.crypto import keys
from ledger.crypto.encoding import decode_base64
from ledger.crypto.keys import SigningKey, VerifyingKey, parse_skey, parse_vkey
from ledger.errors import Invalid, Unavailable, Untrusted
from tests.support.builders import KNOWN, signing_key, vectors

PRIME = 2**255 - 19
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


# -- text forms -----------------------------------------------------------------------------------------


def test_the_known_key():
    assert str(KNOWN.verifier) == "region-a.example/ledger+55e81ae2+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
    assert KNOWN.secret_text() == (
        "PRIVATE+KEY+region-a.example/ledger+55e81ae2+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
    )
    assert parse_vkey(str(KNOWN.verifier)) == KNOWN.verifier
    assert parse_skey(KNOWN.secret_text()) == KNOWN


@pytest.mark.parametrize("data", vectors("vkeys/valid"))
def test_a_well_formed_key_is_written_as_it_was_read(data: bytes):
    assert str(parse_vkey(data.decode())).encode() == data


@pytest.mark.parametrize("data", vectors("vkeys/invalid"))
def test_an_ill_formed_key_is_refused(data: bytes):
    with pytest.raises(Invalid):
        parse_vkey(data.decode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("PRIVATE+KEY+", ""),
        ("PRIVATE+KEY+", "private+key+"),
        ("+55e81ae2+", "+55e81ae3+"),
        ("+55e81ae2+", "+"),
        ("region-a", "region-b"),
        ("region-a", "region a"),
        ("+AQEB", "+AgEB"),
        ("AQEBAQ", "AQEB"),
        ("AQEBAQ", "AQEBAQEBAQ"),
        ("AQEBAQ", "AQEB\nAQ"),
    ],
)
def test_an_ill_formed_private_key_is_refused(old: str, new: str):
    with pytest.raises(Invalid) as caught:
        parse_skey(KNOWN.secret_text().replace(old, new, 1))
    assert "AQEB" not in caught.value.detail


@pytest.mark.parametrize(
    "name", ["", "a b", "a\u00a0b", "a\u2028b", "a\u3000b", "a+b", "a\n", "\x7f", "\x00", "\ud800"]
)
def test_a_name_that_would_break_a_signature_line_is_refused(name: str):
    for make in (keys.check_name, keys.generate, lambda name: SigningKey(name, bytes(32))):
        with pytest.raises(Invalid):
            make(name)


@pytest.mark.parametrize("text", ["QQ==", "QUI=", "QUJD", ""])
def test_base64_has_one_spelling(text: str):
    decode_base64(text)
    for other in (
        text.rstrip("=") if "=" in text else text + "=",
        text + "\n",
        text.replace("Q", "Q ", 1) + " ",
    ):
        with pytest.raises(Invalid):
            decode_base64(other)


@pytest.mark.parametrize("text", ["QR==", "QUJ=", "_-__", "é", "\ud800"])
def test_base64_of_another_kind_is_refused(text: str):
    with pytest.raises(Invalid):
        decode_base64(text)


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)], ids=len)
def test_a_seed_has_32_bytes(seed: bytes):
    with pytest.raises(Invalid):
        SigningKey("a", seed)


def test_a_private_key_does_not_show_its_seed():
    key = SigningKey("a", b"secret, and of 32 bytes exactly!")
    for shown in (repr(key), str(key), f"{key}"):
        assert "secret" not in shown
        assert key.secret_text() not in shown


def test_generated_keys_differ():
    assert keys.generate("a") != keys.generate("a")
    assert re.fullmatch("[0-9a-f]{8}", keys.generate("a").id)


# -- signatures -----------------------------------------------------------------------------------------


def test_a_signature_holds_for_its_message_and_key_alone():
    signature = KNOWN.sign(b"message")
    KNOWN.verifier.verify(signature, b"message")
    spoiled = [
        (KNOWN, signature, b"massage"),
        (signing_key("another"), signature, b"message"),
        (KNOWN, bytes([signature[0] ^ 1]) + signature[1:], b"message"),
        (KNOWN, signature[:-1], b"message"),
        (KNOWN, signature + b"\0", b"message"),
        (KNOWN, b"", b"message"),
    ]
    for key, value, message in spoiled:
        with pytest.raises(Untrusted):
            key.verifier.verify(value, message)


def test_a_signature_has_one_form():
    """S + L verifies where S is not reduced first (RFC 8032 section 5.1.7 asks for S < L)."""
    signature = KNOWN.sign(b"message")
    larger = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    with pytest.raises(Untrusted):
        KNOWN.verifier.verify(signature[:32] + larger.to_bytes(32, "little"), b"message")


# -- small order ----------------------------------------------------------------------------------------

Point = tuple[int, int]
D = -121665 * pow(121666, -1, PRIME) % PRIME
IDENTITY: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % PRIME
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, PRIME)
    return x % PRIME, y % PRIME


def times(number: int, point: Point) -> Point:
    result = IDENTITY
    for bit in f"{number:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def point_of(y: int) -> Point | None:
    """A point with that y, if the curve has one (RFC 8032 section 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    for root in (x, x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME):
        if root * root % PRIME == square:
            return root, y
    return None


def points_of_small_order() -> set[Point]:
    """What is left of points of the curve when multiplied by the prime that divides its order: all eight."""
    points = filter(None, map(point_of, range(2, 40)))
    generator = next(one for one in (times(GROUP_ORDER, point) for point in points) if times(4, one) != IDENTITY)
    return {times(number, generator) for number in range(8)}


def test_no_key_is_of_small_order():
    points = points_of_small_order()
    assert len(points) == 8
    for x, y in points:
        with pytest.raises(Invalid, match="small order"):
            VerifyingKey("a", (y | (x & 1) << 255).to_bytes(32, "little"))


@pytest.mark.parametrize("y", [PRIME, PRIME + 1, PRIME + 18, 2**255 - 1])
@pytest.mark.parametrize("sign", [0, 1])
def test_a_public_key_has_one_form(y: int, sign: int):
    with pytest.raises(Invalid, match="canonical"):
        VerifyingKey("a", (y | sign << 255).to_bytes(32, "little"))


# -- files ----------------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask():
    """As loose as it gets: what is private must be made so."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_saved_key_is_private_and_its_public_half_beside_it(tmp_path: Path):
    path = tmp_path / "keys" / "station"
    keys.save(KNOWN, path)
    assert keys.load(path) == KNOWN
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert (tmp_path / "keys" / "station.pub").read_text() == f"{KNOWN.verifier}\n"


def test_a_key_is_never_overwritten(tmp_path: Path):
    path = tmp_path / "key"
    keys.save(KNOWN, path)
    before = {file.name: sha256(file.read_bytes()).digest() for file in tmp_path.iterdir()}
    with pytest.raises(Unavailable, match="never overwritten"):
        keys.save(signing_key("another"), path)
    assert {file.name: sha256(file.read_bytes()).digest() for file in tmp_path.iterdir()} == before


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path):
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable):
        keys.save(KNOWN, tmp_path / "key")
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_no_key_file_is_not_loaded(tmp_path: Path):
    with pytest.raises(Unavailable):
        keys.load(tmp_path / "missing")
    with pytest.raises(Unavailable):
        keys.load(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(Unavailable):
        keys.load(tmp_path / "binary")
    for text in ("", str(KNOWN.verifier), KNOWN.secret_text() + "\n" + KNOWN.secret_text()):
        (tmp_path / "text").write_text(text)
        with pytest.raises(Invalid):
            keys.load(tmp_path / "text")
