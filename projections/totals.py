"""Totals: what every volunteer, organisation and day comes to, by the state of the entries.

States (docs/format.md, "States of an entry"): counted, pending, contested, disputed, withdrawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from ledger.domain.entry_states import state_of
from ledger.domain.state import Entry
from ledger.limits import ENTRY_MINUTES_MAX
from ledger.store import decisions, log
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT, DATE, INTEGER, LABEL, UUID, VOLUNTEER
from ledger.store.postgres.database import Cursor, Database
from ledger.store.schema import ENTRY_COLUMNS
from projections.engine import BatchProjection
from projections.folding import Change, Folding

STATES: Final = ("counted", "pending", "contested", "disputed", "withdrawn")

_SPAN: Final = ENTRY_MINUTES_MAX * 60

_DDL: Final = f"""
CREATE TABLE {{schema}}.entries (
    {ENTRY_COLUMNS}, origin text NOT NULL, turn bigint NOT NULL,
    contested boolean NOT NULL DEFAULT false, PRIMARY KEY (id, origin)
);
CREATE INDEX ON {{schema}}.entries (volunteer, start);
CREATE TABLE {{schema}}.aliases (volunteer uuid PRIMARY KEY, alias_of uuid NOT NULL);
CREATE TABLE {{schema}}.volunteer_totals (
    volunteer uuid, organisation text, year integer, category text, state text,
    minutes bigint NOT NULL, entries bigint NOT NULL,
    PRIMARY KEY (volunteer, organisation, year, category, state)
);
CREATE TABLE {{schema}}.organisation_totals (
    organisation text, year integer, category text, state text,
    minutes bigint NOT NULL, entries bigint NOT NULL,
    PRIMARY KEY (organisation, year, category, state)
);
CREATE TABLE {{schema}}.day_totals (
    day date, state text, minutes bigint NOT NULL, entries bigint NOT NULL,
    PRIMARY KEY (day, state)
);
CREATE TABLE {{schema}}.changed (volunteer uuid PRIMARY KEY, position bigint NOT NULL);
CREATE INDEX ON {{schema}}.changed (position);
"""

Key = tuple[str, str, str, str, str, bool]
"""Volunteer, organisation, day, category, state, and whether it was recorded in this ledger."""
Deltas = dict[Key, list[int]]
"""Minutes and entries to add."""

Span = tuple[str, int, int]
"""Volunteer, start, end."""

_LATEST_MAX: Final = 1_000_000


class Latest:
    """The last end of any entry of each volunteer, as far as asked for; good while nobody else applies events."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        self._position = -1

    def begin(self, position: int) -> None:
        """Forget everything unless the events go on where they left off, or when it has grown too large."""
        if position != self._position or len(self._ends) > _LATEST_MAX:
            self._ends.clear()
        self._position = -1

    def end(self, position: int) -> None:
        """The events before `position` are applied; if their transaction fails, `begin` will notice."""
        self._position = position

    def of(self, cursor: Cursor, schema: str, volunteers: set[str]) -> dict[str, int]:
        """The ends known, those of these volunteers among them; the caller keeps them up."""
        unknown = [(volunteer,) for volunteer in volunteers if volunteer not in self._ends]
        if unknown:
            source, values = copying.arrays({"volunteer": VOLUNTEER}, unknown)
            cursor.execute(
                f'SELECT {VOLUNTEER.read.format("v.volunteer")}, coalesce((SELECT max(e."end") FROM {schema}.entries e'
                f" WHERE e.volunteer = v.volunteer AND e.start > -{_SPAN} + (SELECT max(l.start)"
                f" FROM {schema}.entries l WHERE l.volunteer = v.volunteer)), 0) FROM {source} AS v (volunteer)",
                values,
            )
            self._ends.update(cursor.fetchall())
        return self._ends


class Totals(BatchProjection):
    """Entries with their state, and minutes and entries by every heading that people ask for."""

    name = "totals"
    tables: ClassVar[Sequence[str]] = (
        "entries",
        "aliases",
        "volunteer_totals",
        "organisation_totals",
        "day_totals",
        "changed",
    )
    ddl = _DDL

    def __init__(self, database: Database, source: str, schema: str = "") -> None:
        super().__init__(database, source, schema)
        self._latest = Latest()
        self._folding = Folding(source, self.schema)

    def apply(self, rows: Sequence[log.Body], cursor: Cursor) -> None:
        """Fold the events into entries, settle which are contested, and move the totals by the difference."""
        changes, changed = self._folding.fold(cursor, rows)
        self._mark(cursor, changed)
        if not changes:
            return
        self._latest.begin(rows[0][0])
        deltas: Deltas = defaultdict(lambda: [0, 0])
        contested = self._contested(cursor, [before.identity for before, _ in changes if before is not None])
        spans = self._taken(cursor, changes)
        decisions.save(cursor, self.schema, changes)
        for before, after in changes:
            flag = before is not None and before.identity in contested
            if before is not None:
                _add(deltas, before, flag, -1)
            _add(deltas, after, flag, 1)
        for entry, flag in self._settle(cursor, spans):
            _add(deltas, entry, not flag, -1)
            _add(deltas, entry, flag, 1)
        self._move(cursor, deltas)
        self._latest.end(rows[-1][0] + 1)

    def _mark(self, cursor: Cursor, changed: dict[str, int]) -> None:
        if changed:
            source, values = copying.arrays({"volunteer": VOLUNTEER, "position": BIGINT}, list(changed.items()))
            cursor.execute(
                f"INSERT INTO {self.schema}.changed SELECT * FROM {source}"
                " ON CONFLICT (volunteer) DO UPDATE SET position = EXCLUDED.position",
                values,
            )

    def _taken(self, cursor: Cursor, changes: Sequence[Change]) -> list[Span]:
        """Where time was taken or given back and others could be concerned.

        Most entries are recorded in order of time: one that begins after all others of its volunteer have
        ended concerns nobody, and to know that is far cheaper than to look.
        """
        latest = self._latest.of(cursor, self.schema, {after.volunteer for _, after in changes})
        spans = []
        for before, after in changes:
            end = latest.get(after.volunteer, 0)
            if before is not None:
                spans.append((before.volunteer, before.start, before.end))
            if before is not None or after.start < end:
                spans.append((after.volunteer, after.start, after.end))
            if after.end > end:
                latest[after.volunteer] = after.end
        return spans

    def _contested(self, cursor: Cursor, names: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these entries, named by id and origin, are stored as contested."""
        if not names:
            return set()
        source, values = copying.arrays({"id": UUID, "origin": LABEL}, names)
        cursor.execute(
            f"SELECT id, origin FROM {self.schema}.entries"
            f" WHERE contested AND (id, origin) IN (SELECT * FROM {source})",
            values,
        )
        return set(cursor.fetchall())

    def _settle(self, cursor: Cursor, spans: Sequence[Span]) -> list[tuple[Entry, bool]]:
        """Settle anew who is contested in these spans; the entries that flipped, and whether they now are.

        An entry is contested while another of the same volunteer that stands (approved, not withdrawn)
        overlaps it with a smaller precedence.
        """
        if not spans:
            return []
        source, values = copying.arrays({"volunteer": VOLUNTEER, "low": BIGINT, "high": BIGINT}, spans)
        columns = copying.selection(decisions.TABLES[Entry].columns, "t")
        cursor.execute(
            f"""
            WITH near AS (
                SELECT e.id, e.origin, e.contested, e.volunteer, e.start, e."end", e.rank, e.turn
                FROM {source} AS s (volunteer, low, high)
                JOIN {self.schema}.entries e ON e.volunteer = s.volunteer
                    AND e.start < s.high AND e.start > s.low - {_SPAN} AND e."end" > s.low
            ), settled AS (
                SELECT DISTINCT n.id, n.origin, n.contested, EXISTS (
                    SELECT FROM {self.schema}.entries o
                    WHERE o.volunteer = n.volunteer AND o.start < n."end" AND o.start > n.start - {_SPAN}
                        AND o."end" > n.start AND (o.rank, o.turn) < (n.rank, n.turn)
                        AND o.approved AND NOT o.withdrawn
                ) AS now FROM near n
            )
            UPDATE {self.schema}.entries t SET contested = settled.now FROM settled
            WHERE (t.id, t.origin) = (settled.id, settled.origin) AND settled.contested <> settled.now
            RETURNING {columns}, t.contested
            """,
            values,
        )
        fields = Entry.__struct_fields__
        return [(Entry(**dict(zip(fields, row, strict=False))), row[-1]) for row in cursor]

    def _move(self, cursor: Cursor, deltas: Deltas) -> None:
        by_volunteer: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
        by_organisation: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
        by_day: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
        for (volunteer, organisation, day, category, state, own), (minutes, entries) in deltas.items():
            year = int(day[:4])
            headings = (
                (by_volunteer, (volunteer, organisation, year, category, state)),
                (by_organisation, (organisation, year, category, state)),
                (by_day, (day, state)),
            )
            # Service counts for a person at home, and for organisations and places where it was recorded.
            for table, key in headings if own else headings[:1]:
                sums = table[key]
                sums[0] += minutes
                sums[1] += entries
        common = {"organisation": LABEL, "year": INTEGER, "category": LABEL, "state": LABEL}
        self._upsert(cursor, "volunteer_totals", {"volunteer": VOLUNTEER, **common}, by_volunteer)
        self._upsert(cursor, "organisation_totals", common, by_organisation)
        self._upsert(cursor, "day_totals", {"day": DATE, "state": LABEL}, by_day)

    def _upsert(
        self, cursor: Cursor, table: str, keys: copying.Columns, sums: dict[tuple[Any, ...], list[int]]
    ) -> None:
        rows = [(*key, *values) for key, values in sums.items() if any(values)]
        if not rows:
            return
        source, arrays = copying.arrays({**keys, "minutes": BIGINT, "entries": BIGINT}, rows)
        identity = copying.names(keys)
        cursor.execute(
            f"INSERT INTO {self.schema}.{table} AS old SELECT * FROM {source} ON CONFLICT ({identity}) DO UPDATE"
            " SET minutes = old.minutes + EXCLUDED.minutes, entries = old.entries + EXCLUDED.entries",
            arrays,
        )
        if any(values[1] < 0 for values in sums.values()):
            # Headings that nothing stands under any more: a rebuild would not have them either.
            cursor.execute(f"DELETE FROM {self.schema}.{table} WHERE entries = 0")


def _add(deltas: Deltas, entry: Entry, contested: bool, sign: int) -> None:
    state = state_of(entry, contested)
    sums = deltas[entry.volunteer, entry.issuer, entry.day, entry.category, state, not entry.origin]
    sums[0] += sign * entry.minutes
    sums[1] += sign
