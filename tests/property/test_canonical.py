"""Canonical JSON against an independent implementation of RFC 8785, and against anything at all."""

import contextlib
import json

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.crypto import canonical
from ledger.errors import Invalid, LedgerError

CONTROLS = [
    *range(0x20),
    *range(0x7F, 0xA0),
    0x61C,
    0x200E,
    0x200F,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
]
FORBIDDEN = [chr(code) for code in CONTROLS]

many = settings(max_examples=500)
integers = st.integers(-(2**53) + 1, 2**53 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=FORBIDDEN))
keys = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
scalars = st.none() | st.booleans() | integers | texts


def nested(depth: int) -> st.SearchStrategy:
    if depth == 0:
        return scalars
    inner = st.deferred(lambda: nested(depth - 1))
    return scalars | st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)


values = nested(8)


@many
@given(values)
@example({"b": [True, None, -1], "B": {"": '\\"/'}, "a": "\u2028\U00020bb7"})
def test_encode_is_rfc_8785(value):
    assert canonical.encode(value) == rfc8785.dumps(value)


@many
@given(values)
def test_decode_undoes_encode(value):
    decoded = canonical.decode(canonical.encode(value))
    assert decoded == value


@many
@given(values, st.booleans(), st.sampled_from([None, 0, 1, "\t"]))
def test_one_value_has_one_spelling(value, ascii_only, indent):
    """However the standard library writes it: canonical bytes are accepted, all others refused."""
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent, sort_keys=True).encode()
    if written == rfc8785.dumps(value):
        assert canonical.decode(written) == value
    else:
        with pytest.raises(Invalid):
            canonical.decode(written)


@many
@given(texts, st.sampled_from([*FORBIDDEN, *map(chr, range(0xD800, 0xE000, 0x80))]), texts, st.booleans())
def test_a_forbidden_character_is_refused_raw_and_escaped(before, forbidden, after, ascii_only):
    written = json.dumps({"a": before + forbidden + after}, ensure_ascii=ascii_only, separators=(",", ":"))
    with pytest.raises(Invalid):
        canonical.decode(written.encode(errors="surrogatepass"))
    with pytest.raises(Invalid):
        canonical.encode({"a": before + forbidden + after})


@many
@given(st.floats() | st.integers(2**53) | st.integers(max_value=-(2**53)))
def test_other_numbers_are_refused(number):
    with pytest.raises(Invalid):
        canonical.encode({"a": [number]})
    with pytest.raises(Invalid):
        canonical.decode(json.dumps([number]).encode())


@many
@given(
    st.binary()
    | st.text().map(lambda text: text.encode(errors="surrogatepass"))
    | st.text('{}[]",:\\u01e-. ').map(str.encode)
)
def test_any_bytes_raise_only_our_error(data):
    with contextlib.suppress(LedgerError):
        assert canonical.encode(canonical.decode(data)) == data
