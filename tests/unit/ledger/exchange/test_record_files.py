"""Records as files: what holds, and everything that spoils one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Invalid, LedgerError, TooLarge, Untrusted
from ledger.events.body import decode_event
from ledger.evidence import misconduct, wire
from ledger.evidence.evidence import Evidence, UnknownOrigin
from ledger.evidence.misconduct import NotProven
from ledger.exchange.record_files import RecordFile, missing_from, open_file
from ledger.federation.trust_bundle import Trust
from tests.support import builders, issuing
from tests.support.builders import GROUP, ORIGIN, REGION, STATION, VOLUNTEER, canonical, signing_key
from tests.support.evidence import ENTRY, KEY_POSITIONS, PaperLog
from tests.support.records import SUM, Kept, root_of, two_entries

OTHER = "ledger.example/442000"
ALIAS = "volunteer:0199a1c2-0000-7000-8000-00000000b2b2"
TRUST = issuing.trust()


@pytest.fixture
def kept() -> Kept:
    return two_entries()


def opened(data: bytes, trust: Trust = TRUST) -> RecordFile:
    return open_file([data], trust)


def refused(data: bytes, match: str, kind: type[LedgerError] = Untrusted, trust: Trust = TRUST) -> None:
    with pytest.raises(kind, match=match):
        opened(data, trust)


# -- what holds -------------------------------------------------------------------------------------------


def test_a_record_is_whole(kept):
    found = opened(kept.file())
    assert [item for item, _ in found.record] == kept.items
    assert [one.position for _, one in found.support] == list(KEY_POSITIONS)
    assert (found.manifest.volunteer, found.manifest.region, found.manifest.origin) == (VOLUNTEER, REGION, ORIGIN)
    assert (found.manifest.events, found.manifest.entries, found.manifest.size) == (2, 2, 6)
    assert [(one.state, one.minutes) for one in found.manifest.sums] == [("contested", 150), ("counted", 150)]
    assert found.stated[1].position == 6
    assert found.manifest.log_keys == (str(kept.log.key.verifier),)


def test_it_is_read_in_pieces_of_any_size(kept):
    data = kept.file()
    whole = opened(data)
    for size in (1, 7, 1000):
        assert open_file((data[at : at + size] for at in range(0, len(data), size)), TRUST) == whole


def test_a_record_of_nothing(kept):
    kept.items, kept.sums = [], []
    assert opened(kept.file()).record == ()


def test_a_record_of_two_logs_and_two_ids():
    log, other = PaperLog().populate(), PaperLog(OTHER).populate()
    own = log.submit(builders.body("hours.recorded/1", subject=ALIAS))
    items = [other.evidence(ENTRY), log.evidence(own)]
    keys = [one.evidence(position) for one in (log, other) for position in KEY_POSITIONS]
    sums = [{**SUM, "state": state, "entries": 1, "minutes": 150} for state in ("contested", "counted")]
    found = opened(Kept(log, items, sums, keys, (ALIAS,)).file())
    assert [one.origin for _, one in found.record] == [OTHER, ORIGIN]
    assert found.manifest.ids == (VOLUNTEER, ALIAS)


# -- what does not: a home that lies ----------------------------------------------------------------------


def test_what_the_home_must_not_state(kept):
    stated: dict[str, dict[str, Any]] = {
        "events that were yet to come": {"size": 40},
        "not the 1 events": {"events": 1},
        "not the 2 events": {"root": root_of([])},
        "sums that the home stated": {"sums": [{**kept.sums[0], "minutes": 151}, kept.sums[1]]},
        "to the sums": {"entries": 3},
        "came later than what was stated": {"size": ENTRY + 1},
        "about": {"subject": ALIAS},
    }
    for match, changes in stated.items():
        evidence = kept.state(**changes)
        data = kept.file(evidence)
        if "subject" in changes:  # the manifest of it names the other person as well
            data = data.replace(b'"volunteer":"' + ALIAS.encode(), b'"volunteer":"' + VOLUNTEER.encode())
        refused(data, match)


def test_events_in_another_order(kept):
    stated = kept.state()
    kept.items.reverse()
    refused(kept.file(stated), "in their order")


def test_an_event_that_is_held_back(kept):
    stated = kept.state()
    kept.items.pop()
    refused(kept.file(stated), "not the 2 events")


def test_an_event_that_stands_there_twice(kept):
    kept.items[1] = kept.items[0]
    refused(kept.file(), "twice")


@pytest.mark.parametrize("position", [0, 3])
def test_an_event_of_another_kind(kept, position):
    kept.items[1] = kept.log.evidence(position)
    refused(kept.file(), "no event of this record")


def test_an_event_about_somebody_else(kept):
    kept.items[1] = kept.log.evidence(kept.log.submit(builders.body("hours.recorded/1", subject=ALIAS)))
    refused(kept.file(), "no event of this record")


def test_a_change_by_somebody_who_may_not(kept):
    for kind, changes in {
        "organisation.registered/1": {"subject": GROUP, "kind": "organisation"},
        "organisation.key_added/1": {"subject": GROUP, "key": builders.vkey(GROUP)},
    }.items():
        kept.keys.append(kept.log.evidence(kept.log.add(kind, **changes)))
    entry = decode_event(kept.items[0].body).id
    withdrawn = kept.log.add("hours.withdrawn/1", signing_key(GROUP), subject=VOLUNTEER, entry=entry)
    kept.items.append(kept.log.evidence(withdrawn))
    kept.keys = [kept.log.evidence(position) for position in (*KEY_POSITIONS, 6, 7)]
    kept.sums[1]["state"] = "withdrawn"
    refused(kept.file(), "may not change that entry")


def test_a_statement_by_another_issuer(kept):
    """A log that took what no rule admits."""
    members = {"size": 6, "events": 2, "root": root_of([one.entry for one in kept.items]), "entries": 2}
    body = builders.body("record.stated/1", issuer=STATION, sums=kept.sums, **members)
    refused(kept.file(kept.log.evidence(kept.log.submit(body))), f"by {STATION}")


def test_a_statement_for_another_region(kept):
    evidence = kept.state(ledger="442000")
    refused(kept.file(evidence), "addressed to the ledger of 442000")


# -- what does not: a file that was changed ----------------------------------------------------------------


def manifest(data: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The file with another manifest."""
    first, *rest = data.splitlines(keepends=True)
    members = json.loads(first)["manifest"]
    change(members)
    return b"".join([canonical({"manifest": members}) + b"\n", *rest])


def test_a_manifest_that_says_something_else(kept):
    data = kept.file()
    other = {"aliases": [ALIAS], "size": 5, "events": 3, "root": root_of([b""]), "entries": 1, "sums": []}
    for name, value in other.items():
        refused(manifest(data, lambda one: one.update({name: value})), "something else than the statement")  # noqa: B023
    refused(manifest(data, lambda one: one.update(volunteer=ALIAS)), f"about {VOLUNTEER}")
    refused(manifest(data, lambda one: one.update(origin=OTHER)), "by region:441300")
    refused(manifest(data, lambda one: one.update(region="442000")), "by region:441300")
    for member in ("kind", "stated", "log_keys"):
        refused(manifest(data, lambda one: one.pop(member)), "manifest of a record", Invalid)  # noqa: B023
    refused(manifest(data, lambda one: one.update(kind="yongzhi.transfer/1")), "manifest of a record", Invalid)
    refused(manifest(data, lambda one: one.update(more=1)), "manifest of a record", Invalid)
    refused(manifest(data, lambda one: one.update(stated={})), "message", Invalid)
    refused(manifest(data, lambda one: one.update(stated="x")), "message", Invalid)


def test_a_statement_that_is_none(kept):
    data = kept.file()
    for items, match, kind in (
        ([kept.items[0]], "statement is a hours.recorded/1", Untrusted),
        ([kept.state(), kept.items[0]], "one statement", Invalid),
    ):
        told = json.loads(wire.message(items))
        refused(manifest(data, lambda one: one.update(stated=told)), match, kind)  # noqa: B023


def test_another_statement_than_that_of_the_record(kept):
    """The home's true word about an earlier state of it."""
    kept.items.pop()
    kept.sums = [{**SUM, "entries": 1, "minutes": 150}]
    old = kept.state()
    kept.items = [kept.log.evidence(ENTRY), kept.log.evidence(ENTRY + 1)]
    refused(kept.file(old), "not the 1 events")


def lines_but(data: bytes, name: bytes, number: int = 0) -> bytes:
    """Without one of the lines of that name."""
    lines = data.splitlines(keepends=True)
    named = [at for at, line in enumerate(lines) if line.startswith(b'{"' + name)]
    return b"".join(line for at, line in enumerate(lines) if at != named[number])


def test_a_file_that_is_cut_or_mixed(kept):
    data = kept.file()
    for spoilt in (
        b"",
        data[:-1],
        data[: len(data) // 2],
        lines_but(data, b"end"),
        lines_but(data, b"manifest"),
        lines_but(data, b"key"),
        lines_but(data, b"event"),
        data + data,
        data.replace(b'{"end"', b'{"private":"AAAA"}\n{"end"'),
    ):
        with pytest.raises(Invalid):
            opened(spoilt)


def test_key_events_that_are_missing(kept):
    stated = kept.state()
    kept.keys = [kept.log.evidence(position) for position in KEY_POSITIONS if position != 2]
    refused(kept.file(stated), "no event here adds key")


def test_a_change_of_a_body(kept):
    data = kept.file()
    refused(data.replace(b'"minutes":150,"place"', b'"minutes":149,"place"'), "position")


# -- whom to believe --------------------------------------------------------------------------------------


def test_the_keys_that_the_file_names_prove_nothing(kept):
    data = kept.file()
    refused(data, "not recognised", UnknownOrigin, issuing.trust(issuing.neighbour()))
    stranger = signing_key(ORIGIN, 5)
    lying = PaperLog(ORIGIN, stranger).populate()
    lie = Kept(lying, [lying.evidence(ENTRY)], [{**SUM, "entries": 1, "minutes": 150}])
    lie.log_keys = (stranger.verifier,)
    refused(lie.file(), "no signature by key")


def test_what_was_signed_after_a_log_ended(kept):
    """Whoever still has the key of a closed log can append nothing."""
    stated = kept.state()

    def ended(size: int) -> Trust:
        final = tuple(kept.log.checkpoint(size).removesuffix("\n").split("\n"))
        return issuing.trust(issuing.region(closed="2026-11-20T00:00:00+08:00", final=final))

    assert opened(kept.file(stated), ended(7)).manifest.events == 2
    refused(kept.file(stated), "ended with 6 events", trust=ended(6))


# -- what is missing --------------------------------------------------------------------------------------


def receipt(item: Evidence) -> str:
    return misconduct.show(item).receipt


def test_what_a_volunteer_kept_proves_that_it_was_left_out(kept):
    missing = kept.items.pop()
    kept.sums = [{**SUM, "entries": 1, "minutes": 150}]
    found = opened(kept.file())
    data = missing_from(found, missing.body, receipt(missing), TRUST)
    proven = misconduct.check(data, TRUST.log_keys)
    assert (proven.kind, proven.against, proven.facts["position"]) == ("left-out", (ORIGIN,), ENTRY + 1)


def test_what_is_not_missing(kept):
    found = opened(kept.file())
    item = kept.items[0]
    later = kept.log.evidence(kept.log.submit(builders.body("hours.recorded/1")))
    for one, match in ((item, "is in the list"), (later, "came later"), (kept.log.evidence(3), "belongs to no record")):
        with pytest.raises(NotProven, match=match):
            missing_from(found, one.body, receipt(one), TRUST)
    for body, text in ((item.body, receipt(later)), (b"{}", receipt(item)), (b"", ""), (b"x", receipt(item))):
        with pytest.raises((Invalid, Untrusted)):
            missing_from(found, body, text, TRUST)


# -- anything else ----------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_anything_else_is_refused_as_ours(chunks):
    with pytest.raises((Invalid, TooLarge)):
        open_file(chunks, TRUST)


def test_a_manifest_is_canonical(kept):
    data = kept.file()
    first = data.splitlines()[0]
    with pytest.raises(Invalid):
        opened(data.replace(first, first.replace(b'"kind":', b'"kind": ', 1)))
