"""What evidence of misconduct proves, in words for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ledger.evidence.misconduct import Finding
from ledger.texts.catalogue import find, pick
from ledger.texts.text import Text

_WORDS: Final = pick("misconduct", ("forked-log", "two-offers", "two-acceptances", "left-out", "key-left-out"))
_EITHER: Final = find("misconduct.either")
_RECOVERED: Final = find("misconduct.recovered")
_BOTH: Final = find("misconduct.both")


def words(found: Finding, name: Callable[[str], str] = str) -> Text:
    """What is proven; `name` tells what to call the log of an origin."""
    logs = [name(origin) for origin in found.against]
    facts = {**found.facts, "log": logs[0]}
    told = _WORDS[found.kind]
    if len(logs) > 1:
        more = _RECOVERED if found.facts.get("recovered") else _EITHER
        told = _BOTH.filled(told=told, more=more)
    return told.filled(**facts)
