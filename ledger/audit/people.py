"""Who is whom in several regions, and where they are at home: each region's own word put together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from ledger.store.exchange.conservation import Move, Person


class People:
    """Who is whom in all regions, and where they are at home."""

    def __init__(self, people: Sequence[Person], moves: Sequence[Move], closed: Collection[str]) -> None:
        self._rows = {(person.region, person.id): person for person in people}
        self._moves = {(move.region, move.id): move for move in moves}
        self._closed = closed
        self._arrived: dict[str, int] = {}
        for move in moves:
            if not move.outgoing and move.state == "accepted":
                self._arrived[move.volunteer] = max(move.epoch, self._arrived.get(move.volunteer, 0))
        self._parents: dict[str, str] = {}
        for person in people:
            self._parents.setdefault(person.id, person.id)
            if person.alias_of is not None:
                self._parents[self.group(person.id)] = self.group(person.alias_of)
        self._members: dict[str, list[Person]] = defaultdict(list)
        for person in people:
            self._members[self.group(person.id)].append(person)
        self._closings: dict[tuple[str, str], int] = {}
        for move in moves:
            if move.state == "closed":
                place = move.region, self.group(move.volunteer)
                self._closings[place] = max(move.decided, self._closings.get(place, 0))

    def group(self, name: str) -> str:
        """One id that stands for all ids of the person."""
        root = self._parents.setdefault(name, name)
        while root != (above := self._parents[root]):
            root = above
        return root

    def groups(self) -> list[str]:
        """All people."""
        return list(self._members)

    def here(self, person: Person) -> Person:
        """The row under which its region keeps the record."""
        return person if person.alias_of is None else self._rows.get((person.region, person.alias_of), person)

    def open_move(self, region: str, group: str) -> Move | None:
        """The transfer of somebody that is under way from a region."""
        for person in self._members[group]:
            if person.region == region and person.transfer is not None:
                return self._moves.get((region, person.transfer))
        return None

    def last_closed(self, region: str, group: str) -> int:
        """Position at which a region last knew that somebody had moved away; -1 when nobody did."""
        return self._closings.get((region, group), -1)

    def surrendered(self, person: Person) -> bool:
        """Whether the record was accepted elsewhere, which this region does not know of yet, or never will."""
        move = self._moves.get((person.region, person.transfer or ""))
        if move is not None:
            there = self._moves.get((move.peer, move.id))
            if there is not None and there.state == "accepted":
                return True
        return person.region in self._closed and self._arrived.get(person.id, 0) > person.epoch

    def homes(self, group: str) -> set[str]:
        """Regions in which somebody is at home: there should be one, or none of those that are looked at."""
        rows = {self.here(person) for person in self._members[group]}
        return {person.region for person in rows if person.home is None and not self.surrendered(person)}

    def named(self, group: str) -> str:
        """The home of somebody who is at home in no region that is looked at.

        One region names it, the one that knows of the latest move; that one may name another, and so on.
        """
        rows = {person.region: self.here(person) for person in self._members[group]}
        region = max(rows.values(), key=lambda person: (person.epoch, person.region)).region
        passed: set[str] = set()
        while region in rows and region not in passed:
            passed.add(region)
            person = rows[region]
            move = self._moves.get((region, person.transfer or ""))
            region = person.home or (move.peer if move else region)
        return region

    def knows(self, region: str, group: str) -> bool:
        """Whether a region knows somebody at all."""
        return any(person.region == region for person in self._members[group])
