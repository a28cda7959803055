"""A text in the languages in which it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

Language = Literal["zh", "zh_hant", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "zh_hant", "en")
"""Simplified Chinese, traditional Chinese as Hong Kong and Macau write it, English."""


class Text(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text in each language. Without traditional Chinese it is read in simplified."""

    zh: str
    zh_hant: str = ""
    en: str

    def to(self, language: Language) -> str:
        """The text in that language."""
        return str(getattr(self, language)) or self.zh

    def filled(self, **values: object) -> Text:
        """With its places filled in; a value that is a Text fills each language with its own."""
        zh, zh_hant, en = (
            self.to(language).format_map({name: _in(value, language) for name, value in values.items()})
            for language in LANGUAGES
        )
        return Text(zh=zh, zh_hant=zh_hant, en=en)

    def beside(self, language: Language = "zh", between: str = " · ") -> str:
        """Chinese and English in one line; `language` tells which Chinese."""
        return f"{self.to(language)}{between}{self.en}"

    def __iter__(self) -> Iterator[str]:
        """The text in every language, in the order of LANGUAGES."""
        return map(self.to, LANGUAGES)


def _in(value: object, language: Language) -> object:
    return value.to(language) if isinstance(value, Text) else value
