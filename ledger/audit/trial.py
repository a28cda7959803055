"""A trial of the audit: whether it finds one byte of the log that was changed."""

from __future__ import annotations

import contextlib

from ledger.app.ledger import Ledger
from ledger.audit.log import audit_published
from ledger.audit.report import Report
from ledger.store import tampering


class _Undo(Exception):
    pass


def audit_with_change(ledger: Ledger, note: str | None) -> tuple[str, Report]:
    """Change one byte of one event, audit, and undo the change; the id of that event, and the report."""
    with contextlib.suppress(_Undo), ledger.database.transaction() as cursor:
        changed = tampering.change_one_byte(cursor, ledger.schema)
        report = audit_published(cursor, ledger.schema, ledger.region, ledger.origin, note)
        raise _Undo
    return changed, report
