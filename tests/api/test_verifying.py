"""`yongzhi verify` and `yongzhi trust`: offline with a bundle, online from a server that may be any server."""

import http.server
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import segno
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from api.cli import common as cli_common
from api.cli import verify as verifying
from api.client import fetching
from ledger.credentials import model
from ledger.credentials.certificate import certificate
from ledger.credentials.sd_jwt.token import Binding, bind
from ledger.crypto import keys
from ledger.errors import TooLarge, Unavailable, Untrusted
from ledger.federation import trust_bundle
from ledger.federation.members import Region
from ledger.federation.trust_bundle import Trust
from ledger.ids import format_time
from tests.api.process import free_port
from tests.support import issuing
from tests.support.builders import PROOF, REGION, signing_key
from tests.support.issuing import LIST_URL, NOW, SIGNER, TOKEN_LIST_URL, WEEK, encoded
from tests.support.proofs import INDEX, LIST, credential, credential_key, token_key

AT = ("--at", format_time(NOW))
PIN = ("--key", str(SIGNER.verifier))
LISTS = {LIST_URL: issuing.bits(), TOKEN_LIST_URL: issuing.token_bits()}
DOCUMENT = encoded(issuing.document())


@pytest.fixture(scope="module", autouse=True)
def wide() -> Iterator[None]:
    """Messages on one line each."""
    with pytest.MonkeyPatch.context() as patch:
        for console in (verifying.console, cli_common.errors):
            patch.setattr(console, "width", 400)
        yield


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bundle and a proof."""
    (tmp_path / "bundle.json").write_bytes(issuing.bundle(lists=LISTS))
    (tmp_path / "proof.json").write_bytes(DOCUMENT)
    monkeypatch.chdir(tmp_path)  # where there is no data folder
    return tmp_path


def invoke(command: Any, *arguments: object, data: bytes | None = None) -> Result:
    return CliRunner().invoke(command, [str(one) for one in arguments], input=data)


def verify(work: Path, *arguments: object, file: object = None, data: bytes | None = None) -> Result:
    """Offline, with the bundle and key, at the time at which all is valid; later arguments count more."""
    common = ("--bundle", work / "bundle.json", *PIN, *AT)
    return invoke(verifying.verify, file or work / "proof.json", "--offline", *common, *arguments, data=data)


def told(result: Result, status: int) -> Any:
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def write(work: Path, data: bytes | str) -> Path:
    file = work / "other"
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return file


# -- offline ------------------------------------------------------------------------------------------


def test_a_valid_proof(work):
    found = told(verify(work, "--json"), 0)
    assert (found["outcome"], found["proof"], found["name"]) == ("valid", PROOF, "林＊明")
    shown = verify(work)
    assert shown.exit_code == 0
    for text in (
        "✓ 1 格式 · Form",
        "✓ 6 撤销状态 · Status",
        "有效 · Valid",
        "惠州市 · Huizhou (441300)",
        "林＊明",
        "Elders living alone · 1 · 2 h 30 min",
    ):
        assert text in shown.stdout, text
    assert "林小明" not in shown.stdout


@pytest.mark.parametrize(
    ("lists", "at", "outcome", "status"),
    [
        ({LIST_URL: issuing.bits([INDEX])}, NOW, "revoked", 3),
        ({LIST_URL: issuing.bits([INDEX])}, NOW + 2 * WEEK, "revoked", 3),
        ({}, NOW, "status-unknown", 4),
        (LISTS, NOW + 2 * WEEK, "status-unknown", 4),
        (LISTS, NOW - 2 * WEEK, "expired", 1),
    ],
)
def test_each_outcome_has_its_exit_status(work, lists, at, outcome, status):
    (work / "bundle.json").write_bytes(issuing.bundle(lists=lists))
    assert told(verify(work, "--at", format_time(at), "--json"), status)["outcome"] == outcome
    assert verify(work, "--at", format_time(at)).exit_code == status


def test_a_forged_proof(work):
    file = write(work, DOCUMENT.replace(b'"minutes":150', b'"minutes":950'))
    assert told(verify(work, "--json", file=file), 1)["outcome"] == "invalid"
    shown = verify(work, file=file)
    assert (shown.exit_code, "✗ 3 签名" in shown.stdout, "950" in shown.stdout) == (1, True, False)
    assert "– 4 " in shown.stdout


@pytest.mark.parametrize("form", ["code", "sd-jwt"])
def test_other_forms_in_files_and_as_arguments(work, form):
    text = {"code": issuing.qr(), "sd-jwt": issuing.token()}[form]
    for result in (
        verify(work, "--json", file=text),
        verify(work, "--json", file="-", data=text.encode()),
        verify(work, "--json", file=write(work, text)),
    ):
        assert told(result, 0)["format"] == form


def test_a_certificate_and_a_photo_of_its_code(work):
    pdf = certificate.render(DOCUMENT, issuing.qr())
    assert told(verify(work, "--json", file=write(work, pdf)), 0)["format"] == "vc"
    photo = io.BytesIO()
    segno.make(issuing.qr(), error="m").save(photo, kind="png", scale=6, border=8)
    assert told(verify(work, "--json", file=write(work, photo.getvalue())), 0)["format"] == "code"
    spoilt = pdf.replace(b"EmbeddedFile", b"EmbeddedPile")
    assert told(verify(work, "--json", file=write(work, spoilt)), 1)["format"] == "unknown"


def test_a_name_is_compared(work):
    shown = verify(work, "--name", "林小明")
    assert (shown.exit_code, "姓名相符" in shown.stdout, "林小明" in shown.stdout) == (0, True, True)
    shown = verify(work, "--name", "林大明")
    assert (shown.exit_code, "姓名不符" in shown.stdout, "林小明" in shown.stdout) == (1, True, False)
    assert told(verify(work, "--name", "林大明", "--json"), 1)["named_matches"] is False
    shown = verify(work, "--name", "林小明", file=write(work, encoded(issuing.document(credential(name=None)))))
    assert (shown.exit_code, "未载姓名" in shown.stdout) == (1, True)
    (work / "bundle.json").write_bytes(issuing.bundle(lists={LIST_URL: issuing.bits([INDEX])}))
    assert verify(work, "--name", "林小明").exit_code == 3


def test_a_holder_must_have_signed(work):
    asked = Binding(audience="https://school.example", nonce="7c9e6679")
    shown = bind(issuing.token(holder=token_key(7).public), token_key(7), asked, NOW)
    options = ("--audience", asked.audience, "--nonce", asked.nonce, "--json")
    assert told(verify(work, *options, file=shown), 0)["statement"]["holder_bound"] is True
    assert told(verify(work, *options, "--nonce", "x", file=shown), 1)["outcome"] == "invalid"
    for usage in (("--nonce", "x"), ("--nonce", "", "--audience", ""), ("--nonce", "", "--audience", "x")):
        assert verify(work, *usage, file=shown).exit_code == 2


def test_traditional_characters_for_hong_kong_and_macau(work):
    macau = issuing.region(region="820000", did="did:web:ledger.example:regions:820000")
    (work / "bundle.json").write_bytes(issuing.bundle(macau))
    shown = verify(work, file=issuing.qr(region="820000", list="820000-1"))
    assert (shown.exit_code, "狀態未知 · Status unknown" in shown.stdout, "状态" in shown.stdout) == (4, True, False)


def test_nothing_in_a_proof_steers_the_terminal(work):
    evil = DOCUMENT.replace(b"did:web:ledger.example:regions:441300", b"did:web:x[red]y:regions:441300")
    for data in (evil, b"\x1b[2J{", b'{"\\u001b[2J":1}'):
        shown = verify(work, file=write(work, data))
        assert (shown.exit_code, "\x1b" in shown.stdout) == (1, False)
    shown = verify(work, "--name", "[bold]\x1b[2J", file=issuing.token(name="[bold]\x1b[2J"))
    assert (shown.exit_code, "\x1b" in shown.stdout, "[bold]�[2J" in shown.stdout) == (0, False, True)


# -- whom to believe ----------------------------------------------------------------------------------


def test_a_bundle_signed_by_another(work):
    result = verify(work, "--key", str(SIGNER.verifier), "--bundle", other_bundle(work))
    assert (result.exit_code, "untrusted" in result.stderr) == (5, True)
    assert result.stdout == ""


def other_bundle(work: Path) -> Path:
    file = work / "forged.json"
    file.write_bytes(trust_bundle.seal(issuing.federated(), [signing_key("evil.example")], LISTS))
    return file


def test_an_expired_bundle(work):
    result = verify(work, "--at", "2027-11-02T00:00:00Z")
    assert (result.exit_code, "bundle-expired" in result.stderr) == (5, True)


def test_a_key_may_lie_in_a_file_and_in_the_data_folder(work):
    file = write(work, f"{signing_key('x').verifier}\n{SIGNER.verifier}\n")
    data = work / "elsewhere"
    keys.save(SIGNER, data / "keys" / "federation")
    common = (work / "proof.json", "--offline", "--bundle", work / "bundle.json", *AT)
    assert invoke(verifying.verify, *common, "--key", file).exit_code == 0
    assert invoke(verifying.verify, *common, "--data", data).exit_code == 0
    assert invoke(verifying.verify, *common, "--data", data, "--key", signing_key("x").verifier).exit_code == 5
    assert invoke(verifying.verify, *common).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("no such file", "--bundle", "{bundle}", *PIN),
        ("{proof}", *PIN),
        ("{proof}", "--offline", "--url", "http://127.0.0.1:1", *PIN),
        ("{proof}", "--bundle", "no such file", *PIN),
        ("--bundle", "{bundle}", *PIN),
    ],
)
def test_wrong_usage(work, arguments):
    names = {"proof": work / "proof.json", "bundle": work / "bundle.json"}
    assert invoke(verifying.verify, *(one.format(**names) for one in arguments)).exit_code == 2


def test_what_is_no_key_and_no_time(work):
    assert verify(work, "--key", "x").exit_code == 1
    assert verify(work, "--at", "yesterday").exit_code == 1


def test_a_file_that_is_too_large(work, monkeypatch):
    monkeypatch.setattr(verifying, "VERIFY_BYTES_MAX", 1000)
    for result in (verify(work), verify(work, file="-", data=DOCUMENT)):
        assert (result.exit_code, "too-large" in result.stderr) == (1, True)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes(work, data):
    result = verify(work, "--json", file="-", data=data)
    assert told(result, 1)["outcome"] == "invalid"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_as_a_bundle(work, data):
    (work / "bundle.json").write_bytes(data)
    result = verify(work)
    assert (result.exit_code, result.stdout, isinstance(result.exception, SystemExit)) == (5, "", True)


# -- online -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Server:
    """Serves what it is given, counts what was asked, and answers anything else with 404."""

    port: int
    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def did(self) -> str:
        return f"did:web:127.0.0.1%3A{self.port}:regions:{REGION}"

    @property
    def region(self) -> Region:
        return issuing.region(base=self.base, did=self.did, credential_keys=(credential_key(self.did).multikey,))

    @property
    def list_url(self) -> str:
        return f"{self.base}/status/{LIST}"

    def document(self) -> bytes:
        plain = credential()
        status = replace(plain.credentialStatus, id=f"{self.list_url}#{INDEX}", statusListCredential=self.list_url)
        issuer = model.Issuer(id=self.did, type=("Profile",), name="x")
        here = replace(plain, id=f"{self.base}/p/{PROOF}", issuer=issuer, credentialStatus=status)
        return encoded(issuing.document(here, credential_key(self.did)))

    def bits(self, *revoked: int) -> bytes:
        return issuing.bits(revoked, url=self.list_url, key=credential_key(self.did))

    def bundle(self, lists: dict[str, bytes] | None = None, **changes: Any) -> bytes:
        return issuing.bundle(self.region, lists=lists, **changes)


@contextmanager
def serving() -> Iterator[Server]:
    server = Server(free_port())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            found = server.pages.get(self.path)
            self.send_response(302 if self.path in server.moved else 404 if found is None else 200)
            if self.path in server.moved:
                self.send_header("location", server.moved[self.path])
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", server.port), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        listening.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.pages = {"/v1/trust-bundle": server.bundle(), f"/status/{LIST}": server.bits()}
        yield server


def online(server: Server, work: Path, *arguments: object) -> Result:
    file = write(work, server.document())
    return invoke(verifying.verify, file, "--url", server.base, *PIN, *AT, "--json", *arguments)


def test_a_server_is_asked_for_bundle_and_list(server, work):
    assert told(online(server, work), 0)["outcome"] == "valid"
    assert server.asked == ["/v1/trust-bundle", f"/status/{LIST}"]
    server.pages[f"/status/{LIST}"] = server.bits(INDEX)
    assert told(online(server, work), 3)["outcome"] == "revoked"


def test_a_server_is_not_believed(server, work):
    """Not for what it serves: only under the key that was pinned."""
    result = online(server, work, "--key", str(SIGNER.verifier))
    assert result.exit_code == 0
    server.pages["/v1/trust-bundle"] = trust_bundle.seal(
        issuing.federated(server.region), [signing_key("evil.example")]
    )
    result = online(server, work)
    assert (result.exit_code, "untrusted" in result.stderr) == (5, True)


def test_the_list_of_the_bundle_stands_in(server, work):
    del server.pages[f"/status/{LIST}"]
    assert told(online(server, work), 4)["outcome"] == "status-unknown"
    server.pages["/v1/trust-bundle"] = server.bundle({server.list_url: server.bits()})
    assert told(online(server, work), 0)["outcome"] == "valid"


def test_a_server_that_serves_an_old_list_hides_no_revocation(server, work):
    """Nor does a cache between, or the page of a hotel."""
    server.pages["/v1/trust-bundle"] = server.bundle({server.list_url: server.bits(INDEX)})
    old = issuing.bits(valid_from=NOW - 2 * 86_400, url=server.list_url, key=credential_key(server.did))
    for served in (old, b"<html>sign in", server.bits(INDEX)):
        server.pages[f"/status/{LIST}"] = served
        assert told(online(server, work), 3)["outcome"] == "revoked"


def test_offline_asks_nobody(server, work):
    (work / "bundle.json").write_bytes(server.bundle({server.list_url: server.bits()}))
    assert verify(work, file=write(work, server.document())).exit_code == 0
    assert server.asked == []


def test_out_of_reach(work):
    gone = f"http://127.0.0.1:{free_port()}"
    result = invoke(verifying.verify, work / "proof.json", "--url", gone, *PIN, *AT)
    assert (result.exit_code, "out of reach" in result.stderr) == (5, True)


@pytest.mark.parametrize("url", ["ledger.example", "file:///etc/passwd", "http://", "http://[", "http://a b/"])
def test_what_is_no_server(work, url):
    result = invoke(verifying.verify, work / "proof.json", "--url", url, *PIN, *AT)
    assert (result.exit_code in (1, 5), isinstance(result.exception, SystemExit)) == (True, True)


def test_nothing_but_lists_of_the_bundle_is_fetched(server):
    lists = fetching.StatusLists(Trust(issuing.federated(server.region)))
    assert lists(server.list_url) == (server.bits(),)
    asked = len(server.asked)
    for path in ("/", "/metrics", "/status/../metrics", f"/status/{LIST}?x", "/status/820000-1", "/v1/trust-bundle"):
        with pytest.raises(Untrusted):
            lists(server.base + path)
    assert len(server.asked) == asked


def test_redirects_are_not_followed(server):
    server.moved = {"/moved": f"{server.base}/status/{LIST}"}
    with pytest.raises(Unavailable, match="answers 302"):
        fetching.fetch(f"{server.base}/moved", 100_000)
    assert server.asked == ["/moved"]


def test_no_more_is_read_than_is_asked_for(server):
    server.pages["/much"] = b"x" * 1_000_000
    with pytest.raises(TooLarge):
        fetching.fetch(f"{server.base}/much", 999_999)
    assert len(fetching.fetch(f"{server.base}/much", 1_000_000)) == 1_000_000
    with pytest.raises(Unavailable, match="longer than"):
        fetching.fetch(f"{server.base}/much", 1_000_000, seconds_max=-1)


# -- keeping a bundle ---------------------------------------------------------------------------------


def fresh(server: Server, **changes: Any) -> bytes:
    """A bundle that is good today, as the command has no --at."""
    dates = {"issued": "2020-01-01T00:00:00Z", "expires": "2100-01-01T00:00:00Z"}
    return server.bundle({server.list_url: server.bits()}, **dates, **changes)


def test_a_bundle_is_kept_and_used(server, work):
    server.pages["/v1/trust-bundle"] = fresh(server)
    out = work / "kept.json"
    found = told(invoke(verifying.trust, server.base, *PIN, "--out", out, "--json"), 0)
    assert (found["serial"], found["regions"], found["lists"]) == (7, [REGION], 1)
    assert out.read_bytes() == server.pages["/v1/trust-bundle"]
    assert verify(work, "--bundle", out, file=write(work, server.document())).exit_code == 0
    plain = invoke(verifying.trust, server.base + "/v1/trust-bundle", *PIN, "--out", out)
    assert (plain.exit_code, "惠州市" in plain.stdout) == (0, True)


def test_a_bundle_of_another_is_not_kept(server, work):
    server.pages["/v1/trust-bundle"] = fresh(server)
    out = work / "kept.json"
    result = invoke(verifying.trust, server.base, "--key", signing_key("x").verifier, "--out", out)
    assert (result.exit_code, out.exists()) == (1, False)


def test_the_next_signers_are_followed(server, work):
    later = signing_key(issuing.FEDERATION, 1)
    old, out = work / "old.json", work / "kept.json"
    old.write_bytes(server.bundle(keys=(str(later.verifier),)))
    dates = {"issued": "2020-01-01T00:00:00Z", "expires": "2100-01-01T00:00:00Z"}
    after = issuing.federated(server.region, serial=8, keys=(str(later.verifier),), **dates)
    server.pages["/v1/trust-bundle"] = trust_bundle.seal(after, [later])
    assert invoke(verifying.trust, server.base, *PIN, "--out", out).exit_code == 1
    assert invoke(verifying.trust, server.base, *PIN, "--out", out, "--after", old).exit_code == 0
    for serial, status, kept in ((9, 0, 9), (8, 1, 9), (6, 1, 9)):
        server.pages["/v1/trust-bundle"] = trust_bundle.seal(replace(after, serial=serial), [later])
        assert invoke(verifying.trust, server.base, *PIN, "--out", out, "--after", old).exit_code == status
        assert json.loads(out.read_bytes())["federation"]["serial"] == kept


def test_an_older_bundle_replaces_no_newer_one(server, work):
    """It would bring back a key that was revoked since."""
    out = work / "kept.json"
    keep = (verifying.trust, server.base, *PIN, "--out", out)
    for serial, changes, status in (
        (8, {}, 0),
        (8, {}, 0),
        (7, {}, 1),
        (8, {"threshold": 1, "keys": (str(signing_key("x").verifier),)}, 1),
        (9, {"name": "other.example"}, 1),
        (9, {}, 0),
    ):
        server.pages["/v1/trust-bundle"] = fresh(server, serial=serial, **changes)
        assert invoke(*keep).exit_code == status, (serial, changes)
    assert json.loads(out.read_bytes())["federation"]["serial"] == 9


def test_nothing_but_a_bundle_of_the_same_keys_is_replaced(server, work):
    server.pages["/v1/trust-bundle"] = fresh(server)
    out = work / "kept.json"
    strangers = trust_bundle.seal(issuing.federated(server.region), [signing_key("evil.example")])
    for there in (b"a letter", b"", strangers):
        out.write_bytes(there)
        result = invoke(verifying.trust, server.base, *PIN, "--out", out)
        assert (result.exit_code, "kept.json is there" in result.stderr, out.read_bytes()) == (1, True, there)
