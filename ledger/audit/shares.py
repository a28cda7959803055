"""The report on conservation: the share of each region, the rules, and the findings against them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

from ledger.texts.catalogue import pick

Kind = Literal["two-homes", "no-home", "counted-twice", "lost", "unequal", "unproven", "forked"]
RULES: Final = pick("conservation", get_args(Kind))
"""The rules that must hold, by the kind of finding that breaks them."""


class Finding(NamedTuple):
    """Something that must not be, anywhere or ever."""

    kind: Kind
    detail: str


@dataclass(slots=True)
class Sums:
    """Entries, and minutes of them in whatever state."""

    entries: int = 0
    minutes: int = 0

    def add(self, minutes: int, entries: int = 1) -> None:
        """Count more."""
        self.entries += entries
        self.minutes += minutes


def _by_code() -> dict[str, Sums]:
    return defaultdict(Sums)


@dataclass(slots=True)
class Share:
    """The entries of one region. Each is in one of the first four, of one region, or with a region not looked at."""

    home: Sums = field(default_factory=Sums)
    transit: dict[str, Sums] = field(default_factory=_by_code)
    """At home here, and offered to another region, which did not accept as yet."""
    way: Sums = field(default_factory=Sums)
    """Recorded here, or received, and not at its home as yet."""
    aside: Sums = field(default_factory=Sums)
    """The same, and the message about it was put aside: somebody has to look."""
    elsewhere: dict[str, Sums] = field(default_factory=_by_code)
    """Recorded here and at home there: counted there, and not in addition to it."""


@dataclass(slots=True)
class Report:
    """The shares of all regions, and the findings."""

    regions: dict[str, Share]
    others: dict[str, Sums] = field(default_factory=_by_code)
    """Recorded in a region that was looked at, and with one that was not."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all that must hold does."""
        return not self.findings

    @property
    def distinct(self) -> Sums:
        """All entries, each once."""
        total = Sums()
        for share in self.regions.values():
            for sums in (share.home, share.way, share.aside, *share.transit.values()):
                total.add(sums.minutes, sums.entries)
        for sums in self.others.values():
            total.add(sums.minutes, sums.entries)
        return total
