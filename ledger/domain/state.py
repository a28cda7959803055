"""What deciding needs to know: records folded from earlier events, and the state that holds them.

A record is a plain value named by its identity. Rules read records from a `State` and answer with new
ones; the store keeps one table a kind. Nothing here does I/O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import ClassVar, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

__all__ = [
    "Activity",
    "Claim",
    "CredentialKeyRecord",
    "Entry",
    "KeyRecord",
    "Moment",
    "Need",
    "Organisation",
    "Proof",
    "Record",
    "Region",
    "State",
    "Volunteer",
    "replace",
]


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """A fact about one thing. `identity` names it; records of one `group` are looked up together."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("id",)
    GROUP: ClassVar[str | None] = None

    @property
    def identity(self) -> str | tuple[str, ...]:
        """The identifying field, or a tuple of those that identify together."""
        return cast(str, getattr(self, self.IDENTITY[0]))


class Region(Record, frozen=True, kw_only=True, gc=False):
    """The region whose ledger this is; there is one once it is established."""

    id: str
    origin: str
    zh: str
    en: str
    log_key: str
    closed: int | None = None
    """Position of the event that ended the ledger."""


class CredentialKeyRecord(Record, frozen=True, kw_only=True, gc=False):
    """A key that signs the region's credentials (`use` credential) or tokens, until position `revoked`."""

    IDENTITY = ("multikey",)

    @property
    def identity(self) -> str:
        """The Multikey."""
        return self.multikey

    multikey: str
    did: str
    use: str
    added: int
    revoked: int | None = None


class KeyRecord(Record, frozen=True, kw_only=True, gc=False):
    """A key of an issuer, valid from position `added` to position `revoked`."""

    IDENTITY = ("issuer", "key_id")
    GROUP = "issuer"

    @property
    def identity(self) -> tuple[str, str]:
        """Issuer and key id."""
        return self.issuer, self.key_id

    issuer: str
    key_id: str
    vkey: str
    added: int
    revoked: int | None = None


class Organisation(Record, frozen=True, kw_only=True, gc=False):
    """A registered organisation. `status` is active, suspended or dissolved."""

    id: str
    name: str
    kind: str
    status: str = "active"
    successor: str | None = None


class Volunteer(Record, frozen=True, kw_only=True, gc=False):
    """A registered person. `status` is unverified, verified or disclaimed (frozen)."""

    id: str
    status: str
    registrar: str
    verifier: str | None = None


class Activity(Record, frozen=True, kw_only=True, gc=False):
    """A published activity and its window, unix seconds, half-open."""

    id: str
    issuer: str
    start: int
    end: int


class Claim(Record, frozen=True, kw_only=True, gc=False):
    """A uniqueness key that an accepted event took: a public key, or a keyed hash of an identity number."""

    IDENTITY = ("kind", "key")

    @property
    def identity(self) -> tuple[str, str]:
        """Kind and key."""
        return self.kind, self.key

    kind: str
    key: str
    holder: str


class Entry(Record, frozen=True, kw_only=True, gc=False):
    """An hours entry as its latest version and the events about it leave it.

    Among standing entries whose times overlap, the smaller `rank` counts: it is the position at which the
    entry could first count with its present times, and negative once the region has upheld it.
    """

    GROUP = "volunteer"

    id: str
    position: int
    """Where it was recorded."""
    version: int
    """Where its latest fields were signed."""
    volunteer: str
    issuer: str
    signer: str
    key_id: str
    activity: str
    category: str
    day: str
    """Local date of its start, as its issuer wrote it."""
    start: int
    end: int
    minutes: int
    evidence: str
    rank: int
    approved: bool
    disputed_by: str | None = None
    """Who said last that it is wrong, while that is open."""
    withdrawn: bool = False

    @property
    def disputed(self) -> bool:
        """Whether it stands in doubt, and does not count."""
        return self.disputed_by is not None

    @property
    def standing(self) -> bool:
        """Whether it holds its time against later entries."""
        return self.approved and not self.withdrawn

    def overlaps(self, start: int, end: int) -> bool:
        """Whether the half-open intervals share a second."""
        return self.start < end and start < self.end


class Proof(Record, frozen=True, kw_only=True, gc=False):
    """A proof of service as far as anyone may know of it: where its status stands, and what became of it."""

    id: str
    position: int
    format: str
    list: str
    index: int
    revoked: int | None = None
    """Position of the event that revoked it."""
    reason: str | None = None
    replaced_by: str | None = None


class Moment(Struct, frozen=True, kw_only=True, gc=False):
    """Where and when an event is decided, and what its envelope tells."""

    position: int
    now: int
    """Ledger's clock, unix seconds: becomes recorded_at."""
    key_id: str
    """Of the key that signed the submission."""
    region: str
    origin: str
    claim: str | None = None
    """Keyed hash of the identity number in the private details, if there is one."""


class Need(Struct, frozen=True):
    """Which records a rule will ask for; the store loads those of a whole batch at once."""

    kind: type[Record]
    identity: str | tuple[str, ...] = ""
    group: str = ""
    """All records of the kind with this group, within `span` if one is given."""
    span: tuple[int, int] | None = None
    signed_by: tuple[str, str, int] | None = None
    """Entries whose latest version this key (issuer, id) signed at or after a position."""


R = TypeVar("R", bound=Record)
Identity = str | tuple[str, ...]


class State:
    """Records by identity and by group, and which of them were put since they were loaded.

    A submission is decided on the state itself; when it is refused, `undo` takes back what it put.
    """

    def __init__(self) -> None:
        self._records: dict[type[Record], dict[Identity, Record]] = defaultdict(dict)
        self._groups: dict[tuple[type[Record], str], dict[Identity, Record]] = defaultdict(dict)
        self._journal: list[tuple[Record, Record | None]] = []

    def get(self, kind: type[R], identity: Identity) -> R | None:
        """The record of that identity (a tuple when it has several parts), or None."""
        return cast("R | None", self._records[kind].get(identity))

    def group(self, kind: type[R], group: str) -> Collection[R]:
        """Records of a group, in no particular order."""
        found = self._groups.get((kind, group), {})
        return cast("Collection[R]", found.values())

    def all(self, kind: type[R]) -> Collection[R]:
        """Every record of a kind."""
        return cast("Collection[R]", self._records[kind].values())

    def load(self, record: Record) -> None:
        """Add a record as it is stored."""
        self._set(record)

    def put(self, record: Record) -> None:
        """Add a record, or replace the one of its identity, as an event leaves it."""
        self._journal.append((record, self._records[type(record)].get(record.identity)))
        self._set(record)

    def mark(self) -> int:
        """A point to which `undo` can go back."""
        return len(self._journal)

    def undo(self, mark: int) -> None:
        """Take back everything put since the mark."""
        while len(self._journal) > mark:
            record, before = self._journal.pop()
            if before is not None:
                self._set(before)
                continue
            del self._records[type(record)][record.identity]
            if record.GROUP is not None:
                del self._groups[type(record), getattr(record, record.GROUP)][record.identity]

    def changes(self) -> list[tuple[Record | None, Record]]:
        """(as loaded, as it is now) of every record put and not taken back; None as loaded when it is new."""
        first: dict[tuple[type[Record], Identity], Record | None] = {}
        for record, before in self._journal:
            first.setdefault((type(record), record.identity), before)
        return [(before, self._records[kind][identity]) for (kind, identity), before in first.items()]

    def _set(self, record: Record) -> None:
        identity = record.identity
        self._records[type(record)][identity] = record
        if record.GROUP is not None:
            self._groups[type(record), getattr(record, record.GROUP)][identity] = record
