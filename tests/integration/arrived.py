"""What an event of a stored log relied on in others, found again from the imports and receipts beside it."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from ledger.app.arrivals import as_arrived
from ledger.domain.state import Arrived
from ledger.events.body import AnyEvent
from ledger.events.fields import type_name
from ledger.store.exchange import records
from ledger.store.postgres.database import Cursor

CITES = {
    "entry.received/1": "event",
    "transfer.accepted/1": "basis",
    "transfer.rejected/1": "basis",
    "transfer.expired/1": "basis",
    "transfer.closed/1": "outcome",
    "transfer.cancelled/1": "outcome",
    "recovery.announced/1": "basis",
    "recovery.answered/1": "announcement",
}
"""The field of each type that names an event of another ledger."""

Relied = tuple[tuple[Arrived, ...] | None, tuple[Arrived, ...]]
"""`Moment.arrived` and `Moment.support`."""

_KEPT = "at, 0, origin, position, -number, entry, topic, key_id, body"


def relied_on(cursor: Cursor, schema: str, position: int, event: AnyEvent) -> Relied:
    """What the rules were given of other ledgers with the event at that position."""
    topic = type_name(event)
    if topic not in CITES:
        return None, ()
    cited: Any = getattr(event, CITES[topic])
    if cited is UNSET:  # a closure stands for it, or nothing is needed
        return (), ()
    found = _imported(cursor, schema, "(origin, position) = (%s, %s)", cited.origin, cited.position)
    if topic == "transfer.accepted/1":
        found += [as_arrived(one) for one in records.received(cursor, schema, [position])[position]]
        found += _imported(cursor, schema, "topic = 'recovery.answered/1' AND stream = %s", event.subject)
    # Support is stored once: what an event before brought, and this one again, is under that one.
    telling = "topic = 'organisation.registered/1' AND at <= %s AND origin = ANY(%s)"
    support = _imported(cursor, schema, telling, position, [one.origin for one in found])
    return tuple(found), tuple(support)


def _imported(cursor: Cursor, schema: str, condition: str, *values: Any) -> list[Arrived]:
    cursor.execute(f"SELECT {_KEPT} FROM {schema}.imports WHERE {condition} ORDER BY number", values)
    return [as_arrived(records.Kept(*row)._replace(entry=bytes(row[5]), body=bytes(row[8]))) for row in cursor]
