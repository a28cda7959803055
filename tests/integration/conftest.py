"""A database for a whole file, and a populated region for each test that asks."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger.store.postgres.database import Database
from tests.integration.world import World, check


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as database:
        yield database


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    """A populated region; at the end of the test its ledger must be whole, whatever was tried on it."""
    world = World(database).populate()
    yield world
    check(world)
