"""`python -m tests.simulation`: many runs of regions that exchange records while everything goes wrong.

What is simulated, and what must hold, is told in docs/transfer.md, "The simulator".
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import make_dsn

from tests.conftest import embedded_server
from tests.simulation import ending
from tests.simulation.actions import Action, act
from tests.simulation.run import Run
from tests.simulation.schedule import draw
from tests.simulation.shrink import shrink
from tests.simulation.stage import Stage


@dataclass(frozen=True, slots=True)
class Failure:
    """A run in which something did not hold."""

    seed: int
    regions: int
    script: Sequence[Action]
    reason: str

    def __str__(self) -> str:
        """Python that does it again."""
        lines = "".join(f"    {action!r},\n" for action in self.script)
        return (
            f"# {self.reason}\nfrom tests.simulation.seeds import replay\n\n"
            f"replay(regions={self.regions}, seed={self.seed}, script=[\n{lines}])\n"
        )


@contextmanager
def staged(server: str) -> Iterator[Stage]:
    """A stage in a database of its own on that server, which forgets nothing but in a power failure."""
    with closing(psycopg2.connect(server)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS simulation WITH (FORCE)")
            cursor.execute("CREATE DATABASE simulation")
            cursor.execute("ALTER DATABASE simulation SET synchronous_commit = off")
    with closing(Stage.build(make_dsn(server, dbname="simulation"))) as stage:
        yield stage


def perform(stage: Stage, regions: int, seed: int, script: Sequence[Action]) -> None:
    """One run to its end; raises what went wrong."""
    run = Run(stage, regions, seed)
    for action in script:
        act(run, action)
    ending.settle(run)


def attempt(stage: Stage, regions: int, seed: int, script: Sequence[Action]) -> str | None:
    """The same: what went wrong, if anything did, faults of the program included."""
    try:
        perform(stage, regions, seed, script)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def search(stage: Stage, seed: int, steps: int) -> Failure | None:
    """Run the schedule of a seed; when it fails, the shortest script found that fails too."""
    regions, script = draw(seed, steps)
    if attempt(stage, regions, seed, script) is None:
        return None
    short = shrink(script, lambda part: attempt(stage, regions, seed, part) is not None)
    return Failure(seed, regions, short, attempt(stage, regions, seed, short) or "it failed once, and then no more")


def replay(*, regions: int, seed: int, script: Sequence[Action]) -> None:
    """Do a script again, on a database made for it, and let what goes wrong be raised."""
    with embedded_server() as server, staged(server) as stage:
        perform(stage, regions, seed, script)


def main() -> int:
    """The command; 1 when a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="S", help="the first")
    parser.add_argument("--steps", type=int, default=40, metavar="K", help="actions of a run")
    options = parser.parse_args()
    failed, start = 0, time.monotonic()
    with embedded_server() as server, staged(server) as stage:
        for seed in range(options.first, options.first + options.seeds):
            if failure := search(stage, seed, options.steps):
                failed += 1
                print(failure, flush=True)
    seconds = time.monotonic() - start
    print(f"{options.seeds} seeds of {options.steps} actions in {seconds:.0f} s: {failed} failed")
    return failed > 0
