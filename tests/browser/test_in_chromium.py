"""The public pages in a real browser: with scripts and without, on a telephone and on a desk."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from api.wording import verdicts
from api.wording.languages import LANGUAGES, TAGS
from ledger.credentials import status_list
from ledger.credentials.checking.verdict import Outcome
from ledger.texts.catalogue import catalogue
from tests.browser import chromium
from tests.browser.chromium import outcome, text_of, until, visit, wait_for
from tests.browser.site import FIRST, HOSTILE, INDEXES, LIST, NAMELESS, STAR, VALID, Proofs

# -- the page of a proof ----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("proof", "expected"), [(VALID, Outcome.VALID), (FIRST, Outcome.REVOKED)])
def test_the_code_in_the_address_is_checked_and_agrees(
    browser: Chrome, proofs: Proofs, proof: str, expected: Outcome, language: str
) -> None:
    visit(browser, f"{proofs.base}/p/{proof}?lang={language}#{proofs.code(proof)}")
    assert outcome(browser) == expected
    assert text_of(browser, ".word") == verdicts.OUTCOMES[expected].to(TAGS[language])
    assert text_of(browser, "#code-result .note-good") == catalogue()["js.code.good"].to(TAGS[language])
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == language
    assert chromium.complaints(browser) == []


def test_a_code_with_other_minutes_is_said_to_disagree(browser: Chrome, proofs: Proofs) -> None:
    sealed = proofs.code(VALID, minutes=6000, first="2025-01-01")
    visit(browser, f"{proofs.base}/p/{VALID}?lang=en#{sealed}")
    assert text_of(browser, "#alarm .told") == catalogue()["js.code.differs"].en
    told = text_of(browser, "#code-result table")
    for part in ("100 h", "32 h 35 min", "1 January 2025", "1 January 2026"):
        assert part in told
    assert "Last day" not in told
    # What is said of the certificate at hand comes first, and louder than what the server says of the number.
    first, second = browser.find_elements(By.CSS_SELECTOR, ".answer")
    assert (first.get_attribute("id"), second.get_attribute("class")) == ("alarm", "answer answer-valid doubted")
    assert first.size["height"] > second.size["height"]
    assert browser.title.startswith(catalogue()["js.code.word"].en)


@pytest.mark.parametrize("changed", ["proof", "level", "digest"])
def test_a_code_of_another_proof_or_content_is_said_to_disagree(browser: Chrome, proofs: Proofs, changed: str) -> None:
    changes = {"proof": STAR, "level": 5, "digest": b"\0" * 32}
    visit(browser, f"{proofs.base}/p/{VALID}?lang=en#{proofs.code(VALID, **{changed: changes[changed]})}")
    assert text_of(browser, "#alarm .told") == catalogue()["js.code.differs"].en


def test_a_forged_code_is_said_not_to_hold(browser: Chrome, proofs: Proofs) -> None:
    sealed = proofs.code(VALID)
    for forged in (sealed[:-4] + "AAAA", "x" * 60, "<script>alert(1)</script>"):
        visit(browser, f"{proofs.base}/p/{VALID}?lang=en#{forged}")
        assert text_of(browser, "#alarm .told") == catalogue()["js.code.bad"].en
        assert browser.find_element(By.CSS_SELECTOR, "#code-result .step-failed").is_displayed()
    assert chromium.complaints(browser) == []


def test_a_page_opened_without_a_code_says_what_the_server_knows(browser: Chrome, proofs: Proofs) -> None:
    visit(browser, f"{proofs.base}/p/{VALID}?lang=en")
    assert text_of(browser, "#code-none") == catalogue()["code.none"].en
    assert not browser.find_element(By.ID, "code-check").is_displayed()


def test_where_ed25519_is_not_known_it_says_so(browser: Chrome, proofs: Proofs) -> None:
    script = "crypto.subtle.importKey = () => Promise.reject(new DOMException('no', 'NotSupportedError'));"
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        visit(browser, f"{proofs.base}/p/{VALID}?lang=en#{proofs.code(VALID)}")
        assert text_of(browser, "#code-result") == catalogue()["js.no_ed25519"].en
        visit(browser, f"{proofs.base}/verify?lang=en")
        wait_for(browser, "#ask > .note")
        assert text_of(browser, "#ask > .note") == catalogue()["js.no_ed25519"].en
        browser.find_element(By.ID, "text").send_keys(f"{proofs.base}/p/{VALID}#{proofs.code(VALID)}")
        browser.find_element(By.CSS_SELECTOR, "#ask button").click()
        wait_for(browser, ".answer")  # the server's
        assert catalogue()["steps.by_server"].en in text_of(browser, "#result")
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_the_code_survives_a_change_of_language_and_a_comparison_of_names(browser: Chrome, proofs: Proofs) -> None:
    visit(browser, f"{proofs.base}/p/{VALID}?lang=zh-Hans#{proofs.code(VALID)}")
    browser.find_element(By.CSS_SELECTOR, '[hreflang="en"]').click()
    wait_for(browser, "main[data-ready]")
    assert text_of(browser, "#code-result .note-good") == catalogue()["js.code.good"].en
    browser.find_element(By.ID, "name").send_keys("林小明", Keys.ENTER)
    wait_for(browser, "main[data-ready] #name-result")
    assert text_of(browser, "#name-result") == catalogue()["name.matches"].en.format(name="林小明")
    assert text_of(browser, "#code-result .note-good") == catalogue()["js.code.good"].en
    assert browser.switch_to.active_element.get_attribute("id") == "name-result"
    assert chromium.complaints(browser) == []


# -- checking a file --------------------------------------------------------------------------------------


def present(
    browser: Chrome, proofs: Proofs, file: Path | None = None, text: str = "", name: str = "", language: str = "en"
) -> None:
    """Fill in the form and send it."""
    visit(browser, f"{proofs.base}/verify?lang={language}")
    if file is not None:
        browser.find_element(By.ID, "file").send_keys(str(file))
    browser.execute_script("document.getElementById('text').value = arguments[0]", text)
    browser.find_element(By.ID, "holder").send_keys(name)
    browser.find_element(By.CSS_SELECTOR, "#ask button").click()
    wait_for(browser, ".answer, #problem")


def test_a_credential_is_checked_without_leaving_the_browser(browser: Chrome, proofs: Proofs, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(proofs.files[VALID])
    present(browser, proofs, file, name="林小明")
    assert outcome(browser) == Outcome.VALID
    assert catalogue()["js.by_browser"].en in text_of(browser, "#result")
    assert [step.text for step in browser.find_elements(By.CSS_SELECTOR, ".step .result")] == ["passed"] * 6
    assert catalogue()["js.signature.half"].en in text_of(browser, ".step:nth-child(3)")
    assert "32 h 35 min" in text_of(browser, ".certificate")
    assert browser.find_elements(By.CSS_SELECTOR, ".note-good")
    assert browser.switch_to.active_element.get_attribute("id") == "answer"
    browser.find_element(By.CSS_SELECTOR, "#result button").click()
    until(browser, lambda found: catalogue()["steps.by_server"].en in text_of(found, "#result"))
    assert outcome(browser) == Outcome.VALID
    assert chromium.complaints(browser) == []


def test_forged_and_revoked_credentials_are_told_in_the_browser(
    browser: Chrome, proofs: Proofs, tmp_path: Path
) -> None:
    forged = json.loads(proofs.files[VALID])
    forged["credentialSubject"]["service"]["lines"][0]["minutes"] = 99_999
    for name, data, expected in (
        ("forged", json.dumps(forged).encode(), Outcome.INVALID),
        ("revoked", proofs.files[FIRST], Outcome.REVOKED),
        ("hostile", proofs.files[HOSTILE], Outcome.VALID),
        ("star", proofs.files[STAR], Outcome.VALID),
        ("nameless", proofs.files[NAMELESS], Outcome.VALID),
    ):
        file = tmp_path / f"{name}.json"
        file.write_bytes(data)
        present(browser, proofs, file, name="林小萌")
        assert outcome(browser) == expected, name
        assert catalogue()["js.by_browser"].en in text_of(browser, "#result")
        assert not browser.find_elements(By.CSS_SELECTOR, ".note-good")
        assert len(browser.find_elements(By.CSS_SELECTOR, ".certificate")) == (expected is not Outcome.INVALID)
    assert chromium.complaints(browser) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("proof", [VALID, FIRST, STAR, HOSTILE, NAMELESS])
def test_browser_and_server_show_the_same_statement(browser: Chrome, proofs: Proofs, proof: str, language: str) -> None:
    present(browser, proofs, text=proofs.files[proof].decode(), language=language)
    assert catalogue()["js.by_browser"].to(TAGS[language]) in text_of(browser, "#result")
    mine = shown(browser)
    browser.find_element(By.CSS_SELECTOR, "#result button").click()
    until(browser, lambda found: catalogue()["steps.by_server"].to(TAGS[language]) in text_of(found, "#result"))
    assert mine == shown(browser)
    assert "headline" in mine[0]
    assert "facts" in mine[-1]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("current", [True, False])
@pytest.mark.parametrize("kind", ["credential", "code"])
def test_browser_and_server_say_the_same_of_it(
    browser: Chrome, proofs: Proofs, kind: str, current: bool, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not current:
        monkeypatch.setattr(proofs, "list_seconds", 1)
    text = proofs.files[VALID].decode() if kind == "credential" else f"{proofs.base}/p/{VALID}#{proofs.code(VALID)}"
    present(browser, proofs, text=text, language=language)
    mine = outcome(browser), text_of(browser, ".told")
    assert mine[0] == (Outcome.VALID if current else Outcome.STATUS_UNKNOWN)
    browser.find_element(By.CSS_SELECTOR, "#result button").click()
    until(browser, lambda found: catalogue()["steps.by_server"].to(TAGS[language]) in text_of(found, "#result"))
    assert mine == (outcome(browser), text_of(browser, ".told"))
    assert not re.search(r"[0-9]T[0-9]", mine[1])  # a date as people read it


def shown(browser: Chrome) -> list[str]:
    """What a certificate on the page is made of, part by part, and how it is marked."""
    parts = browser.find_elements(
        By.CSS_SELECTOR, ".certificate > :is(h3, ul, dl, .headline, .starred, .note, .lines, .sums, .said)"
    )
    marks = browser.find_element(By.CSS_SELECTOR, ".certificate").get_attribute("class")
    languages = [
        found.get_attribute("lang") or "" for found in browser.find_elements(By.CSS_SELECTOR, ".certificate bdi")
    ]
    return [
        *(f"{part.tag_name} {part.get_attribute('class')}: {part.text}" for part in parts[:-1]),
        f"{marks} {sorted(filter(None, languages))}",
        f"{parts[-1].get_attribute('class')}: {parts[-1].text}",
    ]


def test_the_text_of_a_qr_is_checked_in_the_browser(browser: Chrome, proofs: Proofs) -> None:
    present(browser, proofs, text=f"{proofs.base}/p/{VALID}#{proofs.code(VALID)}", name="林小明")
    assert outcome(browser) == Outcome.VALID
    assert catalogue()["js.by_browser"].en in text_of(browser, "#result")
    assert browser.find_elements(By.CSS_SELECTOR, ".note-good")
    assert "32 h 35 min" in text_of(browser, ".certificate")


def test_a_list_in_the_bundle_is_asked_beside_the_one_that_is_served(
    browser: Chrome, proofs: Proofs, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{proofs.base}/status/{LIST}"
    newer = status_list.make(url, proofs.key, [INDEXES[VALID]], proofs.now, proofs.now + 86_400)
    monkeypatch.setattr(proofs, "bundled", {url: newer})
    present(browser, proofs, text=proofs.files[VALID].decode())
    assert outcome(browser) == Outcome.REVOKED
    monkeypatch.setattr(proofs, "bundled", {url: b"<html>"})
    present(browser, proofs, text=proofs.files[FIRST].decode())
    assert outcome(browser) == Outcome.REVOKED
    present(browser, proofs, text=proofs.files[VALID].decode())
    assert outcome(browser) == Outcome.VALID


@pytest.mark.parametrize(("seen", "expected"), [([VALID, VALID], True), ([VALID, STAR], False), ([], False)])
def test_of_several_codes_in_a_photo_the_browser_chooses_none(
    browser: Chrome, proofs: Proofs, tmp_path: Path, seen: list[str], expected: bool
) -> None:
    # Chromium reads codes on telephones and on macOS only; here it is told what is in the picture.
    texts = [f"{proofs.base}/p/{proof}#{proofs.code(proof)}" for proof in seen] + ["https://elsewhere.example/"]
    found = json.dumps([{"rawValue": text} for text in texts])
    script = f"globalThis.BarcodeDetector = class {{ detect = async () => {found}; }};"
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    picture = tmp_path / "photo.png"
    Image.new("L", (8, 8)).save(picture)
    try:
        present(browser, proofs, picture)
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    assert (catalogue()["js.by_browser"].en in text_of(browser, "#result")) is expected
    assert outcome(browser) == (Outcome.VALID if expected else Outcome.INVALID)  # the server finds none


def test_what_the_browser_cannot_read_goes_to_the_server(browser: Chrome, proofs: Proofs, tmp_path: Path) -> None:
    file = tmp_path / "proof.pdf"
    file.write_bytes(b"%PDF-1.7\nno proof in it")
    present(browser, proofs, file)
    assert outcome(browser) == Outcome.INVALID
    assert catalogue()["steps.by_server"].en in text_of(browser, "#result")
    present(browser, proofs)
    assert text_of(browser, "#problem") == catalogue()["verify.nothing"].en


def test_a_dropped_file_is_checked_at_once(browser: Chrome, proofs: Proofs) -> None:
    visit(browser, f"{proofs.base}/verify?lang=en")
    script = """
        const files = new DataTransfer();
        files.items.add(new File([arguments[0]], "proof.json", { type: "application/json" }));
        const drop = document.getElementById("drop");
        for (const name of ["dragenter", "dragover", "drop"]) {
          drop.dispatchEvent(new DragEvent(name, { dataTransfer: files, bubbles: true, cancelable: true }));
        }
    """
    browser.execute_script(script, proofs.files[VALID].decode())
    wait_for(browser, ".answer")
    assert outcome(browser) == Outcome.VALID


# -- without scripts --------------------------------------------------------------------------------------


def test_without_scripts_everything_is_answered_by_the_server(
    plain_browser: Chrome, proofs: Proofs, tmp_path: Path
) -> None:
    browser = plain_browser
    browser.get(f"{proofs.base}/p/{FIRST}?lang=en#{proofs.code(FIRST)}")
    assert outcome(browser) == Outcome.REVOKED
    assert text_of(browser, "noscript") == catalogue()["code.noscript"].en
    browser.find_element(By.CSS_SELECTOR, ".replacement a").click()
    wait_for(browser, ".answer-valid")
    browser.find_element(By.ID, "name").send_keys("林小明", Keys.ENTER)
    wait_for(browser, "#name-result")
    assert browser.find_elements(By.CSS_SELECTOR, ".note-good")
    forged = json.loads(proofs.files[VALID])
    forged["name"] = "另一个"
    for data, expected in ((proofs.files[VALID], Outcome.VALID), (json.dumps(forged).encode(), Outcome.INVALID)):
        file = tmp_path / f"{expected}.json"
        file.write_bytes(data)
        browser.get(f"{proofs.base}/verify?lang=en")
        browser.find_element(By.ID, "file").send_keys(str(file))
        browser.find_element(By.CSS_SELECTOR, "#ask button").click()
        wait_for(browser, f".answer-{expected}")
        assert browser.switch_to.active_element.get_attribute("id") == "answer"
