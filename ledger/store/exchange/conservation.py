"""Rows about people who move and about their entries, read in sets from the tables of all regions of one database.

Every function reads all regions of a database at a time, in the caller's snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ledger.events.body import RECORD_TYPES
from ledger.store.postgres.database import Cursor

Schemas = Mapping[str, str]
"""Schema by region code."""

TRANSFER_TYPES: Final = ("transfer.offered/1", "transfer.accepted/1", "transfer.closed/1", "transfer.cancelled/1")
_CODE: Final = re.compile(r"[0-9]{6}")


class Log(NamedTuple):
    """A region's log, and how far the messages to peers follow from it."""

    region: str
    origin: str
    closed: bool
    followed: int
    """Events from which all messages that follow are in the outbox."""


class Person(NamedTuple):
    """A volunteer as one region knows them; names as in events."""

    region: str
    id: str
    home: str | None
    epoch: int
    transfer: str | None
    alias_of: str | None


class Move(NamedTuple):
    """A transfer as one region knows it."""

    region: str
    id: str
    outgoing: bool
    volunteer: str
    peer: str
    state: str
    decided: int
    epoch: int


class Entry(NamedTuple):
    """An hours entry as one region keeps it; `origin` is empty for one of its own log."""

    region: str
    id: str
    origin: str
    volunteer: str
    minutes: int


class Known(NamedTuple):
    """An event that one region knows: of its own log (`origin` empty), or imported at position `at`."""

    region: str
    origin: str
    position: int
    entry: bytes
    event_id: str
    topic: str
    stream: str
    at: int


class Step(NamedTuple):
    """An event about a transfer."""

    region: str
    position: int
    entry: bytes
    topic: str
    stream: str
    body: bytes | None


class Letter(NamedTuple):
    """A message that waits or is aside, about the event at a position of a log (empty: of this region)."""

    region: str
    origin: str
    position: int
    state: str


class Settled(NamedTuple):
    """Sums of the entries of people who never moved, in one region, by the log they were recorded in."""

    region: str
    origin: str
    entries: int
    minutes: int


def _all(cursor: Cursor, schemas: Schemas, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement over each region, `{region}` being its code and `{schema}` its schema."""
    parts = []
    for region, schema in schemas.items():
        assert _CODE.fullmatch(region)  # it stands in the statement
        parts.append(statement.format(region=f"'{region}'", schema=schema))
    cursor.execute(" UNION ALL ".join(parts), values)
    return cursor.fetchall()


def regions(cursor: Cursor) -> list[str]:
    """Codes of the regions in a database."""
    cursor.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'region' AND schemaname ~ '^r_[0-9]{6}$'")
    return sorted(name.removeprefix("r_") for (name,) in cursor)


def logs(cursor: Cursor, schemas: Schemas) -> list[Log]:
    """The log of each region; none of one that is not established."""
    names = [f"{schema}_outgoing.tracking" for schema in schemas.values()]
    cursor.execute("SELECT name FROM unnest(%s) name WHERE to_regclass(name) IS NOT NULL", (names,))
    following = {name for (name,) in cursor}
    parts = []
    for region, schema in schemas.items():
        tracking = f"{schema}_outgoing.tracking"
        followed = f"(SELECT max(notification_id) FROM {tracking})" if tracking in following else "0"
        parts.append(
            f"SELECT '{region}', origin, closed IS NOT NULL, coalesce({followed}, 0)::bigint FROM {schema}.region"
        )
    cursor.execute(" UNION ALL ".join(parts))
    return [Log._make(row) for row in cursor]


def movers(cursor: Cursor, schemas: Schemas) -> set[str]:
    """Everybody who moved, visits, is about to move, or goes by several ids, anywhere."""
    rows = _all(
        cursor,
        schemas,
        "SELECT 'volunteer:' || id FROM {schema}.volunteers"
        " WHERE home IS NOT NULL OR alias_of IS NOT NULL OR transfer IS NOT NULL OR epoch > 0",
    )
    return {name for (name,) in rows}


def people(cursor: Cursor, schemas: Schemas, names: Sequence[str]) -> list[Person]:
    """These people wherever they are known."""
    rows = _all(
        cursor,
        schemas,
        "SELECT {region}, 'volunteer:' || v.id, v.home, v.epoch, v.transfer::text, 'volunteer:' || v.alias_of"
        " FROM unnest(%(ids)s::uuid[]) AS n (id) JOIN {schema}.volunteers v USING (id)",
        ids=_ids(names),
    )
    return [Person._make(row) for row in rows]


def moves(cursor: Cursor, schemas: Schemas) -> list[Move]:
    """All transfers."""
    rows = _all(
        cursor,
        schemas,
        "SELECT {region}, id::text, outgoing, 'volunteer:' || volunteer, peer, state, decided, epoch"
        " FROM {schema}.transfers",
    )
    return [Move._make(row) for row in rows]


def entries(cursor: Cursor, schemas: Schemas, names: Sequence[str]) -> list[Entry]:
    """The entries of these people."""
    rows = _all(
        cursor,
        schemas,
        "SELECT {region}, e.id::text, e.origin, 'volunteer:' || e.volunteer, e.minutes"
        " FROM unnest(%(ids)s::uuid[]) AS n (id) JOIN {schema}.entries e ON e.volunteer = n.id",
        ids=_ids(names),
    )
    return [Entry._make(row) for row in rows]


def settled(cursor: Cursor, schemas: Schemas, names: Sequence[str]) -> list[Settled]:
    """Sums of the entries of everybody else."""
    rows = _all(
        cursor,
        schemas,
        "SELECT {region}, e.origin, count(*), sum(e.minutes)::bigint FROM {schema}.entries e"
        " WHERE NOT EXISTS (SELECT FROM unnest(%(ids)s::uuid[]) AS n (id) WHERE n.id = e.volunteer) GROUP BY e.origin",
        ids=_ids(names),
    )
    return [Settled._make(row) for row in rows]


def known(cursor: Cursor, schemas: Schemas, names: Sequence[str]) -> list[Known]:
    """The events of the records of these people in each region's own log, and everything that it imported."""
    rows = _all(
        cursor,
        schemas,
        "SELECT {region}, '', position, entry, event_id::text, topic, stream, position AS at FROM {schema}.events"
        " WHERE stream = ANY(%(names)s) AND topic = ANY(%(topics)s)"
        " UNION ALL SELECT {region}, origin, position, entry, event_id::text, topic, stream, at FROM {schema}.imports",
        names=list(names),
        topics=list(RECORD_TYPES),
    )
    return [Known(region, origin, position, bytes(entry), *rest) for region, origin, position, entry, *rest in rows]


def steps(cursor: Cursor, schemas: Schemas) -> list[Step]:
    """The events about transfers, each region's by position."""
    rows = _all(
        cursor,
        schemas,
        "(SELECT {region}, position, entry, topic, stream, body FROM {schema}.events WHERE stream IN"
        " (SELECT 'transfer:' || id FROM {schema}.transfers) AND topic = ANY(%(topics)s) ORDER BY position)",
        topics=list(TRANSFER_TYPES),
    )
    return [
        Step(region, position, bytes(entry), topic, stream, None if body is None else bytes(body))
        for region, position, entry, topic, stream, body in rows
    ]


def letters(cursor: Cursor, schemas: Schemas) -> list[Letter]:
    """Messages that are not done with, to be sent and received."""
    rows = _all(
        cursor,
        schemas,
        "SELECT {region}, origin, position, state FROM {schema}.outbox WHERE state <> 'done'"
        " UNION ALL SELECT {region}, origin, position, state FROM {schema}.inbox WHERE state <> 'done'",
    )
    return [Letter._make(row) for row in rows]


def logged(cursor: Cursor, schema: str, positions: Sequence[int]) -> dict[int, bytes]:
    """The log entries at these positions, as far as the log goes."""
    cursor.execute(
        f"SELECT e.position, e.entry FROM unnest(%s::bigint[]) AS p (position) JOIN {schema}.events e USING (position)",
        (list(positions),),
    )
    return {position: bytes(entry) for position, entry in cursor}


def _ids(names: Sequence[str]) -> list[str]:
    return [name.removeprefix("volunteer:") for name in names]
