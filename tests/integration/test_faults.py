"""Processes killed for real, connections cut for real: nothing acknowledged is lost, nothing is half there."""

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import make_dsn

from ledger.app.committer import Committer
from ledger.app.intake import Accepted, Prepared
from ledger.errors import Conflict, LedgerError, Refused, Unavailable
from ledger.limits import IDLE_IN_TRANSACTION_TIMEOUT_MS, LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS
from ledger.store import log
from ledger.store.postgres import embedded
from ledger.store.postgres.database import CommitUnknown, Database
from tests.integration.relay import Loss, Relay, relaying
from tests.integration.waiting import DEADLINE_SECONDS, eventually, threads
from tests.integration.world import World, check, volunteer
from tests.support import builders
from tests.support.builders import ABSENT, STATION

Found = list[tuple[str, int, bytes]]


def requests_of(world: World, count: int) -> list[bytes]:
    """Submissions of the station's: six entries of a minute each, or a person with private details and an entry."""
    return [_person(world, number) if number % 5 == 4 else _hours(world, number) for number in range(count)]


def _hours(world: World, number: int) -> bytes:
    minutes = range(number * 6, number * 6 + 6)
    return world.request(*(world.hours(_clock(minute), _clock(minute + 1)) for minute in minutes))


def _clock(minute: int) -> str:
    return f"{6 + minute // 60:02}:{minute % 60:02}"


def _person(world: World, number: int) -> bytes:
    name, details = volunteer(1000 + number), builders.details(id_number=f"E{number:08}")
    consent = {"method": "form", "given": builders.TIME, "reference": "档案 2026-31"}
    members = {"issuer": STATION, "subject": name, "consent": consent, "key": ABSENT}
    body = world.body("volunteer.registered/1", identity=builders.identity(details), **members)
    private = {json.loads(body)["id"]: details}
    return world.request(body, world.hours("08:00", "09:00", subject=name), private=private)


def found(world: World, request: bytes) -> Found:
    """Which of a request's events the ledger holds, byte for byte, and where."""
    submission = world.ledger.prepare(request).submission
    with world.database.read() as cursor:
        rows = log.find_events(cursor, world.schema, [one.event.id for one in submission.events])
    bodies = {one.event.id: one.body for one in submission.events}
    assert all(row.body == bodies[str(row.event_id)] for row in rows)
    return [(str(row.event_id), row.position, row.entry) for row in rows]


def whole_or_absent(world: World, request: bytes) -> bool:
    """Whether the ledger holds a request; never part of it."""
    events = len(world.ledger.prepare(request).submission.events)
    there = found(world, request)
    assert len(there) in {0, events}
    assert [position for _, position, _ in there] == [there[0][1] + n for n in range(len(there))] if there else True
    return bool(there)


def heal(world: World, requests: Sequence[bytes]) -> None:
    """Submitting everything again accepts what is missing and moves nothing that is there."""
    for request in requests:
        before = found(world, request)
        answer = world.ledger.submit(request)
        assert answer.new is not bool(before)
        assert list(answer.events) == (before or found(world, request))
    check(world)


# -- a submitter is killed --------------------------------------------------------------------------

KILLED_REQUESTS = 50
WINDOW = 8
"""How many requests are kept back until those before them are acknowledged, so that some are left to do."""


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_submitter_leaves_whole_submissions(world, seed):
    kill_a_submitter(world, random.Random(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_submitters_killed_at_many_moments_leave_whole_submissions(world, seed):
    kill_a_submitter(world, random.Random(seed))


def kill_a_submitter(world: World, moments: random.Random) -> None:
    requests = requests_of(world, KILLED_REQUESTS)
    name = f"submitter-{world.schema}"
    dsn = make_dsn(world.database.dsn, application_name=name)
    acknowledged = acknowledged_until_killed([dsn, world.region], requests, moments)
    eventually(lambda: not world.backends("application_name = %s", name))
    check(world)
    there = {number for number, request in enumerate(requests) if whole_or_absent(world, request)}
    assert acknowledged
    assert acknowledged <= there
    heal(world, requests)


def acknowledged_until_killed(arguments: list[str], requests: Sequence[bytes], moments: random.Random) -> set[int]:
    """Numbers of the requests that a submitter acknowledged before it was killed at some moment."""
    said, wanted, waiting = b"", moments.randrange(1, KILLED_REQUESTS - WINDOW), iter(requests)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.submitter", *arguments],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        news = b"\n" * WINDOW
        while said.count(b"\n") < wanted and news:
            for request in islice(waiting, news.count(b"\n")):
                child.stdin.write(json.dumps(request.decode()).encode() + b"\n")
            ready, _, _ = select.select([child.stdout], [], [], DEADLINE_SECONDS)
            news = child.stdout.read(4096) if ready else b""
            said += news
        # And then somewhere between two answers.
        select.select([child.stdout], [], [], moments.uniform(0, 0.003))
        child.kill()
        while news := child.stdout.read(4096):
            said += news
    return {int(line) for line in said.splitlines()}


# -- PostgreSQL is killed ---------------------------------------------------------------------------


class Server:
    """An embedded PostgreSQL that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = [embedded.start(folder)]
        self.dsn = self._started[0].dsn

    def kill(self) -> None:
        """Kill every process of the server; the postmaster first, so that it cannot react to the others."""
        postmaster = int((self._folder / "pg" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)
        processes = [postmaster, *_children(postmaster)]
        for process in processes:
            os.kill(process, signal.SIGKILL)

    def restart(self) -> None:
        self._started.append(embedded.start(self._folder))
        assert self._started[-1].started
        assert self._started[-1].dsn == self.dsn

    def close(self) -> None:
        for server in reversed(self._started):
            server.stop()


def _children(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, ppid in pairs if int(ppid) == parent]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="yongzhi-"))
    folder.chmod(0o711)
    try:
        with closing(Server(folder / "data")) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Outcome:
    """What submitters were told."""

    acknowledged: dict[int, Accepted] = field(default_factory=dict)
    unavailable: dict[int, Unavailable] = field(default_factory=dict)


def submit_all(
    committer: Committer, world: World, requests: Sequence[bytes], before: Callable[[int, Outcome], object]
) -> Outcome:
    """Submit by four threads, calling `before` first; a server that is out of reach is the one excuse."""
    outcome = Outcome()

    def submit(number: int) -> None:
        before(number, outcome)
        try:
            answer = committer.submit(world.ledger.prepare(requests[number])).result(DEADLINE_SECONDS)
            if isinstance(answer, Unavailable):
                raise answer
            assert isinstance(answer, Accepted), answer
            outcome.acknowledged[number] = answer
        except Unavailable as error:
            outcome.unavailable[number] = error

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(submit, range(len(requests))))
    return outcome


@pytest.mark.parametrize("seed", range(2))
def test_nothing_acknowledged_is_lost_with_the_server(server, seed):
    kill_the_server(server, random.Random(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_nothing_acknowledged_is_lost_whenever_the_server_dies(server, seed):
    kill_the_server(server, random.Random(seed))


def kill_the_server(server: Server, moments: random.Random) -> None:
    with closing(Database(server.dsn)) as database:
        world = World(database).populate()
        requests = requests_of(world, KILLED_REQUESTS)
        committer = Committer(world.ledger)
        moment, killed = moments.randrange(WINDOW, KILLED_REQUESTS // 2), threading.Event()

        def kill_at_the_moment(number: int, outcome: Outcome) -> None:
            if number == moment:
                eventually(lambda: outcome.acknowledged)
                server.kill()
                killed.set()
            elif number >= KILLED_REQUESTS - WINDOW:
                # Whatever the others got done meanwhile, some are left for a server that is gone.
                assert killed.wait(DEADLINE_SECONDS)

        outcome = submit_all(committer, world, requests, kill_at_the_moment)
        server.restart()
        check(world)
        assert outcome.acknowledged
        assert outcome.unavailable
        for number, request in enumerate(requests):
            there = whole_or_absent(world, request)
            if answer := outcome.acknowledged.get(number):
                assert found(world, request) == list(answer.events)
            elif not isinstance(outcome.unavailable[number], CommitUnknown):
                assert not there, outcome.unavailable[number].detail
        # The committer that was at work when the server died goes on.
        again = submit_all(committer, world, requests, lambda *_: None)
        committer.close()
        assert not again.unavailable
        heal(world, requests)


def test_a_follower_goes_on_after_the_server_came_back(server):
    with closing(Database(server.dsn)) as database:
        world = World(database).populate()
        recorder = world.ledger.recorder
        with recorder.subscribe() as subscription:
            last = [next(subscription) for _ in range(world.size)][-1].id
            server.kill()
            server.restart()
            name = world.record("hours.recorded/1")
            notification = next(subscription)
        assert (notification.id, notification.state) == (last + 1, world.ledger.event(name).body)


# -- the connection is lost in COMMIT ---------------------------------------------------------------


@pytest.fixture
def relay(world: World) -> Iterator[Relay]:
    with relaying(world.database.dsn) as relay:
        yield relay


@pytest.fixture
def beyond(world: World, relay: Relay) -> Iterator[World]:
    """The same ledger, reached through the relay."""
    with closing(Database(relay.dsn)) as database:
        yield World(database, world.region, fresh=False)


def truthful(world: World, request: bytes, answer: Accepted | LedgerError) -> None:
    """The answer agrees with what is in the ledger now."""
    there = found(world, request)
    if isinstance(answer, Accepted):
        assert there == list(answer.events)
    elif not isinstance(answer, CommitUnknown):
        assert not there


@pytest.mark.parametrize("loss", [Loss.ANSWER, Loss.REQUEST])
def test_a_lost_commit_is_looked_up_before_answering(world, relay, beyond, loss):
    request = world.request(world.hours("08:00", "09:00"), world.hours("09:00", "10:00"))
    prepared = beyond.ledger.prepare(request)
    relay.loss = loss
    (answer,) = beyond.ledger.commit([prepared])
    assert relay.loss is None
    truthful(world, request, answer)
    if loss is Loss.ANSWER:
        assert isinstance(answer, Accepted)
    again = beyond.ledger.submit(request)
    assert not again.new or loss is Loss.REQUEST
    assert list(again.events) == found(world, request)


def test_a_commit_that_is_late_is_waited_for(world, relay, beyond):
    """The client is gone, the server is yet to commit: it is too early to say that nothing was written."""
    request = world.request(world.hours("08:00", "09:00"))
    prepared = beyond.ledger.prepare(request)
    relay.loss = Loss.DELAY
    answer: Future[Any] = Future()

    def commit() -> None:
        answer.set_result(beyond.ledger.commit([prepared]))

    with threads(commit):
        eventually(lambda: answer.done() or world.backends("wait_event_type = 'Lock'"))
        relay.release()
    eventually(lambda: not world.backends("xact_start IS NOT NULL"))
    (told,) = answer.result()
    truthful(world, request, told)


@pytest.mark.parametrize("loss", [Loss.ANSWER, Loss.REQUEST])
def test_every_submission_of_a_lost_commit_gets_its_own_answer(world, relay, beyond, loss):
    old = world.request(world.hours("06:00", "07:00"))
    world.ledger.submit(old)
    good = world.request(world.hours("08:00", "09:00"))
    refused = world.request(world.hours("08:30", "09:30"))
    name = json.loads(world.ledger.prepare(good).submission.events[0].body)["id"]
    conflicting = world.request(world.hours("10:00", "11:00", id=name))
    batch = [beyond.ledger.prepare(request) for request in (old, good, refused, conflicting)]
    relay.loss = loss
    first, second, third, fourth = beyond.ledger.commit(batch)
    for request, answer in ((old, first), (good, second), (refused, third)):
        truthful(world, request, answer)
    assert isinstance(first, Accepted)
    assert isinstance(third, Refused | Unavailable)
    # Its id is in the log, its bytes are not.
    assert isinstance(fourth, Conflict | Unavailable)


def test_an_outcome_that_cannot_be_looked_up_is_called_unknown(world, relay, beyond):
    request = world.request(world.hours("08:00", "09:00"))
    prepared = beyond.ledger.prepare(request)
    relay.loss, relay.refusing = Loss.ANSWER, True
    with pytest.raises(CommitUnknown):
        beyond.ledger.commit([prepared])
    relay.refusing = False
    assert not beyond.ledger.submit(request).new
    assert len(found(world, request)) == 1


def test_a_read_that_is_cut_says_that_the_database_is_out_of_reach(world, relay, beyond):
    relay.loss, relay.statement = Loss.REQUEST, b"SELECT"
    _unavailable(beyond.ledger.head)
    assert relay.loss is None
    assert beyond.ledger.head() == world.ledger.head()


@pytest.mark.parametrize("statement", [b"BEGIN", b"SELECT size", b'SELECT "position"', b"COPY", b"INSERT"])
@pytest.mark.parametrize("loss", [Loss.ANSWER, Loss.REQUEST])
def test_a_submission_that_is_cut_before_its_commit_writes_nothing(world, relay, beyond, loss, statement):
    request = world.request(world.hours("08:00", "09:00"))
    prepared = beyond.ledger.prepare(request)
    relay.loss, relay.statement = loss, statement
    if statement == b"BEGIN":
        # The connection may have been dead for long, so another is tried.
        (answer,) = beyond.ledger.commit([prepared])
        assert isinstance(answer, Accepted)
    else:
        _unavailable(beyond.ledger.commit, [prepared])
        assert not found(world, request)
    assert relay.loss is None
    assert beyond.ledger.submit(request).new is (statement != b"BEGIN")


# -- a writer stops inside its transaction ----------------------------------------------------------


class Impatient(Database):
    """A database whose transactions have shorter timeouts than ours, so that a test sees them."""

    settings: Mapping[str, str] = {"idle_in_transaction_session_timeout": "300ms"}

    @contextmanager
    def transaction(self, mode: str = "") -> Iterator[Cursor]:
        with super().transaction(mode) as cursor:
            for name, value in self.settings.items():
                cursor.execute(f"SET LOCAL {name} = '{value}'")
            yield cursor


class Pause(dict[str, str | None]):
    """Claims of a submission that are slow to come: whoever decides it stops, holding the head."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.over = threading.Event()

    def get(self, *_: object) -> None:
        self.reached.set()
        assert self.over.wait(DEADLINE_SECONDS)


def paused(prepared: Prepared) -> tuple[Prepared, Pause]:
    pause = Pause()
    return replace(prepared, claims=pause), pause


def test_sessions_have_the_timeouts_of_the_limits(world):
    limits = {
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT_MS,
    }
    settings = world.query("SELECT name, setting::int, unit FROM pg_settings WHERE name = ANY(%s)", list(limits))
    assert {name: value for name, value, unit in settings if unit == "ms"} == limits


def test_a_writer_that_stops_does_not_stop_the_region(world):
    with closing(Impatient(world.database.dsn)) as database:
        stopped = World(database, fresh=False).ledger
        request = world.request(world.hours("08:00", "09:00"))
        prepared, pause = paused(stopped.prepare(request))
        with threads(lambda: _unavailable(stopped.commit, [prepared])):
            assert pause.reached.wait(DEADLINE_SECONDS)
            # It holds the head, and another one waits until the server has thrown it out.
            other = world.ledger.submit(world.request(world.hours("09:00", "10:00")))
            assert other.new
            pause.over.set()
    assert not found(world, request)
    assert world.ledger.submit(request).new


def _unavailable(act: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(Unavailable) as error:
        act(*arguments)
    assert not isinstance(error.value, CommitUnknown)


def test_a_writer_whose_connection_is_cut_writes_nothing(world):
    request = world.request(world.hours("08:00", "09:00"))
    prepared, pause = paused(world.ledger.prepare(request))
    with threads(lambda: _unavailable(world.ledger.commit, [prepared])):
        assert pause.reached.wait(DEADLINE_SECONDS)
        (writer,) = world.backends("state = 'idle in transaction'")
        assert world.query("SELECT pg_terminate_backend(%s, 10000)", writer) == [(True,)]
        pause.over.set()
    assert not found(world, request)
    assert world.ledger.submit(request).new


def test_a_writer_does_not_wait_for_the_head_for_ever(world):
    class ShortOfTime(Impatient):
        settings: Mapping[str, str] = {"lock_timeout": "100ms"}

    request = world.request(world.hours("08:00", "09:00"))
    with closing(ShortOfTime(world.database.dsn)) as database:
        hasty = World(database, fresh=False).ledger
        prepared = hasty.prepare(request)
        with world.database.transaction() as cursor:
            log.read_head(cursor, world.schema, lock=True)
            _unavailable(hasty.commit, [prepared])
        assert hasty.submit(request).new
