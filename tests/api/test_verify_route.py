"""POST /v1/verify in each of its forms, and the bundle that this server hands out."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from hypothesis import given, settings
from hypothesis import strategies as st

from api.http import budgets, problems, uploads
from api.http.routes import verify as route
from api.pages import routes
from ledger.credentials.checking.verdict import Verdict
from ledger.credentials.checking.verify import check_data
from ledger.credentials.sd_jwt.token import Binding, bind
from ledger.errors import LedgerError
from ledger.federation import trust_bundle
from ledger.limits import VERIFY_BYTES_MAX
from tests.support import issuing
from tests.support.builders import PROOF
from tests.support.issuing import LIST_URL, NOW, SIGNER, TOKEN_LIST_URL, encoded
from tests.support.proofs import token_key

LISTS = {LIST_URL: issuing.bits(), TOKEN_LIST_URL: issuing.token_bits()}
DOCUMENT = encoded(issuing.document())


@dataclass(slots=True)
class Issuer:
    """A server of the region of `tests.support.issuing`, which has no database; it notes what it was given to check."""

    given: list[bytes] = field(default_factory=list)

    @property
    def checking(self) -> Self:
        return self

    def bundle(self) -> bytes:
        return issuing.bundle(lists=LISTS)

    @property
    def regions(self) -> dict[str, Any]:
        return {}

    def check_upload(self, data: bytes, binding: Binding | None = None) -> Verdict:
        self.given.append(data)
        return check_data(data, issuing.trust(), LISTS.get, NOW, binding)


async def _problem(request: Request, error: Exception) -> Response:
    return problems.response(error, request)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False})
    app.include_router(route.router)
    app.include_router(routes.router)
    app.add_exception_handler(LedgerError, _problem)
    app.state.service = Issuer()
    app.state.uploads = uploads.new_budget()
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
    for half in ({"nonce": "x"}, {"nonce": "", "audience": ""}):
        refused = ask(app, files={name: (None, text) for name, text in ({"text": token} | half).items()})
        assert (refused.status_code, refused.json()["type"]) == (400, "urn:yongzhi:problem:malformed")
    assert ask(app, json={"text": token, "nonce": "x"}).status_code == 400
    assert verdict(ask(app, json={"text": token, "nonce": "", "audience": ""}))["outcome"] == "invalid"


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


# -- bounds, of the route and of the page alike -------------------------------------------------------

ADDRESSES = pytest.mark.parametrize("path", ["/v1/verify", "/verify"])
FORM = {"content-type": "multipart/form-data; boundary=b"}
PLAIN = {"content-type": "application/x-www-form-urlencoded"}
HEAD = b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n'
WHOLE = HEAD + DOCUMENT + b"\r\n--b--\r\n"


async def stalling(begun: asyncio.Event, go_on: asyncio.Event) -> AsyncIterator[bytes]:
    """A form whose sender stops before its last byte."""
    yield WHOLE[:-1]
    begun.set()
    await go_on.wait()
    yield WHOLE[-1:]


@ADDRESSES
def test_whoever_sends_too_slowly_is_given_up(app, path, monkeypatch):
    monkeypatch.setattr(budgets, "SUBMISSION_SECONDS_MAX", 0.05)
    answer = ask(app, path=path, content=stalling(asyncio.Event(), asyncio.Event()), headers=FORM)
    assert (answer.status_code, answer.headers["connection"], app.state.uploads.taken) == (408, "close", 0)


@ADDRESSES
def test_all_requests_together_hold_so_much(app, path, monkeypatch):
    monkeypatch.setattr(app.state.uploads, "bytes_max", len(WHOLE) + 9)

    async def asked() -> list[httpx2.Response]:
        begun, go_on = asyncio.Event(), asyncio.Event()
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x", headers=FORM) as client:
            first = asyncio.create_task(client.post(path, content=stalling(begun, go_on)))
            await begun.wait()
            refused = await client.post(path, content=WHOLE)
            go_on.set()
            return [refused, await first, await client.post(path, content=WHOLE)]

    answers = asyncio.run(asked())
    assert [one.status_code for one in answers] == [429, 200, 200]
    assert int(answers[0].headers["retry-after"]) > 0
    assert app.state.uploads.taken == 0


async def unread() -> AsyncIterator[bytes]:
    raise AssertionError("read")
    yield b""


@ADDRESSES
def test_what_announces_too_much_is_not_read(app, path):
    for headers, status in (
        ({**FORM, "content-length": str(2 * VERIFY_BYTES_MAX)}, 413),
        ({**FORM, "content-length": "9" * 5000}, 413),
        ({**FORM, "content-encoding": "gzip"}, 415),
    ):
        answer = ask(app, path=path, content=unread(), headers=headers)
        assert (answer.status_code, answer.headers["connection"]) == (status, "close")


@ADDRESSES
def test_what_announces_nothing_is_read_no_further(app, path):
    async def endless() -> AsyncIterator[bytes]:
        yield HEAD
        while True:
            yield b"x" * 1024 * 1024

    answer = ask(app, path=path, content=endless(), headers=FORM)
    assert (answer.status_code, app.state.uploads.taken) == (413, 0)


@ADDRESSES
def test_a_sender_who_is_gone(app, path):
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in FORM.items()],
        "query_string": b"",
    }
    asyncio.run(app(scope, gone, send))
    assert sent[0]["status"] == 400


def test_a_form_of_many_fields(app):
    proof = ("text", issuing.qr())
    for more, status in ((7, 200), (8, 400)):
        pairs = [proof, *[("a", "x")] * more]
        plain = ask(app, path="/verify", content=urlencode(pairs), headers=PLAIN)
        parts = ask(app, path="/verify", files=[(name, (None, text)) for name, text in pairs])
        assert (plain.status_code, parts.status_code) == (status, status)


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
    trust = trust_bundle.open_bundle(answer.content, [SIGNER.verifier], NOW)
    assert (trust.federation, trust.lists) == (issuing.federated(), LISTS)
