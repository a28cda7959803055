"""The words of the public pages: all there, in three languages, and none left over."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.pages import rendering
from api.wording.languages import LANGUAGES, NAMES, TAGS, Wording, choose_language
from ledger import limits
from ledger.codes import CATEGORIES, EVIDENCE
from ledger.credentials import model
from ledger.credentials.certificate.texts import Words
from ledger.credentials.checking.verdict import Outcome, Result
from ledger.errors import NotFound
from ledger.schemes import wording
from ledger.schemes.scheme import Counts
from ledger.texts.catalogue import read
from ledger.texts.text import LANGUAGES as FIELDS

API = Path(__file__).parents[4] / "api"
TEMPLATES = sorted((API / "pages" / "templates").glob("*.html"))
SCRIPTS = sorted((API / "pages" / "static" / "verify").glob("*.js"))
STYLES = sorted((API / "pages" / "static").glob("*.css"))
BUILT = ("claim.", "date.")
"""Groups whose keys are put together when a page is made."""


def quoted(paths: list[Path]) -> Iterator[str]:
    """Every key of the catalogue's form that stands in quotes."""
    for path in paths:
        yield from re.findall(r'["\']([a-z]+(?:\.[a-z_0-9-]+)+)["\']', path.read_text(encoding="utf-8"))


def test_every_language_has_its_name() -> None:
    assert list(NAMES) == list(LANGUAGES) == list(TAGS)
    assert [TAGS[language] for language in LANGUAGES] == list(FIELDS)


def test_no_page_asks_for_a_text_that_is_missing_and_none_is_left_over() -> None:
    pages = read("pages")
    groups = {key.partition(".")[0] for key in pages}
    sources = [*TEMPLATES, *SCRIPTS, *sorted((API / "pages").glob("*.py")), API / "wording" / "languages.py"]
    files = {"page.js", "frame.css", "page.py", "icon.svg", "parts.html"}
    asked = {key for key in quoted(sources) if key.partition(".")[0] in groups} - files
    templates = {f"{path.stem}.html" for path in TEMPLATES}
    assert asked - pages.keys() - templates == set()
    single = {key for key in pages if "." not in key}
    left = {key for key in pages.keys() - asked - single if not key.startswith(BUILT)}
    assert left == set()


def test_codes_are_named_alike_on_pages_certificates_and_in_explanations() -> None:
    printed, page = Words("810000"), Wording("zh-Hant")
    for group, labels, name in (("category", CATEGORIES, printed.category), ("evidence", EVIDENCE, printed.evidence)):
        for code, text in labels.items():
            assert name(code) == {"zh": text.zh_hant, "en": text.en}
            assert page.named(group, code) == text.zh_hant
    counts = Counts(states=("counted",), evidence=tuple(EVIDENCE), categories=tuple(CATEGORIES))
    told = wording.counting(counts, 60, "zh_hant")
    assert all(text.zh_hant in told for text in (*EVIDENCE.values(), *CATEGORIES.values()))


@pytest.mark.parametrize("language", LANGUAGES)
def test_scripts_are_given_every_text_that_they_ask_for(language: str) -> None:
    data, kind = rendering.static_file(rendering.static_version(), f"texts/{language}.json")
    texts = json.loads(data)
    assert kind == "application/json"
    asked = {key for key in quoted(SCRIPTS) if key.partition(".")[0] in {name.partition(".")[0] for name in texts}}
    assert len(asked) > 20
    assert asked - texts.keys() - {"page.js"} == set()
    for outcome in Outcome:
        assert texts[f"outcome.{outcome}"]
        assert texts[f"explanation.{outcome}"]
    for result in Result:
        assert texts[f"result.{result}"]


def test_static_files_have_their_types_and_no_address_but_their_own() -> None:
    version = rendering.static_version()
    assert rendering.static_file(version, "verify/page.js")[1] == "text/javascript; charset=utf-8"
    assert rendering.static_file(version, "frame.css")[1] == "text/css; charset=utf-8"
    assert rendering.static_file(version, "icon.svg")[1] == "image/svg+xml"
    for wrong in (("0" * 16, "frame.css"), (version, "texts.json"), (version, "../pages.py"), (version, "")):
        with pytest.raises(NotFound):
            rendering.static_file(*wrong)


def test_nothing_is_fetched_from_elsewhere() -> None:
    # Names that are compared and never fetched: of SVG, and those of a credential's own @context.
    names = {"http://www.w3.org/2000/svg"} | set(re.findall(r'https?://[^"]+', json.dumps(model.CONTEXT)))
    for path in [*TEMPLATES, *SCRIPTS, *STYLES, API / "pages" / "static" / "icon.svg"]:
        found = set(re.findall(r'https?://[^"\s]+', path.read_text(encoding="utf-8"))) - names
        assert {one for one in found if "[" not in one and "\\" not in one} == set(), path


def test_scripts_are_given_the_limits_and_forms_that_the_server_reads_by() -> None:
    text = rendering.scripts()["agreed.js"].decode()
    found = {name: json.loads(value) for name, value in re.findall(r"export const (\w+) = (.+);", text)}
    assert found["CONTEXT"] == model.CONTEXT
    stated = [name for name in found if hasattr(limits, name)]
    assert {"CODE_CHARACTERS_MAX", "STATUS_LIST_BYTES_MAX", "CLOCK_AHEAD_MAX"} <= set(stated)
    assert [found[name] for name in stated] == [getattr(limits, name) for name in stated]
    assert found["FORMS"]["StarLevel"]["required"] == ["scheme", "level", "title", "title_en", "minutes"]
    assert not re.search(r"\\A|\\Z|description\":\"", text)
    sources = [path.read_text(encoding="utf-8") for path in SCRIPTS]
    asked = re.findall(r'import {([^}]+)} from "./agreed.js"', "".join(sources))
    assert {name.strip() for names in asked for name in names.split(",")} == found.keys()
    own = re.findall(r"[A-Z_]+_MAX = ", "".join(sources))
    assert own == ["DEPTH_MAX = ", "PATH_MAX = "]  # of CBOR and of trees, where no bytes of ours come so far


def test_scripts_never_make_elements_of_text() -> None:
    for path in SCRIPTS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            path
        )


@pytest.mark.parametrize(
    ("minutes", "hans", "en"),
    [(0, "0 小时", "0 h"), (59, "59 分钟", "59 min"), (60, "1 小时", "1 h"), (61, "1 小时 1 分钟", "1 h 1 min"),
     (90_061, "1,501 小时 1 分钟", "1,501 h 1 min")],
)  # fmt: skip
def test_minutes_are_never_rounded(minutes: int, hans: str, en: str) -> None:
    assert Wording("zh-Hans").duration(minutes) == hans
    assert Wording("en").duration(minutes) == en


@pytest.mark.parametrize(
    ("first", "last", "hans", "en"),
    [
        ("2026-11-01", "2026-11-01", "2026年11月1日", "1 November 2026"),
        ("2026-11-01", "2026-11-08", "2026年11月1日至8日", "1–8 November 2026"),
        ("2026-01-01", "2026-11-08", "2026年1月1日至11月8日", "1 January to 8 November 2026"),
        ("2025-12-31", "2026-01-01", "2025年12月31日至2026年1月1日", "31 December 2025 to 1 January 2026"),
        ("soon", "2026-01-01", "soon至2026年1月1日", "soon to 1 January 2026"),
    ],
)
def test_a_period_says_once_what_its_ends_share(first: str, last: str, hans: str, en: str) -> None:
    assert Wording("zh-Hans").period(first, last) == hans
    assert Wording("en").period(first, last) == en


def test_moments_are_told_in_the_time_of_the_regions() -> None:
    assert Wording("zh-Hans").moment("2026-11-21T23:30:00Z") == "2026年11月22日 07:30（北京时间）"
    assert Wording("zh-Hant").moment("2026-11-22T07:30:00+08:00") == "2026年11月22日 07:30（UTC+8）"
    assert Wording("en").moment("9999-12-31T23:59:59Z") == "9999-12-31T23:59:59Z"
    assert Wording("en").moment("never") == "never"


@pytest.mark.parametrize("region", ["810000", "820000", "441300", None])
def test_a_region_that_writes_traditional_characters_is_shown_in_them(region: str | None) -> None:
    expected = "zh-Hant" if region in ("810000", "820000") else "zh-Hans"
    assert choose_language(None, "", region) == expected
    assert choose_language(None, "zh-CN,zh;q=0.9", region) == expected
    assert choose_language(None, "en", region) == "en"
    assert choose_language("zh-Hans", "zh-HK", region) == "zh-Hans"
