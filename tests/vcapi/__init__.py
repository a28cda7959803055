"""The VC-API over our cryptosuites, so that conformance suites of others can be run against them. For tests alone.

It signs whatever it is asked to under a did:key, and belongs to no deployment: `create_app` knows nothing of it.
`uvicorn --factory tests.vcapi:profile` serves it, under a key that everybody knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ledger.credentials import data_integrity
from ledger.credentials.data_integrity import JCS, RDFC
from ledger.crypto.keys import SigningKey
from ledger.crypto.multikey import CredentialKey, multikey
from ledger.errors import Invalid, LedgerError, TooLarge, Untrusted
from ledger.limits import REQUEST_BYTES_MAX
from tests.vcapi import documents, proofs
from tests.vcapi.documents import V1, listed
from tests.vcapi.proofs import Clock

_OPTIONS: Final = ("id", "domain", "challenge", "nonce")
"""Members that the caller may set in a proof."""
_TYPES: Final[dict[type[LedgerError], tuple[str, str]]] = {
    Invalid: ("https://www.w3.org/TR/vc-data-model#MALFORMED_VALUE_ERROR", "The document is malformed"),
    TooLarge: ("https://www.w3.org/TR/vc-data-model#RANGE_ERROR", "The request is too large"),
    Untrusted: ("https://w3id.org/security#PROOF_VERIFICATION_ERROR", "The proof does not hold"),
}


def profile() -> Starlette:
    """The application with a key that everybody knows."""
    return create_vc_api(b"yongzhi test profile, not secret", lambda: datetime.now(UTC))


def create_vc_api(seed: bytes, now: Clock) -> Starlette:
    """The application, issuing under the did:key of an Ed25519 seed (32 bytes); `GET /` names its DID."""
    api = _Api(seed, now)

    async def about(request: Request) -> Response:
        return _answer({"issuer": api.key.did, "cryptosuites": [JCS, RDFC]}, 200)

    routes = [
        Route("/", about),
        Route("/credentials/issue", _route(api.issue, 201), methods=["POST"]),
        Route("/credentials/verify", _route(api.verify, 200), methods=["POST"]),
        Route("/presentations/verify", _route(api.verify_presentation, 200), methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_problem})


class _Api:
    """The three operations over decoded bodies; errors are the ledger's."""

    def __init__(self, seed: bytes, now: Clock) -> None:
        name = multikey(SigningKey("did:key", seed).verifier.public)
        self.key = CredentialKey(SigningKey(f"did:key:{name}", seed))
        self.now = now
        self.quads = proofs.canoniser()
        self.proofs = proofs.Proofs(self.quads, now)

    def issue(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """VC-API, Issue Credential. The issuer becomes ours; a proof is added to those that are there."""
        options = _options(body)
        credential = body.get("credential")
        documents.check_credential(credential, issued=False)
        assert isinstance(credential, dict)
        issuer = credential["issuer"]
        document = {
            **credential,
            "issuer": {**issuer, "id": self.key.did} if isinstance(issuer, dict) else self.key.did,
        }
        if document["@context"][0] == V1:
            document.setdefault("issuanceDate", self._time())
            if proofs.DATA_INTEGRITY not in document["@context"]:
                document["@context"] = [*document["@context"], proofs.DATA_INTEGRITY]
        earlier = listed(document.pop("proof", []))
        # Under JCS as well: what the context does not define means nothing to anybody.
        self.quads(document)
        made = [*earlier, *(self._sign(document, suite, options) for suite in _suites(options))]
        return {"verifiableCredential": {**document, "proof": made[0] if len(made) == 1 else made}}

    def _sign(self, document: Mapping[str, Any], suite: str, options: Mapping[str, Any]) -> dict[str, Any]:
        proof: dict[str, Any] = {
            "type": "DataIntegrityProof",
            "cryptosuite": suite,
            "created": options.get("created", self._time()),
            "verificationMethod": self.key.id,
            "proofPurpose": "assertionMethod",
            **{name: options[name] for name in _OPTIONS if name in options},
        }
        documents.parse_date(proof["created"], "/options/created")
        if suite == JCS:
            proof["@context"] = document["@context"]
        return data_integrity.sign(document, proof, self.key, self.quads)

    def _time(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def verify(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """VC-API, Verify Credential: form, period and every proof. A status is never looked up, and that is told."""
        document, options = body.get("verifiableCredential"), _options(body)
        untold = self._check_credential(document, options)
        if isinstance(document, dict) and "credentialStatus" in document:
            if "credentialStatus" in listed(options.get("checks", [])):
                raise Untrusted("the status cannot be looked up here")
            untold.append(Untrusted("the status was not looked up"))
        return _verified(untold)

    def _check_credential(self, document: Any, options: Mapping[str, Any]) -> list[Untrusted]:
        documents.check_credential(document, issued=True)
        documents.check_period(document, self.now())
        issuer = document["issuer"]
        owner = issuer["id"] if isinstance(issuer, dict) else issuer
        return self.proofs.check(document, owner, "assertionMethod", options)

    def verify_presentation(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """VC-API, Verify Presentation: its proofs, made to authenticate, and every credential in it."""
        document, options = body.get("verifiablePresentation"), _options(body)
        documents.check_presentation(document)
        assert isinstance(document, dict)
        holder = document.get("holder")
        owner = holder.get("id") if isinstance(holder, dict) else holder
        untold = self.proofs.check(document, owner, "authentication", options)
        for credential in listed(document.get("verifiableCredential", [])):
            untold += self._check_credential(credential, {})
        return _verified(untold)


def _verified(untold: Sequence[Untrusted]) -> dict[str, Any]:
    warnings = [_problem(one) for one in untold]
    return {"verified": True, "checks": ["proof"], "warnings": warnings, "errors": [], "problemDetails": warnings}


def _options(body: Mapping[str, Any]) -> Mapping[str, Any]:
    found = body.get("options", {})
    if not isinstance(found, dict):
        raise Invalid("not an object", "/options")
    if found.get("type", "DataIntegrityProof") != "DataIntegrityProof":
        raise Invalid("only DataIntegrityProof is made here", "/options/type")
    return found


def _suites(options: Mapping[str, Any]) -> list[str]:
    found = listed(options.get("cryptosuite", RDFC))
    if not found or not all(suite in (JCS, RDFC) for suite in found) or len(set(found)) != len(found):
        raise Invalid(f"one of {JCS} and {RDFC}, or both", "/options/cryptosuite")
    return found


# -- HTTP -----------------------------------------------------------------------------------------


def _route(
    operation: Callable[[Mapping[str, Any]], dict[str, Any]], status: int
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            body = await _body(request)
            return _answer(await run_in_threadpool(operation, body), status)
        except LedgerError as error:
            return _refusal(error)

    return handle


async def _body(request: Request) -> dict[str, Any]:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > REQUEST_BYTES_MAX:
            raise TooLarge(f"a request has at most {REQUEST_BYTES_MAX} bytes")
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Invalid("not an object")
    return found


def _problem(error: LedgerError) -> dict[str, Any]:
    kind, title = _TYPES[type(error)]
    pointer = getattr(error, "pointer", "")
    return {"type": kind, "title": title, "detail": f"{pointer}: {error.detail}" if pointer else error.detail}


def _refusal(error: LedgerError) -> Response:
    """A problem document (RFC 9457) that is also the answer of a verifier: not verified, and why."""
    problem, status = _problem(error), 413 if isinstance(error, TooLarge) else 400
    told = {"verified": False, "checks": ["proof"], "warnings": [], "errors": [problem], "problemDetails": [problem]}
    return _answer({**problem, "status": status, **told}, status, "application/problem+json")


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"type": "about:blank", "title": error.detail, "status": error.status_code}
    return _answer(body, error.status_code, "application/problem+json")


def _answer(body: Mapping[str, Any], status: int, media_type: str = "application/json") -> Response:
    return Response(msgspec.json.encode(body), status, media_type=media_type)
