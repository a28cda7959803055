"""Programs of others that tests compare ours with: one that is missing is a failure on CI, and elsewhere a skip."""

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn

import pytest

_POPPLER: Final = ("pdfdetach", "pdffonts", "pdfinfo", "pdftoppm", "pdftotext")
PACKAGES: Final = {
    "go": ("golang-go", "golang-golang-x-mod-dev"),
    "chromium": ("chromium", "chromium-driver"),
    "chromedriver": ("chromium-driver",),
    "node": ("nodejs", "npm"),
    "npm": ("npm",),
    **dict.fromkeys(_POPPLER, ("poppler-utils",)),
    "zbarimg": ("zbar-tools",),
    "spin": ("spin",),
    "gcc": ("gcc", "libc6-dev"),
}
"""The packages of Debian that bring a program."""

NO_SHARED_FOLDER: Final = "the project's shared folder is not beside the checkout"
"""Why a test is skipped, on CI too, whose files the repository does not hold."""

_INSTALL: Final = "apt-get install -y"
_SKIPPED: Final = re.compile(rf"(?:Skipped: )?(?P<name>.+) is missing: {_INSTALL} (?P<packages>.+)", re.DOTALL)


def in_ci() -> bool:
    """Whether this is continuous integration, where everything is to be tested."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def how_to_install(programs: Iterable[str]) -> str:
    """The command that installs programs."""
    return f"{_INSTALL} {' '.join(dict.fromkeys(package for name in programs for package in PACKAGES[name]))}"


def require(program: str) -> str:
    """The path of a program; where it is missing, the test fails on CI and is skipped elsewhere."""
    return shutil.which(program) or absent(program, how_to_install([program]))


def absent(name: str, remedy: str) -> NoReturn:
    """End the test, for something is missing that it compares ours with: a failure on CI, a skip elsewhere."""
    reason = f"{name} is missing: {remedy}"
    if in_ci():
        pytest.fail(f"{reason} (on CI this is a failure; elsewhere the test is skipped)", pytrace=False)
    pytest.skip(reason)


def told(reasons: Sequence[str]) -> str:
    """The reasons of all skipped tests in one line: how many, what was missing, and how to get it."""
    missing = [found for reason in reasons if (found := _SKIPPED.fullmatch(reason))]
    parts = []
    if missing:
        names = ", ".join(sorted({found["name"] for found in missing}))
        packages = " ".join(sorted({package for found in missing for package in found["packages"].split()}))
        parts.append(f"{len(missing)} without {names} (to get them: {_INSTALL} {packages})")
    others = [reason.removeprefix("Skipped: ") for reason in reasons if not _SKIPPED.fullmatch(reason)]
    parts += [f"{others.count(reason)} because {' '.join(reason.split())}" for reason in dict.fromkeys(others)]
    return f"tests skipped: {'; '.join(parts)}"
