"""Evidence on the wire: a message to an inbox, and a bundle, which is read while it arrives (docs/format.md).

Both are canonical JSON, and anything else is refused: what was read is written again and compared. Bodies stand in
them byte for byte. A note and a checkpoint stand once, and events name them by number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from ledger.crypto import canonical
from ledger.crypto.encoding import decode_base64, encode_base64
from ledger.errors import Invalid, TooLarge
from ledger.evidence import form
from ledger.evidence.evidence import Evidence
from ledger.limits import (
    BUNDLE_EVENTS_MAX,
    BUNDLE_LINE_BYTES_MAX,
    EVIDENCE_NOTES_KEPT,
    LISTED_MAX,
    MESSAGE_BYTES_MAX,
    MESSAGE_EVENTS_MAX,
    TRANSFER_BYTES_MAX,
)

# -- a message to an inbox ------------------------------------------------------------------------


class _Message(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    notes: Annotated[list[form.NoteText], Meta(max_length=MESSAGE_EVENTS_MAX)]
    checkpoints: Annotated[list[form.NoteText], Meta(max_length=MESSAGE_EVENTS_MAX)]
    events: Annotated[list[form.EvidenceForm], Meta(min_length=1, max_length=MESSAGE_EVENTS_MAX)]


_messages: Final = msgspec.json.Decoder(_Message)


def message(items: Sequence[Evidence]) -> bytes:
    """The bytes of a message; raise TooLarge over MESSAGE_EVENTS_MAX or MESSAGE_BYTES_MAX."""
    if not 1 <= len(items) <= MESSAGE_EVENTS_MAX:
        raise TooLarge(f"a message holds 1 to {MESSAGE_EVENTS_MAX} events, not {len(items)}")
    notes = {text: number for number, text in enumerate(dict.fromkeys(item.note for item in items))}
    checkpoints = {text: number for number, text in enumerate(dict.fromkeys(item.checkpoint for item in items))}
    found = [form.write(item, notes[item.note], checkpoints[item.checkpoint]) for item in items]
    data = canonical.write(_Message(notes=list(notes), checkpoints=list(checkpoints), events=found))
    if len(data) > MESSAGE_BYTES_MAX:
        raise TooLarge(f"a message over {MESSAGE_BYTES_MAX} bytes")
    return data


def read_message(data: bytes) -> list[Evidence]:
    """The evidence of a message, in order, nothing of it verified; raise TooLarge or Invalid."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise TooLarge(f"a message over {MESSAGE_BYTES_MAX} bytes")
    found = form.decode(_messages, data, "a message of evidence")
    _check_stated("notes", found.notes, {event.note for event in found.events})
    _check_stated("checkpoints", found.checkpoints, {event.checkpoint for event in found.events})
    return [form.read(event, found.notes[event.note], found.checkpoints[event.checkpoint]) for event in found.events]


def _check_stated(name: str, texts: Sequence[str], used: set[int]) -> None:
    if len(set(texts)) < len(texts):
        raise Invalid("the same text stands there twice", f"/{name}")
    if used != set(range(len(texts))):
        raise Invalid("the events refer to one that is not there, or one is there that none refers to", f"/{name}")


# -- a bundle -------------------------------------------------------------------------------------


class _End(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    events: form.Number
    keys: form.Number


def _line(name: str, kind: Any) -> type[Struct]:
    return msgspec.defstruct(f"_{name.title()}Line", [(name, kind)], frozen=True, forbid_unknown_fields=True)


_LINES: Final = {
    name: _line(name, kind)
    for name, kind in {
        "manifest": Raw,
        "listed": Annotated[list[form.Listed], Meta(min_length=1, max_length=LISTED_MAX)],
        "checkpoint": form.NoteText,
        "note": form.NoteText,
        "key": form.EvidenceForm,
        "event": form.EvidenceForm,
        "private": str,
        "end": _End,
    }.items()
}
_decoders: Final = {name: msgspec.json.Decoder(kind) for name, kind in _LINES.items()}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The first line's JSON object, as it came."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ListedItems:
    """Names of the events of the record, in its order: more of them come until the first key or event."""

    names: tuple[form.Listed, ...]


@dataclass(frozen=True, slots=True)
class KeyItem:
    """Evidence of a key event; all of these come before the first event."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class EventItem:
    """Evidence of an event of the record, in its order."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Private:
    """What travels sealed."""

    data: bytes


Part = Manifest | ListedItems | KeyItem | EventItem | Private


class _Stated:
    """The notes, or the checkpoints, of a bundle, numbered as they come: both sides keep the last ones only."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._next = 0

    def add(self, text: str) -> int:
        """The number of one more; raise Invalid for one that is kept already."""
        if text in self._numbers:
            raise Invalid("the same text stands there twice")
        number = self._next
        self._numbers[text], self._texts[number] = number, text
        self._next += 1
        if number >= EVIDENCE_NOTES_KEPT:
            del self._numbers[self._texts.pop(number - EVIDENCE_NOTES_KEPT)]
        return number

    def number(self, text: str) -> int | None:
        """The number of one that is kept."""
        return self._numbers.get(text)

    def text(self, number: int) -> str:
        """The one of a number; raise Invalid when it is not kept, or never was there."""
        if number not in self._texts:
            raise Invalid(f"refers to number {number}, which was not stated, or too long ago")
        return self._texts[number]


def bundle_lines(
    manifest: bytes,
    keys: Iterable[Evidence],
    items: Iterable[Evidence],
    private: bytes | None = None,
    listed: Sequence[form.Listed] = (),
) -> Iterator[bytes]:
    """The lines of a bundle, each with its newline, made as they are asked for.

    Raise TooLarge when a line or the number of events would be over its limit.
    """
    yield _encode("manifest", Raw(manifest))
    for at in range(0, len(listed), LISTED_MAX):
        yield _encode("listed", list(listed[at : at + LISTED_MAX]))
    notes, checkpoints = _Stated(), _Stated()
    counts = {"key": 0, "event": 0}
    for kind, source in (("key", keys), ("event", items)):
        for item in source:
            counts[kind] += 1
            if counts[kind] > BUNDLE_EVENTS_MAX:
                raise TooLarge(f"a bundle holds at most {BUNDLE_EVENTS_MAX} events")
            numbers = []
            for name, stated, text in (("note", notes, item.note), ("checkpoint", checkpoints, item.checkpoint)):
                number = stated.number(text)
                if number is None:
                    number = stated.add(text)
                    yield _encode(name, text)
                numbers.append(number)
            yield _encode(kind, form.write(item, *numbers))
    if private is not None:
        yield _encode("private", encode_base64(private))
    yield _encode("end", _End(events=counts["event"], keys=counts["key"]))


def _encode(name: str, value: Any) -> bytes:
    line = canonical.write(_LINES[name](value))
    if len(line) >= BUNDLE_LINE_BYTES_MAX:
        raise TooLarge(f"a line of a bundle over {BUNDLE_LINE_BYTES_MAX} bytes")
    if b"\n" in line:
        raise Invalid("a line of a bundle with a newline in it")
    return line + b"\n"


_ORDER: Final = {"manifest": 0, "listed": 1, "key": 2, "event": 3, "private": 4, "end": 5}
_AGAIN: Final = ("listed", "key", "event")
_PARTS: Final[dict[str, type[KeyItem | EventItem]]] = {"key": KeyItem, "event": EventItem}


class CutOff(Invalid):
    """A bundle that ends too early: what is missing may still come another time."""

    code = "cut-off"


class BundleReader:
    """Reads a bundle part by part while its bytes arrive in chunks of any size; goes over them once.

    Nothing of it is verified, and what came before is to be trusted only when the iteration ended: it raises Invalid
    for a bundle that is cut off, reordered or otherwise not as it has to be, TooLarge over a limit.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._stated = {"note": _Stated(), "checkpoint": _Stated()}
        self._counts = {"key": 0, "event": 0}
        self._last = ""

    def __iter__(self) -> Iterator[Part]:
        for number, line in enumerate(_split(self._chunks), 1):
            try:
                part = self._take(line)
            except Invalid as error:
                raise Invalid(f"line {number} of the bundle: {error.detail}") from None
            if part is not None:
                yield part
        if self._last != "end":
            raise CutOff("the bundle is cut off: its end is missing")

    def _take(self, line: bytes) -> Part | None:
        name, value = _parse(line)
        if name in self._stated:
            if self._last not in ("manifest", *_AGAIN):
                raise Invalid(f"a {name} out of its place")
            self._stated[name].add(value)
            return None
        self._check_order(name)
        match name:
            case "manifest":
                return Manifest(bytes(value))
            case "listed":
                return ListedItems(tuple(value))
            case "private":
                return Private(decode_base64(value))
            case "end":
                if (value.keys, value.events) != (self._counts["key"], self._counts["event"]):
                    raise Invalid(f"the end tells of {value.keys} keys and {value.events} events, which is not so")
                return None
        self._counts[name] += 1
        if self._counts[name] > BUNDLE_EVENTS_MAX:
            raise TooLarge(f"a bundle holds at most {BUNDLE_EVENTS_MAX} events")
        note, checkpoint = self._stated["note"].text(value.note), self._stated["checkpoint"].text(value.checkpoint)
        return _PARTS[name](form.read(value, note, checkpoint))

    def _check_order(self, name: str) -> None:
        """The manifest, names, keys, events, perhaps what is private, the end; `_AGAIN` as often as it takes."""
        before = _ORDER.get(self._last, -1)
        again = name == self._last and name in _AGAIN
        if (before < 0) is not (name == "manifest") or not (again or before < _ORDER[name]):
            raise Invalid(f"a line of {name} out of its place")
        self._last = name


def _parse(line: bytes) -> tuple[str, Any]:
    """The name of a line and what it holds. A line is canonical, so its name stands at its very beginning."""
    name = line[2 : line.find(b'"', 2)].decode(errors="replace")
    if name not in _decoders:
        raise Invalid(f"not a line of a bundle: {name!r:.20}")
    value = getattr(form.decode(_decoders[name], line, f"a line of {name}"), name)
    if name == "manifest" and not bytes(value).startswith(b"{"):
        raise Invalid("a manifest is a JSON object")
    return name, value


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their newlines, within the limits; the last one has to end as well."""
    total, rest = 0, b""
    for chunk in chunks:
        total += len(chunk)
        if total > TRANSFER_BYTES_MAX:
            raise TooLarge(f"a bundle over {TRANSFER_BYTES_MAX} bytes")
        *lines, rest = (rest + chunk).split(b"\n")
        for line in (*lines, rest):
            if len(line) >= BUNDLE_LINE_BYTES_MAX:
                raise TooLarge(f"a line of a bundle over {BUNDLE_LINE_BYTES_MAX} bytes")
        yield from lines
    if rest:
        raise CutOff("the bundle is cut off in the middle of a line")
