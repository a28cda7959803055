"""The home states a record, and hands it out as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ledger.domain.state import Volunteer
from ledger.errors import Conflict, Corrupt, NotFound, NotYet
from ledger.events.body import decode_event
from ledger.events.peers import RecordStated
from ledger.exchange import doubts, manifest, record_files
from ledger.exchange.desk import Desk
from ledger.exchange.manifest import Proofs
from ledger.store import log

Stated = tuple[RecordStated, int]
"""A statement, and its position."""


def person(desk: Desk, volunteer: str) -> Volunteer:
    """The person whose record is kept here, by any of their ids; raise NotFound, or Conflict for a home elsewhere."""
    record = desk.ledger.record(Volunteer, volunteer)
    if record is not None and record.alias_of is not None:
        record = desk.ledger.record(Volunteer, record.alias_of)
    if record is None:
        raise NotFound(f"{volunteer} is not known here")
    if record.home is not None:
        raise Conflict(f"{volunteer} is at home in {record.home}: the whole record is stated there")
    return record


def state(desk: Desk, volunteer: str, check_writable: Callable[[], None] = lambda: None) -> Stated:
    """The home's word on a record as the published checkpoint covers it: the last one, unless the record changed.

    Raise what `person` raises, NotYet before the first checkpoint, and what is wrong with the statement; what
    `check_writable` raises, before one is made.
    """
    holder = person(desk, volunteer)
    doubts.explain(desk, [holder.id])
    with desk.proofs() as (proofs, size):
        if doubts.last(desk, holder.id) >= size:
            raise NotYet("no published checkpoint covers what was disputed yet")
        record = manifest.collect_all(proofs.cursor, desk.ledger.schema, desk.origin, holder.id, size)
        last = _last(desk, proofs, holder.id)
    event = RecordStated(
        **desk.issuer.common(holder.id),
        aliases=record.ids[1:],
        epoch=holder.epoch,
        size=size,
        events=len(record.kept),
        root=record.root,
        entries=record.entries,
        sums=record.sums,
    )
    if last is not None and _said(last[0]) == _said(event):
        return last
    check_writable()
    return event, desk.issuer.issue(event).first


def _said(event: RecordStated) -> tuple[object, ...]:
    """The fields whose change makes another statement necessary: all but the size it looked at."""
    return event.aliases, event.epoch, event.events, event.root, event.sums


def _last(desk: Desk, proofs: Proofs, volunteer: str) -> Stated | None:
    rows = log.read_stream(proofs.cursor, desk.ledger.schema, volunteer, ["record.stated/1"])
    if not rows:
        return None
    event = decode_event(rows[-1].body or b"")
    assert isinstance(event, RecordStated)
    return event, rows[-1].position


def export(desk: Desk, stated: Stated) -> Iterator[bytes]:
    """The lines of a record as a file, as it was stated; raise NotYet until a published checkpoint covers that."""
    event, position = stated
    with desk.proofs() as (proofs, size):
        if position >= size:
            raise NotYet("no published checkpoint covers the statement yet")
        ids = (event.subject, *event.aliases)
        record = manifest.collect(proofs.cursor, desk.ledger.schema, desk.origin, ids, event.size)
        if record.root != event.root:
            raise Corrupt(f"the record of {event.subject} is not the one that was stated")
        keys = proofs.support(record.signed_by(desk.origin, desk.code), position + 1)
        (told,) = proofs.named([(desk.origin, position)])
        logs = sorted({desk.origin, *(key.origin for key in keys)})
        log_keys = [key for origin in logs for key in desk.log_keys(origin)]
        yield from record_files.lines((told, event), log_keys, keys, proofs.of(record.kept))
