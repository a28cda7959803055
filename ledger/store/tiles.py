"""The tiles of the stored Merkle tree: subtrees, roots, and a cache of full tiles."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, TypeVar

from ledger.errors import Corrupt, NotFound
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT
from ledger.store.postgres.database import Cursor
from ledger.store.trees import Rows, Trees, path_of, rows_of
from ledger.tlog import merkle

TILES_KEPT: Final = 4096
"""Tiles, with the nodes above their hashes, that one reader of a tree keeps: some 64 MiB."""


class Tiles:
    """Hashes of a tree read from its stored tiles, each tile and node once, so that proofs in bulk are cheap.

    With `trees`, what was computed of complete tiles is shared with other readers, by the root of the tile.
    """

    def __init__(self, cursor: Cursor, schema: str, size: int, trees: Trees | None = None) -> None:
        self._cursor = cursor
        self._schema = schema
        self._size = size
        self._trees = trees
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._rows: dict[tuple[int, int], Rows] = {}
        self._uneven: dict[tuple[int, int], bytes] = {}
        self._above: dict[int, tuple[bytes, ...]] = {}

    def tile(self, level: int, index: int, width: int = merkle.TILE_WIDTH) -> bytes:
        """The first `width` hashes of a tile, joined; raise NotFound when the tree has not grown so far."""
        if (level, index) not in self._tiles:
            _keep(self._tiles, (level, index), self._load(level, index))
        hashes = self._tiles[level, index][: width * merkle.HASH_BYTES]
        if len(hashes) < width * merkle.HASH_BYTES:
            raise NotFound(f"tile {level}/{index} has fewer than {width} hashes")
        return hashes

    def prefetch(self, positions: Iterable[int]) -> None:
        """Read the tiles that the paths of these leaves, fewer than TILES_KEPT, go through: all at once."""
        lowest = {position >> merkle.TILE_HEIGHT for position in positions}
        upper: set[tuple[int, int]] = set()
        indexes, level = lowest, 1
        while self._size >> (level * merkle.TILE_HEIGHT):
            indexes = {index >> merkle.TILE_HEIGHT for index in indexes}
            upper.update((level, index) for index in indexes)
            level += 1
        self._fetch(upper)
        self._fetch({(0, index) for index in lowest if self._shared(0, index) is None})

    def path(self, position: int) -> tuple[bytes, ...]:
        """Audit path of a leaf, lowest first."""
        index, offset = position >> merkle.TILE_HEIGHT, position % merkle.TILE_WIDTH
        if not self._complete(0, index):
            return tuple(merkle.prove_inclusion(position, self._size, self.subtree))
        if index not in self._above:
            path = merkle.prove_inclusion(position, self._size, self.subtree)
            _keep(self._above, index, tuple(path[merkle.TILE_HEIGHT :]))
        return path_of(self._whole(0, index, merkle.TILE_WIDTH), offset) + self._above[index]

    def subtree(self, low: int, high: int) -> bytes:
        """Hash over leaves [low, high), a range that RFC 6962 proofs ask for."""
        width = high - low
        if width & (width - 1) == 0:
            return self._perfect(width.bit_length() - 1, low)
        if (low, high) not in self._uneven:
            middle = low + merkle.split(width)
            self._uneven[low, high] = merkle.node_hash(self.subtree(low, middle), self.subtree(middle, high))
        return self._uneven[low, high]

    def root(self) -> bytes:
        """Root of the whole tree."""
        return self.subtree(0, self._size) if self._size else merkle.EMPTY_ROOT

    def _perfect(self, height: int, low: int) -> bytes:
        level, rest = divmod(height, merkle.TILE_HEIGHT)
        first = low >> (level * merkle.TILE_HEIGHT)
        index, offset = first >> merkle.TILE_HEIGHT, first % merkle.TILE_WIDTH
        rows = self._whole(level, index, offset + (1 << rest))
        at = (offset >> rest) * merkle.HASH_BYTES
        return rows[rest][at : at + merkle.HASH_BYTES]

    def _whole(self, level: int, index: int, width: int) -> Rows:
        """The nodes above the hashes of a tile, of which there are at least `width`."""
        rows = self._rows.get((level, index))
        if rows is None or len(rows[0]) < width * merkle.HASH_BYTES:
            rows = self._shared(level, index)
            if rows is None:
                self.tile(level, index, width)
                rows = rows_of(self._tiles[level, index])
                self._share(level, index, rows)
            _keep(self._rows, (level, index), rows)
        return rows

    # What a complete tile comes to stands in the tile above it.

    def _complete(self, level: int, index: int) -> bool:
        return (index + 1) << ((level + 1) * merkle.TILE_HEIGHT) <= self._size

    def _tile_root(self, level: int, index: int) -> bytes:
        above, offset = index >> merkle.TILE_HEIGHT, index % merkle.TILE_WIDTH
        return self.tile(level + 1, above, offset + 1)[-merkle.HASH_BYTES :]

    def _shared(self, level: int, index: int) -> Rows | None:
        if self._trees is None or not self._complete(level, index):
            return None
        return self._trees.get(self._tile_root(level, index))

    def _share(self, level: int, index: int, rows: Rows) -> None:
        if self._trees is not None and self._complete(level, index):
            if rows[-1] != self._tile_root(level, index):
                raise Corrupt(f"tile {level}/{index} is not what the tile above it says")
            self._trees.put(rows)

    # -- reading --------------------------------------------------------------------------------------

    def _fetch(self, wanted: Collection[tuple[int, int]]) -> None:
        missing = [place for place in wanted if place not in self._tiles and place not in self._rows]
        if missing:
            call, values = copying.arrays({"level": BIGINT, "index": BIGINT}, missing)
            self._cursor.execute(
                f"SELECT level, index, hashes FROM {self._schema}.tiles WHERE (level, index) IN (SELECT * FROM {call})",
                values,
            )
            for level, index, hashes in self._cursor.fetchall():
                _keep(self._tiles, (level, index), bytes(hashes))

    def _load(self, level: int, index: int) -> bytes:
        self._cursor.execute(f"SELECT hashes FROM {self._schema}.tiles WHERE level = %s AND index = %s", (level, index))
        row = self._cursor.fetchone()
        return bytes(row[0]) if row else b""


def is_stored(cursor: Cursor, schema: str, level: int, index: int, hashes: bytes) -> bool:
    """Whether a tile is stored, with exactly these hashes."""
    cursor.execute(f"SELECT hashes = %s FROM {schema}.tiles WHERE level = %s AND index = %s", (hashes, level, index))
    row = cursor.fetchone()
    return bool(row and row[0])


_K = TypeVar("_K")
_V = TypeVar("_V")


def _keep(kept: dict[_K, _V], key: _K, value: _V) -> None:
    """Add to what is kept of a tree; the oldest goes when there is too much."""
    if len(kept) >= TILES_KEPT and key not in kept:
        del kept[next(iter(kept))]
    kept[key] = value
