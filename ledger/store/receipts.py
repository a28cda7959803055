"""Receipts (C2SP tlog-proof) and entry bundles (tlog-tiles), read from the stored log."""

from __future__ import annotations

from ledger.crypto.encoding import encode_base64
from ledger.errors import NotFound, NotYet
from ledger.store import log
from ledger.store.postgres.database import Cursor
from ledger.store.tiles import Tiles
from ledger.tlog import merkle, notes
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.receipt import PROOF_HEADER


def make_receipt(cursor: Cursor, schema: str, row: log.StoredRow, checkpoint_note: str) -> str:
    """The tlog-proof of a stored event in the tree of a signed checkpoint; raise NotYet when it is not in it.

    Its `extra` is recorded_at as u64 big-endian: SHA-256(body) ‖ extra is the log entry.
    """
    checkpoint = parse_checkpoint(notes.parse(checkpoint_note).text)
    if row.position >= checkpoint.size:
        raise NotYet("no published checkpoint covers the event yet")
    tiles = Tiles(cursor, schema, checkpoint.size)
    path = merkle.prove_inclusion(row.position, checkpoint.size, tiles.subtree)
    lines = [
        PROOF_HEADER,
        f"extra {encode_base64(row.entry[32:])}",
        f"index {row.position}",
        *(encode_base64(node) for node in path),
    ]
    return "\n".join(lines) + "\n\n" + checkpoint_note


def entry_bundle(cursor: Cursor, schema: str, index: int, width: int) -> bytes:
    """`width` log entries of bundle `index`, each behind its length, u16 big-endian; raise NotFound."""
    entries = log.read_entries(cursor, schema, index * merkle.TILE_WIDTH, width)
    if len(entries) < width:
        raise NotFound(f"entry bundle {index} has fewer than {width} entries")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
