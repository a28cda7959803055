"""The typefaces of certificates, from packages: where they lie, what they can show, how wide a text runs.

Noto Serif SC and TC set the page, each in the forms of its readers; Noto Sans CJK has the rare characters that
neither of them has. All three are under the SIL Open Font License 1.1.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fontTools.ttLib import TTFont

from ledger.errors import Unavailable

SERIF_SC: Final = "Noto Serif SC"
SERIF_TC: Final = "Noto Serif TC"
SANS: Final = "Noto Sans CJK TC"
GETA: Final = "〓"
"""Stands where a character cannot be shown, as printers have it."""

_FILES: Final = {
    SERIF_SC: ("pylopdf_fonts_zh_cn", "NotoSerifSC-Regular.otf"),
    SERIF_TC: ("pylopdf_fonts_zh_tw", "NotoSerifTC-Regular.otf"),
    SANS: ("cvttf_NotoSansCJK_Regular", "NotoSansCJKtc-Regular.otf"),
}


def families(*, traditional: bool) -> list[str]:
    """The typefaces of a page, the first that has a character shows it."""
    return [SERIF_TC, SERIF_SC, SANS] if traditional else [SERIF_SC, SERIF_TC, SANS]


@cache
def path(family: str) -> Path:
    """The file of a typeface; raise Unavailable when its package is not installed."""
    package, name = _FILES[family]
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"the typeface {family} is not installed (package {package})")
    return Path(spec.submodule_search_locations[0]) / name


def folders() -> list[Path]:
    """The folders in which the typefaces lie."""
    return [path(family).parent for family in _FILES]


@cache
def _advances(family: str) -> dict[int, int]:
    """Code point → advance in thousandths of an em, of every character that the typeface has."""
    with TTFont(path(family), lazy=True) as font:
        widths, units = font["hmtx"].metrics, font["head"].unitsPerEm
        return {point: widths[glyph][0] * 1000 // units for point, glyph in font.getBestCmap().items()}


def missing_glyphs(text: str) -> list[str]:
    """The characters of a text that no typeface of ours can show, each once, in the order met."""
    maps = [_advances(family) for family in _FILES]
    return [one for one in dict.fromkeys(text) if _unseen(one) or not any(ord(one) in known for known in maps)]


def _unseen(character: str) -> bool:
    """Controls, formats and line ends: some typefaces list them, and show nothing."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def showable(text: str) -> str:
    """The text in one line, 〓 in place of what cannot be shown: a PDF/A names no glyph that is not there."""
    flat = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text)
    missing = set(missing_glyphs(flat))
    return "".join(GETA if one in missing else one for one in flat)


def family_of(text: str, wanted: Iterable[str]) -> str:
    """The first typeface that has all of a text, so that no name is set in two; else the last."""
    family = SANS
    for family in wanted:
        known = _advances(family)
        if all(ord(one) in known for one in text):
            return family
    return family


def width(text: str, family: str) -> float:
    """How far a text runs, in em; a character of another typeface counts as a whole one."""
    known = _advances(family)
    return sum(known.get(ord(one), 1000) for one in text) / 1000
