"""A person's record: its events in order, the sums of its entries, and the key events that check them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ledger.app.arrivals import as_arrived
from ledger.crypto.encoding import encode_base64url
from ledger.domain.record import sums_of
from ledger.events.body import issuer_of
from ledger.events.transfer import StateSum
from ledger.evidence.evidence import LEARNED, Evidence
from ledger.evidence.form import Listed
from ledger.store import log
from ledger.store.exchange import imports, records
from ledger.store.exchange.prover import Prover
from ledger.store.postgres.database import Cursor
from ledger.tlog import merkle

_PAGE = 1024
"""Events whose evidence is in memory together."""

Row: TypeAlias = log.StoredRow


def root_of(entries: Iterable[bytes]) -> str:
    """The RFC 6962 root over log entries, as a body states it."""
    return encode_base64url(merkle.entries_root(entries))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A person's record as a ledger knew it before position `size`."""

    ids: tuple[str, ...]
    """The id it goes by here, then the aliases."""
    size: int
    kept: tuple[records.Kept, ...]
    sums: tuple[StateSum, ...]

    @property
    def root(self) -> str:
        """Root over its log entries in record order."""
        return root_of(event.entry for event in self.kept)

    @property
    def entries(self) -> int:
        """Hours entries."""
        return sum(item.entries for item in self.sums)

    @property
    def minutes(self) -> int:
        """Minutes of all entries, in whatever state."""
        return sum(item.minutes for item in self.sums)

    def signed_by(self, origin: str, region: str) -> set[tuple[str, str]]:
        """(origin, issuer) of everyone whose keys are needed: the signers of its events, the person, and the region.

        `origin` is that of the region's ledger.
        """
        signers = {(event.origin or origin, issuer_of(event.body)) for event in self.kept}
        return signers | {(origin, name) for name in (*self.ids, f"region:{region}")}

    def listed(self, origin: str) -> list[Listed]:
        """The names of its events; `origin` is that of the ledger that keeps it."""
        return [
            Listed(origin=event.origin or origin, position=event.position, entry=encode_base64url(event.entry))
            for event in self.kept
        ]


def collect_all(cursor: Cursor, schema: str, origin: str, volunteer: str, size: int) -> Record:
    """The record of a person under all their ids; `volunteer` is the one by which it goes here."""
    return collect(cursor, schema, origin, [volunteer, *records.aliases(cursor, schema, volunteer)], size)


def collect(cursor: Cursor, schema: str, origin: str, ids: Sequence[str], size: int) -> Record:
    """The record of a person, by all their ids, the one that it goes by first."""
    kept = records.record(cursor, schema, ids, size)
    sums = sums_of([as_arrived(event) for event in kept], ids, origin)
    return Record(ids=tuple(ids), size=size, kept=tuple(kept), sums=sums)


# -- evidence -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proofs:
    """Gives the evidence of events: of own ones by the checkpoint, of foreign ones as it came with them."""

    cursor: Cursor
    schema: str
    origin: str
    prover: Prover

    def of(self, kept: Sequence[records.Kept]) -> Iterator[Evidence]:
        """The evidence of events of a record, in order, a page at a time; raise what `named` raises."""
        for at in range(0, len(kept), _PAGE):
            yield from self.named([(event.origin or self.origin, event.position) for event in kept[at : at + _PAGE]])

    def named(self, names: Sequence[imports.Name]) -> list[Evidence]:
        """The evidence of events by origin and position; raise NotYet when the checkpoint does not cover one."""
        own = sorted({position for origin, position in names if origin == self.origin})
        rows = log.read_positions(self.cursor, self.schema, own)
        evidence = {(item.origin, item.position): item for item in self.prover.prove(rows)}
        foreign = {name for name in names if name[0] != self.origin}
        if foreign:
            evidence |= imports.evidence(self.cursor, self.schema, foreign)
        return [evidence[name] for name in names]

    def support(self, signers: Iterable[tuple[str, str]], size: int) -> list[Evidence]:
        """Every event before `size` about the keys and names of these, each (origin, issuer); and of who signed those.

        By origin and position.
        """
        signed = set(signers)
        own = {issuer for origin, issuer in signed if origin == self.origin}
        foreign = {item for item in signed if item[0] != self.origin}
        rows = _own_support(self.cursor, self.schema, own, size) if own else []
        items = [*self.prover.prove(rows), *imported_support(self.cursor, self.schema, foreign)]
        return sorted(items, key=lambda item: (item.origin, item.position))


def signers(items: Iterable[Evidence]) -> set[tuple[str, str]]:
    """(origin, issuer) of everyone who signed one of these events."""
    return {(item.origin, issuer_of(item.body)) for item in items}


def _own_support(cursor: Cursor, schema: str, issuers: set[str], size: int) -> list[Row]:
    """Events of this log about the keys and names of these, and of who signed those."""
    asked: set[str] = set()
    rows: dict[int, Row] = {}
    while wanted := issuers - asked:
        for row in records.key_events(cursor, schema, sorted(wanted), LEARNED, size):
            rows[row.position] = row
            issuers.add(issuer_of(row.body or b""))
        asked |= wanted
    return [rows[position] for position in sorted(rows)]


def imported_support(cursor: Cursor, schema: str, signed: set[tuple[str, str]]) -> list[Evidence]:
    """Imported events about the keys and names of these, each (origin, issuer), and of who signed those."""
    asked: set[tuple[str, str]] = set()
    items: dict[imports.Name, Evidence] = {}
    while wanted := signed - asked:
        for item in imports.support(cursor, schema, wanted, LEARNED):
            items[item.origin, item.position] = item
        asked |= wanted
        signed = signed | signers(items.values())
    return list(items.values())
