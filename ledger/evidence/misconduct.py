"""Evidence that a region said two things, or kept something back: one file, checked by anyone, offline.

Everything in it is signed by logs, so whoever hands it over need not be trusted (docs/transfer.md, "Misconduct").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from msgspec import UNSET, Raw, UnsetType

from ledger.crypto import canonical
from ledger.crypto.encoding import decode_base64url, encode_base64
from ledger.errors import Invalid, LedgerError, TooLarge, Untrusted
from ledger.events.body import RECORD_TYPES, AnyEvent, decode_event
from ledger.events.fields import type_name
from ledger.events.peers import EntryReceived, RecordStated
from ledger.events.transfer import TransferAccepted, TransferOffered
from ledger.evidence import form
from ledger.evidence.evidence import LEARNED, Evidence, Keys, UnknownOrigin
from ledger.evidence.misconduct_form import ForkedLog, KeyLeftOut, LeftOut, Shown, TwoAcceptances, TwoOffers, files
from ledger.evidence.misconduct_form import entries as entries_in
from ledger.limits import MISCONDUCT_BYTES_MAX
from ledger.tlog import merkle, notes
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.tlog.entries import commitment_to
from ledger.tlog.receipt import PROOF_HEADER, check_receipt


class NotProven(Untrusted):
    """Every signature may hold, and yet nobody did what the file says."""

    code = "not-proven"


# -- files ----------------------------------------------------------------------------------------


def show(item: Evidence) -> Shown:
    """An event as its evidence shows it."""
    path = "".join(f"{encode_base64(node)}\n" for node in item.log_path)
    extra = encode_base64(item.entry[32:])
    receipt = f"{PROOF_HEADER}\nextra {extra}\nindex {item.position}\n{path}\n{item.checkpoint}"
    return Shown(body=Raw(item.body), receipt=receipt)


def forked(one: str, other: str) -> bytes:
    """Two checkpoints of one log, signed notes, with one size and two roots."""
    return canonical.write(ForkedLog(checkpoints=[one, other]))


def two_offers(one: Evidence, other: Evidence) -> bytes:
    """Two offers of one log that spend the same number of a volunteer's moves."""
    return canonical.write(TwoOffers(events=[show(one), show(other)]))


def two_acceptances(one: Evidence, other: Evidence) -> bytes:
    """Two homes of a volunteer by one move."""
    return canonical.write(TwoAcceptances(events=[show(one), show(other)]))


def left_out(statement: Evidence, entries: Sequence[bytes], missing: Evidence | Shown) -> bytes:
    """An event of a record that a `transfer.offered/1` or `record.stated/1` leaves out.

    `entries` are the log entries, 40 bytes each, whose root the statement signs. `missing` is the event, or the
    `entry.received/1` by which the region acknowledged it.
    """
    return canonical.write(LeftOut(statement=show(statement), entries=_joined(entries), missing=_shown(missing)))


def key_left_out(
    offer: Evidence,
    keys: Sequence[bytes],
    missing: Evidence | Shown,
    entries: Sequence[bytes] | None = None,
    signed: Evidence | Shown | None = None,
) -> bytes:
    """A key event that an offer leaves out; `keys` are the log entries whose root it signs as `key_root`.

    Unless it is about the volunteer's keys or the region's, `entries` are those of the record, and `signed` is one of
    its events, by the issuer whose key it is.
    """
    return canonical.write(
        KeyLeftOut(
            statement=show(offer),
            keys=_joined(keys),
            missing=_shown(missing),
            entries=UNSET if entries is None else _joined(entries),
            signed=UNSET if signed is None else _shown(signed),
        )
    )


def _shown(item: Evidence | Shown) -> Shown:
    return item if isinstance(item, Shown) else show(item)


def _joined(entries: Sequence[bytes]) -> str:
    return encode_base64(b"".join(entries))


# -- checking -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is proven: of which kind, and against the holders of the keys of which logs."""

    kind: str
    """`forked-log`, `two-offers`, `two-acceptances`, `left-out` or `key-left-out`."""
    against: tuple[str, ...]
    """Origins. Of two acceptances in two logs it may be either, or the home whose offers they cite."""
    facts: dict[str, str | int] = field(default_factory=dict)
    """What the words for it name."""


def check(data: bytes, keys: Keys) -> Finding:
    """What a file proves under the log keys that are trusted.

    Raise TooLarge or Invalid for its form, UnknownOrigin for a log without a trusted key, Untrusted for a signature
    or a path that does not hold, NotProven when all of it holds and is no misconduct.
    """
    if len(data) > MISCONDUCT_BYTES_MAX:
        raise TooLarge(f"evidence of misconduct over {MISCONDUCT_BYTES_MAX} bytes")
    match form.decode(files, data, "evidence of misconduct"):
        case ForkedLog(checkpoints=[one, other]):
            return _check_fork(_open_checkpoint(one, keys), _open_checkpoint(other, keys))
        case TwoOffers(events=[first, second]):
            return _check_offers(_open(first, keys), _open(second, keys))
        case TwoAcceptances(events=[first, second]):
            return _check_acceptances(_open(first, keys), _open(second, keys))
        case LeftOut() as found:
            return _check_left_out(_open(found.statement, keys), entries_in(found.entries), _open(found.missing, keys))
        case found:
            return _check_key_left_out(found, keys)


@dataclass(frozen=True, slots=True)
class _Standing:
    """An event, and where its log says that it stands."""

    origin: str
    position: int
    entry: bytes
    event: AnyEvent


def _open(shown: Shown, keys: Keys) -> _Standing:
    body, (_, _, note) = bytes(shown.body), shown.receipt.partition("\n\n")
    reason: LedgerError = UnknownOrigin("the origin is not recognised")
    for key in keys(parse_checkpoint(notes.parse(note).text).origin):
        try:
            receipt = check_receipt(shown.receipt, body, key)
        except (Invalid, Untrusted) as error:
            reason = error
            continue
        entry = commitment_to(body) + receipt.recorded_at.to_bytes(8, "big")
        return _Standing(receipt.checkpoint.origin, receipt.position, entry, decode_event(body))
    raise reason


def _open_checkpoint(note: str, keys: Keys) -> Checkpoint:
    reason: LedgerError = UnknownOrigin("the origin is not recognised")
    for key in keys(parse_checkpoint(notes.parse(note).text).origin):
        try:
            return open_checkpoint(note, key)
        except (Invalid, Untrusted) as error:
            reason = error
    raise reason


# -- what is misconduct ---------------------------------------------------------------------------


def _check_fork(one: Checkpoint, other: Checkpoint) -> Finding:
    if one.origin != other.origin:
        raise NotProven("the checkpoints are of two logs")
    if one.size != other.size:
        raise NotProven("the checkpoints are of two sizes: a log grows")
    if one.root == other.root:
        raise NotProven("the checkpoints are of one tree")
    return Finding(kind="forked-log", against=(one.origin,), facts={"size": one.size})


def _check_offers(one: _Standing, other: _Standing) -> Finding:
    first, second = one.event, other.event
    if not isinstance(first, TransferOffered) or not isinstance(second, TransferOffered):
        raise NotProven("not two offers")
    if one.origin != other.origin:
        raise NotProven("the offers are of two logs")
    _check_one_move(first, second)
    facts: dict[str, str | int] = {"volunteer": first.volunteer, "epoch": first.epoch, **_positions(one, other)}
    return Finding(kind="two-offers", against=(one.origin,), facts=facts | {"to": first.to, "other_to": second.to})


def _check_acceptances(one: _Standing, other: _Standing) -> Finding:
    first, second = one.event, other.event
    if not isinstance(first, TransferAccepted) or not isinstance(second, TransferAccepted):
        raise NotProven("not two acceptances")
    _check_one_move(first, second)
    facts: dict[str, str | int] = {"volunteer": first.volunteer, "epoch": first.epoch, **_positions(one, other)}
    facts |= {"region": first.ledger, "other_region": second.ledger, "home": first.basis.origin}
    facts["recovered"] = sum(isinstance(event.recovery, int) for event in (first, second))
    return Finding(kind="two-acceptances", against=tuple(dict.fromkeys([one.origin, other.origin])), facts=facts)


_Move: TypeAlias = TransferOffered | TransferAccepted


def _check_one_move(first: _Move, second: _Move) -> None:
    if first == second:
        raise NotProven("it is the same event twice")
    if (first.volunteer, first.epoch) != (second.volunteer, second.epoch):
        raise NotProven("the moves are of two volunteers, or have two numbers")


def _positions(one: _Standing, other: _Standing) -> dict[str, int]:
    return {"position": one.position, "other_position": other.position}


def _check_left_out(statement: _Standing, entries: Sequence[bytes], missing: _Standing) -> Finding:
    said = _statement(statement, missing)
    _check_list(entries, said.events, said.root)
    event, named = missing.event, missing.entry
    if isinstance(event, EntryReceived):
        named = decode_base64url(event.event.entry)
    elif type_name(event) not in RECORD_TYPES:
        raise NotProven(f"{type_name(event)} belongs to no record")
    if event.subject not in _ids(said):
        raise NotProven("the event is about somebody else")
    return _finding("left-out", statement, missing, said, named in entries)


def _check_key_left_out(found: KeyLeftOut, keys: Keys) -> Finding:
    statement, missing, listed = _open(found.statement, keys), _open(found.missing, keys), entries_in(found.keys)
    said = _statement(statement, missing)
    if not isinstance(said, TransferOffered):
        raise NotProven("only an offer states which key events there are")
    _check_list(listed, said.key_events, said.key_root)
    if type_name(missing.event) not in LEARNED:
        raise NotProven(f"{type_name(missing.event)} is not about keys")
    if missing.event.subject not in (*_ids(said), said.issuer):
        _check_signer(found, said, statement.origin, missing.event.subject, keys)
    return _finding("key-left-out", statement, missing, said, missing.entry in listed)


def _check_signer(found: KeyLeftOut, said: TransferOffered, origin: str, issuer: str, keys: Keys) -> None:
    """The record has an event of that log by this issuer."""
    if isinstance(found.signed, UnsetType) or isinstance(found.entries, UnsetType):
        raise NotProven(f"nothing shows that {issuer} signed an event of the record")
    entries, signed = entries_in(found.entries), _open(found.signed, keys)
    _check_list(entries, said.events, said.root)
    if (signed.origin, signed.event.issuer) != (origin, issuer) or signed.entry not in entries:
        raise NotProven(f"what is shown is not an event of the record by {issuer}")


_Statement: TypeAlias = TransferOffered | RecordStated


def _statement(statement: _Standing, missing: _Standing) -> _Statement:
    """A list that was signed as complete, of the log in which the missing event stood by then."""
    said = statement.event
    if not isinstance(said, TransferOffered | RecordStated):
        raise NotProven(f"{type_name(said)} does not state what a record consists of")
    if missing.origin != statement.origin:
        raise NotProven("the event stands in another log, which the statement need not know")
    if missing.position >= said.size:
        raise NotProven(f"the statement covers {said.size} events of the log, and this one came later")
    return said


def _ids(said: _Statement) -> tuple[str, ...]:
    return said.subject if isinstance(said, RecordStated) else said.volunteer, *said.aliases


def _check_list(entries: Sequence[bytes], count: int, root: str) -> None:
    found = merkle.entries_root(entries)
    if len(entries) != count or found != decode_base64url(root):
        raise NotProven("the list is not the one that was signed")


def _finding(kind: str, statement: _Standing, missing: _Standing, said: _Statement, listed: bool) -> Finding:
    if listed:
        raise NotProven("the event is in the list")
    facts: dict[str, str | int] = {
        "statement": type_name(said),
        "stated": statement.position,
        "size": said.size,
        "volunteer": _ids(said)[0],
        "type": type_name(missing.event),
        "position": missing.position,
        "subject": missing.event.subject,
    }
    return Finding(kind=kind, against=(statement.origin,), facts=facts)


__all__ = [
    "Finding",
    "NotProven",
    "Shown",
    "check",
    "forked",
    "key_left_out",
    "left_out",
    "show",
    "two_acceptances",
    "two_offers",
]
