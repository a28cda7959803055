"""Headless Chromium as a fixture: Debian's browser and driver, with the fonts of the certificate package."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

PHONE: Final = (375, 812)
DESKTOP: Final = (1280, 900)
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
def browser(*, scripts: bool = True, dark: bool = False) -> Iterator[webdriver.Chrome]:
    """A browser with a profile of its own, its console kept; skips the test where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium is not installed (Debian: chromium chromium-driver)")
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


def resize(found: webdriver.Chrome, size: tuple[int, int], scale: float = 1) -> None:
    """Set what the page sees of the window, exactly; `scale` is pixels of the picture a CSS pixel."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": scale, "mobile": size[0] < 600}
    found.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def photograph(found: webdriver.Chrome, path: Path) -> None:
    """The whole page as a picture."""
    height = found.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": height["width"], "height": height["height"], "scale": 1}
    shot = found.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path.write_bytes(base64.b64decode(shot["data"]))


def complaints(found: webdriver.Chrome) -> list[str]:
    """What the console holds of errors and warnings since it was last asked, such as violations of the policy."""
    return [entry["message"] for entry in found.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]
