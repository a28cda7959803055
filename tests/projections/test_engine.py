"""The engine: every event once, whoever is killed when; stopped by what a handler raises; rebuilt under way."""

import json
import os
import random
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.projection import BaseProjectionRunner
from eventsourcing.utils import EnvType
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg2.extensions import make_dsn

from api import service as serving
from api.deployment import opened
from ledger.app import Ledger
from ledger.errors import Unavailable
from ledger.store import embedded, log
from ledger.store.postgres import Cursor, Database
from projections.engine import BatchProjection, Feed, Runner, advance, catch_up, rebuild
from projections.totals import Totals
from projections.views import TotalsView
from tests.integration.waiting import DEADLINE_SECONDS, eventually, threads
from tests.integration.world import SECRET, World
from tests.projections.histories import VOLUNTEERS, History
from tests.projections.tables import expected, fresh, position, rows_of

OTHER_REGION = "442000"
EVENTS = 200
"""Submissions of the history that most tests read."""


@pytest.fixture(scope="module")
def history(database: Database) -> History:
    """A region in which much happened, for tests that write no events. Their projections have other names."""
    return History(fresh(database, OTHER_REGION)).go_on(EVENTS)


def totals(world: World, schema: str = "") -> Totals:
    """The projection over its tables, which are there."""
    projection = Totals(world.database, world.schema, schema)
    with world.database.transaction() as cursor:
        projection.create(cursor)
    return projection


@contextmanager
def running(projection: BatchProjection, world: World) -> Iterator[Runner]:
    with closing(Runner(projection, world.ledger)) as runner:
        yield runner


def caught_up(runner: Runner, world: World) -> None:
    assert runner.wait(world.size - 1, DEADLINE_SECONDS), runner.failure


# -- batches ------------------------------------------------------------------------------------------------


@settings(max_examples=12)
@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=30))
def test_batches_of_any_size_come_to_the_same(history: History, batches: list[tuple[int, bool]]) -> None:
    """Applied by one object or the other, each of which remembers what it saw last."""
    world = history.world
    schema = f"{world.schema}_batches"
    with world.database.transaction() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    objects = totals(world, schema), totals(world, schema)
    for size, which in batches:
        with closing(Feed(world.ledger, size)) as feed:
            advance(objects[which], world.ledger.name, feed)
    catch_up(objects[0], world.ledger)
    assert rows_of(objects[1]) == expected(world)


def test_two_objects_in_turn_notice_what_the_other_applied(world: World) -> None:
    history, objects = History(fresh(world.database)), (totals(world), totals(world))
    for number in range(EVENTS):
        history.go_on(1)
        catch_up(objects[number % 2], world.ledger)
    assert rows_of(objects[0]) == expected(world)


def test_the_librarys_runner_keeps_the_tables_event_by_event(history: History) -> None:
    world = history.world
    projection = totals(world, f"{world.schema}_librarys")

    class Here(Ledger):
        def __init__(self, env: EnvType | None = None) -> None:
            super().__init__(world.database, world.region, world.origin, SECRET)

    runner = BaseProjectionRunner(
        projection=projection, application_class=Here, tracking_recorder=projection.view, topics=()
    )
    try:
        runner.wait(world.size, DEADLINE_SECONDS)
    finally:
        runner.stop()
    runner.run_forever(DEADLINE_SECONDS)  # raises what stopped it
    assert rows_of(projection) == expected(world)


def test_an_event_is_processed_once(history: History) -> None:
    world = history.world
    projection = totals(world, f"{world.schema}_singly")
    catch_up(projection, world.ledger)
    before = rows_of(projection)
    for number in (1, world.size):
        with pytest.raises(IntegrityError):
            projection.process_event(None, Tracking(world.ledger.name, number))
    assert (rows_of(projection), position(projection, world)) == (before, world.size)


def test_events_processed_singly_and_in_batches_follow_one_another(history: History) -> None:
    world = history.world
    projection = totals(world, f"{world.schema}_mixed")
    for number in range(1, 31):
        projection.process_event(None, Tracking(world.ledger.name, number))
    with closing(Feed(world.ledger, 20)) as feed:
        assert advance(projection, world.ledger.name, feed) == 20
    projection.process_event(None, Tracking(world.ledger.name, 51))
    catch_up(projection, world.ledger)
    assert rows_of(projection) == expected(world)


# -- exactly once -------------------------------------------------------------------------------------------


def test_two_runners_apply_every_event_once(world: World) -> None:
    history = History(fresh(world.database))
    with ExitStack() as stack:
        runners = [stack.enter_context(running(totals(world), world)) for _ in range(2)]
        for _ in range(20):
            history.go_on(10)
        for runner in runners:
            caught_up(runner, world)
    assert rows_of(totals(world)) == expected(world)


class Follower:
    """A process of `tests.projections.follower`."""

    def __init__(self, world: World, task: str = "follow", page: int = 10, halt: int | None = None) -> None:
        self.name = f"follower-{id(self):x}"
        self._database = world.database
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.projections.follower"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        dsn = make_dsn(world.database.dsn, application_name=self.name)
        work = {"dsn": dsn, "region": world.region, "task": task, "page": page, "halt": halt}
        assert self.process.stdin is not None
        with self.process.stdin as stdin:
            stdin.write(json.dumps(work).encode())

    def heard(self, lines: int) -> list[str]:
        """So many lines, or fewer at its end."""
        assert self.process.stdout is not None
        found = [self.process.stdout.readline().decode().strip() for _ in range(lines)]
        return [line for line in found if line]

    def kill(self) -> None:
        """Kill it, and wait until the database has noticed."""
        self.process.kill()
        self.join()
        eventually(lambda: not self.backends())

    def join(self) -> int:
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(DEADLINE_SECONDS)

    def backends(self, condition: str = "true") -> int:
        """How many connections it has that are in some condition."""
        return backends(self._database, f"application_name = '{self.name}' AND {condition}")


def backends(database: Database, condition: str) -> int:
    with database.transaction() as cursor:
        cursor.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {condition}")
        (number,) = cursor.fetchone() or (0,)
        return int(number)


@pytest.mark.parametrize("halt", [5, 44, 120])
def test_nothing_remains_of_a_batch_in_whose_middle_a_process_was_killed(world: World, halt: int) -> None:
    History(fresh(world.database)).go_on(EVENTS)
    follower = Follower(world, page=40, halt=halt)
    done = halt // 40
    assert follower.heard(done + 1) == [*(str(40 * number) for number in range(1, done + 1)), "halted"]
    follower.kill()
    projection = totals(world)
    assert position(projection, world) == 40 * done
    assert rows_of(projection) == expected(world, 40 * done)
    with running(projection, world) as runner:
        caught_up(runner, world)
    assert rows_of(projection) == expected(world)


def test_processes_killed_at_any_moment_apply_every_event_once(world: World) -> None:
    killed_at_any_moment(world, random.Random(0), kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_processes_killed_at_many_moments_apply_every_event_once(world: World, seed: int) -> None:
    killed_at_any_moment(world, random.Random(seed), kills=15)


def killed_at_any_moment(world: World, moments: random.Random, kills: int) -> None:
    """Beside a process that is let alone."""
    History(fresh(world.database), moments.randrange(1000)).go_on(2 * EVENTS)
    projection = totals(world)
    steady = Follower(world, page=3)
    for _ in range(kills):
        follower = Follower(world, page=3)
        follower.heard(moments.randrange(1, 5))
        select.select([], [], [], moments.uniform(0, 0.01))
        follower.kill()
    while steady.heard(1):
        pass
    assert steady.join() == 0
    catch_up(projection, world.ledger)
    assert rows_of(projection) == expected(world)


def test_a_process_that_holds_a_batch_is_waited_for(world: World) -> None:
    """Whoever comes second neither applies the same events nor passes by."""
    History(fresh(world.database)).go_on(EVENTS)
    projection = totals(world)
    follower = Follower(world, page=1000, halt=100)
    assert follower.heard(1) == ["halted"]
    with running(projection, world) as runner:
        eventually(lambda: backends(world.database, "wait_event_type = 'Lock'"))
        assert (runner.position, position(projection, world)) == (0, 0)
        follower.kill()
        caught_up(runner, world)
    assert rows_of(projection) == expected(world)


# -- waiting ------------------------------------------------------------------------------------------------


def test_waiting_ends_with_the_event_or_with_the_time(world: World) -> None:
    with running(totals(world), world) as runner:
        caught_up(runner, world)
        begun = time.monotonic()
        assert not runner.wait(world.size, 0.2)
        assert 0.2 <= time.monotonic() - begun < 5
        answer: Future[bool] = Future()
        size = world.size
        with threads(lambda: answer.set_result(runner.wait(size, DEADLINE_SECONDS))):
            assert not answer.done()
            world.record("hours.recorded/1")
        assert answer.result()
        assert runner.position == world.size
        assert runner.wait(0, 0)


def test_what_another_process_applied_is_waited_for_too(world: World) -> None:
    with running(totals(world), world) as runner:
        caught_up(runner, world)
        with world.database.transaction() as cursor:
            # The other one has the next batch already.
            cursor.execute(f"SELECT FROM {world.schema}_totals.tracking FOR UPDATE")
            world.record("hours.recorded/1")
            rows = log.read_bodies(cursor, world.schema, world.size - 1, 1)
            cursor.execute(f"UPDATE {world.schema}_totals.tracking SET notification_id = %s", (world.size,))
            Totals(world.database, world.schema).apply(rows, cursor)
        caught_up(runner, world)


# -- handlers that raise ------------------------------------------------------------------------------------


class Touchy(Totals):
    """Totals that cannot take some events."""

    name = "touchy"
    poison: ClassVar[set[str]] = set()

    def apply(self, rows: Sequence[log.Body], cursor: Cursor) -> None:
        super().apply(rows, cursor)
        for _, _, body in rows:
            assert body is not None
            if (event_id := json.loads(bytes(body))["id"]) in self.poison:
                raise ValueError(f"what is {event_id[-4:]}?")


@pytest.fixture
def poison() -> Iterator[set[str]]:
    yield Touchy.poison
    Touchy.poison.clear()


def test_a_handler_that_raises_stops_its_projection_alone(world: World, poison: set[str]) -> None:
    other = fresh(world.database, "440300").populate()
    with ExitStack() as stack:
        touchy, same_log, other_log = (
            stack.enter_context(running(projection(one.database, one.schema), one))
            for projection, one in ((Touchy, world), (Totals, world), (Touchy, other))
        )
        caught_up(touchy, world)
        before = world.hours("07:00", "08:00")
        poison.add(bad := json.loads(culprit := world.hours("08:00", "09:00"))["id"])
        world.submit(before, culprit, world.hours("09:00", "10:00"))
        place = world.size - 2
        failure = eventually(lambda: touchy.failure)
        assert all(part in failure for part in (bad, "hours.recorded/1", str(place), f"what is {bad[-4:]}?"))
        # Who waits for it is not kept waiting.
        begun = time.monotonic()
        assert not touchy.wait(place, DEADLINE_SECONDS)
        assert time.monotonic() - begun < DEADLINE_SECONDS / 2
        # It stands just before the event.
        assert position(touchy.projection, world) == place
        assert rows_of(touchy.projection) == expected(world, place)
        other.record("hours.recorded/1")
        world.record("hours.recorded/1", issuer=world.authority, **{}) if False else None
        caught_up(same_log, world)
        caught_up(other_log, other)
        assert (same_log.failure, other_log.failure) == (None, None)
        assert touchy.failure == failure
    poison.clear()
    with running(Touchy(world.database, world.schema), world) as mended:
        caught_up(mended, world)
        assert mended.failure is None
        assert rows_of(mended.projection) == expected(world)
