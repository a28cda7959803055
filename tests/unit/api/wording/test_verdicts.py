"""What a verdict says: complete in three languages, never a name in clear, never what a forgery states."""

import json
from dataclasses import replace
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.wording import verdicts
from api.wording.verdicts import as_json, explanation, mask, name_matches, same_name
from ledger.credentials.checking import verify
from ledger.credentials.checking.reading import Upload
from ledger.credentials.checking.steps import CODES
from ledger.credentials.checking.verdict import Outcome, Result, Verdict
from ledger.events.proofs import ProofRevoked
from tests.support import issuing
from tests.support.builders import PROOF
from tests.support.issuing import LIST_URL, NOW, encoded
from tests.support.proofs import INDEX, credential


def verdict_on(data: bytes, kind: Any = "vc", lists: dict[str, bytes] | None = None) -> Verdict:
    lists = {LIST_URL: issuing.bits(), issuing.TOKEN_LIST_URL: issuing.token_bits()} if lists is None else lists
    return verify.check(Upload(kind, data), issuing.trust(), lists.get, NOW)


VALID = verdict_on(encoded(issuing.document()))
FORGED = verdict_on(encoded(issuing.document()).replace("林小明".encode(), "林大明".encode()))


# -- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("林小明", "林＊明"),
        ("林明", "林＊"),
        ("欧阳娜娜", "欧阳＊娜"),
        ("歐陽修", "歐陽＊"),
        ("欧阳", "欧＊"),
        ("林欧阳明", "林＊＊明"),
        ("林", "＊"),
        ("𠮷田明", "𠮷＊明"),
        ("买买提·艾力", "买＊·艾＊"),
        ("Chan Tai Man", "C＊ T＊ M＊"),
        ("Mary-Jane O'Neil", "M＊-J＊ ＊'N＊"),
        ("Li", "L＊"),
        ("  林明 ", "林＊"),
        ("", ""),
    ],
)
def test_masks(name, masked):
    assert mask(name) == masked


@given(st.text(max_size=40))
def test_a_mask_hides_something(name):
    masked = mask(name)
    assert masked != name or not any(character.isalpha() for character in name)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("林小明", "林小明", True),
        ("林小明", " 林 小明", True),
        ("Chan Tai Man", "CHAN TAI MAN", True),
        ("Ｃｈａｎ", "Chan", True),
        ("买买提·艾力", "买买提•艾力", True),
        ("林小明", "林＊明", False),
        ("林小明", "林大明", False),
        ("", "", False),
        (" ", "", False),
    ],
)
def test_names_that_are_the_same(one, other, same):
    assert same_name(one, other) is same


# -- texts ------------------------------------------------------------------------------------------------


def test_everything_has_a_text():
    assert set(verdicts.OUTCOMES) == set(verdicts.EXPLANATIONS) == set(Outcome)
    assert set(verdicts.RESULTS) == set(Result)
    assert list(verdicts.STEPS) == list(CODES)
    literal = get_args(get_type_hints(ProofRevoked)["reason"])
    assert list(verdicts.REASONS) == list(literal)
    tables = (verdicts.OUTCOMES, verdicts.EXPLANATIONS, verdicts.REASONS, verdicts.STEPS, verdicts.FINDINGS)
    for table in tables:
        for text in table.values():
            assert all(text), text
            assert text.en.isascii()
            assert not text.zh.isascii()


def test_the_reason_is_told():
    verdict = replace(
        verdict_on(encoded(issuing.document()), lists={LIST_URL: issuing.bits([INDEX])}), reason="corrected"
    )
    assert "更正" in explanation(verdict).zh
    assert explanation(verdict).en.endswith("Reason: a record it rests on was corrected.")
    assert as_json(replace(verdict, replacement=PROOF))["replacement"] == PROOF


def test_what_is_not_held_against_the_log_says_so():
    """A key that was stolen signs codes and tokens that no log knows: they are not told to be issued."""
    for data, kind in ((issuing.qr().encode(), "code"), (issuing.token().encode(), "sd-jwt")):
        verdict = verdict_on(data, kind)
        assert (verdict.outcome, explanation(verdict)) == (Outcome.VALID, verdicts.SIGNED)
        assert "not held against the log" in as_json(verdict)["steps"][3]["en"]
        assert explanation(verdict_on(data, kind, {})) == verdicts.EXPLANATIONS[Outcome.STATUS_UNKNOWN]
    assert explanation(VALID) == verdicts.EXPLANATIONS[Outcome.VALID]


def test_the_date_of_an_old_list_is_told():
    old = verdict_on(encoded(issuing.document()), lists={LIST_URL: issuing.bits(valid_from=NOW - 60 * 24 * 3600)})
    assert old.as_of is not None
    assert all(old.as_of in text for text in explanation(old))
    none = explanation(verdict_on(encoded(issuing.document()), lists={}))
    assert none == verdicts.EXPLANATIONS[Outcome.STATUS_UNKNOWN]


def test_a_step_that_was_not_asked():
    skipped = [as_json(FORGED)["steps"][number]["en"] for number in (3, 4, 5)]
    assert skipped == ["not checked, because an earlier step failed"] * 3
    code = as_json(verdict_on(issuing.qr().encode(), "code"))["steps"][3]
    assert (code["result"], "carries no evidence" in code["en"]) == ("skipped", True)


# -- JSON -------------------------------------------------------------------------------------------------


def test_the_json_of_a_valid_proof():
    found = as_json(VALID)
    assert found["outcome"] == "valid"
    assert (found["proof"], found["region"], found["issuer"]) == (PROOF, "441300", "惠州市 · Huizhou")
    assert [(step["number"], step["code"]) for step in found["steps"]] == list(enumerate(CODES, 1))
    assert {step["zh"] for step in found["steps"]} & {"未被撤销"}
    assert found["statement"] == json.loads(encoded(issuing.document()))["credentialSubject"]["service"]
    assert "named_matches" not in found
    assert "林小明" not in json.dumps(found, ensure_ascii=False)
    assert found["name"] == "林＊明"


def test_a_name_is_shown_to_who_knows_it():
    assert {"name": "林小明", "named_matches": True}.items() <= as_json(VALID, "林小明").items()
    assert {"name": "林＊明", "named_matches": False}.items() <= as_json(VALID, "林大明").items()
    unnamed = verdict_on(encoded(issuing.document(credential(name=None))))
    assert {"name": None, "named_matches": None}.items() <= as_json(unnamed, "林小明").items()


def test_what_a_forgery_states_is_not_repeated():
    found = as_json(FORGED, "林大明")
    assert (found["outcome"], found["name"], found["named_matches"], found["statement"]) == (
        "invalid",
        None,
        None,
        None,
    )
    assert "林" not in json.dumps(found, ensure_ascii=False)


def test_a_token_and_a_code_keep_the_name_too():
    token, code = verdict_on(issuing.token().encode(), "sd-jwt"), verdict_on(issuing.qr().encode(), "code")
    for verdict in (token, code):
        assert "林小明" not in json.dumps(as_json(verdict), ensure_ascii=False)
        assert as_json(verdict)["statement"]["minutes"] == 150
        assert not {"name", "name_hash"} & as_json(verdict)["statement"].keys()
        assert (name_matches(verdict, " 林小明"), name_matches(verdict, "林大明")) == (True, False)
    assert (as_json(token)["name"], as_json(code)["name"]) == ("林＊明", None)
    assert name_matches(replace(code, outcome=Outcome.INVALID), "林小明") is None
    unnamed = verdict_on(issuing.qr(credential(name=None)).encode(), "code")
    assert name_matches(unnamed, "林小明") is None
