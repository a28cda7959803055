"""`yongzhi federation`: a federation of several servers, made by hand, carried as a file, installed by each of them."""

import json
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.cli import common, main
from api.cli.federation import checks
from api.deployment import installed_federation
from api.deployment.data_folder import Deployment
from api.deployment.installed_federation import install, installed
from ledger import files
from ledger.crypto import keys
from ledger.crypto.keys import SigningKey
from ledger.errors import Invalid, TooLarge, Unavailable, Untrusted
from ledger.events.private_details import open_sealed, seal_for, sealing_public
from ledger.federation import trust_bundle
from ledger.federation.members import Federation, Region
from ledger.federation.trust_bundle import Expired, Trust
from ledger.ids import format_time
from ledger.store.postgres.database import Database
from ledger.tlog import notes
from ledger.tlog.checkpoint import Checkpoint
from tests.api.process import free_port, run, serving
from tests.api.site import wipe
from tests.support import issuing
from tests.support.builders import ORIGIN, REGION, signing_key, vkey
from tests.support.issuing import LIST_URL
from tests.support.proofs import credential_key, token_key

NAME = "federation.example"
SIGNER, SECOND, THIRD = (signing_key(f"{NAME}/{number}") for number in range(3))
HERE, THERE = signing_key("ledger.example/federation"), signing_key("ledger.mo/federation")
MACAU = "820000"
DAY = 24 * 3600


@pytest.fixture(scope="module", autouse=True)
def wide() -> Iterator[None]:
    """Messages on one line each."""
    with pytest.MonkeyPatch.context() as patch:
        for console in (checks.console, common.errors):
            patch.setattr(console, "width", 400)
        yield


def macau(**changes: Any) -> Region:
    """A region of another server."""
    origin, did = "ledger.mo/820000", "did:web:ledger.mo:regions:820000"
    fields: dict[str, Any] = {
        "region": MACAU,
        "origin": origin,
        "log_keys": (vkey(origin),),
        "base": "https://ledger.mo",
        "did": did,
        "credential_keys": (credential_key(did).multikey,),
        "token_keys": (token_key(1).multikey,),
    }
    return issuing.region(**{**fields, **changes})


def dates(now: float = 0) -> dict[str, str]:
    now = now or time.time()
    return {"issued": format_time(int(now) - DAY), "expires": format_time(int(now) + 30 * DAY)}


def served(signer: SigningKey, *regions: Region, **changes: Any) -> bytes:
    """The trust bundle of a server of these regions."""
    own = {"name": signer.name, "keys": (str(signer.verifier),), **dates(), **changes}
    lists = {LIST_URL: issuing.bits()} if signer is HERE else {}
    return trust_bundle.seal(issuing.federated(*regions, **own), [signer], lists)


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder with the files of whoever makes a federation."""

    folder: Path

    def __call__(self, command: str, *arguments: object, key: SigningKey | None = SIGNER) -> Result:
        """Run a command, by default as the first signer does, on the federation file here."""
        signing = () if key is None else ("--key", self.key(key))
        words = ["federation", command, self.file, *arguments, *signing]
        return CliRunner().invoke(main.main, [str(word) for word in words])

    @property
    def file(self) -> Path:
        return self.folder / "federation.json"

    @property
    def now(self) -> Federation:
        return self.opened().federation

    def opened(self, *signers: SigningKey) -> Trust:
        pinned = [key.verifier for key in signers or (SIGNER,)]
        return trust_bundle.open_bundle(self.file.read_bytes(), pinned, int(time.time()))

    def key(self, key: SigningKey) -> Path:
        path = self.folder / key.name.replace("/", "-")
        if not path.exists():
            keys.save(key, path)
        return path

    def write(self, name: str, data: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def server(self, signer: SigningKey, *regions: Region, **changes: Any) -> tuple[object, ...]:
        """The arguments that name a server's bundle and the key to believe it by."""
        path = self.write(f"bundle-{signer.name.partition('/')[0]}", served(signer, *regions, **changes))
        return path, "--pin", str(signer.verifier)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """With a federation of one signer, without regions."""
    found = Desk(tmp_path)
    done(found("create", "--name", NAME))
    return found


@pytest.fixture
def both(desk: Desk) -> Desk:
    """With the regions of two servers."""
    done(desk("add", *desk.server(HERE, issuing.region())))
    done(desk("add", *desk.server(THERE, macau())))
    return desk


def done(result: Result, status: int = 0) -> str:
    assert result.exit_code == status, result.output
    return result.output


def told(result: Result) -> Any:
    return json.loads(done(result))


def refused(result: Result, message: str, status: int = 1) -> None:
    assert message in done(result, status)
    assert "Traceback" not in result.output


def final(origin: str, size: int = 9, key: SigningKey | None = None) -> str:
    return notes.sign(Checkpoint(origin, size, b"r" * 32).text(), [key or signing_key(origin)])


# -- making one ---------------------------------------------------------------------------------------


def test_a_federation_of_two_servers_is_made_by_hand(both):
    here, there = both.now.regions
    assert (here, there) == (issuing.region(), macau())
    assert (both.now.name, both.now.serial, both.now.threshold) == (NAME, 3, 1)
    assert both.now.keys == (str(SIGNER.verifier),)
    assert both.opened().lists == {LIST_URL: issuing.bits()}
    checked = told(both("check", "--pin", SIGNER.verifier, "--json", key=None))
    assert [one["peer"] for one in checked["regions"]] == [True, True]
    shown = done(both("show", key=None))
    for text in (f"✓ {SIGNER.verifier}", "441300 惠州市 Huizhou", "https://ledger.mo", macau().log_keys[0]):
        assert text in shown, text


def test_a_signers_key_is_made(tmp_path):
    out = tmp_path / "key"
    result = CliRunner().invoke(main.main, ["federation", "keygen", f"{NAME}/x", "--out", str(out)])
    assert str(keys.load(out).verifier) in done(result)
    assert (keys.load(out).name, stat.S_IMODE(out.stat().st_mode)) == (f"{NAME}/x", 0o600)
    for name in ("org:1", "a b", "a+b"):
        refused(CliRunner().invoke(main.main, ["federation", "keygen", name, "--out", f"{out}2"]), "malformed")


def test_nothing_is_begun_over_a_file(desk):
    before = desk.file.read_bytes()
    refused(desk("create", "--name", NAME), "is there")
    assert desk.file.read_bytes() == before


def test_what_is_not_pinned_is_not_merged(desk):
    path, *_ = desk.server(HERE, issuing.region())
    refused(desk("add", path, "--pin", THERE.verifier), "0 of the pinned keys")
    refused(desk("add", path), "--pin is needed", 2)
    old = served(HERE, issuing.region(), **dates(time.time() - 60 * DAY))
    refused(desk("add", desk.write("old", old), "--pin", HERE.verifier), "expired")
    refused(desk("add", desk.write("x", b"{}"), "--pin", HERE.verifier), "not a trust bundle")
    refused(desk("add", desk.folder / "nothing", "--pin", HERE.verifier), "cannot read", 5)
    refused(desk("add", "http://127.0.0.1:1", "--pin", HERE.verifier), "out of reach", 5)
    assert desk.now.regions == ()


def test_one_region_of_several(desk):
    source = desk.server(HERE, issuing.region(), issuing.neighbour())
    told(desk("add", *source, "--region", REGION, "--json"))
    assert desk.now.regions == (issuing.region(),)
    refused(desk("add", *source, "--region", "440100"), "no region 440100")


def test_a_region_is_brought_up_to_date_and_keeps_what_the_federation_says(both):
    endpoint = ("--endpoint", "https://peers.ledger.mo", "--valid-until", "2999-01-01T00:00:00Z")
    done(both("add", *both.server(THERE, macau()), *endpoint))
    newer = macau(sealing_key=sealing_public(bytes(range(32))), credential_keys=())
    answer = told(both("add", *both.server(THERE, newer), "--json"))
    assert answer["changes"] == ["~ 820000 ledger.mo/820000: credential_keys, sealing_key"]
    found = Trust(both.now).region(MACAU)
    assert found is not None
    assert (found.address, found.valid_until) == ("https://peers.ledger.mo", "2999-01-01T00:00:00Z")
    assert (found.sealing_key, found.credential_keys) == (newer.sealing_key, ())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_keys": (vkey("ledger.mo/820000", 1),)}, "other keys"),
        ({"region": "810000", "did": "did:web:ledger.mo:regions:810000"}, "another region"),
        ({"origin": "ledger.mo/2", "log_keys": (vkey("ledger.mo/2"),)}, "stands there twice"),
        ({"origin": ORIGIN, "log_keys": (vkey(ORIGIN),)}, "another region"),
    ],
)
def test_no_server_takes_the_place_of_a_log(both, changes, message):
    before = both.file.read_bytes()
    refused(both("add", *both.server(THERE, macau(**changes))), message)
    assert both.file.read_bytes() == before


@pytest.mark.parametrize(
    "options",
    [
        ("--endpoint", "http://peers.ledger.mo"),
        ("--endpoint", "https://peers.ledger.mo/x"),
        ("--valid-from", "tomorrow"),
        ("--valid-from", "2027-01-01T00:00:00Z", "--valid-until", "2026-01-01T00:00:00Z"),
    ],
)
def test_what_the_federation_adds_has_its_form_as_well(desk, options):
    refused(desk("add", *desk.server(THERE, macau()), *options), "")
    assert desk.now.regions == ()


def test_a_region_is_removed_by_code_or_origin(both):
    done(both("remove", MACAU))
    assert both.now.regions == (issuing.region(),)
    done(both("remove", ORIGIN))
    assert (both.now.regions, both.opened().lists) == ((), {})
    refused(both("remove", MACAU), "no region 820000")


# -- a log that ends ----------------------------------------------------------------------------------


def test_a_region_goes_on_under_another_log(both):
    origin = macau().origin
    last = both.write("last", final(origin))
    done(both("close", MACAU, "--checkpoint", last, "--at", "2026-11-20T00:00:00Z"))
    found = Trust(both.now).region(MACAU)
    assert found is not None
    assert (found.closed, found.last_checkpoint()) == ("2026-11-20T00:00:00Z", Checkpoint(origin, 9, b"r" * 32))
    new, did = "ledger2.mo/820000", "did:web:ledger2.mo:regions:820000"
    fields = {"origin": new, "log_keys": (vkey(new),), "base": "https://ledger2.mo", "did": did}
    later = macau(**fields, credential_keys=(credential_key(did).multikey,), token_keys=(token_key(5).multikey,))
    done(both("add", *both.server(THERE, later)))
    trust = Trust(both.now)
    assert [one.origin for one in trust.logs(MACAU)] == [new, origin]
    assert trust.checkpoint(final(origin, 9), origin).size == 9
    refused(both("remove", MACAU), "several logs")
    refused(both("close", origin, "--checkpoint", last), "stated already")
    refused(both("add", *both.server(THERE, macau())), "no log opens again")
    assert "closed 已关闭 2026-11-20T00:00:00Z, 9 events" in done(both("show", key=None))


def test_a_server_that_closed_its_region_said_when(both):
    done(both("add", *both.server(THERE, macau(closed="2026-11-19T00:00:00Z"))))
    done(both("close", MACAU, "--checkpoint", both.write("last", final(macau().origin))))
    found = Trust(both.now).region(MACAU)
    assert found is not None
    assert (found.closed, found.last_checkpoint() is not None) == ("2026-11-19T00:00:00Z", True)
    done(both("add", *both.server(THERE, macau(closed="2026-11-19T00:00:00Z"))))
    assert Trust(both.now).region(MACAU) == found


@pytest.mark.parametrize(
    ("note", "message"),
    [
        (final(macau().origin, key=signing_key(macau().origin, 1)), "signed by none of its keys"),
        (final(ORIGIN), "signed by none of its keys"),
        (final(macau().origin).replace("\n9\n", "\n8\n"), "signed by none of its keys"),
        ("x", "malformed"),
        (b"\xff\xfe", "malformed"),
        ("x" * 20_000, "too-large"),
    ],
)
def test_a_log_ends_by_its_own_checkpoint_alone(both, note, message):
    refused(both("close", MACAU, "--checkpoint", both.write("last", note)), message)
    assert both.now.regions == (issuing.region(), macau())


# -- several signers ----------------------------------------------------------------------------------


def test_several_sign_one_after_the_other(tmp_path):
    desk = Desk(tmp_path)
    created = done(desk("create", "--name", NAME, "--signer", SECOND.verifier, "--threshold", 2))
    assert "signatures 签名 1/2" in created
    pinned = ("--pin", SIGNER.verifier, "--pin", SECOND.verifier)
    refused(desk("check", *pinned, key=None), "signed by 1 of the pinned keys, and 2")
    refused(desk("sign", "--yes", key=THIRD), "is no signer")
    assert "signatures 签名 2" in done(desk("sign", "--yes", key=SECOND))
    done(desk("check", *pinned, key=None))
    before = desk.write("before", desk.file.read_bytes())
    assert "signatures 签名 1/2" in done(desk("add", *desk.server(HERE, issuing.region())))
    refused(desk("check", *pinned, key=None), "signed by 1")
    asked = CliRunner().invoke(
        main.main, ["federation", "sign", str(desk.file), "--key", str(desk.key(SECOND))], input="n"
    )
    assert (asked.exit_code, "441300 惠州市" in asked.output) == (1, True)
    signed = desk("sign", "--yes", "--after", before, key=SECOND)
    assert f"+ 441300 {ORIGIN}" in done(signed)
    assert told(desk("check", *pinned, "--after", before, "--json", key=None))["changes"] == [f"+ 441300 {ORIGIN}"]


def test_nobody_signs_what_does_not_come_after(both):
    served_to_all = both.write("served", both.file.read_bytes())
    own = {**dates(), "keys": (str(SIGNER.verifier),)}
    for changes, message in (({"serial": 2}, "does not come after"), ({"name": "evil.example", "serial": 9}, "not of")):
        data = trust_bundle.seal(issuing.federated(**{"name": NAME, **own, **changes}), [SECOND])
        both.write("federation.json", data)
        refused(both("sign", "--yes", "--after", served_to_all), message)
        assert both.file.read_bytes() == data


def test_keys_change_hands_by_double_signing(both):
    before = both.write("before", both.file.read_bytes())
    next_file = both.write("next.pub", f"{SECOND.verifier}\n{THIRD.verifier}\n")
    second = both.key(SECOND)
    done(both("rotate-keys", "--next", next_file, "--threshold", 1, "--key", second))
    assert both.now.keys == (str(SECOND.verifier), str(THIRD.verifier))
    assert both.opened(SECOND).federation == both.now  # who pinned the new one opens it already
    old = trust_bundle.open_old(before.read_bytes(), [SIGNER.verifier])
    rotated = trust_bundle.follow(old, both.file.read_bytes(), int(time.time()))
    done(both("renew", key=SECOND))
    after = both.file.read_bytes()
    assert trust_bundle.follow(rotated, after, int(time.time())).federation.serial == 5
    with pytest.raises(Untrusted):
        trust_bundle.follow(old, after, int(time.time()))
    refused(both("renew"), "0 of the pinned keys")
    refused(both("renew", "--known", SECOND.verifier), "none of these keys signs for")


def test_who_renews_also_says_what_was_agreed_on(both):
    done(both("renew", "--days", 3, "--recovery-days", 60))
    done(both("renew", "--recovery-quorum", 2))
    trust = Trust(both.now)
    assert (trust.recovery_days, trust.recovery_quorum(int(time.time()))) == (60, 2)
    assert both.now.regions == (issuing.region(), macau())
    refused(both("renew", "--recovery-days", 366), "366", 2)


def test_nobody_signs_a_file_that_others_changed(both):
    forged = trust_bundle.seal(issuing.federated(**dates(), name=NAME), [THIRD])
    both.write("federation.json", forged)
    refused(both("renew"), "0 of the pinned keys")
    assert both.file.read_bytes() == forged


# -- checking and installing --------------------------------------------------------------------------


def test_only_pinned_keys_check_a_file(both):
    refused(both("check", "--pin", THIRD.verifier, key=None), "0 of the pinned keys")
    refused(both("check", key=None), "--pin is needed", 2)
    late = ("--at", "2999-01-01T00:00:00Z")
    refused(both("check", "--pin", SIGNER.verifier, *late, key=None), "bundle-expired")
    done(both("check", "--pin", both.write("pins", f"{THIRD.verifier}\n{SIGNER.verifier}\n"), key=None))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of the region 441300."""
    folder = tmp_path / "var"
    keys.save(signing_key(ORIGIN), folder / "keys" / f"{REGION}.log")
    return folder


def now() -> int:
    return int(time.time())


def test_a_folder_knows_what_was_installed(both, data):
    assert installed(data, now()) is None
    refused(both("install", "--data", data, key=None), "give them with --pin")
    refused(both("install", "--data", data, "--pin", THIRD.verifier, key=None), "0 of the pinned keys")
    assert installed(data, now()) is None
    assert told(both("install", "--data", data, "--pin", SIGNER.verifier, "--json", key=None)) == {
        "name": NAME,
        "serial": 3,
        "absent": [],
    }
    assert installed(data, now()) == both.opened()
    assert installed(data, now()) is installed(data, now())
    with pytest.raises(Expired):
        installed(data, now() + 400 * DAY)
    with pytest.raises(Untrusted, match="yet to come"):
        installed(data, now() - DAY)


def test_each_federation_names_who_signs_the_next_one_installed(both, data):
    done(both("install", "--data", data, "--pin", SIGNER.verifier, key=None))
    first = both.file.read_bytes()
    done(both("rotate-keys", "--next", SECOND.verifier))
    done(both("install", "--data", data, key=None))
    done(both("remove", MACAU, "--known", SIGNER.verifier, key=SECOND))
    done(both("install", "--data", data, key=None))
    trust = installed(data, now())
    assert trust is not None
    assert (trust.federation.serial, [one.region for one in trust.federation.regions]) == (5, [REGION])
    assert (data / installed_federation.PINS).read_text() == f"{SECOND.verifier}\n"
    with pytest.raises(Untrusted):  # the first signer signs no more
        install(data, first, now())
    with pytest.raises(Untrusted, match="does not come after"):  # nor does one that is pinned bring back the old one
        install(data, first, now(), [SIGNER.verifier])
    assert installed(data, now()) == trust


def test_who_missed_a_rotation_pins_again(both, data):
    done(both("install", "--data", data, "--pin", SIGNER.verifier, key=None))
    done(both("rotate-keys", "--next", SECOND.verifier))
    done(both("renew", "--known", SIGNER.verifier, key=SECOND))
    refused(both("install", "--data", data, key=None), "0 of the pinned keys")
    done(both("install", "--data", data, "--pin", SECOND.verifier, key=None))
    trust = installed(data, now())
    assert trust is not None
    assert trust.federation.serial == 5


def test_a_federation_that_knows_another_log_of_this_region_is_not_installed(both, data):
    (data / "keys" / f"{REGION}.log.pub").write_text(vkey(ORIGIN, 1))
    refused(both("install", "--data", data, "--pin", SIGNER.verifier, key=None), "another log of 441300")
    assert installed(data, now()) is None


def test_a_folder_whose_region_is_not_in_it_yet(both, data):
    done(both("remove", REGION))
    assert "441300 is not in it" in done(both("install", "--data", data, "--pin", SIGNER.verifier, key=None))


def _swapped(data: Path, both: Desk) -> None:
    (data / installed_federation.FILE).write_bytes(trust_bundle.seal(both.now, [THIRD]))


def _cut(data: Path, both: Desk) -> None:
    path = data / installed_federation.FILE
    path.write_bytes(path.read_bytes()[:-1])


def _unpinned(data: Path, both: Desk) -> None:
    (data / installed_federation.PINS).unlink()


def _noise(data: Path, both: Desk) -> None:
    (data / installed_federation.PINS).write_bytes(b"\xff")


def _huge(data: Path, both: Desk) -> None:
    (data / installed_federation.PINS).write_bytes(b"x" * 100_000)


@pytest.mark.parametrize("spoil", [_swapped, _cut, _unpinned, _noise, _huge])
def test_what_was_changed_in_the_folder_is_told(both, data, spoil):
    done(both("install", "--data", data, "--pin", SIGNER.verifier, key=None))
    assert installed(data, now()) is not None
    spoil(data, both)
    with pytest.raises((Invalid, Untrusted, Unavailable, TooLarge)):
        installed(data, now())


def test_an_installation_that_was_cut_short_is_finished(both, data, monkeypatch):
    done(both("install", "--data", data, "--pin", SIGNER.verifier, key=None))
    done(both("rotate-keys", "--next", SECOND.verifier))
    done(both("renew", "--known", SIGNER.verifier, key=SECOND))
    write, bundle = files.write, both.file.read_bytes()
    for steps in (1, 2):
        before = installed(data, now())
        taken: list[Path] = []

        def cut(path: Path, content: bytes, steps: int = steps, taken: list[Path] = taken) -> None:
            if len(taken) == steps:
                raise Unavailable("the power failed")
            taken.append(path)
            write(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(files, "write", cut)
            with pytest.raises(Unavailable):
                install(data, bundle, now(), [SECOND.verifier])
        found = installed(data, now())
        assert found == (before if steps == 1 else both.opened(SECOND))
    install(data, bundle, now())
    assert installed(data, now()) == both.opened(SECOND)


# -- a region's sealing key ---------------------------------------------------------------------------


def keyless(data: Path) -> Deployment:
    """A deployment that needs no database for what it is asked."""
    (data / "keys").mkdir(parents=True, exist_ok=True)
    return Deployment(data, None)  # type: ignore[arg-type]


def test_a_sealing_key_is_made_once(data):
    key = keyless(data).sealing_key(REGION)
    assert keyless(data).sealing_key(REGION) == key
    assert keyless(data).sealing_key(MACAU) != key
    assert stat.S_IMODE((data / "keys" / f"{REGION}.sealing").stat().st_mode) == 0o600
    assert not list((data / "keys").glob("*.sealing.*"))
    assert open_sealed(key, seal_for(sealing_public(key), b"x", b"i"), b"i") == b"x"


def test_a_sealing_key_that_cannot_be_read(data):
    (data / "keys" / f"{REGION}.sealing").write_text("x")
    with pytest.raises(Unavailable, match="sealing key of 441300"):
        keyless(data).sealing_key(REGION)


# -- from servers that run ----------------------------------------------------------------------------


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, connections_max=4)
    wipe(found, REGION, MACAU)
    yield found
    found.close()


def begun(data: Path, region: str, database: Database, url: str) -> None:
    where = ("--region", region, "--origin", f"ledger.example/{region}", "--name-en", "X", "--url", url)
    result = run("init", "--data", data, *where, database_url=database.dsn)
    assert result.status == 0, result.err


def test_servers_are_brought_together_from_what_they_serve(tmp_path, database):
    desk, codes = Desk(tmp_path), (REGION, MACAU)
    done(desk("create", "--name", NAME))
    folders: Sequence[Path] = [tmp_path / f"var-{code}" for code in codes]
    with ExitStack() as stack:
        for code, folder in zip(codes, folders, strict=True):
            port = free_port()
            begun(folder, code, database, f"http://127.0.0.1:{port}")
            server = stack.enter_context(serving(folder, database.dsn, port))
            done(desk("add", server.url, "--pin", folder / "keys" / "federation.pub"))
    for code, folder in zip(codes, folders, strict=True):
        done(desk("install", "--data", folder, "--pin", SIGNER.verifier, key=None))
        trust = installed(folder, now())
        assert trust is not None
        assert [one.region for one in trust.peers(now())] == list(codes)
        found = trust.region(code)
        assert found is not None
        assert found.sealing_key == sealing_public(keyless(folder).sealing_key(code))


def test_any_bytes_are_refused_in_one_line(desk):
    good = desk.file.read_bytes()
    for bad in (b"", b"{}", good[:-1], good.replace(b'"serial":1', b'"serial":2'), b"\xff", b"[" * 10_000):
        desk.write("federation.json", bad)
        for command in (("show",), ("check", "--pin", SIGNER.verifier)):
            result = desk(*command, key=None)
            assert (result.exit_code, len(result.output.splitlines())) == (1, 1), result.output
        refused(desk("renew"), "")
        refused(desk("sign", "--yes"), "")
