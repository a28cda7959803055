"""Every file stands in its room: SQL and cursors by the tree of each module, imports by the contracts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.rooms import Misplaced, cursors_in_api, misplaced_sql

ROOT: Final = Path(__file__).parents[2]
STILL_OPENED: Final = frozenset(
    f"api/service/{name}.py" for name in ("batches", "proving", "handing_out", "revoking", "status_lists")
)
"""These open cursors until their calls go through ledger.app."""


def test_sql_stands_in_the_store_and_the_projections_only() -> None:
    assert misplaced_sql(ROOT) == []


def test_no_cursor_is_opened_in_api() -> None:
    assert [place for place in cursors_in_api(ROOT) if place.file not in STILL_OPENED] == []


# -- the search finds what it is for ------------------------------------------------------------------


def planted(root: Path, file: str, text: str) -> Path:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "statement",
    [
        'query = "SELECT 1"',
        'query = f"SELECT {columns} FROM {schema}.events"',
        'query = f"SELECT count(*)" f" FROM {schema}.keys"',
        'query = f"INSERT INTO {schema}.keys VALUES (%s)"',
        'query = f"UPDATE {schema}.entries e SET withdrawn = true"',
        'query = f"UPDATE {table} SET state = %s"',
        'query = f"DELETE FROM {schema}.keys"',
        'query = f"CREATE TABLE {schema}.keys (id text)"',
        'query = f"CREATE UNIQUE INDEX ON {schema}.keys (id)"',
        'query = f"ALTER TABLE {schema}.keys ADD id text"',
        'query = f"DROP SCHEMA {schema} CASCADE"',
        'query = f"LOCK TABLE {schema}.tracking"',
        'query = f"NOTIFY {schema}"',
        'query = f"LISTEN {schema}"',
        'query = f"COPY {table} FROM STDIN"',
        'query = "WITH taken AS MATERIALIZED (TABLE t) TABLE taken"',
        'query = f"TABLE x JOIN {schema}.volunteers v"',
        'query = "COMMIT"',
        'condition = "e.volunteer = ANY(%(ids)s)"',
        'condition = "WHERE position = 1"',
        'condition = "position >= %s"',
        'order = "ORDER BY position"',
        'lock = "pg_try_advisory_lock(hashtext(%s))"',
        'column = "id::text"',
    ],
)
def test_sql_in_a_wrong_room_is_found(tmp_path: Path, statement: str) -> None:
    planted(tmp_path, "ledger/store/right.py", statement)
    planted(tmp_path, "projections/right.py", statement)
    planted(tmp_path, "ledger/domain/wrong.py", f'"""A module."""\n{statement}\n')
    assert [(place.file, place.line) for place in misplaced_sql(tmp_path)] == [("ledger/domain/wrong.py", 2)]


@pytest.mark.parametrize(
    "text",
    [
        "Select a person from the list, where one is known.",
        "DELETE",
        "the COPY of a volunteer, with what is CREATED from it",
        "take from {region} what it holds; order by day",
        "The transaction began at %s and ended with COMMIT or ROLLBACK.",
    ],
)
def test_plain_english_is_not_taken_for_sql(tmp_path: Path, text: str) -> None:
    planted(tmp_path, "api/right.py", f"text = {text!r}\n")
    assert misplaced_sql(tmp_path) == []


@pytest.mark.parametrize(
    "statement",
    [
        "with ledger.database.read() as cursor: pass",
        "with self._database.transaction() as cursor: pass",
        "rows = deployment.database.query(statement)",
        "connection = database.connect()",
        "row = rows.fetchone()",
        "connection.cursor()",
        "rows.execute(statement)",
        "from ledger.store.postgres.database import Cursor",
    ],
)
def test_a_cursor_in_api_is_found(tmp_path: Path, statement: str) -> None:
    planted(tmp_path, "ledger/right.py", statement)
    planted(tmp_path, "api/pages/wrong.py", statement)
    [place] = cursors_in_api(tmp_path)
    assert place[:2] == Misplaced("api/pages/wrong.py", 1, "")[:2]


def test_reading_a_file_is_not_taken_for_a_cursor(tmp_path: Path) -> None:
    planted(
        tmp_path, "api/right.py", "data = file.read()\nwith opened(data) as deployment: deployment.ledger(region)\n"
    )
    assert cursors_in_api(tmp_path) == []


# -- the contracts find what they are for -------------------------------------------------------------


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rooms")
    for room in ("api", "ledger", "projections"):
        for path in (ROOT / room).rglob("*.py"):
            planted(root, path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def lint_imports(root: Path, contract: str) -> tuple[int, str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache", "--contract", contract]
    environment = {**os.environ, "COLUMNS": "500"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("contract", "name", "files"),
    [
        pytest.param(
            "ledger",
            "Inside ledger, imports run down only",
            {"ledger/domain/planted.py": "import ledger.store.log"},
            id="a rule that reads the store",
        ),
        pytest.param(
            "api",
            "Inside api, imports run down only",
            {"api/client/planted.py": "import api.service.region"},
            id="a client that runs a service",
        ),
        pytest.param(
            "acyclic",
            "No circle between the rooms of a folder, nor between its files",
            {
                "ledger/events/planted.py": "import ledger.events.planted_too",
                "ledger/events/planted_too.py": "import ledger.events.planted",
            },
            id="a circle between siblings",
        ),
        pytest.param(
            "client",
            "What a client needs brings neither the database driver, nor the web framework, nor file locks",
            {"api/client/planted.py": "import psycopg2"},
            id="a client with the database driver",
        ),
        pytest.param(
            "store",
            "Routes and pages read through the ledger, not from its store",
            {"api/http/routes/planted.py": "import ledger.store.vault"},
            id="a route that reads the store",
        ),
        pytest.param(
            "sql",
            "The database driver is met in ledger.store.postgres and ledger.store.recorder only",
            {"projections/planted.py": "from psycopg2.extensions import cursor"},
            id="a projection with the database driver",
        ),
    ],
)
def test_a_file_in_the_wrong_room_breaks_its_contract(
    copied: Path, contract: str, name: str, files: Mapping[str, str]
) -> None:
    _, before = lint_imports(copied, contract)
    assert "planted" not in before
    paths = [planted(copied, file, f'"""Stands in the wrong room."""\n\n{text}\n') for file, text in files.items()]
    try:
        status, said = lint_imports(copied, contract)
    finally:
        for path in paths:
            path.unlink()
    assert status == 1
    assert f"{name} BROKEN" in said
    assert "planted" in said
