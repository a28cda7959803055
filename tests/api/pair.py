"""Two regions that recognise each other, on servers of their own or on one, with a federation that names both."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx2
from fastapi import FastAPI
from msgspec import UNSET
from psycopg2.extensions import make_dsn, parse_dsn

from api.app import create_app
from api.deployment.installed_federation import install
from api.peers.exchange import Exchange, exchanges
from api.service.service import Service
from ledger.domain.state import Transfer, Volunteer
from ledger.events import private_details
from ledger.events.fields import RegionName
from ledger.federation import trust_bundle as federation
from ledger.federation.members import Region
from ledger.ids import format_time
from ledger.store.exchange import inbox, outbox
from ledger.store.postgres.database import Database
from tests.api import process
from tests.api.site import OTHER, Deployed, place_keys, serving_app
from tests.integration.waiting import DEADLINE_SECONDS, eventually
from tests.integration.world import World
from tests.support import issuing
from tests.support.builders import ABSENT, GROUP, REGION, STATION, VOLUNTEER, signing_key, vkey

SIGNER = signing_key("federation.example")
DAY = 24 * 3600


class Ticking(World):
    """A world whose clock goes on, as commands and other processes see it: what is to be tried again becomes due."""

    @property
    def now(self) -> float:
        return time.time()

    @now.setter
    def now(self, _: float) -> None:
        pass


class Party:
    """One of the regions and the server that serves it."""

    def __init__(self, world: World, data: Path, port: int) -> None:
        self.world, self.data, self.port = world, data, port
        self.code = world.region
        self.deployment: Deployed
        self.service: Service
        self.app: FastAPI
        self.http: httpx2.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def exchange(self) -> Exchange:
        return self.service.regions[self.code].exchange

    def exchange_offline(self) -> Exchange:
        """The same without a server."""
        return exchanges(self.deployment)[self.code]

    def stated(self, sealing_key: str | None) -> Region:
        """The region as the federation states it."""
        host = f"https://r{self.code}.example"
        return Region(
            region=self.code,
            origin=self.world.origin,
            name=RegionName(zh=self.code, en=self.code),
            log_keys=(vkey(self.world.origin),),
            did=f"did:web:r{self.code}.example:regions:{self.code}",
            base=host,
            credential_keys=(),
            token_keys=(),
            witness_keys=(),
            endpoint=self.url,
            sealing_key=sealing_key or UNSET,
        )

    # -- what it knows --------------------------------------------------------------------------------

    def transfer(self, name: str) -> Transfer | None:
        return self.world.ledger.record(Transfer, name)

    def state(self, name: str) -> str:
        found = self.transfer(name)
        return "" if found is None else found.state

    def volunteer(self, name: str = VOLUNTEER) -> Volunteer:
        found = self.world.ledger.record(Volunteer, name)
        assert found is not None
        return found

    def outbox(self) -> list[outbox.Row]:
        """What is not delivered."""
        with self.world.database.read() as cursor:
            return outbox.pending(cursor, self.world.schema, 100)

    def inbox(self) -> list[inbox.Row]:
        """What is not settled."""
        with self.world.database.read() as cursor:
            return inbox.pending(cursor, self.world.schema, 100)

    def undone(self) -> list[Any]:
        return [*self.outbox(), *self.inbox()]

    def totals(self, name: str = VOLUNTEER) -> Any:
        return self.service.regions[self.code].totals.volunteer(name)

    # -- what it is asked -----------------------------------------------------------------------------

    def post(self, data: bytes, sender: str, **headers: str) -> httpx2.Response:
        return self.http.post(
            f"/v1/regions/{self.code}/inbox", params={"sender": sender}, content=data, headers=headers
        )

    def bundle(self, transfer: str, authorization: str | None = None) -> httpx2.Response:
        headers = {} if authorization is None else {"authorization": authorization}
        return self.http.get(f"/v1/regions/{self.code}/transfers/{transfer}/bundle", headers=headers)


_numbers = count(1)


@contextmanager
def fresh(server: Database) -> Iterator[Database]:
    """One more database on the same server; dropped at the end, whoever still uses it."""
    name = f"{parse_dsn(server.dsn)['dbname']}_more{next(_numbers)}"
    with closing(server.connect()) as connection:
        connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE template0")
        with closing(Database(make_dsn(server.dsn, dbname=name), connections_max=48)) as database:
            yield database
        connection.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def paired(data: Path, server: Database, *, together: bool = False) -> Iterator["Pair"]:
    """Two regions that are not served yet, `together` in one folder and database, or each in its own."""
    with fresh(server) as here, fresh(server) as there:
        yield Pair(data, (here, here if together else there), together)


class Pair:
    """`a` and `b`. A context manager: while it is entered, servers run."""

    def __init__(self, data: Path, databases: tuple[Database, Database], together: bool) -> None:
        ports = [process.free_port()] * 2 if together else [process.free_port(), process.free_port()]
        folders = [data / "both"] * 2 if together else [data / "a", data / "b"]
        self.a, self.b = (
            Party(Ticking(database, code), folder, port)
            for code, database, folder, port in zip((REGION, OTHER), databases, folders, ports, strict=True)
        )
        for party in self.parties:
            worlds = {one.code: one.world for one in self.parties if one.data == party.data}
            party.deployment = Deployed(party.data, party.world.database, worlds)
            (party.data / "keys").mkdir(parents=True, exist_ok=True)
            place_keys(party.data, party.world)
        self.a.world.populate()
        self.b.world.establish()
        self.b.world.admit(STATION, kind="station")
        self.b.world.admit(GROUP)
        self.b.world.publish(STATION)
        self.install()
        self._stack = ExitStack()

    @property
    def parties(self) -> tuple[Party, Party]:
        return self.a, self.b

    def federation(self, *, sealed: bool = True, **changes: Any) -> bytes:
        """The file that both install; not `sealed`: without the keys that details are sealed to."""
        now = int(self.a.world.now)
        stated = [
            party.stated(private_details.sealing_public(party.deployment.sealing_key(party.code)) if sealed else None)
            for party in self.parties
        ]
        fields = {"issued": format_time(now - DAY), "expires": format_time(now + 30 * DAY), **changes}
        keys = {"name": SIGNER.name, "keys": (str(SIGNER.verifier),)}
        return federation.seal(issuing.federated(*stated, **keys, **fields), [SIGNER])

    def install(self, **changes: Any) -> None:
        data = self.federation(**changes)
        for party in self.parties:
            install(party.data, data, int(party.world.now), [SIGNER.verifier])

    def recognise(self, party: Party, peer: Party) -> None:
        """By an event of the region itself."""
        members: dict[str, Any] = {
            "peer": peer.code,
            "peer_origin": peer.world.origin,
            "log_key": vkey(peer.world.origin),
        }
        authority = party.world.authority
        party.world.record("region.peer_recognised/1", issuer=authority, subject=authority, **members)

    def recognised(self) -> Self:
        """Both recognise each other."""
        self.recognise(self.a, self.b)
        self.recognise(self.b, self.a)
        return self

    # -- running --------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.start(self.a, stack)
            if self.a.data == self.b.data:
                self.b.service, self.b.http = self.a.service, self.a.http
            else:
                self.start(self.b, stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, party: Party, stack: ExitStack) -> None:
        """Serve a party until the stack is closed."""
        party.service = Service(party.deployment)
        stack.callback(party.service.close)
        party.app = create_app(party.service, f"127.0.0.1:{party.port}")
        listening = socket.create_server(("127.0.0.1", party.port))
        stack.enter_context(serving_app(party.app, listening))
        party.http = stack.enter_context(httpx2.Client(base_url=party.url, timeout=DEADLINE_SECONDS))

    # -- moving ---------------------------------------------------------------------------------------

    def request(self, home: Party, to: Party, volunteer: str = VOLUNTEER, **changes: Any) -> str:
        """The UUID of a transfer that the volunteer requests."""
        transfer = str(uuid4())
        fields = {"to": to.code, "to_origin": to.world.origin, "reference": ABSENT, "volunteer": volunteer, **changes}
        home.world.record("transfer.requested/1", **{"issuer": volunteer, "subject": f"transfer:{transfer}", **fields})
        return transfer

    def move(self, home: Party, to: Party, volunteer: str = VOLUNTEER, **changes: Any) -> str:
        """A whole move, left to the servers."""
        transfer = self.request(home, to, volunteer, **changes)
        self.wait(lambda: to.state(transfer) == "accepted" and home.state(transfer) == "closed")
        return transfer

    def wait(self, condition: Callable[[], object]) -> None:
        """Until the condition holds; told with what is stuck when it never does."""
        try:
            eventually(condition)
        except AssertionError:
            stuck = [(party.code, party.outbox(), party.inbox()) for party in self.parties]
            raise AssertionError(f"waited in vain: {stuck}") from None

    def wait_settled(self) -> None:
        """Nothing is on its way, but for what is aside."""

        def settled() -> bool:
            followed = all(
                party.world.query(f"SELECT notification_id FROM {party.world.schema}_outgoing.tracking")
                == [(party.world.size,)]
                for party in self.parties
            )
            return followed and "waiting" not in {one.state for party in self.parties for one in party.undone()}

        self.wait(settled)
