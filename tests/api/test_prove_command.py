"""`yongzhi prove`: one proof as a file, proofs for a class as a ZIP."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.cli import common, main
from api.cli import prove as proof_commands
from api.client.client import Client, Told
from ledger.credentials import model
from ledger.crypto import keys
from ledger.store.postgres.database import Database
from tests.api.folder import Folder, begun
from tests.api.process import serving
from tests.support.builders import AUTHORITY, REGION, STATION, VOLUNTEER, signing_key

BASE = f"/v1/regions/{REGION}"
YEAR = ("--first", "2026-01-01", "--last", "2026-12-31")
CONSENT = ("--consent", "名单 2026-7")


@pytest.fixture(scope="module", autouse=True)
def wide() -> Iterator[None]:
    """Messages on one line each."""
    with pytest.MonkeyPatch.context() as patch:
        for console in (common.errors, proof_commands.console, proof_commands.errors):
            patch.setattr(console, "width", 400)
        patch.setattr(proof_commands, "_POLL_SECONDS", 0.02)
        yield


@pytest.fixture(scope="module")
def folder(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    with begun(tmp_path_factory.mktemp("deployment") / "var", database) as folder:
        folder.serve(9)
        for name in (STATION, VOLUNTEER):
            keys.save(signing_key(name), folder.data.parent / name.replace(":", "-"))
        yield folder


@pytest.fixture(scope="module")
def served(folder: Folder) -> Iterator[Folder]:
    with serving(folder.data, folder.database.dsn, folder.port):
        yield folder


def prove(folder: Folder, out: Path, *options: object, by: str = VOLUNTEER) -> Result:
    key = folder.data / "keys" / f"{REGION}.issuing" if by == AUTHORITY else folder.data.parent / by.replace(":", "-")
    words = ["prove", "--region", REGION, "--url", folder.url, "--key", key, "--out", out, *options]
    return CliRunner().invoke(main.main, [str(word) for word in words])


# -- one ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "start"), [(".pdf", b"%PDF-"), (".json", b'{"@context"'), (".svg", b"<svg")])
def test_a_proof_is_saved(served, tmp_path, suffix, start):
    out = tmp_path / f"proof{suffix}"
    done = prove(served, out, *YEAR, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["file"], found["ready"]) == (str(out), True)
    assert out.read_bytes().startswith(start)
    assert f"{served.url}/p/{found['id']}" == found["page"]


def test_what_is_asked_for_is_stated(served, tmp_path):
    out = tmp_path / "proof.json"
    done = prove(served, out, *YEAR, "--category", "empty-nest-elders", "--evidence", "check-in", "--note", "入学")
    assert done.exit_code == 0, done.output
    found = model.decode(out.read_bytes()).credentialSubject.service
    assert isinstance(found, model.ServiceStatement)
    assert isinstance(found.filter, model.Filter)
    assert (found.note, found.filter.categories, found.filter.evidence) == (
        "入学",
        ("empty-nest-elders",),
        ("check-in",),
    )


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--first", "2026-02-30", "--last", "2026-12-31"), 1, "no such day"),
        (("--first", "2020-01-01", "--last", "2020-12-31"), 1, "nothing to prove"),
        ((*YEAR, "--named"), 1, "verified"),
        ((*YEAR, "--kind", "star"), 1, "no level"),
        ((*YEAR, "--replaces", "0f8fad5b-d9cb-469f-a165-70867728950e"), 1, "no such proof"),
        ((*YEAR, "--kind", "other"), 2, "other"),
        (("--first", "2026-01-01"), 2, "--last"),
    ],
)
def test_what_is_refused_is_told_and_nothing_is_saved(served, tmp_path, options, status, words):
    out = tmp_path / "proof.pdf"
    done = prove(served, out, *options)
    assert (done.exit_code, out.exists()) == (status, False), done.output
    assert words in done.output


@pytest.mark.parametrize("name", ["proof", "proof.zip", "proof.docx"])
def test_the_file_says_by_its_name_what_is_wanted(served, tmp_path, name):
    assert prove(served, tmp_path / name, *YEAR).exit_code == 2
    assert not list(tmp_path.iterdir())


# -- many -----------------------------------------------------------------------------------------------


def test_a_class_is_saved_as_a_zip(served, tmp_path):
    names = [*served.enrol(4), VOLUNTEER]
    listing, out = tmp_path / "class.txt", tmp_path / "class.zip"
    listing.write_text("\n".join(["", *names, "  "]), encoding="utf-8")
    done = prove(served, out, *YEAR, *CONSENT, "--named", "--volunteers", listing, "--json", by=STATION)
    assert done.exit_code == common.REFUSED, done.output
    assert f"5 {VOLUNTEER}: not registered by whoever asks" in done.stderr
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["class.txt", "class.zip"]
    with zipfile.ZipFile(out) as archive:
        table = list(csv.DictReader(io.StringIO(archive.read("index.csv").decode("utf-8-sig"))))
        assert [row["volunteer"] for row in table] == names
        assert [row["name"] for row in table] == [*(f"测试员{number}" for number in range(4)), ""]
        assert all(archive.read(row["file"]).startswith(b"%PDF-") for row in table[:4])


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [("", CONSENT, "1 to"), ("x", CONSENT, "line 1"), (f"{VOLUNTEER}\n{VOLUNTEER}", CONSENT, "twice"),
     (VOLUNTEER, (), "consent")],
)  # fmt: skip
def test_a_listing_that_is_none_is_refused(served, tmp_path, text, options, words):
    listing, out = tmp_path / "class.txt", tmp_path / "class.zip"
    listing.write_text(text, encoding="utf-8")
    done = prove(served, out, *YEAR, *options, "--volunteers", listing, by=STATION)
    assert (done.exit_code, out.exists()) == (1, False), done.output
    assert words in done.output


def test_a_station_replaces_a_proof_with_consent(served, tmp_path):
    (name,) = served.enrol(1)
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    whose = ("--volunteer", name, *CONSENT)
    assert prove(served, first, *YEAR, *whose, by=STATION).exit_code == 0
    proof = model.decode(first.read_bytes()).proof_id
    with Client(served.url) as client:
        client.sign_in(keys.load(served.data / "keys" / f"{REGION}.issuing"), REGION)
        client.post(f"{BASE}/proofs/{proof}/revocation")
    done = prove(served, second, *YEAR, *CONSENT, "--replaces", proof, by=STATION)
    assert done.exit_code == 0, done.output
    assert prove(served, second, *YEAR, "--replaces", proof, by=STATION).exit_code == 1


# -- a person is erased ---------------------------------------------------------------------------------


def test_the_erase_command_revokes_first(served, tmp_path):
    (name,) = served.enrol(1)
    listing, out = tmp_path / "class.txt", tmp_path / "class.zip"
    listing.write_text(name, encoding="utf-8")
    asked = (*YEAR, *CONSENT, "--named", "--volunteers", listing)
    done = prove(served, out, *asked, "--json", by=STATION)
    assert done.exit_code == 0, done.output
    batch = json.loads(done.stdout)["id"]
    words = ["erase", name, "--data", served.data, "--region", REGION, "--yes"]
    gone = CliRunner().invoke(
        main.main, [str(word) for word in words], env={"YONGZHI_DATABASE_URL": served.database.dsn}
    )
    assert gone.exit_code == 0, gone.output
    assert "1 proofs revoked" in gone.output
    with zipfile.ZipFile(out) as archive:
        (file, _) = archive.namelist()
    proof = file.removesuffix(".pdf").partition("-")[2]
    with Client(served.url) as client:
        client.sign_in(signing_key(STATION), REGION)
        for path in (f"proofs/{proof}", f"proofs/{proof}/pdf"):
            with pytest.raises(Told):
                client.get(f"{BASE}/{path}")
        page = client.text(f"/p/{proof}")
        assert name not in page
        again = io.BytesIO()
        client.save(f"{BASE}/proof-batches/{batch}/zip", again, lambda _: None)
        with zipfile.ZipFile(again) as archive:
            assert archive.namelist() == ["index.csv"]
            assert name.encode() not in archive.read("index.csv")
