"""The VC-API of the test profile: what the W3C suites have it verify, and round trips with packages from npm."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.credentials.data_integrity import JCS, RDFC, sign
from ledger.crypto import did
from tests.api.vc_client import EXAMPLES, ISSUER, KEY, Document, issue, v1, v2, verify
from tests.contract.javascript import ask
from tests.vcapi import documents, proofs

JS = Path(__file__).resolve().parents[1] / "contract" / "js"

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


SIGNED_AND_REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "other-purpose": ({}, {"proofPurpose": "authentication"}, "not for assertionMethod"),
    "expired": ({}, {"expires": "2026-11-22T07:59:59Z"}, "has expired"),
    "key-of-another-did": (
        {"issuer": "did:key:z6MkpJySvETLnxhQG9DzEdmKJtysBDjuuTeDfUj1uNNCUqcj"},
        {"verificationMethod": f"did:key:z6MkpJySvETLnxhQG9DzEdmKJtysBDjuuTeDfUj1uNNCUqcj#{KEY.multikey}"},
        "its did:key has not",
    ),
    "another-issuer": ({"issuer": "did:key:z6MkpJySvETLnxhQG9DzEdmKJtysBDjuuTeDfUj1uNNCUqcj"}, {}, "no proof is by"),
    "undefined-term": ({"@context": [documents.V2], "type": ["VerifiableCredential"]}, {}, "not defined"),
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
            {"type": "DataIntegrityProof", "cryptosuite": JCS, "@context": [documents.V2, EXAMPLES]},
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
    second = sign({**first, "proof": [before]}, {**options, "previousProof": before["id"]}, KEY, proofs.canoniser())
    assert verify({**first, "proof": [before, second]})["verified"] is True
    assert verify({**first, "proof": [second]})["verified"] is False
    other = issue(v2(), id=before["id"], created="2026-01-01T00:00:00Z")["proof"]
    assert verify({**first, "proof": other})["verified"] is True
    assert verify({**first, "proof": [other, second]})["verified"] is False


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
    asked = {"v1": [RDFC, v1(**{"@context": [documents.V1, proofs.DATA_INTEGRITY]})]}
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
