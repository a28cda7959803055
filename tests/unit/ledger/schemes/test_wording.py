"""The explanation of a level: its lines in every language, for every kind of condition."""

import string
from typing import Any, get_args

import pytest

from ledger import codes
from ledger.schemes import conditions, facts, recognition, wording
from ledger.schemes import scheme as schemes
from ledger.schemes.facts import Held, Service
from ledger.texts.text import LANGUAGES
from tests.support.awards import DAY, scheme, tally


def test_explanation_line_by_line():
    found = recognition.star_level(schemes.find("cn-2012/1"), Service(tallies=(tally(6061),)), DAY)
    assert recognition.explain(found, "zh") == (
        "依据：志愿者星级评定（民函〔2012〕340号《志愿服务记录办法》；cn-2012/1），截至 2026-11-22。",
        "计入：状态为“已计入”的服务，共 101 小时 1 分钟。",
        "一星级志愿者：累计服务时长须达 100 小时；现有 101 小时 1 分钟；已达到。",
        "二星级志愿者：累计服务时长须达 300 小时；现有 101 小时 1 分钟；未达到，还差 198 小时 59 分钟。",
        "三星级志愿者：累计服务时长须达 600 小时；现有 101 小时 1 分钟；未达到，还差 498 小时 59 分钟。",
        "四星级志愿者：累计服务时长须达 1000 小时；现有 101 小时 1 分钟；未达到，还差 898 小时 59 分钟。",
        "五星级志愿者：累计服务时长须达 1500 小时；现有 101 小时 1 分钟；未达到，还差 1398 小时 59 分钟。",
        "结果：一星级志愿者。",
        "距二星级志愿者还差：累计服务时长 198 小时 59 分钟。",
    )
    english = recognition.explain(found, "en")
    assert english[2] == "One-star volunteer: service in all must reach 100 h; it is 101 h 1 min: met."
    assert english[-1] == "Still missing for Two-star volunteer: 198 h 59 min (service in all)."
    assert recognition.explain(found, "zh_hant")[7] == "結果：一星級志願者。"


def test_explanation_at_the_ends():
    national = schemes.find("cn-2012/1")
    nothing = recognition.star_level(national, Service(), DAY)
    assert recognition.explain(nothing, "en")[-2:] == (
        "Result: no level reached yet.",
        "Still missing for One-star volunteer: 100 h (service in all).",
    )
    top = recognition.star_level(national, Service(tallies=(tally(90_000),)), DAY)
    assert recognition.explain(top, "zh")[-2:] == ("结果：五星级志愿者。", "已是最高等级。")


@pytest.mark.parametrize(
    ("value", "unit", "texts"),
    [
        (0, "minutes", ("0 小时", "0 小時", "0 h")),
        (59, "minutes", ("59 分钟", "59 分鐘", "59 min")),
        (60, "minutes", ("1 小时", "1 小時", "1 h")),
        (5999, "minutes", ("99 小时 59 分钟", "99 小時 59 分鐘", "99 h 59 min")),
        (1, "years", ("1 年", "1 年", "1 year")),
        (2, "days", ("2 天", "2 天", "2 days")),
        (3, "level", ("3 级", "3 級", "3")),
    ],
)
def test_amounts_in_words(value, unit, texts):
    assert tuple(wording.amount(value, unit, language) for language in LANGUAGES) == texts


def test_every_language_says_the_same():
    for table in (wording.SENTENCES, wording.CONDITIONS, wording.AMOUNTS):
        for key, text in table.items():
            assert text.zh_hant, key
            assert _fields(text.zh) == _fields(text.zh_hant) == _fields(text.en), key
    units = {"minutes" if unit == "hours" else unit for unit in wording.AMOUNTS}
    assert units == set(get_args(conditions.Unit))
    lists = (codes.CATEGORIES, codes.EVIDENCE, codes.ORGANISATION_KINDS)
    assert all(name.zh_hant for labels in lists for name in labels.values())


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


EXAMPLES: dict[str, dict[str, Any]] = {
    "minutes": {},
    "minutes-in-year": {},
    "minutes-in-categories": {"categories": list(codes.CATEGORIES)},
    "minutes-at-kinds": {"kinds": list(codes.ORGANISATION_KINDS)},
    "years": {"minutes_each": 3000, "consecutive": True},
    "span-days": {},
    "level-held": {"scheme": "test"},
    "awards-held": {"scheme": "test", "level": 1},
    "trainings": {},
}


@pytest.mark.parametrize("kind", conditions.KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_measured_and_put_in_words(kind):
    name = kind.__struct_config__.tag
    found = scheme(
        [{"kind": name, "at_least": 1, **EXAMPLES[name]}],
        counts={"states": ["counted"], "evidence": list(codes.EVIDENCE), "categories": list(codes.CATEGORIES)},
    )
    assert set(facts.MEASURES) == set(conditions.UNITS) == set(conditions.KINDS)
    served = (tally(6000, kind=None), tally(1, kind="school")) if name != "minutes-at-kinds" else (tally(1),)
    full = Service(tallies=served, held=(Held(scheme="test", level=1),), trainings=1)
    assert recognition.star_level(found, Service(held=(), trainings=0), DAY).level == 0
    outcome = recognition.star_level(found, full, DAY)
    for language in LANGUAGES:
        lines = recognition.explain(outcome, language)
        assert len(lines) == 5
        assert not any("{" in line or "None" in line for line in lines)
        assert all(len(line) <= 2000 for line in lines)
