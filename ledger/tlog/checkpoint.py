"""Checkpoints (C2SP tlog-checkpoint): the text that is signed, and its reader."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.crypto.encoding import decode_base64, encode_base64
from ledger.crypto.keys import VerifyingKey
from ledger.errors import Invalid, Untrusted
from ledger.tlog import merkle, notes

# -- checkpoints ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its origin, its number of entries, and the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


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
