"""Merkle trees as RFC 6962 (section 2.1) defines them, over plain values.

A tree of any size is carried as its *frontier*: the roots of the perfect subtrees it is made of,
largest first, one a set bit of the size. Appending never reads a stored tile.
Tiles are those of C2SP tlog-tiles: 256 hashes wide, level 0 holding leaf hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final

from ledger.errors import Untrusted

HASH_BYTES: Final = 32
TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
EMPTY_ROOT: Final = sha256(b"").digest()

Frontier = tuple[bytes, ...]
Nodes = dict[tuple[int, int], list[bytes]]
"""New hashes by (tile level, tile index), each list in order, to be added at the end of that tile."""


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962 leaf hash of one entry."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 interior hash of two 32-byte hashes."""
    return sha256(b"\1" + left + right).digest()


def append(size: int, frontier: Frontier, leaf_hashes: Iterable[bytes]) -> tuple[int, Frontier, Nodes]:
    """Add leaves to a tree of `size`: the new size, the new frontier, and what each tile gains."""
    stack = list(frontier)
    nodes: Nodes = {}
    for hashed in leaf_hashes:
        nodes.setdefault((0, size >> TILE_HEIGHT), []).append(hashed)
        height, index = 0, size
        while index & 1:
            hashed = sha256(b"\1" + stack.pop() + hashed).digest()
            height, index = height + 1, index >> 1
            if height % TILE_HEIGHT == 0:
                level = height // TILE_HEIGHT
                nodes.setdefault((level, index >> TILE_HEIGHT), []).append(hashed)
        stack.append(hashed)
        size += 1
    return size, tuple(stack), nodes


def root(frontier: Frontier) -> bytes:
    """Root hash of the tree that a frontier describes; the hash of nothing for the empty tree."""
    if not frontier:
        return EMPTY_ROOT
    *rest, result = frontier
    for left in reversed(rest):
        result = node_hash(left, result)
    return result


def tree_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root over leaf hashes that are all at hand: level by level, an odd last node moving up alone."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [sha256(b"\1" + left + right).digest() for left, right in pairs]
        if len(level) & 1:
            above.append(level[-1])
        level = above
    return level[0]


# -- proofs -------------------------------------------------------------------------------------

Subtree = Callable[[int, int], bytes]
"""Gives the hash of leaves [low, high) of the tree; the ranges asked for are those of RFC 6962."""


def entries_root(entries: Iterable[bytes]) -> bytes:
    """Root over entries, such as log entries, that are all at hand."""
    return tree_root([leaf_hash(entry) for entry in entries])


def split(size: int) -> int:
    """Largest power of two smaller than `size` (RFC 6962: k)."""
    return 1 << (size - 1).bit_length() - 1


def prove_inclusion(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` leaves, lowest first (RFC 6962 section 2.1.1)."""
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + split(high - low)
        if index < middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low = middle
    return path[::-1]


def prove_consistency(old: int, size: int, subtree: Subtree) -> list[bytes]:
    """Proof that the tree of `size` extends that of `old` leaves (RFC 6962 section 2.1.2)."""
    if not 0 < old < size:
        return []
    path: list[bytes] = []
    low, high, whole = 0, size, True
    while high - low > 0 and old < high:
        middle = low + split(high - low)
        if old <= middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low, whole = middle, False
    if not whole:
        path.append(subtree(low, high))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Verify an audit path (RFC 9162 section 2.1.3.2); raise Untrusted when it does not lead to the root."""
    if len(leaf) != HASH_BYTES:
        raise Untrusted("a leaf hash has 32 bytes")
    if not 0 <= index < size:
        raise Untrusted("the index lies outside the tree")
    position, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Untrusted("the inclusion proof is too long")
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise Untrusted("the inclusion proof is too short")
    if result != expected:
        raise Untrusted("the inclusion proof does not lead to the root")


def check_consistency(old: int, size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Verify that a root extends another (RFC 9162 section 2.1.4.2); raise Untrusted otherwise."""
    if not 0 <= old <= size:
        raise Untrusted("the older tree is larger")
    if old == 0 or old == size:
        # Every tree extends the empty one, and itself: there is nothing to prove.
        empty_differs = old == 0 and (old_root != EMPTY_ROOT or len(new_root) != HASH_BYTES)
        if proof or empty_differs or (old == size and old_root != new_root):
            raise Untrusted("trees of one size, or an empty one, need equal roots and no proof")
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path:
        raise Untrusted("the consistency proof is empty")
    position, last = old - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Untrusted("the consistency proof is too long")
        if position & 1 or position == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        position, last = position >> 1, last >> 1
    if last != 0 or first != old_root or second != new_root:
        raise Untrusted("the consistency proof does not join the two roots")
