"""Logs of a few hundred events in which much overlaps and much is changed, the same for the same seed."""

import random
from collections.abc import Iterator
from typing import Any

from tests.integration.world import World, span, volunteer
from tests.support.builders import GROUP, STATION, event_id

VOLUNTEERS = tuple(volunteer(number) for number in range(10, 18))
TOGETHER = 25
"""Submissions committed in one transaction."""


class History:
    """What goes on in one region, which it populates."""

    def __init__(self, world: World, seed: int = 0) -> None:
        self.world = world.populate()
        self.random = random.Random(seed)
        self.activities = {name: str(event_id()) for name in (STATION, GROUP)}
        self.entries: list[tuple[str, str, str, str]] = []
        """Id, volunteer, organisation and evidence of each, refused ones included."""
        for name in VOLUNTEERS:
            world.enrol(name)
        for issuer, activity in self.activities.items():
            world.publish(issuer, activity)

    def go_on(self, number: int) -> "History":
        """Commit so many submissions of one event, some of which are refused."""
        requests = list(self.requests(number))
        for first in range(0, number, TOGETHER):
            self.world.commit(*requests[first : first + TOGETHER])
        return self

    def requests(self, number: int) -> Iterator[bytes]:
        for _ in range(number):
            yield self._recorded() if len(self.entries) < 5 or self.random.random() < 0.6 else self._changed()

    def _service(self) -> dict[str, Any]:
        start = self.random.randrange(34)
        end = min(start + self.random.randrange(1, 6), 36)
        category = self.random.choice(["empty-nest-elders", "environment", "health"])
        return span(*(f"{6 + slot // 6:02}:{slot % 6}0" for slot in (start, end)), category=category)

    def _recorded(self) -> bytes:
        issuer, subject = self.random.choice([STATION, GROUP]), self.random.choice(VOLUNTEERS)
        evidence, name = self.random.choice(["check-in", "manual", "imported"]), event_id()
        self.entries.append((name, subject, issuer, evidence))
        members = {"issuer": issuer, "subject": subject, "evidence": evidence, "activity": self.activities[issuer]}
        return self.world.request(self.world.body("hours.recorded/1", id=name, **members, **self._service()))

    def _changed(self) -> bytes:
        name, subject, issuer, evidence = self.random.choice(self.entries)
        region = self.world.authority
        fields = {**self._service(), "activity": self.activities[issuer], "evidence": evidence}
        changes: list[tuple[str, str, int, dict[str, Any]]] = [
            ("corrected", issuer, 0, fields),
            ("corrected", region, 0, fields),
            ("withdrawn", issuer, 0, {}),
            ("approved", issuer, 1, {}),
            ("approved", issuer, 1, {}),
            ("disputed", region, 0, {}),
            ("decided", region, 0, {"outcome": "upheld"}),
            ("decided", region, 0, {"outcome": "annulled"}),
        ]
        act, by, key, members = self.random.choice(changes)
        body = self.world.body(f"hours.{act}/1", issuer=by, subject=subject, entry=name, **members)
        return self.world.request(body, by=key)
