"""Every refusal of the rules, on a real ledger, and that it leaves nothing behind; and what is not refused."""

from typing import Any

import pytest

from ledger.app.intake import Accepted
from ledger.crypto.keys import SigningKey
from ledger.domain.authority import MAY_ISSUE
from ledger.errors import Conflict, Refused, Untrusted
from ledger.events.body import decode_event
from ledger.events.fields import type_name
from ledger.ids import instant
from ledger.limits import CLOCK_AHEAD_MAX, ENTRY_MINUTES_MAX
from ledger.store.postgres.database import Database
from tests.integration.world import DAY, World, at, organisation, span, volunteer
from tests.support import builders
from tests.support.builders import ABSENT, ACTIVITY, AUTHORITY, GROUP, ORIGIN, STATION, VOLUNTEER, signing_key, vkey

SECOND_STATION = organisation(2)
HEIR = organisation(3)
NEWCOMER = volunteer(1)
OTHER = volunteer(2)


def codes(problems: list[tuple[int | None, str]]) -> list[str]:
    return [code for _, code in problems]


def refusal_codes(answer: object) -> list[str]:
    """Codes of an answer that `commit` gave."""
    assert isinstance(answer, Refused)
    return [problem.code for problem in answer.problems]


# -- the beginning of a ledger ----------------------------------------------------------------------


@pytest.fixture
def empty(database: Database) -> World:
    return World(database)


def established(world: World, **changes: Any) -> bytes:
    keys = {"log_key": vkey(world.origin), "key": vkey(world.authority)}
    return world.body("region.established/1", **{"origin": world.origin, **keys, **changes})


def test_nothing_comes_before_the_region_is_established(empty):
    assert codes(empty.refused(empty.body("volunteer.registered/1"))) == ["not-established"]
    with empty.unchanged(), pytest.raises(Untrusted):
        empty.submit(empty.body("organisation.registered/1"))
    registration = empty.body("organisation.registered/1")
    assert empty.submit(established(empty), registration).first == 0


def test_a_region_is_established_once(empty):
    first = established(empty)
    assert (1, "already-established") in empty.refused(first, established(empty, key=vkey(AUTHORITY, 1)))
    empty.submit(first)
    assert "already-established" in codes(empty.refused(established(empty, key=vkey(AUTHORITY, 1))))


def test_a_ledger_is_established_under_its_own_origin(empty):
    other = "ledger.example/other"
    assert codes(empty.refused(established(empty, origin=other, log_key=vkey(other)))) == ["wrong-origin"]


def test_the_log_key_is_not_the_issuing_key(empty):
    shared = SigningKey(empty.authority, signing_key(empty.origin).seed)
    assert codes(empty.refused(established(empty, key=str(shared)), by=shared)) == ["key-known"]


# -- who may issue what -----------------------------------------------------------------------------

REGISTERED, NEW = NEWCOMER, volunteer(99)
CAST = {
    "region": AUTHORITY,
    "station": STATION,
    "other station": SECOND_STATION,
    "group": GROUP,
    "volunteer": REGISTERED,
    "other volunteer": VOLUNTEER,
}
STATIONS = {"station", "other station"}
# By type: who of the cast may issue it, and what it is about. The station registered the volunteer, published the
# activity and recorded the entry.
AUTHORITIES: dict[str, tuple[set[str], dict[str, Any]]] = {
    "region.established/1": ({"region"}, {}),
    "region.key_added/1": ({"region"}, {}),
    "region.key_revoked/1": ({"region"}, {}),
    "region.credential_key_added/1": ({"region"}, {}),
    "region.credential_key_revoked/1": ({"region"}, {}),
    "region.closed/1": ({"region"}, {}),
    "proof.issued/1": ({"region"}, {}),
    "proof.revoked/1": ({"region"}, {}),
    "organisation.registered/1": ({"region"}, {"subject": organisation(99)}),
    "organisation.key_added/1": ({"region", "group"}, {"subject": GROUP, "key": vkey(GROUP, 9)}),
    "organisation.key_revoked/1": (
        {"region", "group"},
        {"subject": GROUP, "key_id": signing_key(GROUP, 1).id, "suspect_from": ABSENT},
    ),
    "organisation.suspended/1": ({"region"}, {"subject": GROUP}),
    "organisation.reinstated/1": ({"region"}, {"subject": GROUP}),
    "organisation.dissolved/1": ({"region"}, {"subject": GROUP, "successor": HEIR}),
    "volunteer.registered/1": (
        STATIONS,
        {
            "subject": NEW,
            "key": ABSENT,
            "consent": {"method": "form", "given": builders.TIME, "reference": "档案 2026-19"},
            "identity": builders.identity(builders.details(id_number="E99999999")),
        },
    ),
    "volunteer.key_added/1": (
        {"volunteer", "station", "region"},
        {"subject": REGISTERED, "key": vkey(REGISTERED, 9)},
    ),
    "volunteer.key_revoked/1": (
        {"volunteer", "region"},
        {"subject": REGISTERED, "key_id": signing_key(REGISTERED, 1).id},
    ),
    "volunteer.verified/1": (STATIONS, {"subject": OTHER}),
    "volunteer.disclaimed/1": (STATIONS | {"volunteer", "region"}, {"subject": REGISTERED}),
    "activity.published/1": (STATIONS | {"group"}, {"subject": f"activity:{builders.event_id()}"}),
    "hours.recorded/1": (STATIONS | {"group"}, {"subject": REGISTERED, **span("07:00", "08:00")}),
    "hours.corrected/1": ({"station", "region"}, {"subject": REGISTERED}),
    "hours.withdrawn/1": ({"station", "region"}, {"subject": REGISTERED}),
    "hours.approved/1": ({"station", "volunteer"}, {"subject": REGISTERED}),
    "hours.disputed/1": ({"volunteer", "region"}, {"subject": REGISTERED}),
    "hours.decided/1": ({"region"}, {"subject": REGISTERED}),
    "region.peer_recognised/1": ({"region"}, {}),
    "region.peer_dismissed/1": ({"region"}, {}),
    "volunteer.visiting/1": (
        STATIONS,
        {
            "subject": NEW,
            "key": ABSENT,
            "consent": {"method": "form", "given": builders.TIME, "reference": "档案 2026-24"},
        },
    ),
    "entry.received/1": ({"region"}, {"subject": REGISTERED}),
    "record.stated/1": ({"region"}, {"subject": REGISTERED}),
    "transfer.requested/1": (STATIONS | {"volunteer"}, {"volunteer": REGISTERED, "reference": "档案 2026-25"}),
    "transfer.offered/1": ({"region"}, {"volunteer": REGISTERED}),
    "transfer.accepted/1": ({"region"}, {"volunteer": REGISTERED, "keys": []}),
    "transfer.rejected/1": ({"region"}, {"volunteer": REGISTERED}),
    "transfer.expired/1": ({"region"}, {"volunteer": REGISTERED}),
    "transfer.closed/1": ({"region"}, {"volunteer": REGISTERED}),
    "transfer.cancelled/1": ({"region"}, {"volunteer": REGISTERED}),
    "recovery.announced/1": ({"region"}, {"volunteer": REGISTERED}),
    "recovery.answered/1": ({"region"}, {}),
}
OWN_STATEMENTS = {"volunteer.disclaimed/1", "transfer.requested/1"}
"""Types of which one's own has no reference."""


def test_the_table_of_authorities_is_complete():
    assert set(AUTHORITIES) == {type_name(kind) for kind in MAY_ISSUE}
    assert all(set(CAST) - allowed for allowed, _ in AUTHORITIES.values())


@pytest.mark.parametrize("kind", AUTHORITIES)
def test_only_those_who_may_issue_a_type_issue_it(world, kind):
    world.admit(SECOND_STATION, kind="station")
    world.admit(HEIR)
    world.register(REGISTERED, builders.details(), key=vkey(REGISTERED))
    world.record("volunteer.key_added/1", issuer=REGISTERED, subject=REGISTERED, key=vkey(REGISTERED, 1))
    world.enrol(OTHER)
    entry = world.record("hours.recorded/1", subject=REGISTERED)
    allowed, changes = AUTHORITIES[kind]
    for name in sorted(CAST, key=lambda name: name in allowed):
        members = {"issuer": CAST[name], **changes}
        if "entry" in builders.fields(kind):
            members["entry"] = entry
        if kind == "region.established/1":
            members |= {"key": vkey(CAST[name]), "origin": world.origin, "log_key": vkey(world.origin)}
        if kind in OWN_STATEMENTS and name == "volunteer":
            members["reference"] = ABSENT
        body = world.body(kind, **members)
        details = builders.details(id_number="E99999999" if "consent" in changes else "E12345678")
        private = {decode_event(body).id: details} if "identity" in builders.fields(kind) | changes else None
        if name in allowed:
            # It may still be refused for what those before it left.
            (answer,) = world.commit(world.request(body, private=private))
            assert isinstance(answer, Accepted) or "not-authorised" not in refusal_codes(answer), name
        else:
            assert "not-authorised" in codes(world.refused(body, private=private)), name


def test_an_organisation_may_not_learn_who_is_registered(world):
    """It is told that it is no station, and nothing that depends on the identity number it sent."""
    number = builders.details(id_number="E55555555")
    world.register(NEWCOMER, number)
    consent = {"method": "form", "given": builders.TIME, "reference": "档案 2026-20"}
    for issuer in (GROUP, VOLUNTEER):
        members = {"issuer": issuer, "subject": OTHER, "consent": consent, "key": ABSENT}
        body = world.body("volunteer.registered/1", identity=builders.identity(number), **members)
        assert codes(world.refused(body, private={decode_event(body).id: number})) == ["not-authorised"]


# -- keys -------------------------------------------------------------------------------------------


def untrusted(world: World, request: bytes) -> None:
    with world.unchanged(), pytest.raises(Untrusted):
        world.ledger.submit(request)


def test_a_key_is_good_from_the_event_that_adds_it(world):
    later = world.request(world.hours("08:00", "09:00"), by=7)
    untrusted(world, later)
    added = world.request(world.body("organisation.key_added/1", issuer=STATION, key=vkey(STATION, 7)))
    assert world.ledger.submit(added).new
    assert world.ledger.submit(later).new


def test_a_key_of_another_issuer_is_no_key(world):
    stolen = SigningKey(STATION, signing_key(GROUP).seed)
    untrusted(world, world.request(world.hours("08:00", "09:00"), by=stolen))


def revocation(world: World, issuer: str, name: str, number: int, **changes: Any) -> bytes:
    kind = {"org": "organisation", "region": "region", "volunteer": "volunteer"}[name.partition(":")[0]]
    members = {"key_id": signing_key(name, number).id, "suspect_from": ABSENT, **changes}
    return world.body(f"{kind}.key_revoked/1", issuer=issuer, subject=name, **members)


def test_a_revoked_key_signs_nothing_any_more(world):
    request = world.request(world.hours("08:00", "09:00"), by=1)
    prepared = world.ledger.prepare(request)
    world.submit(revocation(world, STATION, STATION, 1))
    untrusted(world, request)
    with world.unchanged():
        # Its signature was verified before the revocation was committed.
        (answer,) = world.ledger.commit([prepared])
    assert isinstance(answer, Untrusted)


def test_a_key_revoked_earlier_in_the_same_transaction_signs_nothing_any_more(world):
    revoked, late = world.commit(
        world.request(revocation(world, STATION, STATION, 1)),
        world.request(world.hours("08:00", "09:00"), by=1),
    )
    assert isinstance(revoked, Accepted)
    assert isinstance(late, Untrusted)


def test_a_submission_cannot_go_on_after_revoking_its_own_key(world):
    problems = world.refused(revocation(world, STATION, STATION, 0), world.hours("08:00", "09:00"))
    assert problems == [(1, "key-not-valid")]


def test_an_unknown_or_revoked_key_is_not_revoked(world):
    assert codes(world.refused(revocation(world, STATION, STATION, 9))) == ["unknown-key"]
    world.submit(revocation(world, AUTHORITY, STATION, 1))
    assert "key-revoked" in codes(world.refused(revocation(world, AUTHORITY, STATION, 1)))


@pytest.mark.parametrize("name", [STATION, VOLUNTEER])
def test_the_last_key_is_revoked_by_the_region_only(world, name):
    if name == STATION:
        world.submit(revocation(world, STATION, STATION, 1))
    assert codes(world.refused(revocation(world, name, name, 0))) == ["last-key"]
    world.submit(revocation(world, AUTHORITY, name, 0))


def test_an_issuer_without_keys_is_given_one_by_the_region(world):
    world.submit(revocation(world, AUTHORITY, VOLUNTEER, 0))
    untrusted(world, world.request(world.body("hours.disputed/1")))
    world.record("volunteer.key_added/1", issuer=AUTHORITY, key=vkey(VOLUNTEER, 1))
    assert codes(world.refused(world.body("hours.disputed/1"), by=1)) == ["unknown-entry"]


def test_the_region_never_revokes_its_own_last_key(world):
    assert codes(world.refused(revocation(world, AUTHORITY, AUTHORITY, 0))) == ["last-key"]
    world.record("region.key_added/1", key=vkey(AUTHORITY, 1))
    world.submit(revocation(world, AUTHORITY, AUTHORITY, 0))
    assert codes(world.refused(revocation(world, AUTHORITY, AUTHORITY, 1), by=1)) == ["last-key"]


def test_two_keys_cannot_both_be_revoked_in_one_submission(world):
    both = [revocation(world, STATION, STATION, number) for number in (1, 0)]
    assert world.refused(*both) == [(1, "last-key")]


def test_one_public_key_has_one_name(world):
    def added(name: str, seed_of: SigningKey) -> bytes:
        key = str(SigningKey(name, seed_of.seed))
        kind = "volunteer" if name == VOLUNTEER else "organisation"
        return world.body(f"{kind}.key_added/1", issuer=AUTHORITY, subject=name, key=key)

    taken = [signing_key(STATION), signing_key(AUTHORITY), signing_key(ORIGIN), signing_key(VOLUNTEER)]
    for key in taken:
        assert codes(world.refused(added(GROUP, key))) == ["key-known"]
    fresh = signing_key(GROUP, 5)
    assert world.refused(added(GROUP, fresh), added(STATION, fresh)) == [(1, "key-known")]
    shared = SigningKey(NEWCOMER, signing_key(VOLUNTEER).seed)
    own = world.body("volunteer.registered/1", issuer=NEWCOMER, subject=NEWCOMER, key=str(shared))
    assert codes(world.refused(own, by=shared)) == ["key-known"]


def test_a_revoked_key_is_not_added_again(world):
    world.submit(revocation(world, STATION, STATION, 1))
    again = world.body("organisation.key_added/1", key=vkey(STATION, 1))
    assert codes(world.refused(again)) == ["key-known"]


def test_entries_of_a_suspect_key_become_disputed(world):
    before = world.record("hours.recorded/1", by=1, **span("07:00", "08:00"))
    by_other = world.record("hours.recorded/1", by=0, **span("08:00", "09:00"))
    after = world.record("hours.recorded/1", by=1, **span("09:00", "10:00"))
    position = world.ledger.event(after).position
    ahead = revocation(world, AUTHORITY, STATION, 1, suspect_from=world.size + 1)
    assert codes(world.refused(ahead)) == ["position-ahead"]
    world.submit(revocation(world, AUTHORITY, STATION, 1, suspect_from=position))
    assert [world.entry(name)["disputed_by"] for name in (before, by_other, after)] == [None, None, AUTHORITY]


# -- time and place ---------------------------------------------------------------------------------


def test_an_event_is_at_most_five_minutes_ahead_of_the_clock(world):
    assert CLOCK_AHEAD_MAX == 300
    assert codes(world.refused(world.hours("08:00", "09:00", time=f"{DAY}T12:15:01+08:00"))) == ["time-ahead"]
    world.submit(world.hours("08:00", "09:00", time=f"{DAY}T12:15:00+08:00"))


def test_the_clock_of_the_log_never_goes_back(world):
    first = world.record("hours.recorded/1", **span("08:00", "09:00"))
    world.now -= 3600
    second = world.record("hours.recorded/1", **span("09:00", "10:00"))
    assert world.ledger.event(second).recorded_at == world.ledger.event(first).recorded_at


def test_an_entry_is_made_after_its_own_end(world):
    long = str(builders.event_id())
    world.publish(STATION, long, start="06:00", end="23:00")
    early = world.hours("11:00", "12:01", activity=long, time=at("12:00"))
    assert codes(world.refused(early)) == ["not-ended"]
    # The issuer's clock says that it has ended, ours does not.
    ahead = world.hours("11:00", "12:11", activity=long, time=at("12:12"))
    assert codes(world.refused(ahead)) == ["not-ended"]
    world.submit(world.hours("11:00", "12:00", activity=long, time=at("12:00")))


def test_no_more_minutes_are_given_than_lie_between_start_and_end(world):
    long = world.hours("08:00", "09:00", minutes=61)
    with world.unchanged(), pytest.raises(Refused) as refusal:
        world.ledger.submit(builders.sealed([long], origin=world.origin))
    (problem,) = refusal.value.problems
    assert (problem.index, problem.pointer) == (0, "/minutes")


def test_an_entry_is_no_longer_than_the_limit(world):
    """However few minutes it claims: what overlaps is looked for among entries of that length at most."""
    month = str(builders.event_id())
    world.record("activity.published/1", subject=f"activity:{month}", start=at("00:00", "2026-10-01"), end=at("12:00"))
    limit = {"start": at("12:00", "2026-10-25"), "end": at("12:00"), "minutes": 60, "activity": month}
    assert ENTRY_MINUTES_MAX == 7 * 24 * 60
    over = world.body("hours.recorded/1", **{**limit, "start": at("11:59", "2026-10-25")})
    with world.unchanged(), pytest.raises(Refused):
        world.ledger.submit(builders.sealed([over], origin=world.origin))
    world.record("hours.recorded/1", **limit)
    assert codes(world.refused(world.hours("11:59", "12:00"))) == ["overlap"]


@pytest.mark.parametrize(("start", "end"), [("05:59", "07:00"), ("11:00", "12:01"), ("05:00", "12:05")])
def test_an_entry_lies_within_the_window_of_its_activity(world, start, end):
    assert codes(world.refused(world.hours(start, end))) == ["outside-activity"]


def test_an_entry_may_fill_the_window_of_its_activity(world):
    world.submit(world.hours("06:00", "12:00"))


def test_an_activity_is_published_here_and_by_the_same_organisation(world):
    unpublished = str(builders.event_id())
    assert codes(world.refused(world.hours("08:00", "09:00", activity=unpublished))) == ["unknown-activity"]
    assert codes(world.refused(world.hours("08:00", "09:00", issuer=GROUP))) == ["unknown-activity"]
    published = world.body("activity.published/1", subject=f"activity:{unpublished}")
    world.submit(world.hours("08:00", "09:00", activity=ACTIVITY))
    assert codes(world.refused(world.hours("09:00", "10:00", activity=unpublished), published)) == ["unknown-activity"]


def test_an_activity_is_published_once(world):
    assert codes(world.refused(world.body("activity.published/1"))) == ["already-published"]
    assert codes(world.refused(world.body("activity.published/1", issuer=GROUP))) == ["already-published"]


def test_hours_are_recorded_of_registered_volunteers(world):
    assert codes(world.refused(world.hours("08:00", "09:00", subject=NEWCOMER))) == ["unknown-volunteer"]


# -- overlap ----------------------------------------------------------------------------------------

OVERLAPPING = [("08:00", "10:00"), ("08:59", "09:30"), ("07:00", "08:01"), ("08:20", "08:30"), ("07:00", "10:00")]


@pytest.mark.parametrize(("start", "end"), OVERLAPPING)
def test_no_volunteer_is_in_two_places_at_once_for_one_organisation(world, start, end):
    first, second = world.hours("08:00", "09:00"), world.hours(start, end)
    assert world.refused(first, second) == [(1, "overlap")]
    world.submit(first)
    assert world.refused(second) == [(0, "overlap")]


@pytest.mark.parametrize(("start", "end"), OVERLAPPING)
def test_entries_of_one_transaction_do_not_overlap(world, start, end):
    first, second = world.commit(world.request(world.hours("08:00", "09:00")), world.request(world.hours(start, end)))
    assert isinstance(first, Accepted)
    assert refusal_codes(second) == ["overlap"]
    assert world.size == first.first + 1


def test_intervals_that_touch_do_not_overlap(world):
    world.submit(world.hours("08:00", "09:00"), world.hours("09:00", "10:00"))
    world.submit(world.hours("07:00", "08:00"), world.hours("10:00", "11:00"))


def test_the_offset_of_a_time_is_not_its_instant(world):
    world.submit(world.hours("08:00", "09:00"))
    same = {"start": f"{DAY}T00:30:00Z", "end": f"{DAY}T01:30:00Z", "minutes": 60}
    assert codes(world.refused(world.body("hours.recorded/1", **same))) == ["overlap"]


def test_entries_of_others_do_not_hinder(world):
    """Across organisations both are kept, and which one counts is decided by rank."""
    world.publish(GROUP, activity := str(builders.event_id()))
    world.enrol(OTHER)
    world.submit(world.hours("08:00", "09:00"))
    world.submit(world.hours("08:00", "09:00", subject=OTHER))
    world.submit(world.hours("08:00", "09:00", issuer=GROUP, activity=activity))


def test_a_withdrawn_entry_frees_its_time(world):
    name = world.record("hours.recorded/1", **span("08:00", "09:00"))
    world.submit(world.body("hours.withdrawn/1", entry=name), world.hours("08:30", "09:30"))


# -- standing ---------------------------------------------------------------------------------------


def test_a_suspended_organisation_submits_nothing_until_reinstated(world):
    world.record("organisation.suspended/1")
    assert codes(world.refused(world.hours("08:00", "09:00"))) == ["organisation-inactive"]
    assert "wrong-status" in codes(world.refused(world.body("organisation.suspended/1")))
    world.record("organisation.reinstated/1")
    world.submit(world.hours("08:00", "09:00"))
    assert codes(world.refused(world.body("organisation.reinstated/1"))) == ["wrong-status"]


def test_a_dissolved_organisation_submits_nothing_for_good(world):
    world.record("organisation.dissolved/1")
    assert codes(world.refused(world.hours("08:00", "09:00"))) == ["organisation-inactive"]
    for kind in ("organisation.reinstated/1", "organisation.suspended/1", "organisation.dissolved/1"):
        assert codes(world.refused(world.body(kind))) == ["wrong-status"]


def test_suspension_holds_within_the_same_transaction(world):
    _, late = world.commit(
        world.request(world.body("organisation.suspended/1")), world.request(world.hours("08:00", "09:00"))
    )
    assert refusal_codes(late) == ["organisation-inactive"]


@pytest.mark.parametrize("successor", [STATION, organisation(98)])
def test_a_successor_is_another_active_organisation(world, successor):
    assert codes(world.refused(world.body("organisation.dissolved/1", successor=successor))) == ["unknown-successor"]


def test_things_are_registered_once(world):
    for kind in ("organisation.registered/1", "volunteer.registered/1"):
        assert "already-registered" in codes(world.refused(world.body(kind)))


def test_keys_are_added_to_what_is_registered(world):
    unknown = world.body("organisation.key_added/1", subject=HEIR, key=vkey(HEIR))
    assert codes(world.refused(unknown)) == ["unknown-subject"]


# -- the same bytes again, and others under the same id ---------------------------------------------


def test_the_same_bytes_again_change_nothing(world):
    request = world.request(world.hours("08:00", "09:00"), world.hours("09:00", "10:00"))
    first = world.ledger.submit(request)
    world.submit(world.hours("10:00", "11:00"))
    world.now += 60
    with world.unchanged():
        again = world.ledger.submit(request)
    assert (again.events, again.new, again.tree_size) == (first.events, False, world.size)


def test_the_same_bytes_may_be_signed_by_another_key_of_the_issuer(world):
    bodies = [world.hours("08:00", "09:00"), world.hours("09:00", "10:00")]
    first = world.submit(*bodies)
    with world.unchanged():
        assert world.submit(*bodies, by=1).events == first.events
        assert world.submit(bodies[1], by=1).events == first.events[1:]


def test_the_same_bytes_signed_by_a_revoked_key_are_not_believed(world):
    body = world.hours("08:00", "09:00")
    world.submit(body, by=1)
    world.submit(revocation(world, STATION, STATION, 1))
    untrusted(world, world.request(body, by=1))
    assert not world.submit(body).new


def test_a_self_registration_may_be_repeated(world):
    body = world.body("volunteer.registered/1", issuer=NEWCOMER, subject=NEWCOMER, key=vkey(NEWCOMER))
    first = world.submit(body)
    with world.unchanged():
        assert world.submit(body).events == first.events


def test_an_id_is_not_used_for_other_bytes(world):
    name = world.record("hours.recorded/1", **span("08:00", "09:00"))
    other = world.hours("09:00", "10:00", id=name)
    with world.unchanged(), pytest.raises(Conflict) as conflict:
        world.submit(other)
    assert conflict.value.known == ((name, world.size - 1),)


def test_an_id_is_not_used_for_other_bytes_by_another_issuer(world):
    name = world.record("hours.recorded/1", **span("08:00", "09:00"))
    with world.unchanged(), pytest.raises(Conflict):
        world.submit(world.body("activity.published/1", id=name, issuer=GROUP))


def test_old_and_new_events_are_not_mixed(world):
    old = [world.hours("08:00", "09:00"), world.hours("09:00", "10:00")]
    places = set(world.submit(*old).events)
    with world.unchanged(), pytest.raises(Conflict) as conflict:
        world.submit(old[1], world.hours("10:00", "11:00"), old[0])
    assert set(conflict.value.known) == {(name, position) for name, position, _ in places}


def test_an_id_stands_once_in_a_submission(world):
    body = world.hours("08:00", "09:00")
    assert world.refused(body, body) == [(1, "duplicate-id")]


# -- several submissions in one transaction ---------------------------------------------------------


def test_a_refused_submission_does_not_harm_its_neighbours(world):
    known = builders.details(id_number="E77777777")
    registration = {"issuer": STATION, "consent": {"method": "form", "given": builders.TIME, "reference": "档案"}}
    refused = [
        world.body(
            "volunteer.registered/1", subject=NEWCOMER, key=ABSENT, identity=builders.identity(known), **registration
        ),
        world.hours("08:00", "09:00", subject=NEWCOMER),
        world.hours("08:30", "09:30", subject=NEWCOMER),
    ]
    size = world.size
    before, between, after = world.commit(
        world.request(world.hours("07:00", "08:00")),
        world.request(*refused, private={decode_event(refused[0]).id: known}),
        # What the refused one would have taken is free: person, volunteer and time.
        world.request(*refused[:2], private={decode_event(refused[0]).id: known}),
    )
    assert isinstance(before, Accepted)
    assert refusal_codes(between) == ["overlap"]
    assert isinstance(after, Accepted)
    assert (before.first, after.first, world.size) == (size, size + 1, size + 3)
    assert [kept.details for kept in world.ledger.private(NEWCOMER)] == [known]


def test_a_submission_twice_in_one_transaction_is_one_submission(world):
    details = builders.details(id_number="E77777778")
    body = world.body(
        "volunteer.registered/1",
        issuer=NEWCOMER,
        subject=NEWCOMER,
        key=vkey(NEWCOMER),
        identity=builders.identity(details),
    )
    request = world.request(body, private={decode_event(body).id: details})
    first, second = world.commit(request, request)
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert (first.new, second.new) == (True, False)
    assert first.events == second.events
    assert first.tree_size == second.tree_size == world.size


def test_an_id_twice_in_one_transaction_is_a_conflict(world):
    name = builders.event_id()
    first, second = world.commit(
        world.request(world.hours("08:00", "09:00", id=name)), world.request(world.hours("09:00", "10:00", id=name))
    )
    assert isinstance(first, Accepted)
    assert isinstance(second, Conflict)
    assert second.known == ((name, first.first),)


def test_a_volunteers_keys_and_entries_are_told_apart(world):
    """Both are looked up by the volunteer's name, and both are needed in one transaction here."""
    own, entry, revoked = world.commit(
        world.request(world.body("volunteer.key_added/1")),
        world.request(world.hours("08:00", "09:00")),
        world.request(world.body("volunteer.key_revoked/1", key_id=signing_key(VOLUNTEER, 1).id)),
    )
    assert all(isinstance(answer, Accepted) for answer in (own, entry, revoked))


def test_later_submissions_see_earlier_ones(world):
    registered = world.request(
        world.body("organisation.registered/1", subject=HEIR),
        world.body("organisation.key_added/1", subject=HEIR, key=vkey(HEIR)),
    )
    again = world.request(world.body("organisation.registered/1", subject=HEIR))
    first, second = world.commit(registered, again)
    assert isinstance(first, Accepted)
    assert refusal_codes(second) == ["already-registered"]


def test_every_bad_event_is_listed(world):
    problems = world.refused(
        world.hours("05:00", "06:30"),
        world.hours("07:00", "08:00"),
        world.hours("07:30", "08:30", subject=NEWCOMER),
    )
    assert problems == [(0, "outside-activity"), (2, "unknown-volunteer")]


# -- private details --------------------------------------------------------------------------------


def with_identity(world: World, details: bytes) -> bytes:
    return world.body(
        "volunteer.registered/1",
        issuer=NEWCOMER,
        subject=NEWCOMER,
        key=vkey(NEWCOMER),
        identity=builders.identity(details),
    )


def test_details_that_a_body_commits_to_are_sent_along(world):
    body = with_identity(world, builders.details())
    assert codes(world.refused(body)) == ["private-details"]


def test_details_have_the_hash_that_the_body_states(world):
    body = with_identity(world, builders.details())
    other = {decode_event(body).id: builders.details(name="测试员乙")}
    assert codes(world.refused(body, private=other)) == ["private-details"]


@pytest.mark.parametrize("name", [builders.event_id(), "x"])
def test_details_that_no_body_commits_to_are_refused(world, name):
    body = with_identity(world, details := builders.details())
    private = {decode_event(body).id: details, name: details}
    assert world.refused(body, private=private) == [(None, "private-details")]
    plain = world.hours("08:00", "09:00")
    assert world.refused(plain, private={decode_event(plain).id: details}) == [(None, "private-details")]


def test_details_are_kept_sealed_until_they_are_erased(world):
    details = builders.details()
    world.submit(body := with_identity(world, details), private={decode_event(body).id: details})
    (kept,) = world.ledger.private(NEWCOMER)
    assert (kept.event_id, kept.details) == (decode_event(body).id, details)
    assert world.ledger.erase(NEWCOMER) == 1
    assert world.ledger.private(NEWCOMER) == []


# -- persons and claims -----------------------------------------------------------------------------


def verification(world: World, name: str, details: bytes, station: str = STATION) -> tuple[bytes, dict[str, bytes]]:
    body = world.body("volunteer.verified/1", issuer=station, subject=name, identity=builders.identity(details))
    return body, {decode_event(body).id: details}


def person_registered(world: World, body: bytes, private: dict[str, bytes]) -> str:
    """The detail with which a claim that somebody holds is refused."""
    with world.unchanged(), pytest.raises(Refused) as refusal:
        world.submit(body, private=private)
    (problem,) = refusal.value.problems
    assert (problem.code, problem.pointer) == ("person-registered", "/identity")
    return problem.detail


def test_a_station_is_told_that_a_person_is_registered(world):
    world.admit(SECOND_STATION, kind="station")
    world.register(NEWCOMER, builders.details())
    # Another name, salt and spelling of the number: the same document.
    again = builders.details(name="测试员甲甲", id_number="e 1234-5678", salt="mJ2o4VqS0m0f4m0Jw1x3Zg")
    consent = {"method": "form", "given": builders.TIME, "reference": "档案 2026-21"}
    members = {"issuer": SECOND_STATION, "subject": OTHER, "consent": consent, "key": ABSENT}
    body = world.body("volunteer.registered/1", identity=builders.identity(again), **members)
    assert NEWCOMER in person_registered(world, body, {decode_event(body).id: again})


def test_two_stations_in_one_transaction_do_not_register_one_person_twice(world):
    world.admit(SECOND_STATION, kind="station")
    details = builders.details()
    requests = []
    for station, name in ((STATION, NEWCOMER), (SECOND_STATION, OTHER)):
        consent = {"method": "form", "given": builders.TIME, "reference": "档案 2026-22"}
        members = {"issuer": station, "subject": name, "consent": consent, "key": ABSENT}
        body = world.body("volunteer.registered/1", identity=builders.identity(details), **members)
        requests.append(world.request(body, private={decode_event(body).id: details}))
    first, second = world.commit(*requests)
    assert isinstance(first, Accepted)
    assert refusal_codes(second) == ["person-registered"]


def test_another_document_is_another_person(world):
    world.register(NEWCOMER, builders.details())
    world.register(OTHER, builders.details(id_number="E12345679"))


def test_registering_oneself_is_never_refused_for_a_number_that_is_taken(world):
    world.register(OTHER, details := builders.details())
    body = with_identity(world, details)
    assert world.submit(body, private={decode_event(body).id: details}).new


def test_the_claim_is_taken_by_the_station_that_verifies(world):
    details = builders.details()
    for name in (NEWCOMER, OTHER):
        members = {"issuer": name, "subject": name, "key": vkey(name)}
        world.record("volunteer.registered/1", private=details, **members)
    body, private = verification(world, NEWCOMER, details)
    assert world.submit(body, private=private).new
    assert NEWCOMER in person_registered(world, *verification(world, OTHER, details))
    assert codes(world.refused((again := verification(world, NEWCOMER, details))[0], private=again[1])) == [
        "wrong-status"
    ]


def test_a_station_verifies_with_a_number(world):
    unnumbered = builders.details(id_type=ABSENT, id_number=ABSENT)
    body, private = verification(world, VOLUNTEER, unnumbered)
    assert world.refused(body, private=private) == [(0, "identity-missing")]


def test_a_station_verifies_whom_it_knows_of(world):
    body, private = verification(world, NEWCOMER, builders.details())
    assert world.refused(body, private=private) == [(0, "unknown-subject")]


# -- disclaiming ------------------------------------------------------------------------------------


@pytest.mark.parametrize("issuer", [VOLUNTEER, STATION, AUTHORITY])
def test_disclaiming_freezes_the_record_at_once(world, issuer):
    name = world.record("hours.recorded/1", **span("08:00", "09:00"))
    withdrawn = world.record("hours.recorded/1", **span("09:00", "10:00"))
    world.record("hours.withdrawn/1", entry=withdrawn)
    reference = ABSENT if issuer == VOLUNTEER else "档案 2026-23"
    world.record("volunteer.disclaimed/1", issuer=issuer, reference=reference)
    assert (world.entry(name)["disputed_by"], world.entry(withdrawn)["disputed_by"]) == (issuer, None)
    frozen = [
        world.hours("10:00", "11:00"),
        world.body("hours.corrected/1", entry=name, **span("08:00", "08:30")),
        world.body("hours.withdrawn/1", entry=name),
        world.body("hours.approved/1", entry=name),
        world.body("hours.disputed/1", entry=name),
        world.body("volunteer.key_added/1"),
    ]
    for body in frozen:
        assert "record-frozen" in codes(world.refused(body))
    assert "wrong-status" in codes(world.refused(world.body("volunteer.disclaimed/1")))
    world.record("hours.decided/1", entry=name, outcome="annulled")


def test_a_record_disclaimed_in_the_same_transaction_is_frozen(world):
    _, late = world.commit(
        world.request(world.body("volunteer.disclaimed/1")), world.request(world.hours("08:00", "09:00"))
    )
    assert refusal_codes(late) == ["record-frozen"]


# -- corrections and withdrawals --------------------------------------------------------------------


@pytest.fixture
def entry(world: World) -> str:
    """An entry of the station's, from eight to nine."""
    return world.record("hours.recorded/1", **span("08:00", "09:00"))


def correction(world: World, entry: str, start: str = "08:00", end: str = "08:30", **changes: Any) -> bytes:
    return world.body("hours.corrected/1", entry=entry, **span(start, end, **changes))


def test_a_correction_replaces_the_fields_and_stays_in_the_stream(world, entry):
    world.submit(correction(world, entry, "10:00", "11:00"))
    kept = world.entry(entry)
    assert (kept["start"], kept["minutes"]) == (instant(at("10:00")), 60)
    types = [row.topic for row in world.ledger.stream(VOLUNTEER)]
    assert types == ["volunteer.registered/1", "hours.recorded/1", "hours.corrected/1"]
    # The time it left is free, the time it moved to is not.
    world.submit(world.hours("08:00", "09:00"))
    assert codes(world.refused(world.hours("10:30", "11:30"))) == ["overlap"]


def test_a_correction_keeps_its_place_in_the_queue_only_within_its_time(world, entry):
    """Among overlapping entries of several organisations the one that could count first does."""
    recorded = world.ledger.event(entry).position
    world.submit(correction(world, entry, "08:10", "08:50"))
    assert world.entry(entry)["rank"] == recorded
    moved = world.submit(correction(world, entry, "08:05", "08:50")).first
    assert world.entry(entry)["rank"] == moved


@pytest.mark.parametrize("evidence", ["manual", "imported"])
def test_a_correction_keeps_the_grade_of_evidence(world, entry, evidence):
    assert codes(world.refused(correction(world, entry, evidence=evidence))) == ["evidence-changed"]


def test_a_correction_passes_the_rules_of_an_entry(world, entry):
    world.submit(world.hours("09:00", "10:00"))
    assert codes(world.refused(correction(world, entry, "08:30", "09:30"))) == ["overlap"]
    assert codes(world.refused(correction(world, entry, "05:30", "06:30"))) == ["outside-activity"]
    world.publish(GROUP, activity := str(builders.event_id()))
    assert codes(world.refused(correction(world, entry, activity=activity))) == ["unknown-activity"]


@pytest.mark.parametrize("kind", ["hours.corrected/1", "hours.withdrawn/1", "hours.decided/1"])
def test_a_withdrawn_entry_is_final(world, entry, kind):
    withdrawn = world.body("hours.withdrawn/1", entry=entry)
    changed = correction(world, entry) if kind == "hours.corrected/1" else world.body(kind, entry=entry)
    if kind != "hours.decided/1":
        assert world.refused(withdrawn, changed) == [(1, "entry-withdrawn")]
    world.submit(withdrawn)
    assert codes(world.refused(changed)) == ["entry-withdrawn"]


def test_an_annulled_entry_is_final(world, entry):
    world.record("hours.decided/1", entry=entry, outcome="annulled")
    assert codes(world.refused(correction(world, entry))) == ["entry-withdrawn"]


def test_an_entry_is_known_and_of_the_volunteer_that_is_named(world, entry):
    world.enrol(OTHER)
    assert codes(world.refused(correction(world, builders.event_id()))) == ["unknown-entry"]
    assert "unknown-entry" in codes(world.refused(correction(world, entry, subject=OTHER)))


@pytest.mark.parametrize("kind", ["hours.corrected/1", "hours.withdrawn/1", "hours.approved/1"])
def test_strangers_do_not_touch_an_entry(world, entry, kind):
    body = world.body(kind, issuer=GROUP, entry=entry)
    assert "not-authorised" in codes(world.refused(body))


def test_a_successor_acts_for_an_organisation_that_is_dissolved(world, entry):
    by_heir = correction(world, entry, issuer=GROUP)
    assert "not-authorised" in codes(world.refused(by_heir))
    world.record("organisation.suspended/1")
    assert "not-authorised" in codes(world.refused(by_heir))
    world.record("organisation.dissolved/1", successor=GROUP)
    world.admit(SECOND_STATION)
    assert "not-authorised" in codes(world.refused(correction(world, entry, issuer=SECOND_STATION)))
    assert codes(world.refused(correction(world, entry))) == ["organisation-inactive"]
    world.submit(by_heir)
    assert world.entry(entry)["issuer"] == STATION
    assert world.entry(entry)["signer"] == GROUP


def test_a_successor_acts_from_the_dissolution_on_in_the_same_transaction(world, entry):
    dissolved = world.request(world.body("organisation.dissolved/1", successor=GROUP))
    early = world.request(correction(world, entry, issuer=GROUP))
    late = world.request(world.body("hours.withdrawn/1", issuer=GROUP, entry=entry))
    refused, _, accepted = world.commit(early, dissolved, late)
    assert "not-authorised" in refusal_codes(refused)
    assert isinstance(accepted, Accepted)


def test_the_region_corrects_any_entry(world, entry):
    world.submit(correction(world, entry, issuer=AUTHORITY))
    assert world.entry(entry)["minutes"] == 30


def test_an_entry_is_corrected_in_the_transaction_that_records_it(world):
    name = builders.event_id()
    world.submit(world.hours("08:00", "09:00", id=name), correction(world, name))
    assert world.entry(name)["minutes"] == 30


# -- approval ---------------------------------------------------------------------------------------


@pytest.fixture
def manual(world: World) -> str:
    """An entry made by hand, signed by the station's first key."""
    return world.record("hours.recorded/1", **span("08:00", "09:00", evidence="manual"))


def approval(world: World, entry: str, issuer: str = STATION) -> bytes:
    return world.body("hours.approved/1", issuer=issuer, entry=entry)


def test_the_key_that_signed_an_entry_does_not_approve_it(world, manual):
    assert not world.entry(manual)["approved"]
    assert codes(world.refused(approval(world, manual))) == ["same-key"]


def test_a_second_key_of_the_organisation_approves(world, manual):
    world.submit(approval(world, manual), by=1)
    assert world.entry(manual)["approved"]
    assert codes(world.refused(approval(world, manual), by=1)) == ["nothing-to-approve"]


def test_the_volunteer_approves(world, manual):
    world.submit(approval(world, manual, VOLUNTEER))
    assert world.entry(manual)["approved"]


def test_the_region_does_not_approve(world, manual):
    assert "not-authorised" in codes(world.refused(approval(world, manual, AUTHORITY)))


def test_other_evidence_needs_no_approval(world, entry):
    assert world.entry(entry)["approved"]
    assert codes(world.refused(approval(world, entry), by=1)) == ["nothing-to-approve"]
    world.submit(approval(world, entry, VOLUNTEER))


def test_a_correction_takes_the_approval_of_a_manual_entry_back(world, manual):
    world.submit(approval(world, manual), by=1)
    world.submit(correction(world, manual, evidence="manual"), by=1)
    assert not world.entry(manual)["approved"]
    # Now it is the second key that signed.
    assert codes(world.refused(approval(world, manual), by=1)) == ["same-key"]
    world.submit(approval(world, manual), by=0)
    assert world.entry(manual)["approved"]


def test_a_correction_by_the_region_leaves_the_approval(world, manual):
    world.submit(approval(world, manual), by=1)
    world.submit(correction(world, manual, evidence="manual", issuer=AUTHORITY))
    assert world.entry(manual)["approved"]


# -- disputes ---------------------------------------------------------------------------------------


def test_an_entry_is_disputed_once(world, entry):
    world.record("hours.disputed/1", entry=entry)
    assert codes(world.refused(world.body("hours.disputed/1", issuer=AUTHORITY, entry=entry))) == ["already-disputed"]


def test_a_volunteer_cannot_clear_what_the_region_put_in_doubt(world, entry):
    world.record("hours.disputed/1", issuer=AUTHORITY, entry=entry)
    world.submit(approval(world, entry, VOLUNTEER))
    assert world.entry(entry)["disputed_by"] == AUTHORITY


def test_a_dispute_ends_with_the_volunteers_word_or_the_regions(world, entry):
    world.record("hours.disputed/1", entry=entry)
    world.submit(approval(world, entry, VOLUNTEER))
    assert not world.entry(entry)["disputed_by"]
    world.record("hours.disputed/1", entry=entry)
    world.record("hours.decided/1", entry=entry)
    assert not world.entry(entry)["disputed_by"]
    assert world.entry(entry)["rank"] < 0
