"""A client of the Go program in tests/contract/go: an independent implementation to compare with.

The program is built from Debian's packages `golang-go` and `golang-golang-x-mod-dev`, without modules and
without a network. What it can be asked stands at the top of main.go.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.support import oracles

SOURCES = Path(__file__).parent / "go"
PACKAGES_NEEDED = ("golang.org/x/mod/sumdb/note", "golang.org/x/mod/sumdb/tlog")
DEBIAN_GOPATH = "/usr/share/gocode"
BUILD_SECONDS_MAX = 300


class GoError(Exception):
    """The program did not understand the question, or is gone."""


def find_gopath() -> str:
    """Where the packages lie that the program is made of."""
    oracles.require("go")
    for gopath in [*os.environ.get("GOPATH", "").split(os.pathsep), DEBIAN_GOPATH]:
        if gopath and all((Path(gopath) / "src" / package).is_dir() for package in PACKAGES_NEEDED):
            return gopath
    return oracles.absent("Go's package x/mod", oracles.how_to_install(["go"]))


def build(folder: Path) -> Path:
    """Build the program into the folder. A failing build is an error, wherever it is."""
    program = folder / "contract"
    env = os.environ | {
        "GO111MODULE": "off",
        "GOPATH": find_gopath(),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    if not any(env.get(name) for name in ("GOCACHE", "XDG_CACHE_HOME", "HOME")):
        env["GOCACHE"] = str(folder / "cache")
    built = subprocess.run(
        ["go", "build", "-o", str(program), *sorted(str(path) for path in SOURCES.glob("*.go"))],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS_MAX,
        check=False,
    )
    if built.returncode != 0:
        raise GoError(f"go build failed:\n{built.stdout}{built.stderr}")
    return program


class Go:
    """One running program. `go("root", leaves=["00", "01"])["root"]`; hashes are hexadecimal text."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen([build(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, op: str, **kw: Any) -> dict[str, Any]:
        """Ask. A check that fails answers `ok: False` with an `error`; any other error raises GoError."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"op": op, **kw}).encode() + b"\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise GoError(f"{op}: the program ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer and "ok" not in answer:
            raise GoError(f"{op}: {answer['error']}")
        return answer

    def close(self) -> None:
        # Closes both pipes and waits: at the end of its input the program ends.
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
