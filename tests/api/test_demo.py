"""The demonstration: it ends with 0 only when every step held, and touches no folder that is not its own."""

import socket

import httpx2
import pytest
from click.testing import CliRunner, Result

from api.cli import main
from api.client.client import Client
from tests.api.process import free_port, run


def demo(*arguments: object) -> Result:
    """Run it in this process."""
    return CliRunner().invoke(main.main, ["demo", "--no-serve", *map(str, arguments)])


def test_the_demonstration_holds(tmp_path):
    """In a database of its own, whatever the environment says."""
    data, port = tmp_path / "demo", free_port()
    small = ("--volunteers", 40, "--entries", 400)
    done = run("demo", "--no-serve", *small, "--port", port, "--data", data, database_url="host=/nowhere")
    assert done.status == 0, done.out + done.err
    for step in ("everything holds", "nothing differs", "one byte changed", "rolled back"):
        assert step in done.out
    moved = ("region.peer_recognised/1", "relayed home", "transfer.requested/1", "each verified", "follows to")
    told = [
        done.out.find(step) for step in (*moved, "passed back", "of these served in", "nothing lost, nothing twice")
    ]
    assert told[0] > -1
    assert told == sorted(set(told)), "a step of the move is missing, or told out of order"
    # Nothing of it runs any more, and what it made can be looked at.
    assert not (data / "pg" / "postmaster.pid").exists()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{port}/healthz")
    found = {one["region"]: one for one in run("audit", "--data", data, "--json").json}
    assert {region: one["ok"] for region, one in found.items()} == {"441300": True, "442000": True}
    assert all(one["events"] > 200 for one in found.values())
    # All entries, with two of the volunteer who moved: that of the visit, and the one that was recorded late.
    where = run("conservation", "--data", data, "--json").json
    home = {region: one["home"]["entries"] for region, one in where["regions"].items()}
    assert (where["ok"], where["distinct"]["entries"], home) == (True, 402, {"441300": 190, "442000": 212})


def test_a_demonstration_that_finds_otherwise_fails(tmp_path, monkeypatch):
    """Here what it sends is said to have been there before. A demonstration's own folder is made anew."""
    send = Client.send
    monkeypatch.setattr(Client, "send", lambda self, region, request: (send(self, region, request)[0], False))
    data = tmp_path / "demo"
    data.mkdir()
    (data / "made-by-demo").touch()
    (data / "left-over").touch()
    done = demo("--volunteers", 4, "--entries", 8, "--port", free_port(), "--data", data)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert not (data / "left-over").exists()
    assert not (data / "pg" / "postmaster.pid").exists()


def test_while_its_port_is_taken_nothing_is_touched(tmp_path):
    """Not even a demonstration's folder: it may be the one that is being served there."""
    data = tmp_path / "demo"
    data.mkdir()
    (data / "made-by-demo").touch()
    (data / "running").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = demo("--port", taken.getsockname()[1], "--data", data)
    assert (done.exit_code, isinstance(done.exception, SystemExit)) == (5, True)
    assert {path.name for path in data.iterdir()} == {"made-by-demo", "running"}


@pytest.mark.parametrize("name", ["a file", "keys", "made-by-another"])
def test_a_folder_that_is_in_use_is_left_alone(tmp_path, name):
    data = tmp_path / "var"
    data.mkdir()
    kept = data / name
    kept.write_text("precious", encoding="utf-8")
    assert demo("--data", data, "--port", free_port()).exit_code == 2
    assert [path.name for path in data.iterdir()] == [name]
    assert kept.read_text(encoding="utf-8") == "precious"


def test_a_file_is_no_folder(tmp_path):
    file = tmp_path / "file"
    file.write_text("precious", encoding="utf-8")
    assert demo("--data", file, "--port", free_port()).exit_code == 2
    assert file.read_text(encoding="utf-8") == "precious"
