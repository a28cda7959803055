"""What a verdict says to people and to programs: one table of texts, one JSON form, one way to mask a name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ledger.credentials.checking.steps import CODES
from ledger.credentials.checking.verdict import Outcome, Result, Step, Verdict
from ledger.credentials.qr_code import NAME_SALT_BYTES, name_check
from ledger.crypto.encoding import decode_base64url
from ledger.texts.catalogue import catalogue, find, pick
from ledger.texts.text import Text

OUTCOMES: Final[Mapping[Outcome, Text]] = {outcome: find(f"outcome.{outcome}") for outcome in Outcome}
"""The outcome in a word or two."""

EXPLANATIONS: Final[Mapping[Outcome, Text]] = {outcome: find(f"explanation.{outcome}") for outcome in Outcome}
"""The outcome in a sentence."""

SIGNED: Final = find("explanation.signed")
"""Of `valid`, when what was presented carries no evidence: the code of a QR, an SD-JWT."""

AS_OF: Final = find("explanation.as_of")
"""Of `status-unknown` when an older list is at hand."""

REASONS: Final = pick("reason", ("corrected", "withdrawn", "disclaimed", "requested", "erased", "mistaken"))
"""Why a proof was revoked, by the codes of `proof.revoked/1`."""

RESULTS: Final[Mapping[Result, Text]] = {result: find(f"result.{result}") for result in Result}

STEPS: Final = pick("step", CODES)
"""Names of the steps, by code."""

FINDINGS: Final[Mapping[tuple[str, Result], Text]] = {
    (code, result): text for code in CODES for result in Result if (text := catalogue().get(f"finding.{code}.{result}"))
}
"""What a step found."""

_NOT_ASKED: Final = find("finding.skipped")
_REVOKED_BECAUSE: Final = find("revoked.because")


def finding(step: Step, format: str = "vc") -> Text:
    """What a step found, in a sentence."""
    if step.result is Result.SKIPPED and (step.code != "evidence" or format in ("vc", "unknown")):
        return _NOT_ASKED
    return FINDINGS.get((step.code, step.result), RESULTS[step.result])


def explanation(verdict: Verdict) -> Text:
    """The outcome in a sentence, with the reason of a revocation or the date of an old status list."""
    if verdict.outcome is Outcome.STATUS_UNKNOWN and verdict.as_of:
        return AS_OF.filled(date=verdict.as_of)
    if verdict.outcome is Outcome.VALID and any(step.result is Result.SKIPPED for step in verdict.steps):
        return SIGNED
    text, why = EXPLANATIONS[verdict.outcome], REASONS.get(verdict.reason or "")
    if verdict.outcome is Outcome.REVOKED and why:
        return _REVOKED_BECAUSE.filled(explanation=text, reason=why)
    return text


# -- names ----------------------------------------------------------------------------------------

_MASK: Final = "＊"
_HAN: Final = re.compile(r"[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_SURNAMES: Final = (
    "欧阳歐陽司马司馬上官诸葛諸葛司徒司空东方東方皇甫尉迟尉遲公孙公孫慕容令狐宇文长孙長孫夏侯"
    "轩辕軒轅端木百里呼延南宫南宮独孤獨孤西门西門东郭東郭申屠太史闻人聞人澹台澹臺拓跋完颜完顏"
)
_COMPOUND: Final = frozenset(_SURNAMES[at : at + 2] for at in range(0, len(_SURNAMES), 2))
"""Surnames of two characters; with these the second is part of the surname."""


def mask(name: str) -> str:
    """A name that only who knows it can complete: 林小明 gives 林＊明, 林明 林＊, Chan Tai Man C＊ T＊ M＊."""
    name = unicodedata.normalize("NFC", name).strip()
    if _HAN.fullmatch(name):
        return _mask_chinese(name)
    return re.sub(r"[^\s·・•.,，\-‐’'()（）]+", lambda word: _mask_word(word[0]), name)


def _mask_chinese(name: str) -> str:
    if len(name) == 1:
        return _MASK
    surname = 2 if name[:2] in _COMPOUND and len(name) > 2 else 1
    last = 1 if len(name) - surname > 1 else 0
    return name[:surname] + _MASK * max(len(name) - surname - last, 1) + name[len(name) - last :]


def _mask_word(word: str) -> str:
    return word[0] + _MASK if len(word) > 1 else _MASK


def same_name(one: str, other: str) -> bool:
    """Whether two spellings are of one name: width, case, blanks and the form of the middle dot do not count."""
    return _plain(one) == _plain(other) != ""


def _plain(name: str) -> str:
    return re.sub(r"[\s·・•]", "", unicodedata.normalize("NFKC", name)).casefold()


def name_matches(verdict: Verdict, name: str) -> bool | None:
    """Whether the proof was issued to this name; None when it states none. A QR states only a salted hash of it."""
    stated = holder(verdict)
    if stated is not None:
        return same_name(stated, name)
    hashed = (verdict.claims or {}).get("name_hash")
    if not isinstance(hashed, str) or verdict.outcome is Outcome.INVALID:
        return None
    known = decode_base64url(hashed)
    spellings = {name.strip(), unicodedata.normalize("NFC", name.strip())}
    return any(name_check(spelling, known[:NAME_SALT_BYTES]) == known for spelling in spellings)


# -- JSON -----------------------------------------------------------------------------------------


def holder(verdict: Verdict) -> str | None:
    """The holder's name in clear, when the proof states it; never what a forgery says."""
    if verdict.outcome is Outcome.INVALID:
        return None
    if verdict.credential is not None:
        return verdict.credential.name_of_holder
    name = (verdict.claims or {}).get("name")
    return name if isinstance(name, str) else None


def as_json(verdict: Verdict, name: str | None = None) -> dict[str, Any]:
    """The members of a verdict, the holder's name masked unless `name` is that name; with `name`, also
    `named_matches`: true, false, or null when the proof states no name.
    """
    stated, matches = holder(verdict), None if name is None else name_matches(verdict, name)
    members: dict[str, Any] = {
        "outcome": str(verdict.outcome),
        **members_of(explanation(verdict)),
        "format": verdict.format,
        "proof": verdict.proof,
        "region": verdict.region,
        "issuer": verdict.issuer_name,
        "issued": verdict.issued,
        "steps": [step_members(step, verdict.format) for step in verdict.steps],
        "reason": verdict.reason,
        "replacement": verdict.replacement,
        "as_of": verdict.as_of,
        "name": stated if stated is None or matches else mask(stated),
        "statement": statement(verdict),
    }
    return members if name is None else {**members, "named_matches": matches}


def members_of(text: Text) -> dict[str, str]:
    """A text as the JSON form has it."""
    return {"zh": text.zh, "zh-Hant": text.to("zh_hant"), "en": text.en}


def step_members(step: Step, format: str = "vc") -> dict[str, Any]:
    """One step of the JSON form; `detail` says, in English, what exactly was found."""
    members: dict[str, Any] = {"number": step.number, "code": step.code, "result": str(step.result)}
    return {**members, "detail": step.detail, **members_of(finding(step, format))}


def statement(verdict: Verdict) -> dict[str, Any] | None:
    """What is stated, without the holder's name; None of what is not valid: nobody is to read a forgery here."""
    if verdict.outcome is Outcome.INVALID:
        return None
    if verdict.credential is not None:
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(verdict.credential.credentialSubject.service))
        return found
    if verdict.claims is None:
        return None
    return {key: value for key, value in verdict.claims.items() if key not in ("name", "name_hash")}


__all__ = [
    "AS_OF",
    "EXPLANATIONS",
    "FINDINGS",
    "OUTCOMES",
    "REASONS",
    "RESULTS",
    "SIGNED",
    "STEPS",
    "as_json",
    "explanation",
    "finding",
    "holder",
    "mask",
    "members_of",
    "name_matches",
    "same_name",
    "statement",
    "step_members",
]
