"""`yongzhi proofs`: what was issued is listed, fetched again and taken back; what `yongzhi prove` checks first."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.cli import common, main, prove
from api.client.client import Client
from ledger.credentials import model
from ledger.crypto import keys
from ledger.store.postgres.database import Database
from tests.api.folder import Folder, begun
from tests.api.process import serving
from tests.support.builders import PROOF, REGION, STATION, VOLUNTEER, signing_key

YEAR = ("--first", "2026-01-01", "--last", "2026-10-31")
CONSENT = ("--consent", "名单 2026-7")


@pytest.fixture(scope="module", autouse=True)
def wide() -> Iterator[None]:
    """Messages on one line each."""
    with pytest.MonkeyPatch.context() as patch:
        for console in (common.errors, prove.console, prove.errors):
            patch.setattr(console, "width", 400)
        patch.setattr(prove, "_POLL_SECONDS", 0.02)
        yield


@pytest.fixture(scope="module")
def served(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    with begun(tmp_path_factory.mktemp("deployment") / "var", database) as folder:
        folder.serve(9)
        for name in (STATION, VOLUNTEER):
            keys.save(signing_key(name), folder.data.parent / name.replace(":", "-"))
        with serving(folder.data, folder.database.dsn, folder.port):
            yield folder


def command(folder: Folder, name: str, *options: object, by: str = VOLUNTEER) -> Result:
    key = folder.data.parent / by.replace(":", "-")
    words = [name, "--region", REGION, "--url", folder.url, "--key", key, *options]
    return CliRunner().invoke(main.main, [str(word) for word in words])


def told(result: Result, status: int = 0) -> Any:
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def proved(folder: Folder, out: Path, *options: object, by: str = VOLUNTEER) -> str:
    """A proof that is issued and saved; its id."""
    proof: str = told(command(folder, "prove", "--out", out, "--json", *(options or YEAR), by=by))["id"]
    return proof


# -- listing, fetching, taking back ---------------------------------------------------------------------


def test_a_proof_is_listed_fetched_again_and_taken_back(served, tmp_path):
    files = {suffix: tmp_path / f"first{suffix}" for suffix in (".pdf", ".json")}
    made = {suffix: proved(served, file) for suffix, file in files.items()}
    found = told(command(served, "proofs", "--json"))
    assert [one["id"] for one in found[:2]] == [made[".json"], made[".pdf"]]
    assert {(one["state"], one["minutes"], one["kind"]) for one in found} == {("issued", 59, "service")}
    for suffix, file in files.items():
        again = tmp_path / f"again{suffix}"
        told(command(served, "proofs", "--fetch", made[suffix], "--out", again, "--json"))
        assert again.read_bytes() == file.read_bytes()
    taken = told(command(served, "proofs", "--revoke", made[".pdf"], "--json"))
    states = {one["id"]: (one["state"], one["reason"]) for one in taken}
    assert states[made[".pdf"]] == ("revoked", "requested")
    assert states[made[".json"]] == ("issued", None)
    table = command(served, "proofs")
    assert table.exit_code == 0, table.output
    lines = {line.split()[1]: line for line in table.stdout.splitlines() if line.count("-") > 5}
    assert "revoked (requested)" in lines[made[".pdf"]]
    assert "service 2026-01-01 – 2026-10-31  0:59" in lines[made[".json"]]


def test_all_pages_are_listed(served, tmp_path, monkeypatch):
    """More than fit one answer."""
    made = [proved(served, tmp_path / f"{number}.json") for number in range(3)]
    cursors: list[str | None] = []
    get = Client.get

    def few(self: Client, path: str, **query: Any) -> Any:
        cursors.append(query.get("cursor"))
        return get(self, path, **{**query, "limit": 1})

    monkeypatch.setattr(Client, "get", few)
    found = told(command(served, "proofs", "--json"))
    assert [one["id"] for one in found[:3]] == made[::-1]
    assert len(found) == len({one["id"] for one in found}) == len(cursors)


def test_a_station_lists_those_of_whom_it_registered(served, tmp_path):
    (name,) = served.enrol(1)
    proof = proved(served, tmp_path / "proof.pdf", *YEAR, "--volunteer", name, *CONSENT, by=STATION)
    found = told(command(served, "proofs", "--volunteer", name, "--json", by=STATION))
    assert [one["id"] for one in found] == [proof]
    foreign = command(served, "proofs", "--volunteer", VOLUNTEER, by=STATION)
    assert (foreign.exit_code, "not yours to see" in foreign.output) == (1, True)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("--fetch", PROOF), 2),
        (("--out", "proof.pdf"), 2),
        (("--fetch", PROOF, "--out", "proof.docx"), 2),
        (("--fetch", PROOF, "--out", "nowhere/proof.pdf"), 2),
        (("--fetch", PROOF, "--out", "proof.pdf"), 1),
        (("--revoke", PROOF), 1),
    ],
)
def test_what_cannot_be_fetched_or_taken_back_is_told(served, tmp_path, monkeypatch, options, status):
    monkeypatch.chdir(tmp_path)
    before = len(served.proof_events())
    done = command(served, "proofs", *options)
    assert done.exit_code == status, done.output
    assert not list(tmp_path.iterdir())
    assert len(served.proof_events()) == before


# -- asking ---------------------------------------------------------------------------------------------


def test_the_same_again_needs_no_period(served, tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    proof = proved(served, first, *YEAR, "--note", "入学")
    told(command(served, "proofs", "--revoke", proof, "--json"))
    heir = proved(served, second, "--replaces", proof)
    statements = [model.decode(file.read_bytes()).credentialSubject.service for file in (first, second)]
    assert statements[0] == statements[1]
    listed = {one["id"]: one for one in told(command(served, "proofs", "--json"))}
    assert (listed[proof]["replaced_by"], listed[heir]["state"]) == (heir, "issued")


@pytest.mark.parametrize("many", [False, True])
def test_nothing_is_issued_that_has_nowhere_to_go(served, tmp_path, many):
    before, listing = len(served.proof_events()), tmp_path / "class.txt"
    listing.write_text(served.enrol(1)[0], encoding="utf-8")
    out = tmp_path / "nowhere" / ("class.zip" if many else "proof.pdf")
    options = (*CONSENT, "--volunteers", listing) if many else ()
    done = command(served, "prove", "--out", out, *YEAR, *options, by=STATION if many else VOLUNTEER)
    assert (done.exit_code, str(out.parent) in done.output) == (2, True), done.output
    assert len(served.proof_events()) == before


def test_a_file_that_cannot_be_written_names_the_proof(served, tmp_path):
    """Issued all the same, so it can be fetched; the disk may be full."""
    full = tmp_path / "full.json"
    full.symlink_to("/dev/full")
    done = command(served, "prove", "--out", full, *YEAR)
    assert (done.exit_code, "cannot write" in done.stderr) == (5, True), done.output
    proof = told(command(served, "proofs", "--json"))[0]["id"]
    assert proof in done.stderr
    again = tmp_path / "again.json"
    told(command(served, "proofs", "--fetch", proof, "--out", again, "--json"))
    assert model.decode(again.read_bytes()).proof_id == proof


def test_a_zip_that_cannot_be_written_says_where_it_is(served, tmp_path):
    listing, out = tmp_path / "class.txt", tmp_path / "class.zip"
    listing.write_text(served.enrol(1)[0], encoding="utf-8")
    (tmp_path / "class.zip.part").symlink_to("/dev/full")
    done = command(served, "prove", "--out", out, *YEAR, *CONSENT, "--volunteers", listing, by=STATION)
    assert (done.exit_code, "cannot write" in done.stderr, out.exists()) == (5, True, False), done.output
    place = next(word for word in done.stderr.split() if word.endswith("/zip"))
    with Client(served.url) as client:
        client.sign_in(signing_key(STATION), REGION)
        assert client.data(place).startswith(b"PK")


def test_a_list_from_a_spreadsheet_begins_with_a_mark(served, tmp_path):
    names = served.enrol(2)
    listing, out = tmp_path / "class.txt", tmp_path / "class.zip"
    listing.write_bytes("\r\n".join(names).encode("utf-8-sig"))
    done = command(served, "prove", "--out", out, *YEAR, *CONSENT, "--volunteers", listing, "--json", by=STATION)
    assert told(done)["issued"] == 2
    with zipfile.ZipFile(out) as archive:
        assert len(archive.namelist()) == 3
