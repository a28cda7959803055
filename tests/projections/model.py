"""What a ledger and its totals should come to, said a second time and without the product: plain events in.

The state of an entry is `state`; everything else only keeps what it needs, and says which events are refused.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from tests.support.builders import AUTHORITY, STATION

Event = Mapping[str, Any]


@dataclass
class Entry:
    """An hours entry, with the positions from which its rank follows."""

    id: str
    position: int
    volunteer: str
    organisation: str
    evidence: str
    approved: bool
    moved: int
    """Where it came to claim time that it had not claimed before."""
    admitted: int = -1
    """Where it was last approved."""
    upheld: int = -1
    """Where the region last upheld it."""
    disputed: str = ""
    """By whom."""
    withdrawn: bool = False
    version: int = -1
    signed: tuple[str, str] = ("", "")
    """Who signed its present fields, with which key."""
    fields: Event = field(default_factory=dict)

    @property
    def start(self) -> datetime:
        return datetime.fromisoformat(self.fields["start"])

    @property
    def end(self) -> datetime:
        return datetime.fromisoformat(self.fields["end"])

    @property
    def rank(self) -> int:
        """The smaller counts: where it could first count with its present times, unless it was upheld after that."""
        first = max(self.moved, self.admitted)
        return -self.upheld if self.upheld > first else first

    def overlaps(self, other: "Entry") -> bool:
        return self.volunteer == other.volunteer and self.start < other.end and other.start < self.end


def state(entry: Entry, entries: Iterable[Entry]) -> str:
    """The one state of an entry, from all entries there are."""
    if entry.withdrawn:
        return "withdrawn"
    if entry.disputed:
        return "disputed"
    if not entry.approved:
        return "pending"
    rivals = (one for one in entries if one.approved and not one.withdrawn and one.overlaps(entry))
    return "contested" if any(rival.rank < entry.rank for rival in rivals) else "counted"


class Submission(NamedTuple):
    """Events under one signature."""

    issuer: str
    key_id: str
    events: list[Event]


class Model:
    """A ledger's answers and entries."""

    def __init__(self, organisations: Iterable[str]) -> None:
        self.positions: dict[str, int] = {}
        """Of every event taken, by its id."""
        self.entries: dict[str, Entry] = {}
        self.keys: dict[str, dict[str, bool]] = {}
        """By issuer and id, those that were ever added: whether they are valid."""
        self.status = dict.fromkeys(organisations, "active")
        self.heirs: dict[str, str | None] = {}
        self.frozen: set[str] = set()
        self.changed: dict[str, int] = {}
        """By volunteer: where an entry that had been recorded last changed."""

    @property
    def size(self) -> int:
        return len(self.positions)

    def commit(self, batch: Sequence[Submission]) -> list[list[int] | None]:
        """Positions that each submission's events get, or have; None when it is refused."""
        # Signatures are verified before anything of the batch is decided.
        known = {(issuer, key_id) for issuer, keys in self.keys.items() for key_id in keys}
        return [self._submit(one) if (one.issuer, one.key_id) in known else None for one in batch]

    def _submit(self, submission: Submission) -> list[int] | None:
        ids = [event["id"] for event in submission.events]
        old = [name for name in ids if name in self.positions]
        if not self.keys[submission.issuer][submission.key_id] or 0 < len(old) < len(ids):
            return None
        if not old:
            tried = deepcopy(self)
            for event in submission.events:
                if not tried.admits(event, submission.key_id):
                    return None
                tried.take(event, submission.key_id)
            vars(self).update(vars(tried))
        return [self.positions[name] for name in ids]

    # -- what is refused --------------------------------------------------------------------------------

    def admits(self, event: Event, key_id: str) -> bool:
        issuer, subject, kind = event["issuer"], event["subject"], event["type"]
        if not self.keys[issuer].get(key_id) or self.status.get(issuer, "active") != "active" or issuer in self.frozen:
            return False
        match kind.removesuffix("/1").split("."):
            case ["hours", act]:
                return (issuer == AUTHORITY or subject not in self.frozen) and self._admits_hours(act, event, key_id)
            case [_, "key_added"]:
                return issuer in {subject, AUTHORITY} and added_key(event) not in self.keys[subject]
            case [_, "key_revoked"]:
                return issuer in {subject, AUTHORITY} and self._admits_revocation(event)
            case [_, "disclaimed"]:
                return issuer in {subject, AUTHORITY, STATION} and subject not in self.frozen
            case [_, "suspended"]:
                return issuer == AUTHORITY and self.status[subject] == "active"
            case [_, "reinstated"]:
                return issuer == AUTHORITY and self.status[subject] == "suspended"
            case [_, "dissolved"]:
                heir = event.get("successor")
                lives = heir is None or (heir != subject and self.status[heir] == "active")
                return issuer == AUTHORITY and self.status[subject] != "dissolved" and lives
        raise NotImplementedError(kind)

    def _admits_hours(self, act: str, event: Event, key_id: str) -> bool:
        issuer = event["issuer"]
        if act == "recorded":
            return self._has_time(event, issuer)
        entry = self.entries.get(event["entry"])
        if entry is None or entry.withdrawn:
            return False
        heir = self.heirs.get(entry.organisation)  # there is one only once it is dissolved
        ours, region, itself = issuer in {entry.organisation, heir}, issuer == AUTHORITY, issuer == entry.volunteer
        match act:
            case "corrected":
                same = event["evidence"] == entry.evidence
                return (ours or region) and same and self._has_time(event, entry.organisation)
            case "withdrawn":
                return ours or region
            case "approved":
                return itself or (ours and not entry.approved and entry.signed != (issuer, key_id))
            case "disputed":
                # The region may say once more what a lost key or a disclaimed record put in doubt.
                explained = region and not entry.disputed.startswith("volunteer:")
                return (itself or region) and (not entry.disputed or explained)
        return region

    def _has_time(self, event: Event, organisation: str) -> bool:
        """No entry of the same organisation overlaps it, the one that it corrects aside."""
        wanted = Entry("", 0, event["subject"], organisation, "", False, 0, fields=event)
        return not any(
            one.organisation == organisation
            and not one.withdrawn
            and one.id != event.get("entry")
            and one.overlaps(wanted)
            for one in self.entries.values()
        )

    def _admits_revocation(self, event: Event) -> bool:
        issuer, subject = event["issuer"], event["subject"]
        keys = self.keys[subject]
        last = sum(keys.values()) == 1 and (issuer != AUTHORITY or subject == AUTHORITY)
        return keys.get(event["key_id"], False) and not last and event.get("suspect_from", 0) <= self.size

    # -- what it changes --------------------------------------------------------------------------------

    def take(self, event: Event, key_id: str) -> None:
        position, subject, kind = self.size, event["subject"], event["type"]
        self.positions[event["id"]] = position
        match kind.removesuffix("/1").split("."):
            case ["hours", act]:
                self._take_hours(act, event, key_id, position)
            case [_, "key_added"]:
                self.keys.setdefault(subject, {})[added_key(event)] = True
            case ["volunteer", "registered"] | [_, "established"]:
                self.keys[subject] = {added_key(event): True}
            case [_, "key_revoked"]:
                self.keys[subject][event["key_id"]] = False
                suspect = event.get("suspect_from", self.size)
                suspects = (
                    one
                    for one in self.entries.values()
                    if one.signed == (subject, event["key_id"]) and one.version >= suspect
                )
                self._dispute(suspects, event["issuer"], position)
            case [_, "disclaimed"]:
                self.frozen.add(subject)
                self._dispute(
                    (one for one in self.entries.values() if one.volunteer == subject), event["issuer"], position
                )
            case [_, "suspended" | "dissolved" as status]:
                self.status[subject] = status
                self.heirs[subject] = event.get("successor")
            case [_, "reinstated"]:
                self.status[subject] = "active"

    def _take_hours(self, act: str, event: Event, key_id: str, position: int) -> None:
        if act == "recorded":
            evidence = event["evidence"]
            entry = Entry(
                event["id"], position, event["subject"], event["issuer"], evidence, evidence != "manual", position
            )
            self.entries[entry.id] = entry
        else:
            entry = self.entries[event["entry"]]
            self.changed[entry.volunteer] = position
        if act in {"recorded", "corrected"}:
            before = entry if entry.fields else None
            after = Entry("", 0, "", "", "", False, 0, fields=event)
            if before and not (before.start <= after.start and after.end <= before.end):
                entry.moved = position
            if before and entry.evidence == "manual" and event["issuer"] != AUTHORITY:
                entry.approved = False
            entry.fields, entry.version, entry.signed = event, position, (event["issuer"], key_id)
        elif act == "approved":
            if not entry.approved:
                entry.approved, entry.admitted = True, position
            if event["issuer"] == entry.disputed == entry.volunteer:
                entry.disputed = ""
        elif act == "disputed":
            entry.disputed = event["issuer"]
        elif act == "decided" and event["outcome"] == "upheld":
            entry.approved, entry.disputed, entry.upheld = True, "", position
        else:  # withdrawn or annulled
            entry.withdrawn = True

    def _dispute(self, entries: Iterable[Entry], issuer: str, position: int) -> None:
        for entry in entries:
            if not entry.withdrawn:
                entry.disputed = issuer
                self.changed[entry.volunteer] = position

    # -- what it comes to -------------------------------------------------------------------------------

    def states(self) -> dict[str, str]:
        return {name: state(entry, self.entries.values()) for name, entry in self.entries.items()}


def added_key(event: Event) -> str:
    """Id of the key that an event brings."""
    return str(event["key"]).split("+")[1]


Totals = dict[tuple[Any, ...], tuple[int, int]]
"""(minutes, entries) by heading."""


def totals(model: Model, *headings: str) -> Totals:
    """Sums over all entries by these headings, the state always the last of them."""
    minutes: Counter[tuple[Any, ...]] = Counter()
    number: Counter[tuple[Any, ...]] = Counter()
    for name, now in model.states().items():
        entry = model.entries[name]
        day = entry.fields["start"][:10]
        every = {
            "volunteer": entry.volunteer,
            "organisation": entry.organisation,
            "category": entry.fields["category"],
            "year": int(day[:4]),
            "day": day,
        }
        heading = (*(every[name] for name in headings), now)
        minutes[heading] += entry.fields["minutes"]
        number[heading] += 1
    return {heading: (minutes[heading], count) for heading, count in number.items()}
