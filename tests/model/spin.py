"""Running the formal model of transfers under Spin: generate, compile, search, and read the verdict."""

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support import oracles

MODEL = Path(__file__).parents[2] / "docs" / "model" / "transfer.pml"
PROGRAMS = ("spin", "gcc")
HOW_TO_INSTALL = f"the model needs Spin and a C compiler: {oracles.how_to_install(PROGRAMS)}"
MEMORY_MB_MAX = 2000
DEPTH_MAX = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One exhaustive search: the macros that the model is taken with say its bounds, its network and its mutation."""

    name: str
    macros: tuple[str, ...]

    @property
    def live(self) -> bool:
        return "LIVE" in self.macros


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search came to. `violated` is the assertion or the kind of cycle that Spin names, None when all holds."""

    states: int
    seconds: float
    memory_mb: float
    violated: str | None
    unreached: tuple[str, ...]


class Incomplete(Exception):
    """The search did not look at everything, so that its verdict says nothing."""


def missing() -> list[str]:
    return [tool for tool in PROGRAMS if shutil.which(tool) is None]


def explore(search: Search, folder: Path, *, memory_mb: int = MEMORY_MB_MAX, brief: bool = False) -> Found:
    """Searches every state within the bounds; `brief` saves the compiler's time.

    Incomplete when memory or depth run out, or a tool fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    macros = [f"-D{macro}" for macro in search.macros]
    _output(["spin", *macros, "-a", str(MODEL)], folder)
    # States are packed (COLLAPSE); what has no liveness claim is compiled without the machinery for one.
    kind = ["-O0" if brief else "-O1", *([] if search.live else ["-DSAFETY"])]
    _output(["gcc", "-w", "-DCOLLAPSE", f"-DMEMLIM={memory_mb}", *kind, "-o", "pan", "pan.c"], folder)
    begun = time.monotonic()
    report = _output(["./pan", f"-m{DEPTH_MAX}", *(["-a"] if search.live else [])], folder)
    return read(report, time.monotonic() - begun)


def read(report: str, seconds: float) -> Found:
    """The report of `pan`; Incomplete unless it either found a violation or searched to the end."""
    errors = re.search(r"errors: (\d+)", report)
    stored = re.search(r"^ *([\d.e+]+) states, stored", report, re.MULTILINE)
    memory = re.search(r"([\d.]+)\ttotal actual memory usage", report)
    if errors is None or stored is None or memory is None or "max search depth too small" in report:
        raise Incomplete(report)
    violated = re.search(r"^pan:1: (.*?) \(at depth", report, re.MULTILINE)
    if (violated is None) != (errors[1] == "0") or (violated is None and "Search not completed" in report):
        raise Incomplete(report)
    return Found(
        states=int(float(stored[1])),
        seconds=seconds,
        memory_mb=float(memory[1]),
        violated=violated[1] if violated else None,
        unreached=tuple(line for line in re.findall(r"state \d+, \"(.*)\"$", report, re.MULTILINE) if line != "-end-"),
    )


def _output(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Incomplete(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout
