"""What deciding needs to know: records folded from earlier events, and the state that holds them.

A record is a plain value named by its identity. Rules read records from a `State` and answer with new
ones; the store keeps one table a kind. Nothing here does I/O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, ClassVar, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

__all__ = [
    "Activity",
    "Arrived",
    "Claim",
    "CredentialKeyRecord",
    "Entry",
    "KeyRecord",
    "Moment",
    "Need",
    "Organisation",
    "Peer",
    "Proof",
    "Receipt",
    "Record",
    "Region",
    "State",
    "Transfer",
    "Unit",
    "Volunteer",
    "at_home",
    "person",
    "replace",
]


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """A fact about one thing. `identity` names it; records of one `group` are looked up together."""

    IDENTITY: ClassVar[tuple[str, ...]] = ("id",)
    GROUP: ClassVar[str | None] = None

    @property
    def identity(self) -> str | tuple[str | int, ...]:
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
    """A person this ledger knows. `status` is unverified, verified, disclaimed (frozen) or visiting.

    It is `noted` for one who is at home elsewhere and of whom only the number of the last move is known.
    """

    id: str
    status: str
    registrar: str
    verifier: str | None = None
    home: str | None = None
    """Code of the region that counts the hours, when that is not this one."""
    epoch: int = 0
    """Number of the last move, or offer of one, that this ledger knows of."""
    transfer: str | None = None
    """The transfer that is under way from here."""
    alias_of: str | None = None
    """The id under which this ledger keeps the person's record, when it is another."""

    @property
    def at_home(self) -> bool:
        """Whether the person's hours count here, or would if no transfer were under way."""
        return self.home is None and self.alias_of is None


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

    IDENTITY = ("id", "origin")
    GROUP = "volunteer"

    @property
    def identity(self) -> tuple[str, str]:
        """Id and origin: another ledger may have used the same id."""
        return self.id, self.origin

    id: str
    position: int
    """Where it was recorded; of one recorded elsewhere, the negative number of its import."""
    version: int
    """Where its latest fields were signed, likewise."""
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
    origin: str = ""
    """The log in which it was recorded; empty for this one."""
    turn: int = 0
    """Which goes first of entries that arrived together and have one rank."""

    @property
    def disputed(self) -> bool:
        """Whether it stands in doubt, and does not count."""
        return self.disputed_by is not None

    @property
    def standing(self) -> bool:
        """Whether it holds its time against later entries."""
        return self.approved and not self.withdrawn

    @property
    def precedence(self) -> tuple[int, int]:
        """Of two overlapping entries that stand, the one with the smaller precedence counts."""
        return self.rank, self.turn

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


class Peer(Record, frozen=True, kw_only=True, gc=False):
    """A key of another region's log that this ledger trusts, until position `dismissed`."""

    IDENTITY = ("origin", "log_key")
    GROUP = "origin"

    @property
    def identity(self) -> tuple[str, str]:
        """Origin and key."""
        return self.origin, self.log_key

    origin: str
    log_key: str
    region: str
    added: int
    dismissed: int | None = None


class Transfer(Record, frozen=True, kw_only=True, gc=False):
    """A move of a record as one of its two ledgers knows it.

    `state` at the home: requested, offered, closed, cancelled. At the destination: accepted, rejected, expired, or
    announced while a recovery waits. At a peer that answered to a recovery: endorsed, objected.
    """

    GROUP = "volunteer"

    id: str
    outgoing: bool
    volunteer: str
    peer: str
    """Code of the other region."""
    peer_origin: str
    state: str
    opened: int
    """Position of the event that began it here."""
    decided: int
    """Position of the event that led to the present state."""
    epoch: int = 0
    size: int = 0
    """At the home: events of its log that the offer covers. Of an announcement: when it was recorded."""
    expires: int = 0
    """Of an offer, unix seconds; of an announcement, when the waiting time ends."""
    quorum: int = 0
    """Of an announcement: endorsements that are needed."""


class Receipt(Record, frozen=True, kw_only=True, gc=False):
    """An event of a record takes a place in this ledger: by the event at position `at`, as number `turn` of it."""

    IDENTITY = ("at", "turn")

    @property
    def identity(self) -> tuple[int, int]:
        """Place."""
        return self.at, self.turn

    at: int
    turn: int
    origin: str
    """Empty for events of this log."""
    position: int


class Unit(Record, frozen=True, kw_only=True, gc=False):
    """An organisation of another ledger, as that ledger registered it: what to call it in a record."""

    IDENTITY = ("id", "origin")

    @property
    def identity(self) -> tuple[str, str]:
        """Id and origin."""
        return self.id, self.origin

    id: str
    origin: str
    name: str
    kind: str


class Arrived(Struct, frozen=True, kw_only=True, gc=False):
    """An event of another log that was verified, or one of this log that came back."""

    origin: str
    """Empty for this log."""
    position: int
    handle: int
    """What `Entry.position` calls it."""
    entry: bytes
    key_id: str
    topic: str
    event: Any


class Moment(Struct, frozen=True, kw_only=True, gc=False):
    """Where and when an event is decided, and what its envelope tells."""

    position: int
    """In this log; while a record is replayed, the handle of an event."""
    now: int
    """Ledger's clock, unix seconds: becomes recorded_at."""
    key_id: str
    """Of the key that signed the submission."""
    region: str
    origin: str
    claim: str | None = None
    """Keyed hash of the identity number in the private details, if there is one."""
    source: str = ""
    """Log of the event, when it was not signed for this one."""
    received: int | None = None
    """Position of the event that received it, then."""
    arrived: tuple[Arrived, ...] | None = None
    """What the event relies on in other logs, verified: first what it cites, then what a record consists of.

    None when whoever submitted it brought nothing along.
    """
    support: tuple[Arrived, ...] = ()
    """Events about those who signed them: their keys, their names."""

    @property
    def rank(self) -> int:
        """Position at which an entry can first count here."""
        return self.position if self.received is None else self.received


class Need(Struct, frozen=True):
    """Which records a rule will ask for; the store loads those of a whole batch at once."""

    kind: type[Record]
    identity: str | tuple[str | int, ...] = ""
    group: str = ""
    """All records of the kind with this group, within `span` if one is given."""
    span: tuple[int, int] | None = None
    signed_by: tuple[str, str, int] | None = None
    """Entries of this ledger whose latest version this key (issuer, id) signed at or after a position."""
    cited: tuple[str, int] | None = None
    """Receipts of the event at a position of a log."""


R = TypeVar("R", bound=Record)
Identity = str | tuple[str | int, ...]


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


def person(state: State, volunteer: str) -> str:
    """The id under which this ledger keeps a volunteer's record."""
    known = state.get(Volunteer, volunteer)
    return volunteer if known is None or known.alias_of is None else known.alias_of


def at_home(state: State, volunteer: str) -> bool:
    """Whether the volunteer's hours count in this ledger."""
    known = state.get(Volunteer, volunteer)
    return known is not None and known.at_home
