"""The VC-API of the test profile: what the W3C suites ask it to issue, and what else may come."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.credentials.data_integrity import JCS, RDFC
from ledger.limits import REQUEST_BYTES_MAX
from tests.api.vc_client import CLIENT, EXAMPLES, ISSUER, Document, issue, refused_by_issuer, v1, v2, verify
from tests.vcapi import documents, proofs

# -- issuing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("credential", [v2(), v1(), v2(issuer={"id": ISSUER, "name": "A school"})])
@pytest.mark.parametrize("suite", [JCS, RDFC])
def test_what_is_issued_is_verified(credential: Document, suite: str):
    issued = issue(credential, cryptosuite=suite)
    assert issued["proof"]["cryptosuite"] == suite
    assert issued["proof"]["verificationMethod"] == f"{ISSUER}#{ISSUER.removeprefix('did:key:')}"
    assert ("@context" in issued["proof"]) is (suite == JCS)
    assert verify(issued, checks=["proof"]) == {
        "verified": True,
        "checks": ["proof"],
        "warnings": [],
        "errors": [],
        "problemDetails": [],
    }


def test_both_suites_make_a_set():
    issued = issue(v2(), cryptosuite=[JCS, RDFC])
    assert [proof["cryptosuite"] for proof in issued["proof"]] == [JCS, RDFC]
    assert verify(issued)["verified"] is True
    issued["proof"][0]["proofValue"] = issued["proof"][1]["proofValue"]
    assert verify(issued)["verified"] is False


def test_without_options_there_is_one_proof():
    answer = CLIENT.post("/credentials/issue", json={"credential": v2()})
    assert answer.status_code == 201
    assert answer.json()["verifiableCredential"]["proof"]["cryptosuite"] == RDFC


def test_a_credential_of_version_1_gets_what_it_needs():
    issued = issue(v1(issuanceDate=...))
    assert issued["@context"] == [documents.V1, proofs.DATA_INTEGRITY]
    assert issued["issuanceDate"] == "2026-11-22T08:00:00Z"
    assert verify(issued)["verified"] is True
    assert verify(issue(v1(expirationDate="2027-01-01T00:00:00Z")))["verified"] is True


def test_the_issuer_is_always_ours():
    assert issue(v2(issuer="did:example:somebody"))["issuer"] == ISSUER


def test_options_enter_the_proof():
    made = issue(v2(), created="2026-01-01T00:00:00+08:00", domain="school.example", challenge="abc")["proof"]
    assert (made["created"], made["domain"], made["challenge"]) == (
        "2026-01-01T00:00:00+08:00",
        "school.example",
        "abc",
    )


NOT_ISSUED: dict[str, Any] = {
    "nothing": None,
    "a-string": "credential",
    "no-context": v2(**{"@context": ...}),
    "context-number": v2(**{"@context": 4}),
    "context-string": v2(**{"@context": documents.V2}),
    "context-empty": v2(**{"@context": []}),
    "context-object-first": v2(**{"@context": [{"foo": True}]}),
    "context-other-first": v2(**{"@context": [EXAMPLES, documents.V2]}),
    "context-item-number": v2(**{"@context": [documents.V2, 123192875]}),
    "context-item-no-url": v2(**{"@context": [documents.V2, "https ://not-a-url/contexts"]}),
    "context-unheard": v2(**{"@context": [documents.V2, "https://unheard.example/context"]}),
    "context-redefines": v2(**{"@context": [documents.V2, {"VerifiableCredential": "https://example.org/#Bad"}]}),
    "type-missing": v2(type=...),
    "type-number": v2(type=4),
    "type-item-null": v2(type=["VerifiableCredential", None]),
    "type-item-array": v2(type=["VerifiableCredential", []]),
    "type-other": v2(type=["AlumniCredential"]),
    "type-undefined": v1(type=["VerifiableCredential", "Unheard"]),
    "type-mapped-to-no-url": v2(**{"@context": [documents.V2, {"AlumniCredential": "https ://not-a-url#A"}]}),
    "term-undefined": v1(credentialSubject={"id": "did:example:a", "unheard": "of"}),
    "id-null": v2(id=None),
    "id-no-url": v2(id="https ://not-a-url"),
    "id-several": v2(id=["urn:x:1", "urn:x:2"]),
    "issuer-missing": v2(issuer=...),
    "issuer-null": v2(issuer=None),
    "issuer-array": v2(issuer=[]),
    "issuer-no-url": v2(issuer="fake-issuer"),
    "issuer-object-no-id": v2(issuer={"name": "A school"}),
    "subject-missing": v2(credentialSubject=...),
    "subject-string": v2(credentialSubject="did:example:1234"),
    "subject-null": v2(credentialSubject=None),
    "subject-without-claims": v2(credentialSubject={}),
    "subject-none": v2(credentialSubject=[]),
    "subject-one-empty": v2(credentialSubject=[{"id": "did:example:a"}, {}]),
    "subject-id-several": v2(credentialSubject={"id": ["did:example:a", "did:example:b"]}),
    "valid-from-words": v2(validFrom="Sat 25 Feb 2023 07:16:31 PM CST"),
    "valid-from-no-such-day": v2(validFrom="2023-02-30T00:00:00Z"),
    "valid-until-number": v2(validUntil=2023),
    "valid-until-before": v2(validFrom="2024-01-01T00:00:00Z", validUntil="2023-01-01T00:00:00Z"),
    "issuance-date-words": v1(issuanceDate="yesterday"),
    "status-without-type": v2(credentialStatus={"id": "https://status.example/1"}),
    "status-type-number": v2(credentialStatus={"id": "https://status.example/1", "type": 2}),
    "status-id-no-url": v2(credentialStatus={"id": "https ://not-a-url", "type": "StatusList"}),
    "schema-without-type": v2(credentialSchema={"id": "https://schema.example/1"}),
    "schema-without-id": v2(credentialSchema={"type": "JsonSchema"}),
    "schema-string": v2(credentialSchema="https://schema.example/1"),
    "terms-of-use-without-type": v2(termsOfUse=[{"id": "https://terms.example/1"}]),
    "evidence-without-type": v2(evidence={"id": "urn:x:1"}),
    "refresh-without-type": v2(refreshService={"id": "urn:x:1"}),
    "proof-without-type": v2(proof={"proofPurpose": "assertionMethod"}),
    "related-string": v2(relatedResource=["https://x.example/"]),
    "related-without-id": v2(relatedResource={"digestMultibase": "uAAAA"}),
    "related-without-digest": v2(relatedResource={"id": "https://x.example/"}),
    "related-bad-digest": v2(relatedResource={"id": "https://x.example/", "digestSRI": "sha384-_-_"}),
    "related-twice": v2(relatedResource=[{"id": "urn:x:1", "digestMultibase": "uAAAA"}] * 2),
    "name-number": v2(name=5),
    "name-with-more": v2(name={"@value": "A", "@language": "en", "url": "did:example:a"}),
    "issuer-description-with-more": v2(issuer={"id": ISSUER, "description": {"@value": "A", "url": "urn:x:y"}}),
}


@pytest.mark.parametrize("suite", [JCS, RDFC])
@pytest.mark.parametrize("reason", NOT_ISSUED)
def test_not_issued(reason: str, suite: str):
    assert refused_by_issuer(NOT_ISSUED[reason], cryptosuite=suite)


def test_what_is_out_of_the_ordinary_but_right_is_issued():
    for ordinary in (
        v2(type="VerifiableCredential"),
        v2(name={"@value": "名", "@language": "zh", "@direction": "ltr"}, description=[{"@value": "A"}, "B"]),
        v2(validFrom="2023-02-25T19:10:39.123-06:00", validUntil="2099-01-01T00:00:00Z"),
        v2(relatedResource={"id": "urn:x:1", "digestSRI": "sha384-AAAA"}),
        v2(**{"@context": [documents.V2, {"AlumniCredential": "https://x.example/#A", "alumniOf": "urn:x:of"}]}),
        v2(proof={"type": "Ed25519Signature2020", "proofValue": "z58D"}),
    ):
        assert issue(ordinary)["issuer"] == ISSUER


@pytest.mark.parametrize(
    "options",
    [
        {"cryptosuite": "ecdsa-rdfc-2019"},
        {"cryptosuite": []},
        {"cryptosuite": [RDFC, RDFC]},
        {"cryptosuite": {"name": RDFC}},
        {"type": "Ed25519Signature2020"},
        {"created": "yesterday"},
    ],
)
def test_options_that_are_not_understood_are_refused(options: dict[str, Any]):
    assert refused_by_issuer(v2(), **options)


# -- what else may come ---------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"4", b"\xff", b"[" * 50_000, b'{"credential":{}}'])
@pytest.mark.parametrize("path", ["/credentials/issue", "/credentials/verify", "/presentations/verify"])
def test_what_is_no_request_is_a_bad_request(path: str, body: bytes):
    assert CLIENT.post(path, content=body).status_code == 400


def test_too_much_is_told_as_such():
    assert CLIENT.post("/credentials/verify", content=b" " * (REQUEST_BYTES_MAX + 1)).status_code == 413
    assert CLIENT.get("/credentials/issue").status_code == 405
    assert CLIENT.post("/elsewhere").status_code == 404


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60)
@given(name=st.sampled_from([*v2(), "proof", "credentialStatus", "evidence", "name"]), value=VALUES, old=st.booleans())
def test_whatever_stands_in_a_credential_is_issued_or_refused(name: str, value: Any, old: bool):
    credential = {**(v1() if old else v2()), name: value}
    for path, body in {"issue": {"credential": credential}, "verify": {"verifiableCredential": credential}}.items():
        data = json.dumps({**body, "options": {}})
        assert CLIENT.post(f"/credentials/{path}", content=data).status_code in {201, 400}


@settings(max_examples=60)
@given(name=st.sampled_from([*issue(v2())["proof"], "id", "expires", "domain", "previousProof"]), value=VALUES)
def test_whatever_stands_in_a_proof_is_refused(name: str, value: Any):
    issued = issue(v2())
    spoiled = {**issued, "proof": {**issued["proof"], name: value}}
    answer = CLIENT.post("/credentials/verify", content=json.dumps({"verifiableCredential": spoiled}))
    # In RDF a member that was not there and now is null says nothing, and changes nothing.
    assert answer.status_code == 400 or (answer.status_code == 200 and name not in issued["proof"])


def test_a_document_that_is_dear_to_canonicalise_is_refused():
    crowd = [{"id": f"_:n{number}", "knows": [{"id": f"_:n{other}"} for other in range(10)]} for number in range(10)]
    assert "without an id" in refused_by_issuer(v2(credentialSubject=[{"knows": crowd}]))


def test_nothing_that_is_deployed_knows_of_it():
    told = "import sys, api.app, api.cli.main; print(sorted(name for name in sys.modules if name.startswith('api.vc')))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
