"""Disputes that came of a lost key or a disclaimed record, said of each entry: only so do they move with the record.

`suspect_from` of a revocation, and `volunteer.disclaimed/1`, put entries in doubt without naming them. A record holds
what was said of its entries, so before one is stated, offered or relayed from, the region says it of each.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.events.hours import HoursDisputed
from ledger.exchange.desk import Desk
from ledger.limits import SUBMISSION_EVENTS_MAX
from ledger.store.exchange import records

REASON = "签名密钥失效或本人否认登记，记录存疑 · put in doubt by a lost key, or by a person who disclaimed the record"


def explain(desk: Desk, volunteers: Sequence[str]) -> int:
    """Say of each doubted entry of these people, recorded here, that it is disputed; how many there were."""
    return _say(desk, volunteers)


def explain_away(desk: Desk) -> int:
    """The same of everybody who is at home elsewhere: what is said goes there by relay."""
    return _say(desk, None)


def last(desk: Desk, volunteer: str) -> int:
    """Position of the last dispute about a person's entries, -1 when there is none: a checkpoint has to cover it."""
    return records.last_dispute(desk.ledger.database, desk.ledger.schema, volunteer)


def _say(desk: Desk, volunteers: Sequence[str] | None) -> int:
    with desk.ledger.database.read() as cursor:
        doubted = records.doubted(cursor, desk.ledger.schema, f"region:{desk.code}", SUBMISSION_EVENTS_MAX, volunteers)
    if doubted:
        desk.issuer.issue_all(
            [HoursDisputed(**desk.issuer.common(volunteer), entry=entry, reason=REASON) for volunteer, entry in doubted]
        )
    return len(doubted)
