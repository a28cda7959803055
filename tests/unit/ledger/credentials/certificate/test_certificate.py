"""The certificate: what stands on it, for whatever names and lengths, and what is refused."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from string import Formatter
from typing import Any

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image

from ledger import limits
from ledger.codes import CATEGORIES, EVIDENCE
from ledger.credentials import model
from ledger.credentials.certificate import certificate, fonts
from ledger.credentials.certificate import lines as certificate_lines
from ledger.credentials.certificate.texts import Words, day
from ledger.credentials.checking import reading
from ledger.errors import Invalid, TooLarge
from ledger.texts.catalogue import read
from tests.support.builders import PROOF, REGION
from tests.support.proofs import credential, line, service

PAGE = f"https://ledger.example/p/{PROOF}#" + "A" * 280
NAMES = [
    "林小明",
    "李雷",
    "欧阳娜娜",
    "阿布都热合曼·买买提吐尔逊",
    "Alexandra Konstantinopoulou-Fitzgerald",
    "𠮷㐂䶮",
    "直骨角关",
    "#panic()",
    "*bold* $x$ @ref <a> `raw` \\ // c",
    "W" * 120,
    "文" * 120,
]
STAR = model.StarLevel(
    scheme="cn-2012/1", level=3, title="三星级志愿者", title_en="Three-star volunteer", minutes=37_530
)
known = st.sampled_from("江南街道志愿者林小明𠮷䶮WiQ·-.,，。（）#$*@_`<>\\\"' ")


def rendered(given: model.Credential, page: str = PAGE, seal: bytes | None = None) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(certificate.render(model.to_json(given), page, seal=seal)))


def words(given: model.Credential) -> str:
    """All text of the one page, without blanks: where letters are set apart, readers see blanks."""
    (page,) = rendered(given).pages
    return re.sub(r"\s|\u200b", "", page.extract_text())


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


def many(count: int, others: model.Others | None = None, **changes: Any) -> model.ServiceStatement:
    """A statement over so many lines, and over others that it does not list."""
    plain = service(*(line(number + 1, **changes) for number in range(count)))
    if others is None:
        return plain
    minutes, entries = plain.minutes + others.minutes, plain.entries + others.entries
    amount = model.Amount(category="empty-nest-elders", minutes=minutes, entries=entries)
    grade = model.Grade(evidence="check-in", minutes=minutes, entries=entries)
    sums = {"minutes": minutes, "entries": entries, "categories": (amount,), "grades": (grade,)}
    return replace(plain, others=others, **sums)


# -- what stands there ----------------------------------------------------------------------------


def test_it_says_what_order_67_asks_for() -> None:
    text = words(credential(many(50 // 2, minutes=301)))
    for part in (
        "志愿服务记录证明", "林小明", "125小时25分", "125h25min", "江南街道助老服务", "陪诊、代购",
        "江南街道志愿服务站", "2026年1月1日", "2026年11月22日", "22November2026", "现场签到", PROOF, "惠州市",
        "HUIZHOU", "电子签发",
    ):  # fmt: skip
        assert part in text, part


def test_it_is_one_page_of_a4_with_the_credential_inside() -> None:
    data = model.to_json(credential())
    pdf = certificate.render(data, PAGE)
    (page,) = pypdf.PdfReader(io.BytesIO(pdf)).pages
    assert [round(float(side), 1) for side in page.mediabox[2:]] == [595.3, 841.9]
    assert reading.read(pdf) == reading.Upload("vc", data)


def test_without_a_name_it_speaks_of_the_holder() -> None:
    text = words(credential(name=None))
    assert "本证书持有人" in text
    assert "theholderofthiscertificate" in text


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_shown_to_the_letter(name: str) -> None:
    assert bare(name) in words(credential(name=name))


@settings(max_examples=30)
@given(st.text(known, min_size=1, max_size=120).filter(str.strip))
def test_any_name_is_shown_on_one_page(name: str) -> None:
    assert bare(name) in words(credential(name=name))


def test_names_of_activities_and_organisations_are_data_too() -> None:
    hostile = line(activity_name="#panic() *b* $x$ @ref", content='#read("/etc/passwd")', organisation_name="= h <a>")
    text = words(credential(service(hostile)))
    assert "#panic()*b*$x$@ref" in text
    assert '#read("/etc/passwd")' in text
    assert "=h<a>" in text


def test_what_does_not_fit_is_counted() -> None:
    others = model.Others(activities=17, entries=20, minutes=1000)
    text = words(credential(many(40, others)))
    found = re.search(r"其余(\d+)项…?\.*and(\d+)more(?P<time>.*?)分", text.replace("…", ""))
    assert found is not None
    hidden = int(found[1])
    assert hidden == int(found[2])
    shown = 57 - hidden
    assert 8 <= shown <= 12
    assert found["time"].endswith(
        Words(REGION).time((40 - shown) * 150 + 1000)["zh"].replace(" ", "").removesuffix("分")
    )


def test_ten_lines_all_stand_there() -> None:
    text = words(credential(many(10)))
    assert text.count("江南街道助老服务") == 10
    assert "其余" not in text


def test_a_part_of_the_record_says_that_it_is_one() -> None:
    limits = model.Filter(
        activities=("0199a1c2-0000-7000-8000-000000000001",), categories=("emergency",), evidence=("check-in",)
    )
    text = words(credential(service(filter=limits, note="用于升学", star=STAR)))
    for part in (
        "仅列出部分记录：指定活动1项、应急救援、现场签到",
        "Emergencyrescue",
        "用于升学",
        "三星级志愿者（cn-2012/1）",
    ):
        assert part in text, part


def test_a_star_level_has_a_certificate_of_its_own() -> None:
    star = model.StarStatement(
        region=REGION, day="2026-11-22", star=STAR, explanation=("累计 600 小时。",), explanation_en=("600 hours.",)
    )
    text = words(credential(star))
    for part in (
        "星级志愿者证书",
        "★★★",
        "三星级志愿者",
        "Three-starvolunteer",
        "625小时30分",
        "累计600小时。",
        "600hours.",
    ):
        assert part in text, part


def test_a_level_beyond_all_stars_is_written_as_a_number() -> None:
    star = model.StarStatement(
        region=REGION, day="2026-11-22", star=replace(STAR, level=2**50), explanation=(), explanation_en=()
    )
    assert f"★×{2**50}" in words(credential(star))


@pytest.mark.parametrize("region", ["810000", "820000"])
def test_hong_kong_and_macau_read_traditional_chinese(region: str) -> None:
    text = words(credential(service(region=region), name="陳大文"))
    for part in ("志願服務記錄證明", "茲證明", "陳大文", "2小時30分", "記錄單位", "備註", "證書編號"):
        assert part in text, part
    assert "志愿服务记录证明" not in text


def test_words_exist_in_every_language_with_the_same_places() -> None:
    for name, forms in read("certificates").items():
        places = [{field for _, field, _, _ in Formatter().parse(form) if field} for form in forms]
        assert all(forms), name
        assert places[0] == places[1] == places[2], name
    for region in (REGION, "810000"):
        assert all(Words(region).category(code)["zh"] for code in CATEGORIES)
        assert all(Words(region).evidence(code)["zh"] for code in EVIDENCE)


@pytest.mark.parametrize(
    ("minutes", "chinese", "english"),
    [(0, "0 小时", "0 h"), (59, "59 分", "59 min"), (60, "1 小时", "1 h"), (7530, "125 小时 30 分", "125 h 30 min")],
)
def test_minutes_are_told_in_hours_and_minutes(minutes: int, chinese: str, english: str) -> None:
    assert Words(REGION).time(minutes) == {"zh": chinese, "en": english}


def test_days_are_told_as_people_write_them() -> None:
    assert day("2026-01-05") == {"zh": "2026年1月5日", "en": "5 January 2026"}


def test_the_date_of_issue_is_that_of_china() -> None:
    late = credential(validFrom="2026-11-22T16:30:00Z", name=None)
    assert "23November2026" in words(late)


# -- whatever comes, one page ---------------------------------------------------------------------

texts = st.text(known, min_size=1, max_size=120).filter(str.strip)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 40), texts, texts, st.text(known, min_size=1, max_size=2000).filter(str.strip),
    st.booleans(), st.booleans(), st.one_of(st.none(), texts),
)  # fmt: skip
def test_it_stays_one_page(
    count: int, activity: str, organisation: str, long: str, limited: bool, more: bool, name: str | None
) -> None:
    statement = many(
        count,
        model.Others(activities=9, entries=9, minutes=2**32) if more else None,
        activity_name=activity,
        organisation_name=organisation,
        content=long,
    )
    if limited:
        limits = model.Filter(categories=tuple(CATEGORIES), evidence=tuple(EVIDENCE))
        statement = replace(
            statement, filter=limits, note=long, star=replace(STAR, title=activity, title_en=organisation)
        )
    given = credential(statement, name=name)
    given = replace(given, issuer=replace(given.issuer, name=f"{long} · {long}"[:2000]))
    assert len(rendered(given).pages) == 1


def test_a_star_certificate_with_all_that_may_be_said_stays_one_page() -> None:
    star = model.StarStatement(
        region=REGION,
        day="2026-11-22",
        star=replace(STAR, level=7, scheme="x" * 120, title="级" * 120, title_en="W" * 120),
        explanation=("依据" * 900,) * 12,
        explanation_en=("because " * 200,) * 12,
    )
    given = credential(star, name="W" * 120)
    given = replace(given, issuer=replace(given.issuer, name="市" * 900 + " · " + "City " * 200))
    assert len(rendered(given).pages) == 1


@given(st.text(max_size=300), st.floats(5, 80), st.integers(1, 4))
def test_lines_are_no_wider_than_their_place(text: str, width: float, most: int) -> None:
    lines = certificate_lines.wrap(text, fonts.SERIF_SC, 8, width, most)
    assert 1 <= len(lines) <= most
    for one in lines:
        assert len(one) <= 2 or fonts.width(one, fonts.SERIF_SC) * 8 * 25.4 / 72 <= width + 1e-9
    if not lines[-1].endswith("…"):
        assert bare("".join(lines)) == bare(fonts.showable(text))


def test_no_line_begins_with_a_closing_mark() -> None:
    lines = certificate_lines.wrap("陪诊代购探访。", fonts.SERIF_SC, 8, 8 * 25.4 / 72 * 6, 3)
    assert lines == ["陪诊代购探", "访。"]


# -- the same bytes -------------------------------------------------------------------------------


def test_rendering_again_gives_the_same_bytes_in_any_thread() -> None:
    pairs = [(model.to_json(credential(name=name)), PAGE) for name in NAMES[:4]] * 3
    first = [certificate.render(*pair) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda pair: certificate.render(*pair), pairs)) == first
    assert first[:4] == first[4:8]
    assert len(set(first)) == 4


# -- characters -----------------------------------------------------------------------------------


def test_characters_that_no_typeface_shows_are_named() -> None:
    assert certificate.missing_glyphs("林小明·𠮷㐂䶮") == []
    assert certificate.missing_glyphs("a🙂林\U000323af🙂") == ["🙂", "\U000323af"]


@pytest.mark.parametrize("name", ["林🙂明", "مەمەت", "\u202e林", "林\n明"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match=r"no typeface for .*U\+[0-9A-F]{4,6}"):
        certificate.render(model.to_json(credential(name=name)), PAGE)


def test_elsewhere_a_stand_in_is_printed() -> None:
    assert fonts.showable("净滩🙂\n行动") == "净滩〓 行动"
    assert "净滩〓行动" in words(credential(service(line(activity_name="净滩🙂行动"))))


def test_a_name_is_set_in_one_typeface() -> None:
    wanted = fonts.families(traditional=False)
    assert fonts.family_of("林小明", wanted) == fonts.SERIF_SC
    assert fonts.family_of("林小㗎", wanted) == fonts.SERIF_SC
    assert fonts.family_of("林𬭎𠮷", wanted) == fonts.SANS
    assert fonts.family_of("陳大文", fonts.families(traditional=True)) == fonts.SERIF_TC


# -- the seal and the code ------------------------------------------------------------------------


def png(size: int = 40) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (size, size), (200, 20, 20, 160)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "seal", [png(), b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="4" cx="4" cy="4"/></svg>']
)
def test_a_seal_is_placed_over_the_issuer(seal: bytes) -> None:
    (page,) = rendered(credential(), seal=seal).pages
    assert "电子签发" not in bare(page.extract_text())
    assert certificate.render(model.to_json(credential()), PAGE) != certificate.render(
        model.to_json(credential()), PAGE, seal=seal
    )


def test_other_images_are_no_seal() -> None:
    with pytest.raises(Invalid, match="PNG or an SVG"):
        rendered(credential(), seal=b"GIF89a")
    with pytest.raises(Invalid, match="cannot be printed"):
        rendered(credential(), seal=b"\x89PNG\r\n\x1a\n" + bytes(20))
    with pytest.raises(TooLarge):
        rendered(credential(), seal=b"<svg" + bytes(limits.SEAL_BYTES_MAX))


def test_a_code_that_is_too_long_is_refused() -> None:
    with pytest.raises(TooLarge):
        rendered(credential(), page=PAGE + "A" * 700)
    with pytest.raises(Invalid, match="ASCII"):
        rendered(credential(), page="https://例/p/x")


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_no_credential(data: bytes) -> None:
    with pytest.raises(Invalid):
        certificate.render(data, PAGE)
