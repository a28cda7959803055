"""Where every minute is while records move, and that each way of losing one, or of counting it twice, is found."""

import json

import pytest
from click.testing import CliRunner

from api.cli import conservation as conservation_command
from api.cli.main import main
from ledger.audit import conservation
from ledger.audit.shares import RULES, Finding, Report
from ledger.store import schema
from ledger.store.exchange import conservation as store
from tests.integration.net import Net
from tests.support import builders
from tests.support.builders import VOLUNTEER

A, B, C = "441300", "442000", "820000"


@pytest.fixture
def net(database):
    """Two regions; in the first a volunteer with three entries, an hour each."""
    drop_regions(database)
    net = Net(database, A, B)
    net[A].enrol(VOLUNTEER)
    for hour in (6, 7, 8):
        net.hours(A, f"{hour:02}:00", f"{hour + 1:02}:00")
    yield net
    drop_regions(database)


def drop_regions(database):
    """Those of other files too: the command looks at all that there are."""
    with database.transaction() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'r\\_%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP SCHEMA {name} CASCADE; DROP TABLE IF EXISTS vault.{name}")


def examine(net, *codes) -> Report:
    schemas = {code: schema.region_schema(code) for code in codes or net.worlds}
    with net.database.read() as cursor:
        return conservation.examine([(cursor, schemas)])


def at(report, code):
    """Minutes at home, in transit, on the way, aside, and recorded there for people elsewhere."""
    share = report.regions[code]
    several = (sum(one.minutes for one in sums.values()) for sums in (share.transit, share.elsewhere))
    transit, elsewhere = several
    return share.home.minutes, transit, share.way.minutes, share.aside.minutes, elsewhere


def settle(net, code):
    """Have a region tell what it is to tell, once."""
    net.follow(code)
    net.run(code)


def kinds(net, *codes):
    return {one.kind for one in examine(net, *codes).findings}


def spoil(net, code, statement, *values):
    with net.database.transaction() as cursor:
        cursor.execute(statement.format(s=f"r_{code}"), values)


# -- where everything is ----------------------------------------------------------------------------


def test_people_who_stay_are_summed_up_where_they_are(net):
    report = examine(net)
    assert (at(report, A), at(report, B)) == ((180, 0, 0, 0, 0), (0, 0, 0, 0, 0))
    assert (report.distinct.entries, report.distinct.minutes, report.ok) == (3, 180, True)


def test_every_minute_is_in_one_place_at_every_moment_of_a_move(net):
    net.request(A, B)
    assert at(examine(net), A) == (180, 0, 0, 0, 0)
    net.nodes[A].step()
    net.hours(A, "09:00", "09:30")
    assert at(examine(net), A) == (0, 210, 0, 0, 0)
    assert dict(examine(net).regions[A].transit)[B].entries == 4
    settle(net, A)  # the offer waits in the inbox of the other region
    assert at(examine(net), A) == (0, 210, 0, 0, 0)
    assert net.nodes[B].step()  # accepted: it counts there from now on, though nobody here knows
    report = examine(net)
    assert (at(report, A), at(report, B)) == ((0, 0, 30, 0, 180), (180, 0, 0, 0, 0))
    settle(net, B)
    report = examine(net)  # closed; what came late is not yet told of
    assert (at(report, A), at(report, B)) == ((0, 0, 30, 0, 180), (180, 0, 0, 0, 0))
    net.follow(A)
    assert at(examine(net), A) == (0, 0, 30, 0, 180)
    net.run()
    report = examine(net)
    assert (at(report, A), at(report, B)) == ((0, 0, 0, 0, 210), (210, 0, 0, 0, 0))
    assert (report.distinct.minutes, report.ok) == (210, True)


def test_what_came_late_and_is_aside_is_said_to_be_so(net):
    net.move(A, B)
    net.hours(A, "09:00", "09:30")
    net.follow(A)
    spoil(net, A, "UPDATE {s}.outbox SET state = 'aside' WHERE state = 'waiting'")
    report = examine(net)
    assert (at(report, A), report.ok) == ((0, 0, 0, 30, 180), True)


def test_the_hours_of_visitors_are_on_their_way_home(net):
    net.visit(B, A)
    net.hours(B, "10:00", "11:00", issuer=builders.STATION)
    assert at(examine(net), B) == (0, 0, 60, 0, 0)
    net.run()
    assert (at(examine(net), A), at(examine(net), B)) == ((240, 0, 0, 0, 0), (0, 0, 0, 0, 60))


def test_regions_that_are_not_looked_at_are_named_and_nothing_is_called_lost(net):
    net.move(A, B)
    report = examine(net, A)
    assert at(report, A) == (0, 0, 0, 0, 180)
    assert {code: sums.minutes for code, sums in report.others.items()} == {B: 180}
    assert (report.distinct.minutes, report.ok) == (180, True)
    report = examine(net, B)
    assert (at(report, B), report.distinct.entries, report.ok) == ((180, 0, 0, 0, 0), 3, True)


def test_the_way_back_and_two_ids_of_one_person(net):
    net.move(A, B)
    net.hours(B, "10:00", "10:30")
    net.move(B, A)
    report = examine(net)
    assert (at(report, A), at(report, B)) == ((210, 0, 0, 0, 0), (0, 0, 0, 0, 30))
    assert report.ok


def test_a_visitor_who_names_a_region_visited_before_is_with_the_home_that_this_one_names(database):
    net = Net(database, A, B, C)
    net[A].enrol(VOLUNTEER)
    net.visit(B, A)
    net.visit(C, B)
    net.hours(C, "10:00", "11:00")
    report = examine(net, B, C)
    assert (report.ok, at(report, C)) == (True, (0, 0, 60, 0, 0))
    net.run()
    report = examine(net, B, C)
    assert (report.ok, {code: sums.minutes for code, sums in report.others.items()}) == (True, {A: 60})
    assert at(examine(net), A) == (60, 0, 0, 0, 0)
    drop_regions(database)


# -- what is found ----------------------------------------------------------------------------------


def moved_and_late(net):
    net.move(A, B)
    net.hours(A, "09:00", "09:30")
    net.follow(A)
    assert examine(net).ok


SPOILT = {
    "lost": ("a message was forgotten", A, "DELETE FROM {s}.outbox WHERE state = 'waiting'"),
    "two-homes": ("the former home did not close", A, "UPDATE {s}.volunteers SET home = NULL"),
    "no-home": ("the new home forgot", B, "UPDATE {s}.volunteers SET home = '441300'"),
    "forked": ("the former home has another history", A, "UPDATE {s}.events SET entry = '\\x00' WHERE position = 9"),
    "unproven": ("the proof is gone", A, "DELETE FROM {s}.imports WHERE topic = 'transfer.accepted/1'"),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_each_way_of_not_conserving_is_found(net, kind):
    moved_and_late(net)
    _, code, statement = SPOILT[kind]
    spoil(net, code, statement)
    assert kind in kinds(net)


def test_an_entry_kept_under_another_person_is_counted_twice(net):
    moved_and_late(net)
    other = "volunteer:0199a1c2-0000-7000-8000-0000000000ff"
    net[A].enrol(other)
    spoil(net, A, "UPDATE {s}.entries SET volunteer = %s; UPDATE {s}.volunteers SET epoch = 1", other[10:])
    assert "counted-twice" in kinds(net)


@pytest.mark.parametrize(("was", "now"), [('"minutes":180', '"minutes":181'), ('"entries":3', '"entries":4')])
def test_accepting_other_than_was_offered_is_found(net, was, now):
    moved_and_late(net)
    change = "UPDATE {s}.events SET body = replace(convert_from(body, 'UTF8'), %s, %s)::bytea"
    spoil(net, B, change + " WHERE topic = 'transfer.accepted/1'", was, now)
    assert kinds(net) == {"unequal"}


def test_an_offer_cancelled_without_a_word_of_the_other_side_is_found(net):
    net.request(A, B)
    net.nodes[A].step()
    cancel = (
        "UPDATE {s}.events SET topic = 'transfer.cancelled/1', body = %s WHERE topic = 'transfer.requested/1';"
        "UPDATE {s}.transfers SET state = 'cancelled'; UPDATE {s}.volunteers SET transfer = NULL"
    )
    [(name,)] = net[A].query("SELECT id::text FROM r_441300.transfers")
    body = builders.body("transfer.cancelled/1", subject=f"transfer:{name}", closure=builders.ABSENT)
    spoil(net, A, cancel, body)
    assert kinds(net) == {"unproven"}


def test_every_rule_is_broken_by_a_test():
    assert {*SPOILT, "counted-twice", "unequal"} == set(RULES)


def test_an_offer_withdrawn_before_it_was_made_needs_no_proof(net):
    name = net.request(A, B)
    members = {"issuer": net[A].authority, "subject": f"transfer:{name}", "closure": builders.ABSENT}
    net[A].record("transfer.cancelled/1", **members)
    assert examine(net).ok


# -- the command ------------------------------------------------------------------------------------


def run(database, *args):
    return CliRunner().invoke(main, ["conservation", "--database-url", database.dsn, *args])


def test_the_command_says_in_both_languages_where_everything_is(net):
    net.move(A, B)
    result = run(net.database)
    assert result.exit_code == 0
    assert "at home" in result.output
    assert "nothing lost, nothing twice 无遗漏、无重复" in result.output
    found = json.loads(run(net.database, "--json").output)
    assert found["ok"]
    assert found["distinct"] == {"entries": 3, "minutes": 180}
    assert found["regions"][B]["home"] == found["regions"][A]["elsewhere"][B] == {"entries": 3, "minutes": 180}


def test_the_command_fails_by_its_status_and_names_what_is_wrong(net):
    moved_and_late(net)
    spoil(net, A, SPOILT["lost"][2])
    result = run(net.database)
    assert result.exit_code == 1
    assert "lost" in result.output
    assert "事件既不在归属地，也不在途中" in result.output
    result = run(net.database, "--json")
    assert (result.exit_code, [one["kind"] for one in json.loads(result.output)["findings"]]) == (1, ["lost"])


def test_a_region_is_taken_once_though_it_is_given_twice(net):
    found = json.loads(run(net.database, "--database-url", net.database.dsn, "--json").output)
    assert found["distinct"] == {"entries": 3, "minutes": 180}


def test_over_several_databases_what_was_wrong_once_is_asked_again(net, monkeypatch):
    """Snapshots of several databases are of several moments: the first of a move in which nothing is home yet."""
    moved_and_late(net)
    sources = [(net.database, {code: schema.region_schema(code)}) for code in net.worlds]
    assert conservation_command.examined(sources).ok
    wrong = Report({}, findings=[Finding("lost", "at a moment between")])
    answers = [wrong, Report({})]
    monkeypatch.setattr(conservation, "examine", lambda _: answers.pop(0))
    assert conservation_command.examined(sources).ok
    assert answers == []
    answers = [wrong, wrong]
    assert not conservation_command.examined(sources).ok


def test_a_database_without_a_region_is_refused(database, monkeypatch):
    monkeypatch.setattr(conservation_command, "regions_in", lambda _: [])
    result = run(database)
    assert result.exit_code == 1
    assert "not-found" in result.output


def test_nobody_moves_who_only_serves_at_home(net):
    with net.database.read() as cursor:
        assert set(store.regions(cursor)) >= {A, B}
        assert store.movers(cursor, {A: "r_441300", B: "r_442000"}) == set()
