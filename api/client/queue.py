"""What `submit` sends, kept on disk from before the first byte is sent until the last answer is there.

Ids, salts and times are made once for a file and stored sealed; what is sent again are the very same bytes,
which the ledger knows. A folder per file, issuer and region holds

    0001.json …          requests, each sealed by one signature
    manifest.json        written last: without it nothing was sent, and the folder is made anew
    0001.attempt         the request may have reached the ledger
    0001.answer.json     the ledger's answer: its events are recorded

Bodies are personal data: the folders are 0700, the files 0600.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

import filelock
import msgspec

from api.client import queue_files
from api.client.queue_files import MODE, Answer, Batch, Item, Manifest
from api.sheets.mapping import Entry
from ledger import files
from ledger.crypto.keys import SigningKey
from ledger.errors import Busy, Conflict, Corrupt, Invalid, LedgerError, Unavailable, Untrusted
from ledger.events.submission import open_submission, pack, seal
from ledger.limits import NOTE_BYTES_MAX, OUTBOX_EVENTS_MAX, SUBMISSION_BYTES_MAX, SUBMISSION_EVENTS_MAX

_ENVELOPE_BYTES_MAX: Final = NOTE_BYTES_MAX + 64
"""What stands in a request around its events."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A row of another version of a file, found by its reference."""

    ref: str
    digest: str
    """SHA-256 of that file."""
    row: int
    id: str
    recorded: bool
    """True when the ledger said so; false when the request may have arrived and no answer is known."""


class Outbox:
    """The requests made of one file, by one issuer, for one region. A context manager."""

    def __init__(self, root: Path, *, digest: str, key: SigningKey, region: str, origin: str) -> None:
        """`root` is the folder of all outboxes, `digest` the SHA-256 of the file, `origin` names the log."""
        self.folder = root / sha256(f"{digest}\n{key.name}\n{region}".encode()).hexdigest()
        self._root = root
        self._key = key
        self._empty = Manifest(1, digest, key.name, region, origin, ())
        self._manifest = self._empty
        self._lock = filelock.FileLock(self.folder.with_name(f"{self.folder.name}.lock"), mode=MODE)

    def __enter__(self) -> Self:
        """Take the folder, for one process at a time, and read what is there.

        Raises Busy when another process has it, Conflict when its requests are for another log, Corrupt when
        what it holds contradicts itself.
        """
        try:
            for folder in (self._root, self.folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
                files.sync(folder.parent)
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            raise Busy("another process is sending this file") from None
        except OSError as error:
            raise Unavailable(f"cannot use {self.folder}: {error.strerror}") from None
        try:
            self._load()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Let the folder go."""
        self._lock.release()

    def _load(self) -> None:
        found = queue_files.read_manifest(self.folder)
        if found is None:
            if any(path.name.endswith((".attempt", ".answer.json")) for path in self.folder.iterdir()):
                raise Corrupt(f"{self.folder} was sent from, and its {queue_files.MANIFEST} is gone")
            for path in self.folder.iterdir():  # a preparation that was cut short: nothing of it was sent
                path.unlink()
            return
        if msgspec.structs.replace(found, batches=()) != self._empty:
            if found.origin != self._empty.origin:
                raise Conflict(f"made for the log {found.origin}, not for {self._empty.origin}: {self.folder}")
            raise Corrupt(f"{self.folder} holds another file's requests")
        self._manifest = found

    # -- preparing ------------------------------------------------------------------------------------

    @property
    def prepared(self) -> bool:
        """Whether the requests are there, so that no new events are to be made of the file."""
        return bool(self._manifest.batches)

    def prepare(self, entries: Sequence[Entry], events_max: int = OUTBOX_EVENTS_MAX) -> None:
        """Seal and store the requests of a file; once, and before anything is sent."""
        if self.prepared:
            raise Conflict("the requests of this file are made already")
        if not entries:
            raise Invalid("no events")
        batches = []
        for number, group in enumerate(_groups(entries, min(events_max, SUBMISSION_EVENTS_MAX)), 1):
            name = f"{number:04}.json"
            files.write(self.folder / name, self._seal([entry.body for entry in group]), MODE)
            batches.append(Batch(name, tuple(Item(entry.event.id, entry.row, entry.ref) for entry in group)))
        manifest = msgspec.structs.replace(self._empty, batches=tuple(batches))
        files.write(self.folder / queue_files.MANIFEST, msgspec.json.encode(manifest), MODE)
        self._manifest = manifest

    def _seal(self, bodies: Sequence[bytes]) -> bytes:
        return pack(seal(bodies, self._key, self._empty.origin), bodies)

    def earlier(self, refs: Collection[str]) -> list[Sent]:
        """Rows with these references that this issuer sent, or may have sent, to this log in other queue_files."""
        wanted = set(refs)
        return [
            Sent(item.ref, manifest.digest, item.row, item.id, recorded=queue_files.answer_of(folder, batch).exists())
            for folder in sorted(self._root.iterdir())
            if folder != self.folder and (manifest := queue_files.read_manifest(folder)) and self._same_log(manifest)
            for batch in manifest.batches
            if queue_files.answer_of(folder, batch).exists() or queue_files.attempt_of(folder, batch).exists()
            for item in batch.items
            if item.ref in wanted and item.ref is not None
        ]

    def _same_log(self, other: Manifest) -> bool:
        mine = self._empty
        return (other.issuer, other.region, other.origin) == (mine.issuer, mine.region, mine.origin)

    # -- sending --------------------------------------------------------------------------------------

    @property
    def batches(self) -> tuple[Batch, ...]:
        """All requests, in the order in which they are sent."""
        return self._manifest.batches

    def batch(self, path: Path) -> Batch:
        """The request stored at `path`; its items tell which row the event at an index comes from."""
        return next(batch for batch in self.batches if batch.name == path.name)

    @property
    def finished(self) -> bool:
        """Whether every request was prepared and answered."""
        return self.prepared and all(queue_files.answer_of(self.folder, batch).exists() for batch in self.batches)

    def pending(self) -> Iterator[tuple[Path, bytes]]:
        """The requests without an answer, one by one, each noted as attempted before it is given.

        The bytes are the same every time; only for a key other than the one they were sealed with is the note
        made anew, over the same bodies. Raises Corrupt for a request that is not what was stored.
        """
        for batch in self.batches:
            if not queue_files.answer_of(self.folder, batch).exists():
                path = self.folder / batch.name
                data = self._request(path, batch)
                files.write(queue_files.attempt_of(self.folder, batch), b"", MODE)
                yield path, data

    def _request(self, path: Path, batch: Batch) -> bytes:
        try:
            data = path.read_bytes()
            request = open_submission(data, self._empty.region, self._empty.origin)
            if [one.event.id for one in request.events] != [item.id for item in batch.items]:
                raise Invalid("its events are not those of the manifest")
            if request.key_id == self._key.id:
                request.verify(lambda *_: self._key.verifier)
                return data
        except (OSError, LedgerError) as error:
            raise Corrupt(f"{path}: {error}") from None
        data = self._seal([one.body for one in request.events])
        files.write(path, data, MODE)
        return data

    def done(self, path: Path, answer: bytes) -> Answer:
        """Store the answer to an accepted request, which is not sent again.

        Raises Untrusted for an answer that is not about these events; the request then stays pending.
        """
        batch = self.batch(path)
        found = queue_files.read_answer(answer)
        ids = [event.id for event in found.events]
        if found.region != self._empty.region or found.count != len(ids) or ids != [one.id for one in batch.items]:
            raise Untrusted(f"the answer to {path.name} is not about its events")
        files.write(queue_files.answer_of(self.folder, batch), answer, MODE)
        return found

    def refused(self, path: Path) -> None:
        """Note that the ledger answered that it recorded nothing of a request; it stays pending."""
        queue_files.attempt_of(self.folder, self.batch(path)).unlink(missing_ok=True)
        files.sync(self.folder)

    def answers(self) -> Iterator[tuple[Batch, Answer]]:
        """The answered requests with their answers; raises Corrupt when one cannot be read."""
        for batch in self.batches:
            path = queue_files.answer_of(self.folder, batch)
            if path.exists():
                try:
                    yield batch, queue_files.read_answer(path.read_bytes())
                except Untrusted as error:
                    raise Corrupt(f"{path}: {error}") from None


def _groups(entries: Iterable[Entry], events_max: int) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    size = _ENVELOPE_BYTES_MAX
    for entry in entries:
        if group and (len(group) == events_max or size + len(entry.body) + 1 > SUBMISSION_BYTES_MAX):
            yield group
            group, size = [], _ENVELOPE_BYTES_MAX
        group.append(entry)
        size += len(entry.body) + 1
    yield group
