"""Records as files, and what a record comes to."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.domain import arrival
from ledger.domain.entry_states import contested_among, state_of
from ledger.domain.record import entries_of, sums_of
from ledger.domain.state import Arrived, Entry, Moment
from ledger.events.body import AnyEvent
from ledger.events.fields import type_name
from tests.support import builders
from tests.support.builders import ENTRY, GROUP, ORIGIN, STATION, VOLUNTEER, event_id

OTHER = "ledger.example/442000"
ALIAS = "volunteer:0199a1c2-0000-7000-8000-00000000b2b2"

# -- what a record comes to -------------------------------------------------------------------------------


def at(minute: int) -> str:
    return f"2026-11-01T{6 + minute // 60:02}:{minute % 60:02}:00+08:00"


def arrived(event: AnyEvent, position: int, origin: str = ORIGIN) -> Arrived:
    return Arrived(
        origin=origin,
        position=position,
        handle=position,
        entry=b"",
        key_id="00000000",
        topic=type_name(event),
        event=event,
    )


class Story:
    """Events of a record, in its order."""

    def __init__(self) -> None:
        self.record: list[Arrived] = []

    def add(self, kind: str, log: str = ORIGIN, /, **changes: Any) -> str:
        event = builders.example(kind, **changes)
        self.record.append(arrived(event, len(self.record), log))
        return event.id

    def serve(self, start: int, minutes: int = 60, log: str = ORIGIN, /, **changes: Any) -> str:
        times = {"start": at(start), "end": at(start + minutes), "minutes": minutes}
        return self.add("hours.recorded/1", log, **times, **changes)

    @property
    def sums(self) -> dict[tuple[str, str], tuple[int, int]]:
        found = sums_of(self.record, [VOLUNTEER, ALIAS])
        return {(one.category, one.state): (one.entries, one.minutes) for one in found}


def test_entries_are_summed_by_category_and_state():
    story = Story()
    story.serve(0)
    story.serve(60)
    story.serve(120, 30, category="health")
    story.serve(150, 30, evidence="manual")
    story.add("hours.withdrawn/1", entry=story.serve(180))
    story.add("hours.disputed/1", entry=story.serve(240))
    story.serve(30, 15, issuer=GROUP)
    assert story.sums == {
        ("empty-nest-elders", "counted"): (2, 120),
        ("empty-nest-elders", "pending"): (1, 30),
        ("empty-nest-elders", "withdrawn"): (1, 60),
        ("empty-nest-elders", "disputed"): (1, 60),
        ("empty-nest-elders", "contested"): (1, 15),
        ("health", "counted"): (1, 30),
    }


def test_sums_are_in_order_whatever_came_first():
    story = Story()
    for category in ("health", "empty-nest-elders", "health"):
        story.serve(60 * len(story.record), category=category)
    assert [one.category for one in sums_of(story.record, [VOLUNTEER])] == ["empty-nest-elders", "health"]


def test_of_two_entries_at_one_time_the_first_counts_until_the_region_upholds_the_other():
    story = Story()
    story.serve(0, 60)
    later = story.serve(30, 45, issuer=GROUP)
    assert story.sums["empty-nest-elders", "contested"] == (1, 45)
    story.add("hours.decided/1", entry=later)
    assert story.sums["empty-nest-elders", "contested"] == (1, 60)


def test_an_entry_that_ends_when_another_begins_is_not_contested():
    story = Story()
    story.serve(0, 60)
    story.serve(60, 60, issuer=GROUP)
    assert story.sums == {("empty-nest-elders", "counted"): (2, 120)}


def test_entries_of_two_logs_and_two_ids_are_one_persons():
    story = Story()
    story.serve(0, 60, OTHER, id=ENTRY)
    story.serve(30, 60, id=ENTRY, subject=ALIAS)
    assert story.sums == {("empty-nest-elders", "counted"): (1, 60), ("empty-nest-elders", "contested"): (1, 60)}
    story.add("hours.withdrawn/1", OTHER, entry=ENTRY)
    assert story.sums == {("empty-nest-elders", "withdrawn"): (1, 60), ("empty-nest-elders", "counted"): (1, 60)}


def test_a_change_may_name_an_entry_of_another_log():
    story = Story()
    story.serve(0, 60, OTHER, id=ENTRY)
    story.add("hours.decided/1", entry=ENTRY, origin=OTHER, outcome="annulled")
    assert story.sums == {("empty-nest-elders", "withdrawn"): (1, 60)}


def test_the_home_leaves_the_name_of_its_own_log_out():
    """What it offers and what others recompute is the same."""
    story = Story()
    story.serve(0, 60, OTHER, id=ENTRY)
    own = story.serve(30, 60)
    story.add("hours.disputed/1", OTHER, entry=own, origin=ORIGIN)
    assert ("empty-nest-elders", "disputed") in story.sums
    shortened = [arrived(one.event, one.position, "" if one.origin == ORIGIN else one.origin) for one in story.record]
    assert sums_of(shortened, [VOLUNTEER, ALIAS], ORIGIN) == sums_of(story.record, [VOLUNTEER, ALIAS])


def test_a_volunteer_settles_a_dispute_raised_under_another_id():
    story = Story()
    entry = story.serve(0, 60)
    story.add("hours.disputed/1", entry=entry, issuer=ALIAS)
    assert ("empty-nest-elders", "disputed") in story.sums
    story.add("hours.approved/1", entry=entry, issuer=ALIAS)
    assert ("empty-nest-elders", "disputed") not in story.sums


_ISSUERS = st.sampled_from([STATION, GROUP])
_ACTS = st.sampled_from(["withdrawn", "approved", "disputed", "decided", "corrected"])
_STEP = st.tuples(
    st.integers(0, 60), st.integers(1, 30), _ISSUERS, st.sampled_from(["manual", "check-in"]), _ACTS, st.integers(0, 9)
)


def tell(steps: list[tuple[int, int, str, str, str, int]]) -> Story:
    """Each step records an entry and then changes one, or none when it has no number of one."""
    story, entries = Story(), []
    for start, minutes, issuer, evidence, act, number in steps:
        entries.append(story.serve(start, minutes, issuer=issuer, evidence=evidence))
        if number < len(entries):
            changes: dict[str, Any] = {"entry": entries[number]}
            if act == "corrected":
                changes |= {"start": at(start + 5), "end": at(start + 25), "minutes": 20, "evidence": evidence}
            story.add(f"hours.{act}/1", **changes)
    return story


@given(st.lists(_STEP, max_size=12))
def test_contested_is_what_overlaps_an_entry_that_stands_and_goes_before(steps):
    entries = entries_of(tell(steps).record, [VOLUNTEER])
    slow = {
        one.identity
        for one in entries
        if any(
            other.standing and other.precedence < one.precedence and other.overlaps(one.start, one.end)
            for other in entries
        )
    }
    assert contested_among(entries) == slow


@given(st.lists(_STEP, max_size=12))
def test_a_record_that_arrives_is_folded_to_the_same(steps):
    """The rule by which a region takes a record over, against what it was offered as."""
    record = tell(steps).record
    event: Any = SimpleNamespace(volunteer=VOLUNTEER, aliases=[ALIAS])
    moment = Moment(position=99, now=0, key_id="", region="", origin="", arrived=tuple(record))
    there = [one for one in arrival.replay(event, moment, VOLUNTEER) if isinstance(one, Entry)]
    here = sorted(entries_of(record, [VOLUNTEER, ALIAS]), key=lambda entry: entry.precedence)
    assert [one.identity for one in there] == [one.identity for one in here]
    assert contested_among(there) == contested_among(here)
    for one, other in zip(there, here, strict=True):
        assert state_of(one, False) == state_of(other, False)


def test_a_record_of_nothing_but_overlaps_is_summed():
    story, numbers = Story(), count(1)
    for minute in range(300):
        for _ in range(4):
            story.serve(minute, 30, issuer=f"org:0199a1c2-0000-7000-8000-{next(numbers):012x}", id=event_id())
    assert story.sums["empty-nest-elders", "counted"] == (1, 30)
    assert story.sums["empty-nest-elders", "contested"] == (1199, 1199 * 30)
