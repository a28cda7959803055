"""Whole records: whom a server hands them out to, and when it states one anew."""

from typing import Any

import pytest

from api.service.publishing import Publishing
from ledger.crypto.keys import SigningKey
from ledger.evidence.evidence import UnknownOrigin
from ledger.exchange import record_files
from tests.api.proving import newcomer
from tests.api.site import OTHER, Site
from tests.integration.world import volunteer
from tests.support import issuing
from tests.support.builders import AUTHORITY, REGION, STATION, vkey
from tests.support.moving import Moving

TRUST = issuing.trust()


def record(site: Site, name: str, by: str | SigningKey | None, region: str = REGION) -> Any:
    return site.get(f"volunteers/{name}/record", by, region)


def fetched(site: Site, name: str, by: str) -> bytes:
    """The record of somebody: it is stated, and handed out once that is signed."""
    assert record(site, name, by).status_code == 404
    site.publish()
    answer = record(site, name, by)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/jsonl"
    content: bytes = answer.content
    return content


def test_a_record_is_its_owners_and_the_regions(site):
    someone, other = newcomer(site, ("07:00", "08:00")).name, newcomer(site).name
    site.publish()
    found = record_files.open_file([fetched(site, someone, someone)], TRUST)
    assert (found.manifest.volunteer, found.manifest.entries) == (someone, 1)
    assert record(site, someone, AUTHORITY).status_code == 200
    for by, status in ((other, 404), (STATION, 404), (None, 401)):
        assert record(site, someone, by).status_code == status
    with site.nothing_written():
        assert record(site, someone, other).status_code == 404
        assert record(site, someone, someone).status_code == 200
    assert record(site, "org:1", AUTHORITY).status_code == 400
    assert record(site, volunteer(78), AUTHORITY).status_code == 404


@pytest.fixture(scope="module")
def moving(site: Site) -> Moving:
    """Both regions, which recognise each other."""
    return Moving(site.world, site.other)


def test_a_record_that_moved_is_checked_against_the_logs_of_both(site, moving):
    someone = newcomer(site, ("07:00", "08:00"), ("09:00", "10:00")).name
    site.publish()
    before = record_files.open_file([fetched(site, someone, someone)], TRUST).manifest
    whole = {"events": before.events, "root": before.root, "entries": before.entries, "minutes": 120}
    moving.move(someone, site.world, site.other, **whole)
    site.publish(site.other)
    assert record(site, someone, someone).status_code == 409
    assert record(site, someone, someone, OTHER).status_code == 404
    site.publish(site.other)
    answer = record(site, someone, someone, OTHER)
    assert answer.status_code == 200, answer.text
    found = record_files.open_file([answer.content], TRUST)
    assert (found.manifest.region, found.manifest.root, found.manifest.entries) == (OTHER, before.root, 2)
    assert found.manifest.sums == before.sums
    assert {one.origin for _, one in found.record} == {site.world.origin}
    assert {key.partition("+")[0] for key in found.manifest.log_keys} == {site.world.origin, site.other.origin}
    with pytest.raises(UnknownOrigin):
        record_files.open_file([answer.content], issuing.trust(issuing.neighbour()))


def test_a_record_is_fetched_where_the_home_is(site, moving):
    visitor = volunteer(79)
    members = {"home": OTHER, "home_origin": site.other.origin, "key": vkey(visitor)}
    site.world.record("volunteer.visiting/1", issuer=visitor, subject=visitor, **members)
    site.publish()
    with site.nothing_written():
        answer = record(site, visitor, visitor)
    assert (answer.status_code, OTHER in answer.json()["detail"]) == (409, True)


def test_what_was_stated_is_handed_out_when_the_log_is_signed_no_more(site, monkeypatch):
    someone = newcomer(site, ("07:00", "08:00"))
    site.publish()
    before = fetched(site, someone.name, someone.name)
    monkeypatch.setattr(Publishing, "refuses", True)
    assert record(site, someone.name, someone.name).content == before
    someone.serve("09:00", "10:00")
    site.publish()
    with site.nothing_written():
        assert record(site, someone.name, someone.name).status_code == 503
