"""The peers of a region: whose logs it believes or believed, and by which keys."""

from __future__ import annotations

from typing import Final

from ledger.domain.state import Peer
from ledger.store.decisions import TABLES
from ledger.store.postgres import copying
from ledger.store.postgres.database import Database

_COLUMNS: Final = copying.selection(TABLES[Peer].columns, "p")


def ever_recognised(database: Database, schema: str) -> list[Peer]:
    """Every key of another log that was ever recognised, by region, origin and time."""
    rows = database.query(f"SELECT {_COLUMNS} FROM {schema}.peers p ORDER BY p.region, p.origin, p.added")
    return [Peer(**dict(zip(Peer.__struct_fields__, row, strict=True))) for row in rows]
