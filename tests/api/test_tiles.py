"""The log as mirrors, witnesses and auditors fetch it: from tiles alone follows every root that was signed."""

import base64
from collections.abc import Iterator
from hashlib import sha256

import pytest

from ledger.errors import NotFound
from ledger.tlog import merkle
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.tile_paths import parse_tile_path, tile_path
from tests.api.site import OTHER, Site, fetch_entries, fetch_tree, tile_name
from tests.contract.golang import Go
from tests.integration.world import World
from tests.support.builders import ORIGIN, REGION, event_id, signing_key

SIZES = [20, 21, 255, 256, 257, 300, 511, 512, 513, 600]


def grow(world: World, size: int) -> None:
    """Bring the log to a size."""
    missing = size - world.size
    assert missing > 0
    world.submit(*(world.body("activity.published/1", subject=f"activity:{event_id()}") for _ in range(missing)))


@pytest.fixture(scope="module")
def checkpoints(site: Site) -> list[Checkpoint]:
    """Those of a log that grew beyond two tiles, oldest first."""
    found = []
    for size in SIZES:
        grow(site.world, size)
        site.publish()
        found.append(site.checkpoint())
    return found


@pytest.fixture(scope="module")
def leaves(site: Site, checkpoints: list[Checkpoint]) -> list[bytes]:
    """Leaf hashes of the last checkpoint's tree, from its tiles."""
    return fetch_tree(site.tile, checkpoints[-1].size)


# -- checkpoints --------------------------------------------------------------------------------------


def test_checkpoints_grow_with_the_log(checkpoints):
    assert [one.size for one in checkpoints] == SIZES
    assert {one.origin for one in checkpoints} == {ORIGIN}
    assert len({one.root for one in checkpoints}) == len(SIZES)


def test_a_checkpoint_is_a_signed_note_that_is_not_kept(site, checkpoints, go: Go):
    answer = site.get(f"/log/{REGION}/checkpoint")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["cache-control"] == "no-store"
    text, _, line = answer.text.partition("\n\n")
    assert text.split("\n") == [ORIGIN, str(SIZES[-1]), base64.b64encode(checkpoints[-1].root).decode()]
    assert line.startswith(f"— {ORIGIN} ")
    assert go("open", note=answer.text, vkeys=[str(signing_key(ORIGIN).verifier)])["ok"]


def test_nothing_new_is_signed_while_nothing_is_new(site, checkpoints):
    before = site.get(f"/log/{REGION}/checkpoint").text
    site.publish()
    assert site.get(f"/log/{REGION}/checkpoint").text == before


def test_every_checkpoint_is_consistent_with_those_before_it(checkpoints, leaves):
    for number, new in enumerate(checkpoints):
        for old in checkpoints[:number]:
            proof = merkle.prove_consistency(old.size, new.size, lambda low, high: merkle.tree_root(leaves[low:high]))
            merkle.check_consistency(old.size, new.size, proof, old.root, new.root)


# -- tiles --------------------------------------------------------------------------------------------


def test_tiles_have_the_root_of_every_checkpoint(site, checkpoints):
    """Tiles as they were at each size, partial ones included."""
    for one in checkpoints:
        assert merkle.tree_root(fetch_tree(site.tile, one.size)) == one.root


def test_bundles_hold_the_entries_behind_the_leaves(site, world, checkpoints, leaves):
    entries = fetch_entries(site.tile, SIZES[-1])
    assert [merkle.leaf_hash(entry) for entry in entries] == leaves
    rows = world.ledger.rows_at(range(SIZES[-1]))
    recorded_at = int(world.now).to_bytes(8, "big")
    assert entries == [sha256(rows[position].body).digest() + recorded_at for position in range(SIZES[-1])]


def test_tiles_are_those_of_go(site, checkpoints, leaves, go: Go):
    entries = [entry.hex() for entry in fetch_entries(site.tile, SIZES[-1])]
    assert go("root", leaves=entries)["root"] == checkpoints[-1].root.hex()
    for level, index, width in ((0, 0, 256), (0, 1, 256), (0, 2, SIZES[-1] - 512), (0, 2, 1), (1, 0, 2), (1, 0, 1)):
        data = go("tile_data", leaves=entries, level=level, tile=index, width=width)["data"]
        assert site.tile(tile_name(level, index, width)).hex() == data


def test_a_tile_may_be_asked_for_as_it_was(site, checkpoints):
    """Auditors of an old checkpoint ask for the width that it had."""
    full = site.tile("0/000")
    assert [site.tile(f"0/000.p/{width}") for width in (1, 20, 255)] == [full[: 32 * width] for width in (1, 20, 255)]
    bundle = site.tile("entries/000")
    assert site.tile("entries/000.p/7") == bundle[: 42 * 7]


@pytest.mark.parametrize("path", ["0/000", "0/002.p/88", "1/000.p/2", "entries/001", "entries/002.p/88"])
def test_tiles_may_be_kept_for_ever(site, checkpoints, path):
    answer = site.get(f"/log/{REGION}/tile/{path}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert {"public", "immutable", "max-age=31536000"} == set(answer.headers["cache-control"].split(", "))


WRONG = {
    "an index without zeros": "0",
    "too many zeros": "0000",
    "an x too many": "x000",
    "x1": "x1",
    "a group too short": "x1/000",
    "a group without x": "001/000",
    "a negative index": "-1",
    "a negative group": "-01",
    "a sign": "+00",
    "an underscore": "0_0",
    "other digits": "٠٠٠",
    "a width of nothing": "000.p/0",
    "a whole tile as a partial one": "000.p/256",
    "a width beyond": "000.p/257",
    "a width with a zero in front": "000.p/01",
    "a negative width": "000.p/-1",
    "no width": "000.p/",
    "no width at all": "000.p",
    "two widths": "000.p/1.p/1",
    "more behind it": "000/",
    "not covered": "002",
    "not covered by one": "002.p/89",
    "far beyond": "x999/x999/x999/x999/999",
    "beyond any number": "x999/" * 6 + "999",
    "a very long index": "x000/" * 500 + "000",
    "nothing": "",
    "a parent": "..%2fcheckpoint",
}


@pytest.mark.parametrize("path", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("level", ["0", "entries"])
def test_a_tile_that_there_is_not_is_not_found(site, checkpoints, level, path):
    answer = site.http.get(f"/log/{REGION}/tile/{level}/{path}")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers.get("cache-control", "")


LEVELS = ["1/000", "1/000.p/3", "2/000.p/1", "7/000.p/1", "8/000.p/1", "9/000.p/1", "64/000"]
LEVELS += ["-1/000.p/1", "00/000.p/1", "x/000.p/1", "٠/000.p/1", "/000.p/1"]


@pytest.mark.parametrize("path", LEVELS)
def test_a_level_that_there_is_not_is_not_found(site, checkpoints, path):
    assert site.http.get(f"/log/{REGION}/tile/{path}").status_code == 404


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000", "tile/entries/000"])
def test_a_log_that_is_not_served_is_not_found(site, path):
    assert site.http.get(f"/log/110000/{path}").status_code == 404


def test_what_no_checkpoint_covers_is_not_served(site):
    """A log of 256 events whose last one nobody has signed yet."""
    world = site.other
    grow(world, 255)
    site.publish(world)
    grow(world, 256)

    def status(path: str) -> int:
        return site.http.get(f"/log/{OTHER}/tile/{path}").status_code

    covered, uncovered = ["0/000.p/255", "entries/000.p/255"], ["0/000", "entries/000", "1/000.p/1"]
    assert [status(path) for path in covered] == [200, 200]
    assert [status(path) for path in uncovered] == [404, 404, 404]
    site.publish(world)
    assert [status(path) for path in covered + uncovered] == [200] * 5


# -- paths against an independent implementation ----------------------------------------------------------

INDEXES = [0, 1, 9, 10, 255, 999, 1000, 1001, 67_000, 123_456, 999_999, 1_000_000, 1_234_067, 10**9, 10**12 + 1]


@pytest.mark.parametrize("width", [1, 2, 255, 256])
def test_paths_are_those_of_go(go: Go, width: int):
    for index in INDEXES:
        path = go("tile_path", level=0, tile=index, width=width)["path"].removeprefix("tile/0/")
        assert tile_path(index, width) == path
        assert parse_tile_path(path) == (index, width)


def spoiled() -> Iterator[str]:
    for index in INDEXES:
        path = tile_path(index, 7)
        yield from (path + "77", path + "/", "/" + path, path.replace(".p", ""), "x" + path, path.upper() + " ")


@pytest.mark.parametrize("path", [*spoiled()])
def test_no_other_spelling_is_a_path(path):
    with pytest.raises(NotFound):
        parse_tile_path(path)
