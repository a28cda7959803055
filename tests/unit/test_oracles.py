"""A missing program of others: a failure on CI, and elsewhere a skip that the end of the tests tells of."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import oracles

ROOT = Path(__file__).parents[2]
CONTRACT = "tests/contract/test_merkle.py"
NEEDED = "apt-get install -y golang-go golang-golang-x-mod-dev"


def without_programs(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the tests that compare with Go where no program is to be found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "CI"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, CONTRACT],
        cwd=ROOT,
        env={**kept, "PATH": "/nonexistent", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "workers"])
def test_a_developer_reads_last_what_was_skipped_and_how_to_get_it(workers: list[str]) -> None:
    done = without_programs(*workers)
    assert done.returncode == 0, done.stdout
    *_, told, counted = done.stdout.splitlines()
    number = re.search(r"(\d+) skipped", counted)
    assert number
    assert told == f"tests skipped: {number[1]} without go (to get them: {NEEDED})"


def test_on_ci_it_is_a_failure_that_says_how_to_get_it() -> None:
    done = without_programs(CI="true")
    assert done.returncode == 1, done.stdout
    assert f"go is missing: {NEEDED}" in done.stdout
    assert "skipped:" not in done.stdout


@pytest.mark.parametrize("program", oracles.PACKAGES)
def test_ci_installs_every_program(program: str) -> None:
    script = (ROOT / ".ci" / "run").read_text()
    named = script[script.index("packages=(") : script.index("install_packages()")].replace("(", " ").replace(")", " ")
    assert set(oracles.PACKAGES[program]) <= set(named.split())


def test_ci_says_that_it_is_ci() -> None:
    assert "\nexport CI=true\n" in (ROOT / ".ci" / "run").read_text()


def test_reasons_of_all_kinds_are_told_in_one_line() -> None:
    reasons = [
        "Skipped: zbarimg is missing: apt-get install -y zbar-tools",
        "Skipped: a.json is not beside\nthe checkout",
        "Skipped: go is missing: apt-get install -y golang-go",
        "Skipped: a.json is not beside\nthe checkout",
    ]
    assert oracles.told(reasons) == (
        "tests skipped: 2 without go, zbarimg (to get them: apt-get install -y golang-go zbar-tools);"
        " 2 because a.json is not beside the checkout"
    )
