"""What a verdict says to people and to programs: one table of texts, one JSON form, one way to mask a name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from ledger.credentials.checking.verdict import Outcome, Result, Step, Verdict
from ledger.credentials.qr_code import NAME_SALT_BYTES, name_check
from ledger.crypto.encoding import decode_base64url


class Text(NamedTuple):
    """A text in simplified Chinese, traditional Chinese and English."""

    hans: str
    hant: str
    en: str

    def filled(self, **values: str) -> Text:
        """With its places filled in."""
        return Text(*(text.format(**values) for text in self))

    def members(self) -> dict[str, str]:
        """As JSON has it."""
        return {"zh": self.hans, "zh-Hant": self.hant, "en": self.en}


OUTCOMES: Final[Mapping[Outcome, Text]] = {
    Outcome.VALID: Text("有效", "有效", "Valid"),
    Outcome.REVOKED: Text("已撤销", "已撤銷", "Revoked"),
    Outcome.EXPIRED: Text("已过期", "已過期", "Expired"),
    Outcome.STATUS_UNKNOWN: Text("状态未知", "狀態未知", "Status unknown"),
    Outcome.INVALID: Text("无效", "無效", "Not valid"),
}
"""The outcome in a word or two."""

EXPLANATIONS: Final[Mapping[Outcome, Text]] = {
    Outcome.VALID: Text(
        "此证明由所示地区签发，未被改动，也未被撤销。请与手中文件核对：以此处所列姓名和时长为准。",
        "此證明由所示地區簽發，未被改動，也未被撤銷。請與手中文件核對：以此處所列姓名和時長為準。",
        "Issued by the region named, unchanged, and not revoked. Compare it with what is printed: name and hours shown"
        " here are what counts.",
    ),
    Outcome.REVOKED: Text(
        "此证明由所示地区签发，但已被撤销，不再有效。",
        "此證明由所示地區簽發，但已被撤銷，不再有效。",
        "Issued by the region named, but revoked: it no longer holds.",
    ),
    Outcome.EXPIRED: Text(
        "此证明由所示地区签发，但已过有效期，或尚未生效。",
        "此證明由所示地區簽發，但已過有效期，或尚未生效。",
        "Issued by the region named, but it has expired, or is not valid yet.",
    ),
    Outcome.STATUS_UNKNOWN: Text(
        "此证明由所示地区签发且未被改动，但没有有效的状态列表，无法得知是否已被撤销。",
        "此證明由所示地區簽發且未被改動，但沒有有效的狀態列表，無法得知是否已被撤銷。",
        "Issued by the region named and unchanged; no current status list is at hand to say whether it was revoked.",
    ),
    Outcome.INVALID: Text(
        "此文件不能作为志愿服务记录证明：有一个核验步骤未通过。",
        "此文件不能作為志願服務記錄證明：有一個核驗步驟未通過。",
        "This is not to be taken for a proof of service: a step of the check failed.",
    ),
}
"""The outcome in a sentence."""

SIGNED: Final = Text(
    "此证明由所示地区签名，未被改动，也未被撤销；未与账本核对。",
    "此證明由所示地區簽名，未被改動，也未被撤銷；未與賬本核對。",
    "Signed by the region named, unchanged, and not revoked; not held against its log.",
)
"""Of `valid`, when what was presented carries no evidence: the code of a QR, an SD-JWT."""

AS_OF: Final = Text(
    "截至 {date} 的状态列表，此证明真实且未被撤销；此后是否被撤销不得而知。",
    "截至 {date} 的狀態列表，此證明真實且未被撤銷；此後是否被撤銷不得而知。",
    "Genuine as of the status list of {date}; whether it was revoked since is unknown.",
)
"""Of `status-unknown` when an older list is at hand."""

REASONS: Final[Mapping[str, Text]] = {
    "corrected": Text("所证明的记录已更正", "所證明的記錄已更正", "a record it rests on was corrected"),
    "withdrawn": Text("所证明的记录已撤回", "所證明的記錄已撤回", "a record it rests on was withdrawn"),
    "disclaimed": Text("当事人声明未同意登记", "當事人聲明未同意登記", "the person disclaimed the registration"),
    "requested": Text("持有人要求撤销", "持有人要求撤銷", "the holder asked for it"),
    "erased": Text("持有人的个人信息已删除", "持有人的個人資料已刪除", "the holder's details were erased"),
    "mistaken": Text("签发有误", "簽發有誤", "it was issued by mistake"),
}
"""Why a proof was revoked, by the codes of `proof.revoked/1`."""

RESULTS: Final[Mapping[Result, Text]] = {
    Result.PASSED: Text("通过", "通過", "passed"),
    Result.FAILED: Text("未通过", "未通過", "failed"),
    Result.UNKNOWN: Text("未知", "未知", "unknown"),
    Result.SKIPPED: Text("未检查", "未檢查", "not checked"),
}

STEPS: Final[Mapping[str, Text]] = {
    "form": Text("格式", "格式", "Form"),
    "issuer": Text("签发地区", "簽發地區", "Issuer"),
    "signature": Text("签名", "簽名", "Signature"),
    "evidence": Text("账本凭据", "賬本憑據", "Evidence in the log"),
    "dates": Text("日期", "日期", "Dates"),
    "status": Text("撤销状态", "撤銷狀態", "Status"),
}
"""Names of the steps, by code."""

FINDINGS: Final[Mapping[tuple[str, Result], Text]] = {
    ("form", Result.PASSED): Text("格式正确", "格式正確", "written as a proof of service is"),
    ("form", Result.FAILED): Text(
        "不是志愿服务记录证明", "不是志願服務記錄證明", "not written as a proof of service is"
    ),
    ("issuer", Result.PASSED): Text(
        "签发地区在所信任的名单中", "簽發地區在所信任的名單中", "the trust bundle names the issuer and its key"
    ),
    ("issuer", Result.FAILED): Text(
        "签发者或其密钥不在所信任的名单中；若名单较旧，请先更新",
        "簽發者或其密鑰不在所信任的名單中；若名單較舊，請先更新",
        "the trust bundle does not name the issuer, or not this key; if it is an older one, fetch it anew first",
    ),
    ("signature", Result.PASSED): Text(
        "签名有效，内容未被改动", "簽名有效，內容未被改動", "signed by it, and unchanged"
    ),
    ("signature", Result.FAILED): Text(
        "签名无效：内容被改动，或并非该地区签发",
        "簽名無效：內容被改動，或並非該地區簽發",
        "the signature does not hold: changed since, or signed by another",
    ),
    ("evidence", Result.PASSED): Text(
        "该地区账本中有签发记录", "該地區賬本中有簽發記錄", "the region's log holds the event that issued it"
    ),
    ("evidence", Result.FAILED): Text(
        "不能证明该地区账本中有此签发记录",
        "不能證明該地區賬本中有此簽發記錄",
        "nothing shows that the region's log holds its issuing",
    ),
    ("evidence", Result.SKIPPED): Text(
        "此种证明不含账本凭据，未与账本核对",
        "此種證明不含賬本憑據，未與賬本核對",
        "a proof of this kind carries no evidence: signed, and not held against the log",
    ),
    ("dates", Result.PASSED): Text("在有效期内", "在有效期內", "within its dates"),
    ("dates", Result.FAILED): Text("已过期或尚未生效", "已過期或尚未生效", "expired, or not valid yet"),
    ("status", Result.PASSED): Text("未被撤销", "未被撤銷", "not revoked"),
    ("status", Result.FAILED): Text("已被撤销", "已被撤銷", "revoked"),
    ("status", Result.UNKNOWN): Text(
        "没有有效的状态列表，无法得知是否被撤销",
        "沒有有效的狀態列表，無法得知是否被撤銷",
        "no current status list is at hand to say whether it was revoked",
    ),
}
"""What a step found."""

_NOT_ASKED: Final = Text(
    "因前一步未通过而未检查", "因前一步未通過而未檢查", "not checked, because an earlier step failed"
)


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
        return Text(f"{text.hans}原因：{why.hans}。", f"{text.hant}原因：{why.hant}。", f"{text.en} Reason: {why.en}.")
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
        **explanation(verdict).members(),
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


def step_members(step: Step, format: str = "vc") -> dict[str, Any]:
    """One step of the JSON form; `detail` says, in English, what exactly was found."""
    members: dict[str, Any] = {"number": step.number, "code": step.code, "result": str(step.result)}
    return {**members, "detail": step.detail, **finding(step, format).members()}


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
    "Text",
    "as_json",
    "explanation",
    "finding",
    "holder",
    "mask",
    "name_matches",
    "same_name",
    "statement",
    "step_members",
]
