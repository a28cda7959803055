"""What it costs to move a record: offered, fetched, verified event by event, accepted, closed.

Both regions share the machine and the database server, as they never would; there is no HTTP between them.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.deployment import data_folder
from ledger.app.ledger import Ledger
from ledger.app.publisher import Publisher
from ledger.domain.state import Transfer
from ledger.events import drafts, submission
from ledger.events.body import encode_event
from ledger.events.fields import Event
from ledger.events.peers import PeerRecognised
from ledger.events.private_details import sealing_public
from ledger.events.transfer import TransferRequested
from ledger.exchange import incoming, outgoing
from ledger.exchange.desk import Desk
from ledger.ids import new_id
from tests.bench import budgets
from tests.bench.data import BLOCKS, People
from tests.bench.machines import Machine
from tests.bench.report import Report

_PROCESSES = 2
_HERE, _THERE = "441600", "441700"


@dataclass(frozen=True, slots=True)
class End:
    """One end of a move, as a server has it."""

    ledger: Ledger
    publisher: Publisher
    desk: Desk
    sealing: bytes

    @classmethod
    def of(cls, opened: data_folder.Deployment, code: str) -> End:
        publisher, ledger = opened.publisher(code), opened.ledger(code)
        desk = Desk(opened.issuer(code), lambda: publisher.published)
        return cls(ledger, publisher, desk, opened.sealing_key(code))


@dataclass(frozen=True, slots=True)
class Side:
    """A region of the move with its people."""

    people: People
    end: End

    @property
    def ledger(self) -> Ledger:
        return self.end.ledger

    @property
    def publisher(self) -> Publisher:
        return self.end.publisher

    def submit(self, bodies: Sequence[bytes]) -> None:
        """Events of the region."""
        key = self.people.authority
        self.ledger.submit(submission.pack(submission.seal(bodies, key, self.people.origin), bodies))

    def make(self, kind: type[Event], subject: str, **members: Any) -> bytes:
        """The body of an event of the region, or of its first organisation, which is a station."""
        issuer = self.people.organisations[0] if kind is TransferRequested else self.people.authority
        return encode_event(kind(**drafts.common(issuer.name, self.people.region, subject), **members))

    def recognise(self, other: Side) -> None:
        """Trust the log of the other region."""
        log_key = str(other.publisher.key)
        members = {"peer": other.people.region, "peer_origin": other.people.origin, "log_key": log_key}
        subject = f"region:{self.people.region}"
        self.submit([self.make(PeerRecognised, subject, federation="bench#1", **members)])


def measure(report: Report, machine: Machine, life: int, movers: int, entries: int) -> None:
    """One long record; then many of common length, shared by two processes as regions have theirs."""
    with _side(machine, _HERE) as here, _side(machine, _THERE) as there:
        here.recognise(there)
        there.recognise(here)
        for request in here.people.life(here.people.volunteers[0], life):
            here.ledger.submit(request)
        (one,) = _requested(here, there, here.people.volunteers[:1])
        verify = machine.verify()
        start = time.perf_counter()
        _move(here.end, there.end, one)
        report.add(budgets.MOVE_LONG, life / (time.perf_counter() - start), verify)
        for request in here.people.sheets(entries // 2 * BLOCKS):
            here.ledger.submit(request)
        many = _requested(here, there, here.people.volunteers[1 : movers + 1])
        with ProcessPoolExecutor(_PROCESSES, multiprocessing.get_context("spawn")) as pool:
            list(pool.map(_move_all, [machine.folder] * _PROCESSES, [machine.dsn] * _PROCESSES, [[]] * _PROCESSES))
            verify = machine.verify()
            start = time.perf_counter()
            shares = [many[number::_PROCESSES] for number in range(_PROCESSES)]
            list(pool.map(_move_all, [machine.folder] * _PROCESSES, [machine.dsn] * _PROCESSES, shares))
            seconds = time.perf_counter() - start
        report.add(budgets.MOVE_MANY, movers * entries / seconds, verify)


def _move_all(folder: Path, dsn: str, transfers: Sequence[str]) -> None:
    """A share of the moves, one after the other, in a process of its own."""
    with data_folder.opened(folder / _HERE, dsn) as home, data_folder.opened(folder / _THERE, dsn) as destination:
        here, there = End.of(home, _HERE), End.of(destination, _THERE)
        for transfer in transfers:
            _move(here, there, transfer)


@contextlib.contextmanager
def _side(machine: Machine, code: str) -> Iterator[Side]:
    with machine.region(code) as (data, _, people), data_folder.opened(data, machine.dsn) as opened:
        yield Side(people, End.of(opened, code))


def _requested(here: Side, there: Side, volunteers: Sequence[str]) -> list[str]:
    """Moves that a station requested, by id."""
    found, bodies = [], []
    for volunteer in volunteers:
        found.append(new_id())
        to = {"to": there.people.region, "to_origin": there.people.origin, "reference": "档案 2026-19"}
        bodies.append(here.make(TransferRequested, f"transfer:{found[-1]}", volunteer=volunteer, **to))
    key = here.people.organisations[0]
    here.ledger.submit(submission.pack(submission.seal(bodies, key, here.people.origin), bodies))
    here.publisher.publish()
    return [str(one) for one in found]


def _move(here: End, there: End, transfer: str) -> None:
    """All of it, as two nodes would do it; a server signs within a second, which is not waited for."""
    here.publisher.refresh()
    requested = here.ledger.record(Transfer, transfer)
    assert requested is not None
    offered = outgoing.offer(here.desk, requested).first
    here.publisher.publish()
    message = incoming.check(there.desk, outgoing.message(here.desk, "", offered))
    answer = incoming.decide(there.desk, message, lambda _, name: _bundle(here, there, name), there.sealing)
    there.publisher.publish()
    assert answer.position is not None
    back = incoming.check(here.desk, outgoing.message(there.desk, "", answer.position))
    incoming.handle(here.desk, back, there.ledger.region)
    closed = here.ledger.record(Transfer, transfer)
    assert closed is not None
    assert closed.state == "closed"


def _bundle(here: End, there: End, transfer: str) -> Iterator[bytes]:
    return outgoing.bundle(here.desk, transfer, sealing_public(there.sealing))
