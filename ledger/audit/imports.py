"""Audit of what a ledger received: every import proven, every event that rests on one, every place in a record.

Whom to believe is what the log itself says: the keys of logs in `region.peer_recognised/1`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET

from ledger.crypto.keys import VerifyingKey, decode_base64url, encode_base64url, parse_vkey
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
from ledger.store.exchange import imports
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
"""Takes a finding: what is wrong, and with which event of this log, by position and id, if with one."""


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
    """Who sent what an event rests on, if it says so; the record of a lost home may come from anybody."""
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
        """Check what has to wait until the log is read."""
        self._settle()
        self.cursor.execute(f"SELECT count(*) FROM {self.schema}.receipts")
        ((receipts,),) = self.cursor.fetchall()
        if receipts != self._receipts:
            self.tell(f"{receipts} events have a place by receipts, {self._receipts} were received", None, None)
        checker = Checker(lambda origin: self._keys.get(origin, []))
        for row in self._rows("(i.origin, i.position) > (%s, %s)", ("", -1), "i.origin, i.position", learned=True):
            self._check(row, checker)
        for row in self._rows("i.number > %s", (0,), "i.number", learned=False):
            self._check(row, checker)

    # -- what the region's events rest on ---------------------------------------------------------------

    def _settle(self) -> None:
        """What was cited is there, with that entry, and has the place that the event gave it."""
        waiting, self._waiting = self._waiting, []
        names = {(one.cited.origin, one.cited.position) for one in waiting}
        entries = self._entries(names)
        for one in waiting:
            name = (one.cited.origin, one.cited.position)
            if entries.get(name) != _entry_of(one.cited):
                self._tell(one, f"rests on position {name[1]} of {name[0]}, which is not among the imports")
        self._check_senders(waiting)
        received = [one for one in waiting if isinstance(one.event, EntryReceived)]
        places = self._places([one.position for one in received])
        for one in received:
            self._receipts += 1
            if places.get(one.position) != [(one.cited.origin, one.cited.position)]:
                self._tell(one, "the receipts do not say what it received")
        for one in waiting:
            if isinstance(one.event, TransferAccepted):
                self._check_arrival(one, one.event)

    def _check_senders(self, waiting: Sequence[_Citing]) -> None:
        """What came with an event is said to come from whom the event says it came from."""
        said = {one.position: (one, sender) for one in waiting if (sender := _sender(one.event)) is not None}
        self.cursor.execute(f"SELECT DISTINCT at, sender FROM {self.schema}.imports WHERE at = ANY(%s)", ([*said],))
        for at, sender in self.cursor.fetchall():
            one, expected = said[at]
            if sender != expected:
                self._tell(one, f"came from {expected}, and imports of it from {sender!r:.80}")

    def _check_arrival(self, one: _Citing, event: TransferAccepted) -> None:
        """The record that arrived is the one that was accepted; what was known here beyond it comes behind it."""
        found = self._places([one.position]).get(one.position, [])
        self._receipts += len(found)
        entries = self._entries(set(found))
        if len(entries) < len(set(found)):
            self._tell(one, "the receipts name events that are not there")
            return
        root = merkle.entries_root(entries[name] for name in found[: event.events])
        if len(found) < event.events or encode_base64url(root) != event.root:
            self._tell(one, "the record that was received has not the number or the root that was accepted")
        listed = set(found[: event.events])
        ids = [event.volunteer, *event.aliases]
        kept = imports.record(self.cursor, self.schema, ids, one.position)
        beyond = [name for kept_one in kept if (name := self._name(kept_one.origin, kept_one.position)) not in listed]
        if found[event.events :] != beyond:
            self._tell(one, "behind the record that arrived stands something else than was known before")

    def _entries(self, names: set[imports.Name]) -> dict[imports.Name, bytes]:
        """The log entries of events by origin and position, those of this log among them."""
        own = [position for origin, position in names if origin == self.origin]
        self.cursor.execute(
            f"SELECT %(origin)s, position, entry FROM {self.schema}.events WHERE position = ANY(%(own)s)"
            f" UNION ALL SELECT i.origin, i.position, i.entry FROM {self.schema}.imports i"
            " JOIN unnest(%(origins)s::text[], %(positions)s::bigint[]) n (origin, position) USING (origin, position)",
            {
                "origin": self.origin,
                "own": own,
                "origins": [origin for origin, _ in names],
                "positions": [position for _, position in names],
            },
        )
        return {(origin, position): bytes(entry) for origin, position, entry in self.cursor}

    def _places(self, positions: Sequence[int]) -> dict[int, list[imports.Name]]:
        self.cursor.execute(
            f"SELECT at, origin, position FROM {self.schema}.receipts WHERE at = ANY(%s) ORDER BY at, turn",
            (list(positions),),
        )
        found: dict[int, list[imports.Name]] = {}
        for at, origin, position in self.cursor:
            found.setdefault(at, []).append(self._name(origin, position))
        return found

    def _name(self, origin: str, position: int) -> imports.Name:
        return origin or self.origin, position

    def _tell(self, one: _Citing, detail: str) -> None:
        self.tell(detail, one.position, one.event.id)

    # -- imports ----------------------------------------------------------------------------------------

    def _rows(self, after: str, first: tuple[object, ...], order: str, *, learned: bool) -> Iterator[_Row]:
        """Page after page, each behind the last row of the one before."""
        last = first
        topics = "= ANY" if learned else "<> ALL"
        while True:
            self.cursor.execute(
                f"SELECT {_COLUMNS} FROM {self.schema}.imports i JOIN {self.schema}.texts n ON n.digest = i.note"
                f" JOIN {self.schema}.texts c ON c.digest = i.checkpoint"
                f" LEFT JOIN {self.schema}.events e ON e.position = i.at"
                f" WHERE i.topic {topics} (%s) AND {after} ORDER BY {order} LIMIT {_PAGE}",
                (list(LEARNED), *last),
            )
            page = [_Row(*row) for row in self.cursor.fetchall()]
            yield from page
            if len(page) < _PAGE:
                return
            last = (page[-1].origin, page[-1].position) if learned else (page[-1].number,)

    def _check(self, row: _Row, checker: Checker) -> None:
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

    def _check_whole(self, row: _Row, item: Evidence, checker: Checker) -> None:
        [foreign] = checker.learn([item]) if row.topic in LEARNED else [checker.check(item)]
        event = foreign.event
        derived = (event.id, imports.about(event), type_name(event), event.issuer, foreign.key_id, foreign.entry)
        if derived != (row.event_id, row.stream, row.topic, row.issuer, row.key_id, bytes(row.entry)):
            raise Untrusted("the columns say other than the body")

    def _check_entry(self, row: _Row) -> None:
        """What is left of an event that was erased: its entry, in a tree that its log signed."""
        item = row.evidence(b"")
        error: LedgerError = Untrusted("the origin is not recognised")
        for key in self._keys.get(row.origin, []):
            try:
                tree = open_checkpoint(item.checkpoint, key)
            except LedgerError as found:
                error = found
                continue
            leaf = merkle.leaf_hash(bytes(row.entry))
            merkle.check_inclusion(leaf, item.position, tree.size, item.log_path, tree.root)
            return
        raise error


_COLUMNS: Final = (
    "i.number, i.origin, i.position, i.entry, i.event_id::text, i.stream, i.topic, i.issuer, i.key_id, i.body, i.at,"
    " e.topic, n.text, i.index, i.note_path, i.log_path, c.text"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """An import as it is stored, with the type of the event that received it."""

    number: int
    origin: str
    position: int
    entry: bytes
    event_id: str
    stream: str
    topic: str
    issuer: str
    key_id: str
    body: bytes | None
    at: int
    received_by: str | None
    note: str
    index: int
    note_path: bytes
    log_path: bytes
    checkpoint: str

    def evidence(self, body: bytes) -> Evidence:
        """What proves it; raise Invalid for columns that cannot."""
        return Evidence(
            origin=self.origin,
            position=self.position,
            recorded_at=int.from_bytes(bytes(self.entry)[32:], "big"),
            body=bytes(body),
            note=self.note,
            index=self.index,
            note_path=imports.hashes(bytes(self.note_path)),
            log_path=imports.hashes(bytes(self.log_path)),
            checkpoint=self.checkpoint,
        )
