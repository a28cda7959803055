"""The words of a certificate: simplified Chinese, traditional Chinese as Hong Kong and Macau write it, English."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ledger.codes import CATEGORIES, EVIDENCE, chinese_of, writes_traditional
from ledger.texts.catalogue import find
from ledger.texts.text import Text

Pair = dict[str, str]
"""`zh` and `en`."""

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class Words:
    """The words of one certificate, each as `{"zh": …, "en": …}`."""

    def __init__(self, region: str) -> None:
        self.traditional = writes_traditional(region)
        self._chinese = chinese_of(region)

    def __call__(self, name: str, **values: object) -> Pair:
        """A text with its places filled; a value that is such a pair itself fills each with its own."""
        return {
            language: form.format(**{key: _part(value, language) for key, value in values.items()})
            for language, form in self._pair(find(f"certificate.{name}")).items()
        }

    def category(self, code: str) -> Pair:
        """The name of a category."""
        return self._pair(CATEGORIES[code])

    def evidence(self, code: str) -> Pair:
        """The name of an evidence grade."""
        return self._pair(EVIDENCE[code])

    def _pair(self, text: Text) -> Pair:
        return {"zh": text.to(self._chinese), "en": text.en}

    def time(self, minutes: int) -> Pair:
        """`125 小时 30 分` and `125 h 30 min`; no minutes are left out, no hours only below one."""
        hours, rest = divmod(minutes, 60)
        parts = [self("hours", hours=hours)] if hours or not rest else []
        parts += [self("minutes", minutes=rest)] if rest else []
        return {language: " ".join(part[language] for part in parts) for language in ("zh", "en")}


def day(iso: str) -> Pair:
    """`2026年11月22日` and `22 November 2026` of `2026-11-22`."""
    year, month, number = (int(part) for part in iso.split("-"))
    name = MONTHS[month - 1] if 1 <= month <= len(MONTHS) else str(month)
    return {"zh": f"{year}年{month}月{number}日", "en": f"{number} {name} {year}"}


def beside(name: Pair, value: Pair) -> Pair:
    """A name and its value, in each language."""
    return {language: f"{name[language]} {value[language]}" for language in ("zh", "en")}


def listed(pairs: Iterable[Pair]) -> Pair:
    """Each language's items side by side."""
    found = list(pairs)
    return {"zh": "、".join(one["zh"] for one in found), "en": ", ".join(one["en"] for one in found)}


def _part(value: object, language: str) -> object:
    return value[language] if isinstance(value, dict) else value
