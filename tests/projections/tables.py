"""Regions that no projection has seen, and what the tables of projections hold."""

from typing import Any

from ledger.store.postgres.database import Cursor, Database
from projections.engine import BatchProjection, Feed, advance
from projections.totals import Totals
from tests.integration.world import World
from tests.support.builders import REGION

Rows = dict[str, list[tuple[Any, ...]]]
"""Sorted rows by table."""


def drop(database: Database, region: str) -> None:
    """A region that was never there, nor any projection of it."""
    with database.transaction() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (f"r_{region}",))
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP SCHEMA {name} CASCADE")
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS vault; DROP TABLE IF EXISTS vault.r_{region}")


def fresh(database: Database, region: str = REGION) -> World:
    """An empty region."""
    drop(database, region)
    return World(database, region)


def rows(cursor: Cursor, statement: str) -> list[tuple[Any, ...]]:
    cursor.execute(statement)
    return sorted(cursor.fetchall(), key=repr)


def rows_of(projection: BatchProjection) -> Rows:
    """Everything in a projection's tables."""
    with projection.database.read() as cursor:
        return {table: rows(cursor, f"SELECT * FROM {projection.schema}.{table}") for table in projection.tables}


def expected(world: World, size: int | None = None) -> Rows:
    """What the first `size` events, or all, come to in one batch on empty tables."""
    projection = Totals(world.database, world.schema, f"{world.schema}_expected")
    with world.database.transaction() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {projection.schema} CASCADE")
        projection.create(cursor)
    feed = Feed(world.ledger, world.size if size is None else size)
    advance(projection, world.ledger.name, feed)
    feed.close()
    return rows_of(projection)


def position(projection: BatchProjection, world: World) -> int:
    """How many events of the world's log the tables hold."""
    return projection.view.max_tracking_id(world.ledger.name) or 0
