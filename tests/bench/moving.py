"""What it costs to move a record: offered, fetched, verified event by event, accepted, closed.

Both regions share the machine and the database server, as they never would; there is no HTTP between them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from api import deployment, drafts
from ledger import events, submission
from ledger.app import Ledger
from ledger.domain.state import Transfer
from ledger.exchange import incoming, outgoing
from ledger.exchange.desk import Desk
from ledger.identities import new_sealing_key, sealing_public
from ledger.ids import new_id
from ledger.log import Publisher
from tests.bench.data import BLOCKS, People
from tests.bench.machines import Machine
from tests.bench.report import Report

_THREADS = 2
_LIFE_SECONDS = 5 / 10_000
_MANY_SECONDS = 60 / (1_000 * 100)


@dataclass(frozen=True, slots=True)
class Side:
    """A region of the move."""

    ledger: Ledger
    people: People
    publisher: Publisher
    desk: Desk
    sealing: bytes

    def submit(self, bodies: Sequence[bytes]) -> None:
        """Events of the region."""
        key = self.people.authority
        self.ledger.submit(submission.pack(submission.seal(bodies, key, self.people.origin), bodies))

    def make(self, kind: type[events.Event], subject: str, **members: Any) -> bytes:
        """The body of an event of the region, or of its first organisation, which is a station."""
        issuer = self.people.organisations[0] if kind is events.TransferRequested else self.people.authority
        return events.encode(kind(**drafts.common(issuer.name, self.people.region, subject), **members))

    def recognise(self, other: Side) -> None:
        """Trust the log of the other region."""
        log_key = str(other.publisher.key)
        members = {"peer": other.people.region, "peer_origin": other.people.origin, "log_key": log_key}
        subject = f"region:{self.people.region}"
        self.submit([self.make(events.PeerRecognised, subject, federation="bench#1", **members)])


def measure(report: Report, machine: Machine, life: int, movers: int, entries: int) -> None:
    """One long record; then many of common length, one after the other on each of two threads."""
    with _side(machine, "441600") as here, _side(machine, "441700") as there:
        here.recognise(there)
        there.recognise(here)
        for request in here.people.life(here.people.volunteers[0], life):
            here.ledger.submit(request)
        (one,) = _requested(here, there, here.people.volunteers[:1])
        start = time.perf_counter()
        _move(here, there, one)
        report.add(f"a record of {life:,} entries moves", time.perf_counter() - start, "s", target=life * _LIFE_SECONDS)
        for request in here.people.sheets(entries // 2 * BLOCKS):
            here.ledger.submit(request)
        many = _requested(here, there, here.people.volunteers[1 : movers + 1])
        start = time.perf_counter()
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda transfer: _move(here, there, transfer), many))
        name, target = f"{movers:,} records of {entries} entries move", movers * entries * _MANY_SECONDS
        report.add(name, time.perf_counter() - start, "s", target=target)


@contextlib.contextmanager
def _side(machine: Machine, code: str) -> Iterator[Side]:
    with machine.region(code) as (data, ledger, people), deployment.opened(data, machine.dsn) as opened:
        publisher = opened.publisher(code)
        desk = Desk(ledger, people.authority, lambda: publisher.published)
        yield Side(ledger, people, publisher, desk, new_sealing_key())


def _requested(here: Side, there: Side, volunteers: Sequence[str]) -> list[str]:
    """Moves that a station requested, by id."""
    found, bodies = [], []
    for volunteer in volunteers:
        found.append(new_id())
        to = {"to": there.people.region, "to_origin": there.people.origin, "reference": "档案 2026-19"}
        bodies.append(here.make(events.TransferRequested, f"transfer:{found[-1]}", volunteer=volunteer, **to))
    key = here.people.organisations[0]
    here.ledger.submit(submission.pack(submission.seal(bodies, key, here.people.origin), bodies))
    here.publisher.publish()
    return [str(one) for one in found]


def _move(here: Side, there: Side, transfer: str) -> None:
    """All of it, as two nodes would do it; a server signs within a second, which is not waited for."""
    requested = here.ledger.record(Transfer, transfer)
    assert requested is not None
    offered = outgoing.offer(here.desk, requested).first
    here.publisher.publish()
    message = incoming.check(there.desk, outgoing.message(here.desk, "", offered))
    answer = incoming.decide(there.desk, message, lambda _, name: _bundle(here, there, name), there.sealing)
    there.publisher.publish()
    assert answer.position is not None
    back = incoming.check(here.desk, outgoing.message(there.desk, "", answer.position))
    incoming.handle(here.desk, back, there.people.region)
    closed = here.ledger.record(Transfer, transfer)
    assert closed is not None
    assert closed.state == "closed"


def _bundle(here: Side, there: Side, transfer: str) -> Iterator[bytes]:
    return outgoing.bundle(here.desk, transfer, sealing_public(there.sealing))
