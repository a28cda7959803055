"""The report of an audit: how much was read, and what does not hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ledger.tlog import merkle

FINDINGS_MAX: Final = 50
"""Findings after which the audit stops."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not hold, with the event it concerns, if it concerns one."""

    position: int | None
    event_id: str | None
    detail: str


@dataclass(slots=True)
class Report:
    """The numbers of rows read, and the findings."""

    events: int = 0
    submissions: int = 0
    root: bytes = merkle.EMPTY_ROOT
    findings: list[Finding] = field(default_factory=list)
    imports: int = 0
    erased: int = 0
    """Imports whose bodies were erased; their entries are proven still."""

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.findings
