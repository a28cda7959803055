"""Sign-in: a challenge is signed once, by a key that is valid, for this server and one region."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from api.client.client import Client
from api.http import problems
from api.http.routes import sessions as routes
from api.http.sessions import Sessions, verify_answer
from ledger.crypto.keys import SigningKey
from ledger.errors import Untrusted
from ledger.ids import format_time, parse_time
from ledger.limits import SESSION_SECONDS, SIGN_IN_SECONDS
from tests.api.site import OTHER, Site, revoke, signed
from tests.integration.waiting import DEADLINE_SECONDS
from tests.integration.world import organisation
from tests.support.builders import AUTHORITY, GROUP, REGION, STATION, VOLUNTEER, signing_key

KEY = signing_key(STATION)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def sign_in(site: Site, issuer: str = STATION, number: int = 0) -> str:
    """A token."""
    answer = site.answer(site.challenge(issuer), signing_key(issuer, number))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def ask(site: Site, **headers: str) -> httpx2.Response:
    """A question that only somebody signed in is answered."""
    return site.http.get(site.path(f"organisations/{STATION}/totals"), headers=headers)


@pytest.fixture
def later(world):
    """Moves the clock of the server; it goes back after the test."""
    now = world.now

    def move(seconds: float) -> None:
        world.now = now + seconds

    yield move
    world.now = now


# -- from challenge to session ------------------------------------------------------------------------


@pytest.mark.parametrize("issuer", [AUTHORITY, STATION, GROUP, VOLUNTEER])
def test_a_challenge_answered_gives_a_token(site, world, issuer):
    text = site.challenge(issuer)
    header, named, origin, nonce, expiry, end = text.split("\n")
    assert (header, named, origin, end) == ("yongzhi.sign-in/1", issuer, site.origin, "")
    assert len(nonce) >= 22
    assert parse_time(expiry) == int(world.now) + SIGN_IN_SECONDS
    answer = site.answer(text, signing_key(issuer))
    assert answer.status_code == 201
    told = answer.json()
    expires = format_time(int(world.now) + SESSION_SECONDS)
    assert told == {"token": told["token"], "issuer": issuer, "region": REGION, "expires": expires}
    assert len(told["token"]) >= 32


def test_the_token_opens_what_is_the_issuers(site):
    assert ask(site, **bearer(sign_in(site))).status_code == 200
    assert ask(site, authorization=f"bEARER {sign_in(site)}").status_code == 200


def test_every_challenge_and_token_is_another(site):
    assert len({site.challenge(STATION) for _ in range(20)}) == 20
    assert len({sign_in(site) for _ in range(5)}) == 5


def test_any_valid_key_of_the_issuer_signs_in(site):
    assert ask(site, **bearer(sign_in(site, STATION, 1))).status_code == 200


def test_the_command_lines_client_signs_in(site):
    with Client(site.url) as client:
        client.sign_in(KEY, REGION)
        assert client.get(f"/v1/regions/{REGION}/organisations/{STATION}/totals")["id"] == STATION


def test_the_client_signs_no_challenge_of_another_server(site, monkeypatch):
    monkeypatch.setattr(site.app.state.sessions, "origin", "evil.example")
    with Client(site.url) as client, pytest.raises(Untrusted, match=r"evil\.example"):
        client.sign_in(KEY, REGION)


def test_unknown_issuers_get_a_challenge_too(site):
    """Who is known here is not told to just anybody."""
    assert site.challenge("volunteer:0199a1c2-0000-7000-8000-000000009999").startswith("yongzhi.sign-in/1\n")


# -- what is no answer --------------------------------------------------------------------------------


def replaced(number: int, value: str) -> Any:
    """The challenge's text with one line changed, signed by the station."""

    def change(text: str) -> str:
        lines = text.split("\n")
        assert lines[number] != value
        lines[number] = value
        return signed("\n".join(lines), KEY)

    return change


def tampered(text: str) -> str:
    note = signed(text, KEY)
    head, _, encoded = note.rstrip("\n").rpartition(" ")
    value = bytearray(base64.b64decode(encoded))
    value[-1] ^= 1
    return f"{head} {base64.b64encode(value).decode()}\n"


NO_ANSWERS = {
    "for another origin": replaced(2, "evil.example"),
    "of another issuer": replaced(1, GROUP),
    "with a nonce of its own": replaced(3, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    "with a longer life": replaced(4, "2099-01-01T00:00:00Z"),
    "a submission's note": replaced(0, "yongzhi.submission/1"),
    "with a line more": lambda text: signed(text + "more\n", KEY),
    "by an unknown key": lambda text: signed(text, signing_key(STATION, 9)),
    "by a key of somebody else": lambda text: signed(text, signing_key(GROUP)),
    "by the right and another key": lambda text: signed(text, KEY, signing_key(GROUP)),
    "by the same key twice": lambda text: signed(text, KEY, KEY),
    "with a changed signature": tampered,
    "by a key that only has its name": lambda text: signed(text, SigningKey(STATION, b"\7" * 32)),
}


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_another_note_does_not_sign_in(site, name):
    answer = site.send_note(NO_ANSWERS[name](site.challenge(STATION)))
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:yongzhi:problem:untrusted")
    assert "set-cookie" not in answer.headers


def test_a_challenge_is_answered_once(site):
    text = site.challenge(STATION)
    assert site.answer(text, KEY).status_code == 201
    assert site.answer(text, KEY).status_code == 401


def test_a_challenge_is_answered_once_also_at_once(site, monkeypatch):
    """All answers are verified before any of them opens a session."""
    verified = threading.Barrier(3)

    def verify(*arguments: Any) -> str:
        verified.wait(DEADLINE_SECONDS)
        return verify_answer(*arguments)

    monkeypatch.setattr(routes, "verify_answer", verify)
    text = site.challenge(STATION)
    with ThreadPoolExecutor(3) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: site.answer(text, KEY), range(3))]
    assert sorted(statuses) == [201, 401, 401]


@pytest.mark.parametrize(("seconds", "status"), [(SIGN_IN_SECONDS - 1, 201), (SIGN_IN_SECONDS, 401)])
def test_a_challenge_expires(site, later, seconds, status):
    text = site.challenge(STATION)
    later(seconds)
    assert site.answer(text, KEY).status_code == status


def test_the_key_of_another_regions_ledger_does_not_sign_in(site):
    name = organisation(9001)
    site.other.admit(name)
    assert site.answer(site.challenge(name), signing_key(name)).status_code == 401
    assert site.answer(site.challenge(name, OTHER), signing_key(name)).status_code == 201


def test_a_revoked_key_does_not_sign_in(site, world):
    name = organisation(9002)
    world.admit(name)
    revoke(world, name, issuer=name, by=1)
    assert site.answer(site.challenge(name), signing_key(name)).status_code == 401
    assert site.answer(site.challenge(name), signing_key(name, 1)).status_code == 201


@pytest.mark.parametrize(
    "note",
    [
        "",
        "x",
        "\n\n",
        "a\n\n— b AAAAAAAA\n",
        "\x00",
        "— " * 1000,
        "a\nb\nc\nd\ne\n\n— é AAAAAAAA\n",
    ],
    ids=range(7),
)
def test_what_is_no_note_is_no_answer(site, note):
    assert site.send_note(note).status_code in (400, 401)


SHAPES = {
    "no issuer": {"region": REGION},
    "no region": {"issuer": STATION},
    "a member more": {"issuer": STATION, "region": REGION, "more": 1},
    "an issuer that is none": {"issuer": "school:1", "region": REGION},
    "a bad social credit code": {"issuer": "org:51441300MJM000001Q", "region": REGION},
    "a number for an issuer": {"issuer": 1, "region": REGION},
    "an issuer of two lines": {"issuer": f"{STATION}\n{GROUP}", "region": REGION},
    "null": None,
    "a list": [],
    "a very long issuer": {"issuer": "org:" + "x" * 1000, "region": REGION},
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_malformed_question_for_a_challenge(site, name):
    answer = site.http.post("/v1/challenges", json=SHAPES[name])
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:yongzhi:problem:malformed")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[" * 30_000, b'{"a":' * 10_000, "{}".encode("utf-16")], ids=range(6)
)
@pytest.mark.parametrize("path", ["/v1/challenges", "/v1/sessions"])
def test_malformed_json(site, path, content):
    answer = site.http.post(path, content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:yongzhi:problem:malformed")


def test_a_challenge_of_a_region_that_is_not_served(site):
    assert site.http.post("/v1/challenges", json={"issuer": STATION, "region": "110000"}).status_code == 404


def test_challenges_that_nobody_answers_fill_no_memory(site):
    before = len(repr(vars(site.app.state.sessions)))
    for _ in range(100):
        site.challenge(STATION)
    assert len(repr(vars(site.app.state.sessions))) == before


def test_a_challenge_survives_no_restart(site, monkeypatch):
    """Nor is one server's good at another of the same name."""
    text = site.challenge(STATION)
    another = Sessions(site.origin)
    monkeypatch.setattr(site.app.state.sessions, "_secret", another._secret)
    assert site.answer(text, KEY).status_code == 401


# -- sessions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "status"), [(SESSION_SECONDS - 1, 200), (SESSION_SECONDS, 401)])
def test_a_session_expires(site, later, seconds, status):
    token = sign_in(site)
    later(seconds)
    assert ask(site, **bearer(token)).status_code == status


def test_signing_out_ends_the_session_and_no_other(site):
    one, two = sign_in(site), sign_in(site)
    assert site.http.delete("/v1/sessions", headers=bearer(one)).status_code == 204
    assert ask(site, **bearer(one)).status_code == 401
    assert ask(site, **bearer(two)).status_code == 200
    assert site.http.delete("/v1/sessions", headers=bearer(one)).status_code == 204


def test_signing_out_without_a_token(site):
    assert site.http.delete("/v1/sessions").status_code == 400


def test_revoking_a_key_ends_its_sessions(site, world):
    name = organisation(9003)
    world.admit(name)
    tokens = [sign_in(site, name, number) for number in (0, 1)]
    path = site.path(f"organisations/{name}/totals")
    assert [site.http.get(path, headers=bearer(token)).status_code for token in tokens] == [200, 200]
    revoke(world, name, issuer=AUTHORITY)
    assert [site.http.get(path, headers=bearer(token)).status_code for token in tokens] == [401, 200]


def test_a_token_is_good_for_one_region(site):
    token = sign_in(site)
    path = site.path(f"organisations/{STATION}/totals", OTHER)
    answer = site.http.get(path, headers=bearer(token))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:yongzhi:problem:forbidden")


def test_only_the_hash_of_a_token_is_kept(site):
    token = sign_in(site)
    kept = repr(site.app.state.sessions.__dict__)
    assert token not in kept


TOKENS = {
    "none": {},
    "no scheme": {"authorization": "x"},
    "another scheme": {"authorization": "Basic eDp5"},
    "nothing behind the scheme": {"authorization": "Bearer"},
    "an unknown token": {"authorization": "Bearer " + "A" * 43},
    "a very long token": {"authorization": "Bearer " + "A" * 20_000},
    "two tokens": {"authorization": "Bearer a b"},
    "an unknown cookie": {"cookie": "yongzhi_session=AAAA"},
    "another cookie": {"cookie": "session=AAAA"},
}


@pytest.mark.parametrize("name", TOKENS)
def test_without_a_token_that_is_known_one_is_asked_to_sign_in(site, name):
    answer = ask(site, **TOKENS[name])
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:yongzhi:problem:not-signed-in")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["authorization", "cookie"])
def test_a_token_that_is_not_ascii_is_malformed(site, header):
    prefix = {"authorization": "Bearer ", "cookie": "yongzhi_session="}[header]
    request = httpx2.Request(
        "GET",
        site.url + site.path(f"organisations/{STATION}/totals"),
        headers=[(header.encode(), prefix.encode() + b"\xe5\xbf\x97")],
    )
    assert site.http.send(request).status_code in (400, 401)


# -- cookies ------------------------------------------------------------------------------------------


def cookie_of(answer: httpx2.Response) -> tuple[str, set[str]]:
    value, *flags = answer.headers["set-cookie"].split("; ")
    return value, {flag.lower() for flag in flags}


def test_browsers_keep_the_token_in_a_cookie_that_scripts_cannot_read(site):
    answer = site.answer(site.challenge(STATION), KEY)
    value, flags = cookie_of(answer)
    assert value == f"yongzhi_session={answer.json()['token']}"
    assert flags == {"httponly", "samesite=strict", "path=/", f"max-age={SESSION_SECONDS}"}
    assert ask(site, cookie=value).status_code == 200


def test_the_cookie_is_secure_where_the_connection_is(site):
    """As a proxy on this machine tells it, the only one that is believed."""
    note = signed(site.challenge(STATION), KEY)
    answer = site.http.post("/v1/sessions", json={"note": note}, headers={"x-forwarded-proto": "https"})
    site.http.cookies.clear()
    assert "secure" in cookie_of(answer)[1]


def test_signing_out_takes_the_cookie_back(site):
    answer = site.http.delete("/v1/sessions", headers={"cookie": f"yongzhi_session={sign_in(site)}"})
    assert answer.status_code == 204
    value, flags = cookie_of(answer)
    assert value.startswith("yongzhi_session=")
    assert "max-age=0" in flags


def test_what_only_some_may_see_stays_out_of_caches(site):
    answers = [
        site.answer(site.challenge(STATION), KEY),
        ask(site, **bearer(sign_in(site))),
        ask(site),
        site.get(f"issuers/{VOLUNTEER}/keys", VOLUNTEER),
        site.get(f"volunteers/{VOLUNTEER}", VOLUNTEER),
    ]
    assert {answer.headers["cache-control"] for answer in answers} == {"no-store"}


# -- words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "chinese"),
    [("zh", True), ("zh-CN,zh;q=0.9,en;q=0.8", True), ("zh-Hant-HK", True), ("en", False), ("fr", False), ("", False)],
)
def test_titles_are_told_in_the_language_asked_for(site, language, chinese):
    answer = ask(site, **{"accept-language": language})
    kind = problems.KINDS[problems.NotSignedIn]
    assert answer.json()["title"] == (kind.title.zh if chinese else kind.title.en)


def test_titles_are_english_when_nobody_asks(site):
    request = httpx2.Request("GET", site.url + site.path(f"organisations/{STATION}/totals"))
    assert site.http.send(request).json()["title"] == "Sign in first"
