"""Every text by its key, read from the JSON files beside this module.

A key is a group and a name, `outcome.valid`, and stands in one file only. What is missing raises KeyError: modules
look their texts up when they are imported, so that no text can lack when somebody is to read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

import msgspec

from ledger.texts.text import Text

FILES: Final = (
    "certificates",
    "codes",
    "conservation",
    "credentials",
    "misconduct",
    "pages",
    "problems",
    "schemes",
    "sheets",
    "states",
    "verdicts",
)
_decoder: Final = msgspec.json.Decoder(dict[str, Text])


@cache
def read(file: str) -> Mapping[str, Text]:
    """The texts of one file, by key."""
    data = resources.files("ledger.texts").joinpath(f"{file}.json").read_bytes()
    return MappingProxyType(_decoder.decode(data))


@cache
def catalogue() -> Mapping[str, Text]:
    """The texts of all files, by key."""
    return MappingProxyType({key: text for file in FILES for key, text in read(file).items()})


def find(key: str) -> Text:
    """The text of a key; raise KeyError for a key that is in no file."""
    return catalogue()[key]


def pick(group: str, names: Iterable[str]) -> Mapping[str, Text]:
    """Texts of a group by their names, in the order of `names`."""
    return MappingProxyType({name: find(f"{group}.{name}") for name in names})
