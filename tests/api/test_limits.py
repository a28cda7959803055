"""Requests that are too large, too slow, too many, or that end early: refused, and nothing of them is left."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from api.http import budgets
from ledger.limits import BODY_BYTES_MAX, SUBMISSION_BYTES_MAX
from ledger.store import log
from tests.api.site import Site, Wire
from tests.integration.waiting import DEADLINE_SECONDS, eventually, threads
from tests.integration.world import World
from tests.support import builders
from tests.support.builders import REGION, canonical, event_id

TOO_LONG = 17 * 1024 * 1024


def activity(world: World, **changes: Any) -> bytes:
    return world.body("activity.published/1", subject=f"activity:{event_id()}", **changes)


def padded(request: bytes, size: int) -> bytes:
    """The same request, with white space behind it."""
    return request + b" " * (size - len(request))


# -- size -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SUBMISSION_BYTES_MAX + 1, 10**9, 10**15, 10**16, 10**18])
def test_a_request_that_announces_too_much_is_answered_before_its_body(site, size):
    with site.nothing_written(), Wire(site) as wire:
        wire.begin(f"content-length: {size}")
        status, headers, problem = wire.problem()
    assert (status, headers["connection"]) == (413, "close")
    assert problem["type"] == "urn:yongzhi:problem:too-large"


def test_a_request_of_17_mib_is_too_large(site, world):
    with site.nothing_written():
        answer = site.post(padded(world.request(activity(world)), TOO_LONG))
    assert answer.status_code == 413


def test_an_endless_request_is_cut_off(site):
    with site.nothing_written(), Wire(site) as wire:
        wire.begin("transfer-encoding: chunked")
        said: list[Any] = []
        with threads(lambda: said.append(wire.problem())):
            sent = wire.flood(4 * SUBMISSION_BYTES_MAX)
    ((status, _, problem),) = said
    assert (status, problem["type"]) == (413, "urn:yongzhi:problem:too-large")
    # What the buffers on the way hold comes on top of the limit.
    assert SUBMISSION_BYTES_MAX - 65_536 < sent < 3 * SUBMISSION_BYTES_MAX


def test_the_largest_request_is_taken_however_it_arrives(site, world):
    request = padded(world.request(activity(world)), SUBMISSION_BYTES_MAX)
    assert site.post(request).status_code == 201
    pieces = (request[at : at + 2**20] for at in range(0, len(request), 2**20))
    assert site.http.post(site.path("submissions"), content=pieces).status_code == 200
    with site.nothing_written():
        assert site.post(request + b" ").status_code == 413


def test_a_body_over_16_kib_is_refused_by_name(site, world):
    members = json.loads(activity(world))
    body = canonical({**members, "content": "x" * (17 * 1024 - len(canonical(members)))})
    good, key = activity(world), builders.signing_key(members["issuer"])
    with site.nothing_written():
        answer = site.post(builders.sealed([good, body], key))
    (problem,) = answer.json()["errors"]
    assert (answer.status_code, problem["index"], problem["id"]) == (422, 1, members["id"])
    assert str(BODY_BYTES_MAX) in problem["detail"]


def test_a_submission_holds_ten_thousand_events(site, world):
    bodies = [activity(world) for _ in range(10_001)]
    note = builders.sealed(bodies[:1])
    request = canonical(json.loads(note) | {"events": [json.loads(body) for body in bodies]})
    with site.nothing_written():
        answer = site.post(request)
    assert answer.status_code == 413
    assert "10001" in answer.json()["detail"]
    answer = site.post(world.request(*bodies[:10_000]))
    assert (answer.status_code, answer.json()["count"]) == (201, 10_000)


@pytest.mark.parametrize("path", ["/v1/challenges", "/v1/sessions"])
def test_other_requests_have_a_limit_of_their_own(site, path):
    answer = site.http.post(path, content=b" " * 70_000, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    with Wire(site) as wire:
        wire.begin("transfer-encoding: chunked", "content-type: application/json", "connection: close", path=path)
        wire.flood(70_000)
        assert wire.problem()[0] == 413


# -- encoding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip", "x"])
def test_an_encoded_request_is_not_taken(site, world, encoding):
    with site.nothing_written():
        answer = site.post(gzip.compress(world.request(activity(world))), content_encoding=encoding)
    assert answer.status_code == 415
    assert answer.json()["type"] == "urn:yongzhi:problem:unsupported-encoding"


def test_an_encoded_request_is_not_read(site):
    with site.nothing_written(), Wire(site) as wire:
        wire.begin("transfer-encoding: chunked", "content-encoding: gzip")
        status, headers, _ = wire.problem()
    assert (status, headers["connection"]) == (415, "close")


def test_identity_is_no_encoding(site, world):
    assert site.post(world.request(activity(world)), content_encoding="identity").status_code == 201


# -- time -------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "SUBMISSION_SECONDS_MAX", 0.2)


@pytest.mark.parametrize("headers", [["content-length: 1000"], ["transfer-encoding: chunked"]], ids=str)
def test_a_request_that_never_ends_is_given_up(site, impatient, headers):
    with site.nothing_written(), Wire(site) as wire:
        wire.begin(*headers)
        status, answered, problem = wire.problem()
    assert (status, answered["connection"]) == (408, "close")
    assert problem["type"] == "urn:yongzhi:problem:too-slow"


def test_a_request_that_trickles_is_given_up(site, impatient):
    """Each piece arrives in time, all of it would not."""
    start = time.monotonic()
    with site.nothing_written(), Wire(site) as wire:
        wire.begin("transfer-encoding: chunked")
        said: list[Any] = []

        def trickle() -> bool:
            try:
                wire.chunk(b" ")
            except OSError:
                return True
            return bool(said)

        with threads(lambda: said.append(wire.problem())):
            eventually(trickle)
    assert said[0][0] == 408
    assert time.monotonic() - start < DEADLINE_SECONDS / 2


# -- clients that go away -----------------------------------------------------------------------------


def outcome(site: Site, name: str) -> Callable[[], float]:
    return lambda: site.metric("yongzhi_submissions_total", outcome=name)


@pytest.mark.parametrize("chunked", [True, False])
def test_a_client_that_leaves_before_its_body_ends_leaves_nothing(site, world, chunked):
    request = world.request(activity(world))
    before = outcome(site, "malformed")()
    with site.nothing_written():
        with Wire(site) as wire:
            if chunked:
                wire.begin("transfer-encoding: chunked")
                wire.chunk(request)  # all of it, but for the word that it is all
            else:
                wire.begin(f"content-length: {len(request)}")
                wire.send(request[:-1])
        eventually(lambda: outcome(site, "malformed")() > before)
    assert site.metric("yongzhi_waiting_bytes") == 0


def test_a_client_that_leaves_before_the_answer_has_submitted(site, world):
    request, size = world.request(activity(world)), world.size
    with Wire(site) as wire:
        wire.begin(f"content-length: {len(request)}")
        wire.send(request)
    eventually(lambda: world.size > size)
    assert site.post(request).status_code == 200


# -- memory -----------------------------------------------------------------------------------------


@contextmanager
def waiting(site: Site, request: bytes) -> Iterator[list[Any]]:
    """A submission waits for its commit while the block runs; behind it, its answer is in the list."""
    answers: list[Any] = []
    with ExitStack() as lock:
        cursor = lock.enter_context(site.database.transaction())
        log.read_head(cursor, site.world.schema, lock=True)
        with threads(lambda: answers.append(site.post(request))):
            try:
                eventually(lambda: site.metric("yongzhi_waiting_bytes") == len(request))
                yield answers
            finally:
                lock.close()


def test_more_than_the_budget_waits_outside(site, world, monkeypatch):
    first, second = world.request(activity(world)), world.request(activity(world))
    monkeypatch.setattr(site.app.state.waiting, "bytes_max", len(first) + len(second) - 1)
    with waiting(site, first) as answers:
        refused = site.post(second)
    assert answers[0].status_code == 201
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:yongzhi:problem:busy")
    assert int(refused.headers["retry-after"]) > 0
    assert site.post(second).status_code == 201
    assert site.metric("yongzhi_waiting_bytes") == 0


def test_what_is_still_arriving_counts_too(site, world, monkeypatch):
    """Also when nobody said how much it will be."""
    monkeypatch.setattr(site.app.state.waiting, "bytes_max", 100_000)
    request = world.request(activity(world))
    with site.nothing_written(), Wire(site) as one, Wire(site) as two:
        for wire in (one, two):
            wire.begin("transfer-encoding: chunked")
        one.chunk(b" " * 60_000)
        eventually(lambda: site.metric("yongzhi_waiting_bytes") == 60_000)
        two.chunk(b" " * 60_000)
        status, headers, _ = two.problem()
        assert (status, headers["connection"]) == (429, "close")
        assert site.post(padded(request, 50_000)).status_code == 429
    eventually(lambda: site.metric("yongzhi_waiting_bytes") == 0)
    assert site.post(request).status_code == 201


def test_readers_are_served_while_submissions_wait(site, world):
    with waiting(site, world.request(activity(world))) as answers:
        assert site.json("/healthz") == {"status": "ok"}
        assert site.json("/readyz")["ready"]
        assert site.json(f"/v1/regions/{REGION}")["code"] == REGION
    assert answers[0].status_code == 201
