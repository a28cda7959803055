"""The scripts of the pages against whole proofs: codes, proof sets, status lists, bundles, and the six steps."""

import base64
import dataclasses
import json
from typing import Any

import cbor2
import pytest
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from ledger.credentials import data_integrity, model, qr_code, status_list
from ledger.credentials.checking import reading, verify
from ledger.crypto.keys import SigningKey
from tests.browser.modules import call, data, refusals, values
from tests.browser.site import ERASED, FIRST, INDEXES, LIST, VALID, Proofs
from tests.support.builders import REGION, canonical

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


def keys_of(proofs: Proofs) -> dict[str, Any]:
    public = proofs.key.key.verifier.public
    return {"keys": {f"{REGION} {qr_code.key_id(public).hex()}": public.hex()}}


def test_a_code_says_what_was_sealed(proofs: Proofs) -> None:
    sealed = proofs.code(VALID, level=None)
    opened = qr_code.open_code(sealed, lambda region, kid: proofs.key.key.verifier.public)
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
    accented = {"name": data(qr_code.name_check("José", b"12345678"))}
    named = [call("cose", "statesName", accented, name) for name in ("José", "Jose\u0301", "Jose", "jose\u0301")]
    assert values(named) == [True, True, False, False]


def test_a_code_that_was_not_sealed_by_the_region_is_refused(proofs: Proofs) -> None:
    sealed = proofs.code(VALID)
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    last = base64.urlsafe_b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode().rstrip("=")
    forged = qr_code.seal(
        qr_code.describe(model.decode(proofs.files[VALID]), proofs.now, b"\1" * 8),
        dataclasses.replace(proofs.key, key=SigningKey(proofs.key.did, b"\7" * 32)),
    )
    # Signed by the region's key, under the name of another.
    _, unprotected, payload, _ = cbor2.loads(raw).value
    header = cbor2.dumps({1: -8, 4: b"12345678"}, canonical=True)
    signed = proofs.key.sign(cbor2.dumps(["Signature1", header, b"", payload]))
    renamed = cbor2.dumps(cbor2.CBORTag(18, [header, unprotected, payload, signed]), canonical=True)
    public = proofs.key.key.verifier.public.hex()
    named = {"keys": {f"{REGION} {b'12345678'.hex()}": public}}
    stolen = {"keys": {f"{REGION} {qr_code.key_id(SigningKey('x', b'7' * 32).verifier.public).hex()}": "00" * 32}}
    calls = [
        call("cose", "openCode", last, keys_of(proofs)),
        call("cose", "openCode", forged, keys_of(proofs)),
        call("cose", "openCode", sealed, stolen),
        call("cose", "openCode", base64.urlsafe_b64encode(renamed).decode().rstrip("="), named),
        call("cose", "openCode", f"{proofs.base}/p/{FIRST}#{sealed}", keys_of(proofs)),
        call("cose", "openCode", sealed + "A", keys_of(proofs)),
        call("cose", "openCode", "", keys_of(proofs)),
        call("cose", "openCode", f"ftp://x/p/{VALID}#{sealed}", keys_of(proofs)),
    ]
    assert refusals(calls) == ["untrusted"] * 5 + ["invalid"] * 3


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
    # Even a key that is known signs for its own name alone.
    find["keys"][stranger] = proofs.key.key.verifier.public.hex()
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
    renamed = data_integrity.secure({**none, "id": url + "0"}, proofs.key, short["validFrom"])
    calls = [
        call("status-list", "openList", text, url + "0", find),
        call("status-list", "openList", json.dumps(none), url, find),
        call("status-list", "openList", json.dumps(renamed), url, find),
        call("status-list", "openList", json.dumps(short), url, find),
        call("status-list", "openList", text, url, {"keys": {}}),
        call("status-list", "openList", json.dumps(resigned), url, find),
        call("status-list", "openList", "{}", url, find),
        call("status-list", "openList", text, url, find, then=("isRevoked", 131_072)),
    ]
    assert refusals(calls) == ["untrusted"] * 5 + ["invalid"] * 3


# -- the whole check ----------------------------------------------------------------------------------


def lists(proofs: Proofs) -> dict[str, Any]:
    url = f"{proofs.base}/status/{LIST}"
    return {"lists": {url: [(proofs.status_list(url) or b"").decode()]}}


def trust(proofs: Proofs) -> dict[str, Any]:
    return {"trust": proofs.bundle().decode(), "now": proofs.now}


def test_the_browser_comes_to_what_the_server_comes_to(proofs: Proofs) -> None:
    good = json.loads(proofs.files[VALID])
    forged = {**good, "validFrom": "2026-01-01T00:00:00Z"}
    other = {**good, "issuer": {**good["issuer"], "id": "did:web:elsewhere.example:regions:441300"}}
    bare = {name: value for name, value in good.items() if name not in ("evidence", "proof")}
    unlogged = data_integrity.secure(bare, proofs.key, good["validFrom"])
    samples = [proofs.files[proof] for proof in INDEXES]
    spoilt: list[Any] = [forged, other, unlogged, {**good, "extra": 1}, {}, [], 1]
    samples += [json.dumps(one).encode() for one in spoilt]
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
    ended = proofs.issue(bare(proofs, validUntil=proofs.issued))
    late = call("check", "check", ended.decode(), trust(proofs), lists(proofs), proofs.now)
    assert [answer["outcome"] for answer in values([early, late])] == ["expired", "expired"]


def bare(proofs: Proofs, **changes: Any) -> model.Credential:
    """A credential before it is signed, with something else in it."""
    return replace(model.decode(proofs.files[VALID]), evidence=UNSET, proof=UNSET, **changes)


def test_what_the_region_signed_and_should_not_have_fails_at_the_same_step(proofs: Proofs) -> None:
    status, subject = (getattr(bare(proofs), name) for name in ("credentialStatus", "credentialSubject"))
    listed = replace(status, statusListCredential="http://elsewhere.example/status/441300-1")
    tokens = replace(status, statusListCredential=f"{proofs.base}/status/{REGION}-t1")
    elsewhere = replace(subject, service=replace(subject.service, region="810000"))
    event = json.loads(proofs.event(bare(proofs)))
    wrong = {
        "address": (proofs.issue(bare(proofs, id=f"{proofs.base}/q/{VALID}")), "issuer"),
        "list": (
            proofs.issue(bare(proofs, credentialStatus=listed)),
            "issuer",
        ),
        "tokens": (proofs.issue(bare(proofs, credentialStatus=tokens)), "issuer"),
        "region": (proofs.issue(bare(proofs, credentialSubject=elsewhere)), "issuer"),
        "spelling": (proofs.issue(bare(proofs), json.dumps(event).encode()), "evidence"),
    }
    for member, value in {
        "type": "proof.revoked/1",
        "subject": f"proof:{FIRST}",
        "format": "sd-jwt",
        "credential": event["holder"],
        "status": {"index": 1, "list": LIST},
    }.items():
        wrong[member] = (proofs.issue(bare(proofs), canonical({**event, member: value})), "evidence")
    calls = [
        call("check", "check", file.decode(), trust(proofs), lists(proofs), proofs.now) for file, _ in wrong.values()
    ]
    for (name, (file, expected)), answer in zip(wrong.items(), values(calls), strict=True):
        for steps in (answer["steps"], [dataclasses.asdict(step) for step in proofs.check_upload(file).steps]):
            assert [step["code"] for step in steps if step["result"] == "failed"] == [expected], name


def test_what_a_region_signed_after_it_closed_is_not_believed(proofs: Proofs) -> None:
    bundle = proofs.bundle(closed="2026-01-01T00:00:00Z")
    closed = {"trust": bundle.decode(), "now": proofs.now}
    texts = [proofs.files[VALID].decode(), f"{proofs.base}/p/{VALID}#{proofs.code(VALID)}"]
    answers = values([call("check", "check", text, closed, lists(proofs), proofs.now) for text in texts])
    for text, answer in zip(texts, answers, strict=True):
        upload = reading.read(text.encode())
        verdict = verify.check(upload, proofs.trust(bundle), proofs.status_list, proofs.now)
        assert (answer["outcome"], verdict.outcome) == ("invalid", "invalid")
        assert answer["steps"][1]["result"] == verdict.steps[1].result == "failed"


def test_a_bundle_that_its_keys_did_not_sign_is_refused(proofs: Proofs) -> None:
    bundle = proofs.bundle().decode()
    changed = bundle.replace("Huizhou", "Shenzhen")
    unsigned = json.loads(bundle)
    unsigned["note"] = unsigned["note"].rpartition("\n— ")[0] + "\n— x AAAAAAAA\n"
    calls = [
        call("trust", "openBundle", bundle, proofs.now),
        call("trust", "openBundle", changed, proofs.now),
        call("trust", "openBundle", canonical(unsigned).decode(), proofs.now),
        call("trust", "openBundle", bundle, 4_200_000_000),
        call("trust", "openBundle", "{}", proofs.now),
    ]
    assert refusals(calls) == ["value", "untrusted", "untrusted", "untrusted", "invalid"]
