"""A deployment that was established by commands, for servers that are started and killed over it."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from api.client.client import Client
from api.deployment.data_folder import Deployment
from ledger.crypto.keys import SigningKey
from ledger.ids import new_id
from ledger.store import log
from ledger.store.postgres.database import Database
from tests.api.process import free_port, run
from tests.api.site import wipe
from tests.support import builders
from tests.support.builders import ABSENT, ORIGIN, REGION, STATION, VOLUNTEER, body, sealed, signing_key, vkey

_numbers = count(1)


class Folder:
    """A deployment that commands work on, in the time that it is."""

    def __init__(self, data: Path, database: Database, port: int) -> None:
        self.data, self.database, self.port = data, database, port
        self.url = f"http://127.0.0.1:{port}"
        self.deployment = Deployment(data, database)
        self.activity = str(new_id())

    def populate(self) -> None:
        region = self.deployment.region_keys(REGION).issuing
        station, person = signing_key(STATION), signing_key(VOLUNTEER)
        self.submit(region, ("organisation.registered/1", {"subject": STATION, "kind": "station"}))
        self.submit(region, ("organisation.key_added/1", {"subject": STATION, "key": vkey(STATION)}))
        self.submit(person, ("volunteer.registered/1", {}))
        day = {"start": "2026-10-01T00:00:00+08:00", "end": "2026-10-02T00:00:00+08:00"}
        self.submit(station, ("activity.published/1", {"subject": f"activity:{self.activity}", **day}))

    def enrol(self, how_many: int) -> list[str]:
        """Have the station register people and give each of them an hour; their names."""
        names = [f"volunteer:{new_id()}" for _ in range(how_many)]
        consent = {"method": "form", "given": "2026-09-30T12:00:00+08:00", "reference": "名单 1"}
        private, registered = {}, []
        for number, name in enumerate(names):
            event = str(new_id())
            data = builders.details(name=f"测试员{number}", id_number=f"E{next(_numbers):08}")
            private[event] = data
            members = {"id": event, "issuer": STATION, "subject": name, "consent": consent, "key": ABSENT}
            registered.append(body("volunteer.registered/1", identity=builders.identity(data), **members))
        ledger = self.deployment.ledger(REGION)
        ledger.submit(sealed(registered, signing_key(STATION), private=private))
        day = {"start": "2026-10-01T09:00:00+08:00", "end": "2026-10-01T10:00:00+08:00", "minutes": 60}
        fields = {"issuer": STATION, "activity": self.activity, **day}
        hours = [body("hours.recorded/1", id=str(new_id()), subject=name, **fields) for name in names]
        ledger.submit(sealed(hours, signing_key(STATION)))
        return names

    def submit(self, key: SigningKey, *drafts: tuple[str, dict[str, Any]]) -> None:
        bodies = [body(kind, id=str(new_id()), **{"issuer": key.name, **members}) for kind, members in drafts]
        self.deployment.ledger(REGION).submit(sealed(bodies, key))

    def serve(self, hour: int, minutes: int = 60) -> str:
        """An entry of the volunteer; its id."""
        name, day = str(new_id()), f"2026-10-01T{hour:02}"
        members = {"start": f"{day}:00:00+08:00", "end": f"{day}:59:59+08:00", "minutes": minutes - 1}
        fields = {"id": name, "issuer": STATION, "activity": self.activity, **members}
        request = sealed([body("hours.recorded/1", **fields)], signing_key(STATION))
        self.deployment.ledger(REGION).submit(request)
        return name

    def withdraw(self, entry: str) -> None:
        self.submit(signing_key(STATION), ("hours.withdrawn/1", {"entry": entry}))

    def proof_events(self) -> list[log.StoredRow]:
        with self.database.read() as cursor:
            rows = log.read_events(cursor, f"r_{REGION}", 0, 10_000)
        return [row for row in rows if row.topic.startswith("proof.")]

    def client(self) -> Client:
        found = Client(self.url)
        found.sign_in(signing_key(VOLUNTEER), REGION)
        return found


@contextmanager
def begun(data: Path, database: Database) -> Iterator[Folder]:
    """A data folder whose region was established by a command, with people in it; it is audited at the end."""
    wipe(database)
    found = Folder(data, database, free_port())
    where = ("--region", REGION, "--origin", ORIGIN, "--name-en", "Huizhou", "--url", found.url)
    done = run("init", "--data", data, *where, database_url=database.dsn)
    assert done.status == 0, done.err
    found.populate()
    yield found
    report = run("audit", "--data", data, "--region", REGION, database_url=database.dsn)
    assert report.status == 0, report.out
