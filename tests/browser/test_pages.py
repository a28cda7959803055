"""The public pages over HTTP, as a browser without scripts and a hostile client meet them."""

import re

import httpx2
import pytest

from api.pages import routes
from api.wording import verdicts
from api.wording.languages import LANGUAGES, TAGS
from ledger import limits
from ledger.credentials.checking.verdict import Outcome
from ledger.errors import Busy, LedgerError, NotYet, Unavailable
from ledger.texts.catalogue import catalogue
from tests.browser.reading import outcome, said
from tests.browser.site import ERASED, FIRST, HOSTILE, NAMELESS, STAR, UNKNOWN, VALID, Proofs

HANS, HANT, EN = LANGUAGES


# -- what a proof's page says ---------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("proof", "expected"), [(VALID, Outcome.VALID), (FIRST, Outcome.REVOKED), (ERASED, Outcome.REVOKED)]
)
def test_the_page_of_a_proof_answers_first_and_in_words(
    client: httpx2.Client, proof: str, expected: Outcome, language: str
) -> None:
    answer = client.get(f"/p/{proof}", params={"lang": language})
    assert answer.status_code == 200
    assert outcome(answer.text) == expected
    word = verdicts.OUTCOMES[expected].to(TAGS[language])
    assert re.search(rf'<p class="word">{word}</p>', answer.text)
    assert re.search(rf"<title>{word} ", answer.text)
    assert answer.text.count("<h1") == 1


def test_a_proof_shows_what_it_states(client: httpx2.Client) -> None:
    text = said(client.get(f"/p/{VALID}?lang=zh-Hans").text)
    for stated in ("32 小时 35 分钟", "2026年1月1日至11月22日", "江南街道助老服务", "惠州市蓝天志愿服务队", "文明旅游",
                   "一星级志愿者", "惠州市 · Huizhou", VALID, "以上时间为实际服务时间。", "现场签到"):  # fmt: skip
        assert stated in text
    star = said(client.get(f"/p/{STAR}?lang=en").text)
    assert "One-star volunteer" in star
    assert "at least 100 h" in star
    shortened = said(client.get(f"/p/{FIRST}?lang=en").text)
    assert "Activities not listed: 1" in shortened
    assert "42 h 35 min" in shortened


def test_a_revoked_proof_names_its_reason_and_what_replaces_it(client: httpx2.Client) -> None:
    answer = client.get(f"/p/{FIRST}", params={"lang": EN})
    assert "a record it rests on was corrected" in said(answer.text)
    assert f'href="/p/{VALID}?lang=en"' in answer.text
    assert "no longer" in said(answer.text)


def test_an_erased_proof_shows_only_that_it_was_revoked(client: httpx2.Client) -> None:
    answer = client.get(f"/p/{ERASED}", params={"lang": EN})
    assert "have been erased" in said(answer.text)
    assert "江南街道" not in answer.text
    assert "林" not in answer.text
    assert 'name="name"' not in answer.text


@pytest.mark.parametrize("path", ["/p/" + UNKNOWN, "/p/x", "/p/%00", "/p/..%2f..", "/p/" + "a" * 3000])
def test_what_was_never_issued_here_is_not_found(client: httpx2.Client, path: str) -> None:
    answer = client.get(path, params={"lang": EN})
    assert answer.status_code == 404
    if "%2f" not in path:
        assert "There is no such proof" in said(answer.text)


@pytest.mark.parametrize(
    ("error", "status", "key"),
    [
        (Busy("guessed", 3600), 429, "error.busy"),
        (NotYet("soon"), 404, "error.not_yet"),
        (Unavailable("database out of reach"), 503, "error.unavailable"),
    ],
)
def test_when_there_is_no_answer_the_page_says_neither_yes_nor_no(
    client: httpx2.Client, proofs: Proofs, monkeypatch: pytest.MonkeyPatch, error: LedgerError, status: int, key: str
) -> None:
    def fail(proof_id: str) -> None:
        raise error

    monkeypatch.setattr(proofs, "shown_proof", fail)
    answer = client.get(f"/p/{VALID}", params={"lang": EN})
    assert answer.status_code == status
    assert catalogue()[key].en in said(answer.text)
    assert "answer-" not in answer.text
    assert error.detail not in answer.text


# -- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "matches"), [("林小明", True), (" 林 小明 ", True), ("林小萌", False), ("林", False), ("＊", False)]
)
def test_a_name_is_compared_and_never_told(client: httpx2.Client, typed: str, matches: bool) -> None:
    before = client.get(f"/p/{VALID}", params={"lang": HANS})
    assert "林小明" not in before.text
    assert "林＊明" in before.text
    after = client.post(f"/p/{VALID}", params={"lang": HANS}, data={"name": typed})
    assert ("note-good" in after.text) is matches
    assert ("note-bad" in after.text) is not matches
    assert (f'<p id="name-hint">证明上的姓名为 {typed.strip()}。' in after.text) is matches
    assert outcome(after.text) == Outcome.VALID


def test_an_empty_name_is_asked_for_again(client: httpx2.Client) -> None:
    for sent in ({"name": "  "}, {}):
        answer = client.post(f"/p/{VALID}", params={"lang": EN}, data=sent or {"other": "x"})
        assert "Type a name." in said(answer.text)


def test_a_proof_without_a_name_says_so(client: httpx2.Client) -> None:
    answer = client.get(f"/p/{NAMELESS}", params={"lang": EN})
    assert "This proof states no name" in said(answer.text)
    posted = client.post(f"/p/{NAMELESS}", params={"lang": EN}, data={"name": "林小明"})
    assert "note-good" not in posted.text


@pytest.mark.parametrize("body", [b"name=" + b"x" * 5000, b"%ff%fe=%zz", b"\xff" * 100])
def test_a_form_that_is_not_one_is_refused_with_a_page(client: httpx2.Client, body: bytes) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post(f"/p/{VALID}", params={"lang": EN}, content=body, headers=kind)
    assert answer.status_code in (200, 400)
    assert answer.headers["content-type"].startswith("text/html")


# -- hostile contents -----------------------------------------------------------------------------------


def test_names_and_contents_are_shown_as_they_are_and_do_nothing(client: httpx2.Client) -> None:
    answer = client.get(f"/p/{HOSTILE}", params={"lang": EN})
    assert "<img src=x onerror=alert(1)>{{7*7}}{% raw %}" in said(answer.text)
    for mark in ("<img", "<b>", "onerror=alert(1)>", "<style", 'alert("x")'):
        assert mark not in answer.text
    posted = client.post(f"/p/{HOSTILE}", params={"lang": EN}, data={"name": '"><script>alert(1)</script>'})
    assert "<script>alert" not in posted.text
    assert posted.text.count("<script") == 1


@pytest.mark.parametrize("language", ["zz", '"><script>', "zh-Hans\r\nx: y"])
def test_an_unknown_language_is_ignored(client: httpx2.Client, language: str) -> None:
    answer = client.get("/", params={"lang": language})
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert '<html lang="zh-Hans">' in answer.text


# -- languages, headers, files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("zh-CN,zh;q=0.9", HANS),
        ("zh-TW", HANT),
        ("zh-HK,zh;q=0.9,en;q=0.5", HANT),
        ("zh-MO", HANT),
        ("zh-Hant-HK", HANT),
        ("en-GB,en;q=0.8", EN),
        ("de,en;q=0.7,zh;q=0.3", EN),
        ("de;q=0.1,zh-Hans;q=0.2", HANS),
        ("de", HANS),
        ("", HANS),
        (";;q=x,,", HANS),
    ],
)
def test_the_language_is_the_one_the_browser_prefers(client: httpx2.Client, accepted: str, expected: str) -> None:
    answer = client.get("/verify", headers={"accept-language": accepted})
    assert f'<html lang="{expected}">' in answer.text
    assert answer.headers["content-language"] == expected


@pytest.mark.parametrize("host", ["[::1", "[", "a b", "x:y:z", '"><b>', "host:99999999", ""])
def test_any_host_is_answered_and_shown_as_it_is(client: httpx2.Client, host: str) -> None:
    answer = client.get("/verify", headers={"host": host})
    assert answer.status_code in (200, 400)
    assert "<b>" not in answer.text


def test_links_keep_a_language_that_was_chosen_and_add_none(client: httpx2.Client) -> None:
    assert 'href="/verify?lang=en"' in client.get("/?lang=en").text
    assert 'href="/verify"' in client.get("/", headers={"accept-language": "en"}).text


@pytest.mark.parametrize("path", ["/", "/verify", f"/p/{VALID}", "/p/none"])
def test_pages_allow_nothing_from_elsewhere_and_set_no_cookies(client: httpx2.Client, path: str) -> None:
    answer = client.get(path)
    for name, value in routes.HEADERS.items():
        assert answer.headers[name] == value
    assert "set-cookie" not in answer.headers
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in answer.text
    assert not re.search(r"\son[a-z]+=", answer.text)
    assert set(re.findall(r'(?:src|href|action)="(https?:[^"]*)"', answer.text)) == set()
    assert ("noindex" in answer.headers.get("x-robots-tag", "")) is (path != "/")


def test_static_files_are_kept_for_ever_under_an_address_of_their_content(client: httpx2.Client) -> None:
    text = client.get("/verify").text
    found = set(re.findall(r'(?:src|href)="(/static/[^"#]+)"', text))
    styles = {f"{name}.css" for name in ("frame", "answer", "stated", "forms", "print")}
    assert {path.rpartition("/")[2] for path in found} == {"icon.svg", "page.js"} | styles
    for path in found:
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
    folder = next(iter(found)).split("/")[2]
    for path in ("/static/0000/frame.css", f"/static/{folder}/%2e%2e/pages.py", f"/static/{folder}/frame.cs"):
        assert client.get(path).status_code == 404


def test_the_front_page_names_the_regions_served(client: httpx2.Client) -> None:
    text = said(client.get("/", params={"lang": EN}).text)
    assert "惠州市 region code 441300" in text
    assert "香港特别行政区" in text


def test_forms_name_the_limits_that_hold(client: httpx2.Client) -> None:
    page = client.get("/verify", params={"lang": EN}).text
    assert f"at most {limits.VERIFY_BYTES_MAX // 2**20} MB" in said(page)
    for text in (page, client.get(f"/p/{VALID}").text):
        assert f'maxlength="{limits.SHORT_TEXT_MAX}"' in text
