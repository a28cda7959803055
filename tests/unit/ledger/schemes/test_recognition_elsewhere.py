"""A record that moved: the same service is recognised by the schemes of the region where it is now."""

from datetime import date

import pytest

from ledger.schemes.facts import Service
from ledger.schemes.recognition import explain, star_level
from ledger.schemes.scheme import awards_for, scheme_for
from ledger.texts.text import Language
from tests.support.awards import DAY, level, minutes, scheme, tally

HUIZHOU, HUICHENG, HONG_KONG, MACAU = "441300", "441302", "810000", "820000"

FROM_HUIZHOU = Service(tallies=tuple(tally(7200, year) for year in range(2022, 2027)))
"""120 hours in each of five years, as recorded by the stations of 441302."""
FROM_HONG_KONG = Service(
    tallies=tuple(
        tally(3000 if year < 2026 else 12_000, year, kind="charity", category="health") for year in range(2017, 2027)
    )
)
"""50 hours in each of nine years and 200 in the tenth, as recorded in Hong Kong."""


def recognised(region: str, service: Service, day: date = DAY) -> dict[str, int]:
    """The level of every scheme of a region."""
    schemes = [scheme_for(region, day), *awards_for(region, day)]
    return {found.reference: star_level(found, service, day).level for found in schemes}


@pytest.mark.parametrize(
    ("region", "service", "expected"),
    [
        (HUIZHOU, FROM_HUIZHOU, {"cn-2012/1": 3}),
        (HUICHENG, FROM_HUIZHOU, {"cn-2012/1": 3}),
        (MACAU, FROM_HUIZHOU, {"cn-2012/1": 3}),
        (HONG_KONG, FROM_HUIZHOU, {"hk-yearly/1": 2, "hk-long-service/1": 1}),
        (HONG_KONG, FROM_HONG_KONG, {"hk-yearly/1": 3, "hk-long-service/1": 2}),
        (HUIZHOU, FROM_HONG_KONG, {"cn-2012/1": 3}),
        (MACAU, FROM_HONG_KONG, {"cn-2012/1": 3}),
    ],
)
def test_each_region_recognises_by_its_own_schemes(region, service, expected):
    assert recognised(region, service) == expected


def test_hours_of_both_sides_count_together():
    both = Service(tallies=(*FROM_HUIZHOU.tallies, *FROM_HONG_KONG.tallies))
    assert recognised(HUIZHOU, both) == {"cn-2012/1": 4}
    assert recognised(HONG_KONG, both) == {"hk-yearly/1": 3, "hk-long-service/1": 2}


def test_a_city_of_guangdong_with_a_scheme_of_its_own_counts_what_came_from_hong_kong():
    own = scheme([minutes(30_000)], regions=["4413"], id="huizhou")
    schemes = [own, scheme_for(HUIZHOU, DAY)]
    assert scheme_for(HUICHENG, DAY, schemes) == own
    assert level(own, *FROM_HONG_KONG.tallies) == 1
    assert scheme_for(MACAU, DAY, schemes).reference == "cn-2012/1"


def test_an_organisation_of_another_region_may_be_of_unknown_kind():
    """No shipped scheme asks for it, so nobody loses a level by moving."""
    unknown = Service(tallies=tuple(tally(7200, year, kind=None) for year in range(2022, 2027)))
    for region in (HUIZHOU, HONG_KONG, MACAU):
        assert recognised(region, unknown) == recognised(region, FROM_HUIZHOU)


@pytest.mark.parametrize(
    ("region", "language", "title"),
    [(HONG_KONG, "zh_hant", "銀狀"), (MACAU, "zh_hant", "三星級志願者"), (HUIZHOU, "zh", "三星级志愿者")],
)
def test_it_is_explained_as_people_write_there(region: str, language: Language, title: str):
    found = star_level(scheme_for(region, DAY), FROM_HUIZHOU, DAY)
    assert any(title in line for line in explain(found, language))
