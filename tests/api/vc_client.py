"""A client of the VC-API of the test profile, and credentials to send it."""

from datetime import UTC, datetime
from typing import Any

from starlette.testclient import TestClient

from ledger.crypto.keys import SigningKey
from ledger.crypto.multikey import CredentialKey
from tests import vcapi
from tests.vcapi import documents

SEED = b"\1" * 32
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
CLIENT = TestClient(vcapi.create_vc_api(SEED, lambda: NOW))
ISSUER = CLIENT.get("/").json()["issuer"]
KEY = CredentialKey(SigningKey(ISSUER, SEED))
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
Document = dict[str, Any]


def v2(**changes: Any) -> Document:
    plain = {
        "@context": [documents.V2, EXAMPLES],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "AlumniCredential"],
        "issuer": ISSUER,
        "validFrom": "2023-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
    }
    return {name: value for name, value in {**plain, **changes}.items() if value is not ...}


def v1(**changes: Any) -> Document:
    plain = {
        "@context": [documents.V1],
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
