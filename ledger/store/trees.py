"""Whole trees in memory, as rows of joined hashes: what many proofs in one tree are cut from."""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import sha256
from typing import Final

from ledger.tlog.merkle import HASH_BYTES

TREES_BYTES: Final = 128 * 1024 * 1024
"""Memory for all trees that are kept: the submissions and the tiles of a million events."""

Rows = tuple[bytes, ...]
"""All nodes of a tree, row by row: first the leaf hashes, joined, last the root."""


def rows_of(hashes: bytes) -> Rows:
    """The tree over joined leaf hashes, of which there is at least one; an odd last node moves up alone."""
    rows = [hashes]
    while len(row := rows[-1]) > HASH_BYTES:
        even = len(row) - len(row) % (2 * HASH_BYTES)
        pairs = [sha256(b"\1" + row[at : at + 2 * HASH_BYTES]).digest() for at in range(0, even, 2 * HASH_BYTES)]
        rows.append(b"".join(pairs) + row[even:])
    return tuple(rows)


def path_of(rows: Rows, index: int) -> tuple[bytes, ...]:
    """The audit path of a leaf (RFC 6962, 2.1.1), lowest first: its sibling in each row that has one."""
    path = []
    for row in rows[:-1]:
        at = (index ^ 1) * HASH_BYTES
        if at < len(row):
            path.append(row[at : at + HASH_BYTES])
        index >>= 1
    return tuple(path)


class Trees:
    """Trees by their root, the least recently used dropped first. Safe to share between threads, and between logs."""

    def __init__(self, bytes_max: int = TREES_BYTES) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._trees: OrderedDict[bytes, Rows] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, root: bytes) -> Rows | None:
        """The tree that has this root."""
        with self._lock:
            if root in self._trees:
                self._trees.move_to_end(root)
            return self._trees.get(root)

    def put(self, rows: Rows) -> None:
        """Keep a tree that `rows_of` made: what the root says is then known to hold."""
        with self._lock:
            if rows[-1] not in self._trees:
                self._trees[rows[-1]] = rows
                self._bytes += sum(map(len, rows))
            while self._bytes > self._bytes_max:
                self._bytes -= sum(map(len, self._trees.popitem(last=False)[1]))
