"""What reviews of issuing found, each on a deployment of its own: keys, restarts, years, lists that are full."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.service import region, status_lists
from api.service.proving import Ask
from ledger.credentials import model
from ledger.credentials.holdings import Request
from ledger.crypto.did import did_of
from ledger.crypto.multikey import multikey
from ledger.errors import Refused
from ledger.federation.trust_bundle import open_bundle
from ledger.ids import instant
from ledger.schemes.scheme import find
from ledger.store.postgres.database import Database
from projections import statements
from tests.api.proving import CONSENT, YEAR, Holder, listed, newcomer, revocation, settled
from tests.api.site import Site
from tests.integration.waiting import eventually
from tests.integration.world import at, check, span
from tests.support.builders import REGION, STATION, event_id, signing_key

DAY = 24 * 3600


@pytest.fixture
def closed(database: Database, tmp_path: Path, by_hand: None) -> Iterator[Site]:
    """A deployment whose server a test begins and ends."""
    site = Site(tmp_path, database, proofs=True)
    yield site
    check(site.world)


@pytest.fixture
def alone(closed: Site) -> Iterator[Site]:
    """A deployment for one test, and its server."""
    with closed:
        yield closed


def outcome(site: Site, data: bytes) -> str:
    return str(site.service.checking.check_upload(data).outcome)


# -- keys -----------------------------------------------------------------------------------------------


def test_a_key_that_came_and_went_within_a_second_is_not_trusted(alone):
    """The clock stands still: what is trusted goes by what the log says and not by when it was last read."""
    key = multikey(signing_key("another").verifier.public)

    def trusted() -> tuple[bool, int]:
        federation = alone.service.checking.trust().federation
        (region,) = (one for one in federation.regions if one.region == REGION)
        return key in region.credential_keys, federation.serial

    found = [trusted()]
    alone.world.record("region.credential_key_added/1", did=did_of(alone.url, REGION), multikey=key)
    found.append(trusted())
    alone.world.record("region.credential_key_revoked/1", multikey=key)
    found.append(trusted())
    assert [good for good, _ in found] == [False, True, False]
    serials = [serial for _, serial in found]
    assert serials == sorted(set(serials))
    alone.world.now += DAY
    assert trusted()[1] > serials[-1]


def test_a_server_whose_key_was_revoked_says_so_until_it_has_another(closed):
    with closed as site:
        site.world.now = time.time()  # commands date what they submit by the clock on the wall
        holder = newcomer(site, ("09:00", "10:00"))
        fetched, waiting = holder.proof(), holder.proof()
        before = holder.part(fetched, "credential")
        old = site.deployment.proof_keys(REGION).credential.multikey
        site.world.record("region.credential_key_revoked/1", multikey=old)
        site.publish()
        for proof in (fetched, waiting):
            for part in ("credential", "pdf", "qr"):
                answer = holder.get(f"proofs/{proof}/{part}")
                assert (answer.status_code, answer.json()["type"]) == (503, "urn:yongzhi:problem:unavailable")
                assert "was revoked" in answer.json()["detail"]
                assert "restart" in answer.json()["detail"]
    site.deployment.change_proof_keys(REGION)
    with site.reopen():
        for proof in (fetched, waiting):
            data = holder.part(proof, "credential")
            assert outcome(site, data) == "valid"
            assert holder.part(proof, "credential") == data
        assert outcome(site, before) == "invalid"


# -- a server that was down -----------------------------------------------------------------------------


def test_a_token_whose_credential_fell_while_nobody_watched_is_revoked(closed):
    with closed as site:
        holder = newcomer(site, ("09:00", "10:00"))
        proof, other = holder.proof(), holder.proof()
        made, apart = (holder.post(f"proofs/{one}/sd-jwt").json() for one in (proof, other))
    site.world.submit(revocation(site.world, proof, "withdrawn"))
    with site.reopen():
        assert holder.revoked(made["id"])["reason"] == "withdrawn"
        assert eventually(lambda: outcome(site, made["token"].encode()) == "revoked")
        settled(site)
        assert holder.shown(apart["id"])["state"] == "issued"
        assert outcome(site, apart["token"].encode()) == "valid"


def test_tables_of_an_older_form_are_made_anew(closed):
    with closed as site:
        holder = newcomer(site, ("07:00", "08:00"))
        entry = holder.serve("09:00", "10:30")
        proof = holder.proof()
        totals = site.json(f"volunteers/{holder.name}", holder.name)["total"]
        schema = site.service.regions[REGION].runner.projection.schema
        rows = rows_of(site, schema)
    with site.database.transaction() as cursor:
        cursor.execute(f"DROP TABLE {schema}.changed; UPDATE {schema}.volunteer_totals SET minutes = 7")
    with site.reopen():
        assert site.get("/readyz").status_code == 200
        holder.ask()  # which waits for the totals
        assert site.json(f"volunteers/{holder.name}", holder.name)["total"] == totals
        assert rows_of(site, schema) == rows
        settled(site)
        assert holder.shown(proof)["state"] == "issued"
        holder.change("withdrawn", entry)
        assert holder.revoked(proof)["reason"] == "withdrawn"


def rows_of(site: Site, schema: str) -> dict[str, list[tuple[Any, ...]]]:
    """What a projection keeps, in an order that does not depend on when."""
    tables = site.service.regions[REGION].runner.projection.tables
    return {name: site.world.query(f"SELECT t::text FROM {schema}.{name} t ORDER BY 1") for name in tables}


# -- stars of another year ------------------------------------------------------------------------------


def long_service(site: Site, holder: Holder, minutes: int) -> str:
    """Entries of at most ten hours, a day each from the first of September on; the last of them."""
    activity, found = str(event_id()), ""
    window: dict[str, Any] = {"start": at("00:00", "2026-09-01"), "end": at("23:00", "2026-10-31")}
    site.world.record("activity.published/1", subject=f"activity:{activity}", **window)
    for number, start in enumerate(range(0, minutes, 600)):
        day = f"2026-09-{number + 1:02}"
        members: dict[str, Any] = {"start": at("08:00", day), "end": at("18:00", day), "activity": activity}
        found = site.world.record("hours.recorded/1", subject=holder.name, minutes=min(600, minutes - start), **members)
    return found


@pytest.mark.parametrize("kind", ["service", "star"])
@pytest.mark.parametrize(("before", "after"), [("hk-yearly/1", "hk-yearly/1"), ("cn-2012/1", "hk-yearly/1")])
def test_a_new_year_and_a_new_scheme_break_no_star(alone, monkeypatch, kind, before, after):
    def by(scheme: str) -> None:
        for module in (region, statements):
            monkeypatch.setattr(module, "scheme_for", lambda region, day: find(scheme))

    by(before)
    holder, world = newcomer(alone), alone.world
    long_service(alone, holder, 6_000)
    entry = holder.serve("09:00", "10:00")
    world.now = instant(at("12:00", "2026-12-20"))
    alone.sign_out()
    members = {"star": True} if kind == "service" else {}
    proof = holder.proof(kind=kind, first="2026-11-01", last="2026-11-01", **members)
    star = holder.credential(proof).credentialSubject.service.star
    assert isinstance(star, model.StarLevel)
    assert star.scheme == before
    early = holder.post(f"proofs/{proof}/sd-jwt").json()["id"]

    by(after)
    world.now = instant(at("12:00", "2027-01-10"))
    alone.sign_out()
    late = holder.post(f"proofs/{proof}/sd-jwt").json()["id"]
    january = {"time": at("11:00", "2027-01-10")}
    holder.change("corrected", entry, **span("09:00", "10:00", responsible="王站长"), **january)
    settled(alone)
    assert [holder.shown(one)["state"] for one in (proof, early, late)] == ["issued"] * 3
    holder.change("withdrawn", entry, **january)
    if kind == "service":
        assert holder.revoked(proof)["reason"] == "withdrawn"
    else:
        # 6,060 minutes were stated.
        assert {holder.revoked(one)["state"] for one in (proof, early, late)} == {"revoked"}


# -- status lists ---------------------------------------------------------------------------------------

SIZE = 32


def ask(holder: Holder, replaces: str | None = None) -> Ask:
    return Ask(holder.name, Request(kind="service", **YEAR), replaces)


def list_of(site: Site, proof: str) -> str:
    """The status list in which a proof was given an index."""
    credential = site.service.regions[REGION].proofs.handing_out.holding(proof).credential
    assert isinstance(credential, model.Credential)
    return credential.credentialStatus.statusListCredential.rpartition("/")[2]


def test_a_list_is_left_when_half_of_it_is_given_to_proofs(alone, monkeypatch):
    monkeypatch.setattr(status_lists, "STATUS_LIST_SIZE", SIZE)
    holder, proving = newcomer(alone, ("09:00", "10:00")), alone.service.regions[REGION].proofs.proving
    first = holder.ask()["id"]
    with pytest.raises(Refused):  # only what was revoked is replaced, as the log finds when all is made
        proving.issue_all([ask(holder, first) for _ in range(SIZE // 4)])
    made = [first, *(holder.ask()["id"] for _ in range(SIZE // 2 - 1))]
    assert {list_of(alone, one) for one in made} == {f"{REGION}-1"}
    assert alone.http.get(f"/status/{REGION}-2").status_code == 404
    last = holder.ask()["id"]
    assert list_of(alone, last) == f"{REGION}-2"

    alone.publish()
    for proof in (first, last):
        assert outcome(alone, holder.part(proof, "credential")) == "valid"
    assert holder.post(f"proofs/{last}/revocation").status_code == 200
    assert [outcome(alone, holder.part(proof, "credential")) for proof in (first, last)] == ["valid", "revoked"]
    signer = alone.deployment.federation_key().verifier
    lists = open_bundle(alone.get("/v1/trust-bundle").content, [signer], int(alone.world.now)).lists
    for number in (1, 2):
        name = f"{REGION}-{number}"
        assert lists[f"{alone.url}/status/{name}"] == listed(alone, name)
    assert alone.http.get(f"/status/{REGION}-3").status_code == 404


def test_after_a_restart_a_list_is_gone_on_with(closed, monkeypatch):
    monkeypatch.setattr(status_lists, "STATUS_LIST_SIZE", 8)
    with closed as site:
        holder = newcomer(site, ("09:00", "10:00"))
        made = [holder.ask()["id"] for _ in range(5)]
    with site.reopen():
        made += [holder.ask()["id"] for _ in range(4)]
        assert [list_of(site, one)[-1] for one in made] == [*"111122223"]


# -- a region ends --------------------------------------------------------------------------------------


def test_a_region_that_closed_begins_no_batch(alone):
    holder = newcomer(alone, ("09:00", "10:00"), named=True)
    alone.world.record("region.closed/1")
    with alone.nothing_written():
        answer = Holder(alone, STATION).post("proof-batches", **YEAR, consent=CONSENT, volunteers=[holder.name])
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:yongzhi:problem:forbidden")
    assert "closed" in answer.json()["detail"]
