"""The words of a certificate: simplified Chinese, traditional Chinese as Hong Kong and Macau write it, English."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ledger.codes import CATEGORIES, EVIDENCE, TRADITIONAL, writes_traditional

Pair = dict[str, str]
"""`zh` and `en`."""


WORDS: Final[dict[str, tuple[str, str, str]]] = {
    "service-title": ("志愿服务记录证明", "志願服務記錄證明", "Certificate of volunteer service"),
    "star-title": ("星级志愿者证书", "星級志願者證書", "Certificate of star level"),
    "opening": ("兹证明", "茲證明", "This is to certify that"),
    "holder": ("本证书持有人", "本證書持有人", "the holder of this certificate"),
    "statement": (
        "于{first}至{last}参加志愿服务，经记录单位如实记录，服务时间共计",
        "於{first}至{last}參加志願服務，經記錄單位如實記錄，服務時間共計",
        "gave voluntary service from {first} to {last}. The recording units have put on record",
    ),
    "star-statement": (
        "截至{day}，志愿服务时间达到下列星级的标准",
        "截至{day}，志願服務時間達到下列星級的標準",
        "had by {day} given the hours of voluntary service that this level asks for",
    ),
    "count": (
        "共 {entries} 条记录，{activities} 项活动",
        "共 {entries} 條記錄，{activities} 項活動",
        "entries: {entries}, activities: {activities}",
    ),
    "star-count": ("累计服务时间 {time}", "累計服務時間 {time}", "service in all: {time}"),
    "what": ("服务内容", "服務內容", "Activity and content"),
    "who": ("记录单位", "記錄單位", "Recorded by"),
    "when": ("服务日期", "服務日期", "Dates"),
    "time": ("服务时间", "服務時間", "Time"),
    "more": ("其余 {count} 项", "其餘 {count} 項", "… and {count} more"),
    "reasons": ("评定依据", "評定依據", "How the level follows"),
    "notes": ("备注", "備註", "Notes"),
    "grades": ("记录方式：{what}", "記錄方式：{what}", "How the hours were recorded: {what}"),
    "filter": (
        "应持有人要求，仅列出部分记录：{what}",
        "應持有人要求，僅列出部分記錄：{what}",
        "Part of the record only, as the holder asked: {what}",
    ),
    "filter-activities": ("指定活动 {count} 项", "指定活動 {count} 項", "chosen activities: {count}"),
    "filter-organisations": ("指定记录单位 {count} 个", "指定記錄單位 {count} 個", "chosen recording units: {count}"),
    "star": ("星级：{title}（{scheme}）", "星級：{title}（{scheme}）", "Star level: {title} ({scheme})"),
    "scheme": ("评定办法：{scheme}", "評定辦法：{scheme}", "Scheme: {scheme}"),
    "own-words": ("持有人自述（未经核实）", "持有人自述（未經核實）", "The holder's own words, not verified"),
    "check": (
        "本证明为电子证明，以核验结果为准：扫描二维码，或在 {host} 上传本文件；文件内附可离线核验的电子凭证。",
        "本證明為電子證明，以核驗結果為準：掃描二維碼，或在 {host} 上載本文件；文件內附可離線核驗的電子憑證。",
        "What the check says prevails: scan the code, or upload this file at {host}. It carries a credential.",
    ),
    "scan": ("扫码核验", "掃碼核驗", "Scan to check this certificate"),
    "number": ("证书编号", "證書編號", "Certificate number"),
    "electronic": ("电子签发", "電子簽發", "Issued electronically"),
    "qr": ("核验二维码", "核驗二維碼", "QR code for checking"),
    "seal": ("签发单位印章", "簽發單位印章", "seal of the issuer"),
    "hours": ("{hours} 小时", "{hours} 小時", "{hours} h"),
    "minutes": ("{minutes} 分", "{minutes} 分", "{minutes} min"),
}

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class Words:
    """The words of one certificate, each as `{"zh": …, "en": …}`."""

    def __init__(self, region: str) -> None:
        self.traditional = writes_traditional(region)

    def __call__(self, name: str, **values: object) -> Pair:
        """A text of WORDS with its places filled; a value that is such a pair itself fills each with its own."""
        simplified, traditional, english = WORDS[name]
        return {
            language: form.format(**{key: _part(value, language) for key, value in values.items()})
            for language, form in (("zh", traditional if self.traditional else simplified), ("en", english))
        }

    def category(self, code: str) -> Pair:
        """The name of a category."""
        chinese, english = CATEGORIES[code]
        return {"zh": TRADITIONAL[code] if self.traditional else chinese, "en": english}

    def evidence(self, code: str) -> Pair:
        """The name of an evidence grade."""
        chinese, english = EVIDENCE[code]
        return {"zh": TRADITIONAL[code] if self.traditional else chinese, "en": english}

    def time(self, minutes: int) -> Pair:
        """`125 小时 30 分` and `125 h 30 min`; no minutes are left out, no hours only below one."""
        hours, rest = divmod(minutes, 60)
        parts = [self("hours", hours=hours)] if hours or not rest else []
        parts += [self("minutes", minutes=rest)] if rest else []
        return {language: " ".join(part[language] for part in parts) for language in ("zh", "en")}


def day(iso: str) -> Pair:
    """`2026年11月22日` and `22 November 2026` of `2026-11-22`."""
    year, month, number = (int(part) for part in iso.split("-"))
    name = MONTHS[month - 1] if 1 <= month <= len(MONTHS) else str(month)
    return {"zh": f"{year}年{month}月{number}日", "en": f"{number} {name} {year}"}


def beside(name: Pair, value: Pair) -> Pair:
    """A name and its value, in each language."""
    return {language: f"{name[language]} {value[language]}" for language in ("zh", "en")}


def listed(pairs: Iterable[Pair]) -> Pair:
    """Each language's items side by side."""
    found = list(pairs)
    return {"zh": "、".join(one["zh"] for one in found), "en": ", ".join(one["en"] for one in found)}


def _part(value: object, language: str) -> object:
    return value[language] if isinstance(value, dict) else value
