"""The rules by themselves: pure, asking for no more than they said they need, and undone without a trace."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from ledger.domain import rules
from ledger.domain.recovery import RECOVERY_STEP
from ledger.domain.rule import Violation
from ledger.domain.state import (
    Activity,
    Arrived,
    Entry,
    Identity,
    KeyRecord,
    Moment,
    Need,
    Organisation,
    Peer,
    R,
    Receipt,
    Record,
    State,
    Unit,
    Volunteer,
)
from ledger.errors import Invalid
from ledger.events.body import CATALOGUE, RECORD_TYPES, AnyEvent, decode_event
from ledger.events.fields import type_name
from ledger.exchange.manifest import root_of
from ledger.ids import instant
from ledger.store import decisions
from tests.integration.world import NOW, span
from tests.projections.actions import Actions, beginning
from tests.projections.model import Submission
from tests.support import builders
from tests.support.builders import (
    ABSENT,
    AUTHORITY,
    ENTRY,
    GROUP,
    ORIGIN,
    PEER,
    PEER_ORIGIN,
    REGION,
    STATION,
    VOLUNTEER,
    signing_key,
)

KINDS = tuple(decisions.TABLES)
PREFIXES: dict[type[Record], str] = {Organisation: "org:", Volunteer: "volunteer:"}
NAMED_BY_GROUP = (KeyRecord, Peer)
"""Kinds whose identity begins with the group."""
Decided = tuple[list[Violation], list[Record]]
"""What forbids an event, and what it changes when nothing does."""


def snapshot(state: State) -> list[Any]:
    """Everything that can be asked of a state."""
    records = {kind: {record.identity: record for record in state.all(kind)} for kind in KINDS}
    groups = {getattr(one, one.GROUP) for kind in KINDS for one in state.all(kind) if one.GROUP is not None}
    members = {(kind, group): set(state.group(kind, group)) for kind in KINDS for group in groups}
    return [records, members, sorted(map(repr, state.changes()))]


def decided(state: State, event: AnyEvent, moment: Moment) -> Decided:
    violations = list(rules.decide(state, event, moment))
    return violations, [] if violations else list(rules.evolve(state, event, moment))


class Loaded(State):
    """What is loaded for one event, out of all there is; being asked for anything else is a failure.

    In the steps of `ledger.app.intake.Batch.run`: some needs are told only by what the steps before loaded.
    """

    def __init__(
        self, everything: State, event: AnyEvent, claim: str | None = None, telling: Sequence[Arrived] = ()
    ) -> None:
        super().__init__()
        self.needs: list[Need] = []
        store = State()
        self._load(everything, store, rules.needs(event, claim))
        self._load(everything, store, rules.further_needs(store, telling))
        self._load(everything, store, rules.further_spans(store, [event]))

    def _load(self, everything: State, store: State, needs: Iterable[Need]) -> None:
        for need in list(needs):
            self.needs.append(need)
            for record in found(everything, need):
                store.load(record)
                self.load(record)

    def get(self, kind: type[R], identity: Identity) -> R | None:
        group = identity[0] if kind in NAMED_BY_GROUP else None
        if kind in PREFIXES and not str(identity).startswith(PREFIXES[kind]):
            return None  # there can be none of that name
        assert any(
            need.kind is kind and (need.identity == identity or (group is not None and need.group == group))
            for need in self.needs
        ), f"{kind.__name__} {identity} was not asked for"
        return super().get(kind, identity)

    def group(self, kind: type[R], group: str) -> Collection[R]:
        assert any(need.kind is kind and need.group == group for need in self.needs), f"{kind.__name__}s of {group}"
        return super().group(kind, group)

    def all(self, kind: type[R]) -> Collection[R]:
        asked = (need for need in self.needs if need.kind is kind)
        assert any(need.signed_by or need.cited for need in asked), f"all {kind.__name__}"
        return super().all(kind)


def found(everything: State, need: Need) -> list[Record]:
    """What a store finds for a need, said a second time."""
    if need.signed_by:
        signer, key_id, first = need.signed_by
        entries = everything.all(Entry)
        return [one for one in entries if (one.signer, one.key_id) == (signer, key_id) and one.version >= max(0, first)]
    if need.cited:
        return [one for one in everything.all(Receipt) if (one.origin, one.position) == need.cited]
    if need.identity:
        record = everything.get(need.kind, need.identity)
        return [] if record is None else [record]
    records: Iterable[Any] = everything.group(need.kind, need.group)
    return [one for one in records if not need.span or (one.start < need.span[1] and need.span[0] < one.end)]


def moment_at(
    position: int, key_id: str, claim: str | None = None, arrived: tuple[Arrived, ...] | None = None, now: int = 0
) -> Moment:
    return Moment(
        position=position,
        now=now or instant(NOW),
        key_id=key_id,
        region=REGION,
        origin=ORIGIN,
        claim=claim,
        arrived=arrived,
    )


def check(everything: State, event: AnyEvent, moment: Moment) -> Decided:
    """Decide an event on everything and on what it needs: the same, again and again, and nothing changes."""
    before = snapshot(everything)
    answer = decided(everything, event, moment)
    assert decided(everything, event, moment) == answer
    assert snapshot(everything) == before
    loaded = decided(Loaded(everything, event, moment.claim, (*(moment.arrived or ()), *moment.support)), event, moment)
    assert loaded[0] == answer[0]
    assert sorted(map(repr, loaded[1])) == sorted(map(repr, answer[1]))
    return answer


# -- at random --------------------------------------------------------------------------------------------


class Rules(Actions):
    """The actions decided by the rules alone."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        for submission in beginning():
            assert self.take(submission)
            for event in submission.events:
                self.model.take(event, submission.key_id)

    def commit(self, batch: list[Submission]) -> None:
        for submission in batch:
            ids = {event["id"] for event in submission.events}
            if ids.isdisjoint(self.model.positions):  # which is not for the rules to say
                assert self.take(submission) is (self.model.commit([submission]) != [None])
        kept = {one.id: (one.version, one.rank, one.approved, one.disputed_by or "") for one in self.standing()}
        assert kept == {
            one.id: (one.version, one.rank, one.approved, one.disputed)
            for one in self.model.entries.values()
            if not one.withdrawn
        }

    def standing(self) -> list[Entry]:
        return [entry for entry in self.state.all(Entry) if not entry.withdrawn]

    def take(self, submission: Submission) -> bool:
        """Whether a submission is admitted; one that is not leaves nothing."""
        mark, before, violations = self.state.mark(), snapshot(self.state), []
        for position, members in enumerate(submission.events, self.model.size):
            event = decode_event(builders.canonical(members))
            found, records = check(self.state, event, moment_at(position, submission.key_id))
            violations += found
            for record in records:
                self.state.put(record)
        if violations:
            self.state.undo(mark)
            assert snapshot(self.state) == before
        return not violations


def test_rules_decide_like_the_model_on_what_they_need() -> None:
    run_state_machine_as_test(Rules, settings=settings(max_examples=250, stateful_step_count=50, deadline=None))


# -- every type -------------------------------------------------------------------------------------------

SOMEBODY = "claim of somebody"
PEER_AUTHORITY = f"region:{PEER}"
ADMITTED = (
    builders.body("region.established/1"),
    builders.body("region.credential_key_added/1"),
    builders.body("organisation.registered/1"),
    builders.body("organisation.key_added/1"),
    builders.body("organisation.registered/1", subject=GROUP, kind="school"),
    builders.body("organisation.key_added/1", subject=GROUP, key=builders.vkey(GROUP)),
    builders.body("region.peer_recognised/1"),
    builders.body("activity.published/1"),
)
REGISTERED = (builders.body("volunteer.registered/1"), builders.body("volunteer.verified/1"))
VISITING = (builders.body("volunteer.visiting/1"),)
SERVED = (
    builders.body("hours.recorded/1", id=ENTRY),
    builders.body("proof.issued/1"),
    builders.body("entry.received/1"),
)
OFFERED = (builders.body("transfer.requested/1"), builders.body("transfer.offered/1"))
ANNOUNCED = (builders.body("recovery.announced/1", epoch=RECOVERY_STEP),)
HISTORIES: dict[str, tuple[bytes, ...]] = {
    "empty": (),
    "populated": ADMITTED + REGISTERED + SERVED,
    "offered": ADMITTED + REGISTERED + SERVED + OFFERED,
    "visited": ADMITTED + VISITING + SERVED,
    "announced": ADMITTED + VISITING + SERVED + ANNOUNCED,
}


def foreign(kind: str, /, *, position: int = 41, **changes: Any) -> Arrived:
    """An event of the peer's log; the one at 41 is what the examples cite."""
    event = builders.example(kind, ledger=PEER, **changes)
    return Arrived(
        origin=PEER_ORIGIN,
        position=position,
        handle=-position,
        entry=bytes(40),
        key_id=signing_key(event.issuer).id,
        topic=kind,
        event=event,
    )


def arrived_for(kind: str) -> tuple[Arrived, ...]:
    """What the example of a type cites, and brings."""
    record = (
        foreign("hours.recorded/1", position=30, id=builders.event_id(7), **span("06:00", "07:00")),
        foreign("hours.withdrawn/1", position=31, entry=builders.event_id(7)),
    )
    offer = foreign("transfer.offered/1", issuer=PEER_AUTHORITY, to=REGION, to_origin=ORIGIN)
    match kind.partition("/")[0].partition("."):
        case ["entry", _, _]:
            return (foreign("hours.recorded/1", id=builders.event_id(8), **span("09:00", "10:00")),)
        case ["transfer", _, "accepted"]:
            return (offer, *record)
        case ["transfer", _, "rejected" | "expired"]:
            return (offer,)
        case ["transfer", _, "closed" | "cancelled" as act]:
            outcome = "accepted" if act == "closed" else "rejected"
            basis = {"origin": ORIGIN, "position": len(HISTORIES["offered"]) - 1, "entry": "A" * 54}
            return (foreign(f"transfer.{outcome}/1", issuer=PEER_AUTHORITY, home=REGION, basis=basis),)
        case ["recovery", _, "announced"]:
            return (foreign("record.stated/1", issuer=PEER_AUTHORITY, epoch=0, aliases=[]), *record)
        case ["recovery", _, "answered"]:
            return (foreign("recovery.announced/1", issuer=PEER_AUTHORITY, home="441300"),)
    return ()


def taken(history: Iterable[bytes]) -> State:
    """What the events come to, one after another; none is refused."""
    state = State()
    for position, body in enumerate(history):
        event = decode_event(body)
        kind = type_name(event)
        claim = SOMEBODY if "identity" in json.loads(body) else None
        moment = moment_at(position, signing_key(event.issuer).id, claim, arrived_for(kind) or None)
        violations, records = check(state, event, moment)
        assert violations == [], kind
        for record in records:
            state.put(record)
    return state


def populated() -> State:
    return taken(HISTORIES["populated"])


@pytest.mark.parametrize("kind", CATALOGUE)
@pytest.mark.parametrize("history", HISTORIES)
def test_every_type_is_decided_purely_on_what_it_needs(kind: str, history: str) -> None:
    tried, everything = 0, taken(HISTORIES[history])
    for issuer in (AUTHORITY, STATION, GROUP, VOLUNTEER, "org:0199a1c2-0000-7000-8000-00000000ffff"):
        for claim in (None, SOMEBODY, "claim of somebody else"):
            for arrived in (None, arrived_for(kind)):
                try:
                    event = builders.example(kind, issuer=issuer)
                except Invalid:  # such as a station that registers a volunteer without a form
                    continue
                check(everything, event, moment_at(len(HISTORIES[history]), signing_key(issuer).id, claim, arrived))
                tried += 1
    assert tried


ADMISSIBLE = {
    "populated": ["entry.received/1", "record.stated/1", "transfer.requested/1", "region.peer_dismissed/1"],
    "offered": ["transfer.closed/1", "transfer.cancelled/1"],
    "visited": ["transfer.accepted/1", "transfer.rejected/1", "recovery.announced/1", "recovery.answered/1"],
}


@pytest.mark.parametrize(("history", "kind"), [(name, kind) for name, kinds in ADMISSIBLE.items() for kind in kinds])
def test_what_moves_a_record_is_admitted_and_changes_what_it_needs_alone(history: str, kind: str) -> None:
    """Otherwise the examples above might all be refused."""
    everything = taken(HISTORIES[history])
    changes: dict[str, Any] = {}
    if kind == "entry.received/1":  # one has been received already
        changes = {"event": {"origin": PEER_ORIGIN, "position": 42, "entry": "A" * 54}}
    if kind == "transfer.cancelled/1":
        changes = {"closure": ABSENT, "outcome": {"origin": PEER_ORIGIN, "position": 41, "entry": "A" * 54}}
    if kind == "recovery.announced/1":
        changes = {"epoch": RECOVERY_STEP}
    if kind == "transfer.accepted/1":
        entries = [one.entry for one in arrived_for(kind) or () if one.topic in RECORD_TYPES]
        changes = {"events": len(entries), "root": root_of(entries)}
    event = builders.example(kind, **changes)
    arrived = arrived_for(kind) if not kind.startswith("entry.") else (foreign("hours.recorded/1", position=42),)
    moment = moment_at(len(HISTORIES[history]), signing_key(event.issuer).id, None, arrived)
    violations, records = check(everything, event, moment)
    assert violations == []
    assert records or kind in {"record.stated/1", "recovery.answered/1"}


@pytest.mark.parametrize("kind", ["hours.disputed/1", "hours.decided/1"])
@pytest.mark.parametrize("origin", [ABSENT, ORIGIN, PEER_ORIGIN])
def test_an_entry_is_looked_for_in_the_log_that_is_named(kind: str, origin: Any) -> None:
    everything = populated()
    for entry in (ENTRY, builders.event_id(8)):
        event = builders.example(kind, issuer=AUTHORITY, entry=entry, origin=origin)
        violations, _ = check(everything, event, moment_at(99, signing_key(AUTHORITY).id))
        here = (entry == ENTRY) is (origin != PEER_ORIGIN)
        assert [one.code for one in violations] == ([] if here else ["unknown-entry"])


def test_a_station_that_registers_is_decided_purely_on_what_it_needs() -> None:
    everything, newcomer = populated(), "volunteer:0199a1c2-0000-7000-8000-00000000eeee"
    consent = {"method": "form", "given": builders.TIME, "reference": "档案 2026-18"}
    identity = builders.identity(builders.details())
    for key in (ABSENT, builders.vkey(newcomer)):
        members = {"subject": newcomer, "consent": consent, "identity": identity, "key": key}
        event = builders.example("volunteer.registered/1", issuer=STATION, **members)
        for claim, codes in (
            (None, ["identity-missing"]),
            (SOMEBODY, ["person-registered"]),
            ("claim of a newcomer", []),
        ):
            violations, _ = check(
                everything, event, moment_at(len(HISTORIES["populated"]), signing_key(STATION).id, claim)
            )
            assert [violation.code for violation in violations] == codes


def test_a_state_that_was_not_asked_for_something_fails() -> None:
    """Otherwise the tests above could not."""
    loaded = Loaded(populated(), builders.example("hours.withdrawn/1"))
    loaded.get(Entry, (ENTRY, ""))
    for ask in (
        lambda: loaded.get(Activity, builders.ACTIVITY),
        lambda: loaded.group(Entry, VOLUNTEER),
        lambda: loaded.get(Entry, (ENTRY, ORIGIN)),
        lambda: loaded.all(Entry),
        lambda: loaded.all(Receipt),
        lambda: loaded.group(Peer, PEER_ORIGIN),
        lambda: loaded.get(KeyRecord, (GROUP, signing_key(GROUP).id)),
    ):
        with pytest.raises(AssertionError):
            ask()


@pytest.mark.parametrize("kind", KINDS)
def test_records_are_values(kind: type[Record]) -> None:
    everything = taken(HISTORIES["offered"])
    everything.load(Unit(id=STATION, origin=PEER_ORIGIN, name="站", kind="station"))
    record = next(iter(everything.all(kind)))
    for name in kind.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(record, name, None)
    assert hash(record) == hash(kind(**{name: getattr(record, name) for name in kind.__struct_fields__}))


# -- undoing ----------------------------------------------------------------------------------------------


def _entry(number: int, **changes: Any) -> Entry:
    common = {"position": number, "version": number, "issuer": STATION, "signer": STATION, "key_id": "0a1b2c3d"}
    service = {"category": "environment", "day": "2026-11-01", "start": 0, "end": 60, "minutes": 1}
    kept = {"activity": builders.ACTIVITY, "evidence": "manual", "rank": number, "approved": False}
    return Entry(id=f"entry {number}", volunteer=VOLUNTEER, **{**common, **service, **kept, **changes})


records = st.one_of(
    st.builds(_entry, st.integers(0, 3), withdrawn=st.booleans(), rank=st.integers(-1, 1)),
    # The same name stands for a group of keys and for one of entries.
    st.builds(
        lambda number, revoked: KeyRecord(issuer=VOLUNTEER, key_id=str(number), vkey="", added=number, revoked=revoked),
        st.integers(0, 3),
        st.none() | st.just(9),
    ),
    st.builds(
        lambda number, status: Organisation(id=f"org {number}", name="站", kind="station", status=status),
        st.integers(0, 2),
        st.sampled_from(["active", "suspended"]),
    ),
)


@given(*(st.lists(records, max_size=8) for _ in range(4)))
def test_undo_restores_exactly(
    loaded: list[Record], kept: list[Record], first: list[Record], second: list[Record]
) -> None:
    state = State()
    for record in loaded:
        state.load(record)
    for record in kept:
        state.put(record)
    before, mark = snapshot(state), state.mark()
    for record in first:
        state.put(record)
    between, later = snapshot(state), state.mark()
    for record in second:
        state.put(record)
    state.undo(later)
    assert snapshot(state) == between
    state.undo(mark)
    assert snapshot(state) == before
    state.undo(state.mark())
    assert snapshot(state) == before


@given(st.lists(records, max_size=8), st.lists(records, max_size=8))
def test_changes_are_what_was_put(loaded: list[Record], put: list[Record]) -> None:
    state = State()
    stored: dict[tuple[type[Record], Identity], Record] = {}
    for record in loaded:
        state.load(record)
        stored[type(record), record.identity] = record
    for record in put:
        state.put(record)
    last = {(type(record), record.identity): record for record in put}
    assert state.changes() == [(stored.get(name), record) for name, record in last.items()]
