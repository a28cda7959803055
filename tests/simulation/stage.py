"""Where runs take place: databases with regions that know each other, and people, made once and reset for each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tests.integration.world import volunteer
from tests.simulation import copies
from tests.simulation.network import Network
from tests.simulation.site import CODES, Mortal, Site
from tests.support import builders
from tests.support.builders import GROUP, STATION

ACTIVITIES: Final = {STATION: builders.ACTIVITY, GROUP: "0199a1c2-0000-7000-8000-0000000000cc"}


CONSENT: Final = {"method": "form", "given": builders.TIME, "reference": "档案 2026-18"}


class Person(NamedTuple):
    """Somebody by one of their ids."""

    id: str
    details: bytes | None = None


def person(number: int) -> Person:
    """The first has a document; the second registers alone; the third is the first again, elsewhere, by another id."""
    document = builders.details(id_number="E7654321") if number != 1 else None
    return Person(volunteer(0x5100 + number), document)


@dataclass(frozen=True, slots=True)
class Stage:
    """Databases in which runs take place, one after another: made once, reset for each run."""

    databases: dict[str, Mortal]

    @classmethod
    def build(cls, dsn: str) -> Stage:
        """Make the tables, and regions that know each other, with organisations, and people in the first two."""
        stage = cls({code: Mortal(dsn, code) for code in CODES})
        for code, database in stage.databases.items():
            for name in (f"r_{code}", f"base_{code}", f"backup_{code}", f"newest_{code}", f"rebuilt_{code}"):
                copies.make(database, name)
        network = Network()
        for number, (code, database) in enumerate(stage.databases.items()):
            _populate(Site(database, code, network), number)
            with database.transaction() as cursor:
                copies.copy(cursor, f"r_{code}", f"base_{code}")
        return stage

    def reset(self, codes: Sequence[str]) -> None:
        """Have these regions be as they were at first."""
        for code in codes:
            self.databases[code].left = None
        with self.databases[codes[0]].transaction() as cursor:
            for code in codes:
                copies.copy(cursor, f"base_{code}", f"r_{code}")

    def close(self) -> None:
        """Close every database."""
        for database in self.databases.values():
            database.close()


def _populate(site: Site, number: int) -> None:
    world = site.world
    world.establish()
    world.admit(STATION, kind="station")
    world.admit(GROUP)
    for issuer, activity in ACTIVITIES.items():
        world.publish(issuer, activity)
    for code in CODES:
        if code != site.code:
            recognise(site, code)
    if number < 2:
        enrol(site, person(number))


def recognise(site: Site, peer: str) -> None:
    """Trust the log of another region."""
    origin = f"ledger.example/{peer}"
    named: dict[str, Any] = {"peer": peer, "peer_origin": origin, "log_key": builders.vkey(origin)}
    site.world.record("region.peer_recognised/1", issuer=site.world.authority, subject=site.world.authority, **named)


def enrol(site: Site, who: Person) -> None:
    """Register somebody: at the station, who saw a document, or alone."""
    if who.details is None:
        site.world.enrol(who.id)
    else:
        site.world.register(who.id, who.details, key=builders.vkey(who.id))
