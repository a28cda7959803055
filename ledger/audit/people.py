"""Who is whom in several regions, and where they are at home: each region's own word put together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from ledger.store.exchange.conservation import Move, Person


class People:
    """Who is whom in all regions, and where they are at home."""

    def __init__(self, people: Sequence[Person], moves: Sequence[Move], closed: Collection[str]) -> None:
        self._rows = {(one.region, one.id): one for one in people}
        self._moves = {(one.region, one.id): one for one in moves}
        self._closed = closed
        self._arrived: dict[str, int] = {}
        for move in moves:
            if not move.outgoing and move.state == "accepted":
                self._arrived[move.volunteer] = max(move.epoch, self._arrived.get(move.volunteer, 0))
        self._parents: dict[str, str] = {}
        for one in people:
            self._parents.setdefault(one.id, one.id)
            if one.alias_of is not None:
                self._parents[self.group(one.id)] = self.group(one.alias_of)
        self._members: dict[str, list[Person]] = defaultdict(list)
        for one in people:
            self._members[self.group(one.id)].append(one)
        self._closings: dict[tuple[str, str], int] = {}
        for move in moves:
            if move.state == "closed":
                place = move.region, self.group(move.volunteer)
                self._closings[place] = max(move.decided, self._closings.get(place, 0))

    def group(self, name: str) -> str:
        """One id that stands for all ids of the person."""
        found = self._parents.setdefault(name, name)
        while found != (above := self._parents[found]):
            found = above
        return found

    def groups(self) -> list[str]:
        """All people."""
        return list(self._members)

    def here(self, one: Person) -> Person:
        """The row under which its region keeps the record."""
        return one if one.alias_of is None else self._rows.get((one.region, one.alias_of), one)

    def open_move(self, region: str, group: str) -> Move | None:
        """The transfer of somebody that is under way from a region."""
        for one in self._members[group]:
            if one.region == region and one.transfer is not None:
                return self._moves.get((region, one.transfer))
        return None

    def last_closed(self, region: str, group: str) -> int:
        """Position at which a region last knew that somebody had moved away; -1 when nobody did."""
        return self._closings.get((region, group), -1)

    def surrendered(self, one: Person) -> bool:
        """Whether the record was accepted elsewhere, which this region does not know of yet, or never will."""
        move = self._moves.get((one.region, one.transfer or ""))
        if move is not None:
            there = self._moves.get((move.peer, move.id))
            if there is not None and there.state == "accepted":
                return True
        return one.region in self._closed and self._arrived.get(one.id, 0) > one.epoch

    def homes(self, group: str) -> set[str]:
        """Regions in which somebody is at home: there should be one, or none of those that are looked at."""
        rows = {self.here(one) for one in self._members[group]}
        return {one.region for one in rows if one.home is None and not self.surrendered(one)}

    def named(self, group: str) -> str:
        """The home of somebody who is at home in no region that is looked at.

        One region names it, the one that knows of the latest move; that one may name another, and so on.
        """
        rows = {one.region: self.here(one) for one in self._members[group]}
        found = max(rows.values(), key=lambda one: (one.epoch, one.region)).region
        passed: set[str] = set()
        while found in rows and found not in passed:
            passed.add(found)
            one = rows[found]
            move = self._moves.get((found, one.transfer or ""))
            found = one.home or (move.peer if move else found)
        return found

    def knows(self, region: str, group: str) -> bool:
        """Whether a region knows somebody at all."""
        return any(one.region == region for one in self._members[group])
