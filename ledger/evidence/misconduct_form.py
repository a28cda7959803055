"""The JSON form of evidence of misconduct (docs/transfer.md, "Misconduct")."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ledger.crypto.encoding import decode_base64
from ledger.errors import Invalid
from ledger.evidence import form
from ledger.limits import BUNDLE_EVENTS_MAX, NOTE_BYTES_MAX

_ENTRY_BYTES: Final = 40


class Shown(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event that stands in a log: its body, and the tlog-proof that says so."""

    body: Raw
    receipt: Annotated[str, Meta(max_length=2 * NOTE_BYTES_MAX)]


Entries = Annotated[str, Meta(max_length=(BUNDLE_EVENTS_MAX * _ENTRY_BYTES + 2) // 3 * 4)]
_Pair = Annotated[list[Shown], Meta(min_length=2, max_length=2)]


class File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"):
    """One member `kind` names the form."""


class ForkedLog(File, frozen=True, kw_only=True, tag="yongzhi.forked-log/1"):
    """Two signed notes."""

    checkpoints: Annotated[list[form.NoteText], Meta(min_length=2, max_length=2)]


class TwoOffers(File, frozen=True, kw_only=True, tag="yongzhi.two-offers/1"):
    """Two `transfer.offered/1`."""

    events: _Pair


class TwoAcceptances(File, frozen=True, kw_only=True, tag="yongzhi.two-acceptances/1"):
    """Two `transfer.accepted/1`."""

    events: _Pair


class LeftOut(File, frozen=True, kw_only=True, tag="yongzhi.left-out/1"):
    """A statement, the log entries of the record that it is about, and an event that is not among them."""

    statement: Shown
    entries: Entries
    missing: Shown


class KeyLeftOut(File, frozen=True, kw_only=True, tag="yongzhi.key-left-out/1"):
    """An offer, the log entries of its key events, and a key event that is not among them.

    `signed` is an event of the record, whose `entries` these are, by the issuer whose key it is.
    """

    statement: Shown
    keys: Entries
    missing: Shown
    entries: Entries | UnsetType = UNSET
    signed: Shown | UnsetType = UNSET


AnyFile: TypeAlias = ForkedLog | TwoOffers | TwoAcceptances | LeftOut | KeyLeftOut
files: Final[msgspec.json.Decoder[AnyFile]] = msgspec.json.Decoder(AnyFile)


def entries(joined: str) -> list[bytes]:
    """The log entries of a list; raise Invalid."""
    data = decode_base64(joined)
    if len(data) % _ENTRY_BYTES:
        raise Invalid(f"log entries have {_ENTRY_BYTES} bytes each")
    return [data[at : at + _ENTRY_BYTES] for at in range(0, len(data), _ENTRY_BYTES)]
