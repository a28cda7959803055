"""What a proof of service states, against sums over the entries of a model that took the same events."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from ledger.credentials import model as credentials
from ledger.credentials.holdings import Request
from ledger.limits import PROOF_LINES_MAX
from ledger.store import log
from ledger.store.postgres.database import Database
from projections.engine import catch_up
from projections.statements import Stated, Statements
from projections.totals import Totals
from tests.integration.world import World, volunteer
from tests.projections.model import Entry, Model, state
from tests.projections.tables import fresh
from tests.support.builders import AUTHORITY, GROUP, STATION, VOLUNTEER, event_id

PEOPLE = (volunteer(21), volunteer(22))
DAYS = ("2025-12-30", "2025-12-31", "2026-01-01", "2026-01-02", "2026-02-28", "2026-03-01")
CATEGORIES = ("empty-nest-elders", "environment", "health")
EVIDENCE = ("check-in", "manual", "imported")
WINDOW: dict[str, Any] = {"start": "2025-01-01T00:00:00+08:00", "end": "2026-11-01T00:00:00+08:00"}
ALWAYS: dict[str, Any] = {"first": "2000-01-01", "last": "2099-12-31"}


def read(world: World) -> Statements:
    catch_up(Totals(world.database, world.schema), world.ledger)
    return Statements(world.database, world.schema, world.region)


def service(day: str, hour: int, minutes: int, zone: str = "+08:00", **changes: Any) -> dict[str, Any]:
    """Members of an entry that begins on a local day."""
    end = hour * 60 + minutes
    members = {"start": f"{day}T{hour:02}:00:00{zone}", "end": f"{day}T{end // 60:02}:{end % 60:02}:00{zone}"}
    return {**members, "minutes": minutes, **changes}


class Life:
    """Two volunteers, two organisations with four activities, and much that changes; the same for the same seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world.populate()
        self.random = random.Random(seed)
        self.activities = [(issuer, str(event_id())) for issuer in (STATION, STATION, GROUP, GROUP)]
        self.entries: list[tuple[str, dict[str, Any]]] = []
        for name in PEOPLE:
            world.enrol(name)
        for issuer, activity in self.activities:
            world.record("activity.published/1", issuer=issuer, subject=f"activity:{activity}", **WINDOW)

    def go_on(self, number: int) -> None:
        for _ in range(number):
            body = self.recorded() if len(self.entries) < 10 or self.random.random() < 0.6 else self.changed()
            self.world.commit(self.world.request(*body[:1], by=body[1]))

    def _service(self) -> dict[str, Any]:
        some = self.random.choice
        day, hour, minutes = some(DAYS), self.random.randrange(0, 22), some([20, 45, 60, 119])
        words = {"category": some(CATEGORIES), "activity_name": some(["助老", "河道巡护"]), "content": some("甲乙丙丁")}
        return service(day, hour, minutes, some(["+08:00", "+08:00", "Z", "-05:00"]), **words)

    def recorded(self) -> tuple[bytes, int]:
        issuer, activity = self.random.choice(self.activities)
        fixed = {"issuer": issuer, "subject": self.random.choice(PEOPLE), "activity": activity}
        fixed["evidence"] = self.random.choice(EVIDENCE)
        body = self.world.body("hours.recorded/1", id=event_id(), **fixed, **self._service())
        self.entries.append((json.loads(body)["id"], fixed))
        return body, 0

    def changed(self) -> tuple[bytes, int]:
        entry, fixed = self.random.choice(self.entries)
        act, members, by = self.random.choice(
            [
                ("corrected", {**fixed, **self._service()}, 0),
                ("withdrawn", {}, 0),
                ("approved", {}, 1),
                ("approved", {}, 1),
                ("disputed", {"issuer": AUTHORITY}, 0),
                ("decided", {"issuer": AUTHORITY, "outcome": "upheld"}, 0),
                ("decided", {"issuer": AUTHORITY, "outcome": "annulled"}, 0),
            ]
        )
        common = {"issuer": fixed["issuer"], "subject": fixed["subject"], "entry": entry}
        return self.world.body(f"hours.{act}/1", **{**common, **members}), by


def replay(world: World) -> Model:
    """The model after every event of a log."""
    found = Model([STATION, GROUP])
    with world.database.read() as cursor:
        cursor.execute(f"SELECT first, count, key_id FROM {world.schema}.submissions ORDER BY first")
        for first, count, key_id in cursor.fetchall():
            for row in log.read_events(cursor, world.schema, first, count):
                found.take(json.loads(row.body or b""), key_id)
    return found


def counted(model: Model, person: str, **wanted: Any) -> list[Entry]:
    """Entries that count within a request, by position."""
    every = list(model.entries.values())
    fields = {"activities": "activity", "categories": "category"}

    def fits(entry: Entry) -> bool:
        own = {"organisations": entry.organisation, "evidence": entry.evidence}
        own |= {name: entry.fields[field] for name, field in fields.items()}
        chosen = wanted.get("filter") or {}
        inside = wanted["first"] <= entry.fields["start"][:10] <= wanted["last"]
        return inside and all(own[name] in values for name, values in chosen.items())

    mine = (entry for entry in every if entry.volunteer == person and fits(entry))
    return sorted((entry for entry in mine if state(entry, every) == "counted"), key=lambda entry: entry.position)


def grouped(entries: Iterable[Entry], heading: Callable[[Entry], Any]) -> dict[Any, tuple[int, int]]:
    """(entries, minutes) by heading."""
    found: dict[Any, list[int]] = defaultdict(list)
    for entry in entries:
        found[heading(entry)].append(entry.fields["minutes"])
    return {name: (len(minutes), sum(minutes)) for name, minutes in found.items()}


def line_of(entry: Entry) -> tuple[str, str, str]:
    return entry.organisation, entry.fields["activity"], entry.fields["category"]


def compare(stated: Stated, entries: Sequence[Entry]) -> None:
    """A statement says of these entries what it should."""
    found = stated.statement
    assert stated.entries == tuple(entry.position for entry in entries)
    assert (found.entries, found.minutes) == (len(entries), sum(entry.fields["minutes"] for entry in entries))
    assert {one.category: (one.entries, one.minutes) for one in found.categories} == grouped(
        entries, lambda entry: entry.fields["category"]
    )
    assert {one.evidence: (one.entries, one.minutes) for one in found.grades} == grouped(
        entries, lambda entry: entry.evidence
    )
    lines = grouped(entries, line_of)
    assert {(one.organisation, one.activity, one.category): (one.entries, one.minutes) for one in found.lines} == lines
    for one in found.lines:
        here = [entry for entry in entries if line_of(entry) == (one.organisation, one.activity, one.category)]
        days = [entry.fields["start"][:10] for entry in here]
        assert (one.first, one.last) == (min(days), max(days))
        words = {(entry.fields["activity_name"], entry.fields["content"]) for entry in here}
        assert (one.activity_name, one.content) in words
    assert [one.minutes for one in found.lines] == sorted((one.minutes for one in found.lines), reverse=True)


@pytest.fixture(scope="module", params=[1, 2])
def lived(database: Database, request: pytest.FixtureRequest) -> tuple[Statements, Model]:
    life = Life(fresh(database), request.param)
    life.go_on(160)
    return read(life.world), replay(life.world)


some_of = st.lists
filters = st.fixed_dictionaries(
    {},
    optional={
        "categories": some_of(st.sampled_from(CATEGORIES), min_size=1, max_size=3),
        "organisations": some_of(st.sampled_from([STATION, GROUP]), min_size=1, max_size=2),
        "evidence": some_of(st.sampled_from(EVIDENCE), min_size=1, max_size=3),
    },
)


@settings(max_examples=60)
@given(person=st.sampled_from(PEOPLE), days=st.tuples(*[st.sampled_from(DAYS)] * 2), chosen=filters, data=st.data())
def test_a_statement_sums_up_what_counts(lived, person, days, chosen, data):
    statements, model = lived
    wanted: dict[str, Any] = {"first": min(days), "last": max(days)}
    if data.draw(st.booleans()):
        activities = sorted({entry.fields["activity"] for entry in model.entries.values()})
        chosen = {**chosen, "activities": data.draw(some_of(st.sampled_from(activities), min_size=1, max_size=2))}
    lists = {name: tuple(values) for name, values in chosen.items()}
    request = Request(kind="service", **wanted, filter=credentials.Filter(**lists) if chosen else UNSET)
    stated, entries = statements.state(person, request), counted(model, person, **wanted, filter=chosen)
    compare(stated, entries)
    assert stated.statement.filter == request.filter
    # Of some entries alone, those that still count within the request.
    given_ones = data.draw(st.lists(st.sampled_from([entry.position for entry in model.entries.values()])))
    compare(statements.state(person, request, given_ones), [one for one in entries if one.position in given_ones])
    assert statements.state(person, request, []).entries == ()


def test_a_history_has_something_of_everything(lived):
    _, model = lived
    assert set(model.states().values()) == {"counted", "pending", "contested", "disputed", "withdrawn"}


def test_years_add_up(lived):
    statements, model = lived
    for person in PEOPLE:
        entries = counted(model, person, **ALWAYS)
        found = statements.years(person, Request(kind="service", **ALWAYS), [entry.position for entry in entries])
        expected = grouped(entries, lambda entry: (int(entry.fields["start"][:4]), entry.fields["category"]))
        assert found == {heading: minutes for heading, (_, minutes) in expected.items()}


def test_all_events_applied_are_taken_into_account(world):
    assert read(world).state(VOLUNTEER, Request(kind="service", **ALWAYS)).seen == world.size
    record(world, activity=publish(world))
    assert read(world).state(VOLUNTEER, Request(kind="service", **ALWAYS)).seen == world.size


# -- one thing at a time --------------------------------------------------------------------------------


def publish(world: World, issuer: str = STATION) -> str:
    activity = str(event_id())
    world.record("activity.published/1", issuer=issuer, subject=f"activity:{activity}", **WINDOW)
    return activity


def record(world: World, day: str = "2026-03-01", hour: int = 9, minutes: int = 60, **changes: Any) -> str:
    return world.record("hours.recorded/1", **service(day, hour, minutes, **changes))


def state_of(world: World, **members: Any) -> credentials.ServiceStatement:
    """What a proof of it all would state, or of a part."""
    return read(world).state(VOLUNTEER, Request(kind="service", **{**ALWAYS, **members})).statement


def test_a_period_holds_its_first_and_its_last_day_as_the_people_there_date_them(world):
    activity = publish(world)
    # In Greenwich the first of these is still of the day before, the last already of the day after.
    record(world, "2026-03-01", 1, activity=activity)
    record(world, "2026-03-02", 9, activity=activity)
    record(world, "2026-03-03", 21, zone="-05:00", activity=activity)
    assert [state_of(world, first=day, last=day).entries for day in ("2026-02-28", "2026-03-01", "2026-03-02")] == [
        0,
        1,
        1,
    ]
    assert state_of(world, first="2026-03-03", last="2026-03-03").entries == 1
    assert state_of(world, first="2026-03-01", last="2026-03-03").entries == 3
    assert state_of(world, first="2026-03-04").entries == 0


@pytest.mark.parametrize("number", [PROOF_LINES_MAX, PROOF_LINES_MAX + 1, PROOF_LINES_MAX + 3])
def test_more_activities_than_lines_are_summed_up(world, number):
    """Each has a minute more than the one before it; the smallest are not listed."""
    activities = [publish(world) for _ in range(number)]
    for index, activity in enumerate(activities):
        record(world, f"2026-03-{1 + index // 20:02}", index % 20, 10 + index, activity=activity)
    found = state_of(world)
    shown = [line.activity for line in found.lines]
    assert shown == activities[::-1][:PROOF_LINES_MAX]
    rest = range(10, 10 + number - PROOF_LINES_MAX)
    expected = credentials.Others(activities=len(rest), entries=len(rest), minutes=sum(rest)) if rest else UNSET
    assert found.others == expected
    others = found.others.minutes if isinstance(found.others, credentials.Others) else 0
    assert sum(line.minutes for line in found.lines) + others == found.minutes


def test_the_words_of_a_line_are_those_of_its_last_entry(world):
    """Only a correction of their own changes them, not one of another entry of the line."""
    activity = publish(world)
    first = record(world, hour=9, content="甲", activity=activity)
    last = record(world, hour=11, content="乙", activity=activity)
    assert state_of(world).lines[0].content == "乙"
    before = state_of(world)
    corrected = service("2026-03-01", 9, 60, content="甲", activity=activity, responsible="王站长", entry=first)
    world.record("hours.corrected/1", **corrected)
    assert state_of(world) == before
    world.record("hours.corrected/1", **{**corrected, **service("2026-03-01", 11, 60), "entry": last, "content": "丙"})
    assert state_of(world).lines[0].content == "丙"


@pytest.mark.parametrize(("minutes", "level"), [(5_999, 0), (6_000, 1), (6_001, 1)])
def test_the_first_star_begins_at_a_hundred_hours(world, minutes, level):
    activity = publish(world)
    for index, start in enumerate(range(0, minutes, 600)):
        record(world, f"2026-03-{1 + index:02}", 8, min(600, minutes - start), activity=activity)
    found = read(world).recognise(VOLUNTEER, "2026-03-31")
    assert (found.level, found.total) == (level, minutes)


def test_a_star_counts_the_days_up_to_its_own(world):
    activity = publish(world)
    for day in range(1, 12):
        record(world, f"2026-03-{day:02}", 8, 600, activity=activity)
    statements = read(world)
    assert [statements.recognise(VOLUNTEER, f"2026-03-{day:02}").level for day in (9, 10, 11)] == [0, 1, 1]
    assert statements.recognise(PEOPLE[0], "2026-03-31").level == 0


def test_what_does_not_count_is_in_no_star(world):
    activity = publish(world)
    entry = [record(world, f"2026-03-{day:02}", 8, 600, activity=activity) for day in range(1, 11)][-1]
    assert read(world).recognise(VOLUNTEER, "2026-12-31").level == 1
    world.record("hours.disputed/1", issuer=VOLUNTEER, subject=VOLUNTEER, entry=entry)
    assert read(world).recognise(VOLUNTEER, "2026-12-31").total == 5_400
    world.record("hours.decided/1", subject=VOLUNTEER, entry=entry, outcome="upheld")
    assert read(world).recognise(VOLUNTEER, "2026-12-31").level == 1
