"""Events, receipts and keys: to whom they are shown, and that what is shown can be checked without the server."""

import base64
import json
from typing import Any

import pytest

from ledger.errors import Untrusted
from ledger.ids import format_time
from ledger.tlog.receipt import check_receipt
from tests.api.site import OTHER, Site, revoke, unbase64
from tests.integration.world import World, organisation, span, volunteer
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, ORIGIN, REGION, STATION, VOLUNTEER, event_id, signing_key

STRANGER = volunteer(6001)
LOG_KEY = signing_key(ORIGIN).verifier


@pytest.fixture(scope="module", autouse=True)
def people(site: Site) -> None:
    site.world.enrol(STRANGER)


def submitted(site: Site, kind: str, /, **changes: Any) -> tuple[str, bytes]:
    """An event that was submitted over HTTP: its id and its bytes."""
    body = site.world.body(kind, **changes)
    answer = site.post(site.world.request(body))
    assert answer.status_code == 201, answer.text
    return json.loads(body)["id"], body


# -- events -------------------------------------------------------------------------------------------


def test_an_event_is_shown_as_it_was_signed(site, world):
    name, body = submitted(site, "hours.recorded/1", content='说 "hours" 与 C:\\志 𠮷', **span("06:00", "06:10"))
    answer = site.get(f"events/{name}", STATION)
    assert answer.status_code == 200
    assert answer.content == body
    assert answer.headers["content-type"] == "application/json"
    row = world.ledger.event(name)
    assert int(answer.headers["yongzhi-position"]) == row.position
    assert unbase64(answer.headers["yongzhi-entry"]) == row.entry
    assert answer.headers["yongzhi-recorded-at"] == format_time(int(world.now))


@pytest.mark.parametrize(
    ("reader", "status"),
    [(STATION, 200), (VOLUNTEER, 200), (AUTHORITY, 200), (GROUP, 404), (STRANGER, 404), (None, 401)],
    ids=["issuer", "subject", "region", "another organisation", "another volunteer", "nobody"],
)
@pytest.mark.parametrize("path", ["events/{}", "events/{}/receipt"])
def test_an_event_is_shown_to_issuer_subject_and_region(site, world, reader, status, path):
    rows = world.ledger.stream(VOLUNTEER)
    name = next(str(row.event_id) for row in rows if row.topic == "hours.recorded/1")
    site.publish()
    assert site.get(path.format(name), reader).status_code == status


def test_what_one_may_not_see_is_told_as_what_is_not_there(site, world):
    name = next(str(row.event_id) for row in world.ledger.stream(VOLUNTEER))
    hidden, absent = (site.get(f"events/{one}", STRANGER) for one in (name, event_id(6001)))
    assert [one.status_code for one in (hidden, absent)] == [404, 404]
    assert [one.json()["type"] for one in (hidden, absent)] == ["urn:yongzhi:problem:not-found"] * 2
    assert {**hidden.json(), "detail": ""} == {**absent.json(), "detail": ""}
    assert name not in hidden.text


@pytest.mark.parametrize("name", ["x", "0199A1C2-0000-7000-8000-00000000BBBB", "%00", "0" * 36, "0" * 5000])
def test_the_id_of_an_event_is_a_uuid(site, name):
    assert site.get(f"events/{name}", STATION).status_code == 400


def test_an_event_of_another_region_is_not_here(site):
    name = site.other.record("activity.published/1", subject=f"activity:{event_id()}")
    assert site.get(f"events/{name}", STATION).status_code == 404
    assert site.get(f"events/{name}", STATION, OTHER).status_code == 200


# -- receipts -----------------------------------------------------------------------------------------


def test_before_a_checkpoint_covers_an_event_its_receipt_is_not_there_yet(site):
    name, body = submitted(site, "hours.recorded/1", **span("06:10", "06:20"))
    answer = site.get(f"events/{name}/receipt", STATION)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:yongzhi:problem:not-yet")
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    size = site.publish().size
    answer = site.get(f"events/{name}/receipt", STATION)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    receipt = check_receipt(answer.text, body, LOG_KEY)
    assert (receipt.recorded_at, receipt.checkpoint.size) == (int(site.world.now), size)


def test_receipts_of_all_events_verify_offline(site, world):
    """In a tree of every shape that this log takes here."""
    for number in range(9):
        name, _ = submitted(site, "activity.published/1", subject=f"activity:{event_id()}")
        checkpoint = site.publish()
        rows = world.ledger.rows_at(range(world.size))
        for row in rows.values() if number == 8 else [world.ledger.event(name)]:
            receipt = check_receipt(site.get(f"events/{row.event_id}/receipt", AUTHORITY).text, row.body, LOG_KEY)
            assert (receipt.position, receipt.checkpoint) == (row.position, checkpoint)


def test_an_old_receipt_stays_good(site):
    name, body = submitted(site, "hours.recorded/1", **span("06:20", "06:30"))
    site.publish()
    old = site.get(f"events/{name}/receipt", STATION).text
    submitted(site, "activity.published/1", subject=f"activity:{event_id()}")
    site.publish()
    assert site.get(f"events/{name}/receipt", STATION).text != old
    assert check_receipt(old, body, LOG_KEY).position == site.world.ledger.event(name).position


def test_a_receipt_proves_nothing_else(site):
    name, body = submitted(site, "hours.recorded/1", **span("06:30", "06:40"))
    site.publish()
    text = site.get(f"events/{name}/receipt", STATION).text
    (extra,) = (line for line in text.split("\n") if line.startswith("extra "))
    later = base64.b64encode((int(site.world.now) + 1).to_bytes(8, "big")).decode()
    for changed, bytes_ in (
        (text, body.replace(b'"minutes":10', b'"minutes":11')),
        (text.replace(extra, f"extra {later}"), body),
        (text.replace("\nindex ", "\nindex 1"), body),
    ):
        with pytest.raises(Untrusted):
            check_receipt(changed, bytes_, LOG_KEY)
    with pytest.raises(Untrusted):
        check_receipt(text, body, signing_key(OTHER).verifier)


# -- keys ---------------------------------------------------------------------------------------------


def rotated(world: World) -> str:
    """An organisation whose first key was replaced."""
    name = organisation(int(event_id()[-6:], 16))
    world.admit(name)
    revoke(world, name, issuer=name, by=1)
    return name


def test_the_keys_of_an_organisation_are_public_with_receipts(site, world):
    name = rotated(world)
    path = f"issuers/{name}/keys"
    site.publish()
    found = site.json(path)
    types = ["organisation.key_added/1", "organisation.key_added/1", "organisation.key_revoked/1"]
    assert [one["type"] for one in found] == types
    assert [one["position"] for one in found] == sorted(one["position"] for one in found)
    for one in found:
        body = unbase64(one["body"])
        receipt = check_receipt(one["receipt"], body, LOG_KEY)
        assert (receipt.position, json.loads(body)["id"]) == (one["position"], one["id"])
        assert json.loads(body)["subject"] == name
    assert [json.loads(unbase64(one["body"]))["key"] for one in found[:2]] == [builders.vkey(name, n) for n in (0, 1)]
    assert json.loads(unbase64(found[2]["body"]))["key_id"] == signing_key(name).id


def test_a_key_without_a_receipt_yet_says_so(site, world):
    name = organisation(6002)
    world.admit(name, keys=1)
    assert [one["receipt"] for one in site.json(f"issuers/{name}/keys")] == [None]


def test_the_keys_of_the_region_are_public(site):
    (established,) = site.json(f"issuers/{AUTHORITY}/keys")
    assert (established["type"], established["position"]) == ("region.established/1", 0)


@pytest.mark.parametrize(
    ("reader", "status"),
    [(VOLUNTEER, 200), (AUTHORITY, 200), (STATION, 404), (STRANGER, 404), (None, 401)],
    ids=["the volunteer", "region", "organisation", "another volunteer", "nobody"],
)
def test_the_keys_of_a_volunteer_are_hidden(site, reader, status):
    answer = site.get(f"issuers/{VOLUNTEER}/keys", reader)
    assert answer.status_code == status
    if status == 200:
        assert [one["type"] for one in answer.json()] == ["volunteer.registered/1"]


@pytest.mark.parametrize(
    ("issuer", "status"),
    [
        (organisation(6999), 404),
        ("region:442000", 404),
        ("school:1", 400),
        ("org:51441300MJM000001Q", 400),
        ("%00", 400),
    ],
)
def test_an_issuer_without_keys_here(site, issuer, status):
    assert site.get(f"issuers/{issuer}/keys").status_code == status


def test_events_without_a_key_are_no_key_events(site, world):
    person = volunteer(6003)
    world.register(person, builders.details(id_number="E60030000"))
    assert site.get(f"issuers/{person}/keys", AUTHORITY).status_code == 404


# -- regions ------------------------------------------------------------------------------------------


def test_regions_tell_how_to_check_their_log(site):
    size = site.publish().size
    found = site.json(f"/v1/regions/{REGION}")
    assert found == {
        "code": REGION,
        "name": "惠州市",
        "origin": ORIGIN,
        "log_vkey": builders.vkey(ORIGIN),
        "tree_size": size,
        "peers": [],
    }
    listed = site.json("/v1/regions")
    assert [one["code"] for one in listed] == [REGION, OTHER]
    assert listed[0] == found


@pytest.mark.parametrize(
    "path", ["", "/totals", f"/events/{event_id(1)}", "/organisations/x", f"/issuers/{STATION}/keys"]
)
def test_a_region_that_is_not_served_is_not_found(site, path):
    assert site.get(f"/v1/regions/110000{path}").status_code == 404


def test_a_body_that_was_erased_is_gone_for_everybody(site, world):
    name = world.record("hours.recorded/1", **span("06:40", "06:50"))
    with world.database.transaction() as cursor:
        cursor.execute(f"SELECT body FROM {world.schema}.events WHERE event_id = %s", (name,))
        (body,) = cursor.fetchone()
        cursor.execute(f"UPDATE {world.schema}.events SET body = NULL WHERE event_id = %s", (name,))
    try:
        for reader in (STATION, VOLUNTEER, AUTHORITY):
            assert site.get(f"events/{name}", reader).status_code == 404
    finally:
        with world.database.transaction() as cursor:
            cursor.execute(f"UPDATE {world.schema}.events SET body = %s WHERE event_id = %s", (body, name))
