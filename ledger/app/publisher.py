"""Checkpoints and receipts of a region's log, in the C2SP forms (tlog-checkpoint, tlog-proof)."""

from __future__ import annotations

import contextlib
import fcntl
import threading
from collections.abc import Iterator
from pathlib import Path

from ledger import files
from ledger.crypto.keys import SigningKey, VerifyingKey
from ledger.errors import Corrupt, Unavailable
from ledger.store import log
from ledger.store.postgres.database import Cursor, Database
from ledger.store.tiles import Tiles
from ledger.tlog import merkle, notes
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint


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
        files.replace(self._path, note.encode())

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
            root = Tiles(cursor, self._schema, head.size).root()
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
        if Tiles(cursor, self._schema, before.size).root() != before.root:
            raise Corrupt(f"the first {before.size} events are not those that were signed")
