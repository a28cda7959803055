"""Evidence of another region's events: what is believed, and everything that is not."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from ledger.crypto.keys import VerifyingKey
from ledger.errors import Invalid, Untrusted
from ledger.events.body import decode_event
from ledger.evidence.evidence import Checker, Evidence, Forked, UnknownOrigin
from ledger.tlog import notes
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, ORIGIN, STATION, VOLUNTEER, signing_key, vkey
from tests.support.evidence import ENTRY, KEY_POSITIONS, REGION_KEY, SECOND, STATION_KEY, VOLUNTEER_KEY, PaperLog

OTHER = "ledger.example/442000"
STATION_KEY_2 = signing_key(STATION, 1)


@pytest.fixture(scope="module")
def paper() -> PaperLog:
    """A populated log, which no test extends."""
    return PaperLog().populate()


@pytest.fixture
def log() -> PaperLog:
    """A populated log to extend."""
    return PaperLog().populate()


def checker(*logs: PaperLog) -> Checker:
    trusted = {one.origin: [one.key.verifier] for one in logs}
    return Checker(lambda origin: trusted.get(origin, []))


def taught(log: PaperLog, *more: int) -> Checker:
    """A checker that learned the keys of a populated log, and the key events at those positions."""
    found = checker(log)
    found.learn(log.evidence(position) for position in (*KEY_POSITIONS, *more))
    return found


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


# -- what is believed -----------------------------------------------------------------------------------


def test_an_event_is_verified(paper):
    item = paper.evidence(ENTRY)
    found = taught(paper).check(item)
    assert (found.origin, found.position, found.recorded_at) == (ORIGIN, ENTRY, item.recorded_at)
    assert found.event == decode_event(paper.bodies[ENTRY])
    assert (found.body, found.entry, found.key_id) == (paper.bodies[ENTRY], paper.entries[ENTRY], STATION_KEY.id)
    assert item.entry == paper.entries[ENTRY]


def test_learning_answers_by_position_whatever_the_order(paper):
    items = [paper.evidence(position) for position in KEY_POSITIONS]
    for order in (items, items[::-1], items * 2):
        found = checker(paper).learn(iter(order))
        assert [one.position for one in found] == sorted(item.position for item in order)


def test_logs_are_learned_apart(paper):
    other = PaperLog(OTHER).populate()
    both = checker(paper, other)
    both.learn(paper.all()[:4])
    with pytest.raises(Untrusted, match="no event here adds key"):
        both.check(other.evidence(ENTRY))
    both.learn(other.all()[:4])
    assert both.check(other.evidence(ENTRY)).origin == OTHER


def test_a_smaller_tree_proves_as_well(paper):
    assert taught(paper).check(paper.evidence(ENTRY, size=ENTRY + 1)).position == ENTRY


@pytest.mark.parametrize("position", [0, 3])
def test_an_event_that_brings_its_key_needs_no_other(paper, position):
    assert checker(paper).check(paper.evidence(position)).position == position


def test_any_key_of_the_log_may_have_signed(paper):
    keys = [signing_key(ORIGIN, 1).verifier, paper.key.verifier]
    assert Checker(lambda _: keys).check(paper.evidence(0)).position == 0


def test_each_signature_is_verified_once(paper, monkeypatch):
    seen = []
    verify = VerifyingKey.verify

    def spy(key: VerifyingKey, signature: bytes, message: bytes) -> None:
        seen.append(signature)
        verify(key, signature, message)

    monkeypatch.setattr(VerifyingKey, "verify", spy)
    found = taught(paper)
    for _ in range(3):
        for item in paper.all():
            found.check(item)
    assert len(seen) == len(set(seen)) == 5  # one checkpoint and four submissions


# -- what is not ------------------------------------------------------------------------------------------


def spoil(**changes: Any) -> Callable[[Evidence], Evidence]:
    """Replace fields, by a value or by what a function makes of the present one."""

    def change(item: Evidence) -> Evidence:
        values = {name: value(getattr(item, name)) if callable(value) else value for name, value in changes.items()}
        return dataclasses.replace(item, **values)

    return change


def resigned(note: str) -> str:
    """The same text under another key of the same name."""
    found = notes.parse(note)
    return notes.sign(found.text, [signing_key(found.signatures[0].name, 7)])


SPOILED = {
    "body": spoil(body=lambda body: body.replace(b'"minutes":150', b'"minutes":149')),
    "body no event": spoil(body=b"{}"),
    "recorded_at": spoil(recorded_at=SECOND - 1),
    "recorded_at in the last second that can be written": spoil(recorded_at=253_402_300_799),
    "position": spoil(position=ENTRY + 1),
    "position beyond the tree": spoil(position=6),
    "index": spoil(index=1),
    "index out of range": spoil(index=2),
    "index far out of range": spoil(index=2**53 - 1),
    "note_path": spoil(note_path=lambda path: (flipped(path[0]), *path[1:])),
    "note_path too short": spoil(note_path=()),
    "note_path too long": spoil(note_path=lambda path: (*path, path[0])),
    "log_path": spoil(log_path=lambda path: (flipped(path[0]), *path[1:])),
    "log_path too short": spoil(log_path=lambda path: path[:-1]),
    "log_path too long": spoil(log_path=lambda path: (*path, path[0])),
    "log_path reversed": spoil(log_path=lambda path: path[::-1]),
    "note's count": spoil(note=lambda note: note.replace("\n2\n", "\n3\n")),
    "note signed by another": spoil(note=resigned),
    "note no note": spoil(note="yongzhi.submission/1\n"),
    "note a checkpoint": lambda item: spoil(note=item.checkpoint)(item),
    "note with control characters": spoil(note="\x00\u202e\n\n— x AAAA\n"),
    "note with a lone surrogate": spoil(note="\ud800\n\n— x AAAA\n"),
    "checkpoint's size": spoil(checkpoint=lambda note: note.replace("\n6\n", "\n5\n")),
    "checkpoint signed by another": spoil(checkpoint=resigned),
    "checkpoint no note": spoil(checkpoint=""),
    "checkpoint a submission": lambda item: spoil(checkpoint=item.note)(item),
    "checkpoint with a lone surrogate": spoil(checkpoint="\udfff"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_spoiled_evidence(paper, name):
    found = taught(paper)
    spoiled = SPOILED[name](paper.evidence(ENTRY))
    with pytest.raises((Untrusted, Invalid)) as refusal:
        found.check(spoiled)
    assert refusal.value.detail.startswith(f"position {spoiled.position} of '{ORIGIN}'")
    assert found.check(paper.evidence(ENTRY)).position == ENTRY  # and nothing of it sticks


def test_errors_name_the_event_once_it_was_read(paper):
    with pytest.raises(Untrusted, match=decode_event(paper.bodies[ENTRY]).id):
        checker(paper).check(paper.evidence(ENTRY))


@pytest.mark.parametrize("origin", [OTHER, "", "evil\u202eorigin", "\ud800", "x" * 10_000])
def test_an_origin_that_is_not_recognised(paper, origin):
    with pytest.raises(UnknownOrigin, match="not recognised") as refusal:
        taught(paper).check(dataclasses.replace(paper.evidence(ENTRY), origin=origin))
    assert refusal.value.code == "unknown-origin"
    assert len(refusal.value.detail) < 200


def test_a_log_under_the_origin_of_another(paper):
    """One recognised region cannot speak for another: not by its own checkpoint, nor by one that names the other."""
    other = PaperLog(OTHER).populate()
    found = checker(paper, other)
    for forged in (other, PaperLog(ORIGIN, signing_key(ORIGIN, 3)).populate()):
        with pytest.raises(Untrusted):
            found.check(dataclasses.replace(forged.evidence(0), origin=ORIGIN))
    key = signing_key(OTHER)
    liar = Checker(lambda origin: [key.verifier])  # keys that are named otherwise than the origin
    with pytest.raises(Untrusted, match="the checkpoint is of"):
        liar.check(dataclasses.replace(other.evidence(0), origin=ORIGIN))


def test_a_submission_to_another_log(log):
    position = log.submit(*builders.hours_bodies(1), origin=OTHER)
    with pytest.raises(Untrusted, match="addressed to the log"):
        taught(log).check(log.evidence(position))


def test_a_submission_by_another_issuer(log):
    position = log.submit(*builders.hours_bodies(1), by=REGION_KEY)
    with pytest.raises(Untrusted, match=f"by '{AUTHORITY}', the event by {STATION}"):
        taught(log).check(log.evidence(position))


def test_an_event_addressed_to_another_region(log):
    position = log.add("hours.recorded/1", STATION_KEY, ledger="442000")
    with pytest.raises(Untrusted, match="addressed to the ledger of 442000"):
        taught(log).check(log.evidence(position))


def test_a_log_that_signed_two_trees_of_one_size(paper):
    found = taught(paper)
    fork = PaperLog().populate()  # other event ids, the same keys
    with pytest.raises(Forked, match="two trees of 6") as refusal:
        found.check(fork.evidence(0))
    assert refusal.value.code == "log-forked"


# -- keys -------------------------------------------------------------------------------------------------


def test_a_key_that_nothing_adds(paper):
    found = checker(paper)
    found.learn([paper.evidence(0)])
    with pytest.raises(Untrusted, match=f"no event here adds key {STATION_KEY.id} of {STATION}"):
        found.check(paper.evidence(ENTRY))


def test_a_key_that_is_added_later(log):
    early = log.submit(*builders.hours_bodies(1), by=STATION_KEY_2)
    added = log.add("organisation.key_added/1", key=vkey(STATION, 1))
    late = log.submit(*builders.hours_bodies(1), by=STATION_KEY_2)
    found = taught(log, added)
    with pytest.raises(Untrusted, match=f"only added at position {added}"):
        found.check(log.evidence(early))
    assert found.check(log.evidence(late)).key_id == STATION_KEY_2.id


def test_another_history_does_not_get_by_at_the_very_position(log):
    """Of a log that shows one event at a position to some, and another to others, in trees of other sizes."""
    fork = copy.deepcopy(log)
    added = log.add("organisation.key_added/1", key=vkey(STATION, 1))
    assert fork.submit(*builders.hours_bodies(2), by=STATION_KEY_2) == added
    with pytest.raises(Untrusted, match="only added at position 6"):
        taught(log, added).check(fork.evidence(added))
    fork = copy.deepcopy(log)
    revoked = log.add("organisation.key_revoked/1", key_id=STATION_KEY.id, suspect_from=0)
    assert fork.submit(*builders.hours_bodies(2)) == revoked
    with pytest.raises(Untrusted, match="was revoked at position 7"):
        taught(log, revoked).check(fork.evidence(revoked))


def test_a_key_counts_from_where_it_was_first_added(log):
    again = log.add("organisation.key_added/1")
    found = checker(log)
    found.learn(log.evidence(position) for position in (0, 1, again))
    with pytest.raises(Untrusted, match="only added"):
        found.check(log.evidence(ENTRY))
    found.learn([log.evidence(2)])
    assert found.check(log.evidence(ENTRY)).position == ENTRY


def test_a_key_does_not_sign_the_event_that_adds_it(log):
    body = builders.body("organisation.key_added/1", issuer=STATION, key=vkey(STATION, 1))
    position = log.submit(body, by=STATION_KEY_2)
    with pytest.raises(Untrusted, match="no event here adds key"):
        taught(log, position)


def test_a_revoked_key(log):
    revoked = log.add("organisation.key_revoked/1", key_id=STATION_KEY.id, suspect_from=0)
    late = log.submit(*builders.hours_bodies(1))
    found = taught(log, revoked)
    with pytest.raises(Untrusted, match=f"was revoked at position {revoked}"):
        found.check(log.evidence(late))
    assert found.check(log.evidence(ENTRY)).position == ENTRY  # what it signed before stays


def test_a_key_may_revoke_itself_and_then_signs_no_more(log):
    added = log.add("organisation.key_added/1", key=vkey(STATION, 1))
    end = builders.body("organisation.key_revoked/1", key_id=STATION_KEY_2.id, suspect_from=0)
    after, again = builders.hours_bodies(1)[0], builders.body("organisation.key_revoked/1", key_id=STATION_KEY_2.id)
    position = log.submit(end, after, again, by=STATION_KEY_2)
    found = taught(log, added, position)
    assert found.check(log.evidence(position)).position == position
    for behind in (position + 1, position + 2):
        with pytest.raises(Untrusted, match="was revoked"):
            found.check(log.evidence(behind))


def test_a_revocation_told_too_late_shows_that_the_log_contradicts_itself(log):
    revoked = log.add("organisation.key_revoked/1", key_id=STATION_KEY.id, suspect_from=0)
    late = log.submit(*builders.hours_bodies(1))
    found = taught(log)
    found.check(log.evidence(late))
    with pytest.raises(Forked, match=f"signed position {late} after it was revoked"):
        found.learn([log.evidence(revoked)])


def test_a_revoked_key_does_not_come_back(log):
    revoked = log.add("organisation.key_revoked/1", key_id=STATION_KEY.id, suspect_from=0)
    again = log.add("organisation.key_added/1")
    late = log.submit(*builders.hours_bodies(1))
    with pytest.raises(Untrusted, match="was revoked"):
        taught(log, revoked, again).check(log.evidence(late))


def test_a_revocation_of_a_key_that_nothing_adds(log):
    position = log.add("organisation.key_revoked/1", key_id="0a1b2c3d", suspect_from=0)
    with pytest.raises(Untrusted, match="which this one revokes"):
        taught(log, position)
    early = log.add("organisation.key_revoked/1", key_id=STATION_KEY_2.id, suspect_from=0)
    added = log.add("organisation.key_added/1", key=vkey(STATION, 1))
    found = taught(log, added)
    with pytest.raises(Untrusted, match="which this one revokes"):
        found.learn([log.evidence(early)])


def test_only_the_first_event_of_a_submission_brings_its_key(log):
    other = "volunteer:0199a1c2-0000-7000-8000-00000000eeee"
    first = builders.body("hours.disputed/1", issuer=other, subject=other)
    second = builders.body("volunteer.registered/1", issuer=other, subject=other, key=vkey(other))
    position = log.submit(first, second, by=signing_key(other))
    with pytest.raises(Untrusted, match="no event here adds key"):
        taught(log).check(log.evidence(position + 1))


def test_what_follows_an_event_that_brings_its_key(log):
    other = "volunteer:0199a1c2-0000-7000-8000-00000000eeee"
    first = builders.body("volunteer.registered/1", issuer=other, subject=other, key=vkey(other))
    second = builders.body("hours.disputed/1", issuer=other, subject=other)
    position = log.submit(first, second, by=signing_key(other))
    assert taught(log, position).check(log.evidence(position + 1)).event.issuer == other


def test_a_visitor_brings_a_key(log):
    other = "volunteer:0199a1c2-0000-7000-8000-00000000eeee"
    position = log.add("volunteer.visiting/1", signing_key(other), subject=other, key=vkey(other))
    late = log.add("hours.disputed/1", signing_key(other), subject=other)
    assert taught(log, position).check(log.evidence(late)).event.issuer == other


def test_a_transfer_brings_the_volunteers_keys(log):
    early = log.add("hours.disputed/1", signing_key(VOLUNTEER, 1))
    accepted = log.add("transfer.accepted/1", keys=[vkey(VOLUNTEER, number) for number in (0, 1)])
    late = log.add("hours.disputed/1", signing_key(VOLUNTEER, 1))
    found = taught(log, accepted)
    assert found.check(log.evidence(late)).event.issuer == VOLUNTEER
    with pytest.raises(Untrusted, match=f"only added at position {accepted}"):
        found.check(log.evidence(early))


# -- who may add and revoke keys ------------------------------------------------------------------------------


def refused(log: PaperLog, position: int, match: str = "may not issue") -> None:
    with pytest.raises(Untrusted, match=match) as refusal:
        taught(log, position)
    assert refusal.value.detail.startswith(f"position {position} of")


def test_an_organisation_does_not_lend_itself_to_another(log):
    key = signing_key(GROUP, 5)
    refused(log, log.add("organisation.key_added/1", STATION_KEY, subject=GROUP, key=str(key.verifier)))


def test_an_organisation_does_not_speak_for_the_region(log):
    refused(log, log.add("region.key_added/1", STATION_KEY, key=vkey(AUTHORITY, 1)))
    refused(log, log.add("organisation.registered/1", STATION_KEY, subject=GROUP))


def test_a_station_does_not_accept_a_record(log):
    refused(log, log.add("transfer.accepted/1", STATION_KEY, keys=[vkey(VOLUNTEER, 1)]))


def test_a_volunteer_does_not_register_another(log):
    other = "volunteer:0199a1c2-0000-7000-8000-00000000eeee"
    refused(log, log.add("volunteer.key_added/1", VOLUNTEER_KEY, subject=other, key=vkey(other)))


def test_an_organisation_does_not_revoke_a_volunteers_key(log):
    refused(log, log.add("volunteer.key_revoked/1", STATION_KEY, subject=VOLUNTEER, key_id=VOLUNTEER_KEY.id))


def test_a_station_gives_a_volunteer_a_key(log):
    added = log.add("volunteer.key_added/1", STATION_KEY, key=vkey(VOLUNTEER, 1))
    late = log.add("hours.disputed/1", signing_key(VOLUNTEER, 1))
    assert taught(log, added).check(log.evidence(late)).event.issuer == VOLUNTEER


def test_a_region_is_established_at_the_beginning_of_its_own_log(log):
    members = {"origin": ORIGIN, "log_key": vkey(ORIGIN)}
    refused(log, log.add("region.established/1", **members))
    neighbour = "region:442000"
    for by, changes in (
        (REGION_KEY, {"origin": OTHER, "log_key": vkey(OTHER)}),
        (signing_key(neighbour), {**members, "subject": neighbour, "key": vkey(neighbour)}),
    ):
        elsewhere = PaperLog()
        elsewhere.add("region.established/1", by, **changes)
        with pytest.raises(Untrusted, match="may not issue"):
            checker(elsewhere).learn([elsewhere.evidence(0)])


def test_learning_what_is_not_about_keys(paper):
    with pytest.raises(Invalid, match="not an event about keys"):
        taught(paper, ENTRY)


# -- the form of evidence -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"position": -1},
        {"index": -1},
        {"recorded_at": -1},
        {"recorded_at": 2**64},
        {"position": 2**53},
        {"log_path": (b"short",)},
        {"note_path": (bytes(32),) * 65},
        {"log_path": (bytes(33),)},
    ],
    ids=str,
)
def test_what_is_no_evidence(paper, change):
    with pytest.raises(Invalid):
        dataclasses.replace(paper.evidence(ENTRY), **change)


def test_a_body_over_the_limit(log):
    position = log.submit(builders.body("hours.recorded/1", content="长" * 6000))
    with pytest.raises(Invalid, match="a body over"):
        taught(log).check(log.evidence(position))
