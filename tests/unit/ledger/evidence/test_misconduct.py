"""Evidence of misconduct: what is proven by it, and what only looks as if it were."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ledger.errors import Invalid, TooLarge, Untrusted
from ledger.evidence import misconduct
from ledger.evidence.evidence import Evidence, Keys, UnknownOrigin
from ledger.evidence.misconduct import (
    Finding,
    NotProven,
    check,
    forked,
    key_left_out,
    left_out,
    show,
    two_acceptances,
    two_offers,
)
from ledger.evidence.misconduct_form import Shown
from ledger.tlog import merkle, notes
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.receipt import Receipt, check_receipt
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, ORIGIN, STATION, VOLUNTEER, canonical, signing_key, vkey
from tests.support.evidence import ENTRY, KEY_POSITIONS, REGION_KEY, STATION_KEY, PaperLog

OTHER = "ledger.example/442000"
ALIAS = "volunteer:0199a1c2-0000-7000-8000-00000000b2b2"
SOMEBODY = "volunteer:0199a1c2-0000-7000-8000-00000000b3b3"


def trusting(*logs: PaperLog) -> Keys:
    trusted = {one.origin: [one.key.verifier] for one in logs}
    return lambda origin: trusted.get(origin, [])


@pytest.fixture
def log() -> PaperLog:
    return PaperLog().populate()


@pytest.fixture
def other() -> PaperLog:
    return PaperLog(OTHER).populate()


def not_proven(data: bytes, *logs: PaperLog, match: str) -> None:
    with pytest.raises(NotProven, match=match):
        check(data, trusting(*logs))


def root_of(entries: Sequence[bytes]) -> str:
    root = merkle.tree_root([merkle.leaf_hash(entry) for entry in entries])
    return base64.urlsafe_b64encode(root).decode().rstrip("=")


# -- a log of two histories -------------------------------------------------------------------------------


def signed_tree(size: int, root: bytes, origin: str = ORIGIN, number: int = 0) -> str:
    return notes.sign(Checkpoint(origin, size, root).text(), [signing_key(origin, number)])


ONE, TWO = b"1" * 32, b"2" * 32


def test_two_trees_of_one_size_are_a_fork(log):
    found = check(forked(signed_tree(9, ONE), signed_tree(9, TWO)), trusting(log))
    assert found == Finding(kind="forked-log", against=(ORIGIN,), facts={"size": 9})


def test_what_is_no_fork(log, other):
    not_proven(forked(signed_tree(9, ONE), signed_tree(9, ONE)), log, match="one tree")
    not_proven(forked(signed_tree(9, ONE), signed_tree(8, TWO)), log, match="two sizes")
    not_proven(forked(signed_tree(9, ONE), signed_tree(9, TWO, OTHER)), log, other, match="two logs")


def test_a_fork_under_another_key_is_none(log):
    for pair in [(0, 1), (1, 0), (1, 1)]:
        data = forked(signed_tree(9, ONE, number=pair[0]), signed_tree(9, TWO, number=pair[1]))
        with pytest.raises(Untrusted, match="no signature by key"):
            check(data, trusting(log))
    with pytest.raises(UnknownOrigin):
        check(forked(signed_tree(9, ONE), signed_tree(9, TWO)), trusting())


def test_a_log_with_two_keys_forks_by_either():
    keys = [signing_key(ORIGIN, number).verifier for number in (0, 1)]
    data = forked(signed_tree(9, ONE), signed_tree(9, TWO, number=1))
    assert check(data, lambda _: keys).kind == "forked-log"


# -- two offers, two acceptances --------------------------------------------------------------------------


def offered(log: PaperLog, **changes: Any) -> Evidence:
    return log.evidence(log.add("transfer.offered/1", **changes))


def accepted(log: PaperLog, **changes: Any) -> Evidence:
    return log.evidence(log.add("transfer.accepted/1", **changes))


def test_two_offers_of_one_number(log):
    data = two_offers(offered(log), offered(log, to="820000", to_origin="ledger.mo/820000"))
    facts: dict[str, str | int] = {
        "volunteer": VOLUNTEER,
        "epoch": 1,
        "position": 6,
        "other_position": 7,
        "to": "442000",
    }
    assert check(data, trusting(log)) == Finding(
        kind="two-offers", against=(ORIGIN,), facts={**facts, "other_to": "820000"}
    )


def test_what_is_not_offered_twice(log, other):
    one = offered(log)
    not_proven(two_offers(one, one), log, match="same event twice")
    not_proven(two_offers(one, log.evidence(one.position, size=7)), log, match="same event twice")
    not_proven(two_offers(one, offered(log, epoch=2)), log, match="two numbers")
    not_proven(two_offers(one, offered(log, volunteer=SOMEBODY)), log, match="two volunteers")
    not_proven(two_offers(one, offered(other)), log, other, match="two logs")
    not_proven(two_offers(one, accepted(log)), log, match="not two offers")


def test_two_homes_by_one_move(log, other):
    data = two_acceptances(accepted(log), accepted(other, ledger="442000"))
    found = check(data, trusting(log, other))
    assert (found.kind, found.against) == ("two-acceptances", (ORIGIN, OTHER))
    assert (found.facts["region"], found.facts["other_region"]) == ("441300", "442000")
    again = check(two_acceptances(accepted(log), accepted(log)), trusting(log))
    assert again.against == (ORIGIN,)


def test_what_is_not_accepted_twice(log, other):
    one = accepted(log)
    not_proven(two_acceptances(one, one), log, match="same event twice")
    not_proven(two_acceptances(one, accepted(other, epoch=2)), log, other, match="two numbers")
    not_proven(two_acceptances(one, accepted(other, volunteer=SOMEBODY, keys=[])), log, other, match="two volunteers")
    not_proven(two_acceptances(one, offered(log)), log, match="not two acceptances")
    with pytest.raises(UnknownOrigin):
        check(two_acceptances(one, accepted(other)), trusting(log))


# -- an event that is left out ----------------------------------------------------------------------------


def listing(log: PaperLog, positions: Sequence[int], kind: str = "record.stated/1", **changes: Any) -> Evidence:
    """A statement that lists the events at these positions as the record."""
    entries = [log.entries[position] for position in positions]
    members = {"size": len(log.entries), "events": len(entries), "root": root_of(entries), **changes}
    return log.evidence(log.add(kind, **members))


def test_an_entry_that_is_left_out(log):
    statement = listing(log, [ENTRY])
    found = check(left_out(statement, [log.entries[ENTRY]], log.evidence(ENTRY + 1)), trusting(log))
    assert (found.kind, found.against) == ("left-out", (ORIGIN,))
    facts = {"statement": "record.stated/1", "stated": 6, "size": 6, "volunteer": VOLUNTEER, "position": 5}
    assert found.facts == {**facts, "type": "hours.recorded/1", "subject": VOLUNTEER}


def test_the_events_of_every_id_count(log):
    position = log.submit(builders.body("hours.recorded/1", subject=ALIAS))
    for kind in ("transfer.offered/1", "record.stated/1"):
        statement = listing(log, [ENTRY], kind, aliases=[ALIAS])
        found = check(left_out(statement, [log.entries[ENTRY]], log.evidence(position)), trusting(log))
        assert (found.facts["subject"], found.facts["volunteer"]) == (ALIAS, VOLUNTEER)
    statement = listing(log, [ENTRY])
    not_proven(left_out(statement, [log.entries[ENTRY]], log.evidence(position)), log, match="somebody else")


def received(log: PaperLog, event: Evidence, **changes: Any) -> Evidence:
    entry = base64.urlsafe_b64encode(event.entry).decode().rstrip("=")
    cited = {"origin": event.origin, "position": event.position, "entry": entry}
    return log.evidence(log.add("entry.received/1", event=cited, **changes))


def test_an_event_of_another_log_that_was_received_is_left_out(log, other):
    acknowledged = received(log, other.evidence(ENTRY))
    statement = listing(log, [ENTRY])
    data = left_out(statement, [log.entries[ENTRY]], acknowledged)
    assert check(data, trusting(log)).facts["type"] == "entry.received/1"


def test_an_event_of_another_log_that_is_listed_is_not_left_out(log, other):
    acknowledged, entries = received(log, other.evidence(ENTRY)), [log.entries[ENTRY], other.entries[ENTRY]]
    statement = listing(log, [ENTRY], events=2, root=root_of(entries))
    not_proven(left_out(statement, entries, acknowledged), log, match="is in the list")


def test_what_is_not_left_out(log, other):
    entries = [log.entries[ENTRY], log.entries[ENTRY + 1]]
    statement = listing(log, [ENTRY, ENTRY + 1])
    later = log.evidence(log.submit(builders.body("hours.recorded/1")))
    cases = {
        "is in the list": (statement, entries, log.evidence(ENTRY + 1)),
        "came later": (statement, entries, later),
        "not the one that was signed": (statement, entries[:1], log.evidence(ENTRY + 1)),
        "not the one that": (statement, entries[::-1], log.evidence(ENTRY + 1)),
        "belongs to no record": (statement, entries, log.evidence(3)),
        "another log": (statement, entries, other.evidence(ENTRY)),
        "does not state": (log.evidence(ENTRY), entries, log.evidence(ENTRY + 1)),
    }
    for match, (said, listed, missing) in cases.items():
        not_proven(left_out(said, listed, missing), log, other, match=match)


def test_nobody_else_s_event_is_missing(log):
    position = log.submit(builders.body("hours.recorded/1", subject=SOMEBODY))
    statement = listing(log, [ENTRY])
    not_proven(left_out(statement, [log.entries[ENTRY]], log.evidence(position)), log, match="somebody else")


# -- a key event that is left out -------------------------------------------------------------------------


def offer_of_keys(log: PaperLog, positions: Sequence[int], record: Sequence[int] = (ENTRY,)) -> Evidence:
    keys = [log.entries[position] for position in positions]
    return listing(log, record, "transfer.offered/1", key_events=len(keys), key_root=root_of(keys))


def entries_at(log: PaperLog, positions: Sequence[int]) -> list[bytes]:
    return [log.entries[position] for position in positions]


def test_a_revocation_of_who_signed_the_record_is_left_out(log):
    revoked = log.add("organisation.key_revoked/1", STATION_KEY, subject=STATION, key_id=STATION_KEY.id, suspect_from=0)
    offer = offer_of_keys(log, KEY_POSITIONS)
    keys, record = entries_at(log, KEY_POSITIONS), entries_at(log, [ENTRY])
    data = key_left_out(offer, keys, log.evidence(revoked), record, log.evidence(ENTRY))
    found = check(data, trusting(log))
    assert (found.kind, found.against, found.facts["subject"]) == ("key-left-out", (ORIGIN,), STATION)
    not_proven(key_left_out(offer, keys, log.evidence(revoked)), log, match="nothing shows")
    stranger = log.evidence(3)
    not_proven(key_left_out(offer, keys, log.evidence(revoked), record, stranger), log, match="is not an event of the")
    unlisted = log.evidence(ENTRY + 1)  # by the station, and no part of the record
    not_proven(key_left_out(offer, keys, log.evidence(revoked), record, unlisted), log, match="is not an event of the")
    short = key_left_out(offer, keys, log.evidence(revoked), [], log.evidence(ENTRY))
    not_proven(short, log, match="not the one that was signed")


@pytest.mark.parametrize("position", [0, 3])
def test_keys_of_the_region_and_the_volunteer_belong_in_any_offer(log, position):
    kept = [one for one in KEY_POSITIONS if one != position]
    data = key_left_out(offer_of_keys(log, kept), entries_at(log, kept), log.evidence(position))
    assert check(data, trusting(log)).facts["position"] == position


def test_what_is_no_key_left_out(log, other):
    keys = entries_at(log, KEY_POSITIONS)
    offer = offer_of_keys(log, KEY_POSITIONS)
    later = log.evidence(log.add("volunteer.key_added/1", signing_key(VOLUNTEER)))
    cases = {
        "is in the list": (offer, keys, log.evidence(3)),
        "came later": (offer, keys, later),
        "not the one that was signed": (offer, keys[:3], log.evidence(3)),
        "is not about keys": (offer, keys, log.evidence(ENTRY)),
        "another log": (offer, keys, other.evidence(3)),
        "only an offer": (listing(log, [ENTRY]), keys, log.evidence(3)),
    }
    for match, (said, listed, missing) in cases.items():
        not_proven(key_left_out(said, listed, missing), log, other, match=match)


def test_nobody_else_s_key_is_missing(log):
    added = log.add("organisation.key_added/1", subject=GROUP, key=vkey(GROUP))
    offer = offer_of_keys(log, KEY_POSITIONS)
    keys, record = entries_at(log, KEY_POSITIONS), entries_at(log, [ENTRY])
    data = key_left_out(offer, keys, log.evidence(added), record, log.evidence(ENTRY))
    not_proven(data, log, match=f"not an event of the record by {GROUP}")


# -- files ------------------------------------------------------------------------------------------------


def test_a_receipt_is_made_of_evidence(log):
    item = log.evidence(ENTRY)
    receipt = check_receipt(show(item).receipt, item.body, log.key.verifier)
    root = merkle.tree_root([merkle.leaf_hash(entry) for entry in log.entries])
    assert receipt == Receipt(ENTRY, item.recorded_at, Checkpoint(ORIGIN, 6, root))


def test_a_receipt_that_a_volunteer_kept_will_do(log):
    statement = listing(log, [ENTRY])
    kept = Shown(body=Raw(log.bodies[ENTRY + 1]), receipt=show(log.evidence(ENTRY + 1)).receipt)
    assert check(left_out(statement, [log.entries[ENTRY]], kept), trusting(log)).kind == "left-out"


def every(log: PaperLog) -> list[bytes]:
    """A file of each kind, each proving something."""
    kept = [0, 1, 3]
    statement, offer, keys = listing(log, [ENTRY]), offer_of_keys(log, kept), entries_at(log, kept)
    return [
        forked(signed_tree(9, ONE), signed_tree(9, TWO)),
        two_offers(offered(log), offered(log)),
        two_acceptances(accepted(log), accepted(log)),
        left_out(statement, [log.entries[ENTRY]], log.evidence(ENTRY + 1)),
        key_left_out(offer, keys, log.evidence(2), entries_at(log, [ENTRY]), log.evidence(ENTRY)),
    ]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the texts and numbers of a JSON value are."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [place for name, one in items for place in leaves(one, (*path, name))]
    return [path]


def altered(data: bytes, path: tuple[Any, ...], change: Callable[[Any], Any]) -> bytes:
    value = json.loads(data)
    place = value
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = change(place[path[-1]])
    return canonical(value)


def spoilt(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    middle = len(value) // 2
    return value[:middle] + ("B" if value[middle] == "A" else "A") + value[middle + 1 :]


def test_nothing_in_a_file_may_be_changed(log):
    for data in every(log):
        assert check(data, trusting(log)).against == (ORIGIN,)
        for path in leaves(json.loads(data)):
            with pytest.raises((Invalid, Untrusted)):
                check(altered(data, path, spoilt), trusting(log))


def test_every_signature_is_looked_at(log):
    for data in every(log):
        with pytest.raises(UnknownOrigin):
            check(data, trusting())
        with pytest.raises(Untrusted, match="no signature by key"):
            check(data, lambda _: [signing_key(ORIGIN, 3).verifier])


def test_what_is_no_file(log):
    good = every(log)[0]
    for data in (
        b"",
        b"{}",
        b"[]",
        b'{"kind":"yongzhi.else/1"}',
        good + b" ",
        good.replace(b"{", b"{ ", 1),
        good.replace(b"forked-log/1", b"forked-log/2"),
        good[:-1] + b',"x":1}',
        canonical({"kind": "yongzhi.forked-log/1", "checkpoints": [signed_tree(9, ONE)]}),
        canonical({"kind": "yongzhi.two-offers/1", "events": []}),
    ):
        with pytest.raises(Invalid):
            check(data, trusting(log))


def always(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def test_lists_that_are_none(log):
    data = left_out(listing(log, [ENTRY]), [log.entries[ENTRY]], log.evidence(ENTRY + 1))
    for text in ("", "AAAA", "!", base64.b64encode(log.entries[ENTRY]).decode()[:-1]):
        with pytest.raises((Invalid, NotProven)):
            check(altered(data, ("entries",), always(text)), trusting(log))


def test_a_body_that_is_no_event(log):
    position = log.submit(b'{"x":1}', by=REGION_KEY)
    data = left_out(listing(log, [ENTRY]), [log.entries[ENTRY]], log.evidence(position))
    with pytest.raises(Invalid):
        check(data, trusting(log))


def test_too_much(log, monkeypatch):
    monkeypatch.setattr(misconduct, "MISCONDUCT_BYTES_MAX", 10)
    with pytest.raises(TooLarge):
        check(every(log)[0], trusting(log))


@given(st.binary(max_size=200))
def test_anything_else_is_refused_as_ours(data):
    with pytest.raises(Invalid):
        check(data, trusting())


def test_the_region_s_name_is_not_taken_from_the_file(log):
    """A log is known by the key that signed, so a file accuses nobody whose key it does not have."""
    liar = PaperLog(ORIGIN, signing_key(ORIGIN, 8)).populate()
    with pytest.raises(Untrusted):
        check(two_offers(offered(liar), offered(liar)), trusting(log))
    assert AUTHORITY in two_offers(offered(liar), offered(liar)).decode()
