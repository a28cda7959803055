"""Who signs, and when nobody does: a log whose database lost or changed what was signed refuses to go on."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.service import publishing
from api.service.region import Region
from api.service.service import Service
from ledger.crypto.keys import SigningKey
from ledger.ids import format_time
from ledger.store import log
from ledger.store.postgres.database import Database
from ledger.store.tiles import Tiles
from ledger.tlog import merkle
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.receipt import check_receipt
from tests.api.process import run, serving
from tests.api.site import OTHER, Site, place_keys, wipe
from tests.api.site import signed as note_of
from tests.integration.waiting import eventually
from tests.integration.world import World, check
from tests.support.builders import ORIGIN, REGION, STATION, event_id, signing_key

LOG_KEY = signing_key(ORIGIN).verifier
PART = f"{REGION} log"


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has a second to wait."""
    monkeypatch.setattr(publishing, "CHECKPOINT_INTERVAL", 0.02)


@pytest.fixture
def closed(database: Database, tmp_path: Path) -> Site:
    """A deployment whose server was stopped: the last checkpoint covers the whole log."""
    site = Site(tmp_path / "data", database)
    with site:
        site.post(request(site.world))
    return site


def request(world: World, count: int = 3) -> bytes:
    return world.request(*(world.body("activity.published/1", subject=f"activity:{event_id()}") for _ in range(count)))


def file_of(site: Site) -> Path:
    return site.data / "checkpoints" / REGION


def signed(site: Site) -> Checkpoint:
    """The last checkpoint, from the file."""
    return open_checkpoint(file_of(site).read_text(encoding="utf-8"), LOG_KEY)


def restore(world: World, size: int) -> None:
    """Bring the database back to where it stood at a size, as an old backup would."""
    with world.database.transaction() as cursor:
        entries = log.read_entries(cursor, world.schema, 0, size)
        _, frontier, _ = merkle.append(0, (), map(merkle.leaf_hash, entries))
        cursor.execute(f"DELETE FROM {world.schema}.events WHERE position >= %s", (size,))
        cursor.execute(f"DELETE FROM {world.schema}.submissions WHERE first >= %s", (size,))
        cursor.execute(
            f"DELETE FROM {world.schema}.activities WHERE 'activity:' || id NOT IN"
            f" (SELECT stream FROM {world.schema}.events)"
        )
        cursor.execute(f"UPDATE {world.schema}.head SET size = %s, frontier = %s", (size, b"".join(frontier)))
        count = "(%s::bigint >> (8 * level)) - 256 * index"
        cursor.execute(f"DELETE FROM {world.schema}.tiles WHERE {count} <= 0", (size,))
        cursor.execute(
            f"UPDATE {world.schema}.tiles SET hashes = substr(hashes, 1, 32 * least(256, {count})::integer)", (size,)
        )
        cursor.execute(f"DROP SCHEMA IF EXISTS {world.schema}_totals CASCADE")


def refuses(site: Site, reason: str) -> None:
    """The server says why it does not sign, changes nothing, and goes on serving what there is."""
    before = file_of(site).read_bytes() if file_of(site).exists() else None
    eventually(lambda: site.get("/readyz").status_code == 503)
    told = site.get("/readyz").json()
    assert told["ready"] is False
    assert reason in told["failed"][PART]
    assert [one["code"] for one in site.json("/v1/regions")] == [REGION, OTHER]
    assert site.get("/healthz").status_code == 200
    assert site.metric("yongzhi_failed", part="log", region=REGION) == 1
    with site.world.unchanged():
        answer = site.post(request(site.world))
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:yongzhi:problem:unavailable")
    assert site.json(f"/v1/regions/{REGION}/organisations/{STATION}")["id"] == STATION
    assert (file_of(site).read_bytes() if file_of(site).exists() else None) == before


def goes_on(site: Site, world: World) -> None:
    """What is submitted is soon under a checkpoint."""
    region = site.service.regions[world.region]
    answer = site.post(request(world), world.region)
    assert answer.status_code == 201
    eventually(lambda: region.published_size() >= answer.json()["tree_size"])


# -- a database that lost what was signed -------------------------------------------------------------


def test_a_database_from_an_old_backup_is_refused_at_start(closed, database_url):
    before, size = file_of(closed).read_text(encoding="utf-8"), closed.world.size
    restore(closed.world, size - 2)
    with closed:
        refuses(closed, f"{size} events were signed and {size - 2} are stored")
        assert closed.get(f"/log/{REGION}/checkpoint").text == before
        goes_on(closed, closed.other)
        assert closed.metric("yongzhi_failed", part="log", region=OTHER) == 0
    assert file_of(closed).read_text(encoding="utf-8") == before
    ended = run("checkpoint", "--data", closed.data, "--region", REGION, database_url=database_url)
    assert (ended.status, ended.out) == (1, "")
    assert "old backup" in ended.err
    assert file_of(closed).read_text(encoding="utf-8") == before


def test_a_database_that_goes_back_under_a_running_server_is_refused(closed):
    with closed:
        goes_on(closed, closed.world)
        size = closed.world.size
        restore(closed.world, size - 1)
        refuses(closed, f"{size} events were signed and {size - 1} are stored")


def test_another_history_is_refused_however_long_it_is(closed):
    """As when an old backup has taken submissions since."""
    size = closed.world.size
    restore(closed.world, size - 2)
    closed.world.ledger.submit(request(closed.world, 5))
    with closed:
        refuses(closed, f"the first {size} events are not those that were signed")


def test_the_lost_events_put_back_the_log_goes_on(closed):
    world, before = closed.world, signed(closed)
    lost = request(world)
    with closed:
        goes_on(closed, world)
        place = closed.post(lost).json()
        eventually(lambda: signed(closed).size == world.size)
        receipt = closed.get("events/{}/receipt".format(place["events"][0]["id"]), STATION).text
        size = world.size
    restore(world, place["first"])
    with closed:
        refuses(closed, "old backup")
    # The clock of this world stands still, so the entries come out as they were.
    assert [world.ledger.submit(lost).first, world.size] == [place["first"], size]
    with closed:
        assert closed.get("/readyz").status_code == 200
        row = world.ledger.event(place["events"][0]["id"])
        assert check_receipt(receipt, row.body or b"", LOG_KEY).checkpoint == signed(closed)
        goes_on(closed, world)
    assert signed(closed).size > before.size
    check(world)


# -- damage -------------------------------------------------------------------------------------------


def forget_file(site: Site) -> None:
    file_of(site).unlink()


def another_key(site: Site) -> None:
    note = file_of(site).read_text(encoding="utf-8")
    text = note.partition("\n\n")[0] + "\n"
    file_of(site).write_text(note_of(text, SigningKey(ORIGIN, b"\5" * 32)), encoding="utf-8")


def garbage(site: Site) -> None:
    file_of(site).write_text("garbage", encoding="utf-8")


def lose_tiles(site: Site) -> None:
    with site.database.transaction() as cursor:
        cursor.execute(f"DELETE FROM {site.world.schema}.tiles")


def change_tile(site: Site) -> None:
    with site.database.transaction() as cursor:
        cursor.execute(f"UPDATE {site.world.schema}.tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)")


DAMAGE: dict[str, tuple[Callable[[Site], None], str]] = {
    "the file is gone": (forget_file, "the last checkpoint signed is missing"),
    "another key signed the file": (another_key, "no signature by key"),
    "the file is garbage": (garbage, "a note is"),
    "tiles are gone": (lose_tiles, "fewer than"),
    "a tile is another": (change_tile, "are not those that were signed"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_was_damaged_is_not_signed(closed, name):
    damage, reason = DAMAGE[name]
    damage(closed)
    with closed:
        refuses(closed, reason)


def test_a_frontier_that_contradicts_the_tiles_is_not_signed(closed):
    world, size = closed.world, signed(closed).size
    with world.database.transaction() as cursor:
        cursor.execute(f"UPDATE {world.schema}.head SET frontier = set_byte(frontier, 5, get_byte(frontier, 5) # 1)")
    world.ledger.submit(request(world))
    with closed:
        refuses(closed, "tiles and frontier")
    assert signed(closed).size == size


# -- more than one ------------------------------------------------------------------------------------


def leaders(world: World) -> list[int]:
    """Process ids of the connections that hold the right to publish."""
    with world.database.read() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND objid::bigint = hashtext(%s)::bigint & 4294967295",
            (f"publish {world.schema}",),
        )
        return [pid for (pid,) in cursor]


def reached(region: Region, size: int) -> bool:
    return region.published_size() == size


def test_of_two_servers_one_publishes_and_both_show_it(closed):
    world = closed.world
    with closed:
        second = Service(closed.deployment)
        try:
            shown = [one.regions[REGION] for one in (closed.service, second)]
            for _ in range(3):
                size = closed.post(request(world)).json()["tree_size"]
                for one in shown:
                    eventually(partial(reached, one, size))
                assert len(leaders(world)) == 1
            assert [one.publishing.failure for one in shown] == [None, None]
        finally:
            second.close()


def test_when_the_one_that_publishes_ends_another_goes_on(closed):
    world = closed.world
    with closed:
        eventually(lambda: leaders(world))
        second = Service(closed.deployment)
        region = second.regions[REGION]
    try:
        # The first has closed: nobody but the second is left.
        size = world.ledger.submit(request(world)).tree_size
        eventually(partial(reached, region, size))
        assert len(leaders(world)) == 1
    finally:
        second.close()


def test_a_publisher_that_lost_its_lock_asks_for_it_again(closed):
    world = closed.world
    with closed:
        (before,) = eventually(lambda: leaders(world))
        with world.database.transaction() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", (before,))
        eventually(lambda: [pid for pid in leaders(world) if pid != before])
        goes_on(closed, world)
        assert closed.get("/readyz").json() == {"ready": True, "failed": {}}


# -- killed -------------------------------------------------------------------------------------------


def timely(world: World) -> bytes:
    """A request for a server whose clock is that of this machine."""
    now = format_time(int(time.time()))
    return world.request(world.body("activity.published/1", subject=f"activity:{event_id()}", time=now))


def post(url: str, data: bytes) -> Any:
    answer = httpx2.post(f"{url}/v1/regions/{REGION}/submissions", content=data)
    assert answer.is_success, answer.text
    return answer


def test_a_server_killed_between_commit_and_checkpoint_goes_on(database, database_url, tmp_path):
    wipe(database)
    world = World(database)
    (tmp_path / "keys").mkdir()
    place_keys(tmp_path, world)
    world.populate()
    file = tmp_path / "checkpoints" / REGION

    def published() -> Checkpoint:
        return open_checkpoint(file.read_text(encoding="utf-8"), LOG_KEY)

    with serving(tmp_path, database_url) as server:
        # Right behind a checkpoint there is a second until the next one.
        place = post(server.url, timely(world)).json()
        eventually(lambda: published().size == place["tree_size"])
        last = timely(world)
        acknowledged = post(server.url, last).json()
        server.kill()
    before = published()
    assert before.size < acknowledged["tree_size"] == world.size
    with serving(tmp_path, database_url) as server:
        eventually(lambda: published().size == world.size)
        again = post(server.url, last)
        assert (again.status_code, again.json()["events"]) == (200, acknowledged["events"])
        assert server.stop() == 0
    check_consistent(world, before, published())
    ended = run("audit", "--data", tmp_path, "--json", database_url=database_url)
    assert (ended.status, ended.json[0]["events"]) == (0, world.size)


def check_consistent(world: World, old: Checkpoint, new: Checkpoint) -> None:
    with world.database.read() as cursor:
        tiles = Tiles(cursor, world.schema, new.size)
        proof = merkle.prove_consistency(old.size, new.size, tiles.subtree)
    merkle.check_consistency(old.size, new.size, proof, old.root, new.root)
