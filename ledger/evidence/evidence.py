"""Evidence: an event of another region's log that anyone can check, whoever delivered it (docs/format.md, "Evidence").

Nothing here asks a network or a database: which log keys are trusted is told by the caller, everything else is in
the evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.errors import Invalid, LedgerError, Refused, Untrusted
from ledger.events.body import KEY_TYPES, AnyEvent, decode_event
from ledger.events.fields import type_name
from ledger.events.registration import RegionEstablished, Revocation
from ledger.events.submission import SubmissionNote, own_key, read_note
from ledger.ids import TIME_MAX, issuer_kind
from ledger.limits import EVIDENCE_NOTES_KEPT, INTEGER_MAX
from ledger.tlog import merkle
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.entries import commitment_to

PATH_MAX: Final = 64
"""Hashes of one path: more than any tree has levels."""
LEARNED: Final = KEY_TYPES | {"organisation.registered/1", "organisation.dissolved/1", "transfer.offered/1"}
"""Types that `Checker.learn` takes: about keys, what an organisation is, and through whose hands a record went."""

Keys = Callable[[str], Sequence[VerifyingKey]]
"""Gives the log keys that are trusted for an origin; none when the origin is not recognised."""


class UnknownOrigin(Untrusted):
    """An event of a log that nobody here was told to believe."""

    code = "unknown-origin"


class Forked(Untrusted):
    """A log signed two histories, or one that contradicts itself: keep both, and tell."""

    code = "log-forked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An event with all that proves it. The form is checked when it is made, nothing else is.

    `note` is the signed note of its submission, `index` its place there, `note_path` leads to that note's root;
    `log_path` leads from the log entry to the root of `checkpoint`, a signed note as well. `recorded_at` is in unix
    seconds.
    """

    origin: str
    position: int
    recorded_at: int
    body: bytes
    note: str
    index: int
    note_path: tuple[bytes, ...]
    log_path: tuple[bytes, ...]
    checkpoint: str

    def __post_init__(self) -> None:
        if not (
            0 <= self.position <= INTEGER_MAX and 0 <= self.recorded_at <= TIME_MAX and 0 <= self.index <= INTEGER_MAX
        ):
            raise Invalid("a position, an index or a time that is no number from 0")
        for path in (self.note_path, self.log_path):
            if len(path) > PATH_MAX or any(len(node) != merkle.HASH_BYTES for node in path):
                raise Invalid(f"a path is at most {PATH_MAX} hashes of {merkle.HASH_BYTES} bytes")

    @property
    def entry(self) -> bytes:
        """The log entry: SHA-256 of the body and `recorded_at`, u64 big-endian; 40 bytes."""
        return commitment_to(self.body) + self.recorded_at.to_bytes(8, "big")

    @property
    def leaf(self) -> bytes:
        """Leaf hash of the log entry."""
        return merkle.leaf_hash(self.entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """An event that was verified: what it says, and where it stands for good. `key_id` signed it."""

    origin: str
    position: int
    recorded_at: int
    entry: bytes
    key_id: str
    event: AnyEvent
    body: bytes


Verified: TypeAlias = tuple[Evidence, Foreign]
"""What proves an event of another ledger, and the event."""


@dataclass(slots=True)
class _Key:
    """A key in one log: valid behind `added` and before `revoked`; `used` is the last position it was seen at."""

    key: VerifyingKey
    added: int
    revoked: int | None = None
    used: int = -1


class Checker:
    """Verifies evidence, for one job in one thread; every note and signature once, however many events share it.

    It knows the keys of issuers from the key events it was given to `learn`. What it was not given it cannot know:
    that no revocation was kept back is for the sender's own signed word (docs/format.md, "Evidence").
    """

    def __init__(self, log_keys: Keys) -> None:
        self._log_keys = log_keys
        self._keys: dict[tuple[str, str, str], _Key] = {}
        self._regions: dict[str, str] = {}
        self._roots: dict[tuple[str, int], bytes] = {}
        self._checkpoint = lru_cache(maxsize=EVIDENCE_NOTES_KEPT)(self._open_checkpoint)
        self._note = lru_cache(maxsize=EVIDENCE_NOTES_KEPT)(read_note)
        self._verify = lru_cache(maxsize=EVIDENCE_NOTES_KEPT)(self._verify_note)

    def learn(self, items: Iterable[Evidence]) -> list[Foreign]:
        """Verify key events and take over what they say; by origin, and there by position, as they are returned.

        They may come in any order and repeatedly. Raise Invalid for an event of another type than LEARNED, Untrusted
        for one that does not hold, Forked when a log contradicts itself.
        """
        return [foreign for _, foreign in self.learn_verified(items)]

    def learn_verified(self, items: Iterable[Evidence]) -> list[Verified]:
        """The same, and what proves each is returned along."""
        found = []
        for item in sorted(items, key=lambda item: (item.origin, item.position)):
            foreign = self.check(item)
            try:
                self._learn(foreign)
            except LedgerError as error:
                raise _located(error, item, foreign.event) from None
            found.append((item, foreign))
        return found

    def check(self, item: Evidence) -> Foreign:
        """Verify one event completely, in the steps of docs/format.md, "Checking evidence".

        Raise UnknownOrigin, Untrusted or Invalid; the detail names the origin, the position and, when it could be
        read, the event.
        """
        event = None
        try:
            checkpoint = self._checkpoint(item.origin, item.checkpoint)  # 1, 2
            commitment = commitment_to(item.body)  # 3
            entry = commitment + item.recorded_at.to_bytes(8, "big")
            merkle.check_inclusion(
                merkle.leaf_hash(entry), item.position, checkpoint.size, item.log_path, checkpoint.root
            )
            event = decode_event(item.body)  # 4
            self._check_ledger(item, event)
            note = self._check_note(item, event, commitment)  # 5
            self._check_key(item, event, note)  # 6
        except (Invalid, Untrusted, Refused) as error:
            raise _located(error, item, event) from None
        return Foreign(
            origin=item.origin,
            position=item.position,
            recorded_at=item.recorded_at,
            entry=entry,
            key_id=note.key_id,
            event=event,
            body=item.body,
        )

    def valid_keys(self, origin: str, issuer: str, position: int) -> list[str]:
        """The keys of an issuer that were valid in a log before `position`, as vkeys, in the order they were added."""
        found = [
            one
            for (log, name, _), one in self._keys.items()
            if (log, name) == (origin, issuer)
            and one.added < position
            and (one.revoked is None or one.revoked >= position)
        ]
        return [str(one.key) for one in sorted(found, key=lambda one: one.added)]

    # -- one event ------------------------------------------------------------------------------------

    def _open_checkpoint(self, origin: str, text: str) -> Checkpoint:
        keys = self._log_keys(origin)
        if not keys:
            raise UnknownOrigin("the origin is not recognised")
        found = _open_by_any(text, keys)
        if found.origin != origin:
            raise Untrusted(f"the checkpoint is of {found.origin!r:.80}")
        if self._roots.setdefault((origin, found.size), found.root) != found.root:
            raise Forked(f"the log signed two trees of {found.size} entries")
        return found

    def _check_ledger(self, item: Evidence, event: AnyEvent) -> None:
        """The event is addressed to the region that established the log, when that was learned."""
        region = self._regions.get(item.origin, event.ledger)
        if event.ledger != region:
            raise Untrusted(f"addressed to the ledger of {event.ledger}; the log is that of {region}")

    def _check_note(self, item: Evidence, event: AnyEvent, commitment: bytes) -> SubmissionNote:
        note = self._note(item.note)
        if note.origin != item.origin:
            raise Untrusted(f"the submission is addressed to the log {note.origin!r:.80}")
        if note.issuer != event.issuer:
            raise Untrusted(f"the submission is by {note.issuer!r:.80}, the event by {event.issuer}")
        try:
            merkle.check_inclusion(merkle.leaf_hash(commitment), item.index, note.count, item.note_path, note.root)
        except Untrusted as error:
            raise Untrusted(f"in the submission: {error.detail}") from None
        return note

    def _check_key(self, item: Evidence, event: AnyEvent, note: SubmissionNote) -> None:
        """A key of the issuer that is valid at this position signed the note (docs/format.md, "Keys")."""
        brought = own_key(event, note.issuer, note.key_id) if item.index == 0 else None
        if brought is not None:
            self._verify(item.note, brought)
            return
        known = self._keys.get((item.origin, note.issuer, note.key_id))
        if known is None:
            raise Untrusted(f"no event here adds key {note.key_id} of {note.issuer}")
        if item.position <= known.added:
            raise Untrusted(f"key {note.key_id} of {note.issuer} was only added at position {known.added}")
        self._verify(item.note, known.key)
        if known.revoked is not None and item.position >= known.revoked and not _ends(event, note, item, known):
            raise Untrusted(f"key {note.key_id} of {note.issuer} was revoked at position {known.revoked}")
        known.used = max(known.used, item.position)

    def _verify_note(self, text: str, key: VerifyingKey) -> None:
        self._note(text).note.verify(key)

    # -- key events -----------------------------------------------------------------------------------

    def _learn(self, found: Foreign) -> None:
        event = found.event
        if type_name(event) not in LEARNED:
            raise Invalid("not an event about keys or organisations", "/type")
        _check_authority(found)
        if isinstance(event, RegionEstablished):
            self._regions[found.origin] = event.ledger
        if isinstance(event, Revocation):
            self._revoke(found, event)
        for text in _added(event):
            self._add(found, parse_vkey(text))

    def _add(self, found: Foreign, key: VerifyingKey) -> None:
        # A key that was known keeps its first place: nothing makes it valid anew (docs/format.md, "Keys").
        known = self._keys.setdefault((found.origin, key.name, key.id), _Key(key, found.position))
        if known.key != key:
            raise Forked(f"two keys of {key.name} have the id {key.id}")
        known.added = min(known.added, found.position)

    def _revoke(self, found: Foreign, event: Revocation) -> None:
        known = self._keys.get((found.origin, event.subject, event.key_id))
        if known is None or found.position <= known.added:
            raise Untrusted(f"no event here adds key {event.key_id} of {event.subject}, which this one revokes")
        known.revoked = found.position if known.revoked is None else min(known.revoked, found.position)
        if known.used > known.revoked:
            raise Forked(f"key {event.key_id} of {event.subject} signed position {known.used} after it was revoked")


def _open_by_any(text: str, keys: Sequence[VerifyingKey]) -> Checkpoint:
    """The checkpoint under the first of the keys that signed it."""
    error: LedgerError = Untrusted("the checkpoint is not signed")
    for key in keys:
        try:
            return open_checkpoint(text, key)
        except (Invalid, Untrusted) as found:
            error = found
    raise type(error)(f"the checkpoint: {error.detail}")


def _ends(event: AnyEvent, note: SubmissionNote, item: Evidence, known: _Key) -> bool:
    """Whether this is the very event that revokes the key: it may be signed by that key still."""
    return (
        isinstance(event, Revocation)
        and (event.subject, event.key_id) == (note.issuer, note.key_id)
        and item.position == known.revoked
    )


def _added(event: AnyEvent) -> Sequence[str]:
    """The keys that an event adds, as vkeys."""
    key, keys = getattr(event, "key", None), getattr(event, "keys", None)
    return (key,) if isinstance(key, str) else keys if isinstance(keys, tuple) else ()


def _check_authority(found: Foreign) -> None:
    """Keys are added and revoked by whoever may: otherwise a log could lend one issuer's name to another.

    Which organisations are stations is for the caller, who has the events that admit them.
    """
    event = found.event
    region = f"region:{event.ledger}"
    allowed = event.issuer in (event.subject, region)
    if event.subject.startswith("volunteer:") and not isinstance(event, Revocation):
        allowed = allowed or issuer_kind(event.issuer) == "org"
    if event.subject.startswith("region:"):
        allowed = event.issuer == event.subject == region
    if isinstance(event, RegionEstablished):
        allowed = allowed and (found.position, event.origin) == (0, found.origin)
    if not allowed:
        raise Untrusted(f"{event.issuer} may not issue {type_name(event)} about {event.subject} here")


def _located(error: LedgerError, item: Evidence, event: AnyEvent | None) -> LedgerError:
    """The error, with the place it concerns."""
    name = f", event {event.id}" if event else ""
    detail = f"position {item.position} of {item.origin!r:.80}{name}: {error.detail}"
    if isinstance(error, Untrusted):
        return type(error)(detail)
    return Invalid(detail, error.pointer if isinstance(error, Invalid) else "/note")
