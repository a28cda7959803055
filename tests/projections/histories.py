"""Logs of a few hundred events in which much overlaps and much is changed, the same for the same seed."""

import random
from collections.abc import Iterator

from tests import builders
from tests.builders import ABSENT, GROUP, STATION, event_id
from tests.integration.world import World, span, volunteer

VOLUNTEERS = tuple(volunteer(number) for number in range(10, 18))
TOGETHER = 25
"""Submissions committed in one transaction."""


class History:
    """What goes on in one region."""

    def __init__(self, world: World, seed: int = 0) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.activities = {name: str(event_id()) for name in (STATION, GROUP)}
        self.entries: list[tuple[str, str, str, str]] = []
        """Id, volunteer, organisation and evidence of each."""

    def begin(self) -> "History":
        for name in VOLUNTEERS:
            self.world.enrol(name)
        for issuer, activity in self.activities.items():
            self.world.publish(issuer, activity)
        return self

    def go_on(self, number: int) -> None:
        """Commit so many submissions, some of which are refused."""
        requests = list(self.requests(number))
        for first in range(0, number, TOGETHER):
            self.world.commit(*requests[first : first + TOGETHER])

    def requests(self, number: int) -> Iterator[bytes]:
        for _ in range(number):
            yield self._recorded() if len(self.entries) < 5 or self.random.random() < 0.6 else self._changed()

    def _service(self) -> dict[str, object]:
        start = self.random.randrange(34)
        end = start + self.random.randrange(1, 6)
        category = self.random.choice(["empty-nest-elders", "environment", "health"])
        return span(*(f"{6 + slot // 6:02}:{slot % 6}0" for slot in (start, min(end, 36))), category=category)

    def _recorded(self) -> bytes:
        issuer, subject = self.random.choice([STATION, GROUP]), self.random.choice(VOLUNTEERS)
        evidence, name = self.random.choice(["check-in", "manual", "imported"]), event_id()
        self.entries.append((name, subject, issuer, evidence))
        members = {"issuer": issuer, "subject": subject, "evidence": evidence, "activity": self.activities[issuer]}
        return self.world.request(self.world.body("hours.recorded/1", id=name, **members, **self._service()))

    def _changed(self) -> bytes:
        name, subject, issuer, evidence = self.random.choice(self.entries)
        region = self.world.authority
        act, by, members = self.random.choice(
            [
                ("corrected", issuer, {}),
                ("corrected", region, {}),
                ("withdrawn", issuer, {}),
                ("approved", issuer, {}),
                ("approved", issuer, {}),
                ("disputed", region, {}),
                ("decided", region, {"outcome": "upheld"}),
                ("decided", region, {"outcome": "annulled"}),
            ]
        )
        if act == "corrected":
            members = {**self._service(), "activity": self.activities[issuer], "evidence": evidence}
        body = self.world.body(f"hours.{act}/1", issuer=by, subject=subject, entry=name, **members)
        return self.world.request(body, by=1 if act == "approved" else 0)


def suspect(world: World, number: int, position: int) -> None:
    """The region revokes a key of the station, suspect from a position on."""
    key_id = builders.signing_key(STATION, number).id
    world.record("organisation.key_revoked/1", issuer=world.authority, key_id=key_id, suspect_from=position or ABSENT)
