"""Scheme files: what is refused, and which scheme is whose on which day."""

import json
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.errors import Invalid, NotFound, TooLarge
from ledger.limits import SCHEME_BYTES_MAX
from ledger.schemes import scheme as schemes
from tests.support.awards import minutes, scheme, scheme_file

DAY = date(2026, 11, 22)
YEARS = {"kind": "years", "minutes_each": 60, "at_least": 1}
HOSTILE: dict[str, tuple[Any, str]] = {
    "unknown condition": (scheme_file([{"kind": "luck", "at_least": 1}]), "luck"),
    "no kind": (scheme_file([{"at_least": 1}]), "kind"),
    "condition with a field too many": (scheme_file([{**minutes(1), "hours": 2}]), "hours"),
    "condition with a field too few": (scheme_file([YEARS]), "consecutive"),
    "no conditions": (scheme_file([]), "length >= 1"),
    "no levels": (scheme_file(levels=[]), "length >= 1"),
    "too many levels": (scheme_file(*([minutes(number)] for number in range(1, 22))), "length <= 20"),
    "zero minutes": (scheme_file([minutes(0)]), ">= 1"),
    "minutes as text": (scheme_file([{"kind": "minutes", "at_least": "6000"}]), "Expected `int`"),
    "a float": (scheme_file([{"kind": "minutes", "at_least": 6000.0}]), "float"),
    "beyond 2^53": (scheme_file([minutes(2**53)]), "2\\^53"),
    "equal levels": (scheme_file([minutes(60)], [minutes(60)]), "level 2 does not ask for all of level 1"),
    "falling levels": (scheme_file([minutes(120)], [minutes(60)]), "level 2 does not ask"),
    "a level that drops a condition": (
        scheme_file([minutes(60), {"kind": "span-days", "at_least": 9}], [minutes(120)]),
        "level 2 does not ask",
    ),
    "a level that lowers a condition": (
        scheme_file(
            [minutes(60), {"kind": "span-days", "at_least": 9}], [minutes(120), {"kind": "span-days", "at_least": 8}]
        ),
        "level 2 does not ask",
    ),
    "one measure twice": (scheme_file([minutes(60), minutes(90)]), "same measure twice"),
    "one measure twice, in another order": (
        scheme_file(
            [
                {"kind": "minutes-in-categories", "categories": found, "at_least": number}
                for number, found in enumerate((["rural", "health"], ["health", "rural"]), 1)
            ]
        ),
        "same measure twice",
    ),
    "a category twice": (
        scheme_file([{"kind": "minutes-in-categories", "categories": ["rural", "rural"], "at_least": 1}]),
        "same category twice",
    ),
    "a kind of organisation twice": (
        scheme_file([{"kind": "minutes-at-kinds", "kinds": ["school", "school"], "at_least": 1}]),
        "same kind of organisation twice",
    ),
    "unknown category": (
        scheme_file([{"kind": "minutes-in-categories", "categories": ["gold"], "at_least": 1}]),
        "gold",
    ),
    "unknown kind of organisation": (
        scheme_file([{"kind": "minutes-at-kinds", "kinds": ["bank"], "at_least": 1}]),
        "bank",
    ),
    "what is not counted": (scheme_file(counts={"states": ["counted", "pending"]}), "states"),
    "no states": (scheme_file(counts={"states": []}), "states"),
    "unknown evidence": (scheme_file(counts={"states": ["counted"], "evidence": ["rumour"]}), "rumour"),
    "an evidence grade twice": (
        scheme_file(counts={"states": ["counted"], "evidence": ["manual", "manual"]}),
        "same evidence grade twice",
    ),
    "unknown field": (scheme_file(price=1), "price"),
    "no version": ({key: value for key, value in scheme_file().items() if key != "version"}, "version"),
    "bad id": (scheme_file(id="../etc"), "id"),
    "bad region": (scheme_file(regions=["4"]), "regions"),
    "no region": (scheme_file(regions=[]), "regions"),
    "a region twice": (scheme_file(regions=["44", "44"]), "same region twice"),
    "bad day": (scheme_file(begins="2026-02-30"), "begins"),
    "ends before it begins": (scheme_file(begins="2026-02-02", ends="2026-02-01"), "ends before"),
    "a language missing": (scheme_file(name={"zh": "星", "en": "Star"}), "zh_hant"),
    "a language too many": (scheme_file(name={"zh": "星", "zh_hant": "星", "en": "Star", "fr": "É"}), "fr"),
    "blank name": (scheme_file(name={"zh": " ", "zh_hant": "星", "en": "Star"}), "name"),
    "a control character": (scheme_file(source="a\x07"), "control character"),
    "text that turns direction": (scheme_file(source="a\u202eb"), "U\\+202E"),
    "levels out of order": (
        {
            **scheme_file([minutes(60)], [minutes(120)]),
            "levels": scheme_file([minutes(60)], [minutes(120)])["levels"][::-1],
        },
        "not numbered",
    ),
    "not an object": ([], "object"),
}


@pytest.mark.parametrize("reason", HOSTILE)
def test_hostile_scheme_is_refused(reason):
    value, message = HOSTILE[reason]
    with pytest.raises(Invalid, match=message):
        schemes.parse(json.dumps(value).encode())


GOOD = json.dumps(scheme_file())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Expecting value"),
        (b"\xff", "utf-8"),
        (GOOD.encode("utf-16"), "utf-8"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "not an award scheme"),
        (GOOD.encode() + b"{}", "Extra data"),
        (GOOD.replace('"version": 1', '"version": 1, "version": 2').encode(), "same key twice"),
        (GOOD.replace('"at_least": 6000', '"at_least": 6000, "at_least": 1').encode(), "same key twice"),
        (GOOD.replace("6000", "NaN").encode(), "float"),
        (GOOD.replace("6000", "9" * 5000).encode(), "digits"),
        (GOOD.replace('"source": "', '"source": "\\ud800').encode(), "surrogate"),
        (b"[" * 60_000, "recursion"),
    ],
)
def test_hostile_bytes_are_refused(data, message):
    with pytest.raises(Invalid, match=message):
        schemes.parse(data)


def test_a_huge_file_is_not_read():
    with pytest.raises(TooLarge):
        schemes.parse(b" " * (SCHEME_BYTES_MAX + 1))


def test_a_folder_of_files(tmp_path):
    (tmp_path / "test.2.json").write_text(json.dumps(scheme_file(version=2, begins="2027-01-01")))
    (tmp_path / "test.1.json").write_text(GOOD)
    (tmp_path / "notes.txt").write_text("not a scheme")
    assert [found.reference for found in schemes.load(tmp_path)] == ["test/1", "test/2"]
    (tmp_path / "other.1.json").write_text(GOOD)
    with pytest.raises(Invalid, match=r"other\.1\.json: holds test/1"):
        schemes.load(tmp_path)
    (tmp_path / "other.1.json").write_text("{")
    with pytest.raises(Invalid, match=r"other\.1\.json: not an award scheme"):
        schemes.load(tmp_path)


# -- schemes together -----------------------------------------------------------------------------

HELD = [minutes(60), {"kind": "level-held", "scheme": "test", "at_least": 1}]


@pytest.mark.parametrize(
    ("together", "message"),
    [
        ([scheme(), scheme()], "same scheme and version twice"),
        ([scheme(), scheme(version=2)], "test/2 does not begin after test/1"),
        ([scheme(begins="2026-01-02"), scheme(version=2, begins="2026-01-01")], "does not begin after"),
        ([scheme(), scheme(version=2, begins="2026-01-01", role="award")], "another role"),
        ([scheme(), scheme(id="other")], "both the scheme of one region"),
        ([scheme(regions=["44", "45"]), scheme(id="other", regions=["43", "44"])], "both the scheme of one region"),
        ([scheme(ends="2026-01-01"), scheme(id="other", begins="2026-01-01")], "both the scheme"),
        ([scheme([minutes(60), {"kind": "level-held", "scheme": "none", "at_least": 1}])], "level 1 of none"),
        (
            [scheme([minutes(60), {"kind": "awards-held", "scheme": "test", "level": 2, "at_least": 1}])],
            "level 2 of test",
        ),
    ],
)
def test_schemes_that_do_not_go_together(together, message):
    with pytest.raises(Invalid, match=message):
        schemes.check(together)
    with pytest.raises(Invalid, match=message):
        schemes.check(together[::-1])


@pytest.mark.parametrize(
    "together",
    [
        [],
        [scheme(), scheme(version=2, begins="2026-01-01")],
        [scheme(), scheme(id="other", role="award")],
        [scheme(), scheme(id="other", regions=["44"])],
        [scheme(ends="2026-01-01"), scheme(id="other", begins="2026-01-02")],
        [scheme([minutes(30)], HELD)],
    ],
)
def test_schemes_that_go_together(together):
    schemes.check(together)
    schemes.check(together[::-1])


CITY = scheme(id="city", regions=["4413"], begins="2020-01-01", ends="2025-12-31")
PROVINCE = scheme(id="province", regions=["44"])
NEWER = scheme(id="province", version=2, regions=["44", "45"], begins="2024-01-01")
TOWN = scheme(id="town", regions=["441300"], begins="2027-01-01")
AWARD = scheme(id="award", role="award", regions=["44"])
NEWER_AWARD = scheme(id="award", version=2, role="award", regions=["44"], begins="2026-01-01")
ALL = [NEWER_AWARD, CITY, AWARD, NEWER, TOWN, PROVINCE]


@pytest.mark.parametrize(
    ("region", "day", "expected"),
    [
        ("441300", "2019-12-31", "province/1"),
        ("441300", "2020-01-01", "city/1"),
        ("441322", "2025-12-31", "city/1"),
        ("441322", "2026-01-01", "province/2"),
        ("441300", "2027-01-01", "town/1"),
        ("441322", "2027-01-01", "province/2"),
        ("440100", "2023-12-31", "province/1"),
        ("440100", "2024-01-01", "province/2"),
        ("450100", "2024-01-01", "province/2"),
    ],
)
def test_the_closest_scheme_and_its_newest_version(region, day, expected):
    schemes.check(ALL)
    for order in (ALL, ALL[::-1]):
        assert schemes.scheme_for(region, date.fromisoformat(day), order).reference == expected


def test_a_newer_version_goes_before_a_closer_scope_of_an_older_one():
    older = replace(PROVINCE, regions=("4413",))
    assert schemes.scheme_for("441300", DAY, [older, NEWER]) is NEWER


def test_no_scheme_and_the_awards():
    with pytest.raises(NotFound):
        schemes.scheme_for("450100", date(2023, 1, 1), ALL)
    assert schemes.awards_for("441300", DAY, ALL) == (NEWER_AWARD,)
    assert schemes.awards_for("441300", date(2025, 1, 1), ALL) == (AWARD,)
    assert schemes.awards_for("450100", DAY, ALL) == ()
    assert schemes.find("award/1", ALL) is AWARD
