"""Checkpoints of other logs as they were first seen: a log that shows two trees of one size shows two histories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT, BYTEA, LABEL, TEXT
from ledger.store.postgres.database import Cursor


class Sighting(NamedTuple):
    """A checkpoint whose signature holds."""

    origin: str
    size: int
    root: bytes
    note: str


_COLUMNS: copying.Columns = {"origin": LABEL, "size": BIGINT, "root": BYTEA, "note": TEXT}


def see(cursor: Cursor, schema: str, seen: Sequence[Sighting]) -> list[tuple[str, str]]:
    """Keep checkpoints that are new; the pairs of notes, as first seen and as seen now, that contradict each other."""
    if not seen:
        return []
    call, values = copying.arrays(_COLUMNS, sorted(seen))
    cursor.execute(f"INSERT INTO {schema}.sightings SELECT * FROM {call} ON CONFLICT DO NOTHING", values)
    names = copying.names(_COLUMNS)
    cursor.execute(
        f"SELECT s.note, n.note FROM {call} AS n ({names}) JOIN {schema}.sightings s USING (origin, size)"
        " WHERE s.root <> n.root",
        values,
    )
    return cursor.fetchall()
