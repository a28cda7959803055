"""Evidence made from a region's store holds for whoever has its log key, and none is made of what does not hold."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import suppress
from uuid import uuid4

import pytest
from eventsourcing.persistence import StoredEvent

from ledger.errors import Corrupt, NotYet, Untrusted
from ledger.evidence.evidence import LEARNED, Checker, Evidence, Foreign
from ledger.evidence.wire import BundleReader, EventItem, KeyItem, bundle_lines, message, read_message
from ledger.store import log
from ledger.store import tiles as stored_tiles
from ledger.store.exchange.prover import Prover, SubmissionTrees
from ledger.store.log import StoredRow
from ledger.store.postgres.database import Cursor, Database
from ledger.store.tiles import Tiles
from ledger.store.trees import rows_of
from ledger.tlog import merkle, notes
from ledger.tlog.checkpoint import Checkpoint
from tests.integration.world import World
from tests.support import builders
from tests.support.builders import GROUP, STATION, VOLUNTEER
from tests.support.library import WritingFactory, WritingRecorder


def checkpoint(cursor: Cursor, world: World, size: int | None = None) -> str:
    """The tree of that many events, signed by the region's log key."""
    size = log.read_head(cursor, world.schema).size if size is None else size
    root = Tiles(cursor, world.schema, size).root()
    return notes.sign(Checkpoint(world.origin, size, root).text(), [builders.signing_key(world.origin)])


def prover(cursor: Cursor, world: World, size: int | None = None, trees: SubmissionTrees | None = None) -> Prover:
    return Prover(cursor, world.schema, world.origin, checkpoint(cursor, world, size), trees)


def proven(world: World, positions: Sequence[int] | None = None, size: int | None = None) -> list[Evidence]:
    """The evidence of some events, or of all."""
    with world.database.read() as cursor:
        rows = {row.position: row for row in log.read_events(cursor, world.schema, 0, 100_000)}
        return prover(cursor, world, size).prove([rows[one] for one in (rows if positions is None else positions)])


def checked(world: World, items: Sequence[Evidence]) -> list[Foreign]:
    """What another region makes of them, which learns all key events among them first."""
    checker = Checker(lambda origin: [builders.signing_key(world.origin).verifier] if origin == world.origin else [])
    kinds = {row.position: row.topic for row in stored(world)}
    checker.learn(item for item in items if kinds[item.position] in LEARNED)
    return [checker.check(item) for item in items]


def stored(world: World) -> list[StoredRow]:
    with world.database.read() as cursor:
        return log.read_events(cursor, world.schema, 0, 100_000)


def fill(world: World, submissions: Sequence[int]) -> None:
    """Submissions of that many events each."""
    for count in submissions:
        names = [f"activity:{builders.event_id()}" for _ in range(count)]
        world.submit(*(world.body("activity.published/1", subject=name) for name in names))


def test_every_event_of_a_ledger_is_proven(world):
    fill(world, [1, 2, 3, 7])
    rows = stored(world)
    found = checked(world, proven(world))
    assert [(one.position, one.recorded_at, one.entry, one.body) for one in found] == [
        (row.position, row.recorded_at, row.entry, row.body) for row in rows
    ]
    assert {one.event.id for one in found} == {row.event_id for row in rows}


def test_in_the_order_that_is_asked_for(world):
    positions = [4, 0, world.size - 1, 4, 2]
    assert [item.position for item in proven(world, positions)] == positions
    assert proven(world, []) == []


def test_against_an_older_checkpoint(world):
    size = world.size
    fill(world, [3])
    items = proven(world, range(size), size)
    assert f"\n{size}\n" in items[0].checkpoint
    assert len(checked(world, items)) == size


def test_not_before_a_checkpoint_covers_it(world):
    with pytest.raises(NotYet, match=f"position {world.size - 1}"):
        proven(world, [0, world.size - 1], world.size - 1)


def test_over_the_wire_and_back(world):
    items = proven(world)
    assert read_message(message(items)) == items
    kinds = {row.position: row.topic for row in stored(world)}
    keys = [item for item in items if kinds[item.position] in LEARNED]
    lines = bundle_lines(b"{}", keys, items)
    checker = Checker(lambda _: [builders.signing_key(world.origin).verifier])
    arrived = 0
    for part in BundleReader(lines):
        if isinstance(part, KeyItem):
            checker.learn([part.evidence])
        elif isinstance(part, EventItem):
            assert checker.check(part.evidence).body == stored(world)[arrived].body
            arrived += 1
    assert arrived == world.size


def test_keys_that_were_revoked(world):
    """What a real ledger took under a key before its end is believed, under whichever key ended it."""
    fill(world, [2])
    first = builders.signing_key(STATION)
    world.record(
        "organisation.key_revoked/1", issuer=STATION, subject=STATION, key_id=first.id, suspect_from=world.size
    )
    world.submit(world.hours("09:00", "09:30"), by=1)
    group = builders.signing_key(GROUP, 1)
    world.record("organisation.key_revoked/1", issuer=GROUP, subject=GROUP, key_id=group.id, by=1, suspect_from=0)
    world.record("volunteer.key_added/1", issuer=VOLUNTEER, subject=VOLUNTEER, key=builders.vkey(VOLUNTEER, 1))
    items = proven(world)
    assert len(checked(world, items)) == world.size
    with pytest.raises(Untrusted, match="no event here adds key"):
        checked(world, [item for item in items if item.position != 1 and item.position != 2])


def test_large_submissions_and_shared_trees(world):
    """More events than a page of the prover's, more than a tile; twice from shared trees, to the same result."""
    fill(world, [1500, 1, 300])
    trees = SubmissionTrees()
    with world.database.read() as cursor:
        rows = log.read_events(cursor, world.schema, 0, 100_000)[::-1]
        found = [prover(cursor, world, trees=trees).prove(rows) for _ in range(2)]
        alone = prover(cursor, world).prove(rows[::7])
    assert found[0] == found[1]
    assert alone == found[0][::7]
    assert len(checked(world, found[0])) == world.size
    assert trees.get(merkle.tree_root([merkle.leaf_hash(row.entry[:32]) for row in rows[:300][::-1]])) is not None


def test_trees_that_do_not_fit_are_made_again(world):
    fill(world, [40, 40])
    small = SubmissionTrees(bytes_max=4000)
    with world.database.read() as cursor:
        rows = log.read_events(cursor, world.schema, 0, 1000)
        found = prover(cursor, world, trees=small).prove(rows)
    assert found == proven(world)


# -- what is stored does not hold ---------------------------------------------------------------------------


class Undone(Exception):
    pass


def spoiled(world: World, statement: str, match: str, positions: Sequence[int] | None = None) -> None:
    """Proving after a change of the store, which is then taken back, stops; before it, it did not."""
    with suppress(Undone), world.database.transaction() as cursor:
        signed = checkpoint(cursor, world)
        rows = log.read_events(cursor, world.schema, 0, 100_000)
        wanted = rows if positions is None else [rows[one] for one in positions]
        Prover(cursor, world.schema, world.origin, signed).prove(wanted)
        cursor.execute(statement.format(s=world.schema))
        with pytest.raises(Corrupt, match=match):
            Prover(cursor, world.schema, world.origin, signed).prove(wanted)
        raise Undone


def test_an_event_that_was_changed(world):
    fill(world, [3])
    last = world.size - 1
    flip = "UPDATE {s}.events SET entry = set_byte(entry, 0, get_byte(entry, 0) # 1)"
    spoiled(world, f"{flip} WHERE position = {last}", "is not what its note says", [last - 1])


def test_a_row_that_is_not_the_stored_one(world):
    rows = stored(world)
    with world.database.read() as cursor:
        for other in (rows[2]._replace(position=1), rows[2]._replace(entry=bytes(40))):
            with pytest.raises(Corrupt, match="is not what its submission committed to"):
                prover(cursor, world).prove([other])
        with pytest.raises(Corrupt, match="has no body"):
            prover(cursor, world).prove([rows[2]._replace(body=None)])


def test_a_tile_that_was_changed(world):
    fill(world, [300])
    flip = "UPDATE {s}.tiles SET hashes = set_byte(hashes, 5, get_byte(hashes, 5) # 1) WHERE (level, index) ="
    spoiled(world, f"{flip} (0, 1)", "are not those that were signed")
    spoiled(world, f"{flip} (1, 0)", "are not those that were signed")
    spoiled(world, f"{flip} (0, 0)", "tile 0/0 is not what the tile above it says")


def test_submissions_that_were_changed(world):
    fill(world, [3, 2])
    last = world.size - 2
    spoiled(world, f"UPDATE {{s}}.submissions SET count = 1 WHERE first = {last}", "belongs to no submission")
    longer = f"UPDATE {{s}}.submissions SET count = 4 WHERE first = {last - 3}"
    spoiled(world, longer, "is not what its note says", [last - 1])
    spoiled(world, f"DELETE FROM {{s}}.submissions WHERE first = {last}", "belongs to no submission")
    spoiled(world, "DELETE FROM {s}.submissions WHERE first = 0", "belongs to no submission", [0])


def test_a_checkpoint_of_another_log(world):
    with world.database.read() as cursor:
        signed = checkpoint(cursor, world)
        with pytest.raises(Corrupt, match="the checkpoint is of"):
            Prover(cursor, world.schema, "ledger.example/442000", signed).prove(stored(world))
        other = notes.sign(
            f"{world.origin}\n{world.size}\n{base64.b64encode(bytes(32)).decode()}\n",
            [builders.signing_key(world.origin)],
        )
        with pytest.raises(Corrupt, match="are not those that were signed"):
            Prover(cursor, world.schema, world.origin, other).prove(stored(world))


# -- paths from tiles -----------------------------------------------------------------------------------------


@pytest.fixture
def recorder(database: Database) -> Iterator[WritingRecorder]:
    """A log that is no ledger: leaves without submissions, as many as a test wants."""
    yield WritingFactory({"YONGZHI_SCHEMA": "paths"}, database).application_recorder()
    with database.transaction() as cursor:
        cursor.execute("DROP SCHEMA paths CASCADE")


def grow(recorder: WritingRecorder, count: int) -> None:
    stream = str(uuid4())
    recorder.insert_events([StoredEvent(stream, number, "t", str(number).encode()) for number in range(count)])


def test_paths_are_those_of_rfc_6962(recorder):
    """At sizes around whole tiles of two levels, as of now and of a tree that has grown since."""
    grow(recorder, 66_000)
    with recorder.database.read() as cursor:
        entries = log.read_entries(cursor, recorder.schema, 0, 66_000)
        leaves = [merkle.leaf_hash(entry) for entry in entries]
        shared = SubmissionTrees()
        for size in (1, 2, 255, 256, 257, 511, 65_535, 65_536, 65_537, 65_793, 66_000):
            root = merkle.tree_root(leaves[:size])
            positions = sorted({0, 1, 255, 256, 257, size // 2, size - 257, size - 2, size - 1} & {*range(size)})
            for tiles in (
                Tiles(cursor, recorder.schema, size),
                Tiles(cursor, recorder.schema, size, shared),
                Tiles(cursor, recorder.schema, size, shared),
            ):
                tiles.prefetch(positions)
                for position in positions:
                    path = tiles.path(position)
                    merkle.check_inclusion(leaves[position], position, size, path, root)
                    assert list(path) == merkle.prove_inclusion(position, size, tiles.subtree)
                assert tiles.root() == root


def test_shared_trees_do_not_mix_logs(recorder, world):
    """The same places of two logs hold other hashes: what is shared goes by what it is, not by where it was."""
    grow(recorder, 600)
    fill(world, [600])
    shared = SubmissionTrees()
    for schema in (recorder.schema, world.schema):
        with world.database.read() as cursor:
            leaves = [merkle.leaf_hash(entry) for entry in log.read_entries(cursor, schema, 0, 600)]
            tiles = Tiles(cursor, schema, 600, shared)
            for position in (0, 255, 256, 599):
                merkle.check_inclusion(leaves[position], position, 600, tiles.path(position), merkle.tree_root(leaves))


def test_tiles_are_given_up_when_there_are_too_many(recorder, monkeypatch):
    monkeypatch.setattr(stored_tiles, "TILES_KEPT", 3)
    grow(recorder, 2000)
    with recorder.database.read() as cursor:
        leaves = [merkle.leaf_hash(entry) for entry in log.read_entries(cursor, recorder.schema, 0, 2000)]
        root = merkle.tree_root(leaves)
        for shared in (None, SubmissionTrees()):
            tiles = Tiles(cursor, recorder.schema, 2000, shared)
            tiles.prefetch(range(0, 2000, 100))
            for position in (*range(0, 2000, 100), 0, 1999):
                merkle.check_inclusion(leaves[position], position, 2000, tiles.path(position), root)


def test_the_tile_that_was_read_first_is_given_up_first(recorder, monkeypatch):
    monkeypatch.setattr(stored_tiles, "TILES_KEPT", 3)
    grow(recorder, 1024)
    with suppress(Undone), recorder.database.transaction() as cursor:
        tiles = Tiles(cursor, recorder.schema, 1024)
        before = [tiles.tile(0, index) for index in range(4)]
        cursor.execute(f"UPDATE {recorder.schema}.tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)")
        # Whether it is read again shows in that it is now another.
        assert [tiles.tile(0, index) == before[index] for index in (1, 2, 3, 0)] == [True, True, True, False]
        raise Undone


def test_trees_forget_the_one_that_was_not_used_for_longest():
    trees = SubmissionTrees(bytes_max=3 * 96)
    made = [rows_of(merkle.leaf_hash(b"%d" % number) + bytes(32)) for number in range(4)]  # 96 bytes each
    for rows in made[:3]:
        trees.put(rows)
    assert trees.get(made[0][-1]) == made[0]
    trees.put(made[3])
    assert [trees.get(rows[-1]) is not None for rows in made] == [True, False, True, True]
    trees.put(made[3])
    assert trees.get(made[0][-1]) is not None
