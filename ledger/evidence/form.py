"""The JSON form of one item of evidence, shared by messages and bundles, and reading canonical JSON."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from ledger.crypto import canonical
from ledger.crypto.encoding import decode_base64, encode_base64
from ledger.errors import Invalid
from ledger.evidence.evidence import PATH_MAX, Evidence
from ledger.limits import INTEGER_MAX, NOTE_BYTES_MAX, ORIGIN_MAX
from ledger.tlog import merkle

Number = Annotated[int, Meta(ge=0, le=INTEGER_MAX)]
_Origin = Annotated[str, Meta(min_length=1, max_length=ORIGIN_MAX)]
_Path = Annotated[str, Meta(max_length=(PATH_MAX * merkle.HASH_BYTES + 2) // 3 * 4)]
_Entry = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{53}[AQgw]\Z")]
NoteText = Annotated[str, Meta(min_length=1, max_length=NOTE_BYTES_MAX)]


class EvidenceForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item of evidence, its note and checkpoint by number."""

    body: Raw
    origin: _Origin
    position: Number
    recorded_at: Number
    note: Number
    index: Number
    note_path: _Path
    log_path: _Path
    checkpoint: Number


class Listed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The name of an event: its log, its place there, and its log entry, base64url of 40 bytes."""

    origin: _Origin
    position: Number
    entry: _Entry


def write(item: Evidence, note: int, checkpoint: int) -> EvidenceForm:
    """The form of an item whose note and checkpoint have these numbers."""
    return EvidenceForm(
        body=Raw(item.body),
        origin=item.origin,
        position=item.position,
        recorded_at=item.recorded_at,
        note=note,
        index=item.index,
        note_path=encode_base64(b"".join(item.note_path)),
        log_path=encode_base64(b"".join(item.log_path)),
        checkpoint=checkpoint,
    )


def read(event: EvidenceForm, note: str, checkpoint: str) -> Evidence:
    """The item of a form, with the texts that its numbers stand for; raise Invalid for a path that is none."""
    return Evidence(
        origin=event.origin,
        position=event.position,
        recorded_at=event.recorded_at,
        body=bytes(event.body),
        note=note,
        index=event.index,
        note_path=_path(event.note_path),
        log_path=_path(event.log_path),
        checkpoint=checkpoint,
    )


def _path(text: str) -> tuple[bytes, ...]:
    data = decode_base64(text)
    return tuple(data[at : at + merkle.HASH_BYTES] for at in range(0, len(data), merkle.HASH_BYTES))


def decode(decoder: msgspec.json.Decoder[Any], data: bytes, what: str) -> Any:
    """The value of canonical bytes; raise Invalid for any others."""
    try:
        value = decoder.decode(data)
        canonical.check_form(value, data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Invalid(f"not {what}: {error}") from None
    return value
