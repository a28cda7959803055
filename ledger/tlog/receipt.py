"""Receipts (C2SP tlog-proof): checked offline, without the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.crypto.encoding import decode_base64
from ledger.crypto.keys import VerifyingKey
from ledger.errors import Invalid
from ledger.tlog import merkle
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.entries import commitment_to

PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"


# -- receipts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a tlog-proof says: where an entry stands, when it was recorded, and in which tree."""

    position: int
    recorded_at: int
    checkpoint: Checkpoint


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
    leaf = merkle.leaf_hash(commitment_to(body) + recorded_at)
    merkle.check_inclusion(leaf, int(index), checkpoint.size, path, checkpoint.root)
    return Receipt(int(index), int.from_bytes(recorded_at, "big"), checkpoint)


def _value(line: str, name: str) -> str:
    if not line.startswith(name):
        raise Invalid(f"a receipt's line {name.strip()!r} is missing")
    return line.removeprefix(name)
