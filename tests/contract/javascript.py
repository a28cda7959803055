"""Scripts that hold ours against packages from npm: an independent implementation to compare with.

A folder has a `package.json` with exact versions, a `package-lock.json` without addresses, and its scripts. The
packages go into `.cache/` of the checkout, once for each lock file; a script runs with the network off.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from tests.support import oracles

CACHE = Path(__file__).resolve().parents[2] / ".cache"
OFFLINE = Path(__file__).parent / "js" / "offline.cjs"
INSTALL_SECONDS_MAX = 300
RUN_SECONDS_MAX = 60


class ScriptError(Exception):
    """The script ended otherwise than well; the message is what it wrote to standard error."""


def install(folder: Path) -> Path:
    """Where the packages that the folder's lock file names lie."""
    for program in ("node", "npm"):
        oracles.require(program)
    names = [folder / "package.json", folder / "package-lock.json"]
    target = CACHE / "npm" / sha256(b"\0".join(path.read_bytes() for path in names)).hexdigest()[:16]
    target.parent.mkdir(parents=True, exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    # Workers of pytest-xdist come here together; who waits finds the work done.
    with open(target.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _install(names, target)
    return target


def _install(names: list[Path], target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as text:
        half = Path(text) / "half"
        half.mkdir()
        for path in names:
            shutil.copy(path, half)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(
                command,
                cwd=half,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            _not_brought(f"it took more than {INSTALL_SECONDS_MAX} s")
        if done.returncode != 0:
            _not_brought(done.stderr[-300:])
        half.rename(target)


def _not_brought(reason: str) -> NoReturn:
    oracles.absent("a package of npm", f"connect to the network or set npm's registry ({reason})")


def run(folder: Path, script: str, stdin: bytes) -> bytes:
    """What `folder/script` writes, given `stdin`; raise ScriptError when it fails. Nothing is fetched."""
    packages = install(folder)
    # Node looks for packages beside the script: it runs from a copy that lies beside them.
    with tempfile.TemporaryDirectory(dir=packages, prefix="run-") as text:
        for path in folder.iterdir():
            if path.suffix in {".js", ".mjs", ".cjs"}:
                shutil.copy(path, text)
        done = subprocess.run(
            ["node", "--no-warnings", "--require", str(OFFLINE), script],
            cwd=text,
            input=stdin,
            env={**os.environ, "NODE_OPTIONS": ""},
            capture_output=True,
            timeout=RUN_SECONDS_MAX,
            check=False,
        )
    if done.returncode != 0:
        raise ScriptError(f"{script}: {done.stderr.decode(errors='replace')[-3000:]}")
    return done.stdout


def ask(folder: Path, script: str, question: Any) -> Any:
    """The same with JSON in and JSON out."""
    return json.loads(run(folder, script, json.dumps(question, ensure_ascii=False).encode()))
