"""The engine: every event once, whoever is killed when; stopped by what a handler raises; rebuilt under way."""

import json
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

from api.deployment.data_folder import Deployment, opened
from api.service import region as serving_region
from api.service import service as serving
from ledger.app import worker
from ledger.app.ledger import Ledger
from ledger.crypto import keys
from ledger.errors import Unavailable
from ledger.events import drafts, submission
from ledger.events.body import encode_event
from ledger.events.registration import RegionKeyAdded
from ledger.store import log
from ledger.store.postgres import embedded
from ledger.store.postgres.database import Cursor, Database
from projections.engine import BatchProjection, Feed, Rebuilt, Runner, advance, catch_up, rebuild
from projections.totals import Totals
from projections.views import TotalsView
from tests.integration.waiting import DEADLINE_SECONDS, eventually, threads
from tests.integration.world import SECRET, World, span, volunteer
from tests.projections.histories import VOLUNTEERS, History
from tests.projections.tables import drop, expected, fresh, position, rows_of
from tests.support.builders import STATION

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
        cursor.execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {condition}")
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
        failure = str(eventually(lambda: touchy.failure))
        assert all(part in failure for part in (bad, "hours.recorded/1", str(place), f"what is {bad[-4:]}?"))
        # Who waits for it is not kept waiting.
        begun = time.monotonic()
        assert not touchy.wait(place, DEADLINE_SECONDS)
        assert time.monotonic() - begun < DEADLINE_SECONDS / 2
        # It stands just before the event.
        assert position(touchy.projection, world) == place
        assert rows_of(touchy.projection) == expected(world, place)
        other.record("hours.recorded/1")
        caught_up(same_log, world)
        caught_up(other_log, other)
        assert (same_log.failure, other_log.failure) == (None, None)
        assert touchy.failure == failure
    poison.clear()
    with running(Touchy(world.database, world.schema), world) as mended:
        caught_up(mended, world)
        assert mended.failure is None
        assert rows_of(mended.projection) == expected(world)


def test_a_handler_that_raises_in_the_middle_of_a_long_log_is_found(world: World, poison: set[str]) -> None:
    History(fresh(world.database)).go_on(EVENTS)
    place = world.size // 2
    poison.add(bad := str(world.ledger.rows_at([place])[place].event_id))
    with running(Touchy(world.database, world.schema), world) as touchy:
        assert bad in str(eventually(lambda: touchy.failure))
        assert rows_of(touchy.projection) == expected(world, place)


class Unlucky(Totals):
    """Totals that something happens to before they apply the next batches."""

    name = "unlucky"
    misfortunes: ClassVar[list[Callable[[Cursor], object]]] = []

    def apply(self, rows: Sequence[log.Body], cursor: Cursor) -> None:
        if self.misfortunes:
            self.misfortunes.pop()(cursor)
        super().apply(rows, cursor)


def test_a_database_lost_while_the_event_is_looked_for_is_no_fault_of_the_event(world: World) -> None:
    def fail(cursor: Cursor) -> None:
        raise ValueError("only this once")

    def lose(cursor: Cursor) -> None:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    Unlucky.misfortunes = [lose, fail]
    with running(Unlucky(world.database, world.schema), world) as runner:
        caught_up(runner, world)
        assert Unlucky.misfortunes == []
        eventually(lambda: runner.failure is None)
        assert rows_of(runner.projection) == expected(world)


def test_a_server_tells_which_projection_stopped(
    database: Database, database_url: str, tmp_path: Path, poison: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ill, well = "440400", "440500"
    monkeypatch.setattr(serving_region, "Totals", Touchy)
    for region in (ill, well):
        drop(database, region)
    with opened(tmp_path, database_url) as deployment:
        for region in (ill, well):
            deployment.establish(region, f"ledger.example/{region}", "Somewhere")
        with closing(serving.Service(deployment)) as service:
            assert service.failures() == {}
            poison.add(bad := add_region_key(deployment, ill))
            add_region_key(deployment, well)
            failures = eventually(service.failures)
            assert list(failures) == [f"{ill} touchy"]
            assert bad in failures[f"{ill} touchy"]
            assert service.regions[well].runner.wait(3, DEADLINE_SECONDS)
            assert not service.regions[ill].runner.wait(3, DEADLINE_SECONDS)
        poison.clear()
        with closing(serving.Service(deployment)) as service:
            assert service.regions[ill].runner.wait(3, DEADLINE_SECONDS)
            assert service.failures() == {}


def add_region_key(deployment: Deployment, region: str) -> str:
    """Submit an event; its id."""
    key, issuer, origin = deployment.region_keys(region).issuing, f"region:{region}", f"ledger.example/{region}"
    event = RegionKeyAdded(**drafts.common(issuer, region, issuer), key=str(keys.generate(issuer).verifier))
    bodies = [encode_event(event)]
    deployment.ledger(region).submit(submission.pack(submission.seal(bodies, key, origin), bodies))
    return event.id


# -- rebuilding ---------------------------------------------------------------------------------------------


def same(projection: Totals, world: World) -> None:
    """A rebuild finds that nothing differs, and leaves one schema behind."""
    report = rebuild(projection, world.ledger)
    assert (report.differences, report.examples) == (dict.fromkeys(Totals.tables, 0), [])
    assert (report.same, report.events) == (True, world.size)
    with world.database.read() as cursor:
        cursor.execute(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) AND NOT nspname LIKE '%%expected'",
            (f"{world.schema}_",),
        )
        assert cursor.fetchall() == [(projection.schema,)]


def test_tables_rebuilt_are_those_that_were(world: World) -> None:
    History(fresh(world.database)).go_on(EVENTS)
    projection = totals(world)
    catch_up(projection, world.ledger)
    told: list[tuple[int, int]] = []
    assert rebuild(projection, world.ledger, lambda *done: told.append(done)).same
    assert told == [(world.size, world.size)]
    same(projection, world)
    assert rows_of(projection) == expected(world)


def test_tables_that_were_behind_are_brought_up_before_they_are_compared(world: World) -> None:
    History(fresh(world.database)).go_on(EVENTS)
    projection = totals(world)
    with closing(Feed(world.ledger, 50)) as feed:
        advance(projection, world.ledger.name, feed)
    same(projection, world)
    assert (rows_of(projection), position(projection, world)) == (expected(world), world.size)


TAMPERED = {
    "volunteer_totals": "UPDATE {0}.volunteer_totals SET minutes = minutes + 1 WHERE ctid = '(0,1)'",
    "organisation_totals": "DELETE FROM {0}.organisation_totals WHERE ctid = '(0,1)'",
    "day_totals": "INSERT INTO {0}.day_totals VALUES ('1999-12-31', 'counted', 60, 1)",
    "entries": "UPDATE {0}.entries SET contested = NOT contested WHERE ctid = '(0,1)'",
}


@pytest.mark.parametrize("table", TAMPERED)
def test_a_row_that_was_tampered_with_is_named_and_repaired(world: World, table: str) -> None:
    History(fresh(world.database)).go_on(EVENTS)
    projection = totals(world)
    catch_up(projection, world.ledger)
    rebuild(projection, world.ledger)  # so that the first row of each table is one that was never changed
    good = rows_of(projection)[table]
    with world.database.transaction() as cursor:
        cursor.execute(TAMPERED[table].format(projection.schema))
        assert cursor.rowcount == 1
    bad = rows_of(projection)[table]
    report = rebuild(projection, world.ledger)
    wrong = [("live", row) for row in bad if row not in good] + [("rebuilt", row) for row in good if row not in bad]
    assert report.differences == {**dict.fromkeys(Totals.tables, 0), table: len(wrong)}
    assert not report.same
    for (side, row), example in zip(wrong, sorted(report.examples), strict=True):
        assert example.startswith(f"{table}: only {side}: (")
        assert all(str(value) in example for value in row if isinstance(value, str))
    assert rows_of(projection) == expected(world)
    same(projection, world)


def test_nothing_is_lost_while_events_keep_arriving(world: World) -> None:
    history, stop = History(fresh(world.database)).go_on(20), threading.Event()

    def write() -> None:
        while not stop.is_set():
            history.go_on(3)

    with running(totals(world), world) as runner:
        with threads(write):
            for _ in range(4):
                size = world.size
                report = rebuild(Totals(world.database, world.schema), world.ledger)
                assert report.same, report.examples
                assert report.events >= size
            stop.set()
        caught_up(runner, world)
        assert runner.failure is None
    same(totals(world), world)
    assert rows_of(totals(world)) == expected(world)


@contextmanager
def holding(projection: Totals, lock: str) -> Iterator[Cursor]:
    """Somebody else has a table."""
    with projection.database.transaction() as cursor:
        cursor.execute(f"LOCK TABLE {projection.schema}.{lock}")
        yield cursor


READING = "entries IN ACCESS SHARE MODE"
"""As a page that is slow to read: until it is done, the table is not put away."""


# It waits while it compares, or while it swaps.
@pytest.mark.parametrize("lock", ["day_totals IN ACCESS EXCLUSIVE MODE", READING])
def test_events_that_arrive_during_a_swap_are_applied_after_it(world: World, lock: str) -> None:
    projection, report = totals(world), Future[Any]()

    def build() -> None:
        report.set_result(rebuild(Totals(world.database, world.schema), world.ledger))

    def waiting(seconds: float = 0) -> int:
        since = f"clock_timestamp() - query_start > {seconds} * interval '1 second'"
        return backends(world.database, f"wait_event_type = 'Lock' AND {since}")

    with running(projection, world) as runner, ExitStack() as held:
        caught_up(runner, world)
        held.enter_context(holding(projection, lock))
        with threads(build):
            eventually(waiting)
            world.record("hours.recorded/1")
            # The runner too, for longer than it takes until a deadlock would be looked for.
            eventually(lambda: waiting(1.5) == 2)
            held.close()
        assert report.result().same
        caught_up(runner, world)
        assert runner.failure is None
    assert rows_of(projection) == expected(world)


def test_readers_never_notice_a_swap(world: World) -> None:
    History(fresh(world.database)).go_on(EVENTS)
    projection, view = totals(world), TotalsView(world.database, world.schema)
    catch_up(projection, world.ledger)
    stop, reads = threading.Event(), [0, 0, 0]

    def read(number: int, question: Callable[[], object]) -> None:
        right = question()
        while not stop.is_set():
            assert question() == right
            reads[number] += 1

    with threads(
        lambda: read(0, lambda: [view.volunteer(name) for name in VOLUNTEERS]),
        lambda: read(1, lambda: [view.entries(name, None, None, 500) for name in VOLUNTEERS]),
        lambda: read(2, lambda: (view.region(), view.days("2026-01-01", "2026-12-31"))),
    ):
        try:
            for _ in range(6):
                reads[:] = [0, 0, 0]
                assert rebuild(projection, world.ledger).same
                eventually(lambda: all(reads))
        finally:
            stop.set()


Question = Callable[[TotalsView, str], object]
"""What somebody asks of the totals, of a volunteer if it is about one."""
SPANNING: dict[str, tuple[str, Question]] = {
    "between two statements": ("transfers", lambda view, name: view.volunteer(name)),
    "between two tables of a statement": ("units", lambda view, _: view.organisation_volunteers(STATION)),
}
"""When the reader is kept waiting: by a lock on this table of the log, while it asks this."""


@pytest.mark.parametrize(("table", "question"), SPANNING.values(), ids=SPANNING)
def test_a_reader_that_began_before_a_swap_reads_what_was_there(world: World, table: str, question: Question) -> None:
    History(fresh(world.database)).go_on(EVENTS)
    projection, view = totals(world), TotalsView(world.database, world.schema)
    catch_up(projection, world.ledger)
    right = question(view, VOLUNTEERS[0])
    answer, report = Future[object](), Future[Rebuilt]()

    def waiting() -> int:
        return backends(world.database, "wait_event_type = 'Lock'")

    with ExitStack() as held:
        held.enter_context(world.database.transaction()).execute(f"LOCK TABLE {world.schema}.{table}")
        with threads(lambda: answer.set_result(question(view, VOLUNTEERS[0]))):
            eventually(waiting)
            with threads(lambda: report.set_result(rebuild(projection, world.ledger))):
                # Either it puts the new tables in their place without the reader's leave, or it waits for the reader.
                eventually(lambda: report.done() or waiting() == 2)
                held.close()
    assert answer.result() == right
    assert report.result().same


def test_a_rebuild_killed_while_it_builds_leaves_the_tables_alone(world: World) -> None:
    history = History(fresh(world.database)).go_on(EVENTS)
    projection = totals(world)
    catch_up(projection, world.ledger)
    with running(projection, world) as runner:
        follower = Follower(world, "rebuild", halt=100)
        assert follower.heard(1) == ["halted"]
        history.go_on(20)
        caught_up(runner, world)
        follower.kill()
        assert rows_of(projection) == expected(world)
        history.go_on(20)
        caught_up(runner, world)
    same(projection, world)


def test_a_rebuild_killed_while_it_swaps_leaves_the_tables_alone(world: World) -> None:
    history = History(fresh(world.database)).go_on(EVENTS)
    projection = totals(world)
    catch_up(projection, world.ledger)
    with holding(projection, READING):
        follower = Follower(world, "rebuild")
        eventually(lambda: follower.backends("wait_event_type = 'Lock'"))
        follower.process.kill()
        follower.join()
    eventually(lambda: not follower.backends())
    history.go_on(20)
    catch_up(projection, world.ledger)
    assert rows_of(projection) == expected(world)
    same(projection, world)


# -- a database that comes and goes ---------------------------------------------------------------------------


@contextmanager
def own_server() -> Iterator[Path]:
    """A folder for a PostgreSQL of a test's own, outside pytest's folders, which its user may not enter."""
    folder = Path(tempfile.mkdtemp(prefix="yongzhi-"))
    folder.chmod(0o711)
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_runner_outlives_its_database() -> None:
    with own_server() as folder, ExitStack() as stack:
        server = embedded.start(folder)
        database = stack.enter_context(closing(Database(server.dsn)))
        world = fresh(database).populate()
        runner = stack.enter_context(running(totals(world), world))
        for number in range(2):
            world.record("hours.recorded/1", **span("08:00", "09:00"), subject=enrolled(world, 2 * number))
            caught_up(runner, world)
            server.stop()
            with pytest.raises(Unavailable):
                world.ledger.head()
            server = embedded.start(folder)
            stack.callback(server.stop)
            world.record("hours.recorded/1", subject=enrolled(world, 2 * number + 1))
            caught_up(runner, world)
            eventually(lambda: runner.failure is None)
        assert rows_of(totals(world)) == expected(world)


def enrolled(world: World, number: int) -> str:
    world.enrol(name := volunteer(100 + number))
    return name


class Absent(Database):
    """A database that is out of reach for one of the next times that it is asked for something."""

    countdown = 0

    def _ask(self) -> None:
        self.countdown -= 1
        if self.countdown == 0:
            raise Unavailable("not at present")

    @contextmanager
    def transaction(self, mode: str = "") -> Iterator[Cursor]:
        self._ask()
        with super().transaction(mode) as cursor:
            yield cursor

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._ask()
        return super().query(statement, values)


def test_a_runner_outlives_a_database_lost_at_any_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.01)
    with closing(Absent(world.database.dsn)) as database:
        seen = World(database, fresh=False)
        with running(totals(seen), seen) as runner:
            for countdown in range(1, 7):
                database.countdown = countdown
                world.record("hours.recorded/1", subject=enrolled(world, countdown))
                caught_up(runner, world)
                # It polls, so that it comes to this sooner or later.
                eventually(lambda: database.countdown <= 0)
            eventually(lambda: runner.failure is None)
    assert rows_of(totals(world)) == expected(world)
