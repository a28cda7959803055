"""The VC-API of the test profile: what the W3C suites send it, and what packages from npm make of its answers."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api import vcapi, vcdm, vcproofs
from ledger.credentials import did
from ledger.credentials.data_integrity import JCS, RDFC, sign
from ledger.credentials.keys import CredentialKey
from ledger.keys import SigningKey
from ledger.limits import REQUEST_BYTES_MAX
from tests.contract.javascript import ask

JS = Path(__file__).resolve().parents[1] / "contract" / "js"
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
CLIENT = TestClient(vcapi.create_vc_api(b"\1" * 32, lambda: NOW))
ISSUER = CLIENT.get("/").json()["issuer"]
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
Document = dict[str, Any]


def v2(**changes: Any) -> Document:
    plain = {
        "@context": [vcdm.V2, EXAMPLES],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "AlumniCredential"],
        "issuer": ISSUER,
        "validFrom": "2023-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
    }
    return {name: value for name, value in {**plain, **changes}.items() if value is not ...}


def v1(**changes: Any) -> Document:
    plain = {
        "@context": [vcdm.V1],
        "id": "urn:uuid:86294362-4254-4f36-854f-3952fe42555d",
        "type": ["VerifiableCredential"],
        "issuer": ISSUER,
        "issuanceDate": "2020-03-16T22:37:26Z",
        "credentialSubject": {"id": "did:example:abcdefgh"},
    }
    return {name: value for name, value in {**plain, **changes}.items() if value is not ...}


def issue(credential: Any, **options: Any) -> Document:
    answer = CLIENT.post("/credentials/issue", json={"credential": credential, "options": options})
    assert answer.status_code == 201, answer.text
    found: Document = answer.json()["verifiableCredential"]
    return found


def verify(credential: Any, path: str = "credential", **options: Any) -> Document:
    name = f"verifiable{path.capitalize()}"
    answer = CLIENT.post(f"/{path}s/verify", json={name: credential, "options": options})
    found: Document = answer.json()
    assert (answer.status_code == 200) is found["verified"]
    assert answer.status_code in {200, 400}
    return found


def refused_by_issuer(credential: Any, **options: Any) -> str:
    answer = CLIENT.post("/credentials/issue", json={"credential": credential, "options": options})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 400
    assert problem["type"].startswith("https://")
    detail: str = problem["detail"]
    return detail


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
    assert issued["@context"] == [vcdm.V1, vcproofs.DATA_INTEGRITY]
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
    "context-string": v2(**{"@context": vcdm.V2}),
    "context-empty": v2(**{"@context": []}),
    "context-object-first": v2(**{"@context": [{"foo": True}]}),
    "context-other-first": v2(**{"@context": [EXAMPLES, vcdm.V2]}),
    "context-item-number": v2(**{"@context": [vcdm.V2, 123192875]}),
    "context-item-no-url": v2(**{"@context": [vcdm.V2, "https ://not-a-url/contexts"]}),
    "context-unheard": v2(**{"@context": [vcdm.V2, "https://unheard.example/context"]}),
    "context-redefines": v2(**{"@context": [vcdm.V2, {"VerifiableCredential": "https://example.org/#Bad"}]}),
    "type-missing": v2(type=...),
    "type-number": v2(type=4),
    "type-item-null": v2(type=["VerifiableCredential", None]),
    "type-item-array": v2(type=["VerifiableCredential", []]),
    "type-other": v2(type=["AlumniCredential"]),
    "type-undefined": v1(type=["VerifiableCredential", "Unheard"]),
    "type-mapped-to-no-url": v2(**{"@context": [vcdm.V2, {"AlumniCredential": "https ://not-a-url#A"}]}),
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
        v2(**{"@context": [vcdm.V2, {"AlumniCredential": "https://x.example/#A", "alumniOf": "urn:x:of"}]}),
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


# -- verifying ------------------------------------------------------------------------------------

SPOILED: dict[str, Callable[[Document], Any]] = {
    "claim": lambda vc: vc["credentialSubject"].update(alumniOf="Another"),
    "claim-added": lambda vc: vc["credentialSubject"].update(undefinedTerm="IfDroppedWillVerify"),
    "type-added": lambda vc: vc["type"].append("Another"),
    "issuer": lambda vc: vc.update(issuer="did:key:z6MkpJySvETLnxhQG9DzEdmKJtysBDjuuTeDfUj1uNNCUqcj"),
    "context-emptied": lambda vc: vc.update({"@context": []}),
    "proof-missing": lambda vc: vc.pop("proof"),
    "proof-null": lambda vc: vc.update(proof=None),
    "proof-string": lambda vc: vc.update(proof="proof"),
    "proof-none": lambda vc: vc.update(proof=[]),
    "proof-five": lambda vc: vc.update(proof=[vc["proof"]] * 5),
    "proof-type-missing": lambda vc: vc["proof"].pop("type"),
    "proof-type": lambda vc: vc["proof"].update(type="UnknownProofType"),
    "cryptosuite": lambda vc: vc["proof"].update(cryptosuite="UnknownCryptosuite"),
    "cryptosuite-object": lambda vc: vc["proof"].update(cryptosuite={}),
    "purpose-missing": lambda vc: vc["proof"].pop("proofPurpose"),
    "purpose": lambda vc: vc["proof"].update(proofPurpose="authentication"),
    "method-missing": lambda vc: vc["proof"].pop("verificationMethod"),
    "method": lambda vc: vc["proof"].update(verificationMethod="did:key:invalidVm"),
    "method-web": lambda vc: vc["proof"].update(verificationMethod="did:web:ledger.example#key"),
    "method-p256": lambda vc: vc["proof"].update(
        verificationMethod="did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"
        "#zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"
    ),
    "value-missing": lambda vc: vc["proof"].pop("proofValue"),
    "value-null": lambda vc: vc["proof"].update(proofValue=None),
    "value-without-header": lambda vc: vc["proof"].update(proofValue=vc["proof"]["proofValue"][1:]),
    "value-other": lambda vc: vc["proof"].update(proofValue="z" + "1" * 64),
    "created": lambda vc: vc["proof"].update(created="invalidDate"),
    "created-other": lambda vc: vc["proof"].update(created="2020-01-01T00:00:00Z"),
    "created-missing": lambda vc: vc["proof"].pop("created"),
    "expired-proof": lambda vc: vc["proof"].update(expires="2020-01-01T00:00:00Z"),
    "after-nothing": lambda vc: vc["proof"].update(previousProof="urn:uuid:test:missing:proof"),
    "after-itself": lambda vc: vc["proof"].update(id="urn:x:y", previousProof="urn:x:y"),
    "subject-missing": lambda vc: vc.pop("credentialSubject"),
}


@pytest.mark.parametrize("suite", [JCS, RDFC])
@pytest.mark.parametrize("reason", SPOILED)
def test_not_verified(reason: str, suite: str):
    issued = issue(v2(), cryptosuite=suite)
    SPOILED[reason](issued)
    found = verify(issued)
    assert found["verified"] is False
    assert [error["type"] for error in found["errors"]] == [found["type"]]
    assert found["detail"]


KEY = CredentialKey(SigningKey(ISSUER, b"\1" * 32))
SIGNED_AND_REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "other-purpose": ({}, {"proofPurpose": "authentication"}, "not for assertionMethod"),
    "expired": ({}, {"expires": "2026-11-22T07:59:59Z"}, "has expired"),
    "key-of-another-did": (
        {"issuer": "did:key:z6MkpJySvETLnxhQG9DzEdmKJtysBDjuuTeDfUj1uNNCUqcj"},
        {"verificationMethod": f"did:key:z6MkpJySvETLnxhQG9DzEdmKJtysBDjuuTeDfUj1uNNCUqcj#{KEY.multikey}"},
        "its did:key has not",
    ),
    "another-issuer": ({"issuer": "did:key:z6MkpJySvETLnxhQG9DzEdmKJtysBDjuuTeDfUj1uNNCUqcj"}, {}, "no proof is by"),
    "undefined-term": ({"@context": [vcdm.V2], "type": ["VerifiableCredential"]}, {}, "not defined"),
    "created-no-date": ({}, {"created": "invalidDate"}, "not a date"),
}


@pytest.mark.parametrize("reason", SIGNED_AND_REFUSED)
def test_properly_signed_and_refused_all_the_same(reason: str):
    changes, options, said = SIGNED_AND_REFUSED[reason]
    document = v2(**changes)
    proof = {name: value for name, value in issue(v2(), cryptosuite=JCS)["proof"].items() if name != "proofValue"}
    signed = sign(document, {**proof, "@context": document["@context"], **options}, KEY)
    assert said in verify({**document, "proof": signed})["detail"]


def test_contexts_may_be_added_only_behind_those_that_a_proof_repeats():
    """vc-di-eddsa 1.0, 3.3.2, step 4; a credential of our own is held to all of its contexts."""
    added = "https://www.w3.org/ns/credentials/undefined-terms/v2"
    for suite, verified in {JCS: True, RDFC: False}.items():
        issued = issue(v2(), cryptosuite=suite)
        issued["@context"].append(added)
        assert verify(issued)["verified"] is verified
    issued = issue(v2(), cryptosuite=JCS)
    issued["proof"]["@context"] = [EXAMPLES]
    assert "another @context" in verify(issued)["detail"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"validUntil": "2026-11-22T07:59:59Z"}, "expired"),
        ({"validFrom": "2026-11-22T08:00:01Z"}, "not valid yet"),
    ],
)
def test_a_credential_out_of_its_period_is_not_verified(changes: dict[str, Any], said: str):
    assert said in verify(issue(v2(**changes)))["detail"]


def test_a_domain_and_challenge_that_are_asked_for_must_be_there():
    issued = issue(v2(), domain="school.example", challenge="abc")
    assert verify(issued, domain="school.example", challenge="abc")["verified"] is True
    assert verify(issued, domain="other.example")["verified"] is False
    assert verify(issued, challenge="other")["verified"] is False


def test_a_status_that_was_not_looked_up_is_told():
    entry = {"id": "https://status.example/1#2", "type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    issued = issue(v2(credentialStatus=entry))
    assert "not looked up" in verify(issued)["warnings"][0]["detail"]
    assert verify(issued, checks=["proof", "credentialStatus"])["verified"] is False


VECTOR = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
OLDER = "https://w3id.org/security/suites/ed25519-2020/v1"


@pytest.mark.parametrize(
    ("kind", "value", "context"),
    [
        (
            {"type": "DataIntegrityProof", "cryptosuite": RDFC},
            "z2YwC8z3ap7yx1nZYCg4L3j3ApHsF8kgPdSb5xoS1VR7vPG3F561B52hYnQF9iseabecm3ijx4K1FBTQsCZahKZme",
            [],
        ),
        (
            {"type": "DataIntegrityProof", "cryptosuite": JCS, "@context": [vcdm.V2, EXAMPLES]},
            "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX",
            [],
        ),
        (
            {"type": "Ed25519Signature2020"},
            "z57Mm1vboMtZiCyJ4aReZsv8co4Re64Y8GEjL1ZARzMbXZgkARFLqFs1P345NpPGG2hgCrS4nNdvJhpwnrNyG3kEF",
            [OLDER],
        ),
    ],
    ids=[RDFC, JCS, "Ed25519Signature2020"],
)
def test_the_vectors_of_the_specification_are_verified(kind: dict[str, Any], value: str, context: list[str]):
    """vc-di-eddsa 1.0, appendix B: their issuer is an address, whose keys would have to be fetched."""
    proof = {
        **kind,
        "created": "2023-02-24T23:36:38Z",
        "verificationMethod": f"did:key:{VECTOR}#{VECTOR}",
        "proofPurpose": "assertionMethod",
        "proofValue": value,
    }
    document = v2(
        name="Alumni Credential",
        description="A minimum viable example of an Alumni Credential.",
        issuer="https://vc.example/issuers/5678",
        proof=proof,
    )
    document["@context"] = [*document["@context"], *context]
    found = verify(document)
    assert found["verified"] is True
    assert "was not looked up" in found["warnings"][0]["detail"]
    assert verify({**document, "name": "Another"})["verified"] is False
    assert verify({**document, "issuer": ISSUER})["verified"] is False


def test_a_proof_of_a_chain_covers_the_one_before_it():
    first = issue(v2(), id="urn:uuid:26329423-bec9-4b2e-88cb-a7c7d9dc4544")
    before = first["proof"]
    options = {name: value for name, value in before.items() if name not in {"id", "proofValue"}}
    second = sign({**first, "proof": [before]}, {**options, "previousProof": before["id"]}, KEY, vcproofs.canoniser())
    assert verify({**first, "proof": [before, second]})["verified"] is True
    assert verify({**first, "proof": [second]})["verified"] is False
    other = issue(v2(), id=before["id"], created="2026-01-01T00:00:00Z")["proof"]
    assert verify({**first, "proof": other})["verified"] is True
    assert verify({**first, "proof": [other, second]})["verified"] is False


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
    told = "import sys, api.app, api.cli; print(sorted(name for name in sys.modules if name.startswith('api.vc')))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- with packages from npm -----------------------------------------------------------------------


def documents_of(*dids: str) -> dict[str, Any]:
    """What the verifiers would resolve: did documents of did:key, and the context of the examples."""
    found = {one: did.document(one, [one.removeprefix("did:key:")]) for one in dids}
    return {**found, EXAMPLES: {"@context": {"@vocab": "https://www.w3.org/ns/credentials/examples#"}}}


def test_what_is_issued_here_is_verified_there():
    issued = {
        f"{name} {suite}": issue(credential, cryptosuite=suite)
        for name, credential in {"v1": v1(), "v2": v2()}.items()
        for suite in (JCS, RDFC, [JCS, RDFC])
    }
    spoiled = {}
    for name, credential in issued.items():
        spoiled[f"spoiled {name}"] = copy.deepcopy(credential)
        spoiled[f"spoiled {name}"]["credentialSubject"]["id"] = "did:example:another"
    found = ask(JS, "credentials.mjs", {"credentials": issued | spoiled, "documents": documents_of(ISSUER)})
    assert {name for name, one in found.items() if one["verified"]} == set(issued)


def test_what_is_issued_there_is_verified_here():
    asked = {"v1": [RDFC, v1(**{"@context": [vcdm.V1, vcproofs.DATA_INTEGRITY]})]}
    asked |= {f"v2 {suite}": [suite, v2()] for suite in (JCS, RDFC)}
    question = {"seed": "02" * 32, "credentials": asked, "documents": documents_of()}
    made = ask(JS, "issuing.mjs", {**question, "challenge": "abc", "domain": "school.example"})
    for credential in made["credentials"].values():
        assert verify(credential)["verified"] is True
        assert verify({**credential, "issuer": ISSUER})["verified"] is False
        credential["credentialSubject"]["id"] = "did:example:another"
        assert verify(credential)["verified"] is False

    presentation = made["presentation"]
    assert verify(presentation, "presentation", challenge="abc", domain="school.example")["verified"] is True
    assert verify(presentation, "presentation", challenge="other")["verified"] is False
    assert verify({**presentation, "holder": ISSUER}, "presentation")["verified"] is False
    presentation["verifiableCredential"] = [issue(v2())]
    assert verify(presentation, "presentation")["verified"] is False
