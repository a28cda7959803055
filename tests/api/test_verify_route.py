"""POST /v1/verify in each of its forms, and the bundle that this server hands out."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from hypothesis import given, settings
from hypothesis import strategies as st

from api import problems
from api.routes import verify as route
from ledger import federation
from ledger.credentials.sd_jwt import Binding, bind
from ledger.credentials.verdict import Verdict
from ledger.credentials.verify import check_data
from ledger.errors import LedgerError
from ledger.limits import VERIFY_BYTES_MAX
from tests import issuing
from tests.issuing import LIST_URL, NOW, SIGNER, TOKEN_LIST_URL, encoded
from tests.proofs import PROOF, token_key

LISTS = {LIST_URL: issuing.bits(), TOKEN_LIST_URL: issuing.token_bits()}
DOCUMENT = encoded(issuing.document())


@dataclass(slots=True)
class Issuer:
    """A server of the region of `tests.issuing`, which has no database; it notes what it was given to check."""

    given: list[bytes] = field(default_factory=list)

    @property
    def checking(self) -> Any:
        return SimpleNamespace(bundle=lambda: issuing.bundle(lists=LISTS))

    def check_upload(self, data: bytes, binding: Binding | None = None) -> Verdict:
        self.given.append(data)
        return check_data(data, issuing.trust(), LISTS.get, NOW, binding)


async def _problem(request: Request, error: Exception) -> Response:
    return problems.response(error, request)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False})
    app.include_router(route.router)
    app.add_exception_handler(LedgerError, _problem)
    app.state.service = Issuer()
    return app


def ask(app: FastAPI, method: str = "POST", path: str = "/v1/verify", **options: Any) -> httpx2.Response:
    async def asked() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as client:
            return await client.request(method, path, **options)

    return asyncio.run(asked())


def verdict(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    route.VerdictOut.model_validate(answer.json())
    found: dict[str, Any] = answer.json()
    return found


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "options",
    [
        {"content": DOCUMENT},
        {"content": DOCUMENT, "headers": JSON},
        {"content": DOCUMENT, "headers": {"content-type": "application/vc; charset=utf-8"}},
        {"json": {"text": DOCUMENT.decode()}},
        {"files": {"file": ("proof.json", DOCUMENT)}},
        {"files": {"file": ("proof.json", DOCUMENT)}, "data": {"name": "林大明"}},
        {"files": {"text": (None, DOCUMENT.decode())}},
    ],
)
def test_a_valid_proof_in_any_form(app, options):
    found = verdict(ask(app, **options))
    assert (found["outcome"], found["proof"], found["name"]) == ("valid", PROOF, "林＊明")
    assert app.state.service.given[-1] == DOCUMENT


def test_text_of_other_kinds(app):
    for text, kind in ((issuing.qr(), "code"), (issuing.token(), "sd-jwt")):
        for options in ({"content": text.encode()}, {"json": {"text": text}}):
            assert verdict(ask(app, **options))["format"] == kind


def test_a_name_is_compared(app):
    for options in (
        {"json": {"text": DOCUMENT.decode(), "name": "林小明"}},
        {"files": {"file": ("proof.json", DOCUMENT)}, "data": {"name": "林小明"}},
    ):
        assert {"name": "林小明", "named_matches": True}.items() <= verdict(ask(app, **options)).items()


def test_a_holder_must_have_signed(app):
    asked = {"audience": "https://school.example", "nonce": "7c9e6679"}
    token = bind(issuing.token(holder=token_key(7).public), token_key(7), Binding(**asked), NOW)
    assert verdict(ask(app, json={"text": token, **asked}))["statement"]["holder_bound"] is True
    assert verdict(ask(app, json={"text": token, **asked, "nonce": "x"}))["outcome"] == "invalid"
    refused = ask(app, json={"text": token, "nonce": "x"})
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:yongzhi:problem:malformed")


@pytest.mark.parametrize(
    "options",
    [
        {"content": b""},
        {"content": b"\xff\x00"},
        {"content": b"{}", "headers": JSON},
        {"json": {"text": "x", "more": 1}},
        {"json": {"text": DOCUMENT.decode().replace("150", "950")}},
    ],
)
def test_what_is_no_proof_has_a_verdict_too(app, options):
    assert verdict(ask(app, **options))["outcome"] == "invalid"


def test_a_size(app):
    for options in (
        {"content": b"x" * (VERIFY_BYTES_MAX + 1)},
        {"files": {"file": ("x", b"x" * (VERIFY_BYTES_MAX + 1))}},
    ):
        answer = ask(app, **options)
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:yongzhi:problem:too-large")
    assert len(app.state.service.given[-1]) <= VERIFY_BYTES_MAX


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["multipart/form-data; boundary=b", "multipart/form-data", "x/y"]))
def test_any_bytes_as_a_form(app, data, kind):
    for content in (data, b"--b\r\n" + data, b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\n' + data):
        answer = ask(app, content=content, headers={"content-type": kind})
        assert answer.status_code in (200, 400)
        with contextlib.suppress(json.JSONDecodeError):
            assert answer.json().get("outcome", "invalid") == "invalid"


def test_the_bundle(app):
    answer = ask(app, "GET", "/v1/trust-bundle")
    assert answer.headers["cache-control"] == "public, max-age=300"
    trust = federation.open_bundle(answer.content, [SIGNER.verifier], NOW)
    assert (trust.federation, trust.lists) == (issuing.federated(), LISTS)
