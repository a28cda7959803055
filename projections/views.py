"""Reading the totals: what pages and the API show. Every sum says which state it is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.limits import SMALL_CELL_MIN
from ledger.store.copying import VOLUNTEER
from ledger.store.postgres import Database
from projections.totals import STATES, Totals


@dataclass(frozen=True, slots=True)
class Sum:
    """Minutes and number of entries."""

    minutes: int = 0
    entries: int = 0


Sums = dict[str, Sum]
"""By state."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One person's or organisation's totals by state, and by state under each heading."""

    total: Sums
    by_year: dict[str, Sums]
    by_category: dict[str, Sums]
    by_organisation: dict[str, Sums]


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as it stands now."""

    id: str
    position: int
    version: int
    volunteer: str
    organisation: str
    activity: str
    category: str
    start: int
    end: int
    minutes: int
    evidence: str
    state: str


# `totals.state_of` in SQL, for rows that are only read.
_STATE = """CASE WHEN withdrawn THEN 'withdrawn' WHEN disputed_by IS NOT NULL THEN 'disputed'
    WHEN NOT approved THEN 'pending' WHEN contested THEN 'contested' ELSE 'counted' END"""


class TotalsView:
    """Reads the tables of `Totals` of one region."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self._schema = Totals(database, source).schema

    def volunteer(self, volunteer: str, organisation: str | None = None) -> Breakdown:
        """A volunteer's totals; those recorded by one organisation, if one is named."""
        where = "volunteer = %s AND (%s::text IS NULL OR organisation = %s)"
        values = (VOLUNTEER.bind(volunteer), organisation, organisation)
        return _breakdown(
            self._query(
                f"SELECT organisation, year, category, state, minutes, entries FROM {self._schema}.volunteer_totals"
                f" WHERE {where}",
                values,
            )
        )

    def organisation(self, organisation: str) -> Breakdown:
        """What an organisation recorded."""
        return _breakdown(
            self._query(
                f"SELECT organisation, year, category, state, minutes, entries FROM {self._schema}.organisation_totals"
                " WHERE organisation = %s",
                (organisation,),
            )
        )

    def organisation_cells(self, organisation: str) -> dict[tuple[str, str], Sum]:
        """Counted service of an organisation by (year, category)."""
        rows = self._query(
            f"SELECT year, category, minutes, entries FROM {self._schema}.organisation_totals"
            " WHERE organisation = %s AND state = 'counted'",
            (organisation,),
        )
        return {(str(year), category): Sum(minutes, entries) for year, category, minutes, entries in rows}

    def organisation_volunteers(self, organisation: str) -> dict[tuple[str, str], int]:
        """How many volunteers have counted entries, by (year, category): what decides which cells are hidden."""
        rows = self._query(
            f"SELECT year, category, count(DISTINCT volunteer) FROM {self._schema}.volunteer_totals"
            " WHERE organisation = %s AND state = 'counted' GROUP BY year, category",
            (organisation,),
        )
        return {(str(year), category): people for year, category, people in rows}

    def region(self) -> Breakdown:
        """What the whole region recorded."""
        return _breakdown(
            self._query(
                f"SELECT organisation, year, category, state, minutes, entries FROM {self._schema}.organisation_totals",
                (),
            )
        )

    def days(self, first: str, last: str) -> list[tuple[str, str, Sum]]:
        """(day, state, sum) of the days from `first` to `last`, both inclusive."""
        rows = self._query(
            f"SELECT day::text, state, minutes, entries FROM {self._schema}.day_totals"
            " WHERE day BETWEEN %s AND %s ORDER BY day, state",
            (first, last),
        )
        return [(day, state, Sum(minutes, entries)) for day, state, minutes, entries in rows]

    def entries(self, volunteer: str, organisation: str | None, before: int | None, limit: int) -> list[EntryRow]:
        """A page of a volunteer's entries, the newest first, those recorded before position `before`."""
        rows = self._query(
            f'SELECT id, position, version, volunteer, issuer, activity, category, start, "end", minutes, evidence,'
            f" {_STATE} FROM {self._schema}.entries WHERE volunteer = %s"
            " AND (%s::text IS NULL OR issuer = %s) AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (VOLUNTEER.bind(volunteer), organisation, organisation, before, before, limit),
        )
        return [EntryRow(row[0], row[1], row[2], volunteer, *row[4:]) for row in rows]

    def _query(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._database.query(statement, values)


def _breakdown(rows: Sequence[tuple[Any, ...]]) -> Breakdown:
    total: Sums = {}
    headings: tuple[dict[str, Sums], ...] = ({}, {}, {})
    for organisation, year, category, state, minutes, entries in rows:
        _add(total, state, minutes, entries)
        for heading, name in zip(headings, (str(year), category, organisation), strict=True):
            _add(heading.setdefault(name, {}), state, minutes, entries)
    return Breakdown(_complete(total), *headings)


def _complete(sums: Sums) -> Sums:
    """Every state, also those that nothing is in."""
    return {state: sums.get(state, Sum()) for state in STATES}


def _add(sums: Sums, state: str, minutes: int, entries: int) -> None:
    before = sums.get(state, Sum())
    sums[state] = Sum(before.minutes + minutes, before.entries + entries)


def hide_small(
    by_cell: dict[tuple[str, str], Sum], people: dict[tuple[str, str], int]
) -> dict[tuple[str, str], Sum | None]:
    """Statistics by (year, category) for the public: a cell about too few people is None (`SMALL_CELL_MIN`)."""
    return {cell: found if people.get(cell, 0) >= SMALL_CELL_MIN else None for cell, found in by_cell.items()}
