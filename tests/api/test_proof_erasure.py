"""A person is erased: the proofs are revoked first, and nothing is left that tells whose they were."""

import time
from collections.abc import Iterator

import pytest

from ledger.errors import Conflict
from ledger.store import proofs
from ledger.store.postgres.database import Cursor, Database
from tests.api.proving import YEAR, Holder, newcomer
from tests.api.site import Site
from tests.integration.waiting import eventually
from tests.support.builders import AUTHORITY, REGION, STATION


@pytest.fixture(scope="module")
def proving(database: Database, tmp_path_factory: pytest.TempPathFactory, by_hand: None) -> Iterator[Site]:
    """As elsewhere; but what was erased cannot be decided again, so nobody looks at the ledger in the end."""
    with Site(tmp_path_factory.mktemp("data"), database, proofs=True) as site:
        site.world.now = time.time()  # commands date what they submit by the clock on the wall
        yield site


def outcome(site: Site, data: bytes) -> str:
    return str(site.service.checking.check_upload(data).outcome)


def rows_about(site: Site, *values: str) -> list[str]:
    """Tables with a row that names one of these, but for the log and what follows from it."""
    tables = site.world.query(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = %s OR schemaname = 'vault'",
        site.world.schema,
    )
    found = []
    for (table,) in tables:
        for (row,) in site.world.query(f"SELECT t::text FROM {table} t"):
            found += [table.rpartition(".")[2] for value in values if value.rpartition(":")[2] in row]
    return sorted(set(found))


def test_erasing_revokes_first_and_leaves_nothing(proving):
    holder = newcomer(proving, ("09:00", "10:00"), named=True)
    proof = holder.proof(named=True)
    credential = holder.part(proof, "credential")
    token = holder.post(f"proofs/{proof}/sd-jwt").json()
    station = Holder(proving, STATION)
    station.part(proof, "pdf")
    revoked, rows = proving.deployment.erase(REGION, holder.name)
    assert (revoked, rows) == (2, 1)
    for name, part in ((proof, "credential"), (proof, "pdf"), (proof, "qr"), (token["id"], "sd-jwt"), (proof, "")):
        for by in (holder.name, STATION, AUTHORITY):
            assert proving.get(f"proofs/{name}/{part}".rstrip("/"), by).status_code == 404
    assert proving.json("proofs", holder.name)["proofs"] == []
    assert outcome(proving, credential) == "revoked"
    assert outcome(proving, token["token"].encode()) == "revoked"
    assert proving.service.checking.check_upload(credential).reason == "erased"
    shown = proving.service.checking.shown_proof(proof)
    assert (shown.verdict.outcome, shown.verdict.reason, shown.credential) == ("revoked", "erased", None)
    assert holder.name not in proving.get(f"/p/{proof}").text
    assert "林小明" not in proving.get(f"/p/{proof}").text


def test_nothing_tells_any_more_whose_an_erased_proof_was(proving):
    holder = newcomer(proving, ("09:00", "10:00"), named=True)
    proof = holder.proof()
    holder.part(proof, "pdf")
    batch = (
        Holder(proving, STATION).post("proof-batches", **YEAR, volunteers=[holder.name], consent="名单 1").json()["id"]
    )
    of_batch = eventually(lambda: proving.json(f"proof-batches/{batch}/items", STATION, state="issued")["items"])[0][
        "proof"
    ]
    proving.deployment.erase(REGION, holder.name)
    # The log has the proofs, and the hours; no row has both.
    about = rows_about(proving, proof, of_batch)
    assert about == ["claims", "events", "proofs"]
    assert {"holdings", "identities", "accesses", "batch_items"}.isdisjoint(rows_about(proving, holder.name))


def test_who_was_erased_may_ask_again(proving):
    holder = newcomer(proving, ("09:00", "10:00"), named=True)
    before = holder.proof()
    proving.deployment.erase(REGION, holder.name)
    after = holder.proof()
    assert holder.get(f"proofs/{before}").status_code == 404
    assert outcome(proving, holder.part(after, "credential")) == "valid"
    assert holder.post("proofs", **YEAR, named=True).status_code == 400


def test_a_proof_issued_while_somebody_is_erased_is_revoked_too(proving, monkeypatch):
    holder = newcomer(proving, ("09:00", "10:00"), named=True)
    first = holder.proof()
    standing_of, late = proofs.standing_of, list[str]()

    def seen(cursor: Cursor, schema: str, name: str) -> list[str]:
        found = standing_of(cursor, schema, name)
        if not late:
            late.append(holder.ask()["id"])
        return found

    monkeypatch.setattr(proofs, "standing_of", seen)
    assert proving.deployment.erase(REGION, holder.name) == (2, 1)
    records = [proving.service.regions[REGION].proofs.handing_out.kept(one).record for one in (first, *late)]
    assert [record.reason for record in records] == ["erased", "erased"]


def test_a_ledger_erases_nobody_whose_proof_stands(proving):
    holder = newcomer(proving, ("09:00", "10:00"), named=True)
    holder.proof()
    with proving.nothing_written(), pytest.raises(Conflict):
        proving.world.ledger.erase(holder.name)


def test_erasing_twice_revokes_nothing_more(proving):
    holder = newcomer(proving, ("09:00", "10:00"), named=True)
    holder.proof()
    assert proving.deployment.erase(REGION, holder.name) == (1, 1)
    size = proving.world.size
    assert proving.deployment.erase(REGION, holder.name) == (0, 0)
    assert proving.world.size == size
