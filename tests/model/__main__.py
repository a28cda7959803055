"""`make model`: the searches of the model as a table. --long takes the larger bounds, some minutes."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.model.searches import LONG, MUTATIONS, SHORT
from tests.model.spin import HOW_TO_INSTALL, Search, explore, missing


def main() -> int:
    parser = argparse.ArgumentParser(prog="make model", description=__doc__)
    parser.add_argument("--long", action="store_true", help="larger bounds, and up to 8 GB of memory")
    parser.add_argument(
        "--trail", metavar="FOLDER", help="keep Spin's files here, each with the trail of its violation"
    )
    options = parser.parse_args()
    if absent := missing():
        print(f"{' and '.join(absent)} not found: {HOW_TO_INSTALL}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.trail or scratch)
        wrong = 0
        for search in LONG if options.long else SHORT:
            wrong += shown(search, folder, fails=False, memory_mb=8000 if options.long else 2000)
        for mutation in MUTATIONS:
            wrong += shown(mutation.search, folder, fails=True, memory_mb=2000)
    return 1 if wrong else 0


def shown(search: Search, folder: Path, *, fails: bool, memory_mb: int) -> bool:
    """Runs and prints one search; true when it did not come out as it should."""
    found = explore(search, (folder / "-".join(search.macros)).resolve(), memory_mb=memory_mb, brief=fails)
    verdict = "violated" if found.violated else "holds"
    wrong = bool(found.violated) != fails
    print(
        f"{search.name:32} {verdict:9} {found.states:>10,} states {found.seconds:7.1f} s {found.memory_mb:6.0f} MB"
        f"{'   NOT AS IT SHOULD BE: ' + str(found.violated) if wrong else ''}",
        flush=True,
    )
    return wrong


if __name__ == "__main__":
    sys.exit(main())
