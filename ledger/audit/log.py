"""Audit: from bodies to entries, tree and checkpoint, every signature under the key valid at its position.

It believes nothing that is stored twice: every column that repeats a body is derived again from the body.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec

from ledger.app.ledger import Ledger
from ledger.audit.imports import CITING, ImportsAudit
from ledger.audit.report import FINDINGS_MAX, Finding, Report
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.errors import LedgerError, NotFound
from ledger.events import submission
from ledger.events.body import KEY_TYPES, decode_event
from ledger.events.registration import RegionEstablished, Revocation
from ledger.events.transfer import TransferAccepted
from ledger.store import log, tiles
from ledger.store.postgres.database import Cursor
from ledger.tlog import merkle
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.entries import commitment_to

_PAGE = 5_000


class _Envelope(msgspec.Struct):
    """The members of a body that columns repeat; the rest is not looked at again."""

    id: str
    type: str
    issuer: str
    ledger: str
    subject: str


class _TooMany(Exception):
    pass


def audit(cursor: Cursor, schema: str, region: str, origin: str, signed: Checkpoint | None = None) -> Report:
    """Check a whole log as the cursor's transaction sees it. `signed` is the last checkpoint published."""
    return _Audit(cursor, schema, region, origin, signed).run()


def audit_published(cursor: Cursor, schema: str, region: str, origin: str, note: str | None) -> Report:
    """The same against a published checkpoint, which the log key that the region established must have signed."""
    signed, problem = None, None
    try:
        signed = _open_published(cursor, schema, note)
    except LedgerError as error:
        problem = Finding(None, None, f"the last checkpoint: {error.detail}")
    report = audit(cursor, schema, region, origin, signed)
    if problem is not None:
        report.findings.append(problem)
    return report


def audit_ledger(ledger: Ledger, note: str | None) -> Report:
    """The same of a whole ledger, in a snapshot of its own."""
    with ledger.database.read() as cursor:
        return audit_published(cursor, ledger.schema, ledger.region, ledger.origin, note)


def _open_published(cursor: Cursor, schema: str, note: str | None) -> Checkpoint:
    if note is None:
        raise NotFound("is missing")
    rows = log.read_events(cursor, schema, 0, 1)
    first = decode_event(rows[0].body) if rows and rows[0].body else None
    if not isinstance(first, RegionEstablished):
        raise NotFound("no event establishes the region, so nothing says who signs")
    return open_checkpoint(note, parse_vkey(first.log_key))


class _Audit:
    def __init__(self, cursor: Cursor, schema: str, region: str, origin: str, signed: Checkpoint | None) -> None:
        self._cursor = cursor
        self._schema = schema
        self._region = region
        self._origin = origin
        self._signed = signed
        self._report = Report()
        self._size = 0
        self._next = 0
        self._frontier: merkle.Frontier = ()
        self._nodes: dict[tuple[int, int], list[bytes]] = {}
        self._clock = 0
        self._keys: dict[tuple[str, str], VerifyingKey] = {}
        self._known: set[bytes] = set()
        """Every public key that somebody ever had here: it is nobody's again."""
        self._imports = ImportsAudit(cursor, schema, origin, self._told)
        self._decoder = msgspec.json.Decoder(_Envelope)

    def run(self) -> Report:
        try:
            head = log.read_head(self._cursor, self._schema)
            for note, rows in self._submissions():
                self._check_submission(note, rows)
            self._check_end(head)
            self._imports.finish()
        except _TooMany:
            pass
        except LedgerError as error:
            self._report.findings.append(Finding(None, None, error.detail))
        self._report.events = self._size
        self._report.root = merkle.root(self._frontier)
        self._report.imports, self._report.erased = self._imports.imported, self._imports.erased
        return self._report

    def _found(self, detail: str, row: log.StoredRow | None = None) -> None:
        self._told(detail, row.position if row else None, row.event_id if row else None)

    def _told(self, detail: str, position: int | None, event_id: str | None) -> None:
        self._report.findings.append(Finding(position, event_id, detail))
        if len(self._report.findings) >= FINDINGS_MAX:
            raise _TooMany

    # -- reading ------------------------------------------------------------------------------------

    def _submissions(self) -> Iterator[tuple[log.StoredSubmission | None, list[log.StoredRow]]]:
        """Each submission with its events; events that none covers come with None."""
        rows = self._rows()
        waiting = next(rows, None)
        for stored in self._notes():
            first, count = stored.first, stored.count
            stray = []
            while waiting is not None and waiting.position < first:
                stray.append(waiting)
                waiting = next(rows, None)
            if stray:
                yield None, stray
            covered = []
            while waiting is not None and waiting.position < first + count:
                covered.append(waiting)
                waiting = next(rows, None)
            yield stored, covered
        stray = [] if waiting is None else [waiting, *rows]
        if stray:
            yield None, stray

    def _rows(self) -> Iterator[log.StoredRow]:
        first = -1
        while page := log.read_events(self._cursor, self._schema, first, _PAGE):
            yield from page
            first = page[-1].position + 1

    def _notes(self) -> Iterator[log.StoredSubmission]:
        after = -1
        while page := log.read_submissions(self._cursor, self._schema, after, _PAGE):
            yield from page
            after = page[-1].first

    # -- checking -----------------------------------------------------------------------------------

    def _check_submission(self, stored: log.StoredSubmission | None, rows: list[log.StoredRow]) -> None:
        """Events in order, then the note over them. Key events take effect one by one."""
        if stored is None:
            self._found("the event belongs to no submission", rows[0])
        before = len(self._report.findings)
        commitments, issuers = [], set()
        key = self._note_key(stored, rows) if stored else None
        for row in rows:
            commitments.append(commitment_to(row.body or b""))
            if envelope := self._check_row(row, commitments[-1]):
                issuers.add(envelope.issuer)
                self._follow(row, envelope)
        sound = len(self._report.findings) == before
        self._grow(rows)
        if stored and sound:
            # Only over events that hold: otherwise the note would accuse all of what one of them did.
            self._check_note(stored, rows, commitments, issuers, key)

    def _check_row(self, row: log.StoredRow, commitment: bytes) -> _Envelope | None:
        if row.position != self._next:
            self._found(f"positions are not gap-free: {self._next} expected", row)
        self._next = row.position + 1
        if row.body is None or commitment != row.entry[:32]:
            self._found("the body is not the one that the log entry commits to", row)
            return None
        if len(row.entry) != 40 or row.recorded_at < self._clock:
            self._found("recorded_at is malformed or goes back", row)
        self._clock = max(self._clock, row.recorded_at)
        try:
            envelope = self._decoder.decode(row.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._found("the body is not an event", row)
            return None
        derived = (envelope.id, envelope.subject, envelope.type, row.position + 1)
        if derived != (row.event_id, row.stream, row.topic, row.version):
            self._found("the columns say other than the body", row)
        if envelope.ledger != self._region:
            self._found(f"the event is addressed to the ledger {envelope.ledger!r:.20}", row)
        return envelope

    def _grow(self, rows: list[log.StoredRow]) -> None:
        for part in self._parts(rows):
            leaves = (merkle.leaf_hash(row.entry) for row in part)
            self._size, self._frontier, nodes = merkle.append(self._size, self._frontier, leaves)
            for place, hashes in nodes.items():
                self._nodes.setdefault(place, []).extend(hashes)
            self._check_signed()
        self._check_tiles(complete_only=True)
        self._report.submissions += 1

    def _parts(self, rows: list[log.StoredRow]) -> Iterator[list[log.StoredRow]]:
        """The rows, cut where the signed checkpoint ends, so that its root can be compared."""
        cut = self._signed.size - self._size if self._signed else 0
        if 0 < cut < len(rows):
            yield rows[:cut]
            yield rows[cut:]
        else:
            yield rows

    def _check_signed(self) -> None:
        if self._signed and self._size == self._signed.size and merkle.root(self._frontier) != self._signed.root:
            self._found(f"the first {self._size} entries are not those that the checkpoint signed")

    def _check_tiles(self, *, complete_only: bool) -> None:
        """Stored tiles are what the entries come to; those that are complete are checked as soon as they are."""
        ready = [
            place for place, hashes in self._nodes.items() if len(hashes) == merkle.TILE_WIDTH or not complete_only
        ]
        for level, index in ready:
            hashes = b"".join(self._nodes.pop((level, index)))
            if not tiles.is_stored(self._cursor, self._schema, level, index, hashes):
                self._found(f"tile {level}/{index} is not what the entries come to")

    def _note_key(self, stored: log.StoredSubmission, rows: list[log.StoredRow]) -> VerifyingKey | None:
        """The key of the note's signature as valid at the submission's first position."""
        try:
            note = submission.read_note(stored.note)
        except LedgerError:
            return None
        if rows and rows[0].topic in _SELF_KEYED and rows[0].body:
            with contextlib.suppress(LedgerError):  # a body that is no event is told of by itself
                own = submission.own_key(decode_event(rows[0].body), note.issuer, note.key_id)
                if own is not None:
                    return own
        return self._keys.get((note.issuer, note.key_id))

    def _follow(self, row: log.StoredRow, envelope: _Envelope) -> None:
        """Take in what an event says of keys and of other ledgers."""
        if envelope.type not in _FOLLOWED or row.body is None:
            return
        try:
            event = decode_event(row.body)
        except LedgerError as error:
            self._found(f"the body is not an event: {error.detail}", row)
            return
        self._imports.follow(row.position, event)
        if isinstance(event, Revocation):
            self._keys.pop((event.subject, event.key_id), None)
        elif isinstance(event, TransferAccepted):
            for text in event.keys:
                # One that somebody had here before stays what it was: valid, or revoked.
                if parse_vkey(text).public not in self._known:
                    self._add(text)
        elif isinstance(key := getattr(event, "key", None), str):
            self._add(key)
        if isinstance(event, RegionEstablished):
            self._known.add(parse_vkey(event.log_key).public)

    def _add(self, text: str) -> None:
        key = parse_vkey(text)
        self._keys[key.name, key.id] = key
        self._known.add(key.public)

    def _check_note(
        self,
        stored: log.StoredSubmission,
        rows: list[log.StoredRow],
        commitments: list[bytes],
        issuers: set[str],
        key: VerifyingKey | None,
    ) -> None:
        first, count = stored.first, stored.count
        row = rows[0] if rows else None
        if len(rows) != count or row is None or row.position != first:
            self._found(f"the submission at {first} says {count} events, {len(rows)} are there", row)
            return
        try:
            note = submission.read_note(stored.note)
        except LedgerError as error:
            self._found(f"the submission's note: {error.detail}", row)
            return
        if (note.origin, note.count, {note.issuer}) != (self._origin, count, issuers):
            self._found("the note's origin, count or issuer are not those of its events", row)
        if note.key_id != stored.key_id:
            self._found("the submission's column says another key than its note", row)
        if note.root != submission.root_of(commitments):
            self._found("the note's root is not that of its events", row)
        if key is None:
            self._found(f"key {note.key_id} of {note.issuer} was not valid at {first}", row)
            return
        try:
            note.note.verify(key)
        except LedgerError as error:
            self._found(error.detail, row)

    def _check_end(self, head: log.Head) -> None:
        self._check_tiles(complete_only=False)
        if head.size != self._size:
            self._found(f"the head says {head.size} events, {self._size} are there")
        elif head.frontier != self._frontier:
            self._found("the head's frontier is not what the entries come to")
        if self._signed and self._signed.size > self._size:
            self._found(f"a checkpoint signed {self._signed.size} events, {self._size} are there")


_SELF_KEYED = frozenset({"region.established/1", "volunteer.registered/1", "volunteer.visiting/1"})
_FOLLOWED = KEY_TYPES | CITING | {"region.peer_recognised/1"}
