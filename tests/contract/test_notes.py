"""Keys and signed notes against Go's sumdb/note, in both directions."""

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.crypto import keys
from ledger.crypto.keys import SigningKey, parse_skey, parse_vkey
from ledger.errors import Invalid
from ledger.tlog import notes
from tests.contract.golang import Go, GoError
from tests.support.builders import KNOWN, signing_key, vectors

# Where the ledger is stricter on purpose: lower limits, one spelling of everything, no DEL, no weak keys.
GO_OPENS = {"65-signatures", "16385-bytes", "delete-in-text", "trailing-bits"}
GO_TAKES = {
    "control-in-name",
    "newline-at-the-end",
    "not-canonical-negative-zero-x",
    "not-canonical-y-above-p",
    "not-canonical-y-is-p",
    "small-order-1",
    "small-order-2",
    "small-order-4",
    "small-order-4-negative",
    "small-order-8",
    "upper-case-key-id",
}

once = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"), min_size=1)
lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
texts = st.lists(lines, min_size=1, max_size=6).map(lambda parts: "\n".join(parts) + "\n")
seeds = st.binary(min_size=32, max_size=32)


@once
@given(name=names, seed=seeds)
def test_keys_are_written_alike(go: Go, name: str, seed: bytes):
    key, theirs = SigningKey(name, seed), go("vkey", name=name, seed=seed.hex())
    assert str(key.verifier) == theirs["vkey"]
    assert key.secret_text() == theirs["skey"]
    assert parse_vkey(theirs["vkey"]) == key.verifier
    assert parse_skey(theirs["skey"]) == key


def test_names_are_accepted_alike(go: Go):
    """All that could be blank or a control; Go lets the ASCII controls pass that are no white space."""
    blanks = [chr(code) for code in range(0x10000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zs", "Zl", "Zp")]
    for character in [*blanks, "+", "é", "惠", "𠮷"]:
        name = f"a{character}b"
        strict = character < " " or character == "\x7f"
        assert accepted_here(name) is (not strict and accepted_by_go(go, name)), ascii(name)


def accepted_here(name: str) -> bool:
    try:
        keys.check_name(name)
    except Invalid:
        return False
    return True


def accepted_by_go(go: Go, name: str) -> bool:
    try:
        go("vkey", name=name, seed=bytes(32).hex())
    except GoError:
        return False
    return True


@once
@given(text=texts, name=names, count=st.integers(1, 3))
def test_notes_are_signed_alike_and_opened_by_both(go: Go, text: str, name: str, count: int):
    signers = [signing_key(name, number) for number in range(count)]
    note = notes.sign(text, signers)
    assert go("sign", text=text, skeys=[key.secret_text() for key in signers])["note"] == note

    opened = go("open", note=note, vkeys=[str(key.verifier) for key in signers])
    assert opened["ok"]
    assert opened["text"] == text
    assert opened["signed_by"] == [f"{key.name}+{key.id}" for key in signers]

    parsed = notes.parse(note)
    assert parsed.text == text
    for key in signers:
        parsed.verify(key.verifier)


def go_opens(go: Go, data: bytes) -> bool:
    return bool(data) and go("open", note_hex=data.hex(), vkey=str(KNOWN.verifier))["ok"]


@pytest.mark.parametrize("data", vectors("notes/valid"))
def test_valid_notes_are_opened_by_go(go: Go, data: bytes):
    assert go_opens(go, data)


@pytest.mark.parametrize("data", vectors("notes/invalid"))
def test_invalid_notes_are_refused_by_go(go: Go, data: bytes, request: pytest.FixtureRequest):
    assert go_opens(go, data) is (request.node.callspec.id in GO_OPENS)


def go_takes(go: Go, vkey: str) -> bool:
    """Whether the key is well-formed to Go: it then looks for a signature, and finds none in this note."""
    unsigned = "text\n\n— another AAAAAAAA\n"
    return "no verifiable signatures" in go("open", note=unsigned, vkey=vkey)["error"]


@pytest.mark.parametrize("data", vectors("vkeys/valid"))
def test_valid_keys_are_taken_by_go(go: Go, data: bytes):
    assert go_takes(go, data.decode())


@pytest.mark.parametrize("data", vectors("vkeys/invalid"))
def test_invalid_keys_are_refused_by_go(go: Go, data: bytes, request: pytest.FixtureRequest):
    assert go_takes(go, data.decode()) is (request.node.callspec.id in GO_TAKES)
