"""What is handed in to be checked, over HTTP: forms, files, forgeries and arbitrary bytes."""

import dataclasses
import io
import json
import re

import httpx2
import pytest
import segno
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.wording.languages import LANGUAGES
from ledger.credentials.certificate import certificate
from ledger.credentials.checking import verify
from ledger.credentials.checking.verdict import Outcome, Verdict
from ledger.limits import VERIFY_BYTES_MAX
from tests.browser.reading import outcome, said
from tests.browser.site import FIRST, INDEXES, VALID, Proofs

EN = LANGUAGES[2]


def check(client: httpx2.Client, data: bytes, **fields: str) -> httpx2.Response:
    return client.post("/verify", params={"lang": EN}, files={"file": ("proof", data)}, data=fields)


def test_a_file_is_checked_on_the_server(client: httpx2.Client, proofs: Proofs) -> None:
    answer = check(client, proofs.files[VALID])
    assert (answer.status_code, outcome(answer.text)) == (200, Outcome.VALID)
    assert "32 h 35 min" in said(answer.text)
    assert "林＊明" in answer.text
    assert "林小明" not in answer.text
    assert f'href="/p/{VALID}?lang=en"' in answer.text
    assert outcome(check(client, proofs.files[FIRST]).text) == Outcome.REVOKED


def test_a_certificate_and_a_photo_of_its_code_are_checked(client: httpx2.Client, proofs: Proofs) -> None:
    address = f"{proofs.base}/p/{VALID}#{proofs.code(VALID)}"
    printed = check(client, certificate.render(proofs.files[VALID], address))
    assert outcome(printed.text) == Outcome.VALID
    assert "西湖景区文明旅游引导" in said(printed.text)
    picture = io.BytesIO()
    segno.make(address).save(picture, kind="png", scale=4)
    photo = check(client, picture.getvalue(), name="林小明")
    assert outcome(photo.text) == Outcome.VALID
    assert "What the QR code says" in said(photo.text)
    assert "32 h 35 min" in said(photo.text)
    assert "note-good" in photo.text


def test_nothing_of_a_forgery_is_shown(client: httpx2.Client, proofs: Proofs) -> None:
    forged = json.loads(proofs.files[VALID])
    forged["credentialSubject"]["service"]["lines"][0]["activity_name"] = "冒充的活动"
    answer = check(client, json.dumps(forged).encode(), name="林小明")
    assert outcome(answer.text) == Outcome.INVALID
    assert "冒充的活动" not in answer.text
    assert "32 h" not in said(answer.text)
    assert "note-good" not in answer.text
    assert re.search(r"3\. Signature\s+failed", said(answer.text))


def test_a_name_can_be_compared_with_a_file(client: httpx2.Client, proofs: Proofs) -> None:
    assert "note-good" in check(client, proofs.files[VALID], name="林小明").text
    assert "note-bad" in check(client, proofs.files[VALID], name="林小萌").text
    code = f"{proofs.base}/p/{VALID}#{proofs.code(VALID)}"
    asked = client.post("/verify", params={"lang": EN}, data={"text": code, "name": "林小明"})
    assert "note-good" in asked.text
    assert "What the QR code says" in said(asked.text)


def test_a_star_level_and_a_proof_without_a_name_are_checked_too(client: httpx2.Client, proofs: Proofs) -> None:
    for proof in INDEXES:
        expected = proofs.check_upload(proofs.files[proof]).outcome
        assert outcome(check(client, proofs.files[proof]).text) == expected


def test_claims_of_a_token_are_told_line_by_line(
    client: httpx2.Client, proofs: Proofs, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims: dict[str, object] = {
        "region": "441300",
        "at_least": [{"year": 2026, "category": "emergency", "hours": [20, 100]}],
        "categories": [{"category": "rural", "entries": 2, "minutes": 90}],
        "holder_bound": True,
        "odd<b>": {"x": ["<i>"]},
    }
    good = proofs.check_upload(proofs.files[VALID])
    token = Verdict(outcome=good.outcome, format="sd-jwt", steps=good.steps, region="441300", claims=claims)
    monkeypatch.setattr(proofs, "check_upload", lambda data: token)
    text = check(client, b"token").text
    assert "2026 · Emergency rescue · ≥ 100 h" in said(text)
    assert "Rural revitalisation · 2 · 1 h 30 min" in said(text)
    assert "<b>" not in text
    assert "<i>" not in text


@pytest.mark.parametrize("found", [Outcome.EXPIRED, Outcome.STATUS_UNKNOWN])
def test_every_outcome_has_its_answer(
    client: httpx2.Client, proofs: Proofs, monkeypatch: pytest.MonkeyPatch, found: Outcome
) -> None:
    good = proofs.check_upload(proofs.files[VALID])
    monkeypatch.setattr(proofs, "check_upload", lambda data: dataclasses.replace(good, outcome=found))
    answer = check(client, b"x")
    assert outcome(answer.text) == found
    assert 'role="alert"' in answer.text


def test_nothing_and_too_much_are_told_apart(client: httpx2.Client) -> None:
    nothing = client.post("/verify", params={"lang": EN}, files={"file": ("", b"")}, data={"text": " "})
    assert (nothing.status_code, "Choose a file, or paste text." in said(nothing.text)) == (400, True)
    large = check(client, b"x" * (VERIFY_BYTES_MAX + 1))
    assert (large.status_code, "too large" in said(large.text)) == (413, True)
    for kind in ("text/plain", "multipart/form-data", "multipart/form-data; boundary=", ""):
        bad = client.post("/verify", params={"lang": EN}, content=b"--x", headers={"content-type": kind})
        assert (bad.status_code, "could not be read" in said(bad.text)) == (400, True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), as_form=st.booleans())
def test_arbitrary_bytes_are_answered_with_a_page(client: httpx2.Client, data: bytes, as_form: bool) -> None:
    if as_form:
        answer = check(client, data)
    else:
        kind = {"content-type": "multipart/form-data; boundary=x"}
        answer = client.post("/verify", content=b"--x\r\n" + data, headers=kind)
    assert answer.status_code in (200, 400)
    assert answer.headers["content-type"].startswith("text/html")
    assert "answer-valid" not in answer.text


def test_an_unreadable_file_is_told_by_its_first_step(client: httpx2.Client) -> None:
    text = check(client, b"not a proof").text
    assert outcome(text) == Outcome.INVALID
    assert outcome(text) == verify.unreadable("").outcome
    assert re.search(r"1\. Form\s+failed", said(text))
