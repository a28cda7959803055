"""A server is killed over a batch of proofs: each is issued once."""

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
            client = signed_in(folder)
            asked = {"first": "2026-01-01", "last": "2026-12-31", "consent": "名单", "volunteers": names}
            place = f"{BASE}/proof-batches/{client.post(f'{BASE}/proof-batches', **asked)['id']}"
            for least in (1, 300):
                wait(client, place, least)
                server.kill()
                server = Server(folder.data, database.dsn, folder.port)
                server.wait_ready()
                client = signed_in(folder)
            wait(client, place, 900)
            found = client.get(place)
        finally:
            server.stop()
        assert (found["issued"], found["refused"]) == (900, 0)
        issued = [row.topic for row in folder.proof_events()]
        assert issued == ["proof.issued/1"] * 900
        rows = folder.database.query(f"SELECT volunteer::text FROM r_{REGION}.holdings")
        assert sorted(f"volunteer:{name}" for (name,) in rows) == sorted(names)


def signed_in(folder: Folder) -> Client:
    client = Client(folder.url)
    client.sign_in(signing_key(STATION), REGION)
    return client


def wait(client: Client, place: str, least: int) -> None:
    eventually(lambda: client.get(place)["issued"] >= least)
