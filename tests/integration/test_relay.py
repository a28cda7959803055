"""Who is told of what, by regions that do as they are told: everybody who needs to know, once, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger.events.body import decode_event
from ledger.ids import new_id
from ledger.store.postgres.database import Database
from projections.engine import advance, rebuild
from projections.outbox import Outgoing, Outline
from tests.integration.net import Net
from tests.integration.world import volunteer
from tests.support import builders
from tests.support.builders import VOLUNTEER
from tests.support.moving import Moving

A, B, C = "441300", "442000", "440100"
DISPUTED, DECIDED, RECORDED = "hours.disputed", "hours.decided", "hours.recorded"


@pytest.fixture
def net(database: Database) -> Iterator[Net]:
    """Three regions; the volunteer is at home in A. In the end, what was derived is what a rebuild derives."""
    net = Net(database, A, B, C)
    net[A].enrol(VOLUNTEER)
    yield net
    for code in net.worlds:
        assert rebuild(net.follower(code), net[code].ledger).differences == {"roaming": 0, "moves": 0, "messages": 0}


def by_hand(net: Net) -> Moving:
    """Moves in which the test decides what is said, where a node would."""
    moving = Moving()
    moving.worlds = {world.origin: world for world in net.worlds.values()}
    return moving


def unique(net: Net) -> None:
    """Nobody was told anything twice, and nobody what they told themselves."""
    assert len({(one.to, one.log, one.position) for one in net.sent}) == len(net.sent)
    assert not [one for one in net.sent if one.to == one.log]


# -- who stays, who visits ------------------------------------------------------------------------


def test_nothing_follows_from_the_hours_of_those_who_stay(net):
    entry = net.hours(A, "07:00", "08:00")
    net.change(A, "hours.disputed/1", entry)
    assert net.run() == []
    assert net[A].query(f"SELECT count(*) FROM {net[A].schema}_outgoing.roaming") == [(0,)]


def test_the_bodies_of_those_who_stay_are_not_even_read(net):
    other = volunteer(7)
    net[A].enrol(other)
    net.hours(A, "07:00", "08:00", subject=other)
    schema = net[A].schema
    net[A].query(
        f"UPDATE {schema}.events SET body = NULL WHERE stream = %s AND topic = 'hours.recorded/1' RETURNING 1", other
    )
    net.hours(A, "08:00", "09:00")
    assert net.told(net.move(A, B)) == [(A, B, "transfer.offered"), (B, A, "transfer.accepted")]


def test_hours_of_a_visitor_go_home_in_order(net):
    net.visit(B, A)
    first = net.hours(B, "07:00", "08:00")
    net.hours(B, "08:00", "09:00")
    net.change(B, "hours.disputed/1", first)
    sent = net.run()
    assert net.told(sent) == [(B, A, RECORDED), (B, A, RECORDED), (B, A, DISPUTED)]
    assert [one.position for one in sent] == sorted(one.position for one in sent)
    unique(net)


def test_what_the_home_says_of_them_comes_back_and_no_further(net):
    net.visit(B, A)
    net.visit(C, A)
    entry = net.hours(B, "07:00", "08:00")
    net.run()
    net.change(A, "hours.decided/1", entry, B, outcome="annulled")
    assert net.told(net.run()) == [(A, B, DECIDED)]
    assert net[B].query(f"SELECT withdrawn FROM {net[B].schema}.entries WHERE id = %s", entry) == [(True,)]


# -- who moves ------------------------------------------------------------------------------------


def test_an_offer_goes_out_and_its_outcome_back(net):
    net.hours(A, "07:00", "08:00")
    assert net.told(net.move(A, B)) == [(A, B, "transfer.offered"), (B, A, "transfer.accepted")]
    assert [kind for _, kind, _, _ in net.messages(A) + net.messages(B)] == ["offer", "outcome"]


def test_after_a_move_each_side_tells_the_other_of_changes(net):
    one, other = net.hours(A, "07:00", "08:00"), net.hours(A, "08:00", "09:00")
    net.move(A, B)
    net.change(A, "hours.disputed/1", one)
    assert net.told(net.run()) == [(A, B, DISPUTED)]
    net.change(B, "hours.decided/1", other, A, outcome="annulled")
    assert net.told(net.run()) == [(B, A, DECIDED)]
    net.hours(B, "09:00", "10:00")
    assert net.run() == [], "what is new at the home is nobody else's business"
    net.hours(A, "10:00", "11:00")
    assert net.told(net.run()) == [(A, B, RECORDED)]
    unique(net)


def test_what_comes_while_an_offer_is_open_goes_there_when_it_is_closed(net):
    net.visit(C, A)
    kept = net.hours(A, "06:00", "07:00")
    net.request(A, B)
    net.run(A)  # B has the offer, and does nothing yet
    first = net.hours(A, "07:00", "08:00")
    net.hours(C, "08:00", "09:00")
    net.run(A, C)
    net.change(A, "hours.disputed/1", first)
    net.change(A, "hours.disputed/1", kept)
    assert net.told(net.run(A, C)) == []
    told = net.told(net.run())
    assert told == [
        (B, A, "transfer.accepted"),
        (A, B, RECORDED),
        (A, B, RECORDED),
        (A, B, DISPUTED),
        (A, B, DISPUTED),
    ]
    assert {one.log for one in net.sent if one.to == B} == {A, C}
    unique(net)


def test_what_came_from_the_new_home_does_not_go_there_again(net):
    net.visit(B, A)
    net.request(A, B)
    net.run(A)
    net.hours(B, "07:00", "08:00")
    assert net.told(net.run()) == [(B, A, RECORDED), (B, A, "transfer.accepted")]
    unique(net)


def test_nor_what_stands_in_its_log_by_whatever_way_it_came(net):
    net.visit(B, A)
    net.visit(C, A)
    net.cut = {(C, A)}
    entry = net.hours(C, "07:00", "08:00")  # which A does not hear of yet
    net.run()
    net.move(A, B)
    net.request(B, C)
    net.run(B)  # C has the offer of B, and does nothing yet
    net.cut = set()
    net[C].now += 3600
    net[A].now = net[B].now = net[C].now
    net.run(A, B, C)
    assert net.home(B) == C
    assert net[B].query(f"SELECT count(*) FROM {net[B].schema}.entries WHERE id = %s", entry) == [(1,)]
    assert not [one for one in net.sent if one.to == C == one.log]


def test_an_offer_that_comes_to_nothing_releases_nothing(net):
    net.request(A, B)
    net.run(A)
    net.hours(A, "07:00", "08:00")
    net[B].now += 15 * 24 * 3600
    assert net.told(net.run()) == [(B, A, "transfer.expired")]
    assert net.home(A) is None
    assert net.run() == []


def test_there_and_back_again(net):
    old = net.hours(A, "06:00", "07:00")
    net.move(A, B)
    new = net.hours(B, "07:00", "08:00")
    net.move(B, A)
    before = len(net.sent)
    net.change(A, "hours.disputed/1", old)
    net.change(A, "hours.decided/1", new, B, outcome="annulled")
    assert net.told(net.run()) == [(A, B, DISPUTED), (A, B, DECIDED)]
    third = net.hours(B, "09:00", "10:00")
    net.change(B, "hours.disputed/1", third)
    assert net.told(net.run()) == [(B, A, RECORDED), (B, A, DISPUTED)]
    assert len(net.sent) == before + 4
    unique(net)


def test_by_way_of_another_to_a_third(net):
    first, second = net.hours(A, "06:00", "07:00"), net.hours(A, "07:00", "08:00")
    net.move(A, B)
    middle = net.hours(B, "08:00", "09:00")
    net.move(B, C)
    net.change(C, "hours.decided/1", first, A, outcome="annulled")
    # The last is once too often: who is said to have sent it need not have.
    assert net.told(net.run()) == [(C, B, DECIDED), (B, A, DECIDED), (A, B, DECIDED)]
    net.change(A, "hours.disputed/1", second)
    assert net.told(net.run()) == [(A, B, DISPUTED), (B, C, DISPUTED)]
    net.change(C, "hours.decided/1", middle, B, outcome="annulled")
    assert net.told(net.run()) == [(C, B, DECIDED)], "A never had it"
    net.hours(A, "10:00", "11:00")
    assert net.told(net.run()) == [(A, B, RECORDED), (B, C, RECORDED)]
    for code in net.worlds:
        (row,) = net[code].query(f"SELECT disputed_by FROM {net[code].schema}.entries WHERE id = %s", second)
        assert row == (VOLUNTEER,)


def test_what_a_move_did_not_bring_is_not_told_back_to_where_it_went(net):
    net.move(A, B)
    net.visit(C, B)
    net.move(B, A)
    entry = net.hours(A, "07:00", "08:00")
    net.change(A, "hours.disputed/1", entry)
    assert net.run() == [], "B has the record without it"


def test_a_visit_is_told_of_changes_wherever_the_person_moved(net):
    net.visit(C, A)
    entry = net.hours(C, "07:00", "08:00")
    net.run()
    net.move(A, B)
    net.change(B, "hours.decided/1", entry, C, outcome="annulled")
    assert net.told(net.run()) == [(B, A, DECIDED), (A, C, DECIDED), (C, A, DECIDED)]
    net.hours(C, "08:00", "09:00")
    assert net.told(net.run()) == [(C, A, RECORDED), (A, B, RECORDED)]


def test_a_change_that_returned_with_the_record_is_told_on(net):
    entry = net.hours(A, "06:00", "07:00")
    net.move(A, B)
    net.move(B, C)
    net.cut = {(C, B)}
    net.change(C, "hours.decided/1", entry, A, outcome="annulled")
    net.run()
    told = net.told(net.move(C, B))
    assert (B, A, DECIDED) in told, "B learned of it from the bundle"
    net.cut = set()
    for world in net.worlds.values():
        world.now += 3600
    assert net.told(net.run()) == [(C, B, DECIDED)]
    assert net[A].query(f"SELECT withdrawn FROM {net[A].schema}.entries WHERE id = %s", entry) == [(True,)]


def test_what_was_told_while_an_offer_is_open_is_not_told_again_when_it_is_closed(net):
    net.move(A, B)
    entry = net.hours(B, "07:00", "08:00")
    net.move(B, A)
    net.request(A, B)
    net.run(A)  # B has the offer, and does nothing yet
    net.change(A, "hours.decided/1", entry, B, outcome="annulled")
    assert net.told(net.run(A)) == [(A, B, DECIDED)], "back to where it is from, at once"
    assert net.told(net.run()) == [(B, A, "transfer.accepted")]
    unique(net)


def test_a_record_that_comes_again_was_known_since_it_came_first(net):
    entry = net.hours(A, "06:00", "07:00")
    for home, to in ((A, B), (B, C), (C, A), (A, B)):
        net.move(home, to)
    net.change(B, "hours.decided/1", entry, A, outcome="annulled")
    told = net.told(net.run())
    assert told[:2] == [(B, C, DECIDED), (B, A, DECIDED)]
    for code in net.worlds:
        assert net[code].query(f"SELECT withdrawn FROM {net[code].schema}.entries WHERE id = %s", entry) == [(True,)]
    assert net.run() == []


def test_all_ids_of_a_person_count(net):
    other = volunteer(9)
    details = builders.details()
    net[B].register(other, details, key=builders.vkey(other))
    entry = net.hours(A, "06:00", "07:00")
    moving = by_hand(net)
    transfer = moving.offer(VOLUNTEER, net[A], net[B])
    moving.accept(transfer, VOLUNTEER, net[A], net[B], private=details, joined=other)
    net.run()
    assert net.home(A) == B
    own = net.hours(B, "07:00", "08:00", subject=other)
    net.change(B, "hours.decided/1", entry, A, outcome="upheld")
    assert net.told(net.run()) == [(B, A, DECIDED)]
    moving.request(other, net[B], net[C])
    net.run(B)  # C has the offer, and does nothing yet
    net.hours(A, "08:00", "09:00")
    net.change(B, "hours.decided/1", own, outcome="upheld", subject=other)
    net.run(A, B)
    assert net.told(net.run()) == [(C, B, "transfer.accepted"), (B, C, DECIDED), (B, C, RECORDED)]
    assert net.home(B, other) == C
    net.hours(A, "09:00", "10:00")
    assert net.told(net.run()) == [(A, B, RECORDED), (B, C, RECORDED)]
    lanes = net[B].query(f"SELECT DISTINCT lane FROM {net[B].schema}.outbox WHERE kind = 'relay' AND peer = %s", C)
    assert lanes == [(other.removeprefix("volunteer:"),)]
    unique(net)


def test_a_false_sender_keeps_nothing_from_the_home(net):
    """Anybody who has the evidence may deliver it, in the name of whoever is the home."""
    net.move(A, B)
    net.visit(C, A)
    net.hours(C, "07:00", "08:00")
    net.follow(C)
    ((_, _, origin, position),) = net.messages(C)
    assert origin == C
    data = net.nodes[C].message("", position)
    assert net.nodes[A].deliver(data, B).state == "done"
    net.run()
    assert net.home(B, VOLUNTEER) is None
    assert net[B].query(f"SELECT count(*) FROM {net[B].schema}.entries") == [(1,)]


# -- recovery -------------------------------------------------------------------------------------


def announce(net: Net, moving: Moving, aliases: tuple[str, ...] = ()) -> int:
    """C announces that A is gone; the position."""
    net[A].record("record.stated/1", issuer=net[A].authority, aliases=list(aliases), size=0)
    basis = moving.last(net[A])
    body = net[C].body(
        "recovery.announced/1",
        issuer=net[C].authority,
        subject=f"transfer:{new_id()}",
        volunteer=VOLUNTEER,
        home=A,
        basis=moving.cite(basis),
        aliases=list(aliases),
        epoch=2,
    )
    return moving.bring(net[C], body, [basis])


def test_a_recovery_is_announced_to_every_peer_that_is_recognised(net):
    moving = by_hand(net)
    first = announce(net, moving)
    world = net[C]
    world.record("region.peer_dismissed/1", issuer=world.authority, subject=world.authority, peer_origin=net[B].origin)
    second = announce(net, moving)
    net.follow(C)
    assert net.messages(C) == [
        (A, "announcement", C, first),
        (B, "announcement", C, first),
        (A, "announcement", C, second),
    ]


def test_its_answer_goes_to_who_announced_it(net):
    moving = by_hand(net)
    place = (net[C], announce(net, moving))
    event = decode_event(net[C].ledger.rows_at([place[1]])[place[1]].body)
    body = net[B].body(
        "recovery.answered/1", issuer=net[B].authority, subject=event.subject, announcement=moving.cite(place)
    )
    position = moving.bring(net[B], body, [place])
    net.follow(B)
    assert net.messages(B) == [(C, "answer", B, position)]


# -- exactly once ---------------------------------------------------------------------------------


def busy(net: Net) -> None:
    """Moves, visits and relays of all kinds, with the outboxes settled."""
    net.visit(C, A)
    first = net.hours(A, "06:00", "07:00")
    visit = net.hours(C, "07:00", "08:00")
    net.run()
    net.move(A, B)
    net.change(B, "hours.decided/1", visit, C, outcome="annulled")
    net.run()
    net.move(B, C)
    net.move(C, A)
    net.change(A, "hours.disputed/1", first)
    net.run()


def test_one_by_one_gives_the_same_as_all_at_once(net):
    busy(net)
    for code, world in net.worlds.items():
        for page in (1, 2, 5000):
            beside = net.follower(code, f"{world.schema}_beside")
            with net.database.transaction() as cursor:
                cursor.execute(f"DROP SCHEMA IF EXISTS {beside.schema} CASCADE")
                beside.create(cursor)
            with closing(Outline(world.ledger, page)) as feed:
                while advance(beside, world.ledger.name, feed):
                    pass
            assert net.messages(code, "beside.messages") == net.messages(code)


def test_a_rebuild_leaves_what_was_delivered_as_it_is(net):
    busy(net)
    world = net[A]
    before = world.query(f"TABLE {world.schema}.outbox ORDER BY number")
    assert before
    assert rebuild(net.follower(A), world.ledger).same
    assert world.query(f"TABLE {world.schema}.outbox ORDER BY number") == before
    assert net.run() == []


def test_a_page_that_fails_leaves_nothing_behind(net):
    net.visit(B, A)
    net.hours(B, "07:00", "08:00")
    world = net[B]

    class Failing(Outgoing):
        name = "outgoing"

        def apply(self, rows, cursor):
            super().apply(rows, cursor)
            raise RuntimeError("at the last moment")

    failing = Failing(net.database, world.schema)
    with closing(Outline(world.ledger)) as feed, pytest.raises(RuntimeError):
        advance(failing, world.ledger.name, feed)
    assert world.query(f"TABLE {world.schema}.outbox") == net.messages(B) == []
    assert net.told(net.run()) == [(B, A, RECORDED)]
