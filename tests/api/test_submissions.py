"""What a submission is answered: where its events stand, that they stood there before, or why not."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest

from ledger.crypto.keys import SigningKey
from tests.api.site import OTHER, revoke, signed
from tests.integration.world import World, organisation, volunteer
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, ORIGIN, REGION, STATION, canonical, event_id, signing_key


def activity(world: World, **changes: Any) -> bytes:
    """An event that disturbs no other."""
    return world.body("activity.published/1", subject=f"activity:{event_id()}", **changes)


def ident(body: bytes) -> str:
    return json.loads(body)["id"]


def known_of(answer: Any) -> list[tuple[str, int]]:
    return [(one["id"], one["position"]) for one in answer.json()["known"]]


def envelope(request: bytes, **changes: Any) -> bytes:
    """A request with members of it changed; the bodies stay as they are."""
    return canonical({**json.loads(request), **changes})


# -- accepted ---------------------------------------------------------------------------------------


def test_the_answer_says_where_every_event_stands(site, world):
    bodies, size = [activity(world) for _ in range(3)], world.size
    answer = site.post(world.request(*bodies))
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    recorded_at = int(world.now).to_bytes(8, "big")
    assert answer.json() == {
        "region": REGION,
        "first": size,
        "count": 3,
        "tree_size": size + 3,
        "events": [
            {
                "id": ident(body),
                "position": size + number,
                "entry": base64.b64encode(sha256(body).digest() + recorded_at).decode(),
            }
            for number, body in enumerate(bodies)
        ],
    }
    assert [world.ledger.event(ident(body)).body for body in bodies] == bodies


def test_events_are_decided_in_order_each_seeing_those_before_it(site, world):
    name, key = organisation(7001), builders.vkey(organisation(7001))
    admitted = world.body("organisation.registered/1", subject=name, kind="organisation")
    added = world.body("organisation.key_added/1", subject=name, key=key)
    backwards = site.post(world.request(added, admitted))
    assert [(one["index"], one["code"]) for one in backwards.json()["errors"]] == [(0, "unknown-subject")]
    assert site.post(world.request(admitted, added)).status_code == 201


def test_private_details_are_kept_sealed_and_nowhere_else(site, world):
    person, details = volunteer(7002), builders.details(name="欧阳测试", id_number="E70020000")
    body = world.body(
        "volunteer.registered/1",
        issuer=STATION,
        subject=person,
        consent={"method": "form", "given": builders.TIME, "reference": "档案 7002"},
        key=builders.ABSENT,
        identity=builders.identity(details),
    )
    answer = site.post(world.request(body, private={ident(body): details}))
    assert answer.status_code == 201
    assert [one.details for one in world.ledger.private(person)] == [details]
    with world.database.read() as cursor:
        cursor.execute(f"SELECT sealed FROM {world.schema}.identities")
        sealed = [bytes(one) for (one,) in cursor]
        cursor.execute(f"SELECT body FROM {world.schema}.events")
        bodies = [bytes(one) for (one,) in cursor]
    assert not [one for one in sealed + bodies if b"E70020000" in one or "欧阳测试".encode() in one]


def test_regions_of_one_server_are_separate_ledgers(site, world):
    body, elsewhere = activity(world), activity(site.other)
    with site.other.unchanged():
        assert site.post(world.request(body)).status_code == 201
    with world.unchanged():
        assert site.post(site.other.request(elsewhere), OTHER).status_code == 201


# -- the same again -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1], ids=["by the same key", "by another key of the issuer"])
def test_the_same_events_again_are_a_no_op(site, world, number):
    bodies = [activity(world), activity(world)]
    first = site.post(world.request(*bodies)).json()
    site.post(world.request(activity(world)))
    with site.nothing_written():
        again = site.post(world.request(*bodies, by=number))
    assert again.status_code == 200
    assert again.json() == {**first, "tree_size": world.size}


def test_part_of_what_is_known_in_another_order_is_a_no_op_too(site, world):
    bodies = [activity(world) for _ in range(3)]
    places = site.post(world.request(*bodies)).json()["events"]
    with site.nothing_written():
        again = site.post(world.request(bodies[2], bodies[0]))
    assert again.status_code == 200
    assert again.json()["events"] == [places[2], places[0]]


def test_a_registration_again_does_not_need_the_key_it_brought_to_be_the_only_one(site, world):
    person = volunteer(7003)
    body = world.body("volunteer.registered/1", issuer=person, subject=person, key=builders.vkey(person))
    assert site.post(world.request(body)).status_code == 201
    world.record("volunteer.key_added/1", issuer=person, subject=person, key=builders.vkey(person, 1))
    with site.nothing_written():
        assert site.post(world.request(body, by=1)).status_code == 200


def test_rules_broken_since_do_not_hinder_the_same_events(site, world):
    name = organisation(7004)
    world.admit(name)
    body = activity(world, issuer=name)
    assert site.post(world.request(body)).status_code == 201
    world.record("organisation.suspended/1", subject=name)
    with site.nothing_written():
        assert site.post(world.request(body)).status_code == 200


# -- conflicts --------------------------------------------------------------------------------------


def test_an_id_with_other_bytes_is_a_conflict_that_tells_its_position(site, world):
    body = activity(world)
    position = site.post(world.request(body)).json()["first"]
    changed = activity(world, id=ident(body))
    with site.nothing_written():
        answer = site.post(world.request(changed))
    assert answer.status_code == 409
    assert known_of(answer) == [(ident(body), position)]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)], ids=str)
def test_a_mix_of_old_and_new_is_a_conflict_that_lists_the_old(site, world, order):
    new, *old = [activity(world) for _ in range(3)]
    first = site.post(world.request(*old)).json()["first"]
    mix = [[new, *old][number] for number in order]
    with site.nothing_written():
        answer = site.post(world.request(*mix))
    assert answer.status_code == 409
    expected = [(ident(body), first + old.index(body)) for body in mix if body in old]
    assert sorted(known_of(answer)) == sorted(expected)


def test_a_conflict_is_told_before_broken_rules(site, world):
    body = activity(world)
    site.post(world.request(body))
    broken = world.body("hours.recorded/1", id=ident(body), subject=volunteer(9999))
    with site.nothing_written():
        assert site.post(world.request(broken)).status_code == 409


# -- who may ----------------------------------------------------------------------------------------


def unknown_key(world: World) -> bytes:
    return world.request(activity(world), by=signing_key(STATION, 9))


def tampered_signature(world: World) -> bytes:
    request = world.request(activity(world))
    text, _, line = json.loads(request)["note"].rpartition("\n\n")
    *name, encoded = line.split()
    value = bytearray(base64.b64decode(encoded))
    value[-1] ^= 1
    return envelope(request, note=f"{text}\n\n{' '.join(name)} {base64.b64encode(value).decode()}\n")


def signature_of_another_note(world: World) -> bytes:
    """The signature line of one submission under the text of another."""
    request, another = world.request(activity(world)), world.request(activity(world))
    text, _, _ = json.loads(request)["note"].partition("\n\n")
    _, _, line = json.loads(another)["note"].partition("\n\n")
    return envelope(request, note=f"{text}\n\n{line}")


def revoked_key(world: World) -> bytes:
    name = organisation(int(event_id()[-8:], 16))
    world.admit(name)
    request = world.request(activity(world, issuer=name))
    world.ledger.prepare(request)  # the ledger has met the key
    world.record("organisation.key_revoked/1", subject=name, issuer=name, by=1, key_id=signing_key(name).id)
    return request


def not_yet_valid_key(world: World) -> bytes:
    """Signed by the key that it adds."""
    new = signing_key(STATION, 77)
    added = world.body("organisation.key_added/1", issuer=STATION, subject=STATION, key=str(new.verifier))
    return world.request(added, activity(world), by=new)


def key_of_another_issuer(world: World) -> bytes:
    """The key has the issuer's name, and belongs to nobody the ledger knows by that name."""
    return world.request(activity(world), by=SigningKey(STATION, signing_key(GROUP).seed))


def registration_by_another_key(world: World) -> bytes:
    person = volunteer(7100)
    body = world.body("volunteer.registered/1", issuer=person, subject=person, key=builders.vkey(person))
    return world.request(body, by=signing_key(person, 1))


UNTRUSTED = [
    unknown_key,
    tampered_signature,
    signature_of_another_note,
    revoked_key,
    not_yet_valid_key,
    key_of_another_issuer,
    registration_by_another_key,
]


@pytest.mark.parametrize("make", UNTRUSTED, ids=lambda make: make.__name__)
def test_a_signature_that_does_not_hold_is_untrusted(site, world, make):
    request = make(world)
    with site.nothing_written():
        answer = site.post(request)
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:yongzhi:problem:untrusted"


def test_a_revoked_key_does_not_even_repeat(site, world):
    name = organisation(7005)
    world.admit(name)
    body = activity(world, issuer=name)
    assert site.post(world.request(body)).status_code == 201
    revoke(world, name, issuer=AUTHORITY)
    with site.nothing_written():
        assert site.post(world.request(body)).status_code == 401
        assert site.post(world.request(body, by=1)).status_code == 200


def test_a_key_revoked_inside_a_submission_signs_nothing_behind_it(site, world):
    name = organisation(7006)
    world.admit(name)
    key_id = signing_key(name).id
    revoked = world.body("organisation.key_revoked/1", issuer=name, subject=name, key_id=key_id, suspect_from=0)
    with site.nothing_written():
        answer = site.post(world.request(revoked, activity(world, issuer=name)))
    assert answer.status_code == 422
    assert [(one["index"], one["code"]) for one in answer.json()["errors"]] == [(1, "key-not-valid")]


def test_the_signature_is_checked_before_the_rules(site, world):
    body = world.body("hours.recorded/1", subject=volunteer(9999))
    with site.nothing_written():
        assert site.post(world.request(body, by=signing_key(STATION, 9))).status_code == 401


# -- shape ------------------------------------------------------------------------------------------

ROOT = base64.b64encode(bytes(32)).decode()
TEXT = json.dumps(signed(f"yongzhi.submission/1\n{STATION}\n{ORIGIN}\n1\n{ROOT}\n", signing_key(STATION))).encode()
DEEP = b"[" * 50_000 + b"]" * 50_000
MALFORMED = {
    "nothing": b"",
    "not JSON": b"{",
    "a number": b"1",
    "null": b"null",
    "a list": b"[]",
    "no members": b"{}",
    "no note": b'{"events":[{}]}',
    "no events member": b'{"note":%s}' % TEXT,
    "no events": b'{"events":[],"note":%s}' % TEXT,
    "events an object": b'{"events":{},"note":%s}' % TEXT,
    "a note that is a number": b'{"events":[{}],"note":1}',
    "a note that is null": b'{"events":[{}],"note":null}',
    "private details that are a list": b'{"events":[{}],"note":%s,"private":[]}' % TEXT,
    "private details that are null": b'{"events":[{}],"note":%s,"private":null}' % TEXT,
    "an unknown member": b'{"events":[{}],"note":%s,"more":1}' % TEXT,
    "events twice": b'{"events":[{}],"events":[{}],"note":%s}' % TEXT,
    "a note twice": b'{"note":%s,"events":[{}],"note":%s}' % (TEXT, TEXT),
    "private details of one event twice": b'{"events":[{}],"note":%s,"private":{"a":{},"a":{}}}' % TEXT,
    "more behind it": b'{"events":[{}],"note":%s} {}' % TEXT,
    "a comma too many": b'{"events":[{},],"note":%s}' % TEXT,
    "a byte order mark": b'\xef\xbb\xbf{"events":[{}],"note":%s}' % TEXT,
    "UTF-16": '{"events":[{}],"note":"é"}'.encode("utf-16"),
    "not UTF-8": b'{"events":[{}],"note":"\xff"}',
    "a lone surrogate": b'{"events":[{}],"note":"\\ud800"}',
    "not a number": b'{"events":[NaN],"note":%s}' % TEXT,
    "events nested beyond any stack": b'{"note":%s,"events":%s}' % (TEXT, DEEP),
    "objects nested beyond any stack": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a key nested beyond any stack": b'{"note":%s,"events":[{}],"private":{"a":%s}}'
    % (TEXT, b"[" * 50_000 + b"]" * 50_000),
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_submission_is_malformed(site, request_):
    with site.nothing_written():
        answer = site.post(request_)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:yongzhi:problem:malformed"


@pytest.mark.parametrize("region", ["999999", "110000", "44130", "4413000", "x", "%00", "..%2f..", "惠州"])
def test_a_region_that_is_not_served_is_not_found(site, world, region):
    with site.nothing_written():
        answer = site.post(world.request(activity(world)), region)
    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_submissions_are_posted(site, method):
    answer = site.http.request(method, site.path("submissions"))
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


# -- at once ----------------------------------------------------------------------------------------


def test_many_at_once_get_positions_without_a_gap(site, world):
    bodies, size = [activity(world) for _ in range(64)], world.size
    requests = [world.request(body) for body in bodies]
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(site.post, requests))
    assert {answer.status_code for answer in answers} == {201}
    places = [answer.json()["events"][0] for answer in answers]
    assert sorted(one["position"] for one in places) == list(range(size, size + 64))
    assert [world.ledger.rows_at([one["position"]])[one["position"]].body for one in places] == bodies
    assert site.metric("yongzhi_waiting_bytes") == 0


def test_the_same_submission_many_times_at_once_is_recorded_once(site, world):
    request, size = world.request(activity(world), activity(world)), world.size
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(site.post, [request] * 32))
    assert sorted(answer.status_code for answer in answers) == [200] * 31 + [201]
    assert {json.dumps(answer.json()["events"]) for answer in answers} == {json.dumps(answers[0].json()["events"])}
    assert world.size == size + 2


def test_of_entries_that_overlap_at_once_one_is_recorded(site, world):
    person = volunteer(7007)
    world.enrol(person)
    requests = [world.request(world.hours("08:00", "09:00", subject=person)) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(site.post, requests))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 15
    refused = [answer.json()["errors"] for answer in answers if answer.status_code == 422]
    assert {(one["code"], one["pointer"]) for errors in refused for one in errors} == {("overlap", "/start")}


# -- what is counted --------------------------------------------------------------------------------


def test_metrics_count_what_became_of_submissions(site, world):
    def outcomes() -> list[float]:
        names = ("accepted", "repeated", "conflict", "untrusted", "malformed")
        counted = [site.metric("yongzhi_submissions_total", outcome=name) for name in names]
        return [*counted, site.metric("yongzhi_events_total", region=REGION)]

    before, body = outcomes(), activity(world)
    site.post(world.request(body, activity(world)))
    site.post(world.request(body))
    site.post(world.request(body, activity(world)))
    site.post(unknown_key(world))
    site.post(b"{")
    assert [after - old for after, old in zip(outcomes(), before, strict=True)] == [1, 1, 1, 1, 1, 2]
    assert site.metric("yongzhi_log_size", region=REGION) == world.size
    route = "/v1/regions/{region}/submissions"
    assert site.metric("yongzhi_requests_total", route=route, status="201") > 0
