"""The log as readers see it: order, delivery, separation, and bytes that nothing alters."""

import json
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from uuid import uuid4

import pytest
from eventsourcing.application import ProcessingEvent
from eventsourcing.cipher import AESCipher
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import Notification, StoredEvent, Subscription
from eventsourcing.projection import ApplicationSubscription

from ledger.app.ledger import Ledger, RecordedEvent
from ledger.errors import NotFound, Refused
from ledger.store import log
from ledger.store.postgres.database import Database
from ledger.store.postgres.listener import Listener
from ledger.store.tiles import Tiles
from ledger.tlog import merkle
from tests.integration.waiting import DEADLINE_SECONDS, eventually, threads
from tests.integration.world import SECRET, World, check, organisation, span
from tests.support import builders
from tests.support.builders import STATION, VOLUNTEER
from tests.support.library import WritingFactory, WritingRecorder


def ids(notifications: object) -> list[int]:
    return [notification.id for notification in notifications]  # type: ignore[attr-defined]


# -- order ------------------------------------------------------------------------------------------

WRITERS = 8
SUBMISSIONS = 12


def requests_of(world: World, writer: int) -> list[bytes]:
    """Submissions of one to four events by a writer of its own."""
    name = organisation(100 + writer)
    world.admit(name, keys=1)
    return [
        world.request(
            *(
                world.body("activity.published/1", issuer=name, subject=f"activity:{builders.event_id()}")
                for _ in range(1 + (writer + number) % 4)
            )
        )
        for number in range(SUBMISSIONS)
    ]


def test_no_reader_ever_sees_an_event_before_those_in_front_of_it(world):
    requests = [requests_of(world, writer) for writer in range(WRITERS)]
    size = world.size
    total = size + sum(1 + (writer + n) % 4 for writer in range(WRITERS) for n in range(SUBMISSIONS))
    recorder = world.ledger.recorder
    places: list[tuple[int, int]] = []

    def write(writer: int) -> None:
        for request in requests[writer]:
            accepted = world.ledger.submit(request)
            places.append((accepted.first, len(accepted.events)))

    def follow() -> None:
        last = 0
        while last < total:
            seen = ids(recorder.select_notifications(last, 7, inclusive_of_start=False))
            assert seen == list(range(last + 1, last + 1 + len(seen)))
            last += len(seen)

    def read_all() -> None:
        seen: list[int] = []
        while len(seen) < total:
            seen = ids(recorder.select_notifications(None, total + 1))
            assert seen == list(range(1, len(seen) + 1))

    def subscribe() -> None:
        with recorder.subscribe() as subscription:
            assert [next(subscription).id for _ in range(total)] == list(range(1, total + 1))

    with threads(follow, follow, read_all, subscribe, *(lambda n=n: write(n) for n in range(WRITERS))):
        pass
    assert world.size == total
    # What the writers were told covers the log once.
    told = sorted(position for first, count in places for position in range(first, first + count))
    assert told == list(range(size, total))


def test_an_append_that_is_rolled_back_leaves_no_gap(world):
    size = world.size

    class GivenUpError(Exception):
        pass

    def append() -> None:
        with world.database.transaction() as cursor:
            head = log.read_head(cursor, world.schema, lock=True)
            new = log.NewEvent(sha256(b"{}").digest(), None, None, "topic", b"{}")
            assert log.append(cursor, world.schema, head, int(world.now), [new]).size == size + 1
            raise GivenUpError

    with pytest.raises(GivenUpError):
        append()
    assert world.submit(world.hours("08:00", "09:00")).first == size


# -- two ledgers in one database --------------------------------------------------------------------


def test_ledgers_of_one_database_do_not_see_each_other(world, database):
    other = World(database, "442000").populate()
    follower = Follower(subscription := world.ledger.recorder.subscribe(world.size))
    with threads(follower.read), subscription:
        with world.unchanged():
            name = other.record("hours.recorded/1")
            disputed = other.record("hours.disputed/1", entry=name)
        # The same id, and the same fields but for the ledger.
        world.submit(world.body("hours.recorded/1", id=name))
        eventually(follower.has(name))
    assert [one.state for one in follower.seen] == [world.ledger.event(name).body]
    assert world.ledger.event(name).body != other.ledger.event(name).body
    with pytest.raises(NotFound):
        world.ledger.event(disputed)
    assert [row.topic for row in world.ledger.stream(VOLUNTEER)] == ["volunteer.registered/1", "hours.recorded/1"]
    check(other)


def test_a_submission_to_one_ledger_is_refused_by_another(world, database):
    other = World(database, "442000").populate()
    request = world.request(world.hours("08:00", "09:00"))
    with other.unchanged(), pytest.raises(Refused) as refusal:
        other.ledger.submit(request)
    assert refusal.value.problems[0].code == "wrong-origin"
    misdirected = builders.sealed([world.hours("08:00", "09:00")], origin=other.origin)
    with other.unchanged(), pytest.raises(Refused) as refusal:
        other.ledger.submit(misdirected)
    assert refusal.value.problems[0].code == "wrong-ledger"


# -- delivery ---------------------------------------------------------------------------------------


class Follower:
    """Reads a subscription in a thread, as far as it gets."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.seen: list[Notification] = []

    def read(self) -> None:
        self.seen.extend(iter(lambda: next(self._subscription, None), None))

    def has(self, name: str) -> Callable[[], bool]:
        return lambda: any(name.encode() in notification.state for notification in self.seen)


def listeners(world: World) -> list[int]:
    """Process ids of the server's backends that listen to this ledger."""
    return world.backends("query = %s", f"LISTEN {world.schema}")


def kill_listener(world: World) -> None:
    (before,) = listeners(world)
    world.query("SELECT pg_terminate_backend(%s)", before)
    eventually(lambda: before not in listeners(world))


def test_a_subscription_delivers_what_comes_while_it_waits(world):
    subscription = world.ledger.recorder.subscribe(world.size)
    follower = Follower(subscription)
    with threads(follower.read), subscription:
        for start, end in (("08:00", "09:00"), ("09:00", "10:00")):
            eventually(follower.has(world.record("hours.recorded/1", **span(start, end))))
    assert ids(follower.seen) == [world.size - 1, world.size]


def test_a_subscription_delivers_although_notifications_are_lost(world):
    subscription = world.ledger.recorder.subscribe(world.size)
    with subscription._listener._connection.cursor() as cursor:
        cursor.execute("UNLISTEN *")
    follower = Follower(subscription)
    with threads(follower.read), subscription:
        eventually(follower.has(world.record("hours.recorded/1")))


def test_a_subscription_outlives_its_connection(world):
    subscription = world.ledger.recorder.subscribe(world.size)
    follower = Follower(subscription)
    with threads(follower.read), subscription:
        eventually(follower.has(world.record("hours.recorded/1", **span("07:00", "08:00"))))
        kill_listener(world)
        eventually(follower.has(world.record("hours.recorded/1", **span("08:00", "09:00"))))
        eventually(lambda: listeners(world))
        eventually(follower.has(world.record("hours.recorded/1", **span("09:00", "10:00"))))
    assert ids(follower.seen) == list(range(world.size - 2, world.size + 1))


def test_a_listener_is_notified_before_and_after_its_connection_is_lost(world):
    """It would sleep beyond the deadline of the test if nothing woke it."""
    listener = Listener(world.database, world.schema)
    returns: list[int] = []
    done = threading.Event()

    def wait() -> None:
        while not done.is_set():
            listener.wait(10 * DEADLINE_SECONDS)
            returns.append(1)

    def returns_after(action: Callable[[], object]) -> None:
        before = len(returns)
        action()
        eventually(lambda: len(returns) > before)

    with threads(wait):
        returns_after(lambda: world.submit(world.hours("07:00", "08:00")))
        returns_after(lambda: kill_listener(world))
        eventually(lambda: listeners(world))
        returns_after(lambda: world.submit(world.hours("08:00", "09:00")))
        done.set()
        returns_after(listener.wake)
    listener.close()
    listener.wake()  # by a thread that does not know yet


def test_a_follower_that_was_down_misses_nothing(world):
    recorder = world.ledger.recorder
    with recorder.subscribe() as subscription:
        last = [next(subscription) for _ in range(world.size)][-1].id
    names = [world.record("hours.recorded/1", **span(f"0{hour}:00", f"0{hour}:30")) for hour in (6, 7, 8)]
    with recorder.subscribe(last) as subscription:
        found = [next(subscription) for _ in names]
    assert ids(found) == [last + 1, last + 2, last + 3]
    assert [world.ledger.event(name).body for name in names] == [one.state for one in found]


def test_a_subscription_may_be_limited_to_topics(world):
    topics = ["hours.recorded/1", "volunteer.registered/1"]
    world.submit(world.hours("08:00", "09:00"))
    with world.ledger.recorder.subscribe(None, topics) as subscription:
        assert [next(subscription).topic for _ in topics] == topics[::-1]


def test_a_subscription_ends_with_its_block_and_gives_its_connection_back(world):
    follower = Follower(subscription := world.ledger.recorder.subscribe(world.size))
    with threads(follower.read), subscription:
        eventually(lambda: listeners(world))
    eventually(lambda: not listeners(world))
    assert next(subscription, None) is None


# -- one way in -------------------------------------------------------------------------------------


def test_nothing_but_a_submission_writes(world):
    stored = StoredEvent(VOLUNTEER, 1, "hours.recorded/1", b"{}")
    recorded = RecordedEvent(VOLUNTEER, 1, "hours.recorded/1", b"{}")
    attempts = [
        world.ledger.save,
        lambda: world.ledger.save(Aggregate()),
        lambda: world.ledger.events.put([recorded]),
        lambda: world.ledger._record(_collected(recorded)),
        lambda: world.ledger.recorder.insert_events([stored]),
    ]
    for attempt in attempts:
        with world.unchanged(), pytest.raises(TypeError, match="submit"):
            attempt()


def _collected(event: RecordedEvent) -> ProcessingEvent:
    collected: ProcessingEvent = ProcessingEvent()
    collected.events.append(event)
    return collected


# -- bytes ------------------------------------------------------------------------------------------

CONTENT = ["陪诊、代购", 'say "hours" and C:\\志', "𠮷野家 e\u0301", "?%s {} :name", "x" * 2000]


@pytest.mark.parametrize("content", CONTENT, ids=range(len(CONTENT)))
def test_the_bytes_stored_are_the_bytes_submitted(world, content):
    body = world.hours("08:00", "09:00", content=content)
    ((name, position, entry),) = world.submit(body).events
    row = world.ledger.event(name)
    assert (row.position, row.entry, row.body) == (position, entry, body)
    assert entry == sha256(body).digest() + int(world.now).to_bytes(8, "big")
    (notification,) = world.ledger.recorder.select_notifications(position + 1, 1)
    assert notification.state == body


def test_variables_of_the_library_decide_nothing(world, monkeypatch):
    variables = {
        "CIPHER_KEY": AESCipher.create_key(16),
        "CIPHER_TOPIC": "eventsourcing.cipher:AESCipher",
        "COMPRESSOR_TOPIC": "zlib",
        "PERSISTENCE_MODULE": "eventsourcing.popo",
        "MAPPER_TOPIC": "eventsourcing.persistence:Mapper",
        "IS_SNAPSHOTTING_ENABLED": "y",
        "AGGREGATE_CACHE_MAXSIZE": "10",
        "YONGZHI_DATABASE_URL": "host=/nowhere",
        "YONGZHI_SCHEMA": "elsewhere",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(f"LEDGER_{name}", value)
    ledger = Ledger(world.database, world.region, world.origin, SECRET, lambda: world.now)
    body = world.hours("08:00", "09:00")
    ((name, position, _),) = ledger.submit(world.request(body)).events
    ((stored, topic),) = world.query(f"SELECT body, topic FROM {world.schema}.events WHERE position = %s", position)
    assert (bytes(stored), topic) == (body, "hours.recorded/1")
    assert (ledger.snapshots, ledger.repository.cache) == (None, None)
    assert world.ledger.event(name).body == ledger.event(name).body == body


# -- the tree ---------------------------------------------------------------------------------------


@pytest.fixture
def recorder(database: Database) -> Iterator[WritingRecorder]:
    """A log in a schema of its own, filled without signatures."""
    with database.transaction() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS tree CASCADE")
    yield WritingFactory({"YONGZHI_SCHEMA": "tree"}, database).application_recorder()
    with database.transaction() as cursor:
        cursor.execute("DROP SCHEMA tree CASCADE")


def grow(recorder: WritingRecorder, count: int) -> None:
    stream = str(uuid4())
    recorder.insert_events([StoredEvent(stream, number, "t", str(number).encode()) for number in range(count)])


def roots_agree(recorder: WritingRecorder, sizes: list[int]) -> None:
    """Tiles and frontier have the root over the entries, now and at earlier sizes."""
    with recorder.database.read() as cursor:
        head = log.read_head(cursor, recorder.schema)
        leaves = [merkle.leaf_hash(entry) for entry in log.read_entries(cursor, recorder.schema, 0, head.size)]
        assert merkle.root(head.frontier) == merkle.tree_root(leaves)
        for size in (head.size, *sizes):
            tiles = Tiles(cursor, recorder.schema, size)
            assert tiles.root() == merkle.tree_root(leaves[:size]), size
            for index in {0, size // 2, size - 1} if size else ():
                proof = merkle.prove_inclusion(index, size, tiles.subtree)
                merkle.check_inclusion(leaves[index], index, size, proof, tiles.root())


def test_tiles_have_the_root_of_the_entries(recorder):
    sizes = [0]
    for count in (1, 1, 1, 4, 250, 255, 256, 257, 513):
        grow(recorder, count)
        sizes.append(sizes[-1] + count)
        roots_agree(recorder, sizes)


def test_tiles_have_the_root_of_the_entries_beyond_two_levels(recorder):
    for count in (65_530, 5, 1, 1, 300):
        grow(recorder, count)
    roots_agree(recorder, [65_535, 65_536, 65_537, 65_792])
    with recorder.database.read() as cursor, pytest.raises(NotFound):
        Tiles(cursor, recorder.schema, 65_837).tile(2, 0, 2)


def test_a_ledgers_tiles_have_the_root_of_its_entries(world):
    for hour in range(6, 11):
        world.submit(world.hours(f"{hour:02}:00", f"{hour:02}:30"), world.hours(f"{hour:02}:30", f"{hour + 1:02}:00"))
    with world.database.read() as cursor:
        head = log.read_head(cursor, world.schema)
        entries = log.read_entries(cursor, world.schema, 0, head.size)
        root = Tiles(cursor, world.schema, head.size).root()
    assert root == merkle.root(head.frontier) == merkle.tree_root([merkle.leaf_hash(entry) for entry in entries])


# -- for users of the library -----------------------------------------------------------------------


def test_the_librarys_notification_log_reads_a_ledger(world):
    bodies = [world.hours("08:00", "09:00"), world.hours("09:00", "10:00")]
    world.submit(*bodies)
    section = world.ledger.notification_log["1,10"]
    assert ids(section.items) == list(range(1, 11))
    assert section.next_id is not None
    rest = world.ledger.notification_log[section.next_id]
    assert [one.state for one in [*section.items, *rest.items]][-2:] == bodies
    assert world.ledger.recorder.max_notification_id() == world.size


def test_the_librarys_event_store_reads_a_stream(world):
    body = world.hours("08:00", "09:00")
    world.submit(body)
    registered, recorded = world.ledger.events.get(VOLUNTEER)
    assert isinstance(recorded, RecordedEvent)
    assert (recorded.topic, recorded.body) == ("hours.recorded/1", body)
    assert recorded.event == builders.example("hours.recorded/1", **json.loads(body))
    # An event's version in its stream is its position + 1.
    assert recorded.originator_version == world.size
    assert list(world.ledger.events.get(VOLUNTEER, gt=registered.originator_version)) == [recorded]


def test_the_librarys_subscription_reads_a_ledger(world):
    world.submit(world.hours("08:00", "09:00"))
    with ApplicationSubscription(world.ledger, gt=world.size - 1) as subscription:
        event, tracking = next(subscription)
    assert isinstance(event, RecordedEvent)
    assert (event.originator_id, event.event.issuer) == (VOLUNTEER, STATION)
    assert (tracking.application_name, tracking.notification_id) == (world.ledger.name, world.size)
