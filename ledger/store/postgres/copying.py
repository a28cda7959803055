"""Writing and reading rows in bulk: binary COPY for new rows, arrays for changed ones."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from itertools import chain, repeat
from struct import Struct
from typing import Any, Final

from ledger.store.postgres.database import Cursor

_LENGTH: Final = Struct("!i")
_INT8: Final = Struct("!iq")
_INT4: Final = Struct("!ii")
_NULL: Final = _LENGTH.pack(-1)
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_EPOCH: Final = date(2000, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Type:
    """A column type: its SQL name, its binary COPY form, and how values cross into and out of SQL."""

    sql: str
    pack: Callable[[Any], bytes]
    prefix: str = ""
    """Stands before the value in Python and is not stored."""
    read: str = "{}"
    """The SELECT expression of a column that gives the Python value."""

    def or_null(self) -> Type:
        """The same type for a column that may hold NULL."""
        pack = self.pack
        return replace(self, pack=lambda value: _NULL if value is None else pack(value))

    def bind(self, value: Any) -> Any:
        """The value as a query parameter."""
        return value.removeprefix(self.prefix) if self.prefix and value is not None else value


def _pack_text(value: str) -> bytes:
    data = value.encode()
    return _LENGTH.pack(len(data)) + data


def _pack_bytea(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value


def _pack_uuid(value: str) -> bytes:
    return b"\0\0\0\x10" + bytes.fromhex(value.replace("-", ""))


def _pack_volunteer(value: str) -> bytes:
    return b"\0\0\0\x10" + bytes.fromhex(value[10:].replace("-", ""))


def _pack_bool(value: bool) -> bytes:
    return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


def _pack_bigint(value: int) -> bytes:
    return _INT8.pack(8, value)


@lru_cache(maxsize=65_536)
def _pack_date(value: str) -> bytes:
    return _INT4.pack(4, date.fromisoformat(value).toordinal() - _EPOCH)


def _pack_integer(value: int) -> bytes:
    return _INT4.pack(4, value)


BIGINT: Final = Type("bigint", _pack_bigint)
BOOLEAN: Final = Type("boolean", _pack_bool)
BYTEA: Final = Type("bytea", _pack_bytea)
DATE: Final = Type("date", _pack_date, read="{}::text")
INTEGER: Final = Type("integer", _pack_integer)
LABEL: Final = Type("text", lru_cache(maxsize=65_536)(_pack_text))
"""Text of which there are few, each many times over."""
TEXT: Final = Type("text", _pack_text)
UUID: Final = Type("uuid", _pack_uuid)
VOLUNTEER: Final = Type("uuid", _pack_volunteer, prefix="volunteer:", read="'volunteer:' || {}")

Columns = dict[str, Type]


def names(columns: Iterable[str]) -> str:
    """Column names as SQL, quoted because `end` is a keyword."""
    return ", ".join(f'"{name}"' for name in columns)


def selection(columns: Columns, table: str) -> str:
    """The SELECT list that gives the Python values of a table's columns."""
    return ", ".join(kind.read.format(f'{table}."{name}"') for name, kind in columns.items())


def copy(cursor: Cursor, table: str, columns: Columns, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows with binary COPY."""
    # Column by column: the loops over rows then run in C.
    turned = zip(*rows, strict=True)
    packed = [map(kind.pack, values) for kind, values in zip(columns.values(), turned, strict=True)]
    head = len(packed).to_bytes(2, "big")
    data = b"".join([_HEADER, *chain.from_iterable(zip(repeat(head), *packed, strict=False)), _TRAILER])
    cursor.copy_expert(f"COPY {table} ({names(columns)}) FROM STDIN (FORMAT binary)", io.BytesIO(data))


def arrays(columns: Columns, rows: Sequence[Sequence[Any]]) -> tuple[str, list[list[Any]]]:
    """An `unnest(…)` call over rows turned into columns, and its parameters."""
    turned = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    values = [[kind.bind(value) for value in column] for kind, column in zip(columns.values(), turned, strict=True)]
    casts = ", ".join(f"%s::{kind.sql}[]" for kind in columns.values())
    return f"unnest({casts})", values


def update(
    cursor: Cursor, table: str, columns: Columns, identity: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Replace the rows that have the same identity."""
    source, values = arrays(columns, rows)
    changed = ", ".join(f'"{name}" = new."{name}"' for name in columns if name not in identity)
    same = " AND ".join(f't."{name}" = new."{name}"' for name in identity)
    cursor.execute(f"UPDATE {table} t SET {changed} FROM {source} AS new ({names(columns)}) WHERE {same}", values)
