"""Everything that must be refused, offered over HTTP: each is told by event and field, and nothing is written."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ledger.crypto.keys import SigningKey
from ledger.events import submission
from ledger.ids import format_time
from tests.api.site import Site, signed
from tests.integration.world import World, at, organisation, span, volunteer
from tests.support import builders
from tests.support.builders import (
    ABSENT,
    AUTHORITY,
    GROUP,
    ORIGIN,
    STATION,
    VOLUNTEER,
    canonical,
    event_id,
    signing_key,
)

Told = tuple[int | None, str, str]
"""Index, code and pointer of a problem."""
MALFORMED = "malformed"


@pytest.fixture(scope="module", autouse=True)
def people(site: Site) -> None:
    """What is here to be contradicted."""
    world = site.world
    for number in (SUSPENDED, DISSOLVED):
        world.admit(organisation(number))
        world.publish(organisation(number), activity_of(number))
    world.record("organisation.suspended/1", subject=organisation(SUSPENDED))
    world.record("organisation.dissolved/1", subject=organisation(DISSOLVED), successor=GROUP)
    world.record("hours.recorded/1", id=RECORDED, **span("09:00", "10:00"))
    world.enrol(DISCLAIMED)
    world.record("volunteer.disclaimed/1", issuer=DISCLAIMED, subject=DISCLAIMED, reference=ABSENT)


SUSPENDED, DISSOLVED = 8001, 8002
RECORDED = event_id(8001)
DISCLAIMED = volunteer(8001)


def activity_of(number: int) -> str:
    return f"0199a1c2-0000-7000-8000-{number:012x}"


def told(answer: Any) -> list[Told]:
    return [(one["index"], one["code"], one["pointer"]) for one in answer.json()["errors"]]


def good(world: World) -> bytes:
    return world.body("activity.published/1", subject=f"activity:{event_id()}")


# -- bodies that are no events ------------------------------------------------------------------------

HOURS = builders.fields("hours.recorded/1", id=event_id(8002), **span("06:00", "07:00"))
PLAIN = canonical(HOURS)
Spoil = Callable[[bytes], bytes]


def changed(old: str, new: str) -> Spoil:
    def spoil(body: bytes) -> bytes:
        assert old.encode() in body
        return body.replace(old.encode(), new.encode(), 1)

    return spoil


def with_members(**changes: Any) -> Spoil:
    return lambda body: canonical(
        {name: value for name, value in (json.loads(body) | changes).items() if value is not ABSENT}
    )


# What is done to a good body, and the field that the answer must name ("" where it concerns all of it).
BODIES: dict[str, tuple[Spoil, str]] = {
    "white space": (changed('","', '", "'), ""),
    "members in another order": (lambda body: json.dumps(dict(reversed(json.loads(body).items()))).encode(), ""),
    "an escape too many": (lambda body: json.dumps(json.loads(body), separators=(",", ":")).encode(), ""),
    "a solidus escaped": (changed("hours.recorded/1", "hours.recorded\\/1"), ""),
    "a duplicate key": (changed('"minutes":60', '"minutes":60,"minutes":60'), ""),
    "a duplicate key below": (changed('"region":"441302"', '"region":"441302","region":"441302"'), ""),
    "a whole number as a float": (changed('"minutes":60', '"minutes":60.0'), "/minutes"),
    "an exponent": (changed('"minutes":60', '"minutes":6e1'), "/minutes"),
    "a fraction": (changed('"minutes":60', '"minutes":59.5'), "/minutes"),
    "minus zero": (changed('"minutes":60', '"minutes":-0'), "/minutes"),
    "a number beyond 2^53": (changed('"minutes":60', '"minutes":9007199254740993'), "/minutes"),
    "a number without end": (changed('"minutes":60', '"minutes":1' + "0" * 5000), "/minutes"),
    "minutes as text": (with_members(minutes="60"), "/minutes"),
    "minutes true": (with_members(minutes=True), "/minutes"),
    "minutes null": (with_members(minutes=None), "/minutes"),
    "no minutes": (with_members(minutes=ABSENT), "/minutes"),
    "minus one minute": (with_members(minutes=-1), "/minutes"),
    "no time at all": (with_members(minutes=0), "/minutes"),
    "a minute too many": (with_members(minutes=61), "/minutes"),
    "an unknown field": (with_members(zeal=1), "/zeal"),
    "an unknown field below": (with_members(place={"name": "馆", "region": "441302", "zeal": 1}), "/place/zeal"),
    "an unknown type": (with_members(type="hours.imagined/1"), "/type"),
    "an unknown version": (with_members(type="hours.recorded/2"), "/type"),
    "no type": (with_members(type=ABSENT), "/type"),
    "an id in capitals": (with_members(id=str(HOURS["id"]).upper()), "/id"),
    "an id that is none": (with_members(id="1"), "/id"),
    "a time without a zone": (with_members(time="2026-11-01T12:00:00"), "/time"),
    "a time in parts of a second": (with_members(time="2026-11-01T12:00:00.5Z"), "/time"),
    "a day that never was": (with_members(time="2026-02-30T12:00:00Z"), "/time"),
    "a leap second": (with_members(time="2026-12-31T23:59:60Z"), "/time"),
    "an end before its start": (with_members(end=at("05:00")), "/end"),
    "a salt with trailing bits": (with_members(salt="mJ2o4VqS0m0f4m0Jw1x3Yh"), "/salt"),
    "a short salt": (with_members(salt="mJ2o4VqS0m0f4m0Jw1x3Y"), "/salt"),
    "a blank text": (with_members(content=" \u3000"), "/content"),
    "a long text": (with_members(content="x" * 2001), "/content"),
    "a category of its own": (with_members(category="gardening"), "/category"),
    "a place that is nowhere": (with_members(place={"name": "馆", "region": "449999"}), "/place/region"),
    "an issuer of no kind": (with_members(issuer="school:1"), "/issuer"),
    "a social credit code whose check character is wrong": (
        with_members(issuer="org:51441300MJM000001Q"),
        "/issuer",
    ),
    "not an object": (lambda body: b"[]", ""),
    "a text": (lambda body: b'"hours"', ""),
    "nested too deep": (with_members(place=json.loads("[" * 9 + "]" * 9)), "/place"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_event_is_refused(site, world, name):
    spoil, pointer = BODIES[name]
    body = spoil(PLAIN)
    with site.nothing_written():
        answer = site.post(builders.sealed([good(world), body]))
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert (problem["index"], problem["code"]) == (1, MALFORMED)
    assert problem["pointer"] == pointer
    assert problem["detail"]


# Inside a text of the second body.
HOSTILE = {
    "a control character, escaped": "\\u0007",
    "U+0000": "\\u0000",
    "a newline": "\\n",
    "DEL": "\x7f",
    "a C1 control": "\x85",
    "a right-to-left override": "\u202e",
    "a directional isolate": "\u2066",
    "an Arabic letter mark": "\u061c",
    "a character as two escapes": "\\ud842\\udfb7",
}
# With these, the whole request is not even JSON.
NOT_JSON = {
    "a control character, raw": "\x07",
    "half a character": "\\ud842",
    "two halves the wrong way round": "\\udfb7\\ud842",
    "an escape that is none": "\\x41",
}


def with_text(world: World, text: str) -> bytes:
    return raw_request(good(world), changed("陪诊、代购", f"陪诊{text}")(PLAIN))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused(site, world, text):
    with site.nothing_written():
        answer = site.post(with_text(world, text))
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert (problem["index"], problem["id"], problem["code"]) == (1, HOURS["id"], MALFORMED)
    assert "character" in problem["detail"]


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
def test_text_that_is_not_even_json_is_malformed(site, world, text):
    with site.nothing_written():
        answer = site.post(with_text(world, text))
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:yongzhi:problem:malformed")


def raw_request(*bodies: bytes) -> bytes:
    """A signed request whose bodies nobody looked at."""
    note = submission.seal(bodies, signing_key(STATION), ORIGIN)
    return b'{"note":' + json.dumps(note).encode() + b',"events":[' + b",".join(bodies) + b"]}"


UNUSUAL = ["𠮷野家", "e\u0301", "👩\u200d👧", "\ufeff志", "志\u200d愿", "\U0010ffff志", "\u2028志", '\\\\\\"志']


@pytest.mark.parametrize("text", UNUSUAL)
def test_unusual_text_comes_back_as_it_was(site, world, text):
    body = world.body("activity.published/1", subject=f"activity:{event_id()}", content="志愿").replace(
        '"content":"志愿"'.encode(), f'"content":"{text}"'.encode()
    )
    assert site.post(builders.sealed([body])).status_code == 201
    assert site.get(f"events/{json.loads(body)['id']}", STATION).content == body


# -- events that break a rule -------------------------------------------------------------------------


def hours(world: World, start: str, end: str, **changes: Any) -> bytes:
    return world.hours(start, end, **changes)


def ahead(seconds: int) -> Callable[[World], bytes]:
    def make(world: World) -> bytes:
        time = format_time(int(world.now) + seconds)
        return world.request(world.body("activity.published/1", subject=f"activity:{event_id()}", time=time))

    return make


def by(issuer: str, kind: str, /, **changes: Any) -> Callable[[World], bytes]:
    return lambda world: world.request(world.body(kind, issuer=issuer, **changes))


# A request, and what must be told of it.
RULES: dict[str, tuple[Callable[[World], bytes], list[Told]]] = {
    "a body for another ledger": (
        lambda world: world.request(world.hours("06:00", "07:00", ledger="442000")),
        [(0, "wrong-ledger", "/ledger")],
    ),
    "an issuer that may not issue that type": (
        by(STATION, "hours.decided/1", entry=RECORDED),
        [(0, "not-authorised", "/issuer")],
    ),
    "an organisation that admits another": (
        by(GROUP, "organisation.registered/1", subject=organisation(8100)),
        [(0, "not-authorised", "/issuer")],
    ),
    "a volunteer that records hours": (
        by(VOLUNTEER, "hours.recorded/1", **span("06:00", "07:00")),
        [(0, "not-authorised", "/issuer")],
    ),
    "an organisation that corrects another's entry": (
        by(GROUP, "hours.withdrawn/1", entry=RECORDED),
        [(0, "not-authorised", "/issuer")],
    ),
    "an activity of another organisation": (
        by(GROUP, "hours.recorded/1", **span("06:00", "07:00")),
        [(0, "unknown-activity", "/activity")],
    ),
    "an activity nobody published": (
        lambda world: world.request(world.hours("06:00", "07:00", activity=activity_of(8003))),
        [(0, "unknown-activity", "/activity")],
    ),
    "an entry outside the activity": (
        lambda world: world.request(world.hours("05:59", "07:00")),
        [(0, "outside-activity", "/start")],
    ),
    "an entry before its own end": (
        lambda world: world.request(world.hours("11:30", "12:30", time=at("12:10"))),
        [(0, "not-ended", "/end"), (0, "outside-activity", "/start")],
    ),
    "an entry made before its own end": (
        lambda world: world.request(world.hours("11:00", "12:00", time=at("11:30"))),
        [(0, "not-ended", "/end")],
    ),
    "an entry of tomorrow": (
        lambda world: world.request(
            world.body("hours.recorded/1", start=at("06:00", "2026-11-02"), end=at("07:00", "2026-11-02"), minutes=60)
        ),
        [(0, "not-ended", "/end"), (0, "outside-activity", "/start")],
    ),
    "an event of the future": (ahead(301), [(0, "time-ahead", "/time")]),
    "an overlap with an entry that is there": (
        lambda world: world.request(world.hours("09:59", "11:00")),
        [(0, "overlap", "/start")],
    ),
    "an overlap inside the submission": (
        lambda world: world.request(world.hours("06:00", "07:00"), world.hours("06:59", "08:00")),
        [(1, "overlap", "/start")],
    ),
    "a suspended organisation": (
        by(organisation(SUSPENDED), "hours.recorded/1", activity=activity_of(SUSPENDED), **span("06:00", "07:00")),
        [(0, "organisation-inactive", "/issuer")],
    ),
    "a dissolved organisation": (
        by(organisation(DISSOLVED), "hours.recorded/1", activity=activity_of(DISSOLVED), **span("06:00", "07:00")),
        [(0, "organisation-inactive", "/issuer")],
    ),
    "an unknown volunteer": (
        lambda world: world.request(world.hours("06:00", "07:00", subject=volunteer(8888))),
        [(0, "unknown-volunteer", "/subject")],
    ),
    "a volunteer who never agreed": (
        lambda world: world.request(world.hours("06:00", "07:00", subject=DISCLAIMED)),
        [(0, "record-frozen", "/subject")],
    ),
    "a bad social credit code": (
        lambda world: builders.sealed(
            [builders.body("organisation.registered/1", subject="org:51441300MJM000001Q")], signing_key(AUTHORITY)
        ),
        [(0, MALFORMED, "/subject")],
    ),
    "an id twice in a submission": (
        lambda world: world.request(*[world.hours("06:00", "07:00", id=event_id(8003))] * 2),
        [(1, "duplicate-id", "/id")],
    ),
    "a second region": (
        lambda world: world.request(
            world.body("region.established/1", log_key=builders.vkey(ORIGIN, 3), key=builders.vkey(AUTHORITY, 3)),
            by=signing_key(AUTHORITY, 3),
        ),
        [(0, "already-established", "/type")],
    ),
    "a key that was registered before": (
        by(STATION, "organisation.key_added/1", key=builders.vkey(STATION, 1)),
        [(0, "key-known", "/key")],
    ),
    "a key of another role": (
        by(STATION, "organisation.key_added/1", key=str(SigningKey(STATION, signing_key(ORIGIN).seed))),
        [(0, "key-known", "/key")],
    ),
    "private details of no event": (
        lambda world: world.request(good(world), private={event_id(8004): builders.details()}),
        [(None, "private-details", "/private")],
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_an_event_that_breaks_a_rule_is_refused(site, world, name):
    make, expected = RULES[name]
    request = make(world)
    with site.nothing_written():
        answer = site.post(request)
    assert answer.status_code == 422
    assert told(answer) == expected
    bodies = json.loads(request)["events"]
    for one in answer.json()["errors"]:
        assert one["detail"]
        assert one["index"] is None or one["id"] == bodies[one["index"]]["id"]


@pytest.mark.parametrize(
    "private", [{}, {"id_number": "E2"}, {"salt": "mJ2o4VqS0m0f4m0Jw1x3YQ"}, {"more": "x"}, {"name": ABSENT}], ids=str
)
def test_private_details_are_those_that_the_body_commits_to(site, world, private):
    body = world.body(
        "volunteer.registered/1",
        issuer=STATION,
        subject=volunteer(8200),
        consent={"method": "form", "given": builders.TIME, "reference": "档案"},
        key=ABSENT,
        identity=builders.identity(builders.details()),
    )
    beside = {json.loads(body)["id"]: builders.details(**private)} if private else None
    with site.nothing_written():
        answer = site.post(world.request(body, private=beside))
    assert answer.status_code == 422
    assert (0, "private-details", "/identity") in told(answer)


def test_every_bad_event_is_told(site, world):
    bodies = [
        world.hours("06:00", "07:00"),
        world.hours("06:30", "07:30", subject=volunteer(8888)),
        good(world),
        world.hours("09:30", "10:30", activity=activity_of(8003)),
    ]
    with site.nothing_written():
        answer = site.post(world.request(*bodies))
    assert told(answer) == [
        (1, "unknown-volunteer", "/subject"),
        (3, "unknown-activity", "/activity"),
        (3, "overlap", "/start"),
    ]


def test_every_body_that_is_no_event_is_told(site, world):
    bodies = [b"{}", good(world), PLAIN.replace(b'"minutes":60', b'"minutes":6e1')]
    with site.nothing_written():
        answer = site.post(builders.sealed(bodies))
    assert [(index, code) for index, code, _ in told(answer)] == [(0, MALFORMED), (2, MALFORMED)]
    assert [one["id"] for one in answer.json()["errors"]] == [None, HOURS["id"]]


def test_an_event_of_the_near_future_is_taken(site, world):
    """Clocks differ."""
    assert site.post(ahead(300)(world)).status_code == 201


# -- notes --------------------------------------------------------------------------------------------


def note_of(request: bytes) -> tuple[list[str], str]:
    """The lines of the text of a request's note, and its issuer."""
    lines = json.loads(request)["note"].partition("\n\n")[0].split("\n")
    return lines, lines[1]


def with_lines(change: Callable[[list[str]], list[str]], *keys: str) -> Callable[[World], bytes]:
    """A request whose note says otherwise, signed rightly by the issuer, or by those named."""

    def make(world: World) -> bytes:
        request = world.request(good(world))
        lines, issuer = note_of(request)
        text = "\n".join(change(lines)) + "\n"
        return canonical(json.loads(request) | {"note": signed(text, *map(signing_key, keys or [issuer]))})

    return make


def line(number: int, value: str | Callable[[str], str]) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        new = value(lines[number]) if callable(value) else value
        return [*lines[:number], new, *lines[number + 1 :]]

    return change


def sign_in_note(world: World) -> bytes:
    text = f"yongzhi.sign-in/1\n{STATION}\n{ORIGIN}\nnonce\n{at('13:00')}\n"
    return canonical(json.loads(world.request(good(world))) | {"note": signed(text, signing_key(STATION))})


def checkpoint_note(world: World) -> bytes:
    """A checkpoint, which the log key signed."""
    lines, _ = note_of(world.request(good(world)))
    text = f"{ORIGIN}\n{lines[3]}\n{lines[4]}\n"
    return canonical(json.loads(world.request(good(world))) | {"note": signed(text, signing_key(ORIGIN))})


def five_line_checkpoint(world: World) -> bytes:
    """A checkpoint with as many lines as a submission's note has."""
    lines, _ = note_of(world.request(good(world)))
    text = f"{ORIGIN}\n1\n{lines[4]}\nmore\nmore\n"
    return canonical(json.loads(world.request(good(world))) | {"note": signed(text, signing_key(ORIGIN))})


def events_of_another_issuer(world: World) -> bytes:
    return builders.sealed([good(world)], signing_key(GROUP))


def root_of_other_events(world: World) -> bytes:
    one, two = good(world), good(world)
    return canonical(json.loads(world.request(one)) | {"events": [json.loads(two)]})


def events_in_another_order(world: World) -> bytes:
    request = json.loads(world.request(good(world), good(world)))
    return canonical(request | {"events": request["events"][::-1]})


NOTES: dict[str, tuple[Callable[[World], bytes], list[str]]] = {
    "a sign-in note": (sign_in_note, ["not-a-submission"]),
    "a checkpoint": (checkpoint_note, ["not-a-submission"]),
    "a checkpoint of five lines": (five_line_checkpoint, ["not-a-submission"]),
    "another version": (with_lines(line(0, "yongzhi.submission/2")), ["not-a-submission"]),
    "the root of other events": (root_of_other_events, ["root-mismatch"]),
    "the events in another order": (events_in_another_order, ["root-mismatch"]),
    "a root that is no hash": (with_lines(line(4, "AAAA")), ["root-mismatch", MALFORMED]),
    "a root not written canonically": (with_lines(line(4, lambda root: root.rstrip("="))), [MALFORMED]),
    "one event more": (with_lines(line(3, "2")), ["count-mismatch"]),
    "no events": (with_lines(line(3, "0")), [MALFORMED]),
    "a count with a sign": (with_lines(line(3, "+1")), [MALFORMED]),
    "a count with a zero in front": (with_lines(line(3, "01")), [MALFORMED]),
    "a count in other digits": (with_lines(line(3, "１")), [MALFORMED]),
    "another log": (with_lines(line(2, "ledger.example/442000")), ["wrong-origin"]),
    "another issuer": (with_lines(line(1, GROUP)), ["wrong-issuer"]),
    "events of another issuer": (events_of_another_issuer, ["wrong-issuer"]),
    "a line more": (with_lines(lambda lines: [*lines, "more"]), [MALFORMED]),
    "a line less": (with_lines(lambda lines: lines[:4]), [MALFORMED]),
    "two signatures": (with_lines(lambda lines: lines, STATION, STATION), [MALFORMED]),
    "another's signature beside it": (with_lines(lambda lines: lines, STATION, ORIGIN), [MALFORMED]),
    "a control character": (with_lines(line(2, f"{ORIGIN}\x07")), [MALFORMED]),
    "a carriage return": (with_lines(lambda lines: [f"{one}\r" for one in lines]), [MALFORMED]),
}


@pytest.mark.parametrize("name", NOTES)
def test_a_note_that_is_not_over_these_events_is_refused(site, world, name):
    make, codes = NOTES[name]
    request = make(world)
    with site.nothing_written():
        answer = site.post(request)
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["code"] in codes
    assert problem["pointer"] == ("/issuer" if name == "events of another issuer" else "/note")


NOT_NOTES = {
    "nothing": "",
    "a newline": "\n",
    "a letter": "x",
    "no text": "\n\n— a b\n",
    "no signature": "x\n\n",
    "too many signatures": "x\n\n" + "— a AAAAAAAA\n" * 100,
    "too long": "x" * 17_000 + "\n\n— a AAAAAAAA\n",
}


@pytest.mark.parametrize("note", NOT_NOTES.values(), ids=NOT_NOTES)
def test_a_note_that_is_none_is_refused(site, world, note):
    request = canonical(json.loads(world.request(good(world))) | {"note": note})
    with site.nothing_written():
        answer = site.post(request)
    assert (answer.status_code, told(answer)) == (422, [(None, MALFORMED, "/note")])
