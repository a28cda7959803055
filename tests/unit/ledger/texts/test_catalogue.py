"""The texts that people read: all there, each once, alike in every language, and none left over."""

import json
import re
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from ledger.texts.catalogue import FILES, catalogue, find, pick, read
from ledger.texts.text import LANGUAGES, Text

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "ledger" / "texts"
SIMPLIFIED_ONLY = ("conservation", "misconduct", "problems", "sheets")
"""Files for administrators and clerks, who read simplified Chinese or English."""
MONTHS = {"month", "name", "last_month", "last_name"}
"""Places of a month, which is a number in Chinese and a name in English."""
ONE_LANGUAGE = {"sheet.invalid-value": {"detail"}, "misconduct.key-left-out": {"size"}}
"""Places that stand in one language only, by key."""


def places(text: str) -> set[str]:
    return {field for _, field, _, _ in Formatter().parse(text) if field is not None}


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in pairs}) == len(pairs), "a key twice in one file"
    return dict(pairs)


def test_every_file_is_read_and_no_key_stands_twice() -> None:
    assert sorted(FILES) == sorted(path.stem for path in FOLDER.glob("*.json"))
    for file in FILES:
        raw = json.loads((FOLDER / f"{file}.json").read_bytes(), object_pairs_hook=distinct)
        assert list(raw) == list(read(file))
    assert len(catalogue()) == sum(len(read(file)) for file in FILES)


@pytest.mark.parametrize("file", FILES)
def test_every_text_is_there_in_its_languages(file: str) -> None:
    for key, text in read(file).items():
        traditional = file not in SIMPLIFIED_ONLY and not key.startswith("document.") and key != "credential.evidence"
        assert bool(text.zh_hant) is traditional, key
        assert all(one.strip() for one in text), key


def test_all_languages_have_the_same_places() -> None:
    for key, text in catalogue().items():
        zh, zh_hant, en = (places(one) for one in text)
        assert zh == zh_hant, key
        assert zh ^ en <= (MONTHS | ONE_LANGUAGE.get(key, set())), key


def test_simplified_and_traditional_are_not_mixed_up() -> None:
    simplified, traditional = set("证录务时间记签发撤销单项网开"), set("證錄務時間記簽發撤銷單項網開")
    only_simplified, only_traditional = simplified - traditional, traditional - simplified
    for key, text in catalogue().items():
        assert not only_traditional & set(text.zh), key
        assert not only_simplified & set(text.zh_hant), key
        assert not re.search(r"[\u3400-\u9fff]", text.en.replace("永志", "")), key


def test_no_text_is_left_over() -> None:
    """Texts of pages are held against templates and scripts in the tests of pages."""
    sources = [path.read_text("utf-8") for folder in ("ledger", "api") for path in (ROOT / folder).rglob("*.py")]
    quoted = set(re.findall(r'"([\w.-]+)"', "".join(sources)))
    keys = [key for file in FILES if file != "pages" for key in read(file)]
    groups = {"sentence", "condition", "amount", "service", "star"}
    assert [key for key in keys if key not in quoted and not set(key.split(".")[1:]) <= quoted | groups] == []


def test_a_text_that_is_missing_is_not_passed_over() -> None:
    with pytest.raises(KeyError):
        find("outcome.perhaps")
    with pytest.raises(KeyError):
        pick("outcome", ("valid", "perhaps"))


def test_a_text_is_filled_in_each_language_with_its_own() -> None:
    text = Text(zh="{who}，{count} 次", en="{who}, {count} times")
    filled = text.filled(who=Text(zh="学校", zh_hant="學校", en="a school"), count=2)
    assert list(filled) == ["学校，2 次", "學校，2 次", "a school, 2 times"]
    assert [filled.to(language) for language in LANGUAGES] == list(filled)


def test_a_text_without_traditional_chinese_is_read_in_simplified() -> None:
    assert Text(zh="护照", en="Passport").to("zh_hant") == "护照"


def test_chinese_and_english_stand_in_one_line() -> None:
    text = Text(zh="有效", zh_hant="有效", en="Valid")
    assert (text.beside(), text.beside("zh_hant", " ")) == ("有效 · Valid", "有效 Valid")
