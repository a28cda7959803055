"""Reading the totals: what pages and the API show. Every sum says which state it is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.limits import SMALL_CELL_MIN
from ledger.store.postgres.copying import VOLUNTEER
from ledger.store.postgres.database import Cursor, Database
from projections import histories
from projections import people as exchange
from projections.histories import SignedEvent
from projections.people import KnownPeer, Person
from projections.totals import STATES, Totals

TRANSIT: Final = "transit"
"""The state of every entry of a record that is on its way to another region."""


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
class VolunteerTotals:
    """A person's totals where they count; `served_here` of one whose home is elsewhere, never to be added to them."""

    person: Person
    totals: Breakdown
    served_here: Breakdown | None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry as it stands now; `origin` is empty, or the log in which it was recorded if that is another."""

    id: str
    origin: str
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


# `records.state_of` in SQL, for rows that are only read.
_STATE = """CASE WHEN withdrawn THEN 'withdrawn' WHEN disputed_by IS NOT NULL THEN 'disputed'
    WHEN NOT approved THEN 'pending' WHEN contested THEN 'contested' ELSE 'counted' END"""
# When the event of a handle was recorded, by its own log's clock: what a log entry ends with. Later than any for none.
_RECORDED = """coalesce((SELECT substr(e.entry, 33) FROM {source}.events e WHERE e.position = {handle}),
    (SELECT substr(i.entry, 33) FROM {source}.imports i WHERE i.number = -({handle})), '\\xffffffffffffffff')"""


class TotalsView:
    """Reads the tables of `Totals` of one region."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self._source = source
        self._tables = Totals(database, source)
        self._schema = self._tables.schema

    def volunteer(self, volunteer: str, organisation: str | None = None) -> Breakdown:
        """A volunteer's totals where they count: nothing of one whose home is elsewhere.

        Of those recorded by one organisation of this ledger, if one is named.
        """
        found = self.record(volunteer, organisation)
        return _breakdown([]) if found is None else found.totals

    def record(self, volunteer: str, organisation: str | None = None) -> VolunteerTotals | None:
        """The same, with whose they are and what was served here; None for somebody who is not known here."""
        with self._tables.read() as cursor:
            person = exchange.find_person(cursor, self._source, volunteer)
            if person is None:
                return None
            if person.elsewhere is not None:
                return VolunteerTotals(person, _breakdown([]), self._served_here(cursor, person, organisation))
            found = self._served_here(cursor, person, organisation) if organisation else self._totals(cursor, person)
        return VolunteerTotals(person, _in_transit(found) if person.in_transit else found, None)

    def _totals(self, cursor: Cursor, person: Person) -> Breakdown:
        cursor.execute(
            f"SELECT organisation, year, category, state, minutes, entries FROM {self._schema}.volunteer_totals"
            " WHERE volunteer = %s",
            (VOLUNTEER.bind(person.id),),
        )
        return _breakdown(cursor.fetchall())

    def _served_here(self, cursor: Cursor, person: Person, organisation: str | None) -> Breakdown:
        """What was recorded in this ledger: an organisation of another one may have the same id."""
        cursor.execute(
            f"SELECT issuer, extract(year FROM day)::integer, category, {_STATE}, sum(minutes)::bigint, count(*)"
            f" FROM {self._schema}.entries WHERE volunteer = %s AND origin = '' AND (%s::text IS NULL OR issuer = %s)"
            " GROUP BY 1, 2, 3, 4",
            (VOLUNTEER.bind(person.id), organisation, organisation),
        )
        return _breakdown(cursor.fetchall())

    def person(self, volunteer: str) -> Person | None:
        """The person of any of their ids, if they are known here."""
        with self._database.read() as cursor:
            return exchange.find_person(cursor, self._source, volunteer)

    def peers(self) -> list[KnownPeer]:
        """The regions that are recognised now."""
        with self._database.read() as cursor:
            return exchange.known_peers(cursor, self._source)

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
        """How many volunteers have counted entries, by (year, category): what decides which cells are hidden.

        Entries that arrived from another ledger, whose organisation has the same id, stand behind no cell.
        """
        statement = (
            f"SELECT year, category, count(DISTINCT volunteer) FROM {self._schema}.volunteer_totals t"
            " WHERE organisation = %s AND state = 'counted'"
            f" AND (NOT EXISTS (SELECT FROM {self._source}.units WHERE id = %s) OR EXISTS ("
            f"SELECT FROM {self._schema}.entries e WHERE e.volunteer = t.volunteer AND e.origin = ''"
            " AND (e.issuer, e.category, extract(year FROM e.day)) = (t.organisation, t.category, t.year)"
            f" AND {_STATE} = 'counted')) GROUP BY year, category"
        )
        with self._tables.read() as cursor:
            cursor.execute(statement, (organisation, organisation))
            rows = cursor.fetchall()
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
        """A page of a volunteer's entries, those recorded last first, behind the entry of position `before`.

        By the clocks of the logs that recorded them; within one second, and within one log, by position. That never
        changes, so pages fit together whatever happens meanwhile. `organisation` is one of this ledger.
        """
        values = {"name": VOLUNTEER.bind(volunteer), "issuer": organisation, "before": before, "limit": limit}
        table = f"{self._schema}.entries t WHERE volunteer = %(name)s"
        with self._tables.read() as cursor:
            cursor.execute(f"SELECT EXISTS (SELECT FROM {table} AND origin <> '')", values)
            # Within one log, positions are in the order of time already.
            recorded = _RECORDED if cursor.fetchone() == (True,) else "''::bytea"
            place = f"({recorded}, {{handle}} >= 0, abs({{handle}}))"
            own, last = (place.format(source=self._source, handle=one) for one in ("t.position", "%(before)s::bigint"))
            cursor.execute(
                'SELECT id, origin, position, version, issuer, activity, category, start, "end", minutes, evidence,'
                f" {_STATE} FROM {table} AND (%(issuer)s::text IS NULL OR (issuer, origin) = (%(issuer)s, ''))"
                f" AND (%(before)s::bigint IS NULL OR {own} < {last}) ORDER BY {own} DESC LIMIT %(limit)s",
                values,
            )
            rows = cursor.fetchall()
        return [EntryRow(row[0], row[1], row[2], row[3], volunteer, *row[4:]) for row in rows]

    def events(self, handles: Sequence[int]) -> dict[int, SignedEvent]:
        """See `histories.events_at`."""
        with self._database.read() as cursor:
            return histories.events_at(cursor, self._source, handles)

    def changes(self, volunteers: Sequence[str]) -> list[SignedEvent]:
        """See `histories.changes`."""
        with self._database.read() as cursor:
            return histories.changes(cursor, self._source, volunteers)

    def _query(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement that reads one table, which needs no snapshot taken behind a lock."""
        return self._database.query(statement, values)


def _breakdown(rows: Sequence[tuple[Any, ...]]) -> Breakdown:
    total: Sums = {}
    headings: tuple[dict[str, Sums], ...] = ({}, {}, {})
    for organisation, year, category, state, minutes, entries in rows:
        _add(total, state, minutes, entries)
        for heading, name in zip(headings, (str(year), category, organisation), strict=True):
            _add(heading.setdefault(name, {}), state, minutes, entries)
    return Breakdown(_complete(total), *headings)


def _in_transit(found: Breakdown) -> Breakdown:
    """Every entry in the one state that holds while nobody counts them."""

    def moved(sums: Sums) -> Sums:
        parts = [one for one in sums.values() if one.entries]
        return {TRANSIT: Sum(sum(one.minutes for one in parts), sum(one.entries for one in parts))}

    def under(heading: dict[str, Sums]) -> dict[str, Sums]:
        return {name: moved(sums) for name, sums in heading.items()}

    total = _complete({}) | moved(found.total)
    return Breakdown(total, under(found.by_year), under(found.by_category), under(found.by_organisation))


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
