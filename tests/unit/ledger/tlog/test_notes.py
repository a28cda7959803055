"""Signed notes: known answers, and the many ways in which a note is not one."""

import base64

import pytest

from ledger import limits
from ledger.errors import Invalid, Untrusted
from ledger.tlog import notes
from tests.support.builders import KNOWN, signing_key, vectors

ROOT = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg="
TEXT = f"region-a.example/ledger\n8\n{ROOT}\n"
SIGNATURE = "Vega4r1yGFmd9pXfelxracDe55h1m2PL5Y0uvz3ZMJPx+2LOx/6FdW+3HRqKQyp96ZqZR8xSnKEaffrsxmDTGOLqNQ0="
OTHER = signing_key("witness.example")


def line(name: str, value: bytes) -> str:
    return f"— {name} {base64.b64encode(value).decode()}\n"


def test_the_known_signature():
    note = notes.sign(TEXT, [KNOWN])
    assert note == f"{TEXT}\n— region-a.example/ledger {SIGNATURE}\n"
    parsed = notes.parse(note)
    parsed.verify(KNOWN.verifier)
    assert parsed.text == TEXT
    assert parsed.lines == ["region-a.example/ledger", "8", ROOT]
    assert parsed.signatures == (notes.Signature(KNOWN.name, KNOWN.id, base64.b64decode(SIGNATURE)[4:]),)


@pytest.mark.parametrize("data", vectors("notes/valid"))
def test_a_note_is_cut_apart_and_verified(data: bytes):
    note = notes.parse(data)
    note.verify(KNOWN.verifier)
    lines = (line(one.name, bytes.fromhex(one.key_id) + one.value) for one in note.signatures)
    assert f"{note.text}\n{''.join(lines)}".encode() == data


@pytest.mark.parametrize("data", vectors("notes/invalid"))
def test_what_is_no_note_is_refused(data: bytes):
    with pytest.raises(Invalid):
        notes.parse(data)


@pytest.mark.parametrize("text", ["\ud800", TEXT + "\n\ud800\n"], ids=ascii)
def test_text_that_has_no_bytes_is_refused(text: str):
    with pytest.raises(Invalid):
        notes.parse(text)


def test_the_limits_are_met_by_the_vectors():
    found = {one.id: one.values[0] for one in vectors("notes/valid")}
    assert len(found["16384-bytes"]) == limits.NOTE_BYTES_MAX
    assert len(notes.parse(found["64-signatures"]).signatures) == limits.NOTE_SIGNATURES_MAX


# -- verifying ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("8", "9"),
        ("\n8", "\n8 "),
        ("8\n", "8\n\n"),
        ("\n\n", "\n\n\n"),
        (TEXT, "\ufeff" + TEXT),
        (TEXT[0], TEXT[0].upper()),
    ],
    ids=["digit", "space", "blank line", "extra blank", "byte order mark", "letter"],
)
def test_a_tampered_text_is_untrusted(old: str, new: str):
    note = notes.parse(notes.sign(TEXT, [KNOWN]).replace(old, new, 1))
    with pytest.raises(Untrusted):
        note.verify(KNOWN.verifier)


def test_every_line_is_verified_under_its_own_key():
    note = notes.parse(notes.sign(TEXT, [KNOWN, OTHER]))
    note.verify(KNOWN.verifier)
    note.verify(OTHER.verifier)
    with pytest.raises(Untrusted, match="no signature by"):
        note.verify(signing_key("witness.example", 1).verifier)


def test_a_signature_counts_only_under_the_name_and_id_of_its_key():
    value = KNOWN.sign(TEXT.encode())
    for name, key_id in ((OTHER.name, KNOWN.id), (KNOWN.name, OTHER.id), (KNOWN.name.upper(), KNOWN.id)):
        with pytest.raises(Untrusted):
            notes.parse(TEXT + "\n" + line(name, bytes.fromhex(key_id) + value)).verify(KNOWN.verifier)


@pytest.mark.parametrize("value", [b"\0", bytes(63), bytes(64), bytes(72)], ids=len)
def test_a_signature_of_another_kind_is_untrusted(value: bytes):
    with pytest.raises(Untrusted):
        notes.parse(TEXT + "\n" + line(KNOWN.name, bytes.fromhex(KNOWN.id) + value)).verify(KNOWN.verifier)


def test_a_false_signature_is_not_made_good_by_a_true_one():
    false = line(KNOWN.name, bytes.fromhex(KNOWN.id) + bytes(64))
    head, true = notes.sign(TEXT, [KNOWN]).split("\n\n")
    with pytest.raises(Untrusted):
        notes.parse(f"{head}\n\n{false}{true}").verify(KNOWN.verifier)


# -- signing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "no newline", "a\rb\n", "a\tb\n", "\x00\n", "\x7f\n"], ids=ascii)
def test_a_text_that_no_note_may_hold_is_not_signed(text: str):
    with pytest.raises(Invalid):
        notes.sign(text, [KNOWN])
