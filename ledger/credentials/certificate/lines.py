"""How text of outside is broken into lines: by the widths of glyphs, before the page is set."""

from __future__ import annotations

from typing import Final

from ledger.credentials.certificate import fonts

POINT_MM: Final = 25.4 / 72
LEADING_PT: Final = 2.4
"""Between two lines."""
_CLOSING: Final = frozenset("，。、；：？！）》」』】〉”’…·,.;:?!)]}%")
"""Never first in a line."""


def size_for(wanted: float, text: str, family: str, room: float, tracking: float) -> float:
    """The size (pt) at which a text runs no further than `room` (pt)."""
    return min(wanted, room / max(fonts.width(text, family) + tracking * len(text), 1))


def lines_height(*lines: tuple[int, float]) -> float:
    """Of so many lines of such sizes (pt), mm."""
    return sum(count * (size + LEADING_PT) for count, size in lines) * POINT_MM


def wrap(text: str, family: str, size_pt: float, width_mm: float, lines_max: int) -> list[str]:
    """A text of outside in at most so many lines, `…` where it is cut, 〓 for what cannot be shown."""
    room = width_mm / POINT_MM / size_pt
    lines: list[str] = []
    rest = fonts.showable(text).strip()
    while rest and len(lines) < lines_max:
        count = _fit(rest, family, room)
        if count < len(rest) and len(lines) == lines_max - 1:
            count = _fit(rest, family, room - 1)
            lines.append(rest[:count].rstrip() + "…")
        else:
            lines.append(rest[:count].rstrip())
        rest = rest[count:].lstrip()
    return lines or [""]


def _fit(text: str, family: str, room: float) -> int:
    """How many characters fit: to the last blank within a Latin word, anywhere within Chinese."""
    used, count = 0.0, 0
    for count, one in enumerate(text):
        used += fonts.width(one, family)
        if used > room and count:
            break
    else:
        return len(text)
    while count > 1 and text[count] in _CLOSING:
        count -= 1
    if text[count].isascii() and text[count - 1].isascii():
        blank = text.rfind(" ", 0, count + 1)
        if blank > count // 2:
            return blank
    return count
