"""Star levels and awards: every boundary of the shipped schemes, and every kind of condition."""

from datetime import date, timedelta
from typing import Any

import pytest

from ledger.credentials import model
from ledger.credentials.star_levels import to_star_level, to_statement
from ledger.errors import Invalid, NotFound
from ledger.schemes import recognition
from ledger.schemes import scheme as schemes
from ledger.schemes.facts import Held, Service, of_entries, of_totals
from tests.support import proofs
from tests.support.awards import DAY, level, minutes, scheme, tally
from tests.support.builders import REGION

# -- the shipped schemes --------------------------------------------------------------------------


@pytest.mark.parametrize(("stars", "hours"), list(enumerate((100, 300, 600, 1000, 1500), 1)))
def test_national_star_begins_at_its_exact_minute(stars, hours):
    national = schemes.find("cn-2012/1")
    assert level(national, tally(hours * 60 - 1)) == stars - 1
    assert level(national, tally(hours * 60)) == stars
    assert level(national, tally(hours * 30), tally(hours * 30, 2013)) == stars  # cumulative over years


@pytest.mark.parametrize(("award", "hours"), list(enumerate((50, 100, 200), 1)))
def test_hong_kong_yearly_certificate_is_of_one_year(award, hours):
    yearly = schemes.find("hk-yearly/1")
    assert level(yearly, tally(hours * 60 - 1), tally(60_000, 2025)) == award - 1
    assert level(yearly, tally(hours * 60)) == award
    assert level(yearly, tally(60_000), tally(hours * 60, 2025), day=date(2025, 12, 31)) == award


@pytest.mark.parametrize(("award", "years"), list(enumerate((5, 10, 15), 1)))
def test_hong_kong_long_service_is_of_successive_years(award, years):
    long_service = schemes.find("hk-long-service/1")
    served = [tally(3000, 2026 - number) for number in range(years)]
    assert level(long_service, *served) == award
    assert level(long_service, *served[1:], tally(2999, 2026)) == award - 1
    assert level(long_service, *served[1:], tally(60_000, 2026 - years - 1)) == award - 1


def test_shipped_schemes_for_regions_and_days():
    assert schemes.scheme_for(REGION, DAY).reference == "cn-2012/1"
    assert schemes.scheme_for(REGION, date(2012, 10, 23)).reference == "cn-2012/1"
    assert schemes.scheme_for("810000", DAY).reference == "hk-yearly/1"
    assert [found.reference for found in schemes.awards_for("810000", DAY)] == ["hk-long-service/1"]
    assert schemes.awards_for(REGION, DAY) == ()
    with pytest.raises(NotFound):
        schemes.scheme_for(REGION, date(2012, 10, 22))
    with pytest.raises(NotFound):
        schemes.find("cn-2012/9")


# -- schemes known to us that are not shipped, as data ---------------------------------------------


def test_boluo_asks_for_community_hours_besides():
    kinds = ["community"]
    boluo = scheme(
        *(
            [minutes(hours * 60), {"kind": "minutes-at-kinds", "kinds": kinds, "at_least": community * 60}]
            for hours, community in ((2000, 120), (3000, 150), (4000, 200))
        )
    )
    assert level(boluo, tally(4000 * 60 - 150 * 60), tally(150 * 60, kind="community")) == 2
    assert level(boluo, tally(4000 * 60), tally(120 * 60 - 1, kind="community")) == 0
    assert level(boluo, tally(4000 * 60), tally(200 * 60, kind="community")) == 3
    found = recognition.star_level(boluo, Service(tallies=(tally(180_000), tally(9000, kind="community"))), DAY)
    assert [(line.condition.kind, line.missing) for line in found.lacking] == [
        ("minutes", 51_000),
        ("minutes-at-kinds", 3000),
    ]


def test_hours_in_categories():
    found = scheme([{"kind": "minutes-in-categories", "categories": ["rural", "health"], "at_least": 600}])
    assert level(found, tally(300), tally(299, category="health"), tally(999, category="science")) == 0
    assert level(found, tally(300), tally(300, category="health")) == 1


def test_longgang_asks_for_a_span_of_service():
    longgang = scheme([minutes(6000), {"kind": "span-days", "at_least": 183}])
    first = date(2026, 1, 1)
    for days, reached in ((181, 0), (182, 1)):
        assert level(longgang, tally(6000, first=first, last=first + timedelta(days))) == reached
        ends = tally(3000, first=first), tally(3000, first=first + timedelta(days), last=first + timedelta(days))
        assert level(longgang, *ends) == reached
    assert level(longgang) == 0


def test_sichuan_skips_no_star():
    held = "level-held"
    sichuan = scheme(
        [minutes(6000)],
        [minutes(18_000), {"kind": held, "scheme": "test", "at_least": 1}],
        [minutes(36_000), {"kind": held, "scheme": "test", "at_least": 2}],
    )
    assert level(sichuan, tally(90_000), held=()) == 1
    with pytest.raises(Invalid, match="granted before"):
        level(sichuan, tally(90_000))
    assert level(sichuan, tally(90_000), held=(Held(scheme="test", level=1),)) == 2
    assert level(sichuan, tally(90_000), held=(Held(scheme="other", level=2),)) == 1
    assert level(sichuan, tally(90_000), held=(Held(scheme="test", level=2),)) == 3


def test_qidong_counts_within_the_year():
    qidong = scheme([{"kind": "minutes-in-year", "at_least": 6000}])
    assert level(qidong, tally(3000), tally(3000, 2025)) == 0
    assert level(qidong, tally(6000)) == 1


def test_macau_platinum_asks_for_two_golds_and_a_certificate():
    gold = {"kind": "minutes-in-year", "at_least": 18_000}
    platinum = [
        gold,
        {"kind": "awards-held", "scheme": "test", "level": 3, "at_least": 2},
        {"kind": "trainings", "at_least": 1},
    ]
    macau = scheme(*([{**gold, "at_least": hours * 60}] for hours in (100, 200, 300)), platinum)
    golds = Held(scheme="test", level=3), Held(scheme="test", level=3)
    assert level(macau, tally(18_000), held=golds, trainings=1) == 4
    assert level(macau, tally(18_000), held=(Held(scheme="test", level=3, times=2),), trainings=1) == 4
    assert level(macau, tally(18_000), held=golds, trainings=0) == 3
    with pytest.raises(Invalid, match="trainings"):
        level(macau, tally(18_000), held=golds)
    assert level(macau, tally(18_000), held=golds[:1], trainings=1) == 3


def test_years_need_not_be_successive():
    found = scheme([{"kind": "years", "minutes_each": 3000, "consecutive": False, "at_least": 3}])
    assert level(found, *(tally(3000, year) for year in (2010, 2015, 2020))) == 1
    assert level(found, *(tally(1500, year) for year in (2010, 2015, 2020, 2020))) == 0


def test_only_what_the_scheme_counts():
    strict = scheme(counts={"states": ["counted"], "evidence": ["check-in"], "categories": ["rural"]})
    assert level(strict, tally(6000, evidence="manual")) == 0
    assert level(strict, tally(6000, category="health")) == 0
    assert level(strict, tally(6000)) == 1


# -- facts ----------------------------------------------------------------------------------------


def test_service_of_totals():
    rows = [
        ("org:a", 2025, "rural", "counted", 4000, 2),
        ("org:b", 2025, "rural", "counted", 1000, 1),
        ("org:b", 2025, "rural", "pending", 9000, 1),
        ("org:b", 2026, "health", "counted", 500, 1),
        ("org:b", 2027, "health", "counted", 700, 1),
    ]
    service = of_totals(rows, DAY, {"org:a": "community"})
    assert {(one.year, one.category, one.kind, one.minutes) for one in service.tallies} == {
        (2025, "rural", "community", 4000),
        (2025, "rural", None, 1000),
        (2026, "health", None, 500),
    }


def test_service_of_entries():
    rows = [
        ("org:a", date(2026, 1, 2), "rural", "check-in", "counted", 30),
        ("org:a", date(2026, 3, 4), "rural", "check-in", "counted", 40),
        ("org:a", date(2026, 3, 4), "rural", "manual", "counted", 50),
        ("org:a", date(2026, 3, 5), "rural", "manual", "disputed", 60),
        ("org:a", date(2026, 11, 23), "rural", "manual", "counted", 70),
    ]
    service = of_entries(rows, DAY, {"org:a": "school"})
    assert set(service.tallies) == {
        tally(70, kind="school", first=date(2026, 1, 2), last=date(2026, 3, 4)),
        tally(50, kind="school", evidence="manual", first=date(2026, 3, 4), last=date(2026, 3, 4)),
    }


def test_service_after_the_day_does_not_count():
    assert level(schemes.find("cn-2012/1"), tally(6000, 2027)) == 0


@pytest.mark.parametrize(
    ("unknown", "changes"),
    [
        ("evidence", {"counts": {"states": ["counted"], "evidence": ["check-in"]}}),
        ("first", {"levels": [[{"kind": "span-days", "at_least": 1}]]}),
        ("last", {"levels": [[{"kind": "span-days", "at_least": 1}]]}),
        ("kind", {"levels": [[{"kind": "minutes-at-kinds", "kinds": ["school"], "at_least": 1}]]}),
    ],
)
def test_an_unknown_fact_is_refused_and_not_taken_for_unmet(unknown, changes):
    found = scheme(*changes.pop("levels", ()), **changes)
    without: dict[str, Any] = {unknown: None}
    with pytest.raises(Invalid, match="not known"):
        level(found, tally(6000, **without))


def test_less_than_no_minutes_is_refused():
    with pytest.raises(Invalid, match="less than no"):
        tally(-1)


# -- into a credential ----------------------------------------------------------------------------


def test_a_level_goes_into_a_credential():
    found = recognition.star_level(schemes.find("cn-2012/1"), Service(tallies=(tally(6000),)), DAY)
    star = to_star_level(found, REGION)
    assert star == model.StarLevel(
        scheme="cn-2012/1", level=1, title="一星级志愿者", title_en="One-star volunteer", minutes=6000
    )
    statement = to_statement(found, REGION)
    credential = proofs.credential(statement)
    assert model.decode(model.to_json(credential)) == credential
    assert statement.day == "2026-11-22"
    assert len(statement.explanation) == len(statement.explanation_en) == 9


def test_no_level_makes_no_statement():
    found = recognition.star_level(schemes.find("cn-2012/1"), Service(tallies=(tally(5999),)), DAY)
    assert (found.level, found.reached) == (0, None)
    with pytest.raises(Invalid, match="no level"):
        to_star_level(found, REGION)


def test_the_minutes_a_level_rests_on():
    served = Service(tallies=(tally(3000), tally(9000, 2025)))
    for reference, expected in (("cn-2012/1", 12_000), ("hk-yearly/1", 3000), ("hk-long-service/1", 12_000)):
        assert recognition.star_level(schemes.find(reference), served, DAY).minutes == expected
