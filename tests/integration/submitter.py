"""A process that submits, to be killed: `python -m tests.integration.submitter DSN REGION`.

Requests come on standard input, a JSON string on each line. The number of each one is told on standard output as
soon as it is acknowledged.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from ledger.app.committer import Committer
from ledger.app.intake import Accepted
from ledger.store.postgres.database import Database
from tests.integration.world import World

THREADS = 4


def main(dsn: str, region: str) -> None:
    world = World(Database(dsn), region, fresh=False)
    committer = Committer(world.ledger)

    def submit(number: int, line: str) -> None:
        answer = committer.submit(world.ledger.prepare(json.loads(line).encode())).result()
        assert isinstance(answer, Accepted), answer
        os.write(1, f"{number}\n".encode())

    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(submit, number, line) for number, line in enumerate(sys.stdin)]:
            future.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
