"""What readers are told of other regions: who is recognised, and where a person's hours count."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.store.postgres.copying import VOLUNTEER
from ledger.store.postgres.database import Cursor


@dataclass(frozen=True, slots=True)
class Move:
    """A transfer that is under way from here; `state` is requested or offered."""

    id: str
    to: str
    state: str


@dataclass(frozen=True, slots=True)
class Person:
    """A volunteer as the ledger knows them, under the id by which it keeps the record."""

    id: str
    status: str
    aliases: tuple[str, ...]
    """Other ids of the same person."""
    elsewhere: str | None
    """Code of the region that counts the hours, when that is not this one."""
    move: Move | None

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them, the record's own first."""
        return self.id, *self.aliases

    @property
    def in_transit(self) -> bool:
        """Whether the record is offered to another region: until that decides, the hours count nowhere."""
        return self.move is not None and self.move.state == "offered"


def find_person(cursor: Cursor, source: str, volunteer: str) -> Person | None:
    """The person of any of their ids; None for one that this ledger does not know."""
    cursor.execute(
        f"SELECT {VOLUNTEER.read.format('p.id')}, p.status, p.home, t.id, t.peer, t.state, ARRAY("
        f"SELECT {VOLUNTEER.read.format('a.id')} FROM {source}.volunteers a WHERE a.alias_of = p.id ORDER BY a.id)"
        f" FROM {source}.volunteers v JOIN {source}.volunteers p ON p.id = coalesce(v.alias_of, v.id)"
        f" LEFT JOIN {source}.transfers t ON t.id = p.transfer WHERE v.id = %s",
        (VOLUNTEER.bind(volunteer),),
    )
    row = cursor.fetchone()
    if row is None:
        return None
    name, status, home, transfer, to, state, aliases = row
    move = None if transfer is None else Move(transfer, to, state)
    return Person(name, status, tuple(aliases), home, move)


@dataclass(frozen=True, slots=True)
class KnownPeer:
    """A region that is recognised now: its log, and the keys that are trusted for it, as vkeys."""

    code: str
    origin: str
    log_keys: tuple[str, ...]


def known_peers(cursor: Cursor, source: str) -> list[KnownPeer]:
    """By code, and there by the name of the log; the keys in the order in which they were recognised."""
    cursor.execute(
        f"SELECT region, origin, array_agg(log_key ORDER BY added, log_key) FROM {source}.peers"
        " WHERE dismissed IS NULL GROUP BY region, origin ORDER BY region, origin"
    )
    return [KnownPeer(code, origin, tuple(keys)) for code, origin, keys in cursor]
