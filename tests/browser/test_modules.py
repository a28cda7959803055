"""The scripts of the pages against vectors that other implementations made, and against spoilt ones."""

import base64
import dataclasses
import json
from typing import Any

import cbor2
import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from ledger import merkle, notes
from ledger.credentials import code, data_integrity, issuing, model, status_list
from ledger.credentials.keys import multikey
from ledger.keys import SigningKey
from tests.browser.modules import call, data, refusals, run, values
from tests.browser.site import ERASED, EVENT, FIRST, INDEXES, LIST, VALID, Proofs
from tests.builders import ORIGIN, REGION, signing_key

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def proofs() -> Proofs:
    return Proofs("http://127.0.0.1:8000")


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
        "[" * 14 + "]" * 14,
        "}",
        ":",
    ],
)
def test_json_that_two_readers_may_read_differently_is_refused(text: str) -> None:
    assert refusals([call("jcs", "parse", text)]) == ["invalid"]


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


def test_inclusion_proofs_of_every_leaf_of_small_trees_hold_and_no_others() -> None:
    good, bad = [], []
    for size in range(1, 18):
        hashes = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
        root = merkle.tree_root(hashes)
        for index in range(size):
            path = merkle.prove_inclusion(index, size, lambda low, high, all=hashes: merkle.tree_root(all[low:high]))
            plain = [data(node) for node in path]
            big = [{"big": str(number)} for number in (index, size)]
            good.append(call("merkle", "checkInclusion", data(hashes[index]), *big, plain, data(root)))
            bad.append(call("merkle", "checkInclusion", data(root), *big, plain + [data(root)], data(root)))
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
    assert found == {"index": 1, "recordedAt": 1_795_000_000}
    calls = [
        call("merkle", "checkReceipt", receipt, event + " ", public),
        call("merkle", "checkReceipt", receipt, event, other),
        call("merkle", "checkReceipt", receipt.replace("index 1", "index 2"), event, public),
        call("merkle", "checkReceipt", receipt.replace("extra AA", "extra AQ"), event, public),
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


def keys_of(proofs: Proofs) -> dict[str, Any]:
    public = proofs.key.key.verifier.public
    return {"keys": {f"{REGION} {code.key_id(public).hex()}": public.hex()}}


def test_a_code_says_what_was_sealed(proofs: Proofs) -> None:
    sealed = proofs.code(VALID, level=None)
    opened = code.open_code(sealed, lambda region, kid: proofs.key.key.verifier.public)
    found, paged = values(
        [
            call("cose", "openCode", sealed, keys_of(proofs)),
            call("cose", "openCode", f"{proofs.base}/p/{VALID}#{sealed}", keys_of(proofs)),
        ]
    )
    expected = {name: value for name, value in dataclasses.asdict(opened).items() if value is not None}
    expected["digest"] = base64.urlsafe_b64encode(opened.digest).decode().rstrip("=")
    assert opened.name is not None
    expected["name"] = data(opened.name)
    assert found == paged == expected
    named = [call("cose", "statesName", found, name) for name in ("林小明", "林小萌")]
    assert values(named) == [True, False]


def test_a_code_that_was_not_sealed_by_the_region_is_refused(proofs: Proofs) -> None:
    sealed = proofs.code(VALID)
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    last = base64.urlsafe_b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode().rstrip("=")
    forged = code.seal(
        code.describe(model.decode(proofs.files[VALID]), proofs.now, b"\1" * 8),
        dataclasses.replace(proofs.key, key=SigningKey(proofs.key.did, b"\7" * 32)),
    )
    stolen = {"keys": {f"{REGION} {code.key_id(SigningKey('x', b'7' * 32).verifier.public).hex()}": "00" * 32}}
    calls = [
        call("cose", "openCode", last, keys_of(proofs)),
        call("cose", "openCode", forged, keys_of(proofs)),
        call("cose", "openCode", sealed, stolen),
        call("cose", "openCode", f"{proofs.base}/p/{FIRST}#{sealed}", keys_of(proofs)),
        call("cose", "openCode", sealed + "A", keys_of(proofs)),
        call("cose", "openCode", "", keys_of(proofs)),
        call("cose", "openCode", f"ftp://x/p/{VALID}#{sealed}", keys_of(proofs)),
    ]
    assert refusals(calls) == ["untrusted"] * 4 + ["invalid"] * 3


# -- documents ----------------------------------------------------------------------------------------


def spoil(proof_set: list[dict[str, Any]], place: int, **changes: Any) -> list[dict[str, Any]]:
    return [{**one, **changes} if at == place else one for at, one in enumerate(proof_set)]


def test_proof_sets_hold_only_whole_and_by_the_issuer(proofs: Proofs) -> None:
    document = json.loads(proofs.files[VALID])
    find = {"keys": {proofs.key.id: proofs.key.key.verifier.public.hex()}}
    jcs, rdfc = document["proof"]
    assert [jcs["cryptosuite"], rdfc["cryptosuite"]] == [data_integrity.JCS, data_integrity.RDFC]
    stranger = "did:web:elsewhere.example:regions:441300#" + proofs.key.multikey
    bad = [
        {**document, "name": "x"},
        {**document, "proof": [jcs]},
        {**document, "proof": [rdfc]},
        {**document, "proof": []},
        {**document, "proof": jcs},
        {**document, "proof": [jcs, rdfc, jcs]},
        {**document, "proof": spoil([jcs, rdfc], 0, proofValue=rdfc["proofValue"])},
        {**document, "proof": spoil([jcs, rdfc], 0, created="2026-11-22T08:00:01Z")},
        {**document, "proof": spoil([jcs, rdfc], 0, verificationMethod=stranger)},
        {**document, "proof": spoil([jcs, rdfc], 1, verificationMethod=stranger)},
        {**document, "proof": spoil([jcs, rdfc], 1, cryptosuite="unknown-2026")},
        {**document, "proof": spoil([jcs, rdfc], 0, proofPurpose="authentication")},
        {**document, "proof": spoil([jcs, rdfc], 0, **{"@context": document["@context"][:1]})},
        {**document, "proof": spoil([jcs, rdfc], 0, extra="x")},
    ]
    calls = [call("data-integrity", "checkProofs", one, find) for one in [document, *bad]]
    assert refusals(calls) == ["value"] + ["untrusted"] * len(bad)


@pytest.mark.parametrize("revoked", [[], [0], [7, 8, 131_071], list(range(0, 131_072, 3))])
def test_status_lists_tell_what_was_revoked(proofs: Proofs, revoked: list[int]) -> None:
    url = f"{proofs.base}/status/{LIST}"
    text = status_list.make(url, proofs.key, revoked, 1_795_000_000, 1_795_600_000).decode()
    find = {"keys": {proofs.key.id: proofs.key.key.verifier.public.hex()}}
    asked = [0, 1, 2, 3, 6, 7, 8, 9, 131_070, 131_071]
    calls = [call("status-list", "openList", text, url, find, then=("isRevoked", index)) for index in asked]
    assert values(calls) == [index in set(revoked) for index in asked]
    (found,) = values([call("status-list", "openList", text, url, find)])
    assert found == {"validFrom": 1_795_000_000, "validUntil": 1_795_600_000}


def test_a_status_list_of_another_or_with_other_bits_is_refused(proofs: Proofs) -> None:
    url = f"{proofs.base}/status/{LIST}"
    find = {"keys": {proofs.key.id: proofs.key.key.verifier.public.hex()}}
    text = status_list.make(url, proofs.key, [3], 1_795_000_000, None).decode()
    document = json.loads(text)
    none = {key: value for key, value in document.items() if key != "proof"}
    short = json.loads(text)
    short["credentialSubject"]["encodedList"] = "uH4sIAAAAAAAA"
    resigned = data_integrity.secure({k: v for k, v in short.items() if k != "proof"}, proofs.key, short["validFrom"])
    calls = [
        call("status-list", "openList", text, url + "0", find),
        call("status-list", "openList", json.dumps(none), url, find),
        call("status-list", "openList", json.dumps(short), url, find),
        call("status-list", "openList", text, url, {"keys": {}}),
        call("status-list", "openList", json.dumps(resigned), url, find),
        call("status-list", "openList", "{}", url, find),
        call("status-list", "openList", text, url, find, then=("isRevoked", 131_072)),
    ]
    assert refusals(calls) == ["untrusted"] * 4 + ["invalid"] * 3


# -- the whole check ----------------------------------------------------------------------------------


def lists(proofs: Proofs) -> dict[str, Any]:
    url = f"{proofs.base}/status/{LIST}"
    return {"lists": {url: (proofs.status_list(url) or b"").decode()}}


def trust(proofs: Proofs) -> dict[str, Any]:
    return {"trust": proofs.bundle().decode(), "now": proofs.now}


def test_the_browser_comes_to_what_the_server_comes_to(proofs: Proofs) -> None:
    good = json.loads(proofs.files[VALID])
    forged = {**good, "validFrom": "2026-01-01T00:00:00Z"}
    other = {**good, "issuer": {**good["issuer"], "id": "did:web:elsewhere.example:regions:441300"}}
    bare = {name: value for name, value in good.items() if name not in ("evidence", "proof")}
    unlogged = data_integrity.secure(bare, proofs.key, good["validFrom"])
    samples = [proofs.files[proof] for proof in INDEXES]
    samples += [json.dumps(one).encode() for one in (forged, other, unlogged, {**good, "extra": 1}, {}, [], 1)]
    samples += [f"{proofs.base}/p/{proof}#{proofs.code(proof)}".encode() for proof in (VALID, FIRST, ERASED)]
    samples += [f"https://evil.example/p/{VALID}#{proofs.code(VALID)}".encode()]
    answers = values(
        [call("check", "check", sample.decode(), trust(proofs), lists(proofs), proofs.now) for sample in samples]
    )
    for sample, answer in zip(samples, answers, strict=True):
        verdict = proofs.check_upload(sample)
        assert answer["outcome"] == verdict.outcome, sample
        if verdict.format != "unknown":
            steps = [(step["number"], step["code"], step["result"]) for step in answer["steps"]]
            assert steps == [(step.number, step.code, step.result) for step in verdict.steps], sample


def test_without_a_current_list_the_status_is_unknown_but_for_what_was_revoked(proofs: Proofs) -> None:
    later = proofs.now + proofs.list_seconds + 1
    later_trust = {**trust(proofs), "now": proofs.now}
    files = [proofs.files[VALID].decode(), proofs.files[FIRST].decode()]
    calls = [call("check", "check", text, later_trust, lists(proofs), later) for text in files]
    calls += [call("check", "check", text, later_trust, {"lists": {}}, proofs.now) for text in files]
    outcomes = [answer["outcome"] for answer in values(calls)]
    assert outcomes == ["status-unknown", "revoked", "status-unknown", "status-unknown"]


def test_a_proof_of_the_future_or_past_its_end_has_expired(proofs: Proofs) -> None:
    early = call("check", "check", proofs.files[VALID].decode(), trust(proofs), lists(proofs), proofs.now - 200_000)
    ending = replace(model.decode(proofs.files[VALID]), validUntil=proofs.issued)
    bare = replace(ending, evidence=UNSET, proof=UNSET)
    position = proofs.log.append(body := proofs.event(bare))
    file = file_of(proofs, bare, body, position)
    late = call("check", "check", file, trust(proofs), lists(proofs), proofs.now)
    assert [answer["outcome"] for answer in values([early, late])] == ["expired", "expired"]


def file_of(proofs: Proofs, credential: model.Credential, body: bytes, position: int) -> str:
    return issuing.finish(credential, EVENT, body, proofs.log.receipt(position), proofs.key).decode()


def test_a_bundle_that_its_keys_did_not_sign_is_refused(proofs: Proofs) -> None:
    bundle = proofs.bundle().decode()
    changed = bundle.replace("Huizhou", "Shenzhen")
    unsigned = json.loads(bundle)
    unsigned["note"] = unsigned["note"].rpartition("\n— ")[0] + "\n— x AAAAAAAA\n"
    calls = [
        call("trust", "openBundle", bundle, proofs.now),
        call("trust", "openBundle", changed, proofs.now),
        call("trust", "openBundle", json.dumps(unsigned), proofs.now),
        call("trust", "openBundle", bundle, 4_200_000_000),
        call("trust", "openBundle", "{}", proofs.now),
    ]
    assert refusals(calls) == ["value", "untrusted", "untrusted", "untrusted", "invalid"]
