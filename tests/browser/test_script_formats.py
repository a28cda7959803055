"""The scripts of the pages against what other implementations write: JSON, keys, notes, trees, CBOR."""

import json
from typing import Any

import cbor2
import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.crypto.multikey import multikey
from ledger.limits import BODY_DEPTH_MAX
from ledger.tlog import merkle, notes
from tests.browser.modules import call, data, refusals, run, values
from tests.browser.site import VALID, Proofs
from tests.support.builders import ORIGIN, signing_key

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


# -- canonical JSON -----------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PLAIN, min_size=20, max_size=60))
def test_what_is_read_is_written_as_rfc_8785_says(documents: list[Any]) -> None:
    calls = [call("jcs", "parse", json.dumps(document)) for document in documents]
    read = values(calls)
    written = values([call("jcs", "canonicalise", document) for document in read])
    assert [text.encode() for text in written] == [rfc8785.dumps(document) for document in documents]


@settings(max_examples=4, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=50, max_size=200))
def test_numbers_are_written_as_rfc_8785_says(numbers: list[float]) -> None:
    (written,) = values([call("jcs", "canonicalise", numbers)])
    assert written.encode() == rfc8785.dumps(numbers)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":2}',
        "1.5",
        "1e3",
        "-0",
        "9007199254740992",
        '"\\ud800"',
        '{"a":1,}',
        "[1,]",
        "[1 2]",
        "{1:2}",
        '{"a" 1}',
        "[1]]",
        "[",
        "",
        "01",
        "nul",
        '"\t"',
        '"\\x41"',
        "[" * 9 + "]" * 9,
        "}",
        ":",
    ],
)
def test_json_that_two_readers_may_read_differently_is_refused(text: str) -> None:
    assert refusals([call("jcs", "parse", text)]) == ["invalid"]


def test_json_as_deep_as_a_document_may_be_is_read() -> None:
    deepest = "[" * BODY_DEPTH_MAX + "]" * BODY_DEPTH_MAX
    assert refusals([call("jcs", "parse", deepest), call("jcs", "parse", f"[{deepest}]")]) == ["value", "invalid"]


def test_a_member_called_proto_is_a_member_like_any_other() -> None:
    (read,) = values([call("jcs", "parse", '{"__proto__":{"a":1}}', then=("hasOwnProperty", "__proto__"))])
    assert read is True


# -- keys and notes -----------------------------------------------------------------------------------


def test_multikeys_give_the_bytes_that_they_were_made_of() -> None:
    keys = [signing_key("region", number).verifier.public for number in range(20)]
    read = values([call("multikey", "parseEd25519", multikey(key)) for key in keys])
    assert read == [data(key) for key in keys]


def test_a_multikey_that_is_not_one_is_refused() -> None:
    good = multikey(signing_key("region").verifier.public)
    bad = [good[:-1], good + "1", "z1" + good[1:], "u" + good[1:], good.replace(good[5], "0", 1), "z", ""]
    bad.append("zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv")  # P-256
    assert refusals([call("multikey", "parseEd25519", text) for text in bad]) == ["invalid"] * len(bad)


def test_notes_verify_under_the_key_that_signed_them_and_no_other() -> None:
    key, other = signing_key(ORIGIN), signing_key(ORIGIN, 1)
    note = notes.sign("一\nline\n", [other, key])
    (parsed,) = values([call("note", "parseNote", note)])
    public = [{"name": one.name, "id": one.id, "publicKey": data(one.verifier.public)} for one in (key, other)]
    read = values([call("note", "parseVerifierKey", str(one)) for one in (key, other)])
    assert [{**one, "publicKey": one["publicKey"]} for one in read] == public
    stranger = {**public[0], "name": "another"}
    calls = [call("note", "verifyNote", parsed, one) for one in (*public, stranger)]
    calls.append(call("note", "verifyNote", {**parsed, "text": "changed\n"}, public[0]))
    assert refusals(calls) == ["value", "value", "untrusted", "untrusted"]


def test_what_is_not_a_note_or_key_is_refused() -> None:
    good = notes.sign("text\n", [signing_key(ORIGIN)])
    bad = [good[:-1], good.replace("\n\n", "\n"), good.replace("—", "-"), good.replace("text", "te\rxt"), "", "\n\n"]
    vkey = str(signing_key(ORIGIN))
    name, _, encoded = vkey.split("+", 2)
    keys = ["", name, vkey[:-4], f"{name}+00000000+{encoded}", f"other+{vkey.partition('+')[2]}"]
    calls = [call("note", "parseNote", text) for text in bad]
    calls += [call("note", "parseVerifierKey", text) for text in keys]
    assert refusals(calls) == ["invalid"] * len(calls)


# -- trees and receipts -------------------------------------------------------------------------------


def subtree(hashes: list[bytes]) -> merkle.Subtree:
    return lambda low, high: merkle.tree_root(hashes[low:high])


def test_inclusion_proofs_of_every_leaf_of_small_trees_hold_and_no_others() -> None:
    good, bad = [], []
    for size in range(1, 18):
        hashes = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
        root = merkle.tree_root(hashes)
        for index in range(size):
            path = merkle.prove_inclusion(index, size, subtree(hashes))
            plain = [data(node) for node in path]
            big = [{"big": str(number)} for number in (index, size)]
            good.append(call("merkle", "checkInclusion", data(hashes[index]), *big, plain, data(root)))
            bad.append(call("merkle", "checkInclusion", data(root), *big, [*plain, data(root)], data(root)))
            if path:
                bad.append(call("merkle", "checkInclusion", data(hashes[index]), *big, plain[:-1], data(root)))
    assert refusals(good) == ["value"] * len(good)
    assert refusals(bad) == ["untrusted"] * len(bad)


def test_receipts_hold_for_their_event_alone(proofs: Proofs) -> None:
    document = json.loads(proofs.files[VALID])
    ((evidence,), key) = document["evidence"], signing_key(ORIGIN)
    event, receipt = evidence["event"], evidence["tlogProof"]
    public = {"name": key.name, "id": key.id, "publicKey": data(key.verifier.public)}
    other = {**public, "publicKey": data(signing_key(ORIGIN, 1).verifier.public)}
    (found,) = values([call("merkle", "checkReceipt", receipt, event, public)])
    assert found == {"index": 1, "recordedAt": proofs.log.now}
    calls = [
        call("merkle", "checkReceipt", receipt, event + " ", public),
        call("merkle", "checkReceipt", receipt, event, other),
        call("merkle", "checkReceipt", receipt.replace("index 1", "index 2"), event, public),
        call("merkle", "checkReceipt", receipt.replace("extra AA", "extra AQ", 1), event, public),
        call("merkle", "checkReceipt", receipt.replace("index 1", "index 01"), event, public),
        call("merkle", "checkReceipt", receipt.replace("tlog-proof@v1", "tlog-proof@v2"), event, public),
        call("merkle", "checkReceipt", "", event, public),
    ]
    assert refusals(calls) == ["untrusted"] * 4 + ["invalid"] * 3


# -- CBOR and the signed code -------------------------------------------------------------------------

CBOR = st.recursive(
    st.integers(-(2**52), 2**53 - 1) | st.binary(max_size=40) | TEXTS,
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)


def cbor_plain(value: Any) -> Any:
    """A value as an answer has it."""
    if isinstance(value, bytes):
        return data(value)
    return [cbor_plain(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=6, deadline=None)
@given(st.lists(CBOR, min_size=20, max_size=40))
def test_cbor_is_read_as_another_library_writes_it(items: list[Any]) -> None:
    read = values([call("cbor", "decode", data(cbor2.dumps(item, canonical=True))) for item in items])
    assert read == [cbor_plain(item) for item in items]


@settings(max_examples=6, deadline=None)
@given(st.lists(st.binary(max_size=30), min_size=50, max_size=100))
def test_arbitrary_bytes_are_no_cbor_or_deterministic_cbor(samples: list[bytes]) -> None:
    for answer in run([call("cbor", "decode", data(sample)) for sample in samples]):
        assert "value" in answer or "invalid" in answer


@pytest.mark.parametrize(
    "spelling",
    ["1800", "190001", "1bffffffffffffffff", "5f4101ff", "9fff", "a2020101", "a201010101", "a202010101", "f4", "fb", "",
     "0000", "62c328", "d8", "9bffffffff", "818181818100"],
)  # fmt: skip
def test_cbor_that_is_not_deterministic_is_refused(spelling: str) -> None:
    assert refusals([call("cbor", "decode", {"hex": spelling})]) == ["invalid"]
