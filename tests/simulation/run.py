"""One run: regions at the beginning, what was done since, and what must hold at any time."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from ledger.audit import conservation
from ledger.audit.shares import Report
from ledger.domain.state import Volunteer
from tests.simulation.network import Network
from tests.simulation.site import CODES, Crash, Site, Violated
from tests.simulation.stage import Person, Stage, person
from tests.support import builders
from tests.support.builders import STATION


class Recorded(NamedTuple):
    """An entry that was acknowledged: the ghost that every region's books are held against."""

    region: str
    id: str
    person: Person
    issuer: str


class Run:
    """Regions, people, and the network between them."""

    def __init__(self, stage: Stage, regions: int, seed: int) -> None:
        random.seed(seed)  # the jitter of delivery
        self.codes = CODES[:regions]
        stage.reset(self.codes)
        self.network = Network(reboot=self.reboot)
        self.elapsed = 0
        """Seconds since the beginning."""
        self.sites = [Site(stage.databases[code], code, self.network) for code in self.codes]
        self.network.sites = {site.code: site for site in self.sites}
        self.people = [person(0), person(1)]
        self.recorded: list[Recorded] = []
        self.backed_up: set[str] = set()
        self._numbers = 0
        self._seen: list[object] = []
        for site in self.sites:
            site.publisher.begin()

    def pass_time(self, seconds: int) -> None:
        """Let every clock go on."""
        self.elapsed += seconds
        for site in self.sites:
            site.tick(self.elapsed)

    def reboot(self, code: str) -> None:
        """Start the process of a region anew: a log that cannot go on is noticed at once (api/service/service.py)."""
        site = self.network.sites[code]
        site.boot(self.elapsed)
        site.publish()

    # -- what must hold ---------------------------------------------------------------------------

    def look(self) -> None:
        """Check, unless nothing was written since the last time."""
        seen: list[object] = [(site.database.commits, site.failure) for site in self.sites]
        if seen != self._seen:
            self._seen = seen
            self.check()

    def check(self) -> Report:
        """What the books of all regions say that can go on; raise Violated."""
        for site in self.sites:
            if site.accused:
                raise Violated(f"{site.code} takes a peer for dishonest: {site.accused}")
        schemas = {site.code: site.name for site in self.sites if site.failure is None}
        if not schemas:
            return Report({})
        with self.sites[0].database.read() as cursor:
            report = conservation.examine([(cursor, schemas)])
        if report.findings:
            raise Violated("; ".join(f"{one.kind}: {one.detail}" for one in report.findings))
        if len(schemas) == len(self.sites) and report.distinct.entries != len(self.recorded):
            raise Violated(f"{len(self.recorded)} entries were acknowledged, {report.distinct.entries} are there")
        return report

    # -- what actions are made of -------------------------------------------------------------------

    def id(self) -> str:
        """A UUID of this run."""
        self._numbers += 1
        return f"0199b7d4-1000-7000-8000-{self._numbers:012x}"

    def homes(self, someone: Person) -> tuple[list[Site], list[Site]]:
        """Where somebody is known, and where they are at home by what is known there."""
        found = [(one, one.world.ledger.record(Volunteer, someone.id)) for one in self.sites]
        return [one for one, known in found if known], [one for one, known in found if known and known.at_home]

    def submit(self, site: Site, kind: str, members: dict[str, Any], by: int = 0, private: bytes | None = None) -> str:
        """Submit an event, and once more the same bytes when the region died meanwhile; its id."""
        site.check_writable()
        name = self.id()
        if private is not None:
            members = {**members, "identity": builders.identity(private)}
        body = site.world.body(kind, **{**members, "id": name})
        key = builders.signing_key(str(members.get("issuer", STATION)), by)
        request = builders.sealed([body], key, site.world.origin, None if private is None else {name: private})
        try:
            site.world.ledger.submit(request)
        except Crash as crash:
            self.reboot(crash.region)
            site.world.ledger.submit(request)
        return name
