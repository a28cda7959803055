"""What regions ask of each other over HTTP: whole moves between servers, and whatever a hostile client may try."""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from api.client.client import Told
from api.client.sign_in import answer_challenge
from api.http.routes import peers as routes
from api.peers import bundle_requests, http_peers, peer_keys
from api.peers.exchange import Exchange
from api.service import publishing
from ledger.crypto.keys import SigningKey, parse_vkey
from ledger.domain.state import Entry
from ledger.errors import Busy, Invalid, Unavailable, Untrusted
from ledger.events.body import decode_event
from ledger.evidence import wire
from ledger.evidence.evidence import Checker
from ledger.ids import format_time
from ledger.limits import BUNDLE_REQUEST_SECONDS, BUNDLES_AT_ONCE, INTEGER_MAX, MESSAGE_BYTES_MAX
from ledger.store.postgres.database import Database
from ledger.tlog import notes
from tests.api.pair import Pair, Party, paired
from tests.api.site import OTHER
from tests.integration.waiting import DEADLINE_SECONDS, eventually, threads
from tests.integration.world import volunteer
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, REGION, STATION, VOLUNTEER, signing_key, vkey

PERSON = volunteer(7)
"""Somebody whom a station registered."""


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Checkpoints as soon as anything was logged."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "CHECKPOINT_INTERVAL", 0.05)
        yield


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Status and code of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told = answer.json()
    assert told["status"] == answer.status_code
    return answer.status_code, told["type"].removeprefix("urn:yongzhi:problem:")


# -- whole moves --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def apart(database: Database, tmp_path_factory: Any) -> Iterator[Pair]:
    """Two regions that recognise each other, on servers and databases of their own."""
    with paired(tmp_path_factory.mktemp("apart"), database) as pair, pair.recognised():
        yield pair


@pytest.fixture(scope="module")
def together(database: Database, tmp_path_factory: Any) -> Iterator[Pair]:
    """The same on one server."""
    with paired(tmp_path_factory.mktemp("both"), database, together=True) as pair, pair.recognised():
        yield pair


@pytest.fixture
def moving(request: pytest.FixtureRequest) -> Pair:
    found: Pair = request.getfixturevalue(request.param)
    return found


either = pytest.mark.parametrize("moving", ["together", "apart"], indirect=True)


def minutes(party: Party, name: str, state: str = "counted") -> int:
    found = party.totals(name).total.get(state)
    return 0 if found is None else found.minutes


@either
def test_a_record_moves_with_its_private_details(moving: Pair):
    home, to = moving.a, moving.b
    details = builders.details(id_number="E20262026")
    home.world.register(PERSON, details)
    for hour in range(6, 10):
        home.world.submit(home.world.hours(f"{hour:02}:00", f"{hour:02}:30", subject=PERSON))
    moving.wait(lambda: minutes(home, PERSON) == 120)

    moving.move(home, to, PERSON, issuer=STATION, reference="申请 7")

    moving.wait(lambda: minutes(to, PERSON) == 120)
    moving.wait(lambda: minutes(home, PERSON) == 0)
    assert [kept.details for kept in to.world.ledger.private(PERSON)] == [details]
    assert to.volunteer(PERSON).home is None
    assert home.volunteer(PERSON).home == to.code
    sealed = to.world.query(f"SELECT count(*) FROM {to.world.schema}.inbox WHERE position(%s in message) > 0", b"E2026")
    assert sealed == [(0,)], "details stand in a message in clear"


@either
def test_what_happens_later_is_told_to_where_the_record_is(moving: Pair):
    """An entry that was recorded late goes to the new home; a dispute there comes back to where the entry is from."""
    home, to = moving.a, moving.b
    home.world.submit(home.world.hours("06:00", "07:00"))
    moving.move(home, to)
    late = home.world.hours("07:00", "07:30")
    home.world.submit(late)
    moving.wait(lambda: minutes(to, VOLUNTEER) == 90)

    entry = decode_event(late).id
    to.world.record("hours.disputed/1", issuer=VOLUNTEER, entry=entry, origin=home.world.origin)

    def disputed() -> bool:
        found = home.world.ledger.record(Entry, (entry, ""))
        return found is not None and found.disputed

    moving.wait(disputed)
    moving.wait(lambda: minutes(to, VOLUNTEER, "disputed") == 30)
    moving.wait_settled()
    assert not home.undone()
    assert not to.undone()


def test_a_record_comes_back_from_where_it_went(apart: Pair):
    name = volunteer(8)
    apart.a.world.enrol(name)
    apart.a.world.submit(apart.a.world.hours("06:00", "07:00", subject=name))
    apart.move(apart.a, apart.b, name)
    apart.move(apart.b, apart.a, name)
    apart.wait(lambda: minutes(apart.a, name) == 60)
    apart.wait(lambda: minutes(apart.b, name) == 0)


def test_hours_of_a_visitor_come_home(apart: Pair):
    name = volunteer(9)
    apart.a.world.enrol(name)
    apart.wait(lambda: apart.a.totals(name).total is not None)
    fields: dict[str, Any] = {"home": apart.a.code, "home_origin": apart.a.world.origin, "key": builders.vkey(name)}
    consent = {"method": "signed", "given": builders.TIME}
    apart.b.world.record("volunteer.visiting/1", issuer=name, subject=name, consent=consent, **fields)
    apart.b.world.submit(apart.b.world.hours("08:00", "09:00", subject=name))
    apart.wait(lambda: minutes(apart.a, name) == 60)
    assert minutes(apart.b, name) == 0


def test_what_is_aside_is_told_by_the_metrics(apart: Pair):
    page = apart.a.http.get("/metrics").text
    for box in ("outbox", "inbox"):
        for state in ("waiting", "aside"):
            assert f'yongzhi_messages{{box="{box}",region="{REGION}",state="{state}"}} 0.0' in page
    assert f'yongzhi_failed{{part="exchange",region="{REGION}"}} 0.0' in page


# -- how a transfer stands ----------------------------------------------------------------------------


def signed_in(party: Party, name: str) -> dict[str, str]:
    key = signing_key(name)
    text = party.http.post("/v1/challenges", json={"issuer": name, "region": party.code}).json()["text"]
    note = answer_challenge(text, key, f"127.0.0.1:{party.port}")
    answer = httpx2.post(f"{party.url}/v1/sessions", json={"note": note})
    return {"authorization": f"Bearer {answer.json()['token']}"}


def test_a_transfer_is_shown_to_those_whom_it_concerns(apart: Pair):
    home, to, name = apart.a, apart.b, volunteer(10)
    home.world.enrol(name)
    home.world.submit(home.world.hours("10:00", "10:30", subject=name))
    transfer = apart.move(home, to, name, issuer=STATION, reference="申请 10")
    place = f"/v1/regions/{home.code}/transfers"
    for who in (name, STATION, home.world.authority):
        headers = signed_in(home, who)
        found = home.http.get(f"{place}/{transfer}", headers=headers).json()
        assert (found["state"], found["direction"], found["peer"]) == ("closed", "out", to.code)
        assert found["reasons"] == []
        listed = home.http.get(place, params={"volunteer": name}, headers=headers).json()["transfers"]
        assert [one["id"] for one in listed] == [transfer]
    arrived = to.http.get(f"/v1/regions/{to.code}/transfers", headers=signed_in(to, name)).json()["transfers"]
    assert [(one["id"], one["state"], one["direction"]) for one in arrived] == [(transfer, "accepted", "in")]


@pytest.mark.parametrize(("who", "name"), [(volunteer(10), volunteer(11)), (GROUP, volunteer(12))])
def test_a_transfer_of_somebody_else_is_none(apart: Pair, who: str, name: str):
    home = apart.a
    home.world.enrol(name)
    transfer = apart.request(home, apart.b, name)
    headers = signed_in(home, who)
    place = f"/v1/regions/{home.code}/transfers"
    assert problem(home.http.get(f"{place}/{transfer}", headers=headers)) == (404, "not-found")
    assert home.http.get(place, params={"volunteer": name}, headers=headers).json() == {"transfers": []}
    assert problem(home.http.get(f"{place}/{transfer}")) == (401, "not-signed-in")
    assert problem(home.http.get(f"{place}/{uuid4()}", headers=headers)) == (404, "not-found")
    assert problem(home.http.get(f"{place}/nonsense", headers=headers)) == (400, "malformed")
    if who == GROUP:
        assert problem(home.http.get(place, headers=headers)) == (403, "forbidden")


# -- keys ---------------------------------------------------------------------------------------------


def test_a_region_shows_the_keys_it_issues_with(apart: Pair):
    answer = apart.a.http.get(f"/v1/regions/{REGION}/keys")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=60"
    checker = Checker(lambda origin: [parse_vkey(vkey(origin))])
    checker.learn(wire.read_message(answer.content))
    found = checker.valid_keys(apart.a.world.origin, AUTHORITY, INTEGER_MAX)
    assert vkey(AUTHORITY) in found


# -- bundles ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def offered(database: Database, tmp_path_factory: Any) -> Iterator[tuple[Pair, str]]:
    """Two servers, and an open offer of the first one: the second does not recognise it, so nothing is decided."""
    with paired(tmp_path_factory.mktemp("offered"), database) as pair, pair:
        pair.recognise(pair.a, pair.b)
        pair.a.world.submit(pair.a.world.hours("06:00", "07:00"))
        transfer = pair.request(pair.a, pair.b)
        pair.wait(lambda: [one.state for one in pair.a.outbox()] == ["aside"])
        yield pair, transfer


def asking(transfer: str, key: SigningKey | None = None, origin: str = builders.ORIGIN, ago: int = 0) -> str:
    key = key or signing_key(f"region:{OTHER}")
    return bundle_requests.header(key, origin, transfer, int(time.time()) - ago)


def test_the_region_that_it_is_offered_to_gets_the_bundle(offered: tuple[Pair, str]):
    pair, transfer = offered
    answer = pair.a.bundle(transfer, asking(transfer))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == routes.JSON_LINES
    parts = list(wire.BundleReader([answer.content]))
    told = [part.evidence.body for part in parts if isinstance(part, wire.EventItem)]
    assert [decode_event(body).subject for body in told] == [VOLUNTEER]
    assert answer.content.splitlines()[-1].startswith(b'{"end":')
    again = pair.a.bundle(transfer, asking(transfer))
    assert again.content == answer.content
    assert pair.a.service.bundles == 0


def test_an_offer_that_is_not_believed_is_aside_with_its_reason(offered: tuple[Pair, str]):
    pair, _ = offered
    (row,) = pair.a.outbox()
    assert (row.kind, row.state, row.peer) == ("offer", "aside", OTHER)
    assert row.reason.startswith("unknown-origin: ")
    assert pair.b.inbox() == []


def _note(*lines: str, keys: tuple[SigningKey, ...] = ()) -> str:
    note = notes.sign("".join(f"{line}\n" for line in lines), keys or [signing_key(f"region:{OTHER}")])
    return f"{bundle_requests.SCHEME} {base64.b64encode(note.encode()).decode()}"


def _lines(transfer: str, **changes: str) -> list[str]:
    stated = {
        "header": bundle_requests.HEADER,
        "issuer": f"region:{OTHER}",
        "origin": builders.ORIGIN,
        "transfer": transfer,
        "time": format_time(int(time.time())),
        **changes,
    }
    return list(stated.values())


STRANGERS: dict[str, tuple[Callable[[str], str | None], tuple[int, str]]] = {
    "nobody": (lambda transfer: None, (401, "untrusted")),
    "a session": (lambda transfer: "Bearer token", (401, "untrusted")),
    "the scheme alone": (lambda transfer: bundle_requests.SCHEME, (401, "untrusted")),
    "no base64": (lambda transfer: f"{bundle_requests.SCHEME} ~~~~", (400, "malformed")),
    "no note": (lambda transfer: f"{bundle_requests.SCHEME} aGVsbG8=", (400, "malformed")),
    "a long one": (lambda transfer: f"{bundle_requests.SCHEME} {'A' * 40_000}", (400, "malformed")),
    "four lines": (lambda transfer: _note(*_lines(transfer)[:4]), (400, "malformed")),
    "six lines": (lambda transfer: _note(*_lines(transfer), "more"), (400, "malformed")),
    "another kind": (lambda transfer: _note(*_lines(transfer, header="yongzhi.bundle/2")), (400, "malformed")),
    "no time": (lambda transfer: _note(*_lines(transfer, time="now")), (400, "malformed")),
    "an old one": (lambda transfer: asking(transfer, ago=BUNDLE_REQUEST_SECONDS + 5), (401, "untrusted")),
    "one to come": (lambda transfer: asking(transfer, ago=-BUNDLE_REQUEST_SECONDS - 5), (401, "untrusted")),
    "for another log": (lambda transfer: asking(transfer, origin="ledger.example/442000"), (401, "untrusted")),
    "for another transfer": (lambda transfer: asking(str(uuid4())), (401, "untrusted")),
    "the volunteer": (lambda transfer: asking(transfer, signing_key(VOLUNTEER)), (404, "not-found")),
    "the station": (lambda transfer: asking(transfer, signing_key(STATION)), (404, "not-found")),
    "the home itself": (lambda transfer: asking(transfer, signing_key(AUTHORITY)), (404, "not-found")),
    "another region": (lambda transfer: asking(transfer, signing_key("region:820000")), (404, "not-found")),
    "a key that is not its": (lambda transfer: asking(transfer, signing_key(f"region:{OTHER}", 5)), (401, "untrusted")),
    "its name, signed by another": (
        lambda transfer: _note(*_lines(transfer), keys=(signing_key("region:820000"),)),
        (401, "untrusted"),
    ),
    "two signatures": (
        lambda transfer: _note(*_lines(transfer), keys=(signing_key(f"region:{OTHER}"), signing_key("region:820000"))),
        (401, "untrusted"),
    ),
}


@pytest.mark.parametrize("who", STRANGERS)
def test_nobody_else_gets_a_bundle(offered: tuple[Pair, str], who: str):
    pair, transfer = offered
    made, told = STRANGERS[who]
    with pair.a.world.unchanged():
        assert problem(pair.a.bundle(transfer, made(transfer))) == told
    assert pair.a.service.bundles == 0


def test_a_signature_is_of_its_very_text(offered: tuple[Pair, str]):
    pair, transfer = offered
    note = base64.b64decode(asking(transfer, ago=BUNDLE_REQUEST_SECONDS + 60).partition(" ")[2]).decode()
    lines = note.split("\n")
    lines[4] = format_time(int(time.time()))
    changed = base64.b64encode("\n".join(lines).encode()).decode()
    assert problem(pair.a.bundle(transfer, f"{bundle_requests.SCHEME} {changed}")) == (401, "untrusted")


def test_a_transfer_that_there_is_not_has_no_bundle(offered: tuple[Pair, str]):
    pair, _ = offered
    name = str(uuid4())
    assert problem(pair.a.bundle(name, asking(name))) == (404, "not-found")
    assert problem(pair.a.bundle("nonsense", asking("nonsense"))) == (400, "malformed")


def test_of_many_bundles_only_so_many_are_sent_at_a_time(offered: tuple[Pair, str]):
    pair, transfer = offered
    pair.a.service.bundles = BUNDLES_AT_ONCE
    try:
        answer = pair.a.bundle(transfer, asking(transfer))
        assert problem(answer) == (429, "busy")
        assert answer.headers["retry-after"] == "5"
    finally:
        pair.a.service.bundles = 0


def test_a_bundle_that_fails_on_the_way_has_no_end(offered: tuple[Pair, str], monkeypatch: pytest.MonkeyPatch):
    pair, transfer = offered
    whole = pair.a.bundle(transfer, asking(transfer)).content
    node = pair.a.exchange.node
    lines = list(node.bundle(transfer))

    def broken(_: str) -> Iterator[bytes]:
        yield from lines[:-1]
        raise Unavailable("the database is gone")

    monkeypatch.setattr(routes, "_PIECE", 1)
    monkeypatch.setattr(node, "bundle", broken)
    fetched: list[bytes] = []
    with pytest.raises(httpx2.RemoteProtocolError):
        _fetch(pair.a, transfer, fetched)
    assert whole.startswith(b"".join(fetched[:1]))
    assert len(b"".join(fetched)) < len(whole)
    eventually(lambda: pair.a.service.bundles == 0)


def _fetch(party: Party, transfer: str, into: list[bytes]) -> None:
    place = f"{party.url}/v1/regions/{party.code}/transfers/{transfer}/bundle"
    with httpx2.stream("GET", place, headers={"authorization": asking(transfer)}) as answer:
        into.extend(answer.iter_raw())


def test_a_key_that_the_peer_revoked_asks_for_nothing(offered: tuple[Pair, str], monkeypatch: pytest.MonkeyPatch):
    pair, transfer = offered
    second = signing_key(f"region:{OTHER}", 1)
    authority = pair.b.world.authority
    assert pair.a.bundle(transfer, asking(transfer, second)).status_code == 401
    pair.b.world.record("region.key_added/1", issuer=authority, subject=authority, key=str(second.verifier))
    monkeypatch.setattr(peer_keys, "_ASKED_AGAIN_SECONDS", 0)
    pair.wait(lambda: pair.a.bundle(transfer, asking(transfer, second)).status_code == 200)
    fields: dict[str, Any] = {"key_id": second.id, "suspect_from": 0, "reason": "丢失"}
    pair.b.world.record("region.key_revoked/1", issuer=authority, subject=authority, **fields)
    monkeypatch.setattr(peer_keys, "PEER_KEYS_SECONDS", 0)
    pair.wait(lambda: pair.a.bundle(transfer, asking(transfer, second)).status_code == 401)
    assert pair.a.bundle(transfer, asking(transfer)).status_code == 200


def test_without_the_peers_keys_nobody_gets_a_bundle(database: Database, tmp_path: Path):
    """They are asked of its server, and that is out of reach."""
    with paired(tmp_path, database) as pair, ExitStack() as stack:
        pair.recognise(pair.a, pair.b)
        pair.start(pair.a, stack)
        transfer = pair.request(pair.a, pair.b)
        pair.wait(lambda: pair.a.state(transfer) == "offered")
        assert problem(pair.a.bundle(transfer, asking(transfer))) == (503, "unavailable")


def test_details_do_not_leave_unsealed(database: Database, tmp_path: Path):
    """Where the federation states no key to seal them for the destination, the record waits."""
    with paired(tmp_path, database, together=True) as pair, pair:
        pair.recognise(pair.a, pair.b)
        pair.a.world.register(PERSON, builders.details())
        pair.install(sealed=False, serial=8)
        transfer = pair.request(pair.a, pair.b, PERSON, issuer=STATION, reference="申请 1")
        pair.wait(lambda: pair.a.state(transfer) == "offered")
        assert problem(pair.a.bundle(transfer, asking(transfer))) == (503, "unavailable")


# -- messages -----------------------------------------------------------------------------------------


class Sender:
    """`b` takes messages; what `a` would send is made here, and sent as a test wants it."""

    def __init__(self, pair: Pair) -> None:
        self.pair, self.a, self.b = pair, pair.a, pair.b
        self.home: Exchange = pair.a.exchange_offline()
        self._slots = count()

    def message(self, position: int | None = None) -> bytes:
        """About an event of `a`, by default the last."""
        self.home.publisher.publish()
        return self.home.node.message("", self.a.world.size - 1 if position is None else position)

    def hours(self) -> bytes:
        """About one more entry, of two minutes."""
        begin = 6 * 60 + 2 * next(self._slots)
        start, end = (f"{minute // 60:02}:{minute % 60:02}" for minute in (begin, begin + 2))
        self.a.world.submit(self.a.world.hours(start, end))
        return self.message()


@pytest.fixture(scope="module")
def sender(database: Database, tmp_path_factory: Any) -> Iterator[Sender]:
    with paired(tmp_path_factory.mktemp("sender"), database) as pair, ExitStack() as stack:
        pair.recognise(pair.b, pair.a)
        pair.b.world.enrol(VOLUNTEER)
        pair.start(pair.b, stack)
        yield Sender(pair)


def kept(party: Party) -> int:
    [(count,)] = party.world.query(f"SELECT count(*) FROM {party.world.schema}.inbox")
    return int(count)


def test_a_message_is_kept_before_it_is_answered_and_answered_the_same_again(sender: Sender):
    message, before = sender.hours(), kept(sender.b)
    first = sender.b.post(message, REGION)
    assert first.status_code == 200, first.text
    assert first.json()["state"] == "done"
    at = first.json()["position"]
    assert sender.b.world.ledger.rows_at([at])[at].topic == "entry.received/1"
    with sender.b.world.unchanged():
        assert sender.b.post(message, REGION).json() == first.json()
    assert kept(sender.b) == before + 1


def refused(sender: Sender, data: bytes, by: str = REGION, **headers: str) -> tuple[int, str]:
    with sender.b.world.unchanged():
        return problem(sender.b.post(data, by, **headers))


@pytest.mark.parametrize("data", [b"", b"{}", b"nonsense", b"[]", b"\xff\xfe", b"[" * 5000, b'{"events": []}'])
def test_what_is_no_message_is_refused(sender: Sender, data: bytes):
    assert refused(sender, data) == (400, "malformed")


def _tampered(message: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    found = json.loads(message)
    change(found)
    return builders.canonical(found)


def _signed_otherwise(note: str) -> str:
    at = len(note) - 20
    return note[:at] + ("A" if note[at] != "A" else "B") + note[at + 1 :]


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], int]] = {
    "the minutes": (lambda told: told["events"][0]["body"].update(minutes=9), 401),
    "the time of recording": (lambda told: told["events"][0].update(recorded_at=1), 401),
    "the position": (lambda told: told["events"][0].update(position=0), 401),
    "the path": (lambda told: told["events"][0].update(log_path=base64.b64encode(b"0" * 32).decode()), 401),
    "the log": (lambda told: told["events"][0].update(origin="ledger.example/820000"), 403),
    "the note": (lambda told: told["notes"].__setitem__(0, _signed_otherwise(told["notes"][0])), 401),
    "no keys": (lambda told: told.update(events=told["events"][:1]), 400),
    "one member more": (lambda told: told.update(more=1), 400),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_on_the_way_is_refused(sender: Sender, change: str):
    made, status = CHANGES[change]
    message = sender.hours()
    assert sender.b.post(message, REGION).status_code == 200
    fresh = sender.hours()
    assert refused(sender, _tampered(fresh, made))[0] == status


def test_an_event_of_a_log_that_nobody_recognised_is_refused_by_its_own_code(sender: Sender):
    message = sender.hours().replace(b"ledger.example/441300", b"ledger.example/820000")
    assert refused(sender, message) == (403, "unknown-origin")


def test_an_event_that_is_no_business_of_others_is_put_aside(sender: Sender):
    sender.a.world.publish(GROUP, activity="0199a1c2-0000-7000-8000-00000000cccd")
    answer = sender.b.post(sender.message(), REGION).json()
    assert answer["state"] == "aside"
    assert "no business" in answer["reason"]
    assert [one.state for one in sender.b.inbox() if one.kind == "activity.published/1"] == ["aside"]


def test_own_events_that_come_back_change_nothing(sender: Sender):
    sender.b.world.submit(sender.b.world.hours("09:00", "09:30"))
    position = sender.b.world.size - 1
    own = sender.b.exchange
    eventually(lambda: sender.b.service.regions[OTHER].published_size() > position)
    answer = sender.b.post(own.node.message("", position), REGION).json()
    assert (answer["state"], answer["position"]) == ("done", position)
    assert sender.b.world.size == position + 1


@pytest.mark.parametrize(("by", "told"), [("820000", (403, "unknown-origin")), (OTHER, (400, "malformed"))])
def test_who_sends_is_another_region_of_the_federation(sender: Sender, by: str, told: tuple[int, str]):
    assert refused(sender, sender.hours(), by) == told


@pytest.mark.parametrize("by", ["", "44130", "4413000", "region:441300", "../441300"])
def test_who_sends_is_named_by_a_code(sender: Sender, by: str):
    assert refused(sender, b"{}", by) == (400, "malformed")


def test_who_sends_is_named(sender: Sender):
    assert problem(sender.b.http.post(f"/v1/regions/{OTHER}/inbox", content=b"{}")) == (400, "malformed")


def test_a_message_has_no_content_encoding(sender: Sender):
    answer = sender.b.post(b"{}", REGION, **{"content-encoding": "gzip"})
    assert problem(answer) == (415, "unsupported-encoding")


def test_a_region_that_is_not_served_has_no_inbox(sender: Sender):
    answer = sender.b.http.post("/v1/regions/820000/inbox", params={"sender": REGION}, content=b"{}")
    assert problem(answer) == (404, "not-found")


@pytest.mark.parametrize("announced", [True, False])
def test_a_message_that_is_too_large_is_refused_before_it_is_looked_at(sender: Sender, announced: bool):
    framing = f"content-length: {MESSAGE_BYTES_MAX + 1}" if announced else "transfer-encoding: chunked"
    head = f"POST /v1/regions/{OTHER}/inbox?sender={REGION} HTTP/1.1\r\nhost: there\r\n{framing}\r\n\r\n"
    said, sent = b"", 0
    with socket.create_connection(("127.0.0.1", sender.b.port), timeout=DEADLINE_SECONDS) as wired:
        wired.sendall(head.encode())
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        try:
            while not announced and sent <= 3 * MESSAGE_BYTES_MAX:
                wired.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        try:
            while data := wired.recv(65_536):
                said += data
        except ConnectionResetError:
            pass
    assert sent < 3 * MESSAGE_BYTES_MAX
    if said:  # unless what was still on its way had the connection reset
        assert said.startswith(b"HTTP/1.1 413"), said
    else:
        assert not announced
    assert sender.b.app.state.waiting.taken == 0


def test_while_too_much_is_waiting_messages_are_put_off(sender: Sender, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sender.b.app.state.waiting, "bytes_max", 1)
    answer = sender.b.post(b"{}", REGION)
    assert problem(answer) == (429, "busy")
    assert sender.b.app.state.waiting.taken == 0


@pytest.mark.parametrize("how", ["none", "expired"])
def test_without_a_federation_nothing_is_exchanged(database: Database, tmp_path: Path, how: str):
    with paired(tmp_path, database) as pair, ExitStack() as stack:
        pair.recognise(pair.b, pair.a)
        message = Sender(pair).hours()
        pair.start(pair.b, stack)
        if how == "none":
            (pair.b.data / "federation.json").unlink()
        else:
            now = int(time.time())
            pair.install(expires=format_time(now + 1), issued=format_time(now - 60), serial=8)
            eventually(lambda: time.time() > now + 1)
        assert problem(pair.b.post(message, REGION)) == (503, "unavailable")
        assert kept(pair.b) == 0


# -- a peer that misbehaves, seen from whoever asks it -------------------------------------------------


class Misbehaving:
    """A peer's server that answers whatever a test says. A context manager."""

    def __init__(self, port: int, answer: bytes) -> None:
        self._listening = socket.create_server(("127.0.0.1", port))
        self._answer = answer

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(DEADLINE_SECONDS)

    def _run(self) -> None:
        while True:
            try:
                found, _ = self._listening.accept()
            except OSError:
                return
            with found:
                found.recv(65_536)
                found.sendall(self._answer)


def _http(status: str, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def _problem(code: str, status: int) -> bytes:
    return json.dumps({"type": f"urn:yongzhi:problem:{code}", "status": status, "detail": "why"}).encode()


ANSWERS = {
    "nonsense": b"nonsense\r\n\r\n",
    "nothing": b"",
    "another form": _http("200 OK", b'{"state": "taken"}'),
    "no JSON": _http("200 OK", b"\xff"),
    "too much": _http("200 OK", b"[" + b" " * 100_000),
    "compressed": _http("200 OK", b"\x1f\x8b\x08", "content-encoding: gzip"),
    "moved": _http("307 Temporary Redirect", b"", "location: http://127.0.0.1:1/"),
    "a proxy's refusal": _http("403 Forbidden", b"<html>no</html>"),
    "a fault": _http("500 Internal Server Error", b"{}"),
    "not served": _http("404 Not Found", _problem("not-found", 404)),
    "out of reach": _http("503 Service Unavailable", _problem("unavailable", 503)),
    "cut off": _http("200 OK", b'{"state": "done"}')[:-4],
}


@pytest.fixture(scope="module")
def stopped(database: Database, tmp_path_factory: Any) -> Iterator[Sender]:
    """Nobody is served."""
    with paired(tmp_path_factory.mktemp("stopped"), database) as pair:
        yield Sender(pair)


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_a_peer_answers_amiss_may_pass(stopped: Sender, answer: str):
    with Misbehaving(stopped.b.port, ANSWERS[answer]), pytest.raises(Unavailable):
        stopped.home.peers.send(OTHER, b"{}", REGION)


@pytest.mark.parametrize("answer", [name for name, said in ANSWERS.items() if not said.startswith(b"HTTP/1.1 200")])
def test_what_a_peer_gives_instead_of_a_bundle_may_pass(stopped: Sender, answer: str):
    """The offer goes on waiting: never is a record rejected for what went wrong on the way."""
    with Misbehaving(stopped.b.port, ANSWERS[answer]), pytest.raises(Unavailable):
        list(stopped.home.peers.fetch(OTHER, str(uuid4())))


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "malformed"), (401, "untrusted"), (403, "unknown-origin"), (409, "log-forked"), (413, "too-large")],
)
def test_what_a_peer_refuses_for_good_is_told_as_it_said_it(stopped: Sender, status: int, code: str):
    answer = _http(f"{status} No", _problem(code, status))
    with Misbehaving(stopped.b.port, answer), pytest.raises(Told) as told:
        stopped.home.peers.send(OTHER, b"{}", REGION)
    assert told.value.detail == f"{code}: why"
    with Misbehaving(stopped.b.port, answer), pytest.raises(Unavailable):
        list(stopped.home.peers.fetch(OTHER, str(uuid4())))


def test_a_peer_that_is_busy_says_for_how_long(stopped: Sender):
    for said, seconds in (("7", 7), ("99999999", 900), ("soon", 1)):
        answer = _http("429 Too Many", _problem("busy", 429), f"retry-after: {said}")
        with Misbehaving(stopped.b.port, answer), pytest.raises(Busy) as told:
            stopped.home.peers.send(OTHER, b"{}", REGION)
        assert told.value.retry_after == seconds


def test_nobody_is_asked_whom_the_federation_does_not_name(stopped: Sender):
    with pytest.raises(Unavailable, match="820000 is no region of the installed federation"):
        stopped.home.peers.send("820000", b"{}", REGION)


def test_whoever_waits_for_a_peer_is_told_when_the_server_stops(stopped: Sender, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_peers, "_TIMEOUT", 3600)
    asking_ones = stopped.a.exchange_offline().peers

    def ask() -> None:
        with pytest.raises(Unavailable):
            asking_ones.send(OTHER, b"{}", REGION)

    with ExitStack() as stack:  # the peer does not hang up before all is over
        listening = stack.enter_context(socket.create_server(("127.0.0.1", stopped.b.port)))
        with threads(ask):
            connection = stack.enter_context(listening.accept()[0])
            said = b""
            while not said.endswith(b"\r\n\r\n{}"):
                said += connection.recv(65_536)
            asking_ones.close()
    with pytest.raises(Unavailable):
        asking_ones.send(OTHER, b"{}", REGION)


def test_an_answer_is_as_it_is_agreed_on(stopped: Sender):
    with Misbehaving(stopped.b.port, _http("200 OK", b'{"state":"done","position":4,"reason":""}')):
        assert stopped.home.peers.send(OTHER, b"{}", REGION).position == 4


def test_keys_that_do_not_hold_are_nobodys(stopped: Sender):
    """A peer's server shows keys of another log, or nothing of the kind."""
    stopped.pair.recognise(stopped.a, stopped.b)
    transfer = stopped.pair.request(stopped.a, stopped.b)
    own = stopped.home
    own.publisher.publish()
    own.node.step()
    assert stopped.a.state(transfer) == "offered"
    for body, error in ((b"{}", Invalid), (own.own_keys(), Untrusted)):
        with Misbehaving(stopped.b.port, _http("200 OK", body)), pytest.raises(error):
            own.authorise(asking(transfer), transfer)
