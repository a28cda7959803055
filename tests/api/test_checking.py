"""From a volunteer's proof to whoever receives it: by commands and by the route, against the server that issued it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.cli.main import main
from ledger.ids import format_time
from ledger.limits import STATUS_LIST_SECONDS
from ledger.store.postgres.database import Database
from tests.api.site import Site
from tests.integration.waiting import eventually
from tests.support.builders import VOLUNTEER


@pytest.fixture(scope="module")
def issuer(database: Database, tmp_path_factory: pytest.TempPathFactory, by_hand: None) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("data"), database, proofs=True) as site:
        yield site


def invoke(site: Site, *arguments: object) -> Result:
    """A command that has nothing of the server but the public half of its federation key."""
    pinned = ("--key", site.data / "keys" / "federation.pub", "--json")
    return CliRunner().invoke(main, [str(one) for one in (*arguments, *pinned)])


def told(result: Result, status: int = 0) -> Any:
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def issued(site: Site) -> str:
    """A proof that a volunteer asked for, under a checkpoint."""
    answer = site.http.post(
        site.path("proofs"), headers=site.signed_in(VOLUNTEER), json={"first": "2026-01-01", "last": "2026-11-30"}
    )
    assert answer.status_code == 201, answer.text
    site.publish()
    proof: str = answer.json()["id"]
    eventually(lambda: site.json(f"proofs/{proof}", VOLUNTEER)["ready"])
    return proof


def verdict(site: Site, data: bytes) -> Any:
    answer = site.http.post("/v1/verify", content=data)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_proof_is_believed_until_it_is_revoked(issuer: Site, tmp_path: Path) -> None:
    world, now = issuer.world, ("--at", format_time(int(issuer.world.now)))
    world.record("hours.recorded/1")
    proof = issued(issuer)
    files = {}
    for name in ("credential", "pdf", "qr"):
        files[name] = tmp_path / name
        headers = {**issuer.signed_in(VOLUNTEER), "accept": "text/plain" if name == "qr" else "*/*"}
        files[name].write_bytes(issuer.http.get(issuer.path(f"proofs/{proof}/{name}"), headers=headers).content)
    made = issuer.http.post(issuer.path(f"proofs/{proof}/sd-jwt"), headers=issuer.signed_in(VOLUNTEER), json={})
    token = tmp_path / "token"
    token.write_text(made.json()["token"], encoding="utf-8")
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(issuer.get("/v1/trust-bundle").content)

    offline = ("--bundle", bundle, "--offline")
    for file in files.values():
        for options in (offline, ("--url", issuer.url)):
            found = told(invoke(issuer, "verify", file, *options, *now))
            assert (found["outcome"], found["proof"]) == ("valid", proof)
        assert verdict(issuer, file.read_bytes())["outcome"] == "valid"
    assert told(invoke(issuer, "verify", token, *offline, *now))["format"] == "sd-jwt"
    assert verdict(issuer, token.read_bytes())["outcome"] == "valid"
    later = format_time(int(world.now) + STATUS_LIST_SECONDS)
    assert told(invoke(issuer, "verify", files["pdf"], *offline, "--at", later), 4)["outcome"] == "status-unknown"

    done = issuer.http.post(issuer.path(f"proofs/{proof}/revocation"), headers=issuer.signed_in(VOLUNTEER), json={})
    assert done.is_success, done.text
    for file in files.values():
        assert told(invoke(issuer, "verify", file, "--url", issuer.url, *now), 3)["outcome"] == "revoked"
    assert told(invoke(issuer, "verify", files["pdf"], *offline, *now))["outcome"] == "valid"  # as of that list
    found = verdict(issuer, files["pdf"].read_bytes())
    assert (found["outcome"], found["reason"]) == ("revoked", "requested")


def test_the_data_folder_of_a_server_pins_its_own_key(issuer: Site, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(issuer.get("/v1/trust-bundle").content)
    arguments = ["verify", "https://ledger.example/p/x", "--bundle", str(bundle), "--offline", "--data"]
    at = ["--at", format_time(int(issuer.world.now)), "--json"]
    assert told(CliRunner().invoke(main, [*arguments, str(issuer.data), *at]), 1)["outcome"] == "invalid"
    assert CliRunner().invoke(main, [*arguments, str(tmp_path), *at]).exit_code == 2
