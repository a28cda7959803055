"""Headless Chromium as a fixture: Debian's browser and driver, with the fonts of the certificate package."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.support import oracles

PHONE: Final = (375, 812)
DESKTOP: Final = (1280, 900)
_WAIT_SECONDS_MAX: Final = 20
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
_FONTS: Final = ("cvttf_NotoSansCJK_Regular", "cvttf_NotoSansCJK_Bold")


@contextlib.contextmanager
def browser(*, scripts: bool = True, dark: bool = False) -> Iterator[Chrome]:
    """A browser with a profile of its own, its console kept."""
    chromium, driver = oracles.require("chromium"), oracles.require("chromedriver")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as text:
        folder = Path(text)
        options = Options()
        options.binary_location = chromium
        for flag in (*_FLAGS, f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        service = Service(driver, env={**os.environ, "FONTCONFIG_FILE": str(_fontconfig(folder)), "HOME": text})
        found = webdriver.Chrome(options, service)
        try:
            if dark:
                scheme = [{"name": "prefers-color-scheme", "value": "dark"}]
                found.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
            yield found
        finally:
            found.quit()


def _fontconfig(folder: Path) -> Path:
    """So that pictures show Chinese characters on a machine without such fonts."""
    specs = [importlib.util.find_spec(name) for name in _FONTS]
    folders = [place for spec in specs if spec for place in spec.submodule_search_locations or ()]
    dirs = "".join(f"<dir>{place}</dir>" for place in ["/usr/share/fonts", *folders])
    path = folder / "fonts.conf"
    preferred = "<prefer><family>Noto Sans CJK TC</family></prefer>"
    aliases = "".join(f"<alias><family>{name}</family>{preferred}</alias>" for name in ("sans-serif", "system-ui"))
    path.write_text(f"<fontconfig>{dirs}{aliases}<cachedir>{folder / 'fonts'}</cachedir></fontconfig>")
    return path


def resize(found: Chrome, size: tuple[int, int], scale: float = 1) -> None:
    """Set what the page sees of the window, exactly; `scale` is pixels of the picture a CSS pixel."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": scale, "mobile": size[0] < 600}
    found.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def photograph(found: Chrome, path: Path) -> None:
    """The whole page as a picture."""
    height = found.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": height["width"], "height": height["height"], "scale": 1}
    shot = found.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path.write_bytes(base64.b64decode(shot["data"]))


def complaints(found: Chrome) -> list[str]:
    """What the console holds of errors and warnings since it was last asked, such as violations of the policy."""
    return [entry["message"] for entry in found.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]


# -- what a reader does and sees --------------------------------------------------------------------------


def visit(browser: Chrome, address: str) -> None:
    """Open a page anew and wait until its scripts are done, if it has any and they run."""
    browser.get("about:blank")
    complaints(browser)
    browser.get(address)
    if browser.find_elements(By.CSS_SELECTOR, "script[src]"):
        wait_for(browser, "main[data-ready]")


def text_of(browser: Chrome, selector: str) -> str:
    return str(browser.find_element(By.CSS_SELECTOR, selector).text)


def outcome(browser: Chrome) -> str:
    return str(browser.find_element(By.ID, "answer").get_attribute("class")).removeprefix("answer answer-")


def wait_for(browser: Chrome, selector: str) -> None:
    until(browser, lambda found: bool(found.find_elements(By.CSS_SELECTOR, selector)))


def until(browser: Chrome, condition: Callable[[Chrome], bool]) -> None:
    """Wait; while one page makes way for the next, its elements are stale or gone."""

    def settled(found: Chrome) -> bool:
        try:
            return condition(found)
        except WebDriverException as error:
            # What the driver calls an element that went stale between being found and being read.
            if "does not belong to the document" not in (error.msg or ""):
                raise
            return False

    wait = WebDriverWait(browser, _WAIT_SECONDS_MAX, 0.05, [StaleElementReferenceException, NoSuchElementException])
    wait.until(settled)
