"""What lies in the folder of an outbox, and how it gets there: every file whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from ledger.errors import Corrupt, Untrusted

MANIFEST: Final = "manifest.json"
MODE: Final = 0o600
"""Bodies are personal data."""


class Item(msgspec.Struct, frozen=True):
    """An event of a request, and the row of the file that it comes from."""

    id: str
    row: int
    ref: str | None = None


class Batch(msgspec.Struct, frozen=True):
    """A request: the name of its file, and its events in order."""

    name: str
    items: tuple[Item, ...]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was made of a file. It is written last: without it nothing was sent."""

    version: Literal[1]
    digest: str
    issuer: str
    region: str
    origin: str
    batches: tuple[Batch, ...]


class Position(msgspec.Struct, frozen=True):
    """Where an event stands in the log."""

    id: str
    position: int


class Answer(msgspec.Struct, frozen=True):
    """What the ledger says of a request whose events are recorded."""

    region: str
    first: int
    count: int
    tree_size: int
    events: tuple[Position, ...]


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder that has one; raises Corrupt when it cannot be read."""
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt(f"{path}: {error}") from None


def read_answer(data: bytes) -> Answer:
    """Raises Untrusted for anything else."""
    try:
        return msgspec.json.decode(data, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Untrusted(f"not an answer of a ledger: {error}") from None


def answer_of(folder: Path, batch: Batch) -> Path:
    """Where the answer to a request lies: its events are recorded."""
    return folder / batch.name.replace(".json", ".answer.json")


def attempt_of(folder: Path, batch: Batch) -> Path:
    """What is there once a request may have reached the ledger."""
    return folder / batch.name.replace(".json", ".attempt")
