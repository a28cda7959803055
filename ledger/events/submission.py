"""Submissions: events in a small tree whose root the issuer signs; sealed by clients, opened by a ledger."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ledger.crypto import canonical
from ledger.crypto.encoding import decode_base64, encode_base64
from ledger.crypto.keys import SigningKey, VerifyingKey, parse_vkey
from ledger.errors import Invalid, Problem, Refused, TooLarge, Untrusted
from ledger.events.body import AnyEvent, decode_event
from ledger.events.fields import Event
from ledger.events.peers import VolunteerVisiting
from ledger.events.registration import RegionEstablished, VolunteerRegistered
from ledger.limits import SUBMISSION_BYTES_MAX, SUBMISSION_EVENTS_MAX
from ledger.tlog import merkle, notes
from ledger.tlog.entries import commitment_to

HEADER: Final = "yongzhi.submission/1"
_COUNT: Final = re.compile("[1-9][0-9]{0,8}")

FindKey = Callable[[str, str], VerifyingKey | None]
"""Gives the verifying key of (issuer, key id), or None when the ledger knows no such key."""


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    note: str
    events: list[msgspec.Raw]
    private: dict[str, msgspec.Raw] = {}


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """One event as it came: its bytes, what they say, and SHA-256 of the bytes."""

    body: bytes
    event: AnyEvent
    commitment: bytes


@dataclass(frozen=True, slots=True)
class SubmissionNote:
    """A submission's note: its issuer, the log it is addressed to, how many events, and the root over them."""

    note: notes.Note
    issuer: str
    origin: str
    count: int
    root: bytes

    @property
    def key_id(self) -> str:
        """Id of the key that signed."""
        return self.note.signatures[0].key_id


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission whose shape, canonical form and root were checked; its signature only by `verify`."""

    note: SubmissionNote
    note_text: str
    events: tuple[SignedEvent, ...]
    private: Mapping[str, bytes]

    @property
    def issuer(self) -> str:
        """The issuer that submits."""
        return self.note.issuer

    @property
    def key_id(self) -> str:
        """Id of the key that signed."""
        return self.note.key_id

    def verify(self, find_key: FindKey) -> None:
        """Raise Untrusted unless a known key of the issuer, or the one it brings, signed the note."""
        self.note.note.verify(self.key(find_key))

    def key(self, find_key: FindKey) -> VerifyingKey:
        """The key that has to have signed: the one that the submission brings, or a known one; raise Untrusted."""
        first = self.events[0].event
        key = own_key(first, self.issuer, self.key_id) or find_key(self.issuer, self.key_id)
        if key is None:
            raise Untrusted(f"{self.issuer} has no key {self.key_id} in this ledger")
        return key


def own_key(first: AnyEvent, issuer: str, key_id: str) -> VerifyingKey | None:
    """The key that a first event brings when it begins its issuer (docs/format.md, "Keys")."""
    kinds = RegionEstablished | VolunteerRegistered | VolunteerVisiting
    if isinstance(first, kinds) and first.subject == issuer:
        key = parse_vkey(str(first.key))
        return key if key.id == key_id else None
    return None


# -- the issuer's side --------------------------------------------------------------------------


def root_of(commitments: Sequence[bytes]) -> bytes:
    """Root of a submission's tree, whose entries are the SHA-256 of the bodies in order."""
    return merkle.entries_root(commitments)


def seal(bodies: Sequence[bytes], key: SigningKey, origin: str) -> str:
    """The signed note over canonical bodies addressed to the log of `origin`."""
    return _sign([commitment_to(body) for body in bodies], key, origin)


def _sign(commitments: Sequence[bytes], key: SigningKey, origin: str) -> str:
    count = len(commitments)
    if not 1 <= count <= SUBMISSION_EVENTS_MAX:
        raise Invalid(f"a submission holds 1 to {SUBMISSION_EVENTS_MAX} events")
    root = encode_base64(root_of(commitments))
    return notes.sign(f"{HEADER}\n{key.name}\n{origin}\n{count}\n{root}\n", [key])


def pack(note: str, bodies: Sequence[bytes], private: Mapping[str, bytes] | None = None) -> bytes:
    """The request: bodies and private details stand in it byte for byte."""
    raw = {name: msgspec.Raw(data) for name, data in (private or {}).items()}
    return msgspec.json.encode(_Envelope(note, [msgspec.Raw(body) for body in bodies], raw))


def make_submission(
    events: Sequence[Event], key: SigningKey, region: str, origin: str, private: Mapping[str, bytes] | None = None
) -> Submission:
    """Sign events for the ledger of `region`; equal to what it would open of the request made of them.

    Every body is encoded once, and checked as a receiver checks it. Raises Invalid for an event that no receiver
    would take, and what `open_submission` raises.
    """
    private = dict(private or {})
    signed = tuple(_signed_event(canonical.write(event)) for event in events)
    _check_places(signed, key.name, region)
    text = _sign([event.commitment for event in signed], key, origin)
    _check_size(text, signed, private)
    return Submission(read_note(text), text, signed, private)


def _check_places(signed: Sequence[SignedEvent], issuer: str, region: str) -> None:
    seen: set[str] = set()
    problems = [
        problem for index, one in enumerate(signed) for problem in _misplaced(index, one.event, issuer, region, seen)
    ]
    if problems:
        raise Refused(problems)


def _check_size(note: str, events: Sequence[SignedEvent], private: Mapping[str, bytes]) -> None:
    """Raise TooLarge for what would be too large a request: its frame, and what stands in that byte for byte."""
    frame = pack(note, [b""] * len(events), dict.fromkeys(private, b""))
    size = len(frame) + sum(len(event.body) for event in events) + sum(map(len, private.values()))
    if size > SUBMISSION_BYTES_MAX:
        raise _too_large()


# -- the ledger's side --------------------------------------------------------------------------


def open_submission(data: bytes, region: str, origin: str) -> Submission:
    """Check everything about a request that needs no other event.

    Raises TooLarge over the limits, Invalid when it is no envelope, Refused for a bad note (also one whose
    root is not that of the events) or bad events.
    """
    if len(data) > SUBMISSION_BYTES_MAX:
        raise _too_large()
    envelope = _open_envelope(data)
    bodies = [bytes(raw) for raw in envelope.events]
    _refuse_duplicate_keys(data, bodies)
    note = _open_note(envelope.note, origin, len(bodies))
    signed = _open_events(bodies, note.issuer, region)
    if root_of([event.commitment for event in signed]) != note.root:
        raise _bad_note("root-mismatch", "the note's root is not the root over these events in this order")
    private = {name: bytes(raw) for name, raw in envelope.private.items()}
    return Submission(note, envelope.note, signed, private)


def _too_large() -> TooLarge:
    return TooLarge(f"a submission over {SUBMISSION_BYTES_MAX} bytes")


def _open_envelope(data: bytes) -> _Envelope:
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f'not {{"note", "events", "private"}}: {error}') from None
    if not envelope.events:
        raise Invalid("no events", "/events")
    if len(envelope.events) > SUBMISSION_EVENTS_MAX:
        raise TooLarge(f"{len(envelope.events)} events: a submission holds at most {SUBMISSION_EVENTS_MAX}")
    return envelope


def _refuse_duplicate_keys(data: bytes, bodies: Sequence[bytes]) -> None:
    """Duplicate keys of the envelope itself: read what is left of it when the events are cut out."""
    pieces, position = [], 0
    try:
        for body in bodies:
            start = data.index(body, position)
            pieces.append(data[position:start])
            position = start + len(body)
        pieces.append(data[position:])
        json.loads(b"0".join(pieces), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise Invalid("not a JSON object of note, events and private") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise Invalid("a duplicate key in the request")
    return values


def _bad_note(code: str, detail: str) -> Refused:
    return Refused([Problem(index=None, id=None, code=code, detail=detail, pointer="/note")])


def read_note(text: str) -> SubmissionNote:
    """Cut a submission's note apart; raise Refused for any other note. Nothing is verified yet."""
    try:
        note = notes.parse(text)
        lines = note.lines
        if lines[0] != HEADER:
            raise _bad_note("not-a-submission", f"the note's first line is not {HEADER}")
        if len(lines) != 5 or len(note.signatures) != 1:
            raise _bad_note("malformed", "a submission's note has five lines and one signature")
        _, issuer, origin, number, encoded = lines
        root = decode_base64(encoded)
    except Invalid as error:
        raise _bad_note("malformed", error.detail) from None
    if not _COUNT.fullmatch(number):
        raise _bad_note("malformed", "the number of events is not a number")
    if note.signatures[0].name != issuer:
        raise _bad_note("wrong-issuer", "the signature's key is not named after the issuer")
    return SubmissionNote(note, issuer, origin, int(number), root)


def _open_note(text: str, origin: str, count: int) -> SubmissionNote:
    note = read_note(text)
    if note.origin != origin:
        raise _bad_note("wrong-origin", f"addressed to the log {note.origin!r:.80}; this is {origin}")
    if note.count != count:
        raise _bad_note("count-mismatch", f"the note says {note.count} events, there are {count}")
    return note


def _open_events(bodies: Sequence[bytes], issuer: str, region: str) -> tuple[SignedEvent, ...]:
    opened, problems = [], []
    seen: set[str] = set()
    for index, body in enumerate(bodies):
        try:
            signed = _signed_event(body)
        except Invalid as error:
            problems.append(_problem(index, _readable_id(body), error))
            continue
        problems += _misplaced(index, signed.event, issuer, region, seen)
        opened.append(signed)
    if problems:
        raise Refused(problems)
    return tuple(opened)


def _signed_event(body: bytes) -> SignedEvent:
    return SignedEvent(body, decode_event(body), commitment_to(body))


def _misplaced(index: int, event: AnyEvent, issuer: str, region: str, seen: set[str]) -> Iterator[Problem]:
    """Tell why an event does not belong in this submission; its id is added to those seen in it."""
    if event.issuer != issuer:
        yield _at(index, event, "wrong-issuer", f"the note's issuer is {issuer}", "/issuer")
    if event.ledger != region:
        yield _at(index, event, "wrong-ledger", f"this is the ledger of {region}", "/ledger")
    if event.id in seen:
        yield _at(index, event, "duplicate-id", "the id stands twice in this submission", "/id")
    seen.add(event.id)


def _problem(index: int, event_id: str | None, error: Invalid) -> Problem:
    return Problem(index=index, id=event_id, code=error.code, detail=error.detail, pointer=error.pointer)


def _at(index: int, event: AnyEvent, code: str, detail: str, pointer: str) -> Problem:
    return Problem(index=index, id=event.id, code=code, detail=detail, pointer=pointer)


def _readable_id(body: bytes) -> str | None:
    """The id of a body that was refused, if it can be read, to name the event in the answer."""
    try:
        event_id = msgspec.json.decode(body)["id"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, KeyError):
        return None
    return event_id if isinstance(event_id, str) and len(event_id) <= 36 else None
