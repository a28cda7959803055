"""A JSON reader that refuses what two readers could understand differently."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from ledger.errors import Invalid
from ledger.limits import BODY_DEPTH_MAX, INTEGER_MAX

DEPTH_MAX: Final = BODY_DEPTH_MAX
"""Nesting of objects and arrays, in each JSON text and in what disclosures put together."""


def parse_json(data: bytes) -> Any:
    """A JSON value; raise Invalid for duplicate keys, fractions, -0, huge integers, lone surrogates, deep nesting."""
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as error:
        raise Invalid(f"not JSON: {error}") from None
    _check(value, 0)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("a JSON object with the same key twice")
    return found


def _refuse_number(text: str) -> NoReturn:
    raise Invalid(f"the number {text:.20}: only integers")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(value := int(text)) > INTEGER_MAX:
        raise Invalid("an integer beyond 2^53 - 1")
    if text == "-0":  # which some readers keep apart from 0
        raise Invalid("minus zero")
    return value


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Invalid("a lone surrogate in a string") from None
    elif isinstance(value, (dict, list)):
        if depth == DEPTH_MAX:
            raise Invalid(f"nested deeper than {DEPTH_MAX}")
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(item, depth + 1)
