"""A server is killed over a batch of proofs: each is issued once."""

from typing import Any

from api.client.client import Client
from tests.api.folder import Folder, begun
from tests.api.process import Server
from tests.integration.waiting import eventually
from tests.support.builders import REGION, STATION, signing_key

BASE = f"/v1/regions/{REGION}"


def test_a_killed_server_issues_each_proof_of_a_batch_once(database, tmp_path):
    """Killed a few times while the batch is worked on, wherever that is."""
    with begun(tmp_path / "var", database) as folder:
        names = folder.enrol(900)
        server = Server(folder.data, database.dsn, folder.port)
        try:
            server.wait_ready()
            place = begin(folder, names)
            for least in (1, 300):
                wait(folder, place, least)
                server.kill()
                server = Server(folder.data, database.dsn, folder.port)
                server.wait_ready()
            found = wait(folder, place, 900)
        finally:
            server.stop()
        assert (found["issued"], found["refused"]) == (900, 0)
        issued = [row.topic for row in folder.proof_events()]
        assert issued == ["proof.issued/1"] * 900
        rows = folder.database.query(f"SELECT volunteer::text FROM r_{REGION}.holdings")
        assert sorted(f"volunteer:{name}" for (name,) in rows) == sorted(names)


def begin(folder: Folder, names: list[str]) -> str:
    """Ask for proofs of these people; the path of the batch."""
    asked = {"first": "2026-01-01", "last": "2026-12-31", "consent": "名单", "volunteers": names}
    with signed_in(folder) as client:
        return f"{BASE}/proof-batches/{client.post(f'{BASE}/proof-batches', **asked)['id']}"


def wait(folder: Folder, place: str, least: int) -> Any:
    """Until at least so many are issued; the batch as it is then."""
    with signed_in(folder) as client:
        return eventually(lambda: (batch := client.get(place))["issued"] >= least and batch)


def signed_in(folder: Folder) -> Client:
    client = Client(folder.url)
    client.sign_in(signing_key(STATION), REGION)
    return client
