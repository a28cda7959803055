"""Levels: more service never lowers one, the order of things decides nothing, and the lines tell the level."""

import contextlib
import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import codes
from ledger.errors import LedgerError
from ledger.schemes import conditions, recognition
from ledger.schemes import scheme as schemes
from ledger.schemes.facts import Held, Service, of_entries, of_totals
from ledger.texts.text import LANGUAGES
from tests.support.awards import scheme, scheme_file

DAY = date(2026, 6, 30)
CATEGORIES = list(codes.CATEGORIES)[:4]
KINDS = list(codes.ORGANISATION_KINDS)[:3]

# Few values each, so that what conditions name is also what is served.
amounts = st.integers(1, 60) | st.sampled_from([3000, 6000, 18_000])
SHAPES = {
    "minutes": st.just({}),
    "minutes-in-year": st.just({}),
    "minutes-in-categories": st.fixed_dictionaries(
        {"categories": st.lists(st.sampled_from(CATEGORIES), min_size=1, unique=True)}
    ),
    "minutes-at-kinds": st.fixed_dictionaries({"kinds": st.lists(st.sampled_from(KINDS), min_size=1, unique=True)}),
    "years": st.fixed_dictionaries({"minutes_each": amounts, "consecutive": st.booleans()}),
    "span-days": st.just({}),
    "level-held": st.just({"scheme": "test"}),
    "awards-held": st.fixed_dictionaries({"scheme": st.just("test"), "level": st.integers(1, 3)}),
    "trainings": st.just({}),
}


@st.composite
def ladders(draw) -> schemes.Scheme:
    """A scheme of one to four levels, each of which asks for all of the one before and more."""
    kinds = draw(st.lists(st.sampled_from(sorted(SHAPES)), min_size=1, max_size=3, unique=True))
    conditions = [
        {"kind": kind, **draw(SHAPES[kind]), "at_least": draw(st.integers(1, 3) if kind == "years" else amounts)}
        for kind in kinds
    ]
    levels = [conditions]
    for _ in range(draw(st.integers(0, 3))):
        raised = [{**one, "at_least": one["at_least"] + draw(st.integers(0, 500))} for one in levels[-1]]
        raised[0]["at_least"] += 1
        levels.append(raised)
    counts = {"states": ["counted"]}
    if draw(st.booleans()):
        counts["evidence"] = ["check-in", "imported"]
    return scheme(*levels, counts=counts)


entries = st.tuples(
    st.sampled_from(KINDS).map(lambda kind: f"org:{kind}"),
    st.integers(0, 2000).map(lambda days: DAY + timedelta(300 - days)),
    st.sampled_from(CATEGORIES),
    st.sampled_from(sorted(codes.EVIDENCE)),
    st.sampled_from(["counted", "counted", "counted", "disputed", "withdrawn"]),
    st.integers(1, 480) | st.sampled_from([3000, 6000]),
)
granted = st.builds(Held, scheme=st.just("test"), level=st.integers(1, 4), times=st.integers(1, 3))
histories = st.lists(entries, max_size=12)


def served(rows, held=(), trainings=0, day=DAY) -> Service:
    found = of_entries(rows, day, {f"org:{kind}": kind for kind in KINDS})
    return replace(found, held=tuple(held), trainings=trainings)


@given(ladders(), histories, histories, st.lists(granted, max_size=3), st.lists(granted, max_size=2), st.integers(0, 9))
def test_more_never_lowers_a_level(ladder, rows, more, held, more_held, trainings):
    before = recognition.star_level(ladder, served(rows, held), DAY)
    after = recognition.star_level(ladder, served(rows + more, held + more_held, trainings), DAY)
    assert after.level >= before.level
    assert after.total >= before.total
    assert all(late.missing <= early.missing for early, late in zip(before.lines, after.lines, strict=True))


@given(ladders(), histories, st.lists(granted, max_size=3), st.randoms(use_true_random=False))
def test_order_decides_nothing(ladder, rows, held, random):
    service = served(rows, held)
    mixed = msgspec.structs.replace(
        ladder,
        levels=tuple(
            msgspec.structs.replace(level, conditions=tuple(random.sample(level.conditions, len(level.conditions))))
            for level in ladder.levels
        ),
    )
    random.shuffle(rows)
    random.shuffle(held)
    shuffled = served(rows, held)
    one, other = recognition.star_level(ladder, service, DAY), recognition.star_level(mixed, shuffled, DAY)
    assert (one.level, one.total) == (other.level, other.total)
    assert sorted(recognition.explain(one, "zh")[:-1]) == sorted(recognition.explain(other, "zh")[:-1])
    assert recognition.explain(one, "en") == recognition.explain(recognition.star_level(ladder, shuffled, DAY), "en")


@given(ladders(), histories, st.lists(granted, max_size=3), st.integers(0, 400))
def test_the_lines_tell_the_level(ladder, rows, held, trainings):
    found = recognition.star_level(ladder, served(rows, held, trainings), DAY)
    for level in ladder.levels:
        lines = [line for line in found.lines if line.level == level]
        assert tuple(line.condition for line in lines) == level.conditions
        assert all(line.met for line in lines) == (level.level <= found.level)
        for line in lines:
            assert line.met == (line.present >= line.needed)
            assert line.missing == (0 if line.met else line.needed - line.present)
    assert bool(found.lacking) == (found.level < len(ladder.levels))
    for language in LANGUAGES:
        assert len(recognition.explain(found, language)) == len(found.lines) + 4


@given(st.lists(st.tuples(st.integers(2010, 2027), st.integers(0, 40_000)), max_size=8))
def test_national_stars_from_totals_as_reckoned_by_hand(sums):
    rows = [("org:a", year, "rural", "counted", minutes, 1) for year, minutes in sums]
    found = recognition.star_level(schemes.find("cn-2012/1"), of_totals(rows, DAY), DAY)
    minutes = sum(minutes for year, minutes in sums if year <= 2026)
    assert found.minutes == found.total == minutes
    assert found.level == sum(minutes >= hours * 60 for hours in (100, 300, 600, 1000, 1500))


@given(ladders(), histories)
def test_totals_and_entries_agree_where_totals_are_enough(ladder, rows):
    rows = [row for row in rows if row[1] <= DAY]
    totals = [(row[0], row[1].year, row[2], row[4], row[5], 1) for row in rows]
    kinds = {f"org:{kind}": kind for kind in KINDS}
    with contextlib.suppress(LedgerError):  # refused when days or grades are asked for, never answered otherwise
        from_totals = recognition.star_level(ladder, of_totals(totals, DAY, kinds), DAY)
        assert from_totals.lines == recognition.star_level(ladder, served(rows), DAY).lines


texts = st.text(st.characters(codec="utf-8"), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def spoiled(draw) -> bytes:
    """A scheme file of which a member anywhere is replaced, renamed or dropped, or some bytes are overwritten."""
    value = scheme_file([{"kind": "years", "minutes_each": 60, "consecutive": True, "at_least": 1}])
    place: Any = value
    key = draw(st.sampled_from(sorted(value)))
    while isinstance(place[key], dict | list) and draw(st.booleans()):
        place = place[key]
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    place[key] = draw(values)
    data = bytearray(json.dumps(value).encode())
    for position in draw(st.lists(st.integers(0, len(data) - 1), max_size=2)):
        data[position] = draw(st.integers(0, 255))
    return bytes(data)


@settings(max_examples=500)
@given(st.binary(max_size=200) | spoiled())
def test_any_bytes_as_a_scheme(data):
    """Our own error or a scheme that can be applied, whatever is read."""
    with contextlib.suppress(LedgerError):
        found = schemes.parse(data)
        assert recognition.star_level(found, Service(), DAY).level == 0


def test_the_kinds_tried_here_are_all():
    assert {kind.__struct_config__.tag for kind in conditions.KINDS} == set(SHAPES)
