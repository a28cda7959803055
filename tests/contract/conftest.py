from collections.abc import Iterator

import pytest

from tests.contract.golang import Go


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Go]:
    """Go's own transparency-log and signed-note packages."""
    with Go(tmp_path_factory.mktemp("go")) as program:
        yield program
