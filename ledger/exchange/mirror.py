"""A mirror of a log with its bodies: what shows, once a region is gone, that something was never decided there.

JSON lines, one an event from position 0 on: `{"body": BODY, "recorded_at": n}`. A line without a body is one of which
only the log entry is left (`{"entry": base64url of 40 bytes}`): such a mirror shows the log whole, but of that event
not what it said.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ledger.app.ledger import Ledger
from ledger.crypto import canonical
from ledger.crypto.encoding import decode_base64url, encode_base64url
from ledger.errors import Invalid, Untrusted
from ledger.events.body import AnyEvent, decode_event
from ledger.limits import BUNDLE_LINE_BYTES_MAX
from ledger.store import log
from ledger.store.postgres.database import Cursor
from ledger.tlog import merkle
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.entries import commitment_to, make_entry

_PAGE: Final = 5_000


class _Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    body: Raw | UnsetType = UNSET
    entry: str | UnsetType = UNSET
    recorded_at: int | UnsetType = UNSET


_lines: Final = msgspec.json.Decoder(_Line)


def write(ledger: Ledger) -> Generator[bytes]:
    """The lines of a whole log, each with its newline, read in one snapshot."""
    with ledger.database.read() as cursor:
        yield from _lines_of(cursor, ledger.schema)


def _lines_of(cursor: Cursor, schema: str) -> Iterator[bytes]:
    first = 0
    while rows := log.read_events(cursor, schema, first, _PAGE):
        for row in rows:
            if row.body is None:
                line = _Line(entry=encode_base64url(row.entry))
            else:
                line = _Line(body=Raw(row.body), recorded_at=row.recorded_at)
            yield canonical.write(line) + b"\n"
        first = rows[-1].position + 1


def events_of(lines: Iterable[bytes], last: Checkpoint) -> list[tuple[int, AnyEvent | None]]:
    """Position and event (None where no body is left) of everything in a mirrored log that is about transfers.

    Raise Invalid for what is no mirror, Untrusted when it is not the log that `last` ends.
    """
    size = 0
    frontier: merkle.Frontier = ()
    events: list[tuple[int, AnyEvent | None]] = []
    for number, data in enumerate(lines):
        line, entry = _read(number, data.removesuffix(b"\n"))
        size, frontier, _ = merkle.append(size, frontier, [merkle.leaf_hash(entry)])
        if isinstance(line.body, UnsetType):
            events.append((number, None))
        elif b'"type":"transfer.' in bytes(line.body):
            events.append((number, decode_event(bytes(line.body))))
    if (size, merkle.root(frontier)) != (last.size, last.root):
        raise Untrusted(f"the mirror has {size} events, and is not the log that ended with {last.size}")
    return events


def _read(number: int, data: bytes) -> tuple[_Line, bytes]:
    if len(data) > BUNDLE_LINE_BYTES_MAX:
        raise Invalid(f"line {number + 1} of the mirror is over {BUNDLE_LINE_BYTES_MAX} bytes")
    try:
        line = _lines.decode(data)
        if isinstance(line.body, UnsetType):
            entry = decode_base64url(str(line.entry))
        else:
            recorded_at = line.recorded_at if isinstance(line.recorded_at, int) else -1
            entry = make_entry(commitment_to(bytes(line.body)), recorded_at)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, Invalid) as error:
        raise Invalid(f"line {number + 1} of the mirror: {error}") from None
    if len(entry) != 40:
        raise Invalid(f"line {number + 1} of the mirror: a log entry has 40 bytes")
    return line, entry
