"""Group commit: what waits is committed together, in order, and everyone gets an answer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from ledger.app.committer import Answer, Committer
from ledger.app.intake import Accepted
from ledger.errors import Refused, Unavailable
from ledger.limits import GROUP_EVENTS_MAX
from ledger.store import log
from ledger.store.postgres.database import Database
from tests.integration.relay import relaying
from tests.integration.waiting import DEADLINE_SECONDS, eventually
from tests.integration.world import World
from tests.support import builders


@pytest.fixture
def committer(world: World) -> Iterator[Committer]:
    committer = Committer(world.ledger)
    yield committer
    committer.close()


@contextmanager
def held(world: World, committer: Committer) -> Iterator[Answer]:
    """Keep the committer waiting for the head with one submission, so that others queue up behind it."""
    with world.database.transaction() as cursor:
        log.read_head(cursor, world.schema, lock=True)
        first = committer.submit(world.ledger.prepare(activities(world, 1)))
        eventually(lambda: first.running() and world.backends("wait_event_type = 'Lock'"))
        yield first


def activities(world: World, count: int) -> bytes:
    """A submission of that many events."""
    bodies = [world.body("activity.published/1", subject=f"activity:{builders.event_id()}") for _ in range(count)]
    return world.request(*bodies)


def submitted(world: World, committer: Committer, requests: Sequence[bytes]) -> list[Answer]:
    return [committer.submit(world.ledger.prepare(request)) for request in requests]


def positions(answers: Sequence[Answer]) -> list[int]:
    results = [answer.result(DEADLINE_SECONDS) for answer in answers]
    assert all(isinstance(result, Accepted) for result in results), results
    return [result.first for result in results if isinstance(result, Accepted)]


def sizes_of_transactions(world: World, first: int) -> list[int]:
    """How many events each transaction wrote, in log order, from a position on."""
    rows = world.query(
        f"SELECT count(*) FROM {world.schema}.events WHERE position >= %s GROUP BY xmin::text ORDER BY min(position)",
        first,
    )
    return [count for (count,) in rows]


def test_what_waits_is_committed_together_in_order_of_arrival(world, committer):
    size = world.size
    with held(world, committer) as first:
        answers = submitted(world, committer, [activities(world, count) for count in (1, 2, 3)])
    assert positions([first, *answers]) == [size, size + 1, size + 2, size + 4]
    assert sizes_of_transactions(world, size) == [1, 6]


def test_a_transaction_takes_only_so_many_events_of_small_submissions(world, committer):
    size, half = world.size, GROUP_EVENTS_MAX // 2
    counts = [half, half, 1, GROUP_EVENTS_MAX + 1, 1]
    with held(world, committer):
        answers = submitted(world, committer, [activities(world, count) for count in counts])
    positions(answers)
    assert sizes_of_transactions(world, size) == [1, 2 * half, 1, GROUP_EVENTS_MAX + 1, 1]


def test_each_is_answered_for_itself(world, committer):
    refused = world.request(world.hours("05:00", "05:30"))
    with held(world, committer):
        before, bad, after = submitted(world, committer, [activities(world, 1), refused, activities(world, 1)])
    assert isinstance(bad.result(DEADLINE_SECONDS), Refused)
    first, second = positions([before, after])
    assert second == first + 1


def test_a_submission_whose_client_has_gone_is_not_committed(world, committer):
    size = world.size
    with held(world, committer) as first:
        gone, kept = submitted(world, committer, [activities(world, 1), activities(world, 1)])
        assert gone.cancel()
        assert not first.cancel()
    assert positions([first, kept]) == [size, size + 1]
    assert world.size == size + 2


def test_what_is_queued_is_committed_before_closing(world):
    committer = Committer(world.ledger)
    answers = submitted(world, committer, [activities(world, 1) for _ in range(3)])
    committer.close()
    assert all(answer.done() for answer in answers)
    positions(answers)
    with pytest.raises(Unavailable):
        committer.submit(world.ledger.prepare(activities(world, 1)))


def test_everyone_is_told_when_the_database_is_out_of_reach_and_later_ones_succeed(world):
    with relaying(world.database.dsn) as relay:
        beyond = World(database := Database(relay.dsn), fresh=False)
        prepared = [beyond.ledger.prepare(activities(world, 1)) for _ in range(3)]
        database.close()
        beyond.ledger.database = Database(relay.dsn)
        committer = Committer(beyond.ledger)
        relay.refusing = True
        answers = [committer.submit(one) for one in prepared]
        assert all(isinstance(answer.exception(DEADLINE_SECONDS), Unavailable) for answer in answers)
        relay.refusing = False
        positions([committer.submit(one) for one in prepared])
        committer.close()
        beyond.ledger.database.close()
