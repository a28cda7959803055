"""Whatever is changed in evidence, it is not believed; whatever bytes arrive, nothing but our errors comes of them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Invalid, LedgerError, Untrusted
from ledger.evidence.evidence import Checker, Evidence
from ledger.evidence.wire import BundleReader, EventItem, KeyItem, Part, bundle_lines, message, read_message
from ledger.ids import TIME_MAX
from ledger.limits import INTEGER_MAX
from tests.support.evidence import KEY_POSITIONS, PaperLog

PAPER = PaperLog().populate()
ITEMS = PAPER.all()
MESSAGE = message(ITEMS)
BUNDLE = b"".join(bundle_lines(b'{"a":1}', ITEMS[:4], ITEMS[4:], b"sealed"))
PIECES = [b"", b"{", b"}", b'"', b",", b"\n", b"[]", b"null", b"1e9", b"-0", b"\\", rb"\ud800", b'"a":1,', b"\xff"]


def taught() -> Checker:
    checker = Checker(lambda origin: [PAPER.key.verifier] if origin == PAPER.origin else [])
    checker.learn(ITEMS[position] for position in KEY_POSITIONS)
    return checker


@st.composite
def spoiled(draw, original: bytes):
    """Of bytes, a slice cut out, or replaced by something else, one to three times."""
    value = original
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(value)))
        end = draw(st.integers(start, min(len(value), start + 8)))
        value = value[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=4)) + value[end:]
    return value


@st.composite
def changed(draw) -> Evidence:
    """Evidence of which one field is another, by a little or taken from other evidence."""
    item = draw(st.sampled_from(ITEMS))
    name = draw(st.sampled_from([field.name for field in dataclasses.fields(Evidence)]))
    value = getattr(item, name)
    if draw(st.booleans()):
        new = getattr(draw(st.sampled_from(ITEMS)), name)
    elif isinstance(value, int):
        new = draw(st.integers(0, TIME_MAX if name == "recorded_at" else INTEGER_MAX) | st.integers(0, 8))
    elif isinstance(value, tuple):
        new = draw(st.permutations(value).map(tuple) | st.lists(st.binary(min_size=32, max_size=32)).map(tuple))
    elif isinstance(value, bytes):
        new = draw(spoiled(value))
    else:
        new = draw(spoiled(value.encode())).decode(errors="surrogateescape")
    return dataclasses.replace(item, **{name: new})


@settings(max_examples=500)
@given(changed())
def test_changed_evidence_is_not_believed(item):
    checker = taught()
    if item in ITEMS:
        assert checker.check(item).body == item.body
        return
    with contextlib.suppress(Invalid, Untrusted):
        found = checker.check(item)
        # Only what is not signed may differ: further signature lines, by keys that nobody here knows.
        assert (found.origin, found.position, found.body) == (item.origin, item.position, PAPER.bodies[item.position])
        assert item.checkpoint.startswith(PAPER.checkpoint().partition("\n\n")[0])


@settings(max_examples=1000)
@given(st.binary(max_size=200) | spoiled(MESSAGE))
def test_any_bytes_as_a_message(data):
    with contextlib.suppress(LedgerError):
        assert message(read_message(data)) == data
        checker = taught()
        for item in read_message(data):
            with contextlib.suppress(LedgerError):
                assert checker.check(item).body in data


def read(chunks: Sequence[bytes]) -> list[Part] | str:
    try:
        return list(BundleReader(chunks))
    except LedgerError as error:
        return type(error).__name__


@settings(max_examples=1000)
@given(st.binary(max_size=200) | spoiled(BUNDLE), st.lists(st.integers(0, len(BUNDLE)), max_size=5))
def test_any_bytes_as_a_bundle_in_chunks_of_any_size(data, cuts):
    places = [0, *sorted(cuts), len(data) + len(BUNDLE)]
    whole = read([data])
    assert read([data[start:end] for start, end in pairwise(places)]) == whole
    if not isinstance(whole, str):
        items = [part.evidence for part in whole if isinstance(part, KeyItem | EventItem)]
        assert all(item.body in data for item in items)


@given(st.permutations(range(len(ITEMS))), st.permutations(KEY_POSITIONS), st.integers(0, 3))
def test_the_order_in_which_things_are_learned_and_checked_does_not_matter(order, keys, batch):
    checker = Checker(lambda _: [PAPER.key.verifier])
    checker.learn(ITEMS[position] for position in keys)
    checker.learn(ITEMS[position] for position in keys[:batch])
    assert [checker.check(ITEMS[position]).position for position in order] == list(order)
