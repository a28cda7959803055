"""Rules of what regions exchange, on real ledgers: moves, relays, what is refused, and what it all comes to."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.app.intake import Accepted
from ledger.domain import arrival, peers, recovery, transfer, transfer_state
from ledger.errors import NotYet, Untrusted
from ledger.events.body import decode_event
from ledger.ids import instant
from ledger.store.postgres.database import Database
from projections.engine import catch_up, rebuild
from projections.totals import Totals
from tests.integration.world import DAY, World, check, span, volunteer
from tests.support import builders
from tests.support.builders import ABSENT, GROUP, STATION, VOLUNTEER, vkey
from tests.support.exchanging import GROUP_ACTIVITY, TRANSFER_DAYS, Regions

OTHER = volunteer(41)
VISITOR = volunteer(42)
LATER = "2026-11-16T12:00:00+08:00"


@pytest.fixture
def regions(database: Database) -> Iterator[Regions]:
    """Two regions; at the end of the test both ledgers must be whole, and their totals what a rebuild comes to."""
    regions = Regions(database)
    yield regions
    whole(regions)


@pytest.fixture
def three(database: Database) -> Iterator[Regions]:
    """Three, likewise."""
    regions = Regions(database, 3)
    yield regions
    whole(regions)


def whole(regions: Regions) -> None:
    """Of every ledger whose rules were kept."""
    for world in regions.worlds:
        if world in regions.lawless:
            continue
        check(world)
        projection = totals(world)
        report = rebuild(projection, world.ledger)
        assert report.same, report.examples


def totals(world: World) -> Totals:
    """Brought up to the end of the log, whatever was there."""
    projection = Totals(world.database, world.schema)
    with world.database.transaction() as cursor:
        projection.create(cursor)
    catch_up(projection, world.ledger)
    return projection


def sums(world: World, volunteer: str = VOLUNTEER) -> dict[str, tuple[int, int]]:
    """Minutes and entries of a person by state, as the totals of a ledger have them."""
    projection = totals(world)
    rows = world.query(
        f"SELECT state, sum(minutes)::int, sum(entries)::int FROM {projection.schema}.volunteer_totals"
        " WHERE volunteer = %s GROUP BY state",
        volunteer.removeprefix("volunteer:"),
    )
    return {state: (minutes, entries) for state, minutes, entries in rows}


def contested(world: World) -> tuple[str, str]:
    """Two entries of the volunteer at one time, of which the second is contested."""
    first = world.record("hours.recorded/1", **span("08:00", "10:00"))
    members: dict[str, Any] = {"issuer": GROUP, "activity": GROUP_ACTIVITY}
    return first, world.record("hours.recorded/1", **members, **span("09:00", "10:30"))


# -- moves ------------------------------------------------------------------------------------------------


def test_a_record_that_moves_comes_to_the_same(regions):
    here, there = regions.worlds
    first, second = contested(here)
    disputed = here.record("hours.recorded/1", **span("10:30", "11:00"))
    here.record("hours.disputed/1", entry=disputed)
    before = sums(here)
    assert before == {"counted": (120, 1), "contested": (90, 1), "disputed": (30, 1)}
    regions.move(here, there)
    assert sums(there) == before
    # The entry that was contested counts as soon as the other is taken back, wherever that is decided.
    decision = {"issuer": there.authority, "origin": here.origin, "outcome": "annulled"}
    there.record("hours.decided/1", entry=first, **decision)
    assert sums(there) == {"counted": (90, 1), "withdrawn": (120, 1), "disputed": (30, 1)}
    assert {row[0] for row in there.query(f"SELECT id::text FROM {there.schema}.entries WHERE NOT withdrawn")} == {
        second,
        disputed,
    }


def test_a_record_comes_back(regions):
    here, there = regions.worlds
    contested(here)
    regions.move(here, there)
    late = there.record("hours.recorded/1", **span("10:00", "11:00"))
    back = sums(there)
    assert back == {"counted": (120, 1), "contested": (150, 2)}
    regions.move(there, here)
    assert sums(here) == back
    (home,) = here.query(f"SELECT home, epoch, transfer FROM {here.schema}.volunteers")
    assert home == (None, 2, None)
    here.record("hours.decided/1", entry=late, issuer=here.authority, origin=there.origin, outcome="upheld")
    assert sums(here) == {"counted": (180, 2), "contested": (90, 1)}


def test_a_record_moves_on(three):
    first, second, third = three.worlds
    contested(first)
    three.move(first, second)
    second.record("hours.recorded/1", **span("10:30", "11:00"))
    before = sums(second)
    three.move(second, third)
    assert sums(third) == before == {"counted": (150, 2), "contested": (90, 1)}
    origins = third.query(f"SELECT DISTINCT origin FROM {third.schema}.imports WHERE topic LIKE 'hours.%%'")
    assert {origin for (origin,) in origins} == {first.origin, second.origin}
    third.record("hours.disputed/1", entry=first_entry(first), origin=first.origin)
    assert sums(third) == {"disputed": (120, 1), "counted": (30, 1), "contested": (90, 1)}


def first_entry(world: World) -> str:
    """The first entry that a ledger recorded."""
    rows = world.query(f"SELECT id FROM {world.schema}.entries WHERE origin = '' ORDER BY position LIMIT 1")
    return str(rows[0][0])


def test_the_volunteers_keys_move_along(regions):
    here, there = regions.worlds
    entry, _ = contested(here)
    regions.move(here, there)
    there.record("hours.disputed/1", entry=entry, origin=here.origin)
    # It holds its time against the other while that is open.
    assert sums(there) == {"contested": (90, 1), "disputed": (120, 1)}
    there.record("hours.decided/1", entry=entry, origin=here.origin, issuer=there.authority, outcome="upheld")
    assert sums(there) == {"counted": (120, 1), "contested": (90, 1)}


def test_what_is_accepted_is_the_record_that_was_brought_along(regions):
    here, there = regions.worlds
    contested(here)
    transfer = regions.offer(here, there)
    members, bundle = regions.accepting(here, transfer), regions.bundle(here, transfer)
    offer, *record = bundle.cited
    for cited in ([offer, *record[:-1]], [offer, *record[::-1]], [offer]):
        spoilt = dataclasses.replace(bundle, cited=tuple(cited))
        assert regions.refused(there, "transfer.accepted/1", spoilt, **members) == {"wrong-record"}


def test_somebody_who_arrives_is_joined_with_whom_they_are_known_as(regions):
    here, there = regions.worlds
    details = builders.details()
    there.register(OTHER, details, key=vkey(OTHER))
    there.record("hours.recorded/1", subject=OTHER, **span("07:00", "09:00"))
    contested(here)
    transfer = regions.offer(here, there)
    wrong = regions.accepting(here, transfer) | {"identity": builders.identity(details), "keys": []}
    bundle = regions.bundle(here, transfer)
    for joined in (ABSENT, VISITOR):
        refused = regions.refused(there, "transfer.accepted/1", bundle, details, **{**wrong, "joined": joined})
        assert refused == {"wrong-join"}
    regions.accept(here, there, transfer, details, joined=OTHER)
    regions.end(here, there, transfer)
    # What was known there comes first: it has its rank already.
    assert sums(there, OTHER) == {"counted": (120, 1), "contested": (210, 2)}
    assert sums(there) == {}
    # By either id, it is the same person.
    there.record("hours.recorded/1", subject=VOLUNTEER, **span("10:30", "11:00"))
    assert sums(there, OTHER) == {"counted": (150, 2), "contested": (210, 2)}
    # And so they go back.
    again = regions.offer(there, here, OTHER)
    assert regions.event(there, regions.decided(there, again)).aliases == (VOLUNTEER,)
    regions.accept(there, here, again, joined=VOLUNTEER, keys=[])
    regions.end(there, here, again)
    assert sums(here) == {"counted": (150, 2), "contested": (210, 2)}


def test_a_visitor_moves_in(regions):
    here, there = regions.worlds
    visit(regions, there, here)
    there.record("hours.recorded/1", **span("09:00", "11:00"))
    served = there.size - 1
    contested(here)
    regions.receive(here, there, served)
    before = sums(here)
    assert before == {"counted": (120, 1), "contested": (210, 2)}
    regions.move(here, there)
    assert sums(there) == before
    key = f"SELECT count(*) FROM {there.schema}.keys WHERE issuer = %s"
    assert there.query(key, VOLUNTEER) == [(1,)]


def test_a_visitors_hours_that_the_home_has_not_heard_of_come_last(regions):
    here, there = regions.worlds
    visit(regions, there, here)
    there.record("hours.recorded/1", **span("08:00", "09:00"))
    contested(here)
    regions.move(here, there)
    assert sums(there) == {"counted": (120, 1), "contested": (150, 2)}


def visit(regions: Regions, there: World, home: World, name: str = VOLUNTEER) -> None:
    there.record(
        "volunteer.visiting/1", issuer=name, subject=name, key=vkey(name), home=home.region, home_origin=home.origin
    )


def test_nothing_about_a_person_is_stored_in_the_moment_they_arrive(regions):
    """It would be no part of what the record is replayed on."""
    here, there = regions.worlds
    visit(regions, there, here)
    transfer = regions.offer(here, there)
    body, name = regions.body(there, "transfer.accepted/1", **regions.accepting(here, transfer))
    prepared = there.ledger.prepare(there.request(body))
    arriving = dataclasses.replace(prepared, brought={name: regions.bundle(here, transfer)})
    served = there.ledger.prepare(there.request(there.hours("08:00", "09:00")))
    first, second = there.ledger.commit([served, arriving])
    assert (type(first), type(second)) == (Accepted, NotYet)
    assert isinstance(there.ledger.commit([arriving])[0], Accepted)


def test_a_move_that_is_rejected_or_expires_leaves_the_record_where_it_is(regions):
    here, there = regions.worlds
    contested(here)
    before = sums(here)
    transfer = regions.offer(here, there)
    regions.decline(here, there, transfer)
    regions.end(here, there, transfer, "transfer.cancelled/1")
    assert sums(here) == before
    transfer = regions.offer(here, there)
    assert regions.epoch(here, VOLUNTEER) == 2
    there.now = instant(TRANSFER_DAYS)
    regions.decline(here, there, transfer, "transfer.expired/1")
    regions.end(here, there, transfer, "transfer.cancelled/1")
    assert sums(here) == before
    assert sums(there) == {}


# -- relays -----------------------------------------------------------------------------------------------


def test_what_is_recorded_after_a_move_follows_it(regions):
    here, there = regions.worlds
    contested(here)
    regions.move(here, there)
    late = here.record("hours.recorded/1", **span("10:30", "11:30"))
    recorded = here.size - 1
    here.record("hours.corrected/1", entry=late, **span("10:30", "11:00"))
    # The correction comes first, and is told to wait.
    cited = {"event": regions.cite(here, here.size - 1), "sender": here.region}
    brought = regions.brought(here, (here.origin, here.size - 1))
    assert regions.refused(there, "entry.received/1", brought, subject=VOLUNTEER, **cited) == {"unknown-entry"}
    regions.receive(there, here, recorded)
    regions.receive(there, here, here.size - 1)
    assert sums(there) == {"counted": (150, 2), "contested": (90, 1)}
    assert regions.refused(there, "entry.received/1", brought, subject=VOLUNTEER, **cited) == {"already-received"}


def test_a_decision_at_home_comes_back_to_where_the_entry_was_recorded(regions):
    here, there = regions.worlds
    entry, _ = contested(here)
    regions.move(here, there)
    there.record("hours.disputed/1", entry=entry, origin=here.origin)
    regions.receive(here, there, there.size - 1)
    assert here.entry(entry)["disputed_by"] == VOLUNTEER
    there.record("hours.decided/1", entry=entry, origin=here.origin, issuer=there.authority, outcome="annulled")
    regions.receive(here, there, there.size - 1)
    assert here.entry(entry)["withdrawn"]
    withdrawn = here.body("hours.withdrawn/1", entry=entry)
    assert here.refused(withdrawn) == [(0, "entry-withdrawn")]


def test_an_entry_of_another_ledger_is_decided_at_home_alone(regions):
    here, there = regions.worlds
    entry, _ = contested(here)
    regions.move(here, there)
    regions.move(there, here)
    for issuer in (there.authority, VOLUNTEER):
        disputed = there.body("hours.disputed/1", issuer=issuer, entry=entry, origin=here.origin)
        assert there.refused(disputed) == [(0, "not-home")]
    # Its own ledger goes on deciding it, by either name.
    here.record("hours.disputed/1", entry=entry, origin=here.origin)
    here.record("hours.approved/1", issuer=VOLUNTEER, entry=entry)


def test_what_is_received_is_about_service_of_somebody_known(regions):
    here, there = regions.worlds
    entry, _ = contested(here)
    position = here.ledger.event(entry).position
    cited = {"event": regions.cite(here, position), "sender": here.region, "subject": VOLUNTEER}
    brought = regions.brought(here, (here.origin, position))
    assert regions.refused(there, "entry.received/1", None, **cited) == {"evidence-missing"}
    other = regions.brought(here, (here.origin, position - 1))
    assert "evidence-missing" in regions.refused(there, "entry.received/1", other, **cited)
    assert regions.refused(there, "entry.received/1", brought, **cited) == {"unknown-volunteer"}
    assert regions.refused(there, "entry.received/1", brought, **{**cited, "subject": OTHER}) == {"wrong-subject"}
    key = regions.brought(here, (here.origin, 2))
    named = {"event": regions.cite(here, 2), "sender": here.region, "subject": VOLUNTEER}
    assert regions.refused(there, "entry.received/1", key, **named) == {"not-of-a-record"}
    # An event of this very log that came back.
    assert regions.refused(here, "entry.received/1", brought, **cited) >= {"wrong-origin"}
    visit(regions, there, here)
    regions.issue(there, "region.peer_dismissed/1", subject=there.authority, peer_origin=here.origin)
    assert regions.refused(there, "entry.received/1", brought, **cited) == {"unknown-peer"}


def test_an_event_that_came_back_has_to_be_the_one_that_stands_here(regions):
    here, there = regions.worlds
    entry, _ = contested(here)
    regions.move(here, there)
    transfer = regions.offer(there, here)
    bundle = regions.bundle(there, transfer)
    (index,) = (at for at, (item, found) in enumerate(bundle.cited) if found.event.id == entry)
    item, found = bundle.cited[index]
    spoiled = [*bundle.cited]
    spoiled[index] = (item, dataclasses.replace(found, entry=bytes(40)))
    members = regions.accepting(there, transfer)
    with here.unchanged(), pytest.raises(Untrusted, match="another event than the one that came back"):
        regions.issue(here, "transfer.accepted/1", dataclasses.replace(bundle, cited=tuple(spoiled)), **members)
    regions.accept(there, here, transfer)


# -- refusals: peers and visitors ---------------------------------------------------------------------------


def test_a_peer_is_recognised_once_under_one_name(regions):
    here, there = regions.worlds
    named = {
        "subject": here.authority,
        "peer": there.region,
        "peer_origin": there.origin,
        "log_key": vkey(there.origin),
    }
    kind = "region.peer_recognised/1"
    assert regions.refused(here, kind, **named) == {"already-recognised"}
    other_key = {**named, "log_key": vkey(there.origin, 1)}
    assert regions.refused(here, kind, **{**other_key, "peer": "440300"}) == {"wrong-region"}
    own = {"peer": "440300", "peer_origin": here.origin, "log_key": vkey(here.origin)}
    assert regions.refused(here, kind, **{**named, **own}) == {"wrong-origin"}
    regions.issue(here, kind, **other_key)
    dismissal = {"subject": here.authority, "peer_origin": there.origin}
    regions.issue(here, "region.peer_dismissed/1", **dismissal)
    assert regions.refused(here, "region.peer_dismissed/1", **dismissal) == {"unknown-peer"}
    regions.issue(here, kind, **named)


def test_a_visitor_comes_once_from_a_home_that_is_recognised(regions):
    here, there = regions.worlds
    members = {"issuer": VISITOR, "subject": VISITOR, "key": vkey(VISITOR), "home": here.region}
    stranger = there.body("volunteer.visiting/1", **members, home_origin="ledger.example/440300")
    assert there.refused(stranger) == [(0, "unknown-peer")]
    visit(regions, there, here, VISITOR)
    again = there.body("volunteer.visiting/1", **members, home_origin=here.origin)
    assert (0, "already-registered") in there.refused(again)
    assert "already-registered" in {
        code for _, code in here.refused(here.body("volunteer.visiting/1", home=there.region, home_origin=there.origin))
    }


def test_a_record_is_stated_where_its_home_is(regions):
    here, there = regions.worlds
    visit(regions, there, here)
    stated = {"subject": VOLUNTEER, "epoch": 0, "aliases": []}
    assert regions.refused(there, "record.stated/1", size=0, **stated) == {"not-home"}
    assert regions.refused(here, "record.stated/1", size=here.size + 1, **stated) == {"position-ahead"}
    assert regions.refused(here, "record.stated/1", size=here.size, **{**stated, "epoch": 1}) == {"wrong-epoch"}
    regions.issue(here, "record.stated/1", size=here.size, **stated)


# -- refusals: at the home ----------------------------------------------------------------------------------


def requested(world: World, regions: Regions, there: World, **changes: Any) -> bytes:
    members = {"issuer": VOLUNTEER, "subject": f"transfer:{builders.event_id()}", "volunteer": VOLUNTEER}
    return world.body("transfer.requested/1", **{**members, **regions.to(there), **changes})


def test_a_move_is_requested_of_the_home_to_a_peer_one_at_a_time(regions):
    here, there = regions.worlds
    by_station = {"issuer": STATION, "reference": "档案 2026-26"}
    assert here.refused(requested(here, regions, there, volunteer=OTHER, **by_station)) == [(0, "unknown-volunteer")]
    assert here.refused(requested(here, regions, here)) == [(0, "wrong-region")]
    nowhere = {"to": "440300", "to_origin": "ledger.example/440300"}
    assert here.refused(requested(here, regions, there, **nowhere)) == [(0, "unknown-peer")]
    here.enrol(OTHER)
    here.record("volunteer.disclaimed/1", issuer=STATION, subject=OTHER)
    assert here.refused(requested(here, regions, there, volunteer=OTHER, **by_station)) == [(0, "record-frozen")]
    transfer = regions.request(here, there)
    assert here.refused(requested(here, regions, there)) == [(0, "transfer-open")]
    assert {code for _, code in here.refused(requested(here, regions, there, subject=transfer))} == {
        "already-requested",
        "transfer-open",
    }
    regions.offer(here, there, transfer=transfer)
    regions.accept(here, there, transfer)
    regions.end(here, there, transfer)
    assert here.refused(requested(here, regions, there)) == [(0, "not-home")]


def test_an_offer_is_what_was_requested(regions):
    here, there = regions.worlds
    transfer = regions.request(here, there)
    good = {**regions.offering(here, there, VOLUNTEER), "subject": transfer}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"subject": f"transfer:{builders.event_id()}"}, "unknown-transfer"),
        ({"volunteer": OTHER}, "unknown-transfer"),
        ({"to": "440300", "to_origin": "ledger.example/440300"}, "wrong-region"),
        ({"epoch": 2}, "wrong-epoch"),
        ({"size": here.size + 1}, "position-ahead"),
        ({"expires": f"{DAY}T12:10:00+08:00"}, "offer-expired"),
    ]
    for changes, code in wrong:
        assert code in regions.refused(here, "transfer.offered/1", **{**good, **changes})
    regions.issue(here, "transfer.offered/1", **good)
    assert regions.refused(here, "transfer.offered/1", **{**good, "epoch": 2}) == {"wrong-state"}


def test_a_transfer_ends_as_the_destination_decided_on_that_very_offer(regions):
    here, there = regions.worlds
    first = regions.offer(here, there)
    regions.decline(here, there, first)
    kind, cancelled = "transfer.closed/1", "transfer.cancelled/1"
    position = regions.decided(there, first)
    cited = {"subject": first, "volunteer": VOLUNTEER, "outcome": regions.cite(there, position), "closure": ABSENT}
    brought = regions.brought(there, (there.origin, position))
    assert regions.refused(here, kind, **cited) == {"evidence-missing"}
    assert regions.refused(here, kind, brought, **cited) == {"wrong-outcome"}
    assert regions.refused(here, cancelled, **{**cited, "outcome": ABSENT}) == {"evidence-missing"}
    regions.issue(here, cancelled, brought, **cited)
    assert regions.refused(here, cancelled, brought, **cited) >= {"wrong-state"}
    second = regions.request(here, there)
    assert regions.refused(here, cancelled, brought, **{**cited, "subject": second}) == {"not-offered"}
    regions.offer(here, there, transfer=second)
    assert regions.refused(here, cancelled, brought, **{**cited, "subject": second}) == {"wrong-outcome"}
    # A decision on another offer, which this one's name was given to.
    basis = {**regions.deciding(here, second), "basis": {**regions.cite(here, 0), "position": 0}}
    forged = there.body("transfer.rejected/1", issuer=there.authority, **basis)
    found = dataclasses.replace(brought.cited[0][1], event=decode_event(forged))
    other = dataclasses.replace(brought, cited=((brought.cited[0][0], found),))
    assert regions.refused(here, cancelled, other, **{**cited, "subject": second}) == {"wrong-outcome"}
    regions.accept(here, there, second)
    regions.end(here, there, second)


def test_a_move_that_was_only_requested_is_cancelled_without_proof(regions):
    here, there = regions.worlds
    transfer = regions.request(here, there)
    members = {"subject": transfer, "volunteer": VOLUNTEER, "closure": ABSENT}
    regions.issue(here, "transfer.cancelled/1", **members)
    regions.move(here, there)


# -- refusals: at the destination -----------------------------------------------------------------------------


def test_an_offer_is_decided_once_by_whom_it_is_addressed_to(three):
    here, there, third = three.worlds
    transfer = three.offer(here, there)
    bundle, good = three.bundle(here, transfer), three.accepting(here, transfer)
    kind = "transfer.accepted/1"
    assert three.refused(there, kind, **good) == {"evidence-missing"}
    assert three.refused(third, kind, bundle, **good) == {"wrong-region"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"home": third.region}, "unknown-peer"),
        ({"epoch": 2}, "wrong-basis"),
        ({"volunteer": OTHER, "keys": []}, "wrong-basis"),
        ({"subject": f"transfer:{builders.event_id()}"}, "wrong-basis"),
    ]
    for changes, code in wrong:
        assert code in three.refused(there, kind, bundle, **{**good, **changes})
    assert three.refused(there, "transfer.expired/1", bundle, **three.deciding(here, transfer)) == {"not-expired"}
    three.accept(here, there, transfer)
    assert "already-decided" in three.refused(there, kind, bundle, **good)
    assert three.refused(there, "transfer.rejected/1", bundle, **three.deciding(here, transfer)) == {"already-decided"}
    three.end(here, there, transfer)


def test_nobody_arrives_where_they_are_at_home_or_by_an_old_offer(regions):
    here, there = regions.worlds
    transfer = regions.offer(here, there)
    old, members = regions.bundle(here, transfer), regions.accepting(here, transfer)
    there.now = instant(TRANSFER_DAYS)
    assert regions.refused(there, "transfer.accepted/1", old, **members) == {"offer-expired"}
    there.now = instant(builders.TIME)
    regions.accept(here, there, transfer)
    regions.end(here, there, transfer)
    again = {**members, "subject": f"transfer:{builders.event_id()}"}
    codes = regions.refused(there, "transfer.accepted/1", old, **again)
    assert codes >= {"already-home", "wrong-epoch"}


def test_nobody_is_joined_with_somebody_whose_record_is_frozen(regions):
    here, there = regions.worlds
    there.register(OTHER, details := builders.details())
    there.record("volunteer.disclaimed/1", issuer=STATION, subject=OTHER)
    transfer = regions.offer(here, there)
    members = {**regions.accepting(here, transfer), "joined": OTHER, "identity": builders.identity(details), "keys": []}
    bundle = regions.bundle(here, transfer)
    assert regions.refused(there, "transfer.accepted/1", bundle, details, **members) == {"record-frozen"}


def test_whoever_is_joined_with_somebody_at_home_brings_no_keys(regions):
    """Or a station of another region could speak for anybody whose number it knows."""
    here, there = regions.worlds
    there.register(OTHER, details := builders.details())
    transfer = regions.offer(here, there)
    members = {**regions.accepting(here, transfer), "joined": OTHER, "identity": builders.identity(details)}
    bundle = regions.bundle(here, transfer)
    assert regions.refused(there, "transfer.accepted/1", bundle, details, **members) == {"keys-not-taken"}


def test_only_a_home_decides_on_an_entry_of_another_log(three):
    """A peer that keeps no rules annuls, in its own log, what was served elsewhere."""
    home, peer, _ = three.worlds
    entry = home.record("hours.recorded/1", **span("09:00", "10:00"))
    visit(three, peer, home)
    peer.query(f"UPDATE {peer.schema}.volunteers SET home = NULL RETURNING 1")
    peer.query(
        f"INSERT INTO {peer.schema}.entries SELECT (jsonb_populate_record(e, jsonb_build_object('origin', %s))).*"
        f" FROM {home.schema}.entries e RETURNING 1",
        home.origin,
    )
    three.lawless.append(peer)
    peer.record("hours.decided/1", entry=entry, origin=home.origin, outcome="annulled")
    cited = {"subject": VOLUNTEER, "event": three.cite(peer, peer.size - 1), "sender": peer.region}
    brought = three.brought(peer, (peer.origin, peer.size - 1))
    assert three.refused(home, "entry.received/1", brought, **cited) == {"wrong-author"}


def test_a_key_that_was_revoked_at_another_home_is_not_good_again_at_the_first(regions):
    here, there = regions.worlds
    regions.move(here, there)
    key = vkey(VOLUNTEER)
    there.record(
        "volunteer.key_revoked/1", issuer=there.authority, subject=VOLUNTEER, key_id=key.split("+")[1], reason="遗失"
    )
    back = regions.offer(there, here, transfer=regions.request(there, here, by=STATION))
    regions.accept(there, here, back, keys=[])
    regions.end(there, here, back)
    regions.lawless.append(here)  # what revoked it stands in the other log
    with pytest.raises(Untrusted, match="revoked"):
        here.record("transfer.requested/1", issuer=VOLUNTEER, volunteer=VOLUNTEER, **regions.to(there))


def test_one_log_records_an_entry_once_and_by_an_organisation(regions):
    here, there = regions.worlds
    visit(regions, there, here)
    there.record("hours.recorded/1", **span("09:00", "10:00"))
    first = there.size - 1
    regions.receive(here, there, first)
    # Another event of that id cannot be in an honest log: as if it were, what is known of it here is told of again.
    here.query(f"DELETE FROM {here.schema}.receipts RETURNING 1")
    regions.lawless.append(here)
    cited = {"subject": VOLUNTEER, "event": regions.cite(there, first), "sender": there.region}
    brought = regions.brought(there, (there.origin, first))
    assert regions.refused(here, "entry.received/1", brought, **cited) == {"entry-known"}


def test_a_record_is_taken_only_from_where_it_went(three):
    """A former home, or a region that never had the record, offers it: nothing shows that it is there."""
    first, second, third = three.worlds
    three.move(first, second)
    three.move(second, third)
    # Made by a region that keeps no rules: it makes itself the home again.
    first.query(f"UPDATE {first.schema}.volunteers SET home = NULL, epoch = 5 RETURNING 1")
    three.lawless += three.worlds  # what it told others is in their tables as well
    transfer = three.offer(first, second)
    members, bundle = three.accepting(first, transfer), three.bundle(first, transfer)
    assert three.refused(second, "transfer.accepted/1", bundle, **members) == {"custody-broken"}
    # And the true home shows the way that it took.
    back = three.offer(third, second)
    three.accept(third, second, back)
    three.end(third, second, back)


def test_somebody_who_was_joined_is_at_home_by_every_id(regions):
    here, there = regions.worlds
    there.register(OTHER, details := builders.details())
    regions.move(here, there, private=details, joined=OTHER)
    here.query(f"UPDATE {here.schema}.volunteers SET home = NULL RETURNING 1")
    regions.lawless.append(here)
    transfer = regions.offer(here, there)
    members = {**regions.accepting(here, transfer), "joined": OTHER, "keys": []}
    codes = regions.refused(there, "transfer.accepted/1", regions.bundle(here, transfer), **members)
    assert codes == {"already-home"}


# -- recovery -------------------------------------------------------------------------------------------------


class Lost:
    """A home that is gone, and a region that takes its record over, with a third to answer."""

    def __init__(self, regions: Regions) -> None:
        self.regions = regions
        self.gone, self.taker, self.peer = regions.worlds
        contested(self.gone)
        record = regions.manifest(self.gone, VOLUNTEER)
        self.record: dict[str, Any] = {"events": len(record.kept), "root": record.root}
        members: dict[str, Any] = {
            "aliases": [],
            "epoch": 0,
            "size": record.size,
            "subject": VOLUNTEER,
            "entries": record.entries,
        }
        self.stated = regions.issue(self.gone, "record.stated/1", **members, **self.record)
        self.names = [(one.origin or self.gone.origin, one.position) for one in record.kept]
        self.basis = {"volunteer": VOLUNTEER, "home": self.gone.region, "basis": regions.cite(self.gone, self.stated)}
        self.subject = f"transfer:{builders.event_id()}"

    def announcing(self, **changes: Any) -> dict[str, Any]:
        members = {"subject": self.subject, "aliases": [], "epoch": 2, "days": 1, "quorum": 1}
        return {**members, **self.basis, **self.record, **changes}

    def told(self) -> Any:
        return self.regions.brought(self.gone, (self.gone.origin, self.stated))

    def announce(self) -> int:
        self.announced = self.regions.issue(self.taker, "recovery.announced/1", self.told(), **self.announcing())
        return self.announced

    def answering(self, **changes: Any) -> dict[str, Any]:
        announcement = self.regions.cite(self.taker, self.announced)
        return {"subject": self.subject, "announcement": announcement, "outcome": "endorsed", **changes}

    def announcement(self) -> Any:
        return self.regions.brought(self.taker, (self.taker.origin, self.announced))

    def answer(self, **changes: Any) -> tuple[str, int]:
        answering = self.answering(**changes)
        return self.peer.origin, self.regions.issue(self.peer, "recovery.answered/1", self.announcement(), **answering)

    def accepting(self, **changes: Any) -> dict[str, Any]:
        members = {"subject": self.subject, "recovery": self.announced, "epoch": 2, "aliases": [], "entries": 2}
        return {**members, "minutes": 210, "keys": [vkey(VOLUNTEER)], **self.basis, **self.record, **changes}

    def bundle(self, *answers: tuple[str, int]) -> Any:
        return self.regions.brought(self.gone, (self.gone.origin, self.stated), *self.names, *answers)


def test_a_record_is_recovered_when_its_home_is_gone(three):
    lost = Lost(three)
    before = sums(lost.gone)
    lost.announce()
    answer = lost.answer()
    lost.taker.now = instant(LATER)
    three.issue(lost.taker, "transfer.accepted/1", lost.bundle(answer), **lost.accepting())
    assert sums(lost.taker) == before


def test_a_recovery_waits_and_is_endorsed(three):
    lost = Lost(three)
    lost.announce()
    answer = lost.answer()
    kind = "transfer.accepted/1"
    assert three.refused(lost.taker, kind, lost.bundle(answer), **lost.accepting()) == {"recovery-waits"}
    lost.taker.now = instant(LATER)
    assert three.refused(lost.taker, kind, lost.bundle(), **lost.accepting()) == {"quorum-missing"}
    for changes in ({"recovery": 0}, {"epoch": 3}, {"events": 1}, {"aliases": [OTHER]}):
        found = three.refused(lost.taker, kind, lost.bundle(answer), **lost.accepting(**changes))
        assert found - {"wrong-record"} == {"wrong-basis"}
    assert three.refused(lost.taker, kind, **lost.accepting()) >= {"evidence-missing"}
    elsewhere = lost.accepting(subject=f"transfer:{builders.event_id()}")
    assert three.refused(lost.taker, kind, lost.bundle(answer), **elsewhere) == {"unknown-transfer"}


def test_a_peer_that_knows_of_a_later_home_objects(three):
    lost = Lost(three)
    lost.announce()
    visit(three, lost.peer, lost.gone)
    three.move(lost.gone, lost.peer)
    assert three.refused(lost.peer, "recovery.answered/1", lost.announcement(), **lost.answering()) == {"later-home"}
    objection = lost.answer(outcome="objected", reason="已迁入")
    lost.taker.now = instant(LATER)
    codes = three.refused(lost.taker, "transfer.accepted/1", lost.bundle(objection), **lost.accepting())
    assert codes == {"recovery-objected"}


def test_an_announcement_is_made_once_of_somebody_who_is_not_here(three):
    lost = Lost(three)
    kind = "recovery.announced/1"
    assert three.refused(lost.taker, kind, **lost.announcing()) == {"evidence-missing"}
    unknown = lost.announcing(home="445200")
    assert three.refused(lost.taker, kind, lost.told(), **unknown) >= {"unknown-peer"}
    offer = three.offer(lost.gone, lost.taker)
    offered = three.decided(lost.gone, offer)
    word = three.brought(lost.gone, (lost.gone.origin, offered))
    basis = lost.announcing(basis=three.cite(lost.gone, offered))
    assert three.refused(lost.taker, kind, word, **basis) == {"wrong-basis"}
    assert three.refused(lost.taker, kind, lost.told(), **lost.announcing(events=1)) == {"wrong-basis"}
    lost.announce()
    assert three.refused(lost.taker, kind, lost.told(), **lost.announcing()) == {"already-requested"}
    assert "already-home" in three.refused(lost.gone, kind, **lost.announcing())


def test_an_answer_is_to_an_announcement_of_a_peer(three):
    lost = Lost(three)
    lost.announce()
    kind = "recovery.answered/1"
    assert three.refused(lost.peer, kind, **lost.answering()) == {"evidence-missing"}
    other = f"transfer:{builders.event_id()}"
    assert three.refused(lost.peer, kind, lost.announcement(), **lost.answering(subject=other)) == {"wrong-basis"}
    dismissal = {"subject": lost.peer.authority, "peer_origin": lost.taker.origin}
    three.issue(lost.peer, "region.peer_dismissed/1", **dismissal)
    assert three.refused(lost.peer, kind, lost.announcement(), **lost.answering()) == {"unknown-peer"}


def test_whoever_endorsed_a_recovery_takes_no_older_offer(three):
    lost = Lost(three)
    transfer = three.offer(lost.gone, lost.peer)
    lost.announce()
    lost.answer()
    members = three.accepting(lost.gone, transfer)
    bundle = three.bundle(lost.gone, transfer)
    assert three.refused(lost.peer, "transfer.accepted/1", bundle, **members) == {"wrong-epoch"}


# -- all of them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module", [arrival, peers, transfer_state, recovery, transfer], ids=lambda module: module.__name__
)
def test_every_refusal_is_provoked_here(module):
    codes = set(re.findall(r'Violation\(\s*"([a-z-]+)"', Path(module.__file__).read_text()))
    assert codes
    here = Path(__file__).read_text()
    assert {code for code in codes if f'"{code}"' not in here} == set()
