"""Baselines that show what the parts below us can do at most: PostgreSQL alone, Typst alone."""

from __future__ import annotations

import contextlib
import io
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg2
import pypdf
import typst
from psycopg2.extensions import connection as Connection

from ledger.store.postgres import embedded
from tests.bench.data import SHEET
from tests.bench.machines import Machine

_CLIENTS = 64
_ROUNDS = 30
_PAGES = 200
_PAGE = '#set page(paper: "a4")\n#sys.inputs.line'
_INSERT = "INSERT INTO bench_inserts (body) VALUES (decode(repeat('55', 600), 'hex'));"


def copy(machine: Machine, schema: str) -> float:
    """Rows a second that COPY takes into a table like the events of `schema`, which holds them already."""
    with _connected(machine.dsn) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT max(position) FROM {schema}.events")
        [(last,)] = cursor.fetchall()
        cursor.execute(f"CREATE TABLE bench_copied (LIKE {schema}.events INCLUDING ALL)")
        starts = range(0, min(last // SHEET, _ROUNDS) * SHEET, SHEET)
        sheets = [_copied_out(connection, schema, start) for start in starts]
        start = time.perf_counter()
        for sheet in sheets:
            cursor.copy_expert("COPY bench_copied FROM STDIN (FORMAT binary)", io.BytesIO(sheet))
        seconds = time.perf_counter() - start
        cursor.execute("DROP TABLE bench_copied")
    return len(sheets) * SHEET / seconds


def _copied_out(connection: Connection, schema: str, start: int) -> bytes:
    rows = f"SELECT * FROM {schema}.events WHERE position >= {start} AND position < {start + SHEET}"
    with connection.cursor() as cursor, io.BytesIO() as data:
        cursor.copy_expert(f"COPY ({rows}) TO STDOUT (FORMAT binary)", data)
        return data.getvalue()


def inserts(machine: Machine, seconds: int) -> float:
    """Transactions of one row a second, as pgbench makes them over 64 connections."""
    with _connected(machine.dsn) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_inserts (id bigserial PRIMARY KEY, body bytea NOT NULL)")
    script = machine.folder / "insert.sql"
    script.write_text(_INSERT, encoding="ascii")
    program: Sequence[str | Path] = [embedded.binaries() / "pgbench", "--no-vacuum", "--protocol=prepared"]
    options: Sequence[str | Path] = [f"--client={_CLIENTS}", "--jobs=2", f"--time={seconds}", "--file", script]
    told = subprocess.run([*program, *options, machine.dsn], check=True, capture_output=True, text=True).stdout
    rate = re.search(r"^tps = ([0-9.]+)", told, re.MULTILINE)
    if rate is None:
        raise RuntimeError(f"pgbench told no rate: {told}")
    return float(rate[1])


def page_ms(machine: Machine) -> float:
    """Milliseconds that Typst takes for a PDF of one line, each another one: the median."""
    source = machine.folder / "page.typ"
    source.write_text(_PAGE, encoding="ascii")
    compiler = typst.Compiler(source, ignore_system_fonts=True)
    times = []
    for number in range(_PAGES):
        start = time.perf_counter()
        compiler.compile(format="pdf", sys_inputs={"line": f"No. {number}"})
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def attachment(pdf: bytes) -> bytes:
    """The first attachment of a PDF, as pypdf finds it."""
    found = next(iter(pypdf.PdfReader(io.BytesIO(pdf)).attachment_list))
    return found.content


@contextlib.contextmanager
def _connected(dsn: str) -> Iterator[Connection]:
    with contextlib.closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        yield connection
