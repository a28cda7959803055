"""A process that keeps or rebuilds totals, to be killed: `python -m tests.projections.follower`.

Its work comes as JSON on standard input: `dsn`, `region`, `task` (follow, rebuild), `page` and `halt`, the position
of the event in the middle of whose batch it halts, telling so on standard output, until it is killed. What follows
tells the number of events in the tables after each batch, and stops at the end of the log.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import ClassVar

from ledger.store import log
from ledger.store.postgres.database import Cursor, Database
from projections.engine import Feed, advance, rebuild
from projections.totals import Totals
from tests.integration.world import World


def tell(what: object) -> None:
    os.write(1, f"{what}\n".encode())


class Halting(Totals):
    """Totals that halt behind the event at one position, with what came before it in the batch applied."""

    name = "totals"
    halt: ClassVar[int | None] = None

    def apply(self, rows: Sequence[log.Body], cursor: Cursor) -> None:
        reached = [row for row in rows if self.halt is not None and row[0] <= self.halt]
        if self.halt is None or not reached or reached[-1][0] != self.halt:
            super().apply(rows, cursor)
            return
        super().apply(reached, cursor)
        tell("halted")
        signal.pause()


def main() -> None:
    work = json.load(sys.stdin)
    world = World(Database(work["dsn"]), work["region"], fresh=False)
    Halting.halt = work["halt"]
    projection = Halting(world.database, world.schema)
    if work["task"] == "rebuild":
        rebuild(projection, world.ledger)
        return
    with world.database.transaction() as cursor:
        projection.create(cursor)
    done = 0
    with closing(Feed(world.ledger, work["page"])) as feed:
        while count := advance(projection, world.ledger.name, feed):
            done += count
            tell(done)


if __name__ == "__main__":
    main()
