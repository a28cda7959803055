"""`yongzhi transfer` and `yongzhi federation recognise`: moves asked for, tended and looked at by commands."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from api.cli import common, main, messages
from api.cli import transfer as transfer_commands
from api.cli.federation import checks
from api.service import publishing
from ledger.crypto import keys
from ledger.domain.state import Entry, Volunteer
from ledger.store.postgres.database import Database
from projections.engine import catch_up
from projections.totals import Totals
from projections.views import TotalsView
from tests.api.pair import Pair, Party, paired
from tests.api.site import OTHER
from tests.integration.world import volunteer
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, REGION, STATION, VOLUNTEER, signing_key


@pytest.fixture(scope="module", autouse=True)
def wide() -> Iterator[None]:
    """Messages on one line each, and checkpoints as soon as anything was logged."""
    with pytest.MonkeyPatch.context() as patch:
        for console in (
            checks.console,
            common.errors,
            transfer_commands.console,
            messages.console,
        ):
            patch.setattr(console, "width", 400)
        patch.setattr(publishing, "CHECKPOINT_INTERVAL", 0.05)
        yield


@pytest.fixture
def both(database: Database, tmp_path: Path) -> Iterator[Pair]:
    """Two regions in one folder, served by nobody."""
    with paired(tmp_path, database, together=True) as pair:
        yield pair


@pytest.fixture
def split(database: Database, tmp_path: Path) -> Iterator[Pair]:
    """Two regions in folders of their own, served by nobody."""
    with paired(tmp_path, database) as pair:
        yield pair


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A key file of whoever is named."""
    folder = tmp_path_factory.mktemp("keys")

    def path(name: str) -> Path:
        found = folder / name.replace(":", "-")
        if not found.exists():
            keys.save(signing_key(name), found)
        return found

    return path


def run(party: Party, *words: object, data: bool = True, region: bool = True) -> Result:
    """A command on the folder of a party, about its region."""
    place: list[object] = ["--data", party.data] if data else []
    place += ["--region", party.code] if region else []
    environment = {"YONGZHI_DATABASE_URL": party.world.database.dsn, "NO_COLOR": "1"}
    return CliRunner().invoke(main.main, [str(word) for word in (*words, *place)], env=environment)


def told(result: Result, status: int = 0) -> Any:
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def failed(result: Result, status: int = 1) -> str:
    assert result.exit_code == status, result.output
    return result.stderr


def counted(party: Party, name: str = VOLUNTEER) -> int:
    world = party.world
    catch_up(Totals(world.database, world.schema), world.ledger)
    found = TotalsView(world.database, world.schema).volunteer(name).total.get("counted")
    return 0 if found is None else found.minutes


# -- whom a region recognises -------------------------------------------------------------------------


def test_a_region_recognises_the_peers_of_the_installed_federation(split: Pair):
    (found,) = told(run(split.a, "federation", "recognise", "--json"))
    assert found == {"region": OTHER, "origin": split.b.world.origin, "log_key": builders.vkey(split.b.world.origin)}
    assert [one.region for one in split.a.exchange_offline().desk.peers(split.b.world.origin)] == [OTHER]
    assert told(run(split.a, "federation", "recognise", "--json")) == []
    assert "nothing new" in run(split.a, "federation", "recognise").output


def test_a_peer_that_was_dismissed_is_recognised_again_by_its_name_alone(split: Pair):
    for name in (OTHER, split.b.world.origin):
        assert len(told(run(split.a, "federation", "recognise", name, "--json"))) == 1
        (gone,) = told(run(split.a, "federation", "dismiss", name, "--reason", "试验结束", "--json"))
        assert gone["origin"] == split.b.world.origin
        assert split.a.exchange_offline().desk.peers(split.b.world.origin) == []
        assert told(run(split.a, "federation", "recognise", "--json")) == []
        assert "recognises no" in failed(run(split.a, "federation", "dismiss", name, "--reason", "再次"))


def test_a_region_recognises_none_but_valid_peers(split: Pair):
    assert "no valid peer 820000" in failed(run(split.a, "federation", "recognise", "820000"))
    assert f"no valid peer {REGION}" in failed(run(split.a, "federation", "recognise", REGION))
    (split.a.data / "federation.json").unlink()
    assert "no federation is installed" in failed(run(split.a, "federation", "recognise"))


# -- a whole move -------------------------------------------------------------------------------------


def test_a_record_moves_by_commands_alone(both: Pair, key: Callable[[str], Path]):
    for party in both.parties:
        told(run(party, "federation", "recognise", "--json"))
    for hour in (6, 7, 8):
        both.a.world.submit(both.a.world.hours(f"{hour:02}:00", f"{hour:02}:20"))
    made = told(run(both.a, "transfer", "request", VOLUNTEER, "--to", OTHER, "--key", key(VOLUNTEER), "--json"))
    assert made["position"] == both.a.world.size - 1
    (found,) = told(run(both.a, "transfer", "status", made["id"], "--json"))
    assert (found["state"], found["direction"], found["peer"]) == ("requested", "out", OTHER)

    done = told(run(both.a, "transfer", "receive", "--json", region=False))
    assert done == {"messages": 2, "waiting": 0, "aside": 0, "out_of_reach": []}
    for party, state in ((both.a, "closed"), (both.b, "accepted")):
        (found,) = told(run(party, "transfer", "status", VOLUNTEER, "--json"))
        assert (found["id"], found["state"]) == (made["id"], state)
    assert (counted(both.a), counted(both.b)) == (0, 60)
    assert state_of(both.b, "transfer", "status") == ["accepted"]
    again = told(run(both.a, "transfer", "receive", "--json", region=False))
    assert again == {"messages": 0, "waiting": 0, "aside": 0, "out_of_reach": []}


def state_of(party: Party, *words: str) -> list[str]:
    return [one["state"] for one in told(run(party, *words, "--json"))]


def test_a_station_asks_with_the_form_that_it_keeps(both: Pair, key: Callable[[str], Path]):
    both.recognised()
    asked = ("transfer", "request", VOLUNTEER, "--to", OTHER, "--key", key(STATION))
    assert "--reference goes with the key of a station" in failed(run(both.a, *asked), 2)
    made = told(run(both.a, *asked, "--reference", "申请 5", "--json"))
    shown = run(both.a, "transfer", "status").output
    assert f"{made['id']}  → {OTHER}  requested 已申请\n  {VOLUNTEER}\n" in shown, "ids are to be copied"
    own = ("transfer", "request", VOLUNTEER, "--to", OTHER, "--key", key(VOLUNTEER), "--reference", "申请 5")
    assert "--reference goes with the key of a station" in failed(run(both.a, *own), 2)


@pytest.mark.parametrize(
    ("who", "by", "to", "said"),
    [
        (VOLUNTEER, VOLUNTEER, "820000", "820000 is not recognised there"),
        (VOLUNTEER, VOLUNTEER, REGION, f"{REGION} is not recognised there"),
        (VOLUNTEER, AUTHORITY, OTHER, "may be issued by: the volunteer"),
        (volunteer(5), STATION, OTHER, "is not registered here"),
        ("org:nobody", STATION, OTHER, "not an issuer"),
        (GROUP, STATION, OTHER, "not a volunteer"),
    ],
)
def test_a_request_that_cannot_be_is_refused(
    both: Pair, key: Callable[[str], Path], who: str, by: str, to: str, said: str
):
    both.recognised()
    reference = () if by == who else ("--reference", "申请 5")
    size = both.a.world.size
    result = run(both.a, "transfer", "request", who, "--to", to, "--key", key(by), *reference)
    assert said in failed(result)
    assert both.a.world.size == size


def test_what_is_not_offered_can_be_withdrawn(both: Pair, key: Callable[[str], Path]):
    both.recognised()
    asked = ("transfer", "request", VOLUNTEER, "--to", OTHER, "--key", key(VOLUNTEER), "--json")
    first = told(run(both.a, *asked))["id"]
    assert "is under way" in failed(run(both.a, *asked))
    assert told(run(both.a, "transfer", "cancel", first, "--json"))["state"] == "cancelled"
    assert state_of(both.a, "transfer", "status", first) == ["cancelled"]
    second = told(run(both.a, *asked))["id"]
    told(run(both.a, "transfer", "receive", "--json"))
    assert "the transfer is offered" in failed(run(both.a, "transfer", "cancel", second))
    assert "no transfer" in failed(run(both.a, "transfer", "cancel", str(uuid4())))
    assert failed(run(both.a, "transfer", "cancel", "nonsense"))


# -- visitors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [VOLUNTEER, STATION])
def test_a_visitor_is_told_of_and_the_hours_come_home(both: Pair, key: Callable[[str], Path], by: str):
    both.recognised()
    said = ("--reference", "来访 3") if by == STATION else ()
    asked = ("transfer", "visit", VOLUNTEER, "--home", REGION, "--key", key(by), *said, "--json")
    assert told(run(both.b, *asked))["position"] == both.b.world.size - 1
    found = both.b.world.ledger.record(Volunteer, VOLUNTEER)
    assert found is not None
    assert found.home == REGION
    both.b.world.submit(both.b.world.hours("06:00", "06:45"))
    told(run(both.b, "transfer", "receive", "--json", region=False))
    assert (counted(both.a), counted(both.b)) == (45, 0)
    assert "known here" in failed(run(both.b, *asked))


def test_a_station_brings_the_key_of_a_visitor(both: Pair, key: Callable[[str], Path]):
    both.recognised()
    public = key(VOLUNTEER).with_name(key(VOLUNTEER).name + ".pub")
    asked = ("transfer", "visit", VOLUNTEER, "--home", REGION, "--key", key(STATION), "--reference", "来访 4")
    told(run(both.b, *asked, "--public-key", public, "--json"))
    assert both.b.world.ledger.valid_key(VOLUNTEER, signing_key(VOLUNTEER).id) is not None
    other = ("transfer", "visit", volunteer(5), "--home", REGION, "--key", key(STATION), "--reference", "来访 5")
    assert "not volunteer:" in failed(run(both.b, *other, "--public-key", public))


# -- what does not get on -----------------------------------------------------------------------------


def test_what_a_peer_does_not_believe_is_shown_and_tried_again(both: Pair):
    """The destination does not recognise the home: the offer is aside until somebody has seen to that."""
    both.recognise(both.a, both.b)
    transfer = both.request(both.a, both.b)
    assert told(run(both.a, "transfer", "receive", "--json")) == {
        "messages": 0, "waiting": 0, "aside": 1, "out_of_reach": [],
    }  # fmt: skip
    (found,) = told(run(both.a, "transfer", "pending", "--json"))
    assert (found["box"], found["state"], found["kind"], found["peer"]) == ("outbox", "aside", "offer", OTHER)
    assert (found["attempts"], found["due"]) == (1, None)
    assert "not recognised" in found["reason"]
    assert "not recognised" in run(both.a, "transfer", "pending").output

    both.recognise(both.b, both.a)
    assert told(run(both.a, "transfer", "retry", found["message"], "--json")) == {"messages": 1}
    told(run(both.a, "transfer", "receive", "--json", region=False))
    assert (both.a.state(transfer), both.b.state(transfer)) == ("closed", "accepted")
    assert told(run(both.a, "transfer", "pending", "--json", region=False)) == []
    assert "nothing is pending" in run(both.a, "transfer", "pending").output


def test_all_that_is_aside_is_tried_again_at_once(both: Pair):
    both.recognise(both.a, both.b)
    both.request(both.a, both.b)
    told(run(both.a, "transfer", "receive", "--json"))
    assert told(run(both.a, "transfer", "retry", "all", "--json")) == {"messages": 1}
    assert told(run(both.a, "transfer", "retry", "all", "--json")) == {"messages": 0}
    assert [row.state for row in both.a.outbox()] == ["waiting"]


def test_a_region_that_was_restored_is_told_everything_again(both: Pair):
    both.recognise(both.a, both.b)
    both.recognise(both.b, both.a)
    both.request(both.a, both.b)
    told(run(both.a, "transfer", "receive", "--json", region=False))
    assert both.a.outbox() == []
    assert told(run(both.a, "transfer", "retry", "--all-to", OTHER, "--json")) == {"messages": 1}
    assert [row.state for row in both.a.outbox()] == ["waiting"]
    told(run(both.a, "transfer", "receive", "--json", region=False))
    assert both.a.outbox() == []
    assert failed(run(both.a, "transfer", "retry", "--all-to", "440300"))


@pytest.mark.parametrize("name", ["7", "ledger.example/442000#7", "", "nonsense", "9" * 30, "ledger.example/442000#x"])
def test_a_message_that_there_is_not_is_not_tried_again(both: Pair, name: str):
    assert failed(run(both.a, "transfer", "retry", name))


def test_what_waits_in_the_inbox_is_shown_by_the_event_that_it_tells_of(both: Pair):
    """A dispute of an entry that this region has not heard of waits for it."""
    both.recognised()
    both.b.world.enrol(VOLUNTEER)
    entry = both.a.world.hours("06:00", "06:30")
    both.a.world.submit(entry)
    both.a.world.record("hours.disputed/1", issuer=VOLUNTEER, entry=json.loads(entry)["id"])
    home = both.a.exchange_offline()
    home.publisher.publish()
    position = both.a.world.size - 1
    answer = both.b.exchange_offline().deliver(home.node.message("", position), REGION)
    assert answer.state == "waiting"
    (found,) = told(run(both.b, "transfer", "pending", "--json"))
    name = f"{both.a.world.origin}#{position}"
    assert (found["box"], found["message"], found["state"], found["peer"]) == ("inbox", name, "waiting", REGION)
    assert told(run(both.b, "transfer", "retry", name, "--json")) == {"messages": 1}
    assert both.b.world.ledger.record(Entry, (json.loads(entry)["id"], both.a.world.origin)) is None


def test_a_peer_that_is_out_of_reach_is_named(split: Pair):
    split.recognised()
    transfer = split.request(split.a, split.b)
    found = told(run(split.a, "transfer", "receive", "--json"), common.OUT_OF_REACH)
    assert found == {"messages": 0, "waiting": 1, "aside": 0, "out_of_reach": [OTHER]}
    (row,) = told(run(split.a, "transfer", "pending", "--json"))
    assert "out of reach" in row["reason"]
    assert row["due"] is not None
    with split:
        split.wait(lambda: (split.a.state(transfer), split.b.state(transfer)) == ("closed", "accepted"))


def test_a_region_that_is_not_there_has_nothing(both: Pair):
    for words in (("pending",), ("receive",), ("retry", "all"), ("status",), ("cancel", str(uuid4()))):
        result = run(both.a, "transfer", *words, "--region", "820000", region=False)
        assert failed(result, common.OUT_OF_REACH), words


# -- of a server --------------------------------------------------------------------------------------


def test_a_server_is_asked(split: Pair, key: Callable[[str], Path]):
    split.recognised()
    with split:
        place = ("--url", split.a.url)
        asked = ("transfer", "request", VOLUNTEER, "--to", OTHER, "--key", key(VOLUNTEER), *place, "--json")
        made = told(run(split.a, *asked, data=False))
        split.wait(lambda: split.a.state(made["id"]) == "closed")
        look = ("transfer", "status", made["id"], *place, "--json", "--key")
        for who in (VOLUNTEER, AUTHORITY):
            (found,) = told(run(split.a, *look, key(who), data=False))
            assert found["state"] == "closed"
        assert "no such transfer" in failed(run(split.a, *look, key(GROUP), data=False))
        anybody = run(split.a, "transfer", "status", *place, data=False)
        assert "bearer token is needed" in failed(anybody)
        there = ("transfer", "status", "--url", split.b.url, "--key", key(VOLUNTEER), "--json")
        assert [one["state"] for one in told(run(split.b, *there, data=False))] == ["accepted"]
        visit = ("transfer", "visit", volunteer(5), "--home", REGION, "--reference", "来访 5", "--key", key(STATION))
        told(run(split.b, *visit, "--url", split.b.url, "--json", data=False))


def test_a_server_that_is_out_of_reach_is_told(split: Pair, key: Callable[[str], Path]):
    asked = ("transfer", "request", VOLUNTEER, "--to", OTHER, "--key", key(VOLUNTEER), "--url", split.a.url)
    assert "out of reach" in failed(run(split.a, *asked, data=False), common.OUT_OF_REACH)
