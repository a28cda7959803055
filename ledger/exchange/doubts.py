"""Disputes that came of a lost key or a disclaimed record, said of each entry: only so do they move with the record.

`suspect_from` of a revocation, and `volunteer.disclaimed/1`, put entries in doubt without naming them. A record holds
what was said of its entries, so before one is stated, offered or relayed from, the region says it of each.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.events.hours import HoursDisputed
from ledger.exchange.desk import Desk
from ledger.limits import SUBMISSION_EVENTS_MAX

REASON = "签名密钥失效或本人否认登记，记录存疑 · put in doubt by a lost key, or by a person who disclaimed the record"

_DOUBTED = (
    "SELECT 'volunteer:' || e.volunteer, e.id FROM {schema}.entries e"
    " WHERE e.disputed_by IS NOT NULL AND e.disputed_by NOT LIKE 'volunteer:%%' AND NOT e.withdrawn AND e.origin = ''"
    " AND {whose} AND NOT EXISTS ("
    "SELECT FROM {schema}.events d JOIN {schema}.volunteers p ON d.stream = 'volunteer:' || p.id"
    " WHERE (p.id = e.volunteer OR p.alias_of = e.volunteer)"
    " AND d.topic = 'hours.disputed/1' AND d.position > e.version"
    " AND convert_from(d.body, 'UTF8')::jsonb ->> 'entry' = e.id::text"
    " AND convert_from(d.body, 'UTF8')::jsonb ->> 'issuer' = %(region)s) ORDER BY 1, 2 LIMIT %(limit)s"
)


def explain(desk: Desk, volunteers: Sequence[str]) -> int:
    """Say of each doubted entry of these people, recorded here, that it is disputed; how many there were."""
    ids = [name.removeprefix("volunteer:") for name in volunteers]
    return _say(desk, "e.volunteer = ANY(%(ids)s::uuid[])", ids)


def explain_away(desk: Desk) -> int:
    """The same of everybody who is at home elsewhere: what is said goes there by relay."""
    away = f"e.volunteer IN (SELECT v.id FROM {desk.ledger.schema}.volunteers v WHERE v.home IS NOT NULL)"
    return _say(desk, away, [])


def last(desk: Desk, volunteer: str) -> int:
    """Position of the last dispute about somebody's entries, -1 when there is none: what is stated has to cover it."""
    rows = desk.ledger.database.query(
        f"SELECT coalesce(max(version), 0) - 1 FROM {desk.ledger.schema}.events"
        " WHERE stream = %s AND topic = 'hours.disputed/1'",
        (volunteer,),
    )
    return int(rows[0][0])


def _say(desk: Desk, whose: str, ids: Sequence[str]) -> int:
    query = _DOUBTED.format(schema=desk.ledger.schema, whose=whose)
    with desk.ledger.database.read() as cursor:
        cursor.execute(query, {"ids": list(ids), "region": f"region:{desk.code}", "limit": SUBMISSION_EVENTS_MAX})
        rows = cursor.fetchall()
    if rows:
        desk.issue_all(
            [HoursDisputed(**desk.common(volunteer), entry=entry, reason=REASON) for volunteer, entry in rows]
        )
    return len(rows)
