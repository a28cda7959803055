"""Where every minute is: at home, in transit, or on its way; and that none is lost or counted twice.

Any number of regions are compared, each by its own tables. What lies with a region that is not among them is said
to be with that region.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from msgspec import UNSET

from ledger.audit.people import People
from ledger.audit.shares import Finding, Kind, Report, Share
from ledger.crypto.encoding import encode_base64url
from ledger.domain.transfer_state import ids_of
from ledger.events.body import RECORD_TYPES, decode_event
from ledger.events.transfer import TransferAccepted, TransferClosed, TransferOffered
from ledger.store.exchange import conservation as store
from ledger.store.exchange.conservation import Entry, Known, Letter, Log, Move, Person, Schemas, Settled, Step
from ledger.store.postgres.database import Cursor, Database

Name = tuple[str, int]
"""An event by origin and position."""


@dataclass(slots=True)
class Tables:
    """The rows of all regions."""

    logs: list[Log] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    logged: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """Log entries that others name, by region and position."""


def regions(database: Database) -> list[str]:
    """Codes of the regions in a database."""
    with database.read() as cursor:
        return store.regions(cursor)


def examine_databases(databases: Sequence[tuple[Database, Schemas]]) -> Report:
    """Compare regions in the databases in which they are, each in one snapshot."""
    with contextlib.ExitStack() as stack:
        return examine([(stack.enter_context(database.read()), schemas) for database, schemas in databases])


def examine(sources: Sequence[tuple[Cursor, Schemas]]) -> Report:
    """Compare regions; `sources` are snapshots of the databases in which they are."""
    return judge(read(sources))


def read(sources: Sequence[tuple[Cursor, Schemas]]) -> Tables:
    """Everything about people who move, and sums of the rest."""
    tables = Tables()
    sources = [(cursor, schemas) for cursor, schemas in sources if schemas]
    names = sorted(set().union(*(store.movers(cursor, schemas) for cursor, schemas in sources)))
    for cursor, schemas in sources:
        tables.logs += store.logs(cursor, schemas)
        tables.people += store.people(cursor, schemas, names)
        tables.moves += store.moves(cursor, schemas)
        tables.entries += store.entries(cursor, schemas, names)
        tables.settled += store.settled(cursor, schemas, names)
        tables.known += store.known(cursor, schemas, names)
        tables.steps += store.steps(cursor, schemas)
        tables.letters += store.letters(cursor, schemas)
    regions = {log.origin: log.region for log in tables.logs}
    relied: dict[str, set[int]] = defaultdict(set)
    for known in tables.known:
        if known.origin in regions:
            relied[regions[known.origin]].add(known.position)
    for cursor, schemas in sources:
        for region in schemas.keys() & relied.keys():
            tables.logged[region] = store.logged(cursor, schemas[region], sorted(relied[region]))
    return tables


def judge(tables: Tables) -> Report:
    """Where everything is, and what is wrong."""
    return _Examination(tables).report()


# -- the examination ------------------------------------------------------------------------------


class _Examination:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._people = People(tables.people, tables.moves, {log.region for log in tables.logs if log.closed})
        self._logs = {log.region: log for log in tables.logs}
        self._regions = {log.origin: log.region for log in tables.logs}
        self._report = Report({log.region: Share() for log in tables.logs})
        self._homes: dict[str, str | None] = {}
        self._waiting: set[Name] = set()
        self._aside: set[Name] = set()
        self._names: dict[tuple[str, str], Name] = {}
        """The event that recorded an entry, by origin and id."""
        self._states: dict[Name, Literal["way", "aside", "lost"]] = {}
        """The fate of each event that is not at home."""

    def report(self) -> Report:
        self._settle_homes()
        self._read_letters()
        self._follow_events()
        self._place_entries()
        for settled in self._tables.settled:
            self._report.regions[settled.region].home.add(settled.minutes, settled.entries)
        self._check_logs()
        self._check_steps()
        self._report.findings = list(dict.fromkeys(self._report.findings))
        return self._report

    def _find(self, kind: Kind, detail: str) -> None:
        self._report.findings.append(Finding(kind, detail))

    def _origin(self, region: str, origin: str) -> str:
        return origin or self._logs[region].origin

    def _settle_homes(self) -> None:
        for group in self._people.groups():
            homes = self._people.homes(group)
            self._homes[group] = min(homes, default=None)
            if len(homes) > 1:
                self._find("two-homes", f"{group} is at home in {' and '.join(sorted(homes))}")
            elif not homes:
                named = self._people.named(group)
                if named in self._logs and self._people.knows(named, group):
                    self._find("no-home", f"{group} is said to be at home in {named}, which does not say so")

    def _read_letters(self) -> None:
        for letter in self._tables.letters:
            name = (self._origin(letter.region, letter.origin), letter.position)
            (self._waiting if letter.state == "waiting" else self._aside).add(name)

    # -- events -----------------------------------------------------------------------------------

    def _follow_events(self) -> None:
        """Every event of a record that any region knows is at home, or on its way there."""
        at_home: set[Name] = set()
        about: dict[Name, list[Known]] = defaultdict(list)
        for known in self._tables.known:
            if known.topic not in RECORD_TYPES:
                continue
            name = (self._origin(known.region, known.origin), known.position)
            if known.topic == "hours.recorded/1":
                self._names[name[0], known.event_id] = name
            if self._homes.get(self._people.group(known.stream)) == known.region:
                at_home.add(name)
            about[name].append(known)
        for name in about.keys() - at_home:
            self._states[name] = self._state(name, about[name])
            group = self._people.group(about[name][0].stream)
            if self._states[name] == "lost" and self._homes.get(group):
                home = self._homes[group]
                self._find("lost", f"position {name[1]} of {name[0]} about {group} is neither in {home} nor on its way")

    def _state(self, name: Name, copies: Iterable[Known]) -> Literal["way", "aside", "lost"]:
        if name in self._waiting or any(self._held(known) for known in copies):
            return "way"
        return "aside" if name in self._aside else "lost"

    def _held(self, known: Known) -> bool:
        """Whether the region is still to tell of it: its follower did not come by, or the home is about to change."""
        group = self._people.group(known.stream)
        if self._people.open_move(known.region, group) is not None:
            return True
        return self._logs[known.region].followed <= max(known.at, self._people.last_closed(known.region, group))

    # -- entries ----------------------------------------------------------------------------------

    def _place_entries(self) -> None:
        copies: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in self._tables.entries:
            copies[self._origin(entry.region, entry.origin), entry.id].append(entry)
        for name, rows in copies.items():
            counted = [entry for entry in rows if self._homes.get(self._people.group(entry.volunteer)) == entry.region]
            if len(counted) > 1:
                where = " and ".join(sorted(entry.region for entry in counted))
                self._find("counted-twice", f"entry {name[1]} of {name[0]} is at home in {where}")
            native = next((entry for entry in rows if not entry.origin), None)
            if counted:
                self._count(counted[0], native)
            else:
                self._count_away(name, native or rows[0])

    def _count(self, entry: Entry, native: Entry | None) -> None:
        share = self._report.regions[entry.region]
        move = self._people.open_move(entry.region, self._people.group(entry.volunteer))
        if move is not None and move.state == "offered":
            share.transit[move.peer].add(entry.minutes)
        else:
            share.home.add(entry.minutes)
        if native is not None and native.region != entry.region:
            self._report.regions[native.region].elsewhere[entry.region].add(entry.minutes)

    def _count_away(self, name: tuple[str, str], entry: Entry) -> None:
        share = self._report.regions[entry.region]
        group = self._people.group(entry.volunteer)
        state = self._states.get(self._names.get(name, ("", 0)), "lost")
        named = self._people.named(group)
        if state == "lost" and named not in self._logs:
            self._report.others[named].add(entry.minutes)
            share.elsewhere[named].add(entry.minutes)
        elif state == "way":
            share.way.add(entry.minutes)
        else:
            share.aside.add(entry.minutes)

    # -- what regions say of each other ---------------------------------------------------------------

    def _check_logs(self) -> None:
        for known in self._tables.known:
            region = self._regions.get(known.origin)
            if region is not None and self._tables.logged.get(region, {}).get(known.position) != known.entry:
                self._find(
                    "forked", f"{known.region} relies on position {known.position} of {known.origin}, which has another"
                )

    def _check_steps(self) -> None:
        offers: dict[Name, tuple[TransferOffered, str]] = {}
        ends: list[tuple[Step, Any]] = []
        proofs = {
            (known.region, known.origin, known.position, encode_base64url(known.entry)): known.topic
            for known in self._tables.known
        }
        taken: dict[tuple[str, int], str] = {}
        for step in self._tables.steps:
            if step.body is None:
                continue
            event = decode_event(step.body)
            if isinstance(event, TransferOffered):
                offers[self._logs[step.region].origin, step.position] = event, encode_base64url(step.entry)
            else:
                ends.append((step, event))
        offered = {(self._regions[origin], offer.subject) for (origin, _), (offer, _) in offers.items()}
        for step, event in ends:
            if isinstance(event, TransferAccepted):
                self._check_accepted(step, event, offers)
                for name in ids_of(event):
                    before = taken.setdefault((name, event.epoch), step.region)
                    if before != step.region:
                        self._find("two-homes", f"move {event.epoch} of {name} led to {before} and to {step.region}")
            else:
                self._check_end(step, event, proofs, (step.region, event.subject) in offered)

    def _check_accepted(
        self, step: Step, event: TransferAccepted, offers: Mapping[Name, tuple[TransferOffered, str]]
    ) -> None:
        if event.recovery is not UNSET or event.basis.origin not in self._regions:
            return
        offer, entry = offers.get((event.basis.origin, event.basis.position), (None, ""))
        if offer is None or entry != event.basis.entry:
            self._find("forked", f"{step.region} accepted {event.subject} on an offer that {event.home} did not make")
        else:
            for name, there, here in _compared(offer, event):
                if there != here:
                    self._find("unequal", f"{event.subject}: {name} is {here} in {step.region}, {there} was offered")

    def _check_end(
        self, step: Step, event: Any, proofs: Mapping[tuple[str, str, int, str], str], offered: bool
    ) -> None:
        outcome = event.outcome
        if outcome is UNSET:
            if event.closure is UNSET and offered:
                self._find("unproven", f"{event.subject} was cancelled in {step.region} though it was offered")
            return
        needed = ("transfer.accepted/1",) if isinstance(event, TransferClosed) else _DECLINED
        if proofs.get((step.region, outcome.origin, outcome.position, outcome.entry)) not in needed:
            self._find("unproven", f"position {step.position} of {step.region} ends {event.subject} without its proof")


_DECLINED: Final = ("transfer.rejected/1", "transfer.expired/1")


def _compared(offer: TransferOffered, accepted: TransferAccepted) -> Iterator[tuple[str, Any, Any]]:
    for name in ("subject", "volunteer", "aliases", "epoch", "events", "root", "entries"):
        yield name, getattr(offer, name), getattr(accepted, name)
    yield "minutes", sum(sums.minutes for sums in offer.sums), accepted.minutes
