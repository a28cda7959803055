"""People's records: their events in the order they are kept here, the hands they went through, what is in doubt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from ledger.events.body import RECORD_TYPES
from ledger.store import log
from ledger.store.exchange.imports import Name
from ledger.store.postgres.copying import VOLUNTEER
from ledger.store.postgres.database import Cursor, Database


class Kept(NamedTuple):
    """An event of a record as it is kept here; `origin` is empty and `handle` its position for one of this log."""

    at: int
    turn: int
    origin: str
    position: int
    handle: int
    entry: bytes
    topic: str
    key_id: str
    body: bytes


_SIGNER: Final = (
    "(SELECT s.key_id FROM {schema}.submissions s WHERE s.first <= e.position ORDER BY s.first DESC LIMIT 1)"
)
_OWN: Final = "'', e.position, e.position, e.entry, e.topic, " + _SIGNER + ", e.body FROM {schema}.events e"
_FOREIGN: Final = "i.origin, i.position, -i.number, i.entry, i.topic, i.key_id, i.body FROM {schema}.imports i"
_LAST: Final = (
    "SELECT r.at, r.turn FROM {schema}.receipts r"
    " WHERE r.origin = {origin} AND r.position = {position} AND r.at < %(size)s ORDER BY r.at DESC LIMIT 1"
)


def record(cursor: Cursor, schema: str, volunteers: Sequence[str], size: int) -> list[Kept]:
    """All events of a person's record that the log knew before position `size`, in record order.

    An event has the place that the last event that received it gave it; one of this log that none did, its own.
    """
    # By version, which is the position + 1: the index of streams has it, and the planner would scan the log otherwise.
    own = _LAST.format(schema=schema, origin="''", position="e.position")
    foreign = _LAST.format(schema=schema, origin="i.origin", position="i.position")
    cursor.execute(
        f"SELECT coalesce(p.at, e.position) AS at, coalesce(p.turn, 0) AS turn, {_OWN.format(schema=schema)}"
        f" LEFT JOIN LATERAL ({own}) p ON true"
        " WHERE e.stream = ANY(%(streams)s) AND e.topic = ANY(%(topics)s) AND e.version <= %(size)s"
        f" UNION ALL SELECT p.at, p.turn, {_FOREIGN.format(schema=schema)} JOIN LATERAL ({foreign}) p ON true"
        " WHERE i.stream = ANY(%(streams)s) AND i.topic = ANY(%(topics)s) ORDER BY at, turn",
        {"streams": list(volunteers), "topics": list(RECORD_TYPES), "size": size},
    )
    return _kept(cursor)


def received(cursor: Cursor, schema: str, positions: Sequence[int]) -> dict[int, list[Kept]]:
    """The events of other logs that each of the events at these positions received, in order."""
    cursor.execute(
        f"SELECT r.at, r.turn, {_OWN.format(schema=schema)} JOIN {schema}.receipts r ON r.origin = ''"
        " AND r.position = e.position WHERE r.at = ANY(%(at)s)"
        f" UNION ALL SELECT r.at, r.turn, {_FOREIGN.format(schema=schema)} JOIN {schema}.receipts r"
        " USING (origin, position) WHERE r.at = ANY(%(at)s) ORDER BY at, turn",
        {"at": list(positions)},
    )
    by_event: dict[int, list[Kept]] = {position: [] for position in positions}
    for kept in _kept(cursor):
        by_event[kept.at].append(kept)
    return by_event


def _kept(cursor: Cursor) -> list[Kept]:
    return [
        Kept(at, turn, origin, position, handle, bytes(entry), topic, key_id, b"" if body is None else bytes(body))
        for at, turn, origin, position, handle, entry, topic, key_id, body in cursor
    ]


def bodies(cursor: Cursor, schema: str, handles: Sequence[int]) -> dict[int, tuple[str, bytes]]:
    """Type and body of the events that entries call by these handles, as `Entry.position` and `version` do."""
    cursor.execute(
        f"SELECT position, topic, body FROM {schema}.events WHERE position = ANY(%(handles)s)"
        f" UNION ALL SELECT -number, topic, body FROM {schema}.imports WHERE number = ANY(%(numbers)s)",
        {"handles": list(handles), "numbers": [-handle for handle in handles]},
    )
    return {handle: (topic, b"" if body is None else bytes(body)) for handle, topic, body in cursor}


# -- people, and whose hands a record went through --------------------------------------------------


def aliases(cursor: Cursor, schema: str, volunteer: str) -> list[str]:
    """The other ids under which a person's entries were recorded."""
    cursor.execute(
        f"SELECT {VOLUNTEER.read.format('id')} FROM {schema}.volunteers WHERE alias_of = %s ORDER BY id",
        (VOLUNTEER.bind(volunteer),),
    )
    return [name for (name,) in cursor]


_CUSTODY: Final = ("transfer.offered/1", "transfer.accepted/1")


def custody(cursor: Cursor, schema: str, origin: str, ids: Sequence[str], size: int) -> list[Name]:
    """Every offer and acceptance of a person's record that the log of `origin`, the own one, knew before `size`."""
    cursor.execute(
        f"SELECT %(origin)s, e.position FROM {schema}.transfers t JOIN {schema}.events e"
        " ON e.stream = 'transfer:' || t.id WHERE t.volunteer = ANY(%(people)s::uuid[])"
        " AND e.topic = ANY(%(topics)s) AND e.version <= %(size)s"
        f" UNION SELECT origin, position FROM {schema}.imports"
        " WHERE stream = ANY(%(ids)s) AND topic = ANY(%(topics)s) AND at < %(size)s ORDER BY 1, 2",
        {
            "origin": origin,
            "people": [VOLUNTEER.bind(name) for name in ids],
            "ids": list(ids),
            "topics": list(_CUSTODY),
            "size": size,
        },
    )
    return cursor.fetchall()


def key_events(
    cursor: Cursor, schema: str, issuers: Sequence[str], topics: Collection[str], size: int
) -> list[log.StoredRow]:
    """Events before `size` of these types about issuers themselves, and arrivals that brought a volunteer's keys."""
    cursor.execute(
        f"SELECT position FROM {schema}.events WHERE stream = ANY(%s) AND topic = ANY(%s) AND version <= %s"
        f" UNION SELECT t.decided FROM {schema}.transfers t JOIN {schema}.keys k ON k.added = t.decided"
        " WHERE t.state = 'accepted' AND k.issuer = ANY(%s) AND t.decided < %s",
        (list(issuers), list(topics), size, [name for name in issuers if name.startswith("volunteer:")], size),
    )
    return log.read_positions(cursor, schema, [position for (position,) in cursor.fetchall()])


# -- doubts -----------------------------------------------------------------------------------------

_DOUBTED: Final = (
    "SELECT 'volunteer:' || e.volunteer, e.id FROM {schema}.entries e"
    " WHERE e.disputed_by IS NOT NULL AND e.disputed_by NOT LIKE 'volunteer:%%' AND NOT e.withdrawn AND e.origin = ''"
    " AND {whose} AND NOT EXISTS ("
    "SELECT FROM {schema}.events d JOIN {schema}.volunteers p ON d.stream = 'volunteer:' || p.id"
    " WHERE (p.id = e.volunteer OR p.alias_of = e.volunteer)"
    " AND d.topic = 'hours.disputed/1' AND d.position > e.version"
    " AND convert_from(d.body, 'UTF8')::jsonb ->> 'entry' = e.id::text"
    " AND convert_from(d.body, 'UTF8')::jsonb ->> 'issuer' = %(issuer)s) ORDER BY 1, 2 LIMIT %(limit)s"
)


def doubted(
    cursor: Cursor, schema: str, issuer: str, limit: int, volunteers: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """(volunteer, entry) of disputed entries recorded here whose dispute `issuer`, the region, has not logged.

    Only those of `volunteers`; by default, those of everybody who is at home elsewhere.
    """
    away = f"e.volunteer IN (SELECT v.id FROM {schema}.volunteers v WHERE v.home IS NOT NULL)"
    whose = away if volunteers is None else "e.volunteer = ANY(%(ids)s::uuid[])"
    ids = [VOLUNTEER.bind(name) for name in volunteers or ()]
    cursor.execute(_DOUBTED.format(schema=schema, whose=whose), {"ids": ids, "issuer": issuer, "limit": limit})
    return cursor.fetchall()


def last_dispute(database: Database, schema: str, volunteer: str) -> int:
    """Position of the last dispute about a person's entries, -1 when there is none."""
    [(position,)] = database.query(
        f"SELECT coalesce(max(version), 0) - 1 FROM {schema}.events WHERE stream = %s AND topic = 'hours.disputed/1'",
        (volunteer,),
    )
    return int(position)
