"""Submissions: sealed, packed, opened and verified; and all that is refused on the way."""

import base64
import json
from collections.abc import Sequence

import pytest

from ledger.errors import Invalid, Problem, Refused, TooLarge, Untrusted
from ledger.events import submission
from ledger.events.body import encode_event
from ledger.events.submission import Submission, open_submission, pack, seal
from ledger.limits import SUBMISSION_BYTES_MAX, SUBMISSION_EVENTS_MAX
from ledger.tlog import merkle, notes
from ledger.tlog.entries import commitment_to
from tests.support.builders import (
    ABSENT,
    AUTHORITY,
    GROUP,
    ORIGIN,
    REGION,
    STATION,
    VOLUNTEER,
    body,
    canonical,
    details,
    event_id,
    hours_bodies,
    knows,
    sealed,
    signing_key,
    vkey,
)

KEY = signing_key(STATION)
BODIES = hours_bodies(3)
NOTE = seal(BODIES, KEY, ORIGIN)
REQUEST = pack(NOTE, BODIES)
HOURS = "hours.recorded/1"


def opened(data: bytes) -> Submission:
    return open_submission(data, REGION, ORIGIN)


def problems(data: bytes) -> tuple[Problem, ...]:
    with pytest.raises(Refused) as caught:
        opened(data)
    return caught.value.problems


def note_problem(note: str, bodies: Sequence[bytes] = BODIES) -> str:
    """The code of the only problem, which lies in the note."""
    (problem,) = problems(pack(note, bodies))
    assert (problem.index, problem.id, problem.pointer) == (None, None, "/note")
    return problem.code


def root(bodies: Sequence[bytes]) -> str:
    return base64.b64encode(submission.root_of([commitment_to(one) for one in bodies])).decode()


# -- there and back -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 2, 1000])
def test_what_was_sealed_is_opened(number: int):
    bodies = hours_bodies(number)
    note = seal(bodies, KEY, ORIGIN)
    found = opened(pack(note, bodies))
    assert [one.body for one in found.events] == bodies
    assert [one.commitment for one in found.events] == [commitment_to(one) for one in bodies]
    assert [encode_event(one.event) for one in found.events] == bodies
    assert (found.note_text, found.issuer, found.key_id, found.private) == (note, STATION, KEY.id, {})
    found.verify(knows(KEY))


def test_the_note_says_who_where_how_many_and_what():
    text, _ = NOTE.split("\n\n")
    assert text.split("\n") == ["yongzhi.submission/1", STATION, ORIGIN, "3", root(BODIES)]


def test_the_tree_is_that_of_rfc_6962_over_hashes_of_bodies():
    a, b, c = (merkle.leaf_hash(commitment_to(one)) for one in BODIES)
    expected = merkle.node_hash(merkle.node_hash(a, b), c)
    assert root(BODIES) == base64.b64encode(expected).decode()


@pytest.mark.parametrize("number", [0, SUBMISSION_EVENTS_MAX + 1])
def test_none_and_too_many_are_not_sealed(number: int):
    with pytest.raises(Invalid):
        seal([b"{}"] * number, KEY, ORIGIN)


# -- the envelope ---------------------------------------------------------------------------------------


def envelope(**members: bytes) -> bytes:
    """A request written by hand: members in the order given, as the bytes given."""
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in members.items()) + b"}"


PRIVATE_OWNER = event_id()
PRIVATE = canonical({PRIVATE_OWNER: {"name": "测试员甲"}})
NOTE_JSON = json.dumps(NOTE).encode()
EVENTS_JSON = b"[" + b",".join(BODIES) + b"]"


@pytest.mark.parametrize(
    "data",
    [
        envelope(note=NOTE_JSON, events=EVENTS_JSON),
        envelope(events=EVENTS_JSON, note=NOTE_JSON),
        envelope(private=PRIVATE, note=NOTE_JSON, events=EVENTS_JSON),
        envelope(private=PRIVATE, events=EVENTS_JSON, note=NOTE_JSON),
        envelope(note=NOTE_JSON, private=PRIVATE, events=EVENTS_JSON),
        envelope(note=json.dumps(NOTE, ensure_ascii=False).encode(), events=EVENTS_JSON, private=PRIVATE),
        envelope(note=NOTE_JSON, events=b"\n[ " + b" ,\t".join(BODIES) + b"\r\n]", private=b" {} "),
        b"\n " + envelope(note=NOTE_JSON, events=EVENTS_JSON) + b"\n",
        # A body stands before itself: what is cut out to look for duplicate keys is not the body then.
        envelope(private=b'{"x":' + BODIES[1] + b"}", note=NOTE_JSON, events=EVENTS_JSON),
        envelope(note=NOTE_JSON, events=EVENTS_JSON).ljust(SUBMISSION_BYTES_MAX),
    ],
    ids=[
        "note first",
        "events first",
        "key order",
        "private first",
        "private between",
        "note not escaped",
        "white space between values",
        "white space around",
        "a body among the private details",
        "of the largest size",
    ],
)
def test_bodies_are_taken_verbatim_however_the_envelope_is_written(data: bytes):
    found = opened(data)
    assert [one.body for one in found.events] == BODIES
    found.verify(knows(KEY))


def test_private_details_are_taken_verbatim():
    written = b'{"name": "\\u6d4b",\n "x":1}'
    found = opened(
        envelope(private=b'{"%s":%s}' % (PRIVATE_OWNER.encode(), written), note=NOTE_JSON, events=EVENTS_JSON)
    )
    assert found.private == {PRIVATE_OWNER: written}
    assert opened(pack(NOTE, BODIES, {PRIVATE_OWNER: details()})).private == {PRIVATE_OWNER: details()}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        NOTE.encode(),
        envelope(note=NOTE_JSON),
        envelope(events=EVENTS_JSON),
        envelope(note=NOTE_JSON, events=b"[]"),
        envelope(note=NOTE_JSON, events=b"{}"),
        envelope(note=NOTE_JSON, events=BODIES[0]),
        envelope(note=b"null", events=EVENTS_JSON),
        envelope(note=NOTE_JSON, events=EVENTS_JSON, private=b"null"),
        envelope(note=NOTE_JSON, events=EVENTS_JSON, private=b"[]"),
        envelope(note=NOTE_JSON, events=EVENTS_JSON, region=b'"441300"'),
        envelope(note=NOTE_JSON, events=EVENTS_JSON)[:-1],
        envelope(note=NOTE_JSON, events=EVENTS_JSON) + b"{}",
        b"\xef\xbb\xbf" + REQUEST,
        REQUEST.decode().encode("utf-16-le"),
        envelope(note=NOTE_JSON, events=EVENTS_JSON, private=b"[" * 100_000 + b"]" * 100_000),
        envelope(note=NOTE_JSON, events=EVENTS_JSON, private=b'{"x":"\xff"}'),
        envelope(note=NOTE_JSON, events=EVENTS_JSON, private=b'{"x":1' + b"0" * 5000 + b"}"),
    ],
    ids=[
        "empty",
        "array",
        "null",
        "empty object",
        "a bare note",
        "no events member",
        "no note",
        "no events",
        "events no array",
        "one event, no array",
        "note no string",
        "private null",
        "private no object",
        "unknown member",
        "cut short",
        "trailing bytes",
        "byte order mark",
        "UTF-16",
        "deep",
        "invalid UTF-8",
        "long number",
    ],
)
def test_what_is_no_envelope_is_refused(data: bytes):
    with pytest.raises(Invalid):
        opened(data)


@pytest.mark.parametrize(
    "data",
    [
        envelope(note=NOTE_JSON, events=EVENTS_JSON)[:-1] + b',"note":%s}' % NOTE_JSON,
        envelope(note=b'"x"', events=EVENTS_JSON)[:-1] + b',"note":%s}' % NOTE_JSON,
        envelope(events=b"[%s]" % BODIES[0], note=NOTE_JSON)[:-1] + b',"events":%s}' % EVENTS_JSON,
        envelope(private=b"{}", note=NOTE_JSON, events=EVENTS_JSON)[:-1] + b',"private":{}}',
        envelope(private=b'{"x":{},"x":{}}', note=NOTE_JSON, events=EVENTS_JSON),
        envelope(private=b'{"x":{},"\\u0078":{}}', note=NOTE_JSON, events=EVENTS_JSON),
        envelope(private=b'{"x":{"name":"a","name":"b"}}', note=NOTE_JSON, events=EVENTS_JSON),
    ],
    ids=["note", "two notes", "events", "private", "id", "id, escaped", "detail"],
)
def test_a_duplicate_key_is_refused(data: bytes):
    with pytest.raises(Invalid):
        opened(data)


def test_over_the_limits():
    with pytest.raises(TooLarge):
        opened(REQUEST.ljust(SUBMISSION_BYTES_MAX + 1))
    with pytest.raises(TooLarge):
        opened(envelope(note=NOTE_JSON, events=b"[" + b",".join([b"0"] * (SUBMISSION_EVENTS_MAX + 1)) + b"]"))


def test_the_largest_submission():
    bodies = hours_bodies(SUBMISSION_EVENTS_MAX)
    opened(sealed(bodies)).verify(knows(KEY))


# -- the note -------------------------------------------------------------------------------------------


def signed(*lines: str, key=KEY) -> str:
    return notes.sign("".join(f"{one}\n" for one in lines), [key])


HEAD = (submission.HEADER, STATION, ORIGIN)
SIGN_IN = ("yongzhi.sign-in/1", STATION, "https://ledger.example", "bm9uY2U", "2026-11-01T12:10:10Z")
OTHER_KEY = signing_key(GROUP)


@pytest.mark.parametrize(
    ("note", "code"),
    [
        ("", "malformed"),
        ("text\n", "malformed"),
        (NOTE[:-1], "malformed"),
        (NOTE.replace("—", "–"), "malformed"),
        (signed(*SIGN_IN), "not-a-submission"),
        (signed(ORIGIN, "3", root(BODIES), key=signing_key(ORIGIN)), "not-a-submission"),
        (signed("yongzhi.submission/2", *HEAD[1:], "3", root(BODIES)), "not-a-submission"),
        (signed("YONGZHI.submission/1", *HEAD[1:], "3", root(BODIES)), "not-a-submission"),
        (signed(*HEAD, "3"), "malformed"),
        (signed(*HEAD, "3", root(BODIES), "more"), "malformed"),
        (signed(*HEAD, "3", root(BODIES), ""), "malformed"),
        (notes.sign(NOTE.split("\n\n")[0] + "\n", [KEY, signing_key(STATION, 1)]), "malformed"),
        (signed(*HEAD, "3", root(BODIES).rstrip("=")), "malformed"),
        (signed(*HEAD, "3", "*"), "malformed"),
        (signed(*HEAD, "+3", root(BODIES)), "malformed"),
        (signed(*HEAD, "03", root(BODIES)), "malformed"),
        (signed(*HEAD, "３", root(BODIES)), "malformed"),
        (signed(*HEAD, " 3", root(BODIES)), "malformed"),
        (signed(*HEAD, "3.0", root(BODIES)), "malformed"),
        (signed(*HEAD, "-3", root(BODIES)), "malformed"),
        (signed(*HEAD, "0", root(BODIES)), "malformed"),
        (signed(*HEAD, "9" * 5000, root(BODIES)), "malformed"),
        (signed(*HEAD, "2", root(BODIES)), "count-mismatch"),
        (signed(*HEAD, "4", root(BODIES)), "count-mismatch"),
        (signed(*HEAD, "3", root(BODIES[:2])), "root-mismatch"),
        (signed(*HEAD, "3", root(BODIES[::-1])), "root-mismatch"),
        (signed(*HEAD, "3", ""), "root-mismatch"),
        (signed(*HEAD, "3", base64.b64encode(merkle.EMPTY_ROOT).decode()), "root-mismatch"),
        (signed(*HEAD, "3", root(BODIES), key=OTHER_KEY), "wrong-issuer"),
        (signed(HEAD[0], GROUP, ORIGIN, "3", root(BODIES)), "wrong-issuer"),
        (seal(BODIES, KEY, "ledger.example/442000"), "wrong-origin"),
        (seal(BODIES, KEY, ORIGIN + "/"), "wrong-origin"),
        (seal(BODIES, KEY, ORIGIN.upper()), "wrong-origin"),
    ],
)
def test_a_note_is_refused(note: str, code: str):
    assert note_problem(note) == code


@pytest.mark.parametrize(
    "bodies",
    [BODIES[::-1], [*BODIES[:2], BODIES[1]], [*BODIES[:2], body(HOURS)]],
    ids=["another order", "one twice", "another event"],
)
def test_the_note_is_about_these_events_in_this_order(bodies: list[bytes]):
    codes = {problem.code for problem in problems(pack(NOTE, bodies))}
    assert codes <= {"root-mismatch", "duplicate-id"}


def test_a_root_without_leaf_hashes_is_refused():
    wrong = merkle.tree_root([commitment_to(one) for one in BODIES])
    assert note_problem(signed(*HEAD, "3", base64.b64encode(wrong).decode())) == "root-mismatch"


# -- the events -----------------------------------------------------------------------------------------


def test_all_problems_are_listed():
    ids = [event_id() for _ in range(8)]
    bodies = [
        body(HOURS, id=ids[0]),
        body(HOURS, id=ids[1], minutes=0),
        body(HOURS, id=ids[0], minutes=149),
        body(HOURS, id=ids[3], ledger="442000"),
        body(HOURS, id=ids[4], issuer=GROUP),
        body(HOURS, id=ids[5]).replace(b'"minutes":150', b'"minutes": 150'),
        body(HOURS, id=ids[6], extra=1),
        b"[]",
        body(HOURS, id=ids[7], issuer=GROUP, ledger="442000"),
        body(HOURS, id="x" * 37),
        body("hours.approved/1", id=ids[2], issuer=STATION),
    ]
    found = problems(pack(seal(bodies, KEY, ORIGIN), bodies))
    assert [(one.index, one.id, one.code, one.pointer) for one in found] == [
        (1, ids[1], "malformed", "/minutes"),
        (2, ids[0], "duplicate-id", "/id"),
        (3, ids[3], "wrong-ledger", "/ledger"),
        (4, ids[4], "wrong-issuer", "/issuer"),
        (5, ids[5], "malformed", ""),
        (6, ids[6], "malformed", "/extra"),
        (7, None, "malformed", ""),
        (8, ids[7], "wrong-issuer", "/issuer"),
        (8, ids[7], "wrong-ledger", "/ledger"),
        (9, None, "malformed", "/id"),
    ]
    assert all(one.detail for one in found)


@pytest.mark.parametrize(
    "data", [b"0", b'"text"', b"null", b"true", b'{"id":1}', b'{"id":[]}', b'{"note":1}', b'"note"']
)
def test_what_is_no_event_is_a_problem_of_its_own(data: bytes):
    bodies = [BODIES[0], data]
    (found,) = problems(pack(seal(bodies, KEY, ORIGIN), bodies))
    assert (found.index, found.id, found.code) == (1, None, "malformed")


# -- the signature --------------------------------------------------------------------------------------


def test_an_unknown_key_is_untrusted():
    for known in ((), (signing_key(STATION, 1),), (OTHER_KEY,)):
        with pytest.raises(Untrusted):
            opened(REQUEST).verify(knows(*known))


def test_another_key_than_the_one_asked_for_is_untrusted():
    with pytest.raises(Untrusted):
        opened(REQUEST).verify(lambda issuer, key_id: signing_key(STATION, 1).verifier)


@pytest.mark.parametrize("place", [4, 20, -1])
def test_a_tampered_signature_is_untrusted(place: int):
    text, line = NOTE.split("\n\n")
    *name, encoded = line.split(" ")
    value = bytearray(base64.b64decode(encoded))
    value[place] ^= 1
    found = opened(pack(f"{text}\n\n{' '.join(name)} {base64.b64encode(value).decode()}\n", BODIES))
    with pytest.raises(Untrusted):
        found.verify(knows(KEY))


def test_a_signature_over_other_events_is_untrusted():
    """The note is rewritten for other events, the signature is kept."""
    others = hours_bodies(3)
    found = opened(pack(NOTE.replace(root(BODIES), root(others)), others))
    with pytest.raises(Untrusted):
        found.verify(knows(KEY))


# -- keys that events bring with them -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "issuer"), [("region.established/1", AUTHORITY), ("volunteer.registered/1", VOLUNTEER)]
)
def test_a_first_event_brings_its_key(kind: str, issuer: str):
    opened(sealed([body(kind)], signing_key(issuer))).verify(knows())


def test_a_key_that_is_brought_must_have_signed():
    stranger = sealed([body("volunteer.registered/1")], signing_key(VOLUNTEER, 1))
    with pytest.raises(Untrusted):
        opened(stranger).verify(knows())
    # It may still be known: a registration can be sent again under a later key.
    opened(stranger).verify(knows(signing_key(VOLUNTEER, 1)))


def test_only_the_first_event_brings_a_key():
    late = [body("hours.approved/1"), body("volunteer.registered/1")]
    with pytest.raises(Untrusted):
        opened(sealed(late, signing_key(VOLUNTEER))).verify(knows())
    opened(sealed(late[::-1], signing_key(VOLUNTEER))).verify(knows())


def test_only_events_that_begin_their_issuer_bring_a_key():
    added = body("volunteer.key_added/1", key=vkey(VOLUNTEER))
    with pytest.raises(Untrusted):
        opened(sealed([added], signing_key(VOLUNTEER))).verify(knows())


@pytest.mark.parametrize("key", [vkey(VOLUNTEER), ABSENT], ids=["key", "no key"])
def test_a_station_does_not_sign_under_the_key_it_registers(key: object):
    consent = {"method": "form", "given": "2026-11-01T12:05:10+08:00", "reference": "档案 17"}
    registered = body("volunteer.registered/1", issuer=STATION, consent=consent, identity="A" * 43, key=key)
    with pytest.raises(Untrusted):
        opened(sealed([registered])).verify(knows())
    opened(sealed([registered])).verify(knows(KEY))
