"""Decision state in tables: the records of `ledger.domain.state`, loaded for a batch and saved after it.

The same functions serve every schema that holds such tables, so that a projection can keep its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import astuple

from ledger.domain.state import (
    Activity,
    Claim,
    CredentialKeyRecord,
    Entry,
    Identity,
    KeyRecord,
    Need,
    Organisation,
    Peer,
    Proof,
    Receipt,
    Record,
    Region,
    State,
    Transfer,
    Unit,
    Volunteer,
)
from ledger.limits import ENTRY_MINUTES_MAX
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT, BOOLEAN, DATE, LABEL, TEXT, UUID, VOLUNTEER
from ledger.store.postgres.database import Cursor


@dataclass(frozen=True, slots=True)
class Table:
    """Where records of a kind lie; columns are the record's fields, in order."""

    name: str
    columns: copying.Columns


def _table(kind: type[Record], name: str, **special: copying.Type) -> Table:
    """A table whose columns are text unless said otherwise."""
    return Table(name, {field: special.get(field, TEXT) for field in kind.__struct_fields__})


TABLES: Final[dict[type[Record], Table]] = {
    Region: _table(Region, "region", closed=BIGINT.or_null()),
    CredentialKeyRecord: _table(CredentialKeyRecord, "credential_keys", added=BIGINT, revoked=BIGINT.or_null()),
    Proof: _table(
        Proof,
        "proofs",
        id=UUID,
        position=BIGINT,
        index=BIGINT,
        revoked=BIGINT.or_null(),
        reason=TEXT.or_null(),
        replaced_by=UUID.or_null(),
    ),
    KeyRecord: _table(KeyRecord, "keys", added=BIGINT, revoked=BIGINT.or_null()),
    Organisation: _table(Organisation, "organisations", successor=TEXT.or_null()),
    Volunteer: _table(
        Volunteer,
        "volunteers",
        id=VOLUNTEER,
        verifier=TEXT.or_null(),
        home=LABEL.or_null(),
        epoch=BIGINT,
        transfer=UUID.or_null(),
        alias_of=VOLUNTEER.or_null(),
    ),
    Peer: _table(Peer, "peers", added=BIGINT, dismissed=BIGINT.or_null()),
    Transfer: _table(
        Transfer,
        "transfers",
        id=UUID,
        outgoing=BOOLEAN,
        volunteer=VOLUNTEER,
        opened=BIGINT,
        decided=BIGINT,
        epoch=BIGINT,
        size=BIGINT,
        expires=BIGINT,
        quorum=BIGINT,
    ),
    Receipt: _table(Receipt, "receipts", at=BIGINT, turn=BIGINT, origin=LABEL, position=BIGINT),
    Unit: _table(Unit, "units"),
    Activity: _table(Activity, "activities", id=UUID, start=BIGINT, end=BIGINT),
    Claim: _table(Claim, "claims"),
    Entry: _table(
        Entry,
        "entries",
        id=UUID,
        position=BIGINT,
        version=BIGINT,
        volunteer=VOLUNTEER,
        issuer=LABEL,
        signer=LABEL,
        key_id=LABEL,
        activity=UUID,
        category=LABEL,
        evidence=LABEL,
        day=DATE,
        start=BIGINT,
        end=BIGINT,
        minutes=BIGINT,
        rank=BIGINT,
        approved=BOOLEAN,
        disputed_by=LABEL.or_null(),
        withdrawn=BOOLEAN,
        origin=LABEL,
        turn=BIGINT,
    ),
}


def load(cursor: Cursor, schema: str, needs: Iterable[Need], state: State) -> None:
    """Put every needed record into `state`: a query a kind and way of asking, however many events need it."""
    identities: dict[type[Record], set[Identity]] = defaultdict(set)
    groups: dict[type[Record], set[str]] = defaultdict(set)
    spans: set[tuple[str, int, int]] = set()
    for need in needs:
        if need.span:
            spans.add((need.group, *need.span))
        elif need.group:
            groups[need.kind].add(need.group)
        elif need.signed_by:
            condition = "signer = %s AND key_id = %s AND version >= %s AND version >= 0"
            _fetch(cursor, schema, need.kind, condition, need.signed_by, state)
        elif need.cited:
            _fetch(cursor, schema, need.kind, "origin = %s AND position = %s", need.cited, state)
        else:
            identities[need.kind].add(need.identity)
    for kind, wanted in identities.items():
        _by_identity(cursor, schema, kind, wanted, state)
    for kind, names in groups.items():
        assert kind.GROUP is not None
        column = TABLES[kind].columns[kind.GROUP]
        condition = f"{kind.GROUP} = ANY(%s::{column.sql}[])"
        _fetch(cursor, schema, kind, condition, ([column.bind(name) for name in names],), state)
    if spans:
        _overlapping(cursor, schema, sorted(spans), state)


def _by_identity(cursor: Cursor, schema: str, kind: type[Record], wanted: Iterable[Identity], state: State) -> None:
    columns = {name: TABLES[kind].columns[name] for name in kind.IDENTITY}
    rows = [identity if isinstance(identity, tuple) else (identity,) for identity in wanted]
    call, values = copying.arrays(columns, rows)
    names = copying.names(columns)
    _fetch(cursor, schema, kind, f"({names}) IN (SELECT * FROM {call})", values, state)


def _overlapping(cursor: Cursor, schema: str, spans: Sequence[tuple[str, int, int]], state: State) -> None:
    """Entries that share time with a span of the same volunteer; bounded, as no entry is longer than the limit."""
    call, values = copying.arrays({"volunteer": VOLUNTEER, "low": BIGINT, "high": BIGINT}, spans)
    condition = (
        f"(t.id, t.origin) IN (SELECT e.id, e.origin FROM {call} AS s (volunteer, low, high) JOIN {schema}.entries e"
        f" ON e.volunteer = s.volunteer AND e.start < s.high AND e.start > s.low - {ENTRY_MINUTES_MAX * 60}"
        ' WHERE e."end" > s.low)'
    )
    _fetch(cursor, schema, Entry, condition, values, state)


def _fetch(
    cursor: Cursor, schema: str, kind: type[Record], condition: str, values: Sequence[Any], state: State
) -> None:
    table = TABLES[kind]
    columns = copying.selection(table.columns, "t")
    cursor.execute(f"SELECT {columns} FROM {schema}.{table.name} t WHERE {condition}", values)
    fields = kind.__struct_fields__
    for row in cursor:
        state.load(kind(**dict(zip(fields, row, strict=True))))


def save(cursor: Cursor, schema: str, changes: Sequence[tuple[Record | None, Record]]) -> None:
    """Write records from (before, after): those with no before are inserted, the others replaced."""
    for kind, rows in _by_kind(after for before, after in changes if before is None).items():
        copying.copy(cursor, f"{schema}.{TABLES[kind].name}", TABLES[kind].columns, rows)
    for kind, rows in _by_kind(after for before, after in changes if before is not None).items():
        copying.update(cursor, f"{schema}.{TABLES[kind].name}", TABLES[kind].columns, kind.IDENTITY, rows)


def _by_kind(records: Iterable[Record]) -> dict[type[Record], list[tuple[Any, ...]]]:
    rows: dict[type[Record], list[tuple[Any, ...]]] = defaultdict(list)
    for record in records:
        rows[type(record)].append(astuple(record))
    return rows
