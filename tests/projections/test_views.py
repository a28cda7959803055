"""What pages and the API read: every sum is a sum over entries, pages fit together, small cells are hidden."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.credentials.holdings import Request
from ledger.ids import instant
from ledger.limits import SMALL_CELL_MIN
from ledger.store.postgres.database import Database
from projections.engine import catch_up
from projections.people import Move, Person
from projections.statements import Statements
from projections.totals import STATES, Totals
from projections.views import TRANSIT, Breakdown, EntryRow, Sum, Sums, TotalsView, VolunteerTotals, hide_small
from tests.integration.world import DAY, World, at, organisation, span, volunteer
from tests.projections.histories import VOLUNTEERS, History
from tests.projections.tables import fresh
from tests.support import builders
from tests.support.builders import GROUP, STATION, VOLUNTEER, event_id
from tests.support.moving import Moving

NONE = {state: Sum() for state in STATES}
STRANGER = volunteer(999)
OTHER = "442000"
ALWAYS: dict[str, Any] = {"first": "2000-01-01", "last": "2099-12-31"}


def read(world: World) -> TotalsView:
    """The view, once everything in the log is applied."""
    catch_up(Totals(world.database, world.schema), world.ledger)
    return TotalsView(world.database, world.schema)


# -- sums ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def view(database: Database) -> TotalsView:
    """A region in which much happened."""
    return read(History(fresh(database, "440600"), seed=1).go_on(300).world)


@pytest.fixture(scope="module")
def entries(view: TotalsView) -> list[EntryRow]:
    return [entry for name in VOLUNTEERS for entry in view.entries(name, None, None, 1000)]


def sums_of(entries: Iterable[EntryRow]) -> Sums:
    """By state, for the states that anything is in."""
    found: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        found[entry.state].append(entry.minutes)
    return {state: Sum(sum(minutes), len(minutes)) for state, minutes in found.items()}


def grouped(entries: Iterable[EntryRow], heading: Callable[[EntryRow], str]) -> dict[str, Sums]:
    found: dict[str, list[EntryRow]] = defaultdict(list)
    for entry in entries:
        found[heading(entry)].append(entry)
    return {name: sums_of(some) for name, some in found.items()}


def breakdown_of(entries: list[EntryRow]) -> Breakdown:
    return Breakdown(
        {**NONE, **sums_of(entries)},
        grouped(entries, lambda entry: "2026"),
        grouped(entries, lambda entry: entry.category),
        grouped(entries, lambda entry: entry.organisation),
    )


def test_the_history_has_entries_in_every_state(entries: list[EntryRow]) -> None:
    assert set(sums_of(entries)) == set(STATES)
    assert {entry.organisation for entry in entries} == {STATION, GROUP}


def test_totals_are_sums_over_entries(view: TotalsView, entries: list[EntryRow]) -> None:
    for name in VOLUNTEERS:
        own = [entry for entry in entries if entry.volunteer == name]
        assert view.volunteer(name) == breakdown_of(own)
        for issuer in (STATION, GROUP):
            assert view.volunteer(name, issuer) == breakdown_of([one for one in own if one.organisation == issuer])
    for issuer in (STATION, GROUP):
        assert view.organisation(issuer) == breakdown_of([one for one in entries if one.organisation == issuer])
    assert view.region() == breakdown_of(entries)
    assert view.days(DAY, DAY) == [(DAY, state, found) for state, found in sorted(sums_of(entries).items())]


def test_cells_are_sums_over_counted_entries(view: TotalsView, entries: list[EntryRow]) -> None:
    for issuer in (STATION, GROUP):
        counted = [one for one in entries if one.organisation == issuer and one.state == "counted"]
        cells = grouped(counted, lambda entry: entry.category)
        assert view.organisation_cells(issuer) == {("2026", name): found["counted"] for name, found in cells.items()}
        people = {("2026", name): {one.volunteer for one in counted if one.category == name} for name in cells}
        assert view.organisation_volunteers(issuer) == {cell: len(names) for cell, names in people.items()}


def test_there_is_nothing_about_whom_nothing_is_known(view: TotalsView) -> None:
    nothing = Breakdown(NONE, {}, {}, {})
    unknown = organisation(9)
    assert view.volunteer(STRANGER) == view.volunteer(STRANGER, STATION) == nothing
    assert view.organisation(unknown) == view.volunteer(VOLUNTEERS[0], unknown) == nothing
    assert view.entries(STRANGER, None, None, 100) == []
    assert (view.organisation_cells(unknown), view.organisation_volunteers(unknown)) == ({}, {})


def test_there_is_nothing_before_anything_is_applied(world: World) -> None:
    projection = Totals(world.database, world.schema)
    with world.database.transaction() as cursor:
        projection.create(cursor)
    view = TotalsView(world.database, world.schema)
    assert view.region() == Breakdown(NONE, {}, {}, {})
    assert view.days("0001-01-01", "9999-12-31") == []


# -- pages --------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.sampled_from(VOLUNTEERS), st.sampled_from([None, STATION, GROUP]), st.lists(st.integers(1, 7), min_size=1))
def test_pages_fit_together(view: TotalsView, name: str, issuer: str | None, limits: list[int]) -> None:
    """However large each of them is."""
    every = view.entries(name, issuer, None, 1000)
    assert [one.position for one in every] == sorted({one.position for one in every}, reverse=True)
    assert {one.organisation for one in every} <= ({issuer} if issuer else {STATION, GROUP})
    before: int | None = None
    found: list[EntryRow] = []
    turn = 0
    while page := view.entries(name, issuer, before, limits[turn % len(limits)]):
        assert len(page) <= limits[turn % len(limits)]
        found += page
        before, turn = page[-1].position, turn + 1
    assert found == every


def test_an_entry_is_shown_as_it_stands_now(world: World) -> None:
    name = world.record("hours.recorded/1", **span("08:00", "09:00"))
    recorded = world.size - 1
    world.record("hours.corrected/1", entry=name, **span("10:00", "10:30", category="health"))
    (found,) = read(world).entries(VOLUNTEER, None, None, 10)
    assert (found.id, found.position, found.version) == (name, recorded, recorded + 1)
    assert (found.volunteer, found.organisation, found.activity) == (VOLUNTEER, STATION, builders.ACTIVITY)
    assert (found.category, found.minutes, found.evidence, found.state) == ("health", 30, "check-in", "counted")
    assert (found.start, found.end) == (instant(at("10:00")), instant(at("10:30")))


# -- days ---------------------------------------------------------------------------------------------------


@pytest.fixture
def days(world: World) -> TotalsView:
    """An hour on each of four days, the last of them across midnight, and one written as seen from Greenwich."""
    activity = str(event_id())
    window: dict[str, Any] = {"start": at("00:00", "2025-12-30"), "end": at("12:00", "2026-01-03")}
    world.record("activity.published/1", subject=f"activity:{activity}", **window)
    for start, end in (
        (at("08:00", "2025-12-30"), at("09:00", "2025-12-30")),
        (at("08:00", "2025-12-31"), at("09:00", "2025-12-31")),
        # In China it is the first of January.
        ("2025-12-31T17:00:00Z", "2025-12-31T18:00:00Z"),
        (at("08:00", "2026-01-01"), at("09:00", "2026-01-01")),
        (at("23:30", "2026-01-02"), at("00:30", "2026-01-03")),
    ):
        world.record("hours.recorded/1", activity=activity, start=start, end=end, minutes=60)
    return read(world)


def test_days_are_those_that_the_issuer_wrote(days: TotalsView) -> None:
    found = {day: one for day, _, one in days.days("2025-12-01", "2026-01-31")}
    one, two = Sum(60, 1), Sum(120, 2)
    assert found == {"2025-12-30": one, "2025-12-31": two, "2026-01-01": one, "2026-01-02": one}
    years = {year: sums["counted"] for year, sums in days.volunteer(VOLUNTEER).by_year.items()}
    assert years == {"2025": Sum(180, 3), "2026": two}


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        ("2025-12-31", "2026-01-01", ["2025-12-31", "2026-01-01"]),
        ("2026-01-02", "2026-01-02", ["2026-01-02"]),
        ("2026-01-03", "2026-12-31", []),
        ("2026-01-01", "2025-12-31", []),
    ],
)
def test_both_ends_of_a_range_of_days_belong_to_it(days: TotalsView, first: str, last: str, shown: list[str]) -> None:
    assert [day for day, _, _ in days.days(first, last)] == shown


# -- what the public may see ----------------------------------------------------------------------------------


def test_cells_about_too_few_people_are_hidden(world: World) -> None:
    """People are counted, not entries; and only those whose service counts."""
    people = [volunteer(number) for number in range(200, 200 + SMALL_CELL_MIN)]
    for name in people:
        world.enrol(name)

    def serve(name: str, category: str, start: str, end: str, evidence: str = "check-in") -> None:
        world.record("hours.recorded/1", subject=name, **span(start, end, category=category, evidence=evidence))

    for name in people:
        serve(name, "health", "08:00", "09:00")
    for name in people[1:]:
        serve(name, "environment", "09:00", "10:00")
    serve(people[0], "environment", "09:00", "10:00", evidence="manual")
    serve(people[1], "environment", "10:00", "11:00")
    view = read(world)
    assert view.organisation_cells(STATION)["2026", "environment"] == Sum(60 * SMALL_CELL_MIN, SMALL_CELL_MIN)
    health, environment = ("2026", "health"), ("2026", "environment")
    assert shown(view) == {health: Sum(60 * SMALL_CELL_MIN, SMALL_CELL_MIN), environment: None}
    serve(people[0], "environment", "10:00", "11:00")
    assert shown(read(world))[environment] == Sum(60 * (SMALL_CELL_MIN + 1), SMALL_CELL_MIN + 1)


def shown(view: TotalsView) -> dict[tuple[str, str], Sum | None]:
    return hide_small(view.organisation_cells(STATION), view.organisation_volunteers(STATION))


# -- records that move ----------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(database: Database) -> World:
    return fresh(database, OTHER).populate()


@pytest.fixture
def moving(database: Database, elsewhere: World) -> Moving:
    """Two regions; an organisation of each has the same id."""
    return Moving(fresh(database).populate(), elsewhere)


@pytest.fixture
def here(moving: Moving) -> World:
    return moving.worlds[builders.ORIGIN]


def wanderer(home: World, *spans: tuple[str, str]) -> str:
    """Somebody at home in a region, with entries."""
    name = f"volunteer:{event_id()}"
    home.enrol(name)
    for start, end in spans:
        serve(home, name, start, end)
    return name


def serve(world: World, name: str, start: str, end: str, **changes: Any) -> str:
    return world.record("hours.recorded/1", subject=name, **span(start, end, **changes))


def test_totals_are_shown_where_the_home_is_and_nowhere_while_in_transit(moving: Moving, here: World, elsewhere: World):
    name = wanderer(here, ("08:00", "09:00"), ("09:00", "09:30"))
    here.record("hours.withdrawn/1", subject=name, entry=serve(here, name, "10:00", "10:10"))
    transfer = moving.request(name, here, elsewhere)
    before = read(here).volunteer(name)
    assert before.total == {**NONE, "counted": Sum(90, 2), "withdrawn": Sum(10, 1)}
    assert read(elsewhere).record(name) is None

    moving.offer(name, here, elsewhere, transfer)
    found = read(here).record(name)
    assert found is not None
    assert found.person.in_transit
    assert found.person.move == Move(transfer, OTHER, "offered")
    assert found.served_here is None
    assert found.totals.total == {**NONE, TRANSIT: Sum(100, 3)}
    assert found.totals.by_year == {"2026": {TRANSIT: Sum(100, 3)}}
    assert found.totals.by_category == {"empty-nest-elders": {TRANSIT: Sum(100, 3)}}
    assert found.totals.by_organisation == {STATION: {TRANSIT: Sum(100, 3)}}

    moving.accept(transfer, name, here, elsewhere)
    assert read(here).volunteer(name).total == {**NONE, TRANSIT: Sum(100, 3)}  # it does not know yet
    assert read(elsewhere).volunteer(name) == before
    moving.close(transfer, name, here, elsewhere)
    found = read(here).record(name)
    assert found is not None
    assert (found.person.elsewhere, found.person.move, found.person.in_transit) == (OTHER, None, False)
    assert found.totals == Breakdown(NONE, {}, {}, {}) == read(here).volunteer(name)
    assert found.served_here == before
    assert read(elsewhere).record(name) == VolunteerTotals(Person(name, "unverified", (), None, None), before, None)


def test_an_organisation_sees_what_was_recorded_here_whatever_another_of_its_name_does_elsewhere(
    moving: Moving, here: World, elsewhere: World
) -> None:
    name = wanderer(here, ("08:00", "09:00"))
    moving.move(name, here, elsewhere)
    serve(elsewhere, name, "10:00", "10:30")
    view = read(elsewhere)
    assert view.volunteer(name).total["counted"] == Sum(90, 2)
    assert view.volunteer(name, STATION).total["counted"] == Sum(30, 1)
    assert [one.minutes for one in view.entries(name, STATION, None, 10)] == [30]
    assert view.organisation(STATION).total["counted"] == Sum(30, 1)
    assert read(here).volunteer(name, STATION).total == NONE
    found = read(here).record(name, STATION)
    assert found is not None
    assert found.served_here is not None
    assert found.served_here.total["counted"] == Sum(60, 1)


def test_nobody_who_served_elsewhere_makes_a_cell_larger(moving: Moving, here: World, elsewhere: World) -> None:
    """Else the figures of few people could be read behind the number of many."""
    for _ in range(SMALL_CELL_MIN):
        moving.move(wanderer(here, ("08:00", "09:00")), here, elsewhere)
    serve(elsewhere, VOLUNTEER, "08:00", "09:00")
    view = read(elsewhere)
    assert view.organisation_volunteers(STATION) == {("2026", "empty-nest-elders"): 1}
    assert shown(view) == {("2026", "empty-nest-elders"): None}


def test_whoever_arrives_under_another_id_is_one_person(moving: Moving, here: World, elsewhere: World) -> None:
    known, name = wanderer(elsewhere, ("06:00", "07:00")), wanderer(here, ("08:00", "09:00"))
    here.record("volunteer.verified/1", subject=name, private=builders.details(id_number="E70000001"))
    elsewhere.record("volunteer.verified/1", subject=known, private=builders.details(id_number="E70000001"))
    transfer = moving.offer(name, here, elsewhere)
    data = builders.details(id_number="E70000001")
    moving.accept(transfer, name, here, elsewhere, joined=known, private=data)
    view = read(elsewhere)
    for one in (name, known):
        person = view.person(one)
        assert person is not None
        assert (person.id, person.aliases, person.ids) == (known, (name,), (known, name))
        assert view.volunteer(one).total["counted"] == Sum(120, 2)
    assert [one.volunteer for one in view.entries(known, None, None, 10)] == [known, known]
    made = Statements(elsewhere.database, elsewhere.schema, OTHER).state(name, Request(kind="service", **ALWAYS))
    assert (made.statement.minutes, made.statement.entries) == (120, 2)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_a_record_from_several_logs_fit_together(
    moving: Moving, here: World, elsewhere: World, limit: int
) -> None:
    """By when each was recorded, and still so when more arrives and is corrected meanwhile."""
    name = wanderer(here)
    first = [serve(here, name, "06:00", "06:10"), serve(here, name, "06:10", "06:20")]
    elsewhere.now = here.now + 60
    moving.move(name, here, elsewhere)
    first += [serve(elsewhere, name, "07:00", "07:10"), serve(elsewhere, name, "07:10", "07:20")]
    here.now = elsewhere.now + 60
    first += [serve(here, name, "08:00", "08:10")]
    moving.receive(elsewhere, moving.last(here), name)
    elsewhere.now = here.now + 60
    first += [serve(elsewhere, name, "09:00", "09:10")]
    found = read(elsewhere).entries(name, None, None, limit)
    late = serve(elsewhere, name, "10:00", "10:10")
    here.record("hours.corrected/1", subject=name, entry=first[1], **span("11:00", "11:10"))
    moving.receive(elsewhere, moving.last(here), name)
    view = read(elsewhere)
    while page := view.entries(name, None, found[-1].position, limit):
        found += page
    names = [one.id for one in found]
    assert names == first[::-1]
    assert [one.origin for one in found] == ["", builders.ORIGIN, "", "", builders.ORIGIN, builders.ORIGIN]
    assert {one.position < 0 for one in found if one.origin} == {True}
    assert [one.id for one in view.entries(name, None, None, 100)] == [late, *names]
    assert view.entries(name, None, 10**15, 1)[0].id == late


def test_what_was_signed_elsewhere_is_read_like_what_was_signed_here(
    moving: Moving, here: World, elsewhere: World
) -> None:
    name = wanderer(here)
    entry = serve(here, name, "06:00", "06:10")
    serve(here, name, "06:10", "06:20")
    here.now += 60
    here.record("hours.disputed/1", subject=name, issuer=name, entry=entry)
    disputed = here.size - 1
    elsewhere.now = here.now + 100
    moving.move(name, here, elsewhere)
    elsewhere.record("hours.decided/1", subject=name, entry=entry, origin=here.origin)
    decided = elsewhere.size - 1
    moving.receive(here, moving.last(elsewhere), name)
    for world, other, expected in (
        (elsewhere, here, [(here.origin, disputed), ("", decided)]),
        (here, elsewhere, [("", disputed), (elsewhere.origin, decided)]),
    ):
        view = read(world)
        changes = view.changes([name])
        assert [(one.origin, one.position) for one in changes] == expected
        assert [one.topic for one in changes] == ["hours.disputed/1", "hours.decided/1"]
        (row,) = [one for one in view.entries(name, None, None, 10) if one.id == entry]
        assert row.state == "counted"
        signed = view.events([row.position, row.version])[row.position]
        source = here if row.origin else world
        assert signed.event_id == entry
        assert (signed.handle, signed.origin) == (row.position, row.origin)
        stored = source.ledger.event(entry)
        assert (signed.position, signed.entry, signed.body) == (stored.position, stored.entry, stored.body)
        assert signed.recorded_at == stored.recorded_at
        assert other.origin in {one.origin for one in changes}
