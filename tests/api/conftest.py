"""A server a file, and a clean database before it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.service import publishing
from ledger.store.postgres.database import Database
from tests.api.site import Site
from tests.integration.world import World, check


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url, connections_max=48)) as database:
        yield database


@pytest.fixture(scope="module")
def by_hand() -> Iterator[None]:
    """Checkpoints are signed when a test asks, and when a server starts and stops."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "CHECKPOINT_INTERVAL", 3600)
        yield


@pytest.fixture(scope="module")
def site(database: Database, tmp_path_factory: pytest.TempPathFactory, by_hand: None) -> Iterator[Site]:
    """A populated deployment and a server over it; at the end both ledgers must be whole."""
    with Site(tmp_path_factory.mktemp("data"), database) as site:
        yield site
        check(site.world)
        check(site.other)


@pytest.fixture(scope="module")
def proving(database: Database, tmp_path_factory: pytest.TempPathFactory, by_hand: None) -> Iterator[Site]:
    """The same with the keys to issue proofs of service."""
    with Site(tmp_path_factory.mktemp("data"), database, proofs=True) as site:
        yield site
        check(site.world)
        check(site.other)


@pytest.fixture
def world(site: Site) -> World:
    return site.world


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that is not there yet."""
    return tmp_path / "var"
