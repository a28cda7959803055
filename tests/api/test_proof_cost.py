"""How many transactions and statements a proof costs, from the request to the PDF: held here so that none creeps in."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.api.proving import CONSENT, YEAR, Holder, newcomer
from tests.api.site import Site
from tests.support.builders import AUTHORITY, STATION
from tests.support.counting import CountingDatabase, Counts


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[CountingDatabase]:
    with closing(CountingDatabase(database_url, connections_max=48)) as database:
        yield database


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, database: CountingDatabase) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("cost")
    with Site(folder, database, proofs=True) as site:
        yield site


@pytest.fixture
def holder(site: Site) -> Holder:
    """A volunteer with a name who has served, and has asked for a proof before: nothing is read for the first time."""
    holder = newcomer(site, ("09:00", "10:00"), named=True)
    holder.ask()
    return holder


def check(found: Counts, transactions: int, statements_max: int) -> None:
    assert found.transactions == transactions, found.texts
    assert found.statements <= statements_max, found.texts


def test_issuing_takes_one_snapshot_and_one_transaction(site: Site, database: CountingDatabase, holder: Holder) -> None:
    """Beside it: the key that signed in, the head that the totals have to reach, and the proof as it is told."""
    with database.counted() as found:
        answer = holder.post("proofs", **YEAR, named=True, star=True)
    assert answer.status_code == 201
    check(found, 5, 31)


def test_finishing_takes_one_snapshot_and_one_transaction(
    site: Site, database: CountingDatabase, holder: Holder
) -> None:
    """Beside it: the key that signed in, the proof and whose it is, and who looked."""
    proof = holder.proof()
    with database.counted() as found:
        assert holder.part(proof, "pdf").startswith(b"%PDF")
    check(found, 5, 10)


@pytest.mark.parametrize("part", ["credential", "pdf", "qr"])
def test_what_is_finished_is_fetched_by_one_statement(
    site: Site, database: CountingDatabase, holder: Holder, part: str
) -> None:
    """Beside it: the key that signed in, and who looked."""
    proof = holder.proof()
    holder.part(proof, part)
    for reader in (holder, Holder(site, AUTHORITY), Holder(site, STATION)):
        assert reader.part(proof, part)
        with database.counted() as found:
            assert reader.part(proof, part)
        check(found, 3, 5)
        of_proof = found.texts[1]
        assert "finished" in of_proof
        assert "sealed" not in of_proof


def test_its_page_is_made_of_one_statement_beside_what_checks_it(
    site: Site, database: CountingDatabase, holder: Holder
) -> None:
    """Beside it: how old the bundle of keys is, three for the status list, and who looked."""
    proof = holder.proof()
    assert site.http.get(f"/p/{proof}").status_code == 200
    with database.counted() as found:
        assert site.http.get(f"/p/{proof}").status_code == 200
    check(found, 7, 12)


def test_an_event_of_the_region_is_one_transaction(site: Site, database: CountingDatabase, holder: Holder) -> None:
    proof = holder.proof()
    with database.counted() as found:
        site.service.regions[site.world.region].proofs.proving.revoke(proof, "mistaken")
    check(found, 3, 20)  # the proof with its tokens before it, and after it


def test_a_token_is_made_in_few(site: Site, database: CountingDatabase, holder: Holder) -> None:
    proof = holder.proof()
    with database.counted() as found:
        answer = Holder(site, STATION).post(f"proofs/{proof}/sd-jwt", consent=CONSENT)
    assert answer.status_code == 201, answer.text
    check(found, 8, 40)
