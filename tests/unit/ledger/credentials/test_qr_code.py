"""The signed code of the QR: what it says, what is refused, and an independent COSE library on both sides."""

import base64
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from pycose.algorithms import EdDSA
from pycose.headers import KID, Algorithm
from pycose.keys.curves import Ed25519
from pycose.keys.okp import OKPKey
from pycose.messages.sign1message import Sign1Message

from ledger.credentials import model, qr_code
from ledger.crypto.encoding import encode_base64url
from ledger.errors import Invalid, Untrusted
from tests.support.builders import PROOF, REGION
from tests.support.proofs import LIST, credential, credential_key, line, service

KEY = credential_key()
PUBLIC = KEY.key.verifier.public
ISSUED = 1_795_334_400
STAR = model.StarLevel(
    scheme="cn-2012/1", level=3, title="三星级志愿者", title_en="Three-star volunteer", minutes=36_000
)
CODE = qr_code.describe(credential(), ISSUED, b"12345678")
SEALED = qr_code.seal(CODE, KEY)


def find(region: str, kid: bytes) -> bytes:
    if (region, kid) != (REGION, qr_code.key_id(PUBLIC)):
        raise Untrusted("no such key")
    return PUBLIC


def raw(text: str = SEALED) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed(payload: object, protected: object = None, unprotected: object = None, tag: int = 18) -> str:
    """A COSE_Sign1 as somebody else's software would write it, well signed."""
    header = cbor2.dumps({1: -8, 4: qr_code.key_id(PUBLIC)} if protected is None else protected)
    body = payload if isinstance(payload, bytes) else cbor2.dumps(payload)
    signature = KEY.sign(cbor2.dumps(["Signature1", header, b"", body]))
    return encode_base64url(cbor2.dumps(cbor2.CBORTag(tag, [header, unprotected or {}, body, signature])))


def members() -> dict[int, object]:
    return cbor2.loads(cbor2.loads(raw()).value[2])


def test_a_code_says_what_the_credential_states() -> None:
    found = qr_code.open_code(SEALED, find)
    assert found == CODE
    assert (found.proof, found.list, found.index, found.kind) == (PROOF, LIST, 94_567, "service")
    assert (found.minutes, found.entries, found.first, found.last, found.level) == (
        150,
        1,
        "2026-01-01",
        "2026-11-22",
        None,
    )
    assert encode_base64url(found.digest) == model.commitment(credential())


def test_the_whole_text_of_the_qr_is_short_and_opens_too() -> None:
    text = qr_code.page(credential(), SEALED)
    assert text.startswith(f"https://ledger.example/p/{PROOF}#")
    assert len(text) <= 362, "more than fits a QR of version 14 with correction level M"
    assert qr_code.open_code(text, find) == CODE


def test_a_language_in_the_address_is_let_pass() -> None:
    """Who chose one on the page copies it along; anything else is no page of a proof."""
    page = f"https://ledger.example/p/{PROOF}"
    assert qr_code.open_code(f"{page}?lang=zh-Hant#{SEALED}", find) == CODE
    assert qr_code.page_in(f"{page}?lang=zh-Hant#{SEALED}") == qr_code.page_in(f"{page}#{SEALED}") == page
    for query in ("?", "?lang=", "?lang=en&x=1", "?x=en", "?lang=../..", "/"):
        with pytest.raises(Invalid, match="before the #"):
            qr_code.open_code(f"{page}{query}#{SEALED}", find)
    assert qr_code.page_in(SEALED) is None


def test_sealing_again_gives_the_same_text() -> None:
    assert qr_code.seal(CODE, KEY) == SEALED


def test_a_star_level_is_stated_with_its_day() -> None:
    star = model.StarStatement(region=REGION, day="2026-11-22", star=STAR, explanation=("甲",), explanation_en=("A",))
    found = qr_code.describe(credential(star), ISSUED, bytes(8))
    assert (found.kind, found.level, found.minutes, found.entries) == ("star", 3, 36_000, 0)
    assert found.first == found.last == "2026-11-22"
    assert qr_code.open_code(qr_code.seal(found, KEY), find) == found


def test_a_statement_may_name_a_star_level_too() -> None:
    assert qr_code.describe(credential(service(star=STAR)), ISSUED, bytes(8)).level == 3


def test_a_name_is_confirmed_but_not_told() -> None:
    assert CODE.name == qr_code.name_check("林小明", b"12345678") != qr_code.name_check("林小朋", b"12345678")
    assert "林小明".encode() not in raw()
    assert CODE.name != qr_code.describe(credential(), ISSUED, b"abcdefgh").name


def test_without_a_name_no_name_is_confirmed() -> None:
    nameless = qr_code.describe(credential(name=None), ISSUED, bytes(8))
    assert nameless.name is None
    assert qr_code.open_code(qr_code.seal(nameless, KEY), find) == nameless


# -- an independent library -----------------------------------------------------------------------


def test_pycose_opens_ours() -> None:
    tag, body = raw()[:1], raw()[1:]
    assert tag == b"\xd2", "tag 18, which pycose's own reading of tags no longer finds under cbor2 6"
    message = Sign1Message.from_cose_obj(cbor2.loads(body), allow_unknown_attributes=False)
    message.key = OKPKey(crv=Ed25519, x=PUBLIC)
    assert message.verify_signature()
    assert message.phdr[KID] == qr_code.key_id(PUBLIC)
    assert cbor2.loads(message.payload or b"")[7] == 150


def test_ours_opens_what_pycose_writes() -> None:
    payload = cbor2.dumps(members(), canonical=True)
    message = Sign1Message(phdr={Algorithm: EdDSA, KID: qr_code.key_id(PUBLIC)}, payload=payload)
    message.key = OKPKey(crv=Ed25519, x=PUBLIC, d=KEY.key.seed)
    assert qr_code.open_code(encode_base64url(message.encode()), find) == CODE


# -- what is refused ------------------------------------------------------------------------------


def test_a_changed_minute_is_untrusted() -> None:
    parts = list(cbor2.loads(raw()).value)
    parts[2] = cbor2.dumps({**members(), 7: 15_000}, canonical=True)
    with pytest.raises(Untrusted):
        qr_code.open_code(encode_base64url(cbor2.dumps(cbor2.CBORTag(18, parts))), find)


def test_an_unknown_key_is_untrusted() -> None:
    other = credential_key(number=1)
    with pytest.raises(Untrusted, match="no such key"):
        qr_code.open_code(qr_code.seal(CODE, other), find)
    with pytest.raises(Untrusted, match="not the one the code names"):
        qr_code.open_code(qr_code.seal(CODE, other), lambda region, kid: PUBLIC)


def test_a_page_of_another_proof_is_untrusted() -> None:
    text = qr_code.page(credential(), SEALED).replace(
        PROOF, PROOF[::-1].replace(PROOF[::-1][8:14], PROOF[8:14])[:8] + PROOF[8:]
    )
    with pytest.raises(Untrusted, match="another proof"):
        qr_code.open_code(text, find)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "tagged"),
        ("A", "not base64url"),
        (SEALED + "=", "base64url"),
        (SEALED[:-1] + "é", "not base64url"),
        ("https://ledger.example/q/1#" + SEALED, "before the #"),
        ("x" * 1001, "over 1000"),
        (signed(members(), tag=98), "tagged COSE_Sign1"),
        (signed(members(), unprotected={4: b"x"}), "unprotected"),
        (signed(members(), protected={1: -7, 4: bytes(8)}), "EdDSA"),
        (signed(members(), protected={1: -8, 4: bytes(4)}), "kid"),
        (signed([1, 2]), "missing"),
        (signed({**members(), 14: 1}), "unknown member"),
        (signed({**members(), 7: True}), "another type"),
        (signed({**members(), 7: -1}), "minutes"),
        (signed({**members(), 4: 131_072}), "index"),
        (signed({**members(), 5: 253_402_300_800}), "time of issue"),
        (signed({**members(), 3: "441300-0"}), "status list"),
        (signed({**members(), 3: "810000-1"}), "status list"),
        (signed({**members(), 2: 999_999}), "region"),
        (signed({**members(), 6: 2}), "kind"),
        (signed({**members(), 9: 20_780, 10: 20_779}), "period"),
        (signed({**members(), 10: 10**12}), "period"),
        (signed({**members(), 1: bytes(15)}), "proof"),
        (signed({**members(), 11: bytes(31)}), "digest"),
        (signed({**members(), 13: bytes(23)}), "name"),
        (signed(dict(reversed(members().items()))), "deterministic"),
        (signed(b"\xbf\xff"), "CBOR"),
        (signed(b"\xa2\x01\x01\x01\x01"), "CBOR"),
        (signed(bytes.fromhex("81" * 200)), "CBOR"),
    ],
)
def test_any_other_form_is_invalid(text: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        qr_code.open_code(text, find)


def test_a_code_that_is_not_well_formed_does_not_exist() -> None:
    for changes in ({"index": 131_072}, {"last": "2025-12-31"}, {"first": "2026-1-1"}, {"region": "000000"}):
        with pytest.raises(Invalid):
            replace(CODE, **changes)
    with pytest.raises(Invalid, match="8 bytes"):
        qr_code.name_check("林小明", b"short")


@given(st.one_of(st.text(max_size=60), st.binary(max_size=400).map(encode_base64url)))
def test_arbitrary_text_raises_only_our_errors(text: str) -> None:
    with pytest.raises((Invalid, Untrusted)):
        qr_code.open_code(text, find)


@given(st.integers(0, len(raw()) * 8 - 1))
def test_no_single_bit_can_be_changed(bit: int) -> None:
    data = bytearray(raw())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises((Invalid, Untrusted)):
        qr_code.open_code(encode_base64url(bytes(data)), find)


@given(st.binary(max_size=200))
def test_arbitrary_payloads_well_signed_raise_only_our_errors(payload: bytes) -> None:
    with pytest.raises(Invalid):
        qr_code.open_code(signed(payload), find)


@given(
    st.dictionaries(
        st.integers(-1, 14), st.one_of(st.integers(), st.binary(max_size=40), st.text(max_size=12), st.none())
    )
)
def test_arbitrary_members_well_signed_raise_only_our_errors(changes: dict[int, object]) -> None:
    body = {**members(), **changes}
    try:
        qr_code.open_code(signed(cbor2.dumps(body, canonical=True)), find)
    except Invalid:
        return
    assert set(body) <= set(members()) | {12}


def test_many_lines_make_the_code_no_longer() -> None:
    long = credential(service(*(line(number) for number in range(40))))
    assert len(qr_code.seal(qr_code.describe(long, ISSUED, bytes(8)), KEY)) <= len(SEALED) + 8
    assert long.evidence is UNSET
