"""Checkpoints and receipts of a region's log, in the C2SP forms (tlog-checkpoint, tlog-proof)."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger import merkle, notes
from ledger.errors import Corrupt, Invalid, NotFound, NotYet, Unavailable, Untrusted
from ledger.events import commitment
from ledger.keys import SigningKey, VerifyingKey, decode_base64
from ledger.store import log
from ledger.store.postgres import Cursor, Database

PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"


# -- checkpoints ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its origin, its number of entries, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """A checkpoint from a note's text; raise Invalid for anything but its three lines."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise Invalid("a checkpoint has three lines: origin, size, root")
    origin, size, encoded, _ = lines
    root = decode_base64(encoded)
    if len(root) != merkle.HASH_BYTES or not size.isascii() or not size.isdecimal() or len(size) > 16:
        raise Invalid("a checkpoint's size is a number and its root a SHA-256")
    found = Checkpoint(origin, int(size), root)
    if found.text() != text:
        raise Invalid("a checkpoint that is not written canonically")
    return found


def open_checkpoint(note: str, key: VerifyingKey) -> Checkpoint:
    """The checkpoint of a signed note; raise Untrusted unless this log key, named as its origin, signed it."""
    parsed = notes.parse(note)
    parsed.verify(key)
    found = parse_checkpoint(parsed.text)
    if found.origin != key.name:
        raise Untrusted(f"the checkpoint is of {found.origin!r:.80}, not of {key.name}")
    return found


class CheckpointFile:
    """The last checkpoint signed, outside the database, fsynced before anyone sees it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str | None:
        """The signed note, or None when nothing was ever signed."""
        try:
            return self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"cannot read the last checkpoint: {error}") from None

    def write(self, note: str) -> None:
        """Replace it, so that after a crash either the old or the new one is there, whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".new")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def signing(self) -> Iterator[None]:
        """Held while reading, signing and writing, so that two processes never sign from the same last one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path.with_suffix(".lock"), "w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Publisher:
    """Signs checkpoints of one log, each extending the last one signed; refuses to fork.

    A database that lacks what was signed (restored from an old backup, say) or contradicts it makes
    `publish` raise Corrupt, now and ever after: see docs/operations.md, "When the log refuses to sign".
    """

    def __init__(self, database: Database, schema: str, key: SigningKey, file: CheckpointFile) -> None:
        self._database = database
        self._schema = schema
        self._key = key
        self._file = file
        self._lock = threading.Lock()
        self._published = file.read()

    @property
    def key(self) -> VerifyingKey:
        """What verifies its checkpoints."""
        return self._key.verifier

    @property
    def published(self) -> str | None:
        """The newest checkpoint this process knows of, as a signed note."""
        return self._published

    def refresh(self) -> None:
        """Take over what another process, which leads, has published."""
        self._published = self._file.read()

    def begin(self) -> str:
        """Sign the first checkpoint of a log whose file is not there yet; only `init` may know that it is new."""
        with self._lock, self._file.signing():
            if self._file.read() is not None:
                raise Corrupt("this log has signed before; publish() goes on from there")
            return self._sign(None)

    def publish(self) -> str:
        """The checkpoint of the present head; signed anew only when the log has grown."""
        with self._lock, self._file.signing():
            last = self._file.read()
            if last is None:
                raise Corrupt("the last checkpoint signed is missing: signing without it could fork the log")
            return self._sign(last)

    def _sign(self, last: str | None) -> str:
        before = None if last is None else open_checkpoint(last, self._key.verifier)
        with self._database.read() as cursor:
            head = log.read_head(cursor, self._schema)
            if last is not None and before is not None:
                self._check_extends(cursor, before, head.size)
                if before.size == head.size:
                    self._published = last
                    return last
            root = log.Tiles(cursor, self._schema, head.size).root()
        if root != merkle.root(head.frontier):
            raise Corrupt("tiles and frontier of the log give different roots")
        note = notes.sign(Checkpoint(self._key.name, head.size, root).text(), [self._key])
        self._file.write(note)
        self._published = note
        return note

    def _check_extends(self, cursor: Cursor, before: Checkpoint, size: int) -> None:
        """The tree of `before` is the beginning of the stored one, by its own tiles."""
        if before.size > size:
            raise Corrupt(f"{before.size} events were signed and {size} are stored: an old backup?")
        if log.Tiles(cursor, self._schema, before.size).root() != before.root:
            raise Corrupt(f"the first {before.size} events are not those that were signed")


# -- receipts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a tlog-proof says: where an entry stands, when it was recorded, and in which tree."""

    position: int
    recorded_at: int
    checkpoint: Checkpoint


def make_receipt(cursor: Cursor, schema: str, row: log.StoredRow, checkpoint_note: str) -> str:
    """The tlog-proof of a stored event in the tree of a signed checkpoint; raise NotYet when it is not in it.

    Its `extra` is recorded_at as u64 big-endian: SHA-256(body) ‖ extra is the log entry.
    """
    checkpoint = parse_checkpoint(notes.parse(checkpoint_note).text)
    if row.position >= checkpoint.size:
        raise NotYet("no published checkpoint covers the event yet")
    tiles = log.Tiles(cursor, schema, checkpoint.size)
    path = merkle.prove_inclusion(row.position, checkpoint.size, tiles.subtree)
    lines = [
        PROOF_HEADER,
        f"extra {base64.b64encode(row.entry[32:]).decode()}",
        f"index {row.position}",
        *(base64.b64encode(node).decode() for node in path),
    ]
    return "\n".join(lines) + "\n\n" + checkpoint_note


def check_receipt(text: str, body: bytes, key: VerifyingKey) -> Receipt:
    """Verify offline that a body stands in the log of `key`; raise Invalid or Untrusted.

    Steps as in docs/format.md, "Checking a receipt".
    """
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or len(lines) < 3 or len(lines) > 3 + 64 or lines[0] != PROOF_HEADER:
        raise Invalid(f"not a {PROOF_HEADER}")
    extra, index = _value(lines[1], "extra "), _value(lines[2], "index ")
    recorded_at = decode_base64(extra)
    if len(recorded_at) != 8 or not index.isascii() or not index.isdecimal() or str(int(index[:17])) != index:
        raise Invalid("a receipt's extra is 8 bytes and its index a number")
    path = [decode_base64(line) for line in lines[3:]]
    if any(len(node) != merkle.HASH_BYTES for node in path):
        raise Invalid("an inclusion proof consists of SHA-256 hashes")
    checkpoint = open_checkpoint(note, key)
    leaf = merkle.leaf_hash(commitment(body) + recorded_at)
    merkle.check_inclusion(leaf, int(index), checkpoint.size, path, checkpoint.root)
    return Receipt(int(index), int.from_bytes(recorded_at, "big"), checkpoint)


def _value(line: str, name: str) -> str:
    if not line.startswith(name):
        raise Invalid(f"a receipt's line {name.strip()!r} is missing")
    return line.removeprefix(name)


# -- what mirrors and auditors fetch --------------------------------------------------------------


def parse_tile_path(path: str) -> tuple[int, int]:
    """Index and width of `x001/x234/067[.p/<W>]` (C2SP tlog-tiles); raise NotFound for any other spelling."""
    name, partial, width = path.partition(".p/")
    parts = name.split("/")
    digits = "".join(part.removeprefix("x") for part in parts)
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 15 else -1
    wide = int(width) if width.isascii() and width.isdecimal() and len(width) <= 3 else 0
    wide = wide if partial else merkle.TILE_WIDTH
    if not 1 <= wide <= merkle.TILE_WIDTH or tile_path(number, wide) != path:
        raise NotFound(f"no tile {path!r:.80}")
    return number, wide


def tile_path(index: int, width: int = merkle.TILE_WIDTH) -> str:
    """The path of a tile below its level; the opposite of `parse_tile_path`."""
    if index < 0:
        return ""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    path = "/".join(reversed(groups))
    return path if width == merkle.TILE_WIDTH else f"{path}.p/{width}"


def entry_bundle(cursor: Cursor, schema: str, index: int, width: int) -> bytes:
    """`width` log entries of bundle `index`, each behind its length, u16 big-endian; raise NotFound."""
    entries = log.read_entries(cursor, schema, index * merkle.TILE_WIDTH, width)
    if len(entries) < width:
        raise NotFound(f"entry bundle {index} has fewer than {width} entries")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
