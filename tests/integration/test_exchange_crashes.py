"""Two servers over databases of their own, either of which is killed at any step of a move: every minute stays, once.

The steps are seen from outside, in the tables, and whatever is to be killed is killed at once.
"""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from api.client.client import Client
from api.deployment.data_folder import Deployment
from api.deployment.installed_federation import install
from ledger.app.intake import Accepted
from ledger.crypto.keys import SigningKey
from ledger.events import private_details
from ledger.events.fields import RegionName
from ledger.federation import trust_bundle
from ledger.federation.members import Region
from ledger.ids import format_time, new_id
from ledger.store.postgres import embedded
from ledger.store.postgres.database import Database
from tests.api import process
from tests.integration.waiting import eventually
from tests.support import builders, issuing
from tests.support.builders import ABSENT, PEER, REGION, STATION, signing_key, vkey

SIGNER = signing_key("federation.example")
CONSENT = {"method": "form", "given": "2026-09-30T12:00:00+08:00", "reference": "名单 1"}
MINUTES = 3 * 30
"""Of each person, before an hour's last half is recorded late."""
LATE = 30
_numbers = itertools.count(1)


class Postgres:
    """An embedded PostgreSQL that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = [embedded.start(folder)]
        self.dsn = self._started[0].dsn

    def kill(self) -> None:
        """Every process of the server; the postmaster first, so that it cannot react to the others."""
        postmaster = int((self._folder / "pg" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        pairs = [line.split() for line in listed.splitlines()]
        for found in (postmaster, *(int(pid) for pid, parent in pairs if int(parent) == postmaster)):
            os.kill(found, signal.SIGKILL)

    def restart(self) -> None:
        self._started.append(embedded.start(self._folder))

    def close(self) -> None:
        for server in reversed(self._started):
            server.stop()


class Party:
    """A region with a data folder, a database and a server of its own."""

    def __init__(self, folder: Path, code: str) -> None:
        self.data, self.code, self.port = folder / code, code, process.free_port()
        self.origin = f"ledger.example/{code}"
        self.postgres = Postgres(self.data)
        self.database = Database(self.postgres.dsn)
        self.server: process.Server | None = None
        self.run("init", "--region", code, "--origin", self.origin, "--name-en", code, "--url", self.url)
        self.deployment = Deployment(self.data, self.database)
        self.issuing = self.deployment.region_keys(code).issuing
        self.activity = str(new_id())

    def close(self) -> None:
        if self.server is not None:
            self.server.stop()
        self.database.close()
        self.postgres.close()

    def run(self, *words: str) -> None:
        """A command that succeeds."""
        done = process.run(*words, "--data", self.data, database_url=self.postgres.dsn)
        assert done.status == 0, done.out + done.err

    def check(self) -> None:
        """The ledger is whole, and what is derived from it is what it comes to."""
        self.run("audit")
        self.run("rebuild")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def schema(self) -> str:
        return f"r_{self.code}"

    def stated(self) -> Region:
        """The region as the federation states it."""
        return Region(
            region=self.code,
            origin=self.origin,
            name=RegionName(zh=self.code, en=self.code),
            log_keys=(str(self.deployment.region_keys(self.code).log.verifier),),
            did=f"did:web:r{self.code}.example:regions:{self.code}",
            base=f"https://r{self.code}.example",
            credential_keys=(),
            token_keys=(),
            witness_keys=(),
            endpoint=self.url,
            sealing_key=private_details.sealing_public(self.deployment.sealing_key(self.code)),
        )

    def populate(self) -> None:
        station = signing_key(STATION)
        self.submit(self.issuing, "organisation.registered/1", subject=STATION, kind="station")
        self.submit(self.issuing, "organisation.key_added/1", subject=STATION, key=vkey(STATION))
        day: dict[str, Any] = {"start": "2026-10-01T00:00:00+08:00", "end": "2026-10-02T00:00:00+08:00"}
        self.submit(station, "activity.published/1", subject=f"activity:{self.activity}", **day)

    # -- what it is told ------------------------------------------------------------------------------

    def submit(self, key: SigningKey, kind: str, /, *, private: bytes | None = None, **members: Any) -> Accepted:
        """Into the log itself, as a server would do it."""
        name = str(new_id())
        body = builders.body(kind, **{"id": name, "issuer": key.name, "ledger": self.code, **members})
        details = {} if private is None else {name: private}
        return self.deployment.ledger(self.code).submit(builders.sealed([body], key, self.origin, details))

    def record(self, volunteer: str, hour: int) -> None:
        """Half an hour of service."""
        day = f"2026-10-01T{hour:02}"
        span: dict[str, Any] = {"start": f"{day}:00:00+08:00", "end": f"{day}:30:00+08:00", "minutes": 30}
        self.submit(signing_key(STATION), "hours.recorded/1", subject=volunteer, activity=self.activity, **span)

    def enrol(self) -> tuple[str, bytes]:
        """Somebody with details and hours; who, and the details."""
        name = f"volunteer:{new_id()}"
        details = builders.details(id_number=f"E{next(_numbers):08}")
        members: dict[str, Any] = {
            "subject": name,
            "consent": CONSENT,
            "key": ABSENT,
            "identity": builders.identity(details),
        }
        self.submit(signing_key(STATION), "volunteer.registered/1", private=details, **members)
        for hour in range(9, 12):
            self.record(name, hour)
        return name, details

    # -- what it knows --------------------------------------------------------------------------------

    def has(self, condition: str, *values: object) -> bool:
        """Whether its tables say so; a condition on `{s}`, its schema."""
        [(found,)] = self.database.query(f"SELECT {condition.format(s=self.schema)}", values)
        return bool(found)

    def counted(self, who: str | None = None) -> int:
        """Minutes that count, of somebody or of all, as the region itself is answered over HTTP."""
        with closing_client(self) as client:
            place = "totals" if who is None else f"volunteers/{who}"
            found = client.get(f"/v1/regions/{self.code}/{place}")["total"].get("counted", {"minutes": 0})
            return int(found["minutes"])

    # -- what happens to it ---------------------------------------------------------------------------

    def serve(self) -> None:
        self.server = process.Server(self.data, self.postgres.dsn, self.port)
        self.server.wait_ready()

    def kill_server(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.serve()

    def kill_database(self) -> None:
        """The server stays, and goes on by itself."""
        assert self.server is not None
        self.postgres.kill()
        self.postgres.restart()
        self.server.wait_ready()


@contextmanager
def closing_client(party: Party) -> Iterator[Client]:
    with Client(party.url) as client:
        client.sign_in(party.issuing, party.code)
        yield client


class Parties:
    """`a`, where people are registered, and `b`, where they move."""

    def __init__(self, a: Party, b: Party) -> None:
        self.a, self.b = a, b
        self.recorded = 0
        """Minutes."""

    def federate(self, pool: ThreadPoolExecutor) -> None:
        """Both install one federation and recognise each other."""
        now = int(time.time())
        fields = {"issued": format_time(now - 3600), "expires": format_time(now + 24 * 3600)}
        keys = {"name": SIGNER.name, "keys": (str(SIGNER.verifier),)}
        stated = issuing.federated(self.a.stated(), self.b.stated(), **keys, **fields)
        for party in (self.a, self.b):
            install(party.data, trust_bundle.seal(stated, [SIGNER]), now, [SIGNER.verifier])
        list(pool.map(lambda party: party.run("federation", "recognise", "--region", party.code), (self.a, self.b)))

    def move(self, step: str, victim: str) -> None:
        """Somebody moves; at the step, the victim is killed. In the end all is as if nothing had been."""
        a, b = self.a, self.b
        name, details = a.enrol()
        transfer, before = str(uuid4()), {party.code: _told(party) for party in (a, b)}
        fields: dict[str, Any] = {"to": b.code, "to_origin": b.origin, "reference": "申请 1", "volunteer": name}
        a.submit(signing_key(STATION), "transfer.requested/1", subject=f"transfer:{transfer}", **fields)
        if step == "relayed":
            eventually(lambda: STEPS["offered"](self, transfer, before))
            a.record(name, 12)
        eventually(lambda: STEPS[step](self, transfer, before))

        VICTIMS[victim](self)
        if step != "relayed":
            a.record(name, 12)
        self.recorded += MINUTES + LATE

        settled = f"(SELECT state = %s FROM {{s}}.transfers WHERE id = '{transfer}')"
        eventually(lambda: b.has(settled, "accepted") and a.has(settled, "closed"), SECONDS)
        eventually(lambda: (a.counted(name), b.counted(name)) == (0, MINUTES + LATE), SECONDS)
        eventually(lambda: a.counted() + b.counted() == self.recorded)
        assert [one.details for one in b.deployment.ledger(b.code).private(name)] == [details]
        for party, kind in ((b, "transfer.accepted/1"), (a, "transfer.closed/1"), (a, "transfer.offered/1")):
            once = "(SELECT count(*) = 1 FROM {s}.events WHERE stream = %s AND topic = %s)"
            assert party.has(once, f"transfer:{transfer}", kind), kind


SECONDS = 240.0
"""A message that was taken when a database was killed is taken again after DELIVERY_LEASE."""


def _told(party: Party) -> int:
    """Messages that ever came."""
    return int(party.database.query(f"SELECT count(*) FROM {party.schema}.inbox")[0][0])


_STATE = "EXISTS (SELECT FROM {{s}}.transfers WHERE id = '{transfer}' AND state <> '{other}')"
STEPS: dict[str, Callable[[Parties, str, dict[str, int]], bool]] = {
    "requested": lambda all, transfer, before: True,
    "offered": lambda all, transfer, before: all.a.has(_STATE.format(transfer=transfer, other="requested")),
    "told": lambda all, transfer, before: _told(all.b) > before[all.b.code],
    "accepted": lambda all, transfer, before: all.b.has(_STATE.format(transfer=transfer, other="")),
    "answered": lambda all, transfer, before: _told(all.a) > before[all.a.code],
    "closed": lambda all, transfer, before: all.a.has(
        "(SELECT state = 'closed' FROM {s}.transfers WHERE id = %s)", transfer
    ),
    "relayed": lambda all, transfer, before: _told(all.b) > before[all.b.code] + 1,
}
VICTIMS: dict[str, Callable[[Parties], None]] = {
    "server a": lambda all: all.a.kill_server(),
    "server b": lambda all: all.b.kill_server(),
    "database a": lambda all: all.a.kill_database(),
    "database b": lambda all: all.b.kill_database(),
}


@pytest.fixture(scope="module")
def parties() -> Iterator[Parties]:
    """At the end both ledgers are whole, and what is derived from them is what they come to."""
    # Not pytest's own temporary folder: as root that is 0700, and PostgreSQL runs under another user.
    folder = Path(tempfile.mkdtemp(prefix="yongzhi-"))
    folder.chmod(0o711)
    try:
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(4))
            made = list(pool.map(lambda code: Party(folder, code), (REGION, PEER)))
            for party in made:
                stack.enter_context(closing(party))
            found = Parties(*made)
            found.federate(pool)
            list(pool.map(Party.populate, made))
            list(pool.map(Party.serve, made))
            yield found
            list(pool.map(Party.check, made))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


FEW = [("offered", "server a"), ("told", "server b"), ("accepted", "database b"), ("answered", "database a")]


@pytest.mark.parametrize(("step", "victim"), FEW)
def test_a_crash_at_a_step_of_a_move_loses_nothing(parties: Parties, step: str, victim: str):
    parties.move(step, victim)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("victim", VICTIMS)
def test_a_crash_at_any_step_of_a_move_loses_nothing(parties: Parties, step: str, victim: str):
    parties.move(step, victim)
