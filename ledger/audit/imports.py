"""Audit of what a ledger received: every import proven, every event that rests on one, every place in a record.

The keys of other logs are those that the log itself recognises: `region.peer_recognised/1`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET

from ledger.crypto.encoding import decode_base64url, encode_base64url
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.errors import LedgerError, Untrusted
from ledger.events.body import AnyEvent
from ledger.events.fields import Event, type_name
from ledger.events.peers import EntryReceived, PeerRecognised
from ledger.events.registration import RegionEstablished
from ledger.events.transfer import (
    Cited,
    Decision,
    RecoveryAnnounced,
    RecoveryAnswered,
    TransferAccepted,
    TransferCancelled,
    TransferClosed,
)
from ledger.evidence.evidence import LEARNED, Checker, Evidence
from ledger.store.exchange import imports, records
from ledger.store.exchange.imports import StoredImport
from ledger.store.postgres.database import Cursor
from ledger.tlog import merkle
from ledger.tlog.checkpoint import open_checkpoint

_PAGE: Final = 1_000
CITING: Final = frozenset(
    {
        "entry.received/1",
        "transfer.accepted/1",
        "transfer.rejected/1",
        "transfer.expired/1",
        "transfer.closed/1",
        "transfer.cancelled/1",
        "recovery.announced/1",
        "recovery.answered/1",
    }
)
"""Types of the region's events that rest on an event of another ledger."""

Tell = Callable[[str, int | None, str | None], None]
"""Takes a finding: its detail, then position and id of the event of this log that it concerns, if any."""


def cited_by(event: Event) -> Cited | None:
    """The event that an event rests on, by its name."""
    match event:
        case EntryReceived():
            return event.event
        case Decision() | RecoveryAnnounced():
            return event.basis
        case TransferClosed() | TransferCancelled():
            return None if event.outcome is UNSET else event.outcome
        case RecoveryAnswered():
            return event.announcement
    return None


def _sender(event: AnyEvent) -> str | None:
    """The sender that an event names, if it names one; the record of a lost home may come from anybody."""
    if isinstance(event, EntryReceived):
        return event.sender
    if isinstance(event, Decision) and getattr(event, "recovery", UNSET) is UNSET:
        return event.home
    return None


def _entry_of(cited: Cited) -> bytes:
    return decode_base64url(cited.entry)


@dataclass(frozen=True, slots=True)
class _Citing:
    position: int
    event: AnyEvent
    cited: Cited


@dataclass(slots=True)
class ImportsAudit:
    """Follows the log of schema `schema` event by event, then goes through the imports; `tell` takes what is wrong.

    The log of `origin` is read a page at a time, and so are the imports; a record that arrived is read whole.
    """

    cursor: Cursor
    schema: str
    origin: str
    tell: Tell
    imported: int = 0
    erased: int = 0
    """Imports whose body is gone: of these, only the entry is proven."""
    _keys: dict[str, list[VerifyingKey]] = field(default_factory=dict)
    _waiting: list[_Citing] = field(default_factory=list)
    _receipts: int = 0

    # -- following the log ----------------------------------------------------------------------------

    def follow(self, position: int, event: AnyEvent) -> None:
        """Take in what an event says of peers, or rests on."""
        if isinstance(event, PeerRecognised):
            self._keys.setdefault(event.peer_origin, []).append(parse_vkey(event.log_key))
        elif isinstance(event, RegionEstablished):
            self._keys[event.origin] = [parse_vkey(event.log_key)]
        elif (cited := cited_by(event)) is not None:
            self._waiting.append(_Citing(position, event, cited))
            if len(self._waiting) >= _PAGE:
                self._settle()

    def finish(self) -> None:
        """Check the imports, which needs all keys of the log, and the number of places."""
        self._settle()
        receipts = imports.count_places(self.cursor, self.schema)
        if receipts != self._receipts:
            self.tell(f"{receipts} events have a place by receipts, {self._receipts} were received", None, None)
        checker = Checker(lambda origin: self._keys.get(origin, []))
        for row in self._stored():
            self._check(row, checker)

    # -- what the region's events rest on ---------------------------------------------------------------

    def _settle(self) -> None:
        """Check that every cited event is there, with that entry, and has the place that the citing event gave it."""
        waiting, self._waiting = self._waiting, []
        names = {(citing.cited.origin, citing.cited.position) for citing in waiting}
        entries = imports.entries(self.cursor, self.schema, self.origin, names)
        for citing in waiting:
            name = (citing.cited.origin, citing.cited.position)
            if entries.get(name) != _entry_of(citing.cited):
                self._tell(citing, f"rests on position {name[1]} of {name[0]}, which is not among the imports")
        self._check_senders(waiting)
        received = [citing for citing in waiting if isinstance(citing.event, EntryReceived)]
        places = imports.places(self.cursor, self.schema, self.origin, [citing.position for citing in received])
        for citing in received:
            self._receipts += 1
            if places.get(citing.position) != [(citing.cited.origin, citing.cited.position)]:
                self._tell(citing, "the receipts do not say what it received")
        for citing in waiting:
            if isinstance(citing.event, TransferAccepted):
                self._check_arrival(citing, citing.event)

    def _check_senders(self, waiting: Sequence[_Citing]) -> None:
        """Check that the imports of an event name the sender that the event names."""
        said = {
            citing.position: (citing, sender) for citing in waiting if (sender := _sender(citing.event)) is not None
        }
        for at, sender in imports.senders(self.cursor, self.schema, said):
            citing, expected = said[at]
            if sender != expected:
                self._tell(citing, f"came from {expected}, and imports of it from {sender!r:.80}")

    def _check_arrival(self, citing: _Citing, event: TransferAccepted) -> None:
        """Check that the accepted record arrived, and that events known here before and not in it come behind it."""
        received = imports.places(self.cursor, self.schema, self.origin, [citing.position]).get(citing.position, [])
        self._receipts += len(received)
        entries = imports.entries(self.cursor, self.schema, self.origin, set(received))
        if len(entries) < len(set(received)):
            self._tell(citing, "the receipts name events that are not there")
            return
        root = merkle.entries_root(entries[name] for name in received[: event.events])
        if len(received) < event.events or encode_base64url(root) != event.root:
            self._tell(citing, "the record that was received has not the number or the root that was accepted")
        listed = set(received[: event.events])
        ids = [event.volunteer, *event.aliases]
        kept = records.record(self.cursor, self.schema, ids, citing.position)
        names_kept = [(event.origin or self.origin, event.position) for event in kept]
        beyond = [name for name in names_kept if name not in listed]
        if received[event.events :] != beyond:
            self._tell(citing, "behind the record that arrived stands something else than was known before")

    def _tell(self, citing: _Citing, detail: str) -> None:
        self.tell(detail, citing.position, citing.event.id)

    # -- imports ----------------------------------------------------------------------------------------

    def _stored(self) -> Iterator[StoredImport]:
        """Every import, a page at a time; those that tell of keys and names first, by origin and position."""
        name: imports.Name = ("", -1)
        while page := imports.read_of(self.cursor, self.schema, LEARNED, name, _PAGE):
            yield from page
            name = page[-1].origin, page[-1].position
        number = 0
        while page := imports.read_others(self.cursor, self.schema, LEARNED, number, _PAGE):
            yield from page
            number = page[-1].number

    def _check(self, row: StoredImport, checker: Checker) -> None:
        self.imported += 1
        try:
            if row.origin == self.origin:
                raise Untrusted("an event of this very log is no import")
            if row.received_by not in CITING:
                raise Untrusted(f"no event at {row.at} received anything")
            if row.body is None:
                self.erased += 1
                self._check_entry(row)
            else:
                self._check_whole(row, row.evidence(row.body), checker)
        except LedgerError as error:
            place = f"import {row.number}, position {row.position} of {row.origin!r:.80}"
            self.tell(f"{place}: {error.detail}", None, row.event_id)

    def _check_whole(self, row: StoredImport, item: Evidence, checker: Checker) -> None:
        [foreign] = checker.learn([item]) if row.topic in LEARNED else [checker.check(item)]
        event = foreign.event
        derived = (event.id, imports.about(event), type_name(event), event.issuer, foreign.key_id, foreign.entry)
        if derived != (row.event_id, row.stream, row.topic, row.issuer, row.key_id, bytes(row.entry)):
            raise Untrusted("the columns say other than the body")

    def _check_entry(self, row: StoredImport) -> None:
        """Check all that is left of an event that was erased: its entry, in a tree that its log signed."""
        item = row.evidence(b"")
        error: LedgerError = Untrusted("the origin is not recognised")
        for key in self._keys.get(row.origin, []):
            try:
                tree = open_checkpoint(item.checkpoint, key)
            except LedgerError as refused:
                error = refused
                continue
            leaf = merkle.leaf_hash(bytes(row.entry))
            merkle.check_inclusion(leaf, item.position, tree.size, item.log_path, tree.root)
            return
        raise error
