"""What remains of proofs when a key is revoked, when a region ends, and when a process dies."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.credentials import model
from ledger.errors import Refused
from ledger.ids import instant
from ledger.store.postgres.database import Database
from tests.api.folder import Folder, begun
from tests.api.process import serving
from tests.api.proving import YEAR, listed, newcomer
from tests.api.site import Site
from tests.integration.waiting import eventually
from tests.integration.world import check
from tests.support.builders import REGION

BASE = f"/v1/regions/{REGION}"


@pytest.fixture
def alone(database: Database, tmp_path: Path, by_hand: None) -> Iterator[Site]:
    """A deployment for one test, which may end it."""
    with Site(tmp_path, database, proofs=True) as site:
        yield site
        check(site.world)


def outcome(site: Site, data: bytes) -> str:
    return str(site.service.checking.check_upload(data).outcome)


# -- a key that signed proofs is revoked ----------------------------------------------------------------


def revoke_key(site: Site, multikey: str) -> None:
    site.world.record("region.credential_key_revoked/1", multikey=multikey)


def test_what_a_revoked_key_signed_is_signed_anew(database, tmp_path, by_hand):
    with Site(tmp_path, database, proofs=True) as site:
        site.world.now = time.time()  # commands date what they submit by the clock on the wall
        holder = newcomer(site, ("09:00", "10:00"))
        proof, other = holder.proof(), holder.proof()
        before = holder.part(proof, "credential")
        body = holder.credential(proof)
        old = site.deployment.proof_keys(REGION)
    site.deployment.change_proof_keys(REGION)
    with site.reopen():
        new = site.deployment.proof_keys(REGION)
        assert new.credential.multikey != old.credential.multikey
        assert holder.part(proof, "credential") == before  # the old key is still good
        revoke_key(site, old.credential.multikey)
        site.publish()
        for name in (proof, other):
            data = holder.part(name, "credential")
            assert old.credential.multikey.encode() not in data
            assert new.credential.multikey.encode() in data
            assert holder.part(name, "credential") == data
            assert outcome(site, data) == "valid"
            assert outcome(site, holder.part(name, "pdf")) == "valid"
        after = holder.credential(proof)
        assert model.commitment(after) == model.commitment(body)
        assert outcome(site, before) == "invalid"
        check(site.world)


# -- a region ends --------------------------------------------------------------------------------------


def test_a_region_that_closed_leaves_its_last_lists(alone):
    holder = newcomer(alone)
    entry = holder.serve("09:00", "10:00")
    gone, stands = holder.proof(), holder.proof()
    token = holder.post(f"proofs/{stands}/sd-jwt").json()
    holder.post(f"proofs/{gone}/revocation")
    data = {proof: holder.part(proof, "credential") for proof in (gone, stands)}
    assert "validUntil" in json.loads(listed(alone))
    alone.world.now += 1
    alone.world.record("region.closed/1")
    alone.publish()
    closed = int(alone.world.now)
    alone.world.now += 400 * 24 * 3600
    alone.sign_out()
    last = json.loads(listed(alone))
    assert "validUntil" not in last
    assert instant(last["validFrom"]) == closed
    assert listed(alone) == listed(alone)
    assert [outcome(alone, data[proof]) for proof in (gone, stands)] == ["revoked", "valid"]
    assert outcome(alone, token["token"].encode()) == "valid"
    with alone.nothing_written():
        for path, members in (
            ("proofs", YEAR),
            ("proofs", {"replaces": gone}),
            (f"proofs/{stands}/revocation", {}),
            (f"proofs/{stands}/sd-jwt", {}),
        ):
            answer = holder.post(path, **members)
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "region-closed")
        with pytest.raises(Refused):
            holder.change("withdrawn", entry)
    assert holder.part(stands, "credential") == data[stands]
    assert holder.part(stands, "pdf").startswith(b"%PDF-")
    alone.deployment.erase(REGION, holder.name)
    assert holder.get(f"proofs/{stands}").status_code == 404
    assert listed(alone) == json.dumps(last, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


# -- a process dies -------------------------------------------------------------------------------------


@pytest.fixture
def folder(database: Database, tmp_path: Path) -> Iterator[Folder]:
    with begun(tmp_path / "var", database) as folder:
        yield folder


def test_a_proof_outlives_the_process_that_issued_it(folder):
    """Killed between the commit and the first time that it is handed out."""
    folder.serve(9)
    with serving(folder.data, folder.database.dsn, folder.port) as server, folder.client() as client:
        proof = client.post(f"{BASE}/proofs", **YEAR)["id"]
        server.kill()
    with serving(folder.data, folder.database.dsn, folder.port), folder.client() as client:
        eventually(lambda: client.get(f"{BASE}/proofs/{proof}")["ready"])
        data = client.data(f"{BASE}/proofs/{proof}/credential")
        assert client.data(f"{BASE}/proofs/{proof}/credential") == data
        assert client.get(f"{BASE}/proofs")["proofs"][0]["id"] == proof
    with serving(folder.data, folder.database.dsn, folder.port), folder.client() as client:
        assert client.data(f"{BASE}/proofs/{proof}/credential") == data


def test_a_correction_is_not_forgotten_when_the_process_dies(folder):
    """Killed before it could see the correction; and once more, at some moment after it began to look."""
    first, second = folder.serve(9), folder.serve(11)
    with serving(folder.data, folder.database.dsn, folder.port) as server, folder.client() as client:
        whole = client.post(f"{BASE}/proofs", **YEAR)["id"]
        server.kill()
    folder.withdraw(first)
    with serving(folder.data, folder.database.dsn, folder.port) as server, folder.client() as client:
        eventually(lambda: client.get(f"{BASE}/proofs/{whole}")["reason"] == "withdrawn")
        heir = client.post(f"{BASE}/proofs", replaces=whole)["id"]
        folder.withdraw(second)
        server.kill()
    with serving(folder.data, folder.database.dsn, folder.port), folder.client() as client:
        eventually(lambda: client.get(f"{BASE}/proofs/{heir}")["reason"] == "withdrawn")
        assert client.get(f"{BASE}/proofs/{whole}")["replaced_by"] == heir
    assert [row.topic for row in folder.proof_events()] == ["proof.issued/1", "proof.revoked/1"] * 2
