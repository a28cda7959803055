"""What a proof of service would say now: a volunteer's counted entries, summed up within one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from msgspec import UNSET

from ledger.credentials import model
from ledger.credentials.holdings import Request
from ledger.events.body import field_reader
from ledger.limits import PROOF_LINES_MAX
from ledger.schemes.facts import Service, Tally
from ledger.schemes.recognition import Recognised, star_level
from ledger.schemes.scheme import Scheme, scheme_for
from ledger.store.exchange import records
from ledger.store.postgres import copying
from ledger.store.postgres.copying import TEXT, VOLUNTEER
from ledger.store.postgres.database import Cursor, Database
from projections import people
from projections.people import Person
from projections.totals import Totals

_COUNTED: Final = "NOT withdrawn AND disputed_by IS NULL AND approved AND NOT contested"
_FILTERS: Final = (
    ("activities", "activity", "uuid"),
    ("categories", "category", "text"),
    ("organisations", "issuer", "text"),
    ("evidence", "evidence", "text"),
)
_read = field_reader({"activity_name", "content"})


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement without its star, the entries it rests on, and how many events it takes into account."""

    statement: model.ServiceStatement
    entries: tuple[int, ...]
    """Their positions, rising."""
    seen: int


class Statements:
    """Sums up the entries of volunteers of one region, from the tables of `Totals`.

    A person may be named by any of their ids. Whether proofs are issued of them here is for the caller to ask.
    """

    def __init__(self, database: Database, source: str, region: str) -> None:
        self.database = database
        self.source = source
        self.tables = Totals(database, source)
        self._schema = self.tables.schema
        self._region = region
        self._person = f"(SELECT coalesce(v.alias_of, v.id) FROM {source}.volunteers v WHERE v.id = %s)"

    def person(self, volunteer: str) -> Person | None:
        """The person of any of their ids, if they are known here."""
        with self.database.read() as cursor:
            return people.find_person(cursor, self.source, volunteer)

    def state(self, volunteer: str, request: Request, entries: Sequence[int] | None = None) -> Stated:
        """What the request comes to; of those entries alone, if any are given, that still count."""
        with self.tables.read() as cursor:
            return self.state_at(cursor, volunteer, request, entries)

    def years(self, volunteer: str, request: Request, entries: Sequence[int]) -> dict[tuple[int, str], int]:
        """The minutes of those entries by year and category."""
        with self.tables.read() as cursor:
            return self.years_at(cursor, volunteer, request, entries)

    def recognise(self, volunteer: str, day: str, scheme: Scheme | None = None) -> Recognised:
        """The level that all counted service up to a day (YYYY-MM-DD) comes to.

        By the scheme given, or that of the region's star levels on that day.
        """
        with self.tables.read() as cursor:
            return self.recognise_at(cursor, volunteer, day, scheme)

    # -- within a snapshot: see `projections.snapshot` ------------------------------------------------

    def years_at(
        self, cursor: Cursor, volunteer: str, request: Request, entries: Sequence[int]
    ) -> dict[tuple[int, str], int]:
        """See `years`."""
        where, values = self._condition(volunteer, request, entries)
        cursor.execute(
            f"SELECT extract(year FROM day)::integer, category, sum(minutes)::bigint FROM {self._schema}.entries"
            f" WHERE {where} GROUP BY 1, 2",
            values,
        )
        return {(year, category): minutes for year, category, minutes in cursor}

    def recognise_at(self, cursor: Cursor, volunteer: str, day: str, scheme: Scheme | None = None) -> Recognised:
        """See `recognise`."""
        cursor.execute(
            "SELECT extract(year FROM day)::integer, e.category, e.evidence, coalesce(o.kind, u.kind),"
            f" sum(minutes)::bigint, min(day), max(day) FROM {self._schema}.entries e"
            f" LEFT JOIN {self.source}.organisations o ON o.id = e.issuer AND e.origin = ''"
            f" LEFT JOIN {self.source}.units u ON u.id = e.issuer AND u.origin = e.origin"
            f" WHERE volunteer = {self._person} AND {_COUNTED} AND day <= %s GROUP BY 1, 2, 3, 4",
            (VOLUNTEER.bind(volunteer), day),
        )
        tallies = tuple(
            Tally(year=year, category=category, evidence=evidence, kind=kind, minutes=minutes, first=first, last=last)
            for year, category, evidence, kind, minutes, first, last in cursor
        )
        until = date.fromisoformat(day)
        return star_level(scheme or scheme_for(self._region, until), Service(tallies=tallies), until)

    def state_at(
        self, cursor: Cursor, volunteer: str, request: Request, entries: Sequence[int] | None = None
    ) -> Stated:
        """See `state`."""
        where, values = self._condition(volunteer, request, entries)
        table = f"{self._schema}.entries WHERE {where}"
        cursor.execute(
            "SELECT count(*), coalesce(sum(minutes), 0)::bigint, coalesce(array_agg(position ORDER BY position), '{}'),"
            f" (SELECT max(notification_id) FROM {self._schema}.tracking) FROM {table}",
            values,
        )
        count, minutes, positions, seen = cursor.fetchone() or (0, 0, [], 0)
        lines, others = self._lines(cursor, table, values)
        categories, grades = _sums(cursor, table, values)
        statement = model.ServiceStatement(
            region=self._region,
            first=request.first,
            last=request.last,
            minutes=minutes,
            entries=count,
            categories=tuple(
                model.Amount(category=name, entries=number, minutes=total) for name, number, total in categories
            ),
            grades=tuple(model.Grade(evidence=name, entries=number, minutes=total) for name, number, total in grades),
            lines=lines,
            others=others or UNSET,
            filter=request.filter,
            note=request.note,
        )
        return Stated(statement, tuple(positions), seen or 0)

    def _condition(self, volunteer: str, request: Request, entries: Sequence[int] | None) -> tuple[str, list[Any]]:
        where = f"volunteer = {self._person} AND {_COUNTED} AND day BETWEEN %s AND %s"
        values: list[Any] = [VOLUNTEER.bind(volunteer), request.first, request.last]
        if isinstance(request.filter, model.Filter):
            for name, column, kind in _FILTERS:
                wanted = getattr(request.filter, name)
                if wanted is not UNSET:
                    where += f" AND {column} = ANY(%s::{kind}[])"
                    values.append(list(wanted))
        if entries is not None:
            where += " AND position = ANY(%s::bigint[])"
            values.append(list(entries))
        return where, values

    def _lines(
        self, cursor: Cursor, table: str, values: Sequence[Any]
    ) -> tuple[tuple[model.Line, ...], model.Others | None]:
        """The activities with the most minutes, and the sum of the others.

        The words of a line are those of its last entry: a correction of another entry does not change them.
        """
        cursor.execute(
            "SELECT issuer, activity, category, count(*), sum(minutes)::bigint, min(day)::text, max(day)::text,"
            f" (array_agg(version ORDER BY abs(position) DESC))[1], origin FROM {table}"
            " GROUP BY issuer, activity, category, origin ORDER BY 5 DESC, 6, issuer, activity, category, origin",
            values,
        )
        rows = cursor.fetchall()
        shown, rest = rows[:PROOF_LINES_MAX], rows[PROOF_LINES_MAX:]
        bodies = records.bodies(cursor, self.source, [row[7] for row in shown])
        names = self._names(cursor, {(row[0], row[8]) for row in shown})
        lines = []
        for issuer, activity, category, count, minutes, first, last, version, origin in shown:
            words = _read(*bodies[version])
            lines.append(
                model.Line(
                    activity=activity,
                    activity_name=words.activity_name,
                    category=category,
                    content=words.content,
                    organisation=issuer,
                    organisation_name=names[issuer, origin],
                    entries=count,
                    minutes=minutes,
                    first=first,
                    last=last,
                )
            )
        if not rest:
            return tuple(lines), None
        sums = [sum(row[column] for row in rest) for column in (3, 4)]
        return tuple(lines), model.Others(activities=len(rest), entries=sums[0], minutes=sums[1])

    def _names(self, cursor: Cursor, organisations: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """What organisations, each named with the log that registered it, are called."""
        source, values = copying.arrays({"id": TEXT, "origin": TEXT}, sorted(organisations))
        cursor.execute(
            f"SELECT w.id, w.origin, coalesce(o.name, u.name, w.id) FROM {source} AS w (id, origin)"
            f" LEFT JOIN {self.source}.organisations o ON o.id = w.id AND w.origin = ''"
            f" LEFT JOIN {self.source}.units u ON u.id = w.id AND u.origin = w.origin",
            values,
        )
        return {(name, origin): called for name, origin, called in cursor}


_Sums = list[tuple[str, int, int]]


def _sums(cursor: Cursor, table: str, values: Sequence[Any]) -> tuple[_Sums, _Sums]:
    """Entries and minutes by category, and by grade of evidence; the most minutes first."""
    cursor.execute(
        "SELECT category, evidence, count(*), sum(minutes)::bigint AS total"
        f" FROM {table} GROUP BY GROUPING SETS ((category), (evidence)) ORDER BY total DESC, category, evidence",
        values,
    )
    rows = cursor.fetchall()
    return (
        [(category, number, total) for category, _, number, total in rows if category is not None],
        [(evidence, number, total) for _, evidence, number, total in rows if evidence is not None],
    )
