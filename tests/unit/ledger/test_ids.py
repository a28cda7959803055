"""Names: issuers, regions, origins, times. What bodies hold of them is tested with the events."""

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import ids
from ledger.errors import Invalid
from ledger.limits import ORIGIN_MAX
from tests.support.builders import AUTHORITY, GROUP, ORIGIN, STATION, VOLUNTEER


@pytest.mark.parametrize(
    ("text", "kind"), [(STATION, "org"), (GROUP, "org"), (AUTHORITY, "region"), (VOLUNTEER, "volunteer")]
)
def test_an_issuer_has_a_kind(text: str, kind: str):
    assert ids.check_issuer(text) == text
    assert ids.issuer_kind(text) == kind


@pytest.mark.parametrize("text", [ORIGIN, "x", "x" * ORIGIN_MAX, "organisation:x", "Org:x", "~!*,-"])
def test_an_origin_is_accepted(text: str):
    assert ids.check_origin(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * (ORIGIN_MAX + 1),
        STATION,
        AUTHORITY,
        VOLUNTEER,
        "org:",
        "region:x",
        "yongzhi.submission/1",
        "yongzhi.",
        "a b",
        "a+b",
        "a\n",
        "a\x7f",
        "惠州",
    ],
    ids=ascii,
)
def test_an_origin_is_refused(text: str):
    with pytest.raises(Invalid):
        ids.check_origin(text)


@pytest.mark.parametrize("text", ["441300", "442000", "810000", "820000", "449028"])
def test_a_region_is_accepted(text: str):
    assert ids.check_region(text) == text


@pytest.mark.parametrize("text", ["", "44130", "4413000", "441399", "４４１３００", "441300\n", "44130x", "-41300"])
def test_a_region_is_refused(text: str):
    with pytest.raises(Invalid):
        ids.check_region(text)


def test_one_moment_in_several_zones():
    assert {ids.parse_time(f"2026-11-01T{rest}") for rest in ("12:05:10+08:00", "04:05:10Z", "00:35:10-03:30")} == {
        1_793_505_910
    }


@given(st.integers(ids.parse_time("1000-01-01T00:00:00Z"), ids.parse_time("9999-12-31T23:59:59Z")))
def test_a_time_is_read_as_it_was_written(seconds: int):
    assert ids.parse_time(ids.format_time(seconds)) == seconds


def test_new_ids_are_uuids_made_in_the_order_of_time(monkeypatch: pytest.MonkeyPatch):
    assert len({ids.new_id() for _ in range(1000)}) == 1000
    found = []
    for milliseconds in (0, 1, 2**40, 2**48 - 1):
        monkeypatch.setattr("time.time_ns", lambda now=milliseconds: now * 1_000_000)
        found.append(ids.new_id())
    assert found == sorted(found)
    for one in found:
        assert ids.check_uuid(one) == one
        assert (uuid.UUID(one).version, uuid.UUID(one).variant) == (7, uuid.RFC_4122)
        assert re.fullmatch(ids.UUID_PATTERN, one)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (-62_135_596_800, "0001-01-01T00:00:00Z"),
        (253_402_300_800, None),
        (-62_135_596_801, None),
        (2**63, None),
        (2**200, None),
    ],
)
def test_a_time_is_written(seconds: int, text: str | None):
    if text is None:
        with pytest.raises(Invalid, match="years 1 to 9999"):
            ids.format_time(seconds)
    else:
        assert ids.format_time(seconds) == text
        assert ids.parse_time(text) == seconds
