"""Signed notes (C2SP signed-note): text that names what it is, and signature lines below it.

The bytes that were signed are the bytes that are verified; a note is cut apart, never re-rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ledger.crypto.encoding import decode_base64, encode_base64
from ledger.crypto.keys import SIGNATURE_BYTES, SigningKey, VerifyingKey
from ledger.errors import Invalid, Untrusted
from ledger.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX

_SIGNATURE_LINE: Final = re.compile(r"— ([^\s+\x00-\x1f\x7f]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who, by which key (eight hexadecimal digits), and the bytes after the id."""

    name: str
    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note cut into its text (final newline included) and its signature lines; nothing is verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    @property
    def lines(self) -> list[str]:
        """The lines of the text, without their newlines."""
        return self.text[:-1].split("\n")

    def verify(self, key: VerifyingKey) -> None:
        """Raise Untrusted unless a line of exactly this key (name and id) verifies over the text."""
        for line in self.signatures:
            if line.name == key.name and line.key_id == key.id:
                if len(line.value) != SIGNATURE_BYTES:
                    raise Untrusted(f"the signature of {key.name} has the wrong length")
                return key.verify(line.value, self.text.encode())
        raise Untrusted(f"no signature by key {key.id} of {key.name}")


def parse(data: bytes | str) -> Note:
    """Cut a note apart; raise Invalid for anything but text, a blank line and signature lines."""
    text = _decode(data)
    if _CONTROL.search(text):
        raise Invalid("a control character in a note")
    head, separator, tail = text.rpartition("\n\n")
    if not separator or not head or not tail.endswith("\n"):
        raise Invalid("a note is text, a blank line, and signature lines, each ending in a newline")
    lines = tail[:-1].split("\n")
    if len(lines) > NOTE_SIGNATURES_MAX:
        raise Invalid(f"more than {NOTE_SIGNATURES_MAX} signature lines")
    return Note(head + "\n", tuple(_signature(line) for line in lines))


def _decode(data: bytes | str) -> str:
    try:
        raw = data.encode() if isinstance(data, str) else data
        if len(raw) > NOTE_BYTES_MAX:
            raise Invalid(f"a note over {NOTE_BYTES_MAX} bytes")
        return raw.decode()
    except UnicodeError:
        raise Invalid("a note is UTF-8") from None


def _signature(line: str) -> Signature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if not match:
        raise Invalid("a signature line is an em dash, a key name and base64")
    data = decode_base64(match[2])
    if len(data) < 5:
        raise Invalid("a signature line without a signature")
    return Signature(match[1], data[:4].hex(), data[4:])


def sign(text: str, keys: Iterable[SigningKey]) -> str:
    """The note of `text` (which ends in a newline) with one signature line a key."""
    if not text.endswith("\n"):
        raise Invalid("the text of a note ends in a newline")
    try:
        note = text + "\n" + "".join(signature_line(text, key) for key in keys)
    except UnicodeEncodeError:
        raise Invalid("the text of a note is UTF-8") from None
    parse(note)  # what nobody could open is not worth a signature
    return note


def signature_line(text: str, key: SigningKey) -> str:
    """One line as C2SP signed-note writes it, newline included."""
    value = bytes.fromhex(key.id) + key.sign(text.encode())
    return f"— {key.name} {encode_base64(value)}\n"
