"""Cursors of lists: the position of the last row of the page before."""

from __future__ import annotations

from ledger.errors import Invalid


def position_of(cursor: str | None) -> int | None:
    """The position that a cursor stands for, None at the beginning; raise Invalid for one that no page gave."""
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 16:
        raise Invalid("a cursor is what `next` of the page before said", "/cursor")
    return int(cursor)
