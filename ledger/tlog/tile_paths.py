"""Paths of tiles (C2SP tlog-tiles)."""

from __future__ import annotations

from ledger.errors import NotFound
from ledger.tlog import merkle

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
