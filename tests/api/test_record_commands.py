"""`yongzhi export`, `import`, `misconduct`, and the files that they make and check."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.cli import common, main
from api.cli import misconduct as misconduct_command
from api.cli import records as record_commands
from api.client.fetching import fetch, fetch_bundle
from ledger.crypto import keys
from ledger.evidence import misconduct
from ledger.ids import format_time
from ledger.store import log
from ledger.store.postgres.database import Database
from ledger.tlog import notes
from ledger.tlog.checkpoint import Checkpoint
from tests.api.folder import Folder, begun
from tests.api.process import serving
from tests.api.site import OTHER
from tests.integration.waiting import eventually
from tests.integration.world import volunteer
from tests.support import issuing, records
from tests.support.builders import ORIGIN, REGION, VOLUNTEER, signing_key, vkey
from tests.support.evidence import ENTRY, PaperLog
from tests.support.records import Kept, two_entries

DAY = 24 * 3600


@pytest.fixture(scope="module", autouse=True)
def wide() -> Iterator[None]:
    """Messages on one line each, and no waiting."""
    with pytest.MonkeyPatch.context() as patch:
        for console in (common.errors, record_commands.console, misconduct_command.console):
            patch.setattr(console, "width", 400)
        patch.setattr(record_commands, "_POLL_SECONDS", 0.02)
        yield


def run(*words: object) -> Result:
    return CliRunner().invoke(main.main, [str(word) for word in words])


def done(result: Result, status: int = 0) -> str:
    assert result.exit_code == status, result.output
    return result.output


def refused(result: Result, message: str, status: int = 1) -> None:
    assert message in done(result, status)
    assert "Traceback" not in result.output


# -- between a server and its people ----------------------------------------------------------------------


class Home(Folder):
    """A deployment with a server over it, and the files of its people."""

    @property
    def files(self) -> Path:
        return self.data.parent

    @property
    def trust(self) -> tuple[object, ...]:
        return "--trust", self.files / "bundle", "--pin", self.data / "keys" / "federation.pub"

    def key(self, name: str = VOLUNTEER) -> Path:
        path = self.files / name.replace(":", "-")
        if not path.exists():
            keys.save(signing_key(name), path)
        return path

    def export(self, out: str, *options: object, by: str = VOLUNTEER) -> Path:
        """As somebody fetches it who has a key."""
        self.settle()
        path = self.files / out
        words = ("--region", REGION, "--url", self.url, "--key", self.key(by), "--out", path)
        done(run("export", *words, *options))
        return path

    def settle(self) -> None:
        """Until the server has signed all there is."""
        with self.database.read() as cursor:
            size = log.read_head(cursor, f"r_{REGION}").size
        url = f"{self.url}/log/{REGION}/checkpoint"
        eventually(lambda: int(fetch(url, 10_000).split(b"\n")[1]) >= size)

    def stated(self) -> int:
        """How often the region stated a record."""
        with self.database.read() as cursor:
            rows = log.read_events(cursor, f"r_{REGION}", 0, 10_000)
        return sum(row.topic == "record.stated/1" for row in rows)


@pytest.fixture(scope="module")
def home(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with begun(tmp_path_factory.mktemp("deployment") / "var", database) as folder:
        found = Home(folder.data, folder.database, folder.port)
        found.activity = folder.activity
        found.serve(9)
        with serving(found.data, database.dsn, found.port), pytest.MonkeyPatch.context() as patch:
            patch.setenv("YONGZHI_DATABASE_URL", database.dsn)
            (found.files / "bundle").write_bytes(fetch_bundle(found.url))
            yield found


def test_a_volunteer_keeps_the_record_and_anyone_checks_it(home):
    path = home.export("own.record")
    told = json.loads(done(run("import", path, "--check", *home.trust, "--json")))
    assert (told["volunteer"], told["region"], told["logs"]) == (VOLUNTEER, REGION, [ORIGIN])
    assert told["events"] >= told["entries"] >= 1
    assert told["by_state"]["counted"]["minutes"] == sum(one["minutes"] for one in told["sums"])
    shown = done(run("import", path, "--check", *home.trust))
    assert VOLUNTEER in shown
    assert "惠州市 Huizhou" in shown
    assert "counted 计入" in shown


def test_a_record_is_stated_anew_when_it_changed_only(home):
    home.export("first.record")
    before = home.stated()
    assert home.export("again.record").read_bytes()
    assert home.stated() == before
    entry = home.serve(11)
    home.export("more.record")
    home.withdraw(entry)
    told = json.loads(done(run("import", home.export("last.record"), "--check", *home.trust, "--json")))
    assert home.stated() == before + 2
    assert told["by_state"]["withdrawn"] == {"minutes": 59, "entries": 1}


def test_the_operator_makes_the_same_of_the_data_folder(home):
    fetched = home.export("fetched.record")
    before = home.stated()
    made = home.files / "made.record"
    told = run("export", VOLUNTEER, "--region", REGION, "--data", home.data, "--out", made, "--json")
    assert json.loads(done(told)) == {"file": str(made), "bytes": made.stat().st_size, "proofs": []}
    assert home.stated() == before
    checked = [json.loads(done(run("import", one, "--check", *home.trust, "--json"))) for one in (fetched, made)]
    assert checked[0] == checked[1]


def test_the_operator_states_what_changed(home):
    home.serve(13)
    before, made = home.stated(), home.files / "stated.record"
    done(run("export", VOLUNTEER, "--region", REGION, "--data", home.data, "--out", made))
    assert home.stated() == before + 1
    done(run("import", made, "--check", *home.trust))


def test_the_region_fetches_it_for_somebody(home):
    key = home.data / "keys" / f"{REGION}.issuing"
    out = home.files / "region.record"
    words = ("--region", REGION, "--url", home.url, "--key", key, "--out", out)
    done(run("export", VOLUNTEER, *words))
    refused(run("export", volunteer(77), *words), "not known here")


def test_the_proofs_that_stand_are_saved_beside_it(home):
    place = ("--region", REGION, "--url", home.url, "--key", home.key())
    year = ("--first", "2026-01-01", "--last", "2026-12-31")
    proven = json.loads(done(run("prove", *place, *year, "--out", home.files / "a.pdf", "--json")))["id"]
    gone = json.loads(done(run("prove", *place, *year, "--out", home.files / "b.pdf", "--json")))["id"]
    done(run("proofs", *place, "--revoke", gone))
    home.export("proofs.record", "--proofs", home.files / "proofs")
    assert {path.name for path in (home.files / "proofs").iterdir()} == {f"{proven}.json", f"{proven}.pdf"}
    assert (home.files / "proofs" / f"{proven}.pdf").read_bytes().startswith(b"%PDF")


def test_what_was_changed_is_refused(home):
    path = home.export("good.record")
    spoilt = home.files / "spoilt.record"
    data = path.read_bytes()
    for changed in (data.replace(b'"minutes":59', b'"minutes":58', 1), data[:-20], b"", b"\xff" * 100):
        spoilt.write_bytes(changed)
        refused(run("import", spoilt, "--check", *home.trust), ":")


def test_whom_to_believe_is_said(home):
    path = home.export("whom.record")
    bundle = home.files / "bundle"
    refused(run("import", path, "--check", "--trust", bundle, "--pin", vkey("x/y")), "of no use", 5)
    refused(run("import", path, "--check", "--trust", bundle), "--pin is needed", 2)
    refused(run("import", path, *home.trust), "--check and --trust", 2)
    refused(run("import", path, "--check"), "--check and --trust", 2)
    other = home.files / "other-bundle"
    other.write_bytes(bundle_of(issuing.neighbour()))
    refused(run("import", path, "--check", "--trust", other, "--pin", issuing.SIGNER.verifier), "unknown-origin")


def test_export_says_what_it_needs(home):
    out = ("--out", home.files / "x", "--region", REGION)
    refused(run("export", *out, "--data", home.data), "whose record", 2)
    refused(run("export", *out, "--url", home.url), "belong together", 2)
    refused(run("export", VOLUNTEER, *out, "--data", home.data, "--proofs", home.files), "--proofs goes with", 2)
    refused(run("export", "somebody", *out, "--data", home.data), "malformed")
    refused(run("export", VOLUNTEER, "--region", REGION, "--out", home.files / "no" / "x"), "there is no folder", 2)
    refused(run("export", *out, "--url", "http://127.0.0.1:1", "--key", home.key()), "out of reach", 5)
    assert not (home.files / "x").exists()
    assert not list(home.files.glob("*.part"))


# -- what is kept back ------------------------------------------------------------------------------------


def bundle_of(*regions: Any) -> bytes:
    now = int(time.time())
    return issuing.bundle(*regions, issued=format_time(now - DAY), expires=format_time(now + DAY))


@pytest.fixture
def believing(tmp_path: Path) -> tuple[object, ...]:
    """The options that believe the region of the paper logs."""
    (tmp_path / "bundle").write_bytes(bundle_of(issuing.region(), issuing.neighbour()))
    return "--trust", tmp_path / "bundle", "--pin", issuing.SIGNER.verifier


def shown(folder: Path, kept: Kept, position: int) -> tuple[Path, Path]:
    """The body and the receipt of an event, as its issuer keeps them."""
    item = kept.log.evidence(position)
    (folder / "body").write_bytes(item.body)
    (folder / "receipt").write_text(misconduct.show(item).receipt, encoding="utf-8")
    return folder / "body", folder / "receipt"


def test_what_a_home_left_out_is_proven_to_anyone(tmp_path, believing):
    kept = two_entries()
    kept.items, kept.sums = kept.items[:1], [{**records.SUM, "entries": 1, "minutes": 150}]
    (tmp_path / "record").write_bytes(kept.file())
    missing = ("--missing", *shown(tmp_path, kept, ENTRY + 1), "--out", tmp_path / "evidence")
    told = done(run("import", tmp_path / "record", "--check", *believing, *missing), 1)
    assert "left-out" in told
    assert "漏列" in told
    told = done(run("misconduct", tmp_path / "evidence", *believing))
    assert f"{ORIGIN} (441300 惠州市 Huizhou)" in told
    assert VOLUNTEER in told
    as_json = json.loads(done(run("misconduct", tmp_path / "evidence", "--log-key", vkey(ORIGIN), "--json")))
    assert (as_json["proven"], as_json["against"], as_json["facts"]["position"]) == ("left-out", [ORIGIN], ENTRY + 1)


def test_nothing_is_proven_of_an_honest_home(tmp_path, believing):
    kept = two_entries()
    (tmp_path / "record").write_bytes(kept.file())
    missing = ("--missing", *shown(tmp_path, kept, ENTRY), "--out", tmp_path / "evidence")
    refused(run("import", tmp_path / "record", "--check", *believing, *missing), "not-proven")
    (tmp_path / "receipt").write_bytes(b"\xff")
    refused(run("import", tmp_path / "record", "--check", *believing, *missing), "a receipt is text")
    assert not (tmp_path / "evidence").exists()
    refused(run("import", tmp_path / "record", "--check", *believing, *missing[:3]), "belong together", 2)


# -- misconduct -------------------------------------------------------------------------------------------


def signed_tree(root: bytes) -> str:
    """A tree of nine events that the region signed."""
    return notes.sign(Checkpoint(ORIGIN, 9, root * 32).text(), [signing_key(ORIGIN)])


def test_every_kind_is_told_in_words(tmp_path, believing):
    kept = two_entries()
    paper, other = kept.log, PaperLog("ledger.example/442000").populate()
    offers = [paper.evidence(paper.add("transfer.offered/1")) for _ in range(2)]
    here, there = (
        one.evidence(one.add("transfer.accepted/1", ledger=code)) for one, code in ((paper, REGION), (other, OTHER))
    )
    root = records.root_of([])
    offer = paper.evidence(paper.add("transfer.offered/1", size=6, key_events=0, key_root=root))
    fork = [signed_tree(b"1"), signed_tree(b"2")]
    files = {
        "forked-log": misconduct.forked(*fork),
        "two-offers": misconduct.two_offers(*offers),
        "two-acceptances": misconduct.two_acceptances(here, there),
        "key-left-out": misconduct.key_left_out(offer, [], paper.evidence(3)),
    }
    for kind, data in files.items():
        path = tmp_path / kind
        path.write_bytes(data)
        told = done(run("misconduct", path, *believing))
        assert f"proven 已证实: {kind}" in told
        assert "{" not in told
        assert (VOLUNTEER in told) is (kind != "forked-log")
        refused(
            run("misconduct", path, "--log-key", vkey(ORIGIN, 1), "--log-key", vkey("ledger.example/442000", 1)), ":"
        )
    told = done(run("misconduct", tmp_path / "two-acceptances", *believing))
    assert "442000" in told
    assert "责任在" in told
    assert "did wrong" in told
    taken = other.evidence(other.add("transfer.accepted/1", ledger=OTHER, recovery=3))
    (tmp_path / "recovered").write_bytes(misconduct.two_acceptances(here, taken))
    assert "because the home was gone" in done(run("misconduct", tmp_path / "recovered", *believing))


def test_what_proves_nothing(tmp_path, believing):
    path = tmp_path / "x"
    for data, message in (
        (misconduct.forked(signed_tree(b"1"), signed_tree(b"1")), "not-proven"),
        (b"{}", "malformed"),
    ):
        path.write_bytes(data)
        refused(run("misconduct", path, *believing), message)
    refused(run("misconduct", path), "either --trust", 2)
    refused(run("misconduct", path, *believing, "--log-key", vkey(ORIGIN)), "either --trust", 2)
    refused(run("misconduct", path, "--log-key", "x"), "malformed")
