from collections.abc import Iterator

import pytest

from tests.contract.golang import Go, GoMissing


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Go]:
    """Go's own transparency-log and signed-note packages; skips where they are not installed."""
    try:
        program = Go(tmp_path_factory.mktemp("go"))
    except GoMissing as missing:
        pytest.skip(str(missing))
    with program:
        yield program
