"""Totals and entries as each reader may see them, following every event about them."""

import json
import time
from typing import Any

import pytest

from api.http.routes import volunteers
from ledger.ids import format_time, instant
from ledger.limits import SMALL_CELL_MIN
from tests.api.site import Site
from tests.integration.world import DAY, World, organisation, span, volunteer
from tests.support import builders
from tests.support.builders import ABSENT, AUTHORITY, GROUP, STATION, event_id

STATES = ("counted", "pending", "contested", "disputed", "withdrawn")
Sums = dict[str, tuple[int, int]]
GROUPS = "0199a1c2-0000-7000-8000-00000000cc02"
"""An activity of the group's."""


@pytest.fixture(scope="module", autouse=True)
def activities(site: Site) -> None:
    site.world.publish(GROUP, GROUPS)


class Person:
    """A volunteer, and what is recorded of them."""

    def __init__(self, site: Site, world: World | None = None) -> None:
        self.site = site
        self.world = world or site.world
        self.name = volunteer(int(event_id()[-6:], 16))
        self.world.enrol(self.name)

    def record(self, start: str, end: str, **changes: Any) -> str:
        return self.world.record("hours.recorded/1", subject=self.name, **span(start, end, **changes))

    def by_group(self, start: str, end: str) -> str:
        return self.record(start, end, issuer=GROUP, activity=GROUPS)

    def change(self, kind: str, entry: str, /, **changes: Any) -> str:
        return self.world.record(f"hours.{kind}/1", subject=self.name, entry=entry, **changes)

    def path(self, below: str = "") -> str:
        return f"volunteers/{self.name}{below}"

    def totals(self, by: str | None = None, **query: Any) -> dict[str, Any]:
        """As they are now, unless the question says how far."""
        query = {"after": self.world.size - 1, **query}
        found: dict[str, Any] = self.site.json(self.path(), by or self.name, self.world.region, **query)
        return found

    def sums(self, by: str | None = None) -> Sums:
        """Minutes and entries of the states that anything is in."""
        total = self.totals(by)["total"]
        assert set(total) == set(STATES)
        return {state: (one["minutes"], one["entries"]) for state, one in total.items() if one["entries"]}

    def entries(self, by: str | None = None, **query: Any) -> list[dict[str, Any]]:
        query = {"after": self.world.size - 1, **query}
        page = self.site.json(self.path("/entries"), by or self.name, self.world.region, **query)
        found: list[dict[str, Any]] = page["entries"]
        return found


@pytest.fixture
def person(site: Site) -> Person:
    return Person(site)


# -- following events -----------------------------------------------------------------------------------


def test_nothing_yet(person):
    found = person.totals()
    assert found["id"] == person.name
    assert found["status"] == "unverified"
    assert found["home"] == person.world.region
    assert person.sums() == {}
    assert [found[name] for name in ("by_year", "by_category", "by_organisation")] == [{}, {}, {}]
    assert person.entries() == []


def test_totals_follow_every_event_about_an_entry(person):
    entry = person.record("06:00", "08:00")
    assert person.sums() == {"counted": (120, 1)}
    person.change("corrected", entry, **span("06:00", "07:30"))
    assert person.sums() == {"counted": (90, 1)}
    person.change("disputed", entry, issuer=person.name)
    assert person.sums() == {"disputed": (90, 1)}
    person.change("decided", entry)
    assert person.sums() == {"counted": (90, 1)}
    person.change("withdrawn", entry)
    assert person.sums() == {"withdrawn": (90, 1)}


def test_a_manual_entry_counts_once_it_is_approved(person):
    entry = person.record("06:00", "07:00", evidence="manual")
    assert person.sums() == {"pending": (60, 1)}
    person.change("approved", entry, issuer=STATION, by=1)
    assert person.sums() == {"counted": (60, 1)}


def test_an_overlap_between_organisations_is_contested_until_it_is_gone(person):
    first = person.record("06:00", "07:00")
    person.by_group("06:30", "07:30")
    assert person.sums() == {"counted": (60, 1), "contested": (60, 1)}
    person.change("withdrawn", first)
    assert person.sums() == {"withdrawn": (60, 1), "counted": (60, 1)}


def test_a_record_disclaimed_is_disputed_at_once(person):
    person.record("06:00", "07:00")
    person.world.record("volunteer.disclaimed/1", issuer=person.name, subject=person.name, reference=ABSENT)
    assert person.sums(AUTHORITY) == {"disputed": (60, 1)}
    assert person.totals(AUTHORITY)["status"] == "disclaimed"


def test_totals_stand_under_year_category_and_organisation(person):
    person.record("06:00", "07:00")
    person.record("07:00", "07:30", category="health")
    person.by_group("08:00", "08:10")
    found = person.totals()
    counted = {
        heading: {name: sums["counted"]["minutes"] for name, sums in found[heading].items()}
        for heading in ("by_year", "by_category", "by_organisation")
    }
    assert counted == {
        "by_year": {"2026": 100},
        "by_category": {"empty-nest-elders": 70, "health": 30},
        "by_organisation": {STATION: 90, GROUP: 10},
    }


# -- history ------------------------------------------------------------------------------------------


def test_an_entry_shows_its_fields_as_last_signed_and_how_they_came_about(person):
    entry = person.record("06:00", "08:00", content="陪诊")
    steps = [
        person.change("corrected", entry, content="陪诊、代购", reason="签退有误", **span("06:00", "07:00")),
        person.change("disputed", entry, issuer=person.name, reason="我没有去"),
        person.change("decided", entry, outcome="annulled", reason="查实未到场"),
    ]
    (found,) = person.entries()
    world = person.world
    rows = [world.ledger.event(one) for one in (entry, *steps)]
    assert {name: found[name] for name in ("id", "position", "state", "minutes", "late")} == {
        "id": entry,
        "position": rows[0].position,
        "state": "withdrawn",
        "minutes": 60,
        "late": False,
    }
    assert found["fields"] == json.loads(rows[1].body)
    said: list[tuple[str, str, str | None, str | None]] = [("recorded", STATION, None, None)]
    said += [("corrected", STATION, "签退有误", None), ("disputed", person.name, "我没有去", None)]
    said += [("decided", AUTHORITY, "查实未到场", "annulled")]
    assert found["history"] == [
        {
            "id": str(row.event_id),
            "type": f"hours.{kind}/1",
            "origin": None,
            "position": row.position,
            "recorded_at": format_time(int(world.now)),
            "issuer": issuer,
            "reason": reason,
            "outcome": outcome,
        }
        for row, (kind, issuer, reason, outcome) in zip(rows, said, strict=True)
    ]


def test_each_entry_has_its_own_history(person):
    one, two = person.record("06:00", "07:00"), person.record("07:00", "08:00")
    person.change("withdrawn", one)
    person.change("approved", two, issuer=person.name)
    history = {found["id"]: [step["type"] for step in found["history"]] for found in person.entries()}
    assert history == {
        one: ["hours.recorded/1", "hours.withdrawn/1"],
        two: ["hours.recorded/1", "hours.approved/1"],
    }


def test_an_entry_recorded_after_its_deadline_is_flagged(site):
    """In the other region, as its clock never goes back again: ten working days after a Sunday end on a Friday."""
    person = Person(site, site.other)
    for day, hour, late in ((1, 6, False), (13, 7, False), (14, 8, True)):
        person.world.now = instant(f"2026-11-{day:02}T12:10:00+08:00")
        name = person.record(f"{hour:02}:00", f"{hour + 1:02}:00")
        assert {one["id"]: one["late"] for one in person.entries()}[name] is late


# -- who may see --------------------------------------------------------------------------------------


def test_an_organisation_sees_its_own_entries_and_never_by_whom_they_are_contested(person):
    person.record("06:00", "07:00")
    person.by_group("06:30", "07:30")
    person.by_group("08:00", "08:30")
    assert person.sums() == {"counted": (90, 2), "contested": (60, 1)}
    assert person.sums(AUTHORITY) == person.sums()
    assert person.sums(STATION) == {"counted": (60, 1)}
    assert person.sums(GROUP) == {"counted": (30, 1), "contested": (60, 1)}
    site = person.site
    answers = [site.get(person.path(below), GROUP, after=person.world.size - 1) for below in ("", "/entries")]
    assert all(STATION not in answer.text for answer in answers)
    assert {one["fields"]["issuer"] for one in person.entries(GROUP)} == {GROUP}
    assert {one["state"] for one in person.entries(GROUP)} == {"counted", "contested"}


def test_an_organisation_that_recorded_nothing_sees_nothing(person):
    person.record("06:00", "07:00")
    assert person.sums(GROUP) == {}
    assert person.entries(GROUP) == []


def test_a_volunteer_sees_nobody_elses(person, site):
    another = Person(site)
    for below in ("", "/entries"):
        answer = site.get(person.path(below), another.name)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:yongzhi:problem:not-found")
        assert site.get(person.path(below)).status_code == 401


@pytest.mark.parametrize("below", ["", "/entries"])
def test_who_is_not_registered_is_not_found(site, below):
    unknown = volunteer(5999)
    for reader in (AUTHORITY, STATION):
        assert site.get(f"volunteers/{unknown}{below}", reader).status_code == 404


@pytest.mark.parametrize("name", ["x", STATION, AUTHORITY, "volunteer:1", "%00", "volunteer:" + "0" * 2000])
@pytest.mark.parametrize("below", ["", "/entries"])
def test_a_volunteers_name_is_a_volunteers(site, name, below):
    assert site.get(f"volunteers/{name}{below}", AUTHORITY).status_code == 400


# -- waiting for the projection -------------------------------------------------------------------------


def test_a_reader_waits_for_what_was_just_submitted(person, site):
    """Without waiting this would fail now and then; so it is tried often."""
    for minute in range(10):
        body = person.world.hours(f"06:{minute:02}", f"06:{minute + 1:02}", subject=person.name)
        place = site.post(person.world.request(body)).json()["first"]
        assert person.totals(after=place)["total"]["counted"]["minutes"] == minute + 1


def test_a_position_that_never_comes_is_not_there_yet(person, site, monkeypatch):
    monkeypatch.setattr(volunteers, "AFTER_WAIT_MAX", 0.1)
    for path in (person.path(), person.path("/entries"), f"organisations/{STATION}/totals"):
        start = time.monotonic()
        answer = site.get(path, AUTHORITY, after=person.world.size)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:yongzhi:problem:not-yet")
        assert int(answer.headers["retry-after"]) >= 1
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "", "١"])
def test_a_position_is_a_number(person, site, after):
    assert site.get(person.path(), person.name, after=after).status_code == 400


# -- pages ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def busy(site: Site) -> Person:
    """Somebody with 25 entries."""
    busy = Person(site)
    bodies = [busy.world.hours(f"06:{minute:02}", f"06:{minute + 1:02}", subject=busy.name) for minute in range(25)]
    busy.world.submit(*bodies)
    return busy


def pages(busy: Person, limit: int) -> list[list[str]]:
    """The ids of every page, as a client follows the cursors."""
    found, cursor = [], None
    while True:
        query: dict[str, Any] = {"limit": limit, "after": busy.world.size - 1}
        query |= {"cursor": cursor} if cursor else {}
        page = busy.site.json(busy.path("/entries"), busy.name, **query)
        found.append([one["id"] for one in page["entries"]])
        cursor = page["next"]
        if cursor is None:
            return found
        assert len(found) < 100, "the pages do not end"


@pytest.mark.parametrize("limit", [1, 2, 5, 7, 24, 25, 26, 500])
def test_pages_lose_and_repeat_nothing(busy, limit):
    found = pages(busy, limit)
    rows = [busy.world.ledger.event(name) for page in found for name in page]
    assert [row.position for row in rows] == sorted((row.position for row in rows), reverse=True)
    assert len({row.event_id for row in rows}) == len(rows) == 25
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert 1 <= len(found[-1]) <= limit


def test_pages_stay_whole_while_entries_are_recorded_and_withdrawn(site):
    person = Person(site)
    first = [person.record(f"06:{minute:02}", f"06:{minute + 1:02}") for minute in range(6)]
    query: dict[str, Any] = {"limit": 2, "after": person.world.size - 1}
    page = site.json(person.path("/entries"), person.name, **query)
    seen = [one["id"] for one in page["entries"]]
    person.record("07:00", "07:01")
    person.change("withdrawn", first[3])
    while page["next"]:
        query = {"limit": 2, "after": person.world.size - 1, "cursor": page["next"]}
        page = site.json(person.path("/entries"), person.name, **query)
        seen += [one["id"] for one in page["entries"]]
    assert seen == first[::-1]


PAGES = [{"limit": 0}, {"limit": 501}, {"limit": "x"}]
PAGES += [{"cursor": "x"}, {"cursor": "-1"}, {"cursor": "1" * 20}, {"cursor": "١"}]


@pytest.mark.parametrize("query", PAGES, ids=str)
def test_a_page_that_cannot_be_is_malformed(busy, site, query):
    answer = site.get(busy.path("/entries"), busy.name, **query)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:yongzhi:problem:malformed")
    assert answer.json()["pointer"] == "/" + next(iter(query))


# -- organisations ------------------------------------------------------------------------------------


def new_organisation(world: World, **changes: Any) -> tuple[str, str]:
    """An organisation with a name of its own, and an activity of it."""
    name, activity = organisation(int(event_id()[-6:], 16)), event_id()
    world.submit(
        world.body("organisation.registered/1", subject=name, kind="charity", **changes),
        world.body("organisation.key_added/1", subject=name, key=builders.vkey(name)),
    )
    world.publish(name, activity)
    return name, activity


def test_anyone_may_read_the_public_part_of_an_organisation(site, world):
    name, _ = new_organisation(world, name="江南慈善会")
    expected = {"id": name, "name": "江南慈善会", "kind": "charity", "status": "active", "successor": None}
    assert site.json(f"organisations/{name}") == expected
    world.record("organisation.dissolved/1", subject=name, successor=GROUP)
    assert site.json(f"organisations/{name}") == {**expected, "status": "dissolved", "successor": GROUP}


@pytest.mark.parametrize(
    ("name", "status"), [(organisation(5998), 404), ("x", 400), (AUTHORITY, 400), ("org:51441300MJM000001Q", 400)]
)
@pytest.mark.parametrize("below", ["", "/statistics", "/totals"])
def test_an_organisation_that_is_not_here(site, name, status, below):
    assert site.get(f"organisations/{name}{below}", AUTHORITY).status_code == status


def test_the_totals_of_an_organisation_are_its_own(site, world, person):
    name, activity = new_organisation(world)
    person.record("06:00", "07:00")
    person.record("06:30", "07:30", issuer=name, activity=activity)
    person.record("08:00", "08:30", issuer=name, activity=activity, category="health")
    path = f"organisations/{name}/totals"
    for reader in (name, AUTHORITY):
        answer = site.get(path, reader, after=world.size - 1)
        found = answer.json()
        assert (found["id"], found["total"]["counted"]) == (name, {"minutes": 30, "entries": 1})
        assert found["total"]["contested"] == {"minutes": 60, "entries": 1}
        assert set(found["by_category"]) == {"empty-nest-elders", "health"}
        assert STATION not in answer.text
        assert person.name not in answer.text
    for reader in (STATION, person.name):
        assert site.get(path, reader).status_code == 403
    assert site.get(path).status_code == 401


def test_public_statistics_hide_what_few_people_stand_behind(site, world):
    name, activity = new_organisation(world)
    people = [Person(site) for _ in range(SMALL_CELL_MIN)]
    for number, one in enumerate(people):
        one.record("06:00", "07:00", issuer=name, activity=activity)
        if number:
            one.record("07:00", "07:30", issuer=name, activity=activity, category="health")
    # Many entries of few people stay hidden, and pending ones do not count.
    people[1].record("08:00", "08:01", issuer=name, activity=activity, category="health")
    people[0].record("08:00", "08:30", issuer=name, activity=activity, category="health", evidence="manual")
    people[0].totals()
    assert site.json(f"organisations/{name}/statistics") == [
        {"year": "2026", "category": "empty-nest-elders", "minutes": 300, "entries": 5},
        {"year": "2026", "category": "health", "minutes": None, "entries": None},
    ]


def test_nothing_can_be_subtracted_from_public_statistics(site, world):
    """Where every figure but one is shown, the one that is hidden must not follow from a total beside it."""
    name, _ = new_organisation(world)
    public = [f"organisations/{name}", f"organisations/{name}/statistics"]
    assert site.json(public[1]) == []
    assert all("total" not in site.get(path).text for path in public)
    for path in (f"organisations/{name}/totals", "totals"):
        assert site.get(path).status_code == 401


# -- the region -----------------------------------------------------------------------------------------


def day_of(site: Site, **query: str) -> dict[str, tuple[int, int]]:
    found = site.json("totals", AUTHORITY, **query)["days"]
    return {f"{one['day']} {one['state']}": (one["minutes"], one["entries"]) for one in found}


def test_the_totals_of_the_region_are_those_of_its_organisations(site, world, person):
    person.record("06:00", "07:00")
    person.totals()
    found = site.json("totals", AUTHORITY)
    with world.database.read() as cursor:
        cursor.execute(f"SELECT count(*) FROM {world.schema}.entries")
        (entries,) = cursor.fetchone()
    assert sum(one["entries"] for one in found["total"].values()) == entries
    assert sum(one["entries"] for sums in found["by_category"].values() for one in sums.values()) == entries
    assert sum(entries for _, entries in day_of(site).values()) == entries


def test_the_totals_of_the_region_by_day(site, world, person):
    path = {"first": DAY, "last": DAY}
    person.totals()
    before = day_of(site, **path).get(f"{DAY} counted", (0, 0))
    entry = person.record("06:00", "07:00")
    person.totals()
    assert day_of(site, **path)[f"{DAY} counted"] == (before[0] + 60, before[1] + 1)
    assert day_of(site, first="2026-11-02") == {}
    assert day_of(site, last="2026-10-31") == {}
    person.change("withdrawn", entry)


NO_DAYS = ["x", "2026-11-1", "2026-02-30", "0000-00-00", "2026-11-01\n", "٢٠٢٦-11-01"]


@pytest.mark.parametrize("query", [{name: day} for name in ("first", "last") for day in NO_DAYS], ids=str)
def test_a_day_that_never_was_is_malformed(site, query):
    answer = site.get("totals", AUTHORITY, **query)
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/" + next(iter(query)))


def test_the_totals_of_the_region_are_for_the_region(site, person):
    for reader in (STATION, person.name):
        assert site.get("totals", reader).status_code == 403
    assert site.get("totals").status_code == 401
