"""How the public pages look and feel: every width, light and dark, by keyboard, by the rules of accessibility."""

from pathlib import Path

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from api.wording.languages import LANGUAGES
from tests.browser import chromium
from tests.browser.chromium import visit
from tests.browser.site import FIRST, HOSTILE, STAR, VALID, Proofs
from tests.contract import javascript

AXE = Path(__file__).parent / "axe"

VIEWS = {
    "front": "/",
    "verify": "/verify",
    "valid": f"/p/{VALID}",
    "revoked": f"/p/{FIRST}",
    "hostile": f"/p/{HOSTILE}",
    "star": f"/p/{STAR}",
    "missing": "/p/none",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("view", VIEWS)
def test_pages_fit_every_width(
    browser: Chrome, proofs: Proofs, tmp_path_factory: pytest.TempPathFactory, view: str, language: str
) -> None:
    folder = tmp_path_factory.mktemp("pictures")
    fragment = f"#{proofs.code(VALID)}" if view == "valid" else ""
    visit(browser, f"{proofs.base}{VIEWS[view]}?lang={language}{fragment}")
    for name, size in (("phone", chromium.PHONE), ("desktop", chromium.DESKTOP), ("narrow", (320, 640))):
        chromium.resize(browser, size)
        chromium.photograph(browser, path := folder / f"{view}-{language}-{name}.png")
        assert path.read_bytes().startswith(b"\x89PNG")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0], name
    # 200 % zoom on a desk is half its width.
    chromium.resize(browser, (chromium.DESKTOP[0] // 2, chromium.DESKTOP[1] // 2), scale=2)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= chromium.DESKTOP[0] // 2


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_break_no_rule_of_accessibility(browser: Chrome, proofs: Proofs, dark: bool) -> None:
    axe = (javascript.install(AXE) / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    for view, path in VIEWS.items():
        fragment = f"#{proofs.code(VALID)}" if view == "valid" else ""
        visit(browser, f"{proofs.base}{path}?lang=en{fragment}")
        browser.execute_script(axe)
        for size in (chromium.PHONE, chromium.DESKTOP):
            chromium.resize(browser, size)
            found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
            assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == [], (view, size)
            assert len(found["passes"]) > 10


def test_everything_can_be_reached_by_keyboard(browser: Chrome, proofs: Proofs) -> None:
    chromium.resize(browser, chromium.DESKTOP)
    visit(browser, f"{proofs.base}/p/{VALID}?lang=en#{proofs.code(VALID)}")
    reached = []
    for _ in range(9):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        focused = browser.switch_to.active_element
        reached.append(focused.get_attribute("id") or focused.tag_name)
        if focused.tag_name != "input":
            shown = browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", focused)
            assert shown != "none", focused.get_attribute("outerHTML")
    assert reached == ["a", "a", "a", "a", "a", "summary", "name", "button", "a"]
    visit(browser, f"{proofs.base}/p/{VALID}?lang=en#{proofs.code(VALID)}")
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB, Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "content"
    assert browser.execute_script("return location.hash").removeprefix("#") == proofs.code(VALID)
