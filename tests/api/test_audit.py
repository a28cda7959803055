"""What an audit finds, and names, when somebody with the database at hand changes what is stored."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256

import pytest

from ledger.audit.log import audit, audit_published
from ledger.audit.report import FINDINGS_MAX, Finding, Report
from ledger.crypto.keys import SigningKey
from ledger.events import submission
from ledger.events.body import decode_event
from ledger.events.fields import type_name
from ledger.store import log
from ledger.store.postgres.database import Cursor, Database
from ledger.store.tiles import Tiles
from ledger.tlog import merkle
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.entries import commitment_to
from tests.api.site import revoke, signed, wipe
from tests.integration.world import World, organisation, span, volunteer
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, ORIGIN, REGION, STATION, event_id, signing_key

ROTATED = organisation(3001)
"""An organisation whose first key was revoked; its second signs."""
PERSON = volunteer(3001)
"""A volunteer who did the same."""


def activities(world: World, count: int, issuer: str = STATION) -> list[bytes]:
    return [world.body("activity.published/1", issuer=issuer, subject=f"activity:{event_id()}") for _ in range(count)]


@pytest.fixture(scope="module")
def world(database: Database) -> World:
    """A log of some tiles, some keys that came and went, and time that passed."""
    wipe(database)
    world = World(database).populate()
    world.record("region.key_added/1", key=builders.vkey(AUTHORITY, 1))
    world.now += 60
    world.submit(world.body("region.key_revoked/1", key_id=signing_key(AUTHORITY).id, suspect_from=0), by=1)
    rotate(world)
    for count in (1, 7, 100, 1, 200, 3):
        world.now += 60
        world.submit(*activities(world, count))
    world.now += 60
    world.record("hours.recorded/1", **span("06:00", "07:00"))
    world.submit(*activities(world, 2, ROTATED), by=1)
    return world


def rotate(world: World) -> None:
    """Keys are added, used and revoked, within submissions and between them."""
    added = [world.body("organisation.key_added/1", subject=ROTATED, key=builders.vkey(ROTATED, n)) for n in (0, 1)]
    world.submit(world.body("organisation.registered/1", subject=ROTATED, kind="charity"), *added, by=1)
    world.submit(*activities(world, 2, ROTATED))
    revoke(world, ROTATED, issuer=ROTATED, by=1)
    registered = world.body("volunteer.registered/1", issuer=PERSON, subject=PERSON, key=builders.vkey(PERSON))
    world.submit(
        registered, world.body("volunteer.key_added/1", issuer=PERSON, subject=PERSON, key=builders.vkey(PERSON, 1))
    )
    key_id = signing_key(PERSON).id
    world.record("volunteer.key_revoked/1", issuer=PERSON, subject=PERSON, key_id=key_id)


def checkpoint_of(world: World, size: int | None = None) -> Checkpoint:
    with world.database.read() as cursor:
        size = size or world.size
        return Checkpoint(ORIGIN, size, Tiles(cursor, world.schema, size).root())


def audited(cursor: Cursor, world: World, signed: Checkpoint | None = None) -> Report:
    return audit(cursor, world.schema, REGION, ORIGIN, signed)


class UndoError(Exception):
    """Ends a transaction that must leave nothing behind."""


def after(world: World, change: Callable[[Cursor, World], object], signed: Checkpoint | None = None) -> list[Finding]:
    """What is found behind a change, which is taken back."""
    found: list[Finding] = []
    with suppress(UndoError), world.database.transaction() as cursor:
        change(cursor, world)
        found = audited(cursor, world, signed).findings
        raise UndoError
    return found


def named(world: World, position: int) -> tuple[int, str]:
    """How a finding names the event at a position."""
    return position, str(world.ledger.rows_at([position])[position].event_id)


def places(found: list[Finding]) -> set[tuple[int | None, str | None]]:
    return {(one.position, one.event_id) for one in found}


# -- a log that is whole --------------------------------------------------------------------------------


def test_a_log_whose_keys_came_and_went_is_whole(world):
    with world.database.read() as cursor:
        report = audited(cursor, world, checkpoint_of(world))
        cursor.execute(f"SELECT count(*) FROM {world.schema}.submissions")
        (submissions,) = cursor.fetchone()
    assert report.findings == []
    assert report.ok
    assert (report.events, report.submissions) == (world.size, submissions)
    assert report.root == checkpoint_of(world).root


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257])
def test_a_log_that_grew_since_its_checkpoint_is_whole(world, size):
    with world.database.read() as cursor:
        assert audited(cursor, world, checkpoint_of(world, size)).ok


def test_an_empty_log_is_whole(database):
    wipe(database, "442000")
    world = World(database, "442000")
    with database.read() as cursor:
        report = audit(cursor, world.schema, "442000", world.origin)
    assert (report.ok, report.events, report.root) == (True, 0, sha256(b"").digest())


# -- events ---------------------------------------------------------------------------------------------

PLACE = 150
"""An event among others of its submission."""


def update(table: str, column: str, value: str, place: int = PLACE, key: str = "position") -> Callable[..., object]:
    return lambda cursor, world: cursor.execute(
        f"UPDATE {world.schema}.{table} SET {column} = {value} WHERE {key} = %s", (place,)
    )


def flip(column: str, byte: int) -> str:
    """SQL of a byte string with one bit changed."""
    return f"set_byte({column}, {byte}, get_byte({column}, {byte}) # 1)"


def swapped(place: int) -> Callable[[Cursor, World], object]:
    """An event and the next change places, with all they have."""

    def swap(cursor: Cursor, world: World) -> None:
        statement = f"UPDATE {world.schema}.events SET position = %s, version = %s WHERE position = %s"
        for old, new in ((place, -2), (place + 1, place), (-2, place + 1)):
            cursor.execute(statement, (new, new + 1, old))

    return swap


def swap_bodies(cursor: Cursor, world: World) -> None:
    rows = world.ledger.rows_at([PLACE, PLACE + 1])
    for here, there in ((PLACE, PLACE + 1), (PLACE + 1, PLACE)):
        cursor.execute(f"UPDATE {world.schema}.events SET body = %s WHERE position = %s", (rows[there].body, here))


def delete(place: int) -> Callable[[Cursor, World], object]:
    return lambda cursor, world: cursor.execute(f"DELETE FROM {world.schema}.events WHERE position = %s", (place,))


EVENTS: dict[str, tuple[Callable[[Cursor, World], object], str]] = {
    "a byte of the body": (update("events", "body", flip("body", 300)), "the body is not the one"),
    "the first byte of the body": (update("events", "body", flip("body", 0)), "the body is not the one"),
    "a body that is gone": (update("events", "body", "NULL"), "the body is not the one"),
    "a body with more behind it": (update("events", "body", r"body || '\x20'"), "the body is not the one"),
    "a byte of the entry's hash": (update("events", "entry", flip("entry", 31)), "the body is not the one"),
    "a time that goes back": (update("events", "entry", "set_byte(entry, 36, 0)"), "goes back"),
    "a longer entry": (update("events", "entry", r"entry || '\x00'"), "malformed"),
    "a shorter entry": (update("events", "entry", "substr(entry, 1, 39)"), "malformed"),
    "another stream": (update("events", "stream", "'activity:x'"), "the columns say other"),
    "no stream": (update("events", "stream", "NULL"), "the columns say other"),
    "another topic": (update("events", "topic", "'hours.recorded/1'"), "the columns say other"),
    "another version": (update("events", "version", "1000000"), "the columns say other"),
    "bodies that changed places": (swap_bodies, "the body is not the one"),
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_change_of_an_event_is_found_and_named(world, name):
    change, detail = EVENTS[name]
    found = after(world, change)
    assert (found[0].position, found[0].event_id) == named(world, PLACE)
    assert detail in found[0].detail


def test_another_id_is_found_where_it_stands(world):
    found = after(world, update("events", "event_id", f"'{event_id(1)}'"))
    assert [(one.position, one.event_id) for one in found] == [(PLACE, event_id(1))]
    assert "the columns say other" in found[0].detail


def test_a_time_that_runs_ahead_is_found_at_the_next_event(world):
    found = after(world, update("events", "entry", "set_byte(entry, 39, 255)"))
    assert (found[0].position, found[0].event_id) == named(world, PLACE + 1)
    assert "goes back" in found[0].detail


def test_a_time_changed_within_what_order_allows_is_found_by_the_tree(world):
    """A minute passed before this submission: that its first event was a second earlier goes back nowhere."""
    first = first_of(world, PLACE)
    second = world.ledger.rows_at([first])[first].recorded_at - 1
    found = after(world, update("events", "entry", f"substr(entry, 1, 32) || int8send({second})", first))
    assert [one.detail for one in found] == [
        "tile 0/0 is not what the entries come to",
        "tile 1/0 is not what the entries come to",
        "the head's frontier is not what the entries come to",
    ]


@pytest.mark.parametrize("place", [0, 3, 20])
@pytest.mark.parametrize("byte", [0, 1, 60, 200])
def test_a_byte_of_any_body_is_found_and_named(world, place, byte):
    found = after(world, update("events", "body", flip("body", byte), place))
    assert (found[0].position, found[0].event_id) == named(world, place)


@pytest.mark.parametrize(
    "topic",
    [
        "region.established/1",
        "volunteer.registered/1",
        "organisation.key_added/1",
        "organisation.key_revoked/1",
    ],
)
def test_a_byte_of_an_event_about_keys_is_found_and_named(world, topic):
    with world.database.read() as cursor:
        cursor.execute(f"SELECT max(position) FROM {world.schema}.events WHERE topic = %s", (topic,))
        (place,) = cursor.fetchone()
    for byte in (0, 30, 100):
        found = after(world, update("events", "body", flip("body", byte), place))
        assert (found[0].position, found[0].event_id) == named(world, place), byte


@pytest.mark.parametrize("place", [PLACE, 310])
def test_events_that_changed_places_are_found_and_named(world, place):
    found = after(world, swapped(place))
    first = first_of(world, place)
    assert (first, str(world.ledger.rows_at([first])[first].event_id)) in places(found)
    assert {one.detail for one in found} >= {
        "the note's root is not that of its events",
        f"tile 0/{place // 256} is not what the entries come to",
    }


def first_of(world: World, place: int) -> int:
    """Where the submission of the event at a position begins."""
    with world.database.read() as cursor:
        cursor.execute(f"SELECT max(first) FROM {world.schema}.submissions WHERE first <= %s", (place,))
        return int(cursor.fetchall()[0][0])


def test_a_deleted_event_is_found_at_the_next(world):
    found = after(world, delete(PLACE))
    assert (found[0].position, found[0].event_id) == named(world, PLACE + 1)
    assert "not gap-free" in found[0].detail


def test_a_deleted_last_event_is_found(world):
    size = world.size
    details = [one.detail for one in after(world, delete(size - 1), checkpoint_of(world))]
    assert any("says 2 events, 1 are there" in one for one in details)
    assert any(f"the head says {size} events, {size - 1} are there" in one for one in details)
    assert any(f"a checkpoint signed {size} events, {size - 1} are there" in one for one in details)


def test_after_many_findings_nobody_reads_on(world):
    everything = f"UPDATE {world.schema}.events SET body = NULL"
    found = after(world, lambda cursor, _: cursor.execute(everything))
    assert len(found) == FINDINGS_MAX


# -- the tree -------------------------------------------------------------------------------------------


def tile(level: int, index: int, value: str) -> Callable[[Cursor, World], object]:
    return lambda cursor, world: cursor.execute(
        f"UPDATE {world.schema}.tiles SET hashes = {value} WHERE level = %s AND index = %s RETURNING 1", (level, index)
    )


@pytest.mark.parametrize(("level", "index"), [(0, 0), (0, 1), (1, 0)])
@pytest.mark.parametrize(
    "value", [flip("hashes", 0), flip("hashes", 31), r"hashes || '\x00'", "substr(hashes, 2)", "''"]
)
def test_a_change_of_a_tile_is_found_and_named(world, level, index, value):
    found = after(world, tile(level, index, value))
    assert [one.detail for one in found] == [f"tile {level}/{index} is not what the entries come to"]


def test_a_tile_that_is_gone_is_found(world):
    gone = f"DELETE FROM {world.schema}.tiles WHERE level = 0 AND index = 0"
    found = after(world, lambda cursor, _: cursor.execute(gone))
    assert [one.detail for one in found] == ["tile 0/0 is not what the entries come to"]


HEADS = {
    "a byte of the frontier": ("frontier = " + flip("frontier", 40), "frontier"),
    "another size": ("size = size ^ 3", "the head says"),
    "a size that the frontier does not fit": ("size = 0", "frontier"),
    "no frontier": ("frontier = ''", "frontier"),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_change_of_the_head_is_found(world, name):
    change, detail = HEADS[name]
    if "^" in change:  # another number with as many set bits
        size = world.size
        other = next(n for n in range(size - 1, 0, -1) if n.bit_count() == size.bit_count())
        change = f"size = {other}"
    found = after(world, lambda cursor, _: cursor.execute(f"UPDATE {world.schema}.head SET {change}"))
    assert len(found) == 1
    assert detail in found[0].detail


# -- submissions ----------------------------------------------------------------------------------------


def note(change: Callable[[str], str]) -> Callable[[Cursor, World], None]:
    """Another note for the submission of the event."""

    def apply(cursor: Cursor, world: World) -> None:
        first = first_of(world, PLACE)
        cursor.execute(f"SELECT note FROM {world.schema}.submissions WHERE first = %s", (first,))
        (old,) = cursor.fetchone() or ("",)
        new = change(old)
        assert new != old
        cursor.execute(f"UPDATE {world.schema}.submissions SET note = %s WHERE first = %s", (new, first))

    return apply


def text_of(old: str) -> str:
    return old.partition("\n\n")[0] + "\n"


def with_line(number: int, value: str) -> Callable[[str], str]:
    """The note rightly signed, but for one line."""

    def change(old: str) -> str:
        lines = text_of(old).split("\n")
        lines[number] = value
        return signed("\n".join(lines), signing_key(STATION))

    return change


def other_signature(old: str) -> str:
    head, _, encoded = old.rstrip("\n").rpartition(" ")
    middle = len(encoded) // 2
    return f"{head} {encoded[:middle]}{'A' if encoded[middle] != 'A' else 'B'}{encoded[middle + 1 :]}\n"


ROOT = "A" * 43 + "="
SUBMISSIONS: dict[str, tuple[Callable[[Cursor, World], object], str]] = {
    "a signature": (note(other_signature), "does not verify"),
    "a signature by another key": (
        note(lambda old: signed(text_of(old), SigningKey(STATION, b"\6" * 32))),
        "another key than its note",
    ),
    "another root": (note(with_line(4, ROOT)), "root"),
    "another count": (note(with_line(3, "3")), "count"),
    "another log": (note(with_line(2, "ledger.example/442000")), "origin"),
    "another kind of note": (note(with_line(0, "yongzhi.sign-in/1")), "note"),
    "no note": (note(lambda _: ""), "note"),
}


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_a_change_of_a_note_is_found_and_named(world, name):
    change, detail = SUBMISSIONS[name]
    found = after(world, change)
    assert places(found) == {named(world, first_of(world, PLACE))}
    assert any(detail in one.detail for one in found)


def at_submission(statement: str) -> Callable[[Cursor, World], object]:
    return lambda cursor, world: cursor.execute(
        statement.format(table=f"{world.schema}.submissions"), (first_of(world, PLACE),)
    )


ROWS = {
    "the row": ("DELETE FROM {table} WHERE first = %s", "belongs to no submission"),
    "the key column": ("UPDATE {table} SET key_id = '00000000' WHERE first = %s", "says another key"),
    "the count": ("UPDATE {table} SET count = count - 1 WHERE first = %s", "count"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_change_of_a_submissions_row_is_found_and_named(world, name):
    statement, detail = ROWS[name]
    found = after(world, at_submission(statement))
    assert named(world, first_of(world, PLACE)) in places(found)
    assert any(detail in one.detail for one in found)


# -- forged with care -----------------------------------------------------------------------------------


def append(cursor: Cursor, world: World, bodies: list[bytes], *, by: SigningKey | None) -> None:
    """Events that nobody decided, with the tree, the head and a note in order; without a key, without a note."""
    new = []
    for body in bodies:
        event = decode_event(body)
        new.append(log.NewEvent(commitment_to(body), event.id, event.subject, type_name(event), body))
    head = log.read_head(cursor, world.schema, lock=True)
    if by is not None:
        cursor.execute(
            f"INSERT INTO {world.schema}.submissions VALUES (%s, %s, %s, %s)",
            (head.size, len(bodies), by.id, submission.seal(bodies, by, ORIGIN)),
        )
    log.append(cursor, world.schema, head, int(world.now), new)


FORGERS = {
    "nobody": (lambda world: (activities(world, 2), None), "belongs to no submission"),
    "a revoked key": (lambda world: (activities(world, 2, ROTATED), signing_key(ROTATED)), "was not valid"),
    "an unknown key": (lambda world: (activities(world, 2), signing_key(STATION, 9)), "was not valid"),
    "the region's revoked key": (
        lambda world: ([world.body("organisation.suspended/1")], signing_key(AUTHORITY)),
        "was not valid",
    ),
    "a key that the submission adds": (
        lambda world: (
            [world.body("organisation.key_added/1", issuer=STATION, key=builders.vkey(STATION, 8))],
            signing_key(STATION, 8),
        ),
        "was not valid",
    ),
    "another issuer": (lambda world: (activities(world, 2), signing_key(GROUP)), "issuer"),
    "two issuers": (
        lambda world: (activities(world, 1) + activities(world, 1, GROUP), signing_key(STATION)),
        "issuer",
    ),
    "another ledger": (
        lambda world: ([world.body("activity.published/1", ledger="442000")], signing_key(STATION)),
        "addressed to the ledger",
    ),
}


@pytest.mark.parametrize("name", FORGERS)
def test_events_forged_with_care_are_found_and_named(world, name):
    make, detail = FORGERS[name]
    bodies, key = make(world)
    found = after(world, lambda cursor, world: append(cursor, world, bodies, by=key))
    assert (found[0].position, found[0].event_id) == (world.size, decode_event(bodies[0]).id)
    assert any(detail in one.detail for one in found)


def test_events_that_are_rightly_signed_are_not(world):
    """What the forgeries above are made with makes a whole log when nothing is wrong with it."""
    bodies = activities(world, 2)
    assert after(world, lambda cursor, world: append(cursor, world, bodies, by=signing_key(STATION))) == []


# -- checkpoints ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 20, 256, 300])
def test_a_checkpoint_of_another_history_is_found(world, size):
    other = Checkpoint(ORIGIN, size, merkle.leaf_hash(b"other"))
    with world.database.read() as cursor:
        found = audited(cursor, world, other).findings
    assert [one.detail for one in found] == [f"the first {size} entries are not those that the checkpoint signed"]


def test_a_checkpoint_of_more_than_there_is_is_found(world):
    size = world.size
    with world.database.read() as cursor:
        found = audited(cursor, world, Checkpoint(ORIGIN, size + 1, bytes(32))).findings
    assert [one.detail for one in found] == [f"a checkpoint signed {size + 1} events, {size} are there"]


def published(world: World, note: str | None) -> list[str]:
    with world.database.read() as cursor:
        found = audit_published(cursor, world.schema, REGION, ORIGIN, note).findings
    return [one.detail for one in found]


def test_a_checkpoint_must_be_signed_by_the_log_key(world):
    text = checkpoint_of(world).text()
    assert published(world, signed(text, signing_key(ORIGIN))) == []
    for note in (signed(text, SigningKey(ORIGIN, b"\6" * 32)), signed(text, signing_key(AUTHORITY)), "x", "", None):
        (detail,) = published(world, note)
        assert detail.startswith("the last checkpoint: ")


def lines() -> Iterator[tuple[str, ...]]:
    root = checkpoint_root = "A" * 43 + "="
    yield (ORIGIN, "-1", root)
    yield (ORIGIN, "01", root)
    yield (ORIGIN, "1", checkpoint_root, "more")
    yield ("ledger.example/442000", "1", root)


@pytest.mark.parametrize("text", [*lines()], ids=str)
def test_a_checkpoint_that_is_not_written_as_one_is_found(world, text):
    (detail,) = published(world, signed("\n".join(text) + "\n", signing_key(ORIGIN)))
    assert detail.startswith("the last checkpoint: ")
