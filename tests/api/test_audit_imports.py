"""What an audit finds in what a ledger received from others: imports, what rests on them, places in records."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from ledger.audit import imports
from ledger.audit.log import audit
from ledger.audit.report import Finding, Report
from ledger.domain import transfer as transfer_rules
from ledger.events import submission
from ledger.events.body import decode_event
from ledger.events.fields import type_name
from ledger.store import log
from ledger.store.postgres.database import Cursor, Database
from ledger.tlog.entries import commitment_to
from tests.integration.world import World, span
from tests.support import builders
from tests.support.builders import GROUP, VOLUNTEER, signing_key, vkey
from tests.support.exchanging import GROUP_ACTIVITY, Regions

ENTRY = "topic = 'hours.recorded/1'"
KEY = "topic = 'organisation.key_added/1'"
ACCEPTANCE = "topic = 'transfer.accepted/1'"


@pytest.fixture(scope="module")
def regions(database: Database) -> Regions:
    """A record that moved from the first to the second; relays both ways; and the volunteer signs here and there."""
    regions = Regions(database)
    here, there = regions.worlds
    entry = here.record("hours.recorded/1", **span("08:00", "10:00"))
    here.record("hours.recorded/1", issuer=GROUP, activity=GROUP_ACTIVITY, **span("09:00", "10:30"))
    key = vkey(VOLUNTEER)
    visit: dict[str, Any] = {
        "issuer": VOLUNTEER,
        "subject": VOLUNTEER,
        "key": key,
        "home": here.region,
        "home_origin": here.origin,
    }
    there.record("volunteer.visiting/1", **visit)
    there.record("hours.recorded/1", **span("06:00", "07:00"))
    regions.move(here, there, keys=[key])
    here.record("hours.recorded/1", **span("10:30", "11:00"))
    regions.receive(there, here, here.size - 1)
    there.record("hours.disputed/1", entry=entry, origin=here.origin)
    regions.receive(here, there, there.size - 1)
    return regions


@pytest.fixture
def here(regions: Regions) -> World:
    return regions.worlds[0]


@pytest.fixture
def there(regions: Regions) -> World:
    return regions.worlds[1]


def audited(cursor: Cursor, world: World) -> Report:
    return audit(cursor, world.schema, world.region, world.origin)


class UndoError(Exception):
    """Ends a transaction that must leave nothing behind."""


def after(world: World, *statements: str, change: Callable[[Cursor], object] | None = None) -> Report:
    """What an audit says behind changes, which are taken back. `{s}` is the schema."""
    report = Report()
    with suppress(UndoError), world.database.transaction() as cursor:
        for statement in statements:
            cursor.execute(statement.replace("{s}", world.schema))
            assert cursor.rowcount > 0
        if change is not None:
            change(cursor)
        report = audited(cursor, world)
        raise UndoError
    return report


def one(table: str, condition: str) -> str:
    """The first of the rows that this is true of."""
    return f"ctid = (SELECT min(ctid) FROM {{s}}.{table} WHERE {condition})"


def event_of(world: World, condition: str) -> str:
    ((name,),) = world.query(
        f"SELECT event_id FROM {world.schema}.imports WHERE {one('imports', condition)}".replace("{s}", world.schema)
    )
    return str(name)


def details(findings: list[Finding]) -> str:
    return "\n".join(finding.detail for finding in findings)


# -- whole ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [1, 2, 1_000])
def test_ledgers_that_exchanged_are_whole(regions, page, monkeypatch):
    monkeypatch.setattr(imports, "_PAGE", page)
    for world in regions.worlds:
        with world.database.read() as cursor:
            report = audited(cursor, world)
        ((number,),) = world.query(f"SELECT count(*) FROM {world.schema}.imports")
        assert (report.findings, report.imports, report.erased) == ([], number, 0)
        assert number > 3


# -- imports ----------------------------------------------------------------------------------------------


def flip(column: str, byte: int) -> str:
    return f"{column} = set_byte({column}, {byte}, get_byte({column}, {byte}) # 1)"


IMPORTS: dict[str, str] = {
    "a byte of the body": flip("body", 30),
    "another body": "body = '{}'",
    "a byte of the entry's hash": flip("entry", 0),
    "a byte of the entry's time": flip("entry", 39),
    "a longer entry": r"entry = entry || '\x00'",
    "another id": f"event_id = '{builders.event_id(1)}'",
    "another stream": "stream = 'volunteer:x'",
    "another issuer": "issuer = 'region:442000'",
    "another key": "key_id = '00000000'",
    "another place": "position = 100000 + position",
    "a log that is not recognised": "origin = 'ledger.example/440300'",
    "this very log": "origin = 'ledger.example/442000'",
    "another index": "index = index + 1",
    "a byte of the path in the log": flip("log_path", 40),
    "half a hash of the path in the log": "log_path = substr(log_path, 2)",
    "a path in the submission": r"note_path = note_path || decode(repeat('00', 32), 'hex')",
    "a receiver that received nothing": "at = 0",
    "a receiver that is not there": "at = 1000000",
    "another note": "note = checkpoint",
    "another checkpoint": "checkpoint = note",
}


@pytest.mark.parametrize("name", IMPORTS)
@pytest.mark.parametrize("condition", [ENTRY, KEY], ids=["entry", "key"])
def test_a_change_of_an_import_is_found_and_named(there, name, condition):
    event = builders.event_id(1) if name == "another id" else event_of(there, condition)
    report = after(there, f"UPDATE {{s}}.imports SET {IMPORTS[name]} WHERE {one('imports', condition)}")
    assert event in {finding.event_id for finding in report.findings}
    assert all("import " in finding.detail for finding in report.findings if finding.event_id == event)


@pytest.mark.parametrize("topic", ["hours.withdrawn/1", "organisation.registered/1", "region.closed/1"])
@pytest.mark.parametrize("condition", [ENTRY, KEY], ids=["entry", "key"])
def test_another_type_is_found(there, topic, condition):
    report = after(there, f"UPDATE {{s}}.imports SET topic = '{topic}' WHERE {one('imports', condition)}")
    assert event_of(there, condition) in {finding.event_id for finding in report.findings}


@pytest.mark.parametrize("column", ["note", "checkpoint"])
def test_a_signature_that_is_another_is_found(there, column):
    text = f"(SELECT {column} FROM {{s}}.imports WHERE {one('imports', ENTRY)})"
    changed = "overlay(text PLACING CASE substr(text, length(text) - 20, 1) WHEN 'A' THEN 'B' ELSE 'A' END"
    changed += " FROM length(text) - 20)"
    report = after(there, f"UPDATE {{s}}.texts SET text = {changed} WHERE digest = {text}")
    assert event_of(there, ENTRY) in {finding.event_id for finding in report.findings}


def test_what_was_erased_is_told_as_erased(there):
    report = after(there, f"UPDATE {{s}}.imports SET body = NULL WHERE {one('imports', ENTRY)}")
    assert (report.findings, report.erased) == ([], 1)


@pytest.mark.parametrize("change", [flip("entry", 0), flip("log_path", 0), "origin = 'ledger.example/440300'"])
def test_what_was_erased_is_still_the_entry_that_it_was(there, change):
    report = after(there, f"UPDATE {{s}}.imports SET body = NULL, {change} WHERE {one('imports', ENTRY)}")
    assert event_of(there, ENTRY) in {finding.event_id for finding in report.findings}


def test_a_log_that_nobody_recognised_is_not_believed(there):
    """Recognising is an event of the log: to believe more, one would have to sign it."""
    checker = imports.ImportsAudit
    seen: list[str] = []
    with there.database.read() as cursor:
        audit_only = checker(cursor, there.schema, there.origin, lambda detail, *_: seen.append(detail))
        audit_only.finish()
    assert any("the origin is not recognised" in detail for detail in seen)


@pytest.mark.parametrize("kind", ["entry.received/1", "transfer.accepted/1"])
def test_another_sender_is_found(there, kind):
    received = f"at IN (SELECT position FROM {{s}}.events WHERE topic = '{kind}')"
    report = after(there, f"UPDATE {{s}}.imports SET sender = '440300' WHERE {one('imports', received)}")
    assert "and imports of it from '440300'" in details(report.findings)


# -- what rests on imports ----------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["hours.disputed/1", "transfer.accepted/1"])
def test_an_import_that_is_gone_is_found_with_the_event_that_rests_on_it(here, topic):
    ((at,),) = here.query(f"SELECT at FROM {here.schema}.imports WHERE topic = %s", topic)
    report = after(here, f"DELETE FROM {{s}}.imports WHERE topic = '{topic}'")
    assert at in {finding.position for finding in report.findings}
    assert "which is not among the imports" in details(report.findings)


RECEIPTS: dict[str, tuple[str, str]] = {
    "one of a record that arrived": (
        f"DELETE FROM {{s}}.receipts WHERE {one('receipts', 'turn = 1')}",
        "has not the number or the root",
    ),
    "the last of them, known here before": (
        f"DELETE FROM {{s}}.receipts WHERE {one('receipts', 'turn = 2')}",
        "behind the record that arrived",
    ),
    "two that changed places": (
        "UPDATE {s}.receipts r SET position = o.position FROM {s}.receipts o WHERE r.at = o.at AND r.turn + o.turn = 1",
        "has not the number or the root",
    ),
    "one that names nothing": (
        f"UPDATE {{s}}.receipts SET position = 100000 WHERE {one('receipts', 'turn = 1')}",
        "name events that are not there",
    ),
    "one more of a record": (
        "INSERT INTO {s}.receipts SELECT at, 3, origin, position FROM {s}.receipts WHERE turn = 1",
        "behind the record that arrived",
    ),
    "of a relay": (
        f"DELETE FROM {{s}}.receipts WHERE {one('receipts', 'at = (SELECT max(at) FROM {s}.receipts)')}",
        "the receipts do not say what it received",
    ),
    "of a relay, another": (
        "UPDATE {s}.receipts SET position = position - 1 WHERE at = (SELECT max(at) FROM {s}.receipts)",
        "the receipts do not say what it received",
    ),
    "of nothing": ("INSERT INTO {s}.receipts VALUES (0, 0, '', 5)", "have a place by receipts"),
}


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_change_of_receipts_is_found(there, name):
    statement, detail = RECEIPTS[name]
    assert detail in details(after(there, statement).findings)


def test_a_region_that_accepts_another_record_than_it_received_is_found(database, monkeypatch):
    monkeypatch.setattr(transfer_rules, "check_record", lambda *_: iter(()))  # which would refuse it
    regions = Regions(database)
    here, there = regions.worlds
    here.record("hours.recorded/1", **span("08:00", "10:00"))
    transfer = regions.offer(here, there)
    position = regions.accept(here, there, transfer, root=builders.identity(b"another"))
    with there.database.read() as cursor:
        (finding,) = audited(cursor, there).findings
    assert (finding.position, "the root that was accepted" in finding.detail) == (position, True)


# -- keys that arrive ---------------------------------------------------------------------------------------


def forged(world: World, kind: str, cursor: Cursor, **members: Any) -> None:
    """An event that nobody decided, signed by the volunteer's first key, with the tree and a note in order."""
    body, by = world.body(kind, **members), signing_key(VOLUNTEER)
    event = decode_event(body)
    head = log.read_head(cursor, world.schema, lock=True)
    note = submission.seal([body], by, world.origin)
    cursor.execute(f"INSERT INTO {world.schema}.submissions VALUES (%s, 1, %s, %s)", (head.size, by.id, note))
    new = log.NewEvent(commitment_to(body), event.id, event.subject, type_name(event), body)
    log.append(cursor, world.schema, head, int(world.now), [new])


def test_a_key_that_was_revoked_does_not_come_back_with_its_owner(database):
    regions = Regions(database)
    here, there = regions.worlds
    regions.move(here, there)
    key_id = signing_key(VOLUNTEER).id
    here.record("volunteer.key_revoked/1", issuer=here.authority, key_id=key_id)
    regions.move(there, here)
    dispute: dict[str, Any] = {"issuer": VOLUNTEER, "entry": builders.event_id()}
    for world, findings in ((there, []), (here, [f"key {key_id} of {VOLUNTEER} was not valid at {here.size}"])):
        report = after(world, change=partial(forged, world, "hours.disputed/1", **dispute))
        assert [finding.detail for finding in report.findings] == findings
