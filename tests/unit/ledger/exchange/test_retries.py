"""When a message is tried again, and what becomes of it; who is told of what, by the rules alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import errors
from ledger.events.body import CATALOGUE
from ledger.exchange.incoming import Answer
from ledger.exchange.retries import Fate, answered, failed, retry_at, unsent
from ledger.limits import DELIVERY_DELAY_MAX
from projections.relay import Move, People, Place, Step, Told, messages_of, names_of, peers_of, relays
from tests.support import builders
from tests.support.builders import PEER, PEER_ORIGIN, TRANSFER, VOLUNTEER

NOW = 1_793_505_605_000
OTHER, THIRD = "440100", "440300"
ALIAS = "volunteer:0199a1c2-0000-7000-8000-00000000ffff"

# -- when -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (10, 512), (11, 900), (12, 900), (2**40, 900)]
)
def test_the_longest_wait_doubles_up_to_a_quarter_of_an_hour(attempts, seconds):
    assert retry_at(attempts, NOW, chance=lambda: 1.0) == NOW + seconds * 1000


@pytest.mark.parametrize(("chance", "milliseconds"), [(0.0, 0), (0.25, 16_000), (0.5, 32_000)])
def test_the_wait_is_drawn_evenly_from_zero_on(chance, milliseconds):
    assert retry_at(7, NOW, chance=lambda: chance) == NOW + milliseconds


@pytest.mark.parametrize(
    ("chance", "asked", "seconds"), [(0.0, 30, 30), (1.0, 30, 64), (0.0, 10**9, DELIVERY_DELAY_MAX), (1.0, -5, 64)]
)
def test_what_a_peer_asks_for_is_waited_for_within_reason(chance, asked, seconds):
    assert retry_at(7, NOW, asked, lambda: chance) == NOW + seconds * 1000


@given(st.integers(0, 10**6), st.integers(0, 10**12), st.floats(0, 1))
def test_no_wait_is_negative_or_without_end(attempts, asked, chance):
    assert NOW <= retry_at(attempts, NOW, asked, lambda: chance) <= NOW + DELIVERY_DELAY_MAX * 1000


def test_messages_that_failed_together_are_not_tried_together():
    source = random.Random(7)
    assert len({retry_at(9, NOW, chance=source.random) for _ in range(100)}) > 90


# -- what becomes of it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "state"),
    [(Answer("done", 4), "done"), (Answer("waiting", None, "bundle"), "done"), (Answer("aside", None, "no"), "aside")],
)
def test_who_answers_has_the_message_for_good(answer, state):
    assert answered(answer) == Fate(state, answer.reason)


PROBLEM = errors.Problem(index=0, id=None, code="unknown-peer", detail="not recognised")


@pytest.mark.parametrize(
    "error",
    [
        errors.Rejected("no"),
        errors.Invalid("no", "/events"),
        errors.TooLarge("no"),
        errors.NotFound("no"),
        errors.Forbidden("no"),
        errors.Refused([PROBLEM]),
        errors.Untrusted("no"),
        errors.Conflict("no"),
        errors.Corrupt("no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_repetition_cannot_mend_is_set_aside(error):
    assert failed(error) == unsent(error) == Fate("aside", error.detail)


def test_what_may_pass_is_tried_again():
    assert failed(errors.NotYet("no checkpoint", 3)) == Fate("waiting", "no checkpoint", 3)
    assert failed(errors.LedgerError("what is this?")) == Fate("waiting", "what is this?")


def test_a_peer_that_is_out_of_reach_or_busy_is_left_alone():
    assert failed(errors.Unavailable("no route")) == Fate("waiting", "no route", 0, unreachable=True)
    assert failed(errors.Busy("full", 20)) == Fate("waiting", "full", 20, unreachable=True)


def test_it_is_not_the_peer_that_failed_when_nothing_was_sent():
    assert unsent(errors.Unavailable("no database")) == Fate("waiting", "no database")
    assert unsent(errors.Busy("full", 20)) == Fate("waiting", "full", 20)


def test_a_fault_of_the_program_is_named_and_tried_again():
    assert failed(TypeError("None has no length")) == Fate("waiting", "TypeError: None has no length")


# -- who is told ----------------------------------------------------------------------------------


def people(home: str | None = None, *moves: Move) -> People:
    return People(
        {VOLUNTEER: VOLUNTEER, ALIAS: VOLUNTEER},
        {VOLUNTEER: home, ALIAS: "stale"},
        {str(index): move for index, move in enumerate(moves)},
    )


def told(at: int = 20, sender: str = "", origin: str = "", stream: str = VOLUNTEER) -> Told:
    return Told(at, 0, origin, 7, "hours.disputed/1", stream, b"", sender)


@pytest.mark.parametrize("stream", [VOLUNTEER, ALIAS])
def test_everything_about_somebody_elsewhere_goes_home(stream):
    assert peers_of(told(stream=stream), people(PEER), None) == {PEER}
    assert peers_of(told(stream=stream), people(None), None) == set()


def test_a_change_goes_back_to_where_the_entry_came_from():
    assert peers_of(told(), people(None), Place(3, OTHER)) == {OTHER}
    assert peers_of(told(), people(PEER), Place(3, OTHER)) == {PEER, OTHER}


@pytest.mark.parametrize(
    ("since", "size", "closed", "goes"),
    [(3, 10, 12, True), (9, 10, 12, True), (10, 10, 12, False), (3, 10, 20, False), (3, 10, 19, True)],
)
def test_and_to_where_it_went_with_the_record(since, size, closed, goes):
    moved = people(None, Move(VOLUNTEER, THIRD, size, closed))
    assert peers_of(told(at=20), moved, Place(since, "")) == ({THIRD} if goes else set())


def test_an_offer_that_is_not_closed_took_nothing_anywhere():
    assert peers_of(told(), people(None, Move(VOLUNTEER, THIRD, 10)), Place(3, "")) == set()


def test_a_move_under_any_id_counts_and_that_of_another_person_does_not():
    assert peers_of(told(), people(None, Move(ALIAS, THIRD, 10, 12)), Place(3, "")) == {THIRD}
    assert peers_of(told(), people(None, Move("volunteer:other", THIRD, 10, 12)), Place(3, "")) == set()


def test_nothing_goes_to_its_sender_or_to_the_region_of_its_log():
    found = relays(told(sender=PEER, origin="log/c"), people(), {PEER, OTHER, THIRD}, {"log/c": OTHER})
    assert [(one.peer, one.lane, one.kind, one.origin, one.position) for one in found] == [
        (THIRD, VOLUNTEER.removeprefix("volunteer:"), "relay", "log/c", 7)
    ]


def test_all_ids_of_a_person_share_a_lane():
    (found,) = relays(told(stream=ALIAS), people(), {PEER}, {})
    assert found.lane == VOLUNTEER.removeprefix("volunteer:")


def step(kind: str, position: int = 9, **changes: object) -> Step:
    return Step(position, builders.example(kind, **changes))


def sent(one: Step) -> list[tuple[str, str, str, int]]:
    found = messages_of(one, {PEER_ORIGIN: PEER}, lambda position: [PEER, OTHER] if position == 9 else [])
    assert all(message.lane == message.transfer == TRANSFER and message.origin == "" for message in found)
    return [(message.peer, message.kind, message.lane, message.position) for message in found]


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        ("transfer.offered/1", [(PEER, "offer")]),
        ("transfer.accepted/1", [(PEER, "outcome")]),
        ("transfer.rejected/1", [(PEER, "outcome")]),
        ("transfer.expired/1", [(PEER, "outcome")]),
        ("transfer.closed/1", []),
        ("recovery.announced/1", [(PEER, "announcement"), (OTHER, "announcement")]),
        ("recovery.answered/1", [(PEER, "answer")]),
        ("volunteer.visiting/1", []),
    ],
)
def test_the_other_side_of_a_transfer_is_told(kind, to):
    assert sent(step(kind)) == [(peer, what, TRANSFER, 9) for peer, what in to]


def test_a_home_that_is_gone_is_told_no_outcome():
    assert sent(step("transfer.accepted/1", recovery=4)) == []


def test_people_are_followed_from_home_to_home():
    found = People({VOLUNTEER: VOLUNTEER, ALIAS: ALIAS}, {VOLUNTEER: None, ALIAS: None})
    found.follow(step("volunteer.visiting/1"))
    assert found.homes[VOLUNTEER] == PEER
    found.follow(step("transfer.accepted/1", aliases=[ALIAS]))
    assert found.persons == {VOLUNTEER: VOLUNTEER, ALIAS: VOLUNTEER}
    assert found.homes == {VOLUNTEER: None, ALIAS: None}
    found.follow(step("transfer.offered/1", aliases=[ALIAS]))
    assert found.homes[VOLUNTEER] is None, "until it is closed"
    found.follow(step("transfer.closed/1", 30))
    assert found.homes == {VOLUNTEER: PEER, ALIAS: PEER}
    assert found.moves == {TRANSFER: Move(VOLUNTEER, PEER, 12, 30)}


def test_who_is_joined_is_the_person():
    found = People({VOLUNTEER: VOLUNTEER, ALIAS: ALIAS}, {VOLUNTEER: PEER, ALIAS: None})
    event = step("transfer.accepted/1", joined=ALIAS)
    assert set(names_of(event.event)) == {VOLUNTEER, ALIAS}
    found.follow(event)
    assert found.persons == {VOLUNTEER: ALIAS, ALIAS: ALIAS}


def test_every_step_that_moves_somebody_is_followed():
    moving = {kind for kind in CATALOGUE if names_of(builders.example(kind))}
    assert moving == {"volunteer.visiting/1", "transfer.offered/1", "transfer.accepted/1", "transfer.closed/1"}
