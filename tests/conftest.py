"""What all tests share: the profiles of Hypothesis, and a database for those that ask for one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.contract.golang import Go
from tests.support import oracles

# No deadline anywhere: two workers on two cores make the clock of a single example meaningless.
settings.register_profile(
    "ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("dev", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if oracles.in_ci() else "dev"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say last, in one line, what was skipped and how to get it; reports of xdist's workers are among the stats."""
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = [report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)]
    if reasons:
        terminalreporter.write_line(oracles.told(reasons), yellow=True)


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """A PostgreSQL of this worker's own, as a string that libpq takes.

    Embedded, or on the server that YONGZHI_TEST_DATABASE_URL names: there each worker of pytest-xdist makes a
    database of its own beside the one named, since tests use the same region codes.
    """
    server = os.environ.get("YONGZHI_TEST_DATABASE_URL")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if not server:
        source = embedded_server()
    elif worker:
        source = database_of_worker(server, worker)
    else:
        yield server
        return
    with source as url:
        yield url


@contextmanager
def embedded_server() -> Iterator[str]:
    # Imported here, so that tests that need no database need neither its binaries nor its driver.
    from ledger.store.postgres import embedded

    # Not pytest's own temporary folder: as root that is 0700, and the server runs under another user.
    folder = Path(tempfile.mkdtemp(prefix="yongzhi-"))
    folder.chmod(0o711)
    try:
        server = embedded.start(folder / "pg")
        try:
            yield server.dsn
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database_of_worker(server: str, worker: str) -> Iterator[str]:
    import psycopg2
    from psycopg2 import sql
    from psycopg2.extensions import make_dsn, parse_dsn

    base = parse_dsn(server).get("dbname", "postgres")
    name = f"{base}_{worker}"
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    # Closed in between: a connection held open for the whole session would outlive a server's idle timeout.
    with closing(psycopg2.connect(server)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(drop)
            cursor.execute(create)
    yield make_dsn(server, dbname=name)
    with closing(psycopg2.connect(server)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(drop)


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Go]:
    """Go's own transparency-log and signed-note packages."""
    with Go(tmp_path_factory.mktemp("go")) as program:
        yield program
