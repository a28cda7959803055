"""A database that counts what it is asked, so that tests hold how many round trips a way costs."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.store.postgres.database import Cursor, Database

_BACKGROUND = ("publish-", "totals-", "proofs-", "batches-", "deliver", "outgoing-", "inbox", "listen")
"""Threads of a server that go on by themselves, whatever anybody asks."""


@dataclass(slots=True)
class Counts:
    """Transactions, and the statements in them; BEGIN and COMMIT are not counted. A single query is one of each."""

    transactions: int = 0
    statements: int = 0
    threads: Counter[str] = field(default_factory=Counter)
    """Transactions by thread."""
    texts: list[str] = field(default_factory=list)
    """The statements themselves, for whoever has to find out what is one too many."""


class CountingDatabase(Database):
    """Counts, while asked to, what is done for whoever asks: not what background threads do meanwhile."""

    _counts: Counts | None = None

    @contextlib.contextmanager
    def counted(self) -> Iterator[Counts]:
        """The counts of the block, final when it ends."""
        self._counts = counts = Counts()
        try:
            yield counts
        finally:
            self._counts = None

    @contextlib.contextmanager
    def transaction(self, mode: str = "") -> Iterator[Cursor]:
        counts = self._begin()
        with super().transaction(mode) as cursor:
            yield cursor if counts is None else _Counting(cursor, counts)  # type: ignore[misc]

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        if counts := self._begin():
            counts.statements += 1
            counts.texts.append(statement)
        return super().query(statement, values)

    def _begin(self) -> Counts | None:
        counts, thread = self._counts, threading.current_thread().name
        if counts is None or thread.startswith(_BACKGROUND):
            return None
        counts.transactions += 1
        counts.threads[thread] += 1
        return counts


class _Counting:
    """A cursor that counts what it executes and copies."""

    def __init__(self, cursor: Cursor, counts: Counts) -> None:
        self._cursor = cursor
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._cursor)

    def execute(self, statement: str, values: Any = None) -> None:
        self._count(statement)
        self._cursor.execute(statement, values)

    def copy_expert(self, statement: str, file: Any) -> None:
        self._count(statement)
        self._cursor.copy_expert(statement, file)

    def _count(self, statement: str) -> None:
        self._counts.statements += 1
        self._counts.texts.append(statement)
