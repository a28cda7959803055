"""Strict canonical JSON (RFC 8785), in and out.

Bytes that come in must already be canonical: they are stored, hashed and served as they came.
msgspec writes what RFC 8785 asks for as long as keys are ASCII and numbers are integers, which
this module ensures; the tests hold it against an independent implementation.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from ledger.errors import Invalid
from ledger.limits import BODY_DEPTH_MAX, INTEGER_MAX

_encoder: Final = msgspec.json.Encoder(order="sorted")

_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""C0, DEL, C1 and bidirectional controls."""
_PLAIN_ESCAPE: Final = re.compile(r'\\["\\]')


def encode(value: Any) -> bytes:
    """Canonical bytes of a value made of dicts with ASCII keys, lists, str, int, bool and None."""
    check_values(value)
    data = write(value)
    check_bytes(data)
    return data


def write(value: Any) -> bytes:
    """Canonical bytes of a value whose form is assured already, such as a Struct of the agreed types.

    Raise Invalid for a lone surrogate.
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        raise Invalid("a lone surrogate in a string") from None


def decode(data: bytes) -> Any:
    """The value of canonical bytes; raise Invalid for anything that is not canonical."""
    check_bytes(data)
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"not JSON: {error}") from None
    check_values(value)
    check_form(value, data)
    return value


def check_bytes(data: bytes) -> None:
    """Refuse what no body may hold, escaped or not: other than UTF-8, control and bidirectional characters."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"not UTF-8 at byte {error.start}") from None
    # Printable text, by far the most common, holds none of them: a test that runs at memory speed.
    if not text.isprintable() and (found := _FORBIDDEN.search(text)):
        raise Invalid(f"the character U+{ord(found[0]):04X}, a control, at character {found.start()}")
    if "\\" in text and "\\" in _PLAIN_ESCAPE.sub("", text):
        # In canonical form only the quote, the backslash and control characters are escaped.
        raise Invalid("a control character, or an escape that canonical JSON does not use")


def check_form(value: Any, data: bytes) -> None:
    """Refuse bytes that are not the canonical form of their value (order, blanks, duplicates, escapes)."""
    if _encoder.encode(value) != data:
        raise Invalid("not in canonical form (RFC 8785): key order, white space, escapes or duplicate keys")


def pointer_token(key: object) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def check_values(value: Any, pointer: str = "", depth: int = 0) -> None:
    """Refuse values outside the agreed subset of JSON, naming the place."""
    if value is None or isinstance(value, (bool, str)):
        return
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise Invalid("an integer beyond 2^53 - 1", pointer)
    elif isinstance(value, (dict, list)):
        if depth == BODY_DEPTH_MAX:
            raise Invalid(f"nested deeper than {BODY_DEPTH_MAX}", pointer)
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if isinstance(key, str) and not key.isascii():
                raise Invalid("a key that is not ASCII", pointer)
            check_values(item, f"{pointer}/{pointer_token(key)}", depth + 1)
    else:
        raise Invalid(f"a {type(value).__name__}: only integers, strings, true, false and null", pointer)
