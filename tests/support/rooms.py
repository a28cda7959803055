"""Finds what stands in the wrong room though it imports nothing that would tell: SQL, and cursors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

SQL_ROOMS: Final = ("ledger/store/", "projections/")
"""Where SQL may stand."""
_SQL: Final = re.compile(
    r"\bSELECT\s+\S"
    r"|\bINSERT\s+INTO\b"
    r"|\bUPDATE\s+\S+(\s+\w+)?\s+SET\b"
    r"|\bDELETE\s+FROM\b"
    r"|\b(CREATE|ALTER|DROP|LOCK|TRUNCATE|COMMENT\s+ON)\s+(UNIQUE\s+|TEMPORARY\s+|UNLOGGED\s+|OR\s+REPLACE\s+)?"
    r"(TABLE|SCHEMA|INDEX|VIEW|TYPE|FUNCTION|TRIGGER|SEQUENCE|ROLE|DATABASE|EXTENSION)\b"
    r"|\bWITH\s+(RECURSIVE\s+)?\S+\s+AS\s+(MATERIALIZED\s*)?\("
    r"|\b(FROM|JOIN|INTO)\s+\?\.\w+"  # {schema}.table
    r"|\bWHERE\s+\S+\s*(=|<|>|IN\b|IS\b|LIKE\b|NOT\b)"
    r"|\b(ORDER|GROUP)\s+BY\s+\S"
    r"|\bFOR\s+(NO\s+KEY\s+)?UPDATE\b"
    r"|^\s*(NOTIFY|LISTEN|UNLISTEN|COPY)\s+\S"
    r"|^\s*(BEGIN|COMMIT|ROLLBACK)\s*;?\s*$"
    r"|\bSET\s+(LOCAL|SESSION|TRANSACTION)\b|\bISOLATION\s+LEVEL\b"
    r"|\bpg_\w+\("
    r"|(=|<>)\s*(ANY|ALL)\s*\("
    r"|::(text|uuid|bytea|bigint|integer|date|jsonb?)\b"
    r"|\w\s*(=|<>|<=|>=|<|>)\s*%(s|\(\w+\)s)"  # a condition on a parameter
)
"""SQL is written in capitals here, so that plain English does not look like it."""
_CURSOR_CALLS: Final = frozenset({"cursor", "execute", "executemany", "fetchone", "fetchall", "copy_expert"})
_DATABASE_CALLS: Final = frozenset({"read", "transaction", "query", "connect"})


class Misplaced(NamedTuple):
    """A line that stands in the wrong room."""

    file: str
    line: int
    text: str


def misplaced_sql(root: Path) -> list[Misplaced]:
    """String constants that hold SQL, in `ledger`, `api` and `projections` outside the rooms for it."""
    return [
        Misplaced(file, line, text)
        for file, tree in _modules(root, "ledger", "api", "projections")
        if not file.startswith(SQL_ROOMS)
        for line, text in _strings(tree)
        if _SQL.search(text)
    ]


def cursors_in_api(root: Path) -> list[Misplaced]:
    """Calls in `api` that open or use a cursor, and imports of its type."""
    return [
        Misplaced(file, node.lineno, ast.unparse(node))
        for file, tree in _modules(root, "api")
        for node in ast.walk(tree)
        if (isinstance(node, ast.Call) and _opens(node)) or (isinstance(node, ast.ImportFrom) and _imports(node))
    ]


def _modules(root: Path, *rooms: str) -> Iterator[tuple[str, ast.Module]]:
    """Every module of these rooms: its path from the root, and its tree."""
    for room in rooms:
        for path in sorted((root / room).rglob("*.py")):
            yield path.relative_to(root).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """String constants with their lines; of an f-string its parts, with `?` for each value."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            texts = (str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values)
            yield node.lineno, "".join(texts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value


def _opens(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    of = call.func.value
    owner = of.attr if isinstance(of, ast.Attribute) else of.id if isinstance(of, ast.Name) else ""
    return call.func.attr in _CURSOR_CALLS or (
        call.func.attr in _DATABASE_CALLS and owner.removeprefix("_") == "database"
    )


def _imports(statement: ast.ImportFrom) -> bool:
    return any(alias.name.lower() == "cursor" for alias in statement.names)
