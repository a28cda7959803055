"""What people see of a record that moves: where its hours count, what came from elsewhere, which proofs stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from api.wording import totals as reports
from ledger.ids import format_time, instant
from ledger.store.postgres.database import Database
from tests.api.proving import YEAR, Holder, settled
from tests.api.site import OTHER, Site
from tests.integration.waiting import DEADLINE_SECONDS, eventually
from tests.integration.world import World, span
from tests.support import builders
from tests.support.builders import GROUP, REGION, STATION, event_id
from tests.support.moving import Moving

THERE = f"region:{OTHER}"
ZERO = {"minutes": 0, "entries": 0}
NOTHING = dict.fromkeys(("counted", "pending", "contested", "disputed", "withdrawn"), ZERO)


@pytest.fixture(scope="module")
def site(database: Database, tmp_path_factory: pytest.TempPathFactory, by_hand: None) -> Iterator[Site]:
    """Two regions that issue proofs and recognise each other."""
    with Site(tmp_path_factory.mktemp("data"), database, proofs=True) as site:
        yield site


@pytest.fixture(scope="module")
def moving(site: Site) -> Moving:
    return Moving(site.world, site.other)


class Mover(Holder):
    """A volunteer who asks in whichever region."""

    def __init__(self, site: Site, moving: Moving, *spans: tuple[str, str], **changes: Any) -> None:
        super().__init__(site, f"volunteer:{event_id()}")
        self.moving = moving
        self.here, self.there = site.world, site.other
        self.here.enrol(self.name)
        self.recorded = [self.serve(start, end, **changes) for start, end in spans]

    def move(self, **changes: Any) -> None:
        self.moving.move(self.name, self.here, self.there, **changes)

    def return_(self) -> None:
        self.moving.move(self.name, self.there, self.here)

    def totals(self, at: World, by: str | None = None, name: str | None = None) -> Any:
        path = f"volunteers/{name or self.name}"
        return self.site.json(path, by or self.name, at.region, after=at.size - 1)

    def entries(self, at: World, by: str | None = None, **query: Any) -> Any:
        path = f"volunteers/{self.name}/entries"
        return self.site.json(path, by or self.name, at.region, after=at.size - 1, **query)

    def ask_at(self, at: World, by: str | None = None, **members: Any) -> Any:
        headers = {**self.site.signed_in(by or self.name, at.region), "content-type": "application/json"}
        content = json.dumps({**YEAR, **members})
        return self.site.http.post(self.site.path("proofs", at.region), content=content, headers=headers)


@pytest.fixture
def mover(site: Site, moving: Moving) -> Mover:
    return Mover(site, moving, ("08:00", "09:00"), ("09:00", "09:30"))


def counted(minutes: int, entries: int) -> dict[str, Any]:
    return {**NOTHING, "counted": {"minutes": minutes, "entries": entries}}


# -- totals -------------------------------------------------------------------------------------------


def test_totals_name_the_home_and_count_there_alone(mover):
    transfer = mover.moving.request(mover.name, mover.here, mover.there)
    asked = mover.totals(mover.here)
    assert asked["total"] == counted(90, 2)
    assert asked["move"] == {"id": transfer, "to": OTHER, "state": "requested"}
    assert (asked["home"], asked["served_here"], asked["aliases"]) == (REGION, None, [])

    mover.moving.offer(mover.name, mover.here, mover.there, transfer)
    found = mover.totals(mover.here)
    transit = {"transit": {"minutes": 90, "entries": 2}}
    assert found["total"] == NOTHING | transit
    assert [found[name] for name in ("by_year", "by_category", "by_organisation")] == [
        {"2026": transit},
        {"empty-nest-elders": transit},
        {STATION: transit},
    ]
    assert (found["home"], found["move"]["state"], found["served_here"]) == (REGION, "offered", None)
    assert {one["state"] for one in mover.entries(mover.here)["entries"]} == {"transit"}
    assert mover.totals(mover.here, STATION)["total"] == NOTHING | transit

    mover.moving.accept(transfer, mover.name, mover.here, mover.there)
    mover.moving.close(transfer, mover.name, mover.here, mover.there)
    old, new = mover.totals(mover.here), mover.totals(mover.there)
    empty = {"total": NOTHING, "by_year": {}, "by_category": {}, "by_organisation": {}}
    sums = {name: asked[name] for name in empty}
    assert {name: old[name] for name in empty} == empty
    assert (old["home"], old["move"], old["served_here"]) == (OTHER, None, sums)
    assert {name: new[name] for name in empty} == sums
    assert (new["home"], new["move"], new["served_here"], new["status"]) == (OTHER, None, None, "unverified")


def test_a_move_that_comes_to_nothing_leaves_everything_as_it_was(mover):
    before = mover.totals(mover.here)
    transfer = mover.moving.offer(mover.name, mover.here, mover.there)
    mover.moving.reject(transfer, mover.name, mover.here, mover.there)
    assert mover.totals(mover.here) == before
    assert {one["state"] for one in mover.entries(mover.here)["entries"]} == {"counted"}


def test_a_visitors_hours_count_at_home(mover):
    visitor = f"volunteer:{event_id()}"
    mover.there.enrol(visitor)
    where = {"home": OTHER, "home_origin": mover.there.origin}
    mover.here.record("volunteer.visiting/1", issuer=visitor, subject=visitor, key=builders.vkey(visitor), **where)
    mover.here.record("hours.recorded/1", subject=visitor, **span("08:00", "08:20"))
    found = mover.totals(mover.here, name=visitor, by=visitor)
    assert (found["status"], found["home"], found["total"]) == ("visiting", OTHER, NOTHING)
    assert found["served_here"]["total"] == counted(20, 1)
    mover.moving.receive(mover.there, mover.moving.last(mover.here), visitor)
    found = mover.totals(mover.there, name=visitor, by=visitor)
    assert (found["home"], found["total"]) == (OTHER, counted(20, 1))


def test_an_organisation_sees_what_it_recorded_wherever_the_home_is(mover):
    mover.move()
    assert mover.totals(mover.here, STATION)["served_here"]["total"] == counted(90, 2)
    assert [one["state"] for one in mover.entries(mover.here, STATION)["entries"]] == ["counted", "counted"]
    assert mover.totals(mover.here, GROUP)["served_here"]["total"] == NOTHING
    assert mover.entries(mover.here, GROUP)["entries"] == []
    # The station of the other ledger has the same id, and recorded nothing.
    assert mover.totals(mover.there, STATION)["total"] == NOTHING
    assert mover.entries(mover.there, STATION)["entries"] == []


def test_a_person_is_one_under_every_id(mover, site):
    known, number = f"volunteer:{event_id()}", f"E{event_id()[-8:]}"
    data = builders.details(id_number=number)
    mover.there.enrol(known)
    mover.there.record("volunteer.verified/1", subject=known, private=data)
    mover.there.record("hours.recorded/1", subject=known, **span("10:00", "10:10"))
    mover.move(joined=known, private=data)
    for name in (mover.name, known):
        # By the keys known here: who is joined brings none.
        for by in (known, THERE, STATION):
            found = mover.totals(mover.there, by, name)
            assert found["id"] == known
            assert found["aliases"] == ([] if by == STATION else [mover.name])
            assert found["total"] == (counted(10, 1) if by == STATION else counted(100, 3))
    assert len(mover.entries(mover.there, known)["entries"]) == 3
    stranger = f"volunteer:{event_id()}"
    mover.there.enrol(stranger)
    for name in (mover.name, known):
        for below in ("", "/entries"):
            assert site.get(f"volunteers/{name}{below}", stranger, OTHER).status_code == 404


# -- entries ------------------------------------------------------------------------------------------


def test_entries_from_elsewhere_say_where_they_stand(mover):
    entry = mover.recorded[0]
    mover.change("disputed", entry, issuer=mover.name, reason="我没有去")
    mover.there.now = mover.here.now + 60
    mover.move()
    own = mover.there.record("hours.recorded/1", subject=mover.name, **span("10:00", "10:10"))
    decided = mover.there.record(
        "hours.decided/1", subject=mover.name, entry=entry, origin=mover.here.origin, reason="查实到场"
    )
    found = mover.entries(mover.there)["entries"]
    assert [(one["id"], one["origin"]) for one in found] == [
        (own, None),
        (mover.recorded[1], mover.here.origin),
        (entry, mover.here.origin),
    ]
    rows = [mover.here.ledger.event(one) for one in (entry, mover.recorded[1])]
    assert [one["position"] for one in found[:0:-1]] == [row.position for row in rows]
    assert found[2]["fields"] == json.loads(rows[0].body)
    assert (found[2]["state"], found[2]["minutes"]) == ("counted", 60)
    history = [(one["type"], one["origin"], one["reason"], one["recorded_at"]) for one in found[2]["history"]]
    before, after = format_time(int(mover.here.now)), format_time(int(mover.there.now))
    assert history == [
        ("hours.recorded/1", mover.here.origin, None, before),
        ("hours.disputed/1", mover.here.origin, "我没有去", before),
        ("hours.decided/1", None, "查实到场", after),
    ]
    assert found[2]["history"][2]["id"] == decided
    mover.moving.receive(mover.here, mover.moving.last(mover.there), mover.name)
    (same,) = [one for one in mover.entries(mover.here)["entries"] if one["id"] == entry]
    assert (same["origin"], same["state"]) == (None, "counted")
    assert [one["origin"] for one in same["history"]] == [None, None, mover.there.origin]


def test_lateness_is_measured_by_the_clock_of_the_log_that_recorded(site, moving):
    """However much later the record arrives."""
    mover = Mover(site, moving, ("08:00", "09:00"))
    late = instant("2026-11-16T12:00:00+08:00")
    site.world.now = site.other.now = late
    site.sign_out()
    mover.move()
    mover.serve("09:00", "09:10")
    moving.receive(mover.there, moving.last(mover.here), mover.name)
    found = mover.entries(mover.there)["entries"]
    assert [(one["minutes"], one["late"]) for one in found] == [(10, True), (60, False)]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_lose_and_repeat_nothing_that_came_from_elsewhere(mover, limit):
    mover.move()
    own = mover.there.record("hours.recorded/1", subject=mover.name, **span("10:00", "10:10"))
    mover.serve("11:00", "11:10")
    mover.moving.receive(mover.there, mover.moving.last(mover.here), mover.name)
    every = [one["id"] for one in mover.entries(mover.there)["entries"]]
    assert set(every) >= {own, *mover.recorded}
    found, cursor = [], None
    while True:
        page = mover.entries(mover.there, limit=limit, **({"cursor": cursor} if cursor else {}))
        found += [one["id"] for one in page["entries"]]
        cursor = page["next"]
        if cursor is None:
            break
        assert len(found) < 10
    assert found == every


@pytest.mark.parametrize("cursor", ["i", "ix", "i-1", "-1", "i" + "1" * 17, "ii1"])
def test_a_cursor_that_no_page_gave_is_malformed(mover, site, cursor):
    answer = site.get(f"volunteers/{mover.name}/entries", mover.name, cursor=cursor)
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/cursor")


# -- proofs -------------------------------------------------------------------------------------------


def refusal(answer: Any) -> tuple[int, str, str]:
    problem = answer.json()
    (error,) = problem["errors"]
    assert error["detail"] == problem["detail"]
    return answer.status_code, error["code"], error["detail"]


def test_proofs_are_issued_at_home_and_not_while_in_transit(mover):
    transfer = mover.moving.request(mover.name, mover.here, mover.there)
    assert mover.ask_at(mover.here).status_code == 201
    mover.moving.offer(mover.name, mover.here, mover.there, transfer)
    status, code, detail = refusal(mover.ask_at(mover.here))
    assert (status, code) == (422, "in-transit")
    assert OTHER in detail
    mover.moving.accept(transfer, mover.name, mover.here, mover.there)
    mover.moving.close(transfer, mover.name, mover.here, mover.there)
    status, code, detail = refusal(mover.ask_at(mover.here))
    assert (status, code) == (422, "not-home")
    assert OTHER in detail
    assert mover.ask_at(mover.there).status_code == 201


def test_a_proof_from_before_the_move_stands_until_what_it_states_changes(mover):
    proof = mover.proof()
    mover.move()
    settled(mover.site)
    assert mover.shown(proof)["state"] == "issued"
    foreign = {"subject": mover.name, "entry": mover.recorded[0], "origin": mover.here.origin}
    mover.there.record("hours.decided/1", **foreign)  # upheld: nothing that the proof states
    mover.moving.receive(mover.here, mover.moving.last(mover.there), mover.name)
    settled(mover.site)
    assert mover.shown(proof)["state"] == "issued"
    mover.there.record("hours.disputed/1", issuer=mover.name, **foreign)
    mover.moving.receive(mover.here, mover.moving.last(mover.there), mover.name)
    found = mover.revoked(proof)
    assert found["reason"] == "corrected"
    assert refusal(mover.post("proofs", replaces=proof))[1] == "not-home"


def test_a_proof_falls_when_the_new_home_annuls_what_it_states(mover):
    proof = mover.proof()
    mover.move()
    decision = {"entry": mover.recorded[0], "origin": mover.here.origin, "outcome": "annulled"}
    mover.there.record("hours.decided/1", subject=mover.name, **decision)
    mover.moving.receive(mover.here, mover.moving.last(mover.there), mover.name)
    assert mover.revoked(proof)["reason"] == "withdrawn"


def test_a_proof_at_the_new_home_states_what_was_served_elsewhere(mover):
    mover.there.record("organisation.registered/1", subject=f"org:{event_id()}", name="别的组织")
    mover.move()
    mover.there.record(
        "hours.recorded/1", subject=mover.name, **span("10:00", "10:20"), activity_name="河道巡护", content="巡河"
    )
    mover.change("corrected", mover.recorded[1], **span("09:00", "09:20"), activity_name="助老（更正）")
    mover.moving.receive(mover.there, mover.moving.last(mover.here), mover.name)
    answer = mover.ask_at(mover.there, star=True)
    assert answer.status_code == 201, answer.text
    mover.site.publish(mover.there)
    proof = answer.json()["id"]
    data = mover.site.get(f"proofs/{proof}/credential", mover.name, OTHER).json()
    service = data["credentialSubject"]["service"]
    assert (service["region"], service["minutes"], service["entries"]) == (OTHER, 100, 3)
    assert [(one["minutes"], one["organisation_name"], one["activity_name"]) for one in service["lines"]] == [
        (80, "江南街道志愿服务站", "助老（更正）"),
        (20, "江南街道志愿服务站", "河道巡护"),
    ]
    assert mover.site.service.checking.check_upload(json.dumps(data).encode()).outcome == "valid"


def test_a_proof_at_the_new_home_falls_with_a_correction_from_the_old(mover):
    mover.move()
    proof = mover.ask_at(mover.there).json()["id"]
    mover.change("withdrawn", mover.recorded[0])
    mover.moving.receive(mover.there, mover.moving.last(mover.here), mover.name)
    region = mover.site.service.regions[OTHER]
    assert region.runner.wait(mover.there.size - 1, DEADLINE_SECONDS)
    shown = eventually(
        lambda: (one := mover.site.json(f"proofs/{proof}", mover.name, OTHER))["state"] == "revoked" and one
    )
    assert shown["reason"] == "withdrawn"


def test_a_proof_under_an_id_that_became_another_is_still_followed(mover):
    """Whoever comes back to where somebody else by that identity number is at home is that person from then on."""
    proof, known = mover.proof(), f"volunteer:{event_id()}"
    mover.move()
    data = builders.details(id_number=f"E{event_id()[-8:]}")
    mover.here.enrol(known)
    mover.here.record("volunteer.verified/1", subject=known, private=data)
    mover.moving.move(mover.name, mover.there, mover.here, joined=known, private=data)
    settled(mover.site)
    assert mover.shown(proof)["state"] == "issued"
    assert mover.ask_at(mover.here, named=True).status_code == 201
    mover.change("withdrawn", mover.recorded[0])
    assert mover.revoked(proof)["reason"] == "withdrawn"


def test_a_proof_stands_when_the_record_comes_back(mover):
    proof = mover.proof()
    mover.move()
    mover.return_()
    settled(mover.site)
    assert mover.shown(proof)["state"] == "issued"
    assert mover.totals(mover.here)["total"] == counted(90, 2)
    assert mover.ask_at(mover.here).status_code == 201


def test_no_token_is_made_of_a_proof_that_was_left_behind(mover):
    proof = mover.proof()
    assert mover.post(f"proofs/{proof}/sd-jwt").status_code == 201
    mover.move()
    assert refusal(mover.post(f"proofs/{proof}/sd-jwt"))[1] == "not-home"


def test_a_star_counts_what_was_served_elsewhere(mover):
    mover.move()
    assert mover.totals(mover.there)["total"] == counted(90, 2)
    found = mover.site.json(f"volunteers/{mover.name}/star", mover.name, OTHER)
    assert found["minutes"] == 90


# -- regions ------------------------------------------------------------------------------------------


def test_regions_name_those_that_they_recognise(site, moving):
    peer = {"code": OTHER, "origin": site.other.origin, "log_keys": [builders.vkey(site.other.origin)]}
    assert site.json(f"/v1/regions/{REGION}")["peers"] == [peer]
    third = {"peer": "110000", "peer_origin": "ledger.example/110000"}
    for number in (0, 1):
        key = builders.vkey(third["peer_origin"], number)
        site.world.record("region.peer_recognised/1", **third, log_key=key)
    keys = [builders.vkey(third["peer_origin"], number) for number in (0, 1)]
    found = {"code": "110000", "origin": third["peer_origin"], "log_keys": keys}
    assert site.json(f"/v1/regions/{REGION}")["peers"] == [found, peer]
    site.world.record("region.peer_dismissed/1", peer_origin=third["peer_origin"])
    assert site.json(f"/v1/regions/{REGION}")["peers"] == [peer]
    assert site.json(f"/v1/regions/{OTHER}")["peers"][0]["code"] == REGION


# -- in a terminal ------------------------------------------------------------------------------------


def printed(found: Any) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(reports.totals_table("somebody", found))
    return capture.get()


def test_a_terminal_says_where_hours_count(mover):
    view = mover.site.service.regions[REGION].totals
    text = printed(mover.totals(mover.here))
    assert "1:30 (2)" in text
    assert "in transit" not in text
    transfer = mover.moving.request(mover.name, mover.here, mover.there)
    assert f"已申请转往 {OTHER}" in printed(mover.totals(mover.here))
    mover.moving.offer(mover.name, mover.here, mover.there, transfer)
    text = printed(mover.totals(mover.here))
    assert "in transit 转移中" in text
    assert f"正转往 {OTHER}" in text
    assert printed(reports.as_dict(view.record(mover.name))) == text
    mover.moving.accept(transfer, mover.name, mover.here, mover.there)
    mover.moving.close(transfer, mover.name, mover.here, mover.there)
    text = printed(mover.totals(mover.here))
    assert "served here 在本地区服务" in text
    assert f"归属地区 {OTHER}" in text
    assert printed(reports.as_dict(view.record(mover.name))) == text
