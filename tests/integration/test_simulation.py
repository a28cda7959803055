"""Regions under seeded schedules of loss, delay, crashes and restores; and that the simulator finds what is broken.

More seeds, longer ones: `make simulate ARGS="--seeds 10000"`.
"""

import random
from unittest import mock

import pytest

from ledger.app import arrivals, publisher
from ledger.exchange import retries
from ledger.exchange.retries import Fate
from projections import outbox, relay
from tests.simulation.schedule import draw
from tests.simulation.seeds import attempt, search, staged
from tests.simulation.shrink import shrink

PORTIONS, SEEDS, STEPS = 10, 11, 40


@pytest.fixture(scope="module")
def stage(database_url):
    with staged(database_url) as stage:
        yield stage


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_nothing_is_lost_or_counted_twice_whatever_goes_wrong(stage, portion):
    for seed in range(portion * SEEDS, (portion + 1) * SEEDS):
        failure = search(stage, seed, STEPS)
        assert failure is None, str(failure)


# -- the simulator itself ---------------------------------------------------------------------------

relayed = relay.peers_of
fated = retries.failed


def to_nobody_at_home(told, people, place):
    return relayed(told, people, place) - {people.homes[people.persons[told.stream]]}


def to_nobody_back(told, people, place):
    return relayed(told, people, None)


def done_when_out_of_reach(error):
    fate = fated(error)
    return Fate("done") if fate.unreachable else fate


BROKEN = {
    "service elsewhere is not told home": (outbox, "peers_of", to_nobody_at_home),
    "changes are not told back": (outbox, "peers_of", to_nobody_back),
    "what came since an offer is not sent after it": (outbox.Page, "_released", lambda *_: []),
    "what was known before a record returned is dropped": (arrivals.Arrivals, "_left_over", lambda *_: []),
    "a message counts as sent when nobody answered": (retries, "failed", done_when_out_of_reach),
    "a log signs on over an old backup": (publisher.Publisher, "_check_extends", lambda *_: None),
}


LATE = {"changes are not told back", "a log signs on over an old backup"}
"""What takes more than a few seeds to be met with."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LATE)) for name in BROKEN])
def test_a_broken_rule_is_found_and_shrunk_to_a_few_actions(stage, name):
    place, attribute, broken = BROKEN[name]
    with mock.patch.object(place, attribute, broken):
        failure = next(found for seed in range(100) if (found := search(stage, seed, STEPS)))
    assert len(failure.script) < 12
    assert failure.reason.startswith("Violated: ")
    assert attempt(stage, failure.regions, failure.seed, failure.script) is None


def test_what_fails_is_printed_as_python_that_does_it_again(stage):
    place, attribute, broken = BROKEN["service elsewhere is not told home"]
    replayed = []
    with mock.patch.object(place, attribute, broken):
        failure = next(found for seed in range(100) if (found := search(stage, seed, STEPS)))
        with mock.patch("tests.simulation.seeds.replay", lambda **script: replayed.append(script)):
            exec(str(failure), {})
        assert attempt(stage, **replayed[0]) == failure.reason
    assert replayed[0]["seed"] == failure.seed


def test_a_schedule_is_the_same_whenever_its_seed_is_drawn():
    assert draw(7, 40) == draw(7, 40) != draw(8, 40)
    assert len({draw(seed, 40)[0] for seed in range(30)}) == 3  # two to four regions


@pytest.mark.parametrize("seed", range(20))
def test_shrinking_leaves_nothing_out_that_is_needed_and_nothing_in_that_is_not(seed):
    chance = random.Random(seed)
    script = list(range(60))
    needed = set(chance.sample(script, chance.randrange(1, 9)))
    assert set(shrink(script, lambda part: needed <= set(part))) == needed
