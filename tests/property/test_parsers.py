"""Whatever bytes or text a parser is given, it answers or raises an error of ours. Nothing else escapes."""

import base64
import contextlib
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import ids
from ledger.crypto import keys
from ledger.crypto.encoding import decode_base64
from ledger.errors import LedgerError
from ledger.events import submission
from ledger.events.body import CATALOGUE, decode_event, encode_event
from ledger.tlog import notes
from tests.support import builders
from tests.support.builders import KNOWN

# Of all code points, those that parsers stumble over: surrogates, controls, blanks, separators.
odd = st.text(st.sampled_from("\ud800\udfff\x00\x1f\x7f\x85\u00a0\u2028\u3000\ufeff+-—: \n\r\"'\\{}[]é林𠮷0aA=/_"))
texts = st.text(st.characters()) | odd

PARSERS: list[Callable[[str], Any]] = [
    keys.parse_vkey,
    keys.parse_skey,
    keys.check_name,
    decode_base64,
    notes.parse,
    ids.check_issuer,
    ids.check_origin,
    ids.check_region,
    ids.check_uuid,
    ids.parse_time,
]
VALID = [
    str(KNOWN.verifier),
    KNOWN.secret_text(),
    notes.sign("text\n", [KNOWN]),
    builders.STATION,
    builders.AUTHORITY,
    builders.VOLUNTEER,
    builders.ORIGIN,
    builders.TIME,
]


@st.composite
def spoiled(draw, originals: st.SearchStrategy, pieces: st.SearchStrategy):
    """Something valid of which a slice is cut out, or replaced by something else, one to three times."""
    value = draw(originals)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(value)))
        end = draw(st.integers(start, min(len(value), start + 8)))
        value = value[:start] + draw(pieces) + value[end:]
    return value


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@given(text=texts | spoiled(st.sampled_from(VALID), texts))
def test_any_text(parse, text):
    with contextlib.suppress(LedgerError):
        parse(text)


@given(odd | st.text(min_size=1), st.binary(max_size=40) | st.binary(min_size=32, max_size=32))
def test_any_name_and_key_with_the_right_id(name, data):
    """Past the check of the id, which keeps mere noise from going further."""
    identifier = sha256(name.encode(errors="surrogatepass") + b"\n\1" + data).hexdigest()[:8]
    text = f"{name}+{identifier}+{base64.b64encode(bytes([1]) + data).decode()}"
    for parse in (keys.parse_vkey, lambda text: keys.parse_skey("PRIVATE+KEY+" + text)):
        with contextlib.suppress(LedgerError):
            parse(text)


@settings(max_examples=1000)
@given(st.binary(max_size=100) | spoiled(st.sampled_from(VALID).map(str.encode), st.binary(max_size=8)))
def test_any_bytes_as_a_note(data):
    with contextlib.suppress(LedgerError):
        note = notes.parse(data)
        assert note.text.encode() == data[: len(note.text.encode())]
        with contextlib.suppress(LedgerError):
            note.verify(KNOWN.verifier)


bodies = st.sampled_from([builders.body(kind) for kind in CATALOGUE])
json_pieces = st.sampled_from(
    [b"", b"{", b"}", b'"', b",", b"[]", b"null", b"1e9", b"-0", b"\\", rb"\ud800", b'"a":1,']
)


@settings(max_examples=1000)
@given(st.binary(max_size=100) | spoiled(bodies, st.binary(max_size=4) | json_pieces))
def test_any_bytes_as_an_event(data):
    with contextlib.suppress(LedgerError):
        assert encode_event(decode_event(data)) == data


requests = st.sampled_from(
    [
        builders.sealed([builders.body("hours.recorded/1"), builders.body("hours.recorded/1")]),
        builders.sealed(
            [builders.body("volunteer.registered/1")],
            builders.signing_key(builders.VOLUNTEER),
            private={builders.VOLUNTEER: builders.details()},
        ),
    ]
)


@settings(max_examples=1000)
@given(st.binary(max_size=100) | spoiled(requests, st.binary(max_size=4) | json_pieces))
def test_any_bytes_as_a_submission(data):
    with contextlib.suppress(LedgerError):
        opened = submission.open_submission(data, builders.REGION, builders.ORIGIN)
        assert all(one.body in data for one in opened.events)
        opened.verify(builders.knows(builders.signing_key(builders.STATION)))
