"""A process that submits, to be killed: `python -m tests.integration.submitter`, its work as JSON on standard input.

It tells the number of each request on standard output as soon as that request is acknowledged.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from ledger.committer import Committer
from ledger.intake import Accepted
from ledger.store.postgres import Database
from tests.integration.world import World

THREADS = 4


def main() -> None:
    work = json.load(sys.stdin)
    world = World(Database(work["dsn"]), work["region"], fresh=False)
    committer = Committer(world.ledger)

    def submit(number: int) -> None:
        prepared = world.ledger.prepare(work["requests"][number].encode())
        answer = committer.submit(prepared).result()
        assert isinstance(answer, Accepted), answer
        os.write(1, f"{number}\n".encode())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(submit, range(len(work["requests"]))))


if __name__ == "__main__":
    main()
