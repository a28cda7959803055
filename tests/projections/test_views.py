"""What pages and the API read: every sum is a sum over entries, pages fit together, small cells are hidden."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.ids import instant
from ledger.limits import SMALL_CELL_MIN
from ledger.store.postgres import Database
from projections.engine import catch_up
from projections.totals import STATES, Totals
from projections.views import Breakdown, EntryRow, Sum, Sums, TotalsView, hide_small
from tests import builders
from tests.builders import GROUP, STATION, VOLUNTEER, event_id
from tests.integration.world import DAY, World, at, organisation, span, volunteer
from tests.projections.histories import VOLUNTEERS, History
from tests.projections.tables import fresh

NONE = {state: Sum() for state in STATES}
STRANGER = volunteer(999)


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
