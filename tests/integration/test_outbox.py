"""Messages survive whatever happens to those who carry them: in order, once in the end, and never lost unseen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from api.peers.delivery import Delivering
from ledger.errors import Busy, Conflict, NotYet, Unavailable, Untrusted
from ledger.exchange.incoming import Answer
from ledger.limits import DELIVERY_LEASE, DELIVERY_REASON_MAX
from ledger.store.exchange import inbox, outbox
from ledger.store.exchange.outbox import Message
from ledger.store.postgres.database import Database
from tests.integration.net import Net
from tests.integration.waiting import eventually
from tests.integration.world import World, volunteer
from tests.support.builders import PEER_ORIGIN, VOLUNTEER

A, B, C = "441300", "442000", "440100"
NOW = 1_793_505_605_000
LEASE = DELIVERY_LEASE * 1000
LANE, OTHER_LANE = (f"0199a1c2-0000-7000-8000-{number:012x}" for number in (1, 2))


# -- the outbox -----------------------------------------------------------------------------------


@pytest.fixture
def box(database: Database) -> World:
    return World(database)


def put(box: World, *messages: tuple[str, str, int]) -> None:
    """Messages by peer, lane and position."""
    with box.database.transaction() as cursor:
        found = [Message(peer, lane, "relay", "", position, None) for peer, lane, position in messages]
        outbox.put(cursor, box.schema, found, NOW)


def take(box: World, now: int = NOW, limit: int = 100, without: tuple[str, ...] = ()) -> list[outbox.Row]:
    with box.database.transaction() as cursor:
        return outbox.due(cursor, box.schema, now, limit, without)


def settle(box: World, row: outbox.Row, state: str, due: int = NOW, reason: str = "") -> None:
    with box.database.transaction() as cursor:
        outbox.settle(cursor, box.schema, row.number, state, due, reason)


def pending(box: World) -> list[outbox.Row]:
    with box.database.transaction() as cursor:
        return outbox.pending(cursor, box.schema, 100)


def positions(rows: list[outbox.Row]) -> list[int]:
    return [row.position for row in rows]


def test_an_event_is_told_to_a_peer_once(box):
    put(box, (A, LANE, 1), (A, OTHER_LANE, 1), (B, LANE, 1))
    put(box, (A, LANE, 1), (A, LANE, 2))
    assert [(row.peer, row.position) for row in pending(box)] == [(A, 1), (B, 1), (A, 2)]
    (row, _) = take(box)
    settle(box, row, "done")
    put(box, (A, LANE, 1))
    assert [(row.peer, row.position) for row in pending(box)] == [(B, 1), (A, 2)]


@pytest.mark.parametrize("end", ["done", "aside"])
def test_a_lane_goes_on_when_its_first_message_is_settled(box, end):
    put(box, (A, LANE, 3), (A, LANE, 1), (A, OTHER_LANE, 2), (B, LANE, 4))
    first, *others = take(box)
    assert (first.position, positions(others)) == (3, [2, 4])
    assert take(box) == []
    settle(box, first, "waiting", NOW + 5)
    assert take(box, NOW + 4) == []
    (first,) = take(box, NOW + 5)
    assert (first.position, first.attempts) == (3, 2)
    settle(box, first, end)
    assert positions(take(box)) == [1]


def test_what_was_taken_and_never_settled_is_due_again(box):
    put(box, (A, LANE, 1))
    assert positions(take(box)) == [1]
    assert take(box, NOW + LEASE - 1) == []
    assert positions(take(box, NOW + LEASE)) == [1]


def test_two_takers_at_a_time_get_different_messages(box):
    put(box, (A, LANE, 1), (A, OTHER_LANE, 2), (B, LANE, 3))
    with box.database.transaction() as one, box.database.transaction() as other:
        first = outbox.due(one, box.schema, NOW, 2)
        second = outbox.due(other, box.schema, NOW, 2)
    assert (positions(first), positions(second)) == ([1, 2], [3])


def test_no_more_are_taken_than_asked_for_and_none_for_the_peers_named(box):
    put(box, (A, LANE, 1), (B, LANE, 2), (B, OTHER_LANE, 3), (C, LANE, 4))
    assert positions(take(box, without=(A, C), limit=1)) == [2]
    assert positions(take(box, without=(A,))) == [3, 4]


def test_what_is_settled_stays_so(box):
    put(box, (A, LANE, 1))
    (row,) = take(box)
    settle(box, row, "done")
    settle(box, row, "waiting")
    settle(box, row, "aside", reason="late")
    assert pending(box) == take(box, NOW + LEASE) == []


def test_what_was_not_tried_is_put_back(box):
    put(box, (A, LANE, 1), (B, LANE, 2))
    rows = take(box)
    settle(box, rows[1], "done")
    with box.database.transaction() as cursor:
        outbox.put_back(cursor, box.schema, [row.number for row in rows], NOW + 7)
    (row,) = pending(box)
    assert (row.attempts, row.due) == (0, NOW + 7)


def test_an_operator_sees_what_is_not_delivered_and_has_it_tried_again(box):
    put(box, (A, LANE, 1), (A, LANE, 2), (B, LANE, 3))
    first, third = take(box)
    settle(box, first, "aside", reason="x" * 9999)
    settle(box, third, "aside", reason="unknown")
    with box.database.transaction() as cursor:
        assert outbox.counts(cursor, box.schema) == {"aside": (2, NOW), "waiting": (1, NOW)}
        assert positions(outbox.pending(cursor, box.schema, 2)) == [1, 2]
        assert positions(outbox.pending(cursor, box.schema, 2, after=first.number + 1)) == [3]
        assert outbox.retry(cursor, box.schema, NOW + 9, third.number) == 1
    row, *_, other = pending(box)
    assert (row.state, len(row.reason), row.created) == ("aside", DELIVERY_REASON_MAX, NOW)
    assert (other.state, other.attempts, other.due) == ("waiting", 0, NOW + 9)
    with box.database.transaction() as cursor:
        assert outbox.retry(cursor, box.schema, NOW + 9) == 1
    assert positions(take(box, NOW + 9)) == [1, 3], "its lane waits for it again"


def test_what_is_done_is_not_tried_again(box):
    put(box, (A, LANE, 1))
    (row,) = take(box)
    settle(box, row, "done")
    with box.database.transaction() as cursor:
        assert outbox.retry(cursor, box.schema, NOW, row.number) == outbox.retry(cursor, box.schema, NOW) == 0


# -- the inbox ------------------------------------------------------------------------------------


def arrive(box: World, position: int = 4, entry: bytes = b"entry", data: bytes = b"message") -> inbox.Row:
    with box.database.transaction() as cursor:
        kind = "hours.recorded/1"
        return inbox.put(cursor, box.schema, PEER_ORIGIN, position, entry, kind, B, data, NOW + position)


def handle(box: World, row: inbox.Row, state: str, due: int = NOW, answer: int | None = None) -> None:
    with box.database.transaction() as cursor:
        inbox.settle(cursor, box.schema, row.origin, row.position, state, due, "why", answer)


def waiting(box: World, now: int, limit: int = 100) -> list[inbox.Row]:
    with box.database.transaction() as cursor:
        return inbox.due(cursor, box.schema, now, limit)


def test_a_message_that_comes_again_finds_what_became_of_it(box):
    row = arrive(box)
    assert (row.state, row.created, row.message) == ("waiting", NOW + 4, b"message")
    handle(box, row, "done", answer=17)
    again = arrive(box, data=b"with another checkpoint")
    assert (again.state, again.answer, again.message) == ("done", 17, b"message")
    handle(box, row, "waiting")
    assert arrive(box).state == "done"


def test_another_event_at_its_place_is_a_conflict(box):
    arrive(box)
    with pytest.raises(Conflict, match="another event"):
        arrive(box, entry=b"other")
    assert arrive(box).entry == b"entry"


def test_what_was_set_aside_waits_again_when_it_comes_with_other_evidence(box):
    handle(box, arrive(box), "aside")
    assert arrive(box).state == "aside"
    row = arrive(box, data=b"with more keys")
    assert (row.state, row.message, row.attempts) == ("waiting", b"with more keys", 0)


def test_what_waits_is_taken_in_the_order_it_came_by_one_at_a_time(box):
    for position in (9, 3, 5):
        arrive(box, position)
    with box.database.transaction() as one, box.database.transaction() as other:
        first = inbox.due(one, box.schema, NOW + 9, 2)
        second = inbox.due(other, box.schema, NOW + 9, 2)
    assert [[row.position for row in rows] for rows in (first, second)] == [[3, 5], [9]]
    assert waiting(box, NOW + 9 + LEASE - 1) == []
    assert len(waiting(box, NOW + 9 + LEASE)) == 3
    handle(box, first[0], "waiting", NOW)
    (row,) = waiting(box, NOW)
    assert (row.position, row.attempts) == (3, 3)


def test_an_operator_sees_what_came_and_was_not_done(box):
    first, second, _ = (arrive(box, position) for position in (1, 2, 3))
    handle(box, first, "aside")
    handle(box, second, "done")
    with box.database.transaction() as cursor:
        assert [row.position for row in inbox.pending(cursor, box.schema, 9)] == [1, 3]
        assert inbox.retry(cursor, box.schema, NOW, (PEER_ORIGIN, 2)) == 0
        assert inbox.retry(cursor, box.schema, NOW + 50, (PEER_ORIGIN, 3)) == 1
        assert inbox.retry(cursor, box.schema, NOW) == 1
    assert [row.position for row in waiting(box, NOW)] == [1]


# -- the threads ----------------------------------------------------------------------------------


class Line:
    """The net, with whatever a test puts in the way of a message."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.obstacle: Callable[[str], None] = lambda region: None
        self.tried: list[str] = []

    def send(self, region: str, data: bytes, sender: str) -> Answer:
        self.tried.append(region)
        self.obstacle(region)
        return self.net.send(region, data, sender)


@pytest.fixture
def net(database: Database) -> Net:
    """Three regions; the volunteer is at home in A and visits B."""
    net = Net(database, A, B, C)
    net[A].enrol(VOLUNTEER)
    net.visit(B, A)
    return net


@contextmanager
def delivering(net: Net, line: Line, code: str = B) -> Iterator[Delivering]:
    found = Delivering(net[code].ledger, net.nodes[code], line, lambda: net[code].now, lambda: 0.0)
    with closing(found):
        yield found


def entries(net: Net, code: str = A) -> int:
    return net[code].query(f"SELECT count(*) FROM {net[code].schema}.entries")[0][0]


def test_what_follows_from_the_log_is_sent_in_order(net):
    line = Line(net)
    with delivering(net, line) as running:
        for hour in (7, 8, 9):
            net.hours(B, f"0{hour}:00", f"{hour + 1:02}:00")
        eventually(lambda: entries(net) == 3)
        eventually(lambda: not pending(net[B]))
        assert running.failure is None
    assert [one.position for one in net.sent] == sorted(one.position for one in net.sent)


def test_a_whole_move_goes_on_by_itself(net):
    line = Line(net)
    with delivering(net, line, A), delivering(net, line, C):
        net.request(A, C)
        eventually(lambda: net.home(A) == C)


def test_a_peer_that_is_out_of_reach_is_told_when_it_is_back(net):
    line = Line(net)

    def unreachable(region: str) -> None:
        raise Unavailable("no route")

    line.obstacle = unreachable
    with delivering(net, line) as running:
        net.hours(B, "07:00", "08:00")
        net.hours(B, "08:00", "09:00")
        eventually(lambda: len(line.tried) > 3)
        assert running.failure is None, "it is the peer that fails"
        first, second = pending(net[B])
        assert (first.state, second.state, second.attempts) == ("waiting", "waiting", 0)
        eventually(lambda: pending(net[B])[0].reason == "no route")
        line.obstacle = lambda region: None
        eventually(lambda: entries(net) == 2)


def test_it_is_left_alone_as_long_as_it_asks_for(net):
    line = Line(net)

    def busy(region: str) -> None:
        if region == A and net[B].now < opened:
            raise Busy("full", 60)

    opened = net[B].now + 60
    line.obstacle = busy
    other, third = volunteer(5), volunteer(6)
    net[A].enrol(other)
    net.visit(B, A, other)
    net[C].enrol(third)
    net.visit(B, C, third)
    with delivering(net, line) as running:
        net.hours(B, "07:00", "08:00")
        eventually(lambda: [row.due for row in pending(net[B])] == [opened * 1000])
        net.hours(B, "08:00", "09:00", subject=other)
        net.hours(B, "08:00", "09:00", subject=third)
        eventually(lambda: entries(net, C) == 1)
        assert (line.tried, running.failure) == ([A, C], None), "the other lane does not try it either"
        net[B].now = opened
        eventually(lambda: entries(net) == 2)


def test_a_slow_peer_holds_up_no_other(net):
    line, hang = Line(net), threading.Event()
    net[C].enrol(volunteer(5))
    net.visit(B, C, volunteer(5))
    net[A].enrol(volunteer(6))
    net.visit(B, A, volunteer(6))

    def slow(region: str) -> None:
        if region == A:
            hang.wait()

    line.obstacle = slow
    with delivering(net, line), ExitStack() as in_any_case:
        in_any_case.callback(hang.set)
        net.hours(B, "07:00", "08:00")
        eventually(lambda: A in line.tried)
        net.hours(B, "08:00", "09:00", subject=volunteer(6))
        net.hours(B, "08:00", "09:00", subject=volunteer(5))
        eventually(lambda: entries(net, C) == 1)
        assert line.tried == [A, C], "one message at a time"
        hang.set()
        eventually(lambda: entries(net) == 2)


def test_what_a_peer_does_not_believe_is_set_aside_and_the_lane_goes_on(net):
    line = Line(net)

    def disbelieve(region: str) -> None:
        if len(line.tried) == 1:
            raise Untrusted("a signature does not hold")

    line.obstacle = disbelieve
    with delivering(net, line) as running:
        net.hours(B, "07:00", "08:00")
        net.hours(B, "08:00", "09:00")
        eventually(lambda: entries(net) == 1)
        eventually(lambda: [row.state for row in pending(net[B])] == ["aside"])
        assert pending(net[B])[0].reason == "a signature does not hold"
        assert (len(line.tried), running.failure) == (2, None)
        with net.database.transaction() as cursor:
            outbox.retry(cursor, net[B].schema, int(net[B].now) * 1000)
        eventually(lambda: entries(net) == 2)


class Hindered:
    """The node of a region, with something in the way of its messages or its steps."""

    def __init__(self, net: Net, code: str) -> None:
        self.node = net.nodes[code]
        self.error: Exception | None = None
        self.stuck: Exception | None = None

    def message(self, origin: str, position: int) -> bytes:
        if self.error is not None:
            raise self.error
        return self.node.message(origin, position)

    def step(self) -> bool:
        if self.stuck is not None:
            raise self.stuck
        return self.node.step()


@pytest.mark.parametrize(
    ("error", "failure"),
    [(NotYet("no checkpoint"), None), (TypeError("a fault"), "TypeError: a fault"), (Unavailable("database"), None)],
)
def test_a_message_that_cannot_be_made_yet_is_made_later(net, error, failure):
    node = Hindered(net, B)
    node.error = error
    with closing(Delivering(net[B].ledger, node, Line(net), lambda: net[B].now, lambda: 0.0)) as running:
        net.hours(B, "07:00", "08:00")
        eventually(lambda: pending(net[B]) and pending(net[B])[0].reason)
        if failure is None:
            assert running.failure is None
        else:
            eventually(lambda: (running.failure or "").endswith(failure))
        net[B].now += 60
        node.error = None
        eventually(lambda: entries(net) == 1)
        eventually(lambda: running.failure is None)


def test_a_node_that_fails_is_shown_and_messages_go_on(net):
    node = Hindered(net, B)
    node.stuck = RuntimeError("stuck")
    with closing(Delivering(net[B].ledger, node, Line(net), lambda: net[B].now, lambda: 0.0)) as running:
        eventually(lambda: running.failure == "node: RuntimeError: stuck")
        net.hours(B, "07:00", "08:00")
        eventually(lambda: entries(net) == 1)
        node.stuck = None
        eventually(lambda: running.failure is None)


def test_an_event_that_cannot_be_followed_stops_no_delivery(net):
    net.hours(B, "07:00", "08:00")
    net.follow(B)
    schema = net[B].schema
    net.visit(B, A, volunteer(5))
    net[B].query(f"UPDATE {schema}.events SET body = '{{}}' WHERE stream = %s RETURNING 1", volunteer(5))
    with delivering(net, Line(net)) as running:
        eventually(lambda: entries(net) == 1)
        eventually(lambda: (running.failure or "").startswith("log: event "))
        assert "volunteer.visiting/1" in str(running.failure)


def test_it_ends_after_the_message_at_hand_and_leaves_the_others_to_be_taken(net):
    line, held, hang = Line(net), threading.Event(), threading.Event()
    others = [volunteer(number) for number in range(5, 9)]
    for name in others:
        net[A].enrol(name)
        net.visit(B, A, name)
        net.hours(B, "07:00", "08:00", subject=name)

    def wait(region: str) -> None:
        held.set()
        hang.wait()

    line.obstacle = wait
    running = Delivering(net[B].ledger, net.nodes[B], line, lambda: net[B].now, lambda: 0.0)
    assert held.wait(30)
    closing_thread = threading.Thread(target=running.close)
    closing_thread.start()
    eventually(lambda: running._worker.closing)
    hang.set()
    closing_thread.join(30)
    assert not closing_thread.is_alive()
    assert len(line.tried) == 1
    left = pending(net[B])
    assert len(left) == 3
    assert {(row.attempts, row.due <= net[B].now * 1000) for row in left} == {(0, True)}


def test_two_processes_send_each_message_once(net):
    line = Line(net)
    names = [volunteer(number) for number in range(5, 15)]
    for name in names:
        net[A].enrol(name)
        net.visit(B, A, name)
    with delivering(net, line), delivering(net, line):
        for name in names:
            net.hours(B, "07:00", "08:00", subject=name)
        eventually(lambda: entries(net) == len(names))
        eventually(lambda: not pending(net[B]))
    assert len(line.tried) == len(names)
