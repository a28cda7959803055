"""Makes a failing script short: actions are left out, many at a time, then fewer, as long as it goes on failing.

The algorithm is ddmin (A. Zeller, R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def shrink(script: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """A part of a failing script that still fails, and does not once any one action of it is left out."""
    found, parts = list(script), 2
    while len(found) > 1:
        size = -(-len(found) // parts)
        for start in range(0, len(found), size):
            rest = found[:start] + found[start + size :]
            if fails(rest):
                found, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(found))
    return found
