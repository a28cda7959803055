"""Conditions and amounts in words, in simplified and traditional Chinese and in English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ledger.codes import CATEGORIES, EVIDENCE, ORGANISATION_KINDS, TRADITIONAL, Labels
from ledger.schemes.conditions import AwardsHeld, Condition, LevelHeld, MinutesAtKinds, MinutesInCategories, Unit, Years
from ledger.schemes.scheme import Counts, Language, Scheme

SENTENCES: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "scheme": "依据：{name}（{source}；{reference}），截至 {day}。",
        "counts": "计入：状态为“已计入”的服务{restrictions}，共 {total}。",
        "evidence": "，来源为{names}",
        "categories": "，类别为{names}",
        "met": "{title}：{condition}须达 {needed}；现有 {present}；已达到。",
        "unmet": "{title}：{condition}须达 {needed}；现有 {present}；未达到，还差 {missing}。",
        "reached": "结果：{title}。",
        "none": "结果：尚未达到任何等级。",
        "next": "距{title}还差：{gaps}。",
        "gap": "{condition} {missing}",
        "between": "；",
        "top": "已是最高等级。",
    },
    "zh_hant": {
        "scheme": "依據：{name}（{source}；{reference}），截至 {day}。",
        "counts": "計入：狀態為「已計入」的服務{restrictions}，共 {total}。",
        "evidence": "，來源為{names}",
        "categories": "，類別為{names}",
        "met": "{title}：{condition}須達 {needed}；現有 {present}；已達到。",
        "unmet": "{title}：{condition}須達 {needed}；現有 {present}；未達到，還差 {missing}。",
        "reached": "結果：{title}。",
        "none": "結果：尚未達到任何等級。",
        "next": "距{title}還差：{gaps}。",
        "gap": "{condition} {missing}",
        "between": "；",
        "top": "已是最高等級。",
    },
    "en": {
        "scheme": "Rule: {name} ({source}; {reference}), as of {day}.",
        "counts": "What counts: service in the state “counted”{restrictions}; {total} in all.",
        "evidence": ", known by {names}",
        "categories": ", in the categories {names}",
        "met": "{title}: {condition} must reach {needed}; it is {present}: met.",
        "unmet": "{title}: {condition} must reach {needed}; it is {present}: not met, {missing} short.",
        "reached": "Result: {title}.",
        "none": "Result: no level reached yet.",
        "next": "Still missing for {title}: {gaps}.",
        "gap": "{missing} ({condition})",
        "between": "; ",
        "top": "This is the highest level.",
    },
}
CONDITIONS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "minutes": "累计服务时长",
        "minutes-in-year": "{year} 年内的服务时长",
        "minutes-in-categories": "{names}类服务时长",
        "minutes-at-kinds": "由{names}记录的服务时长",
        "years": "每年服务满 {each}的年数",
        "years-consecutive": "连续每年服务满 {each}的年数",
        "span-days": "首次至最近一次服务的时间跨度",
        "level-held": "已获评的最高等级（{scheme}）",
        "awards-held": "获评第 {level} 级的次数（{scheme}）",
        "trainings": "培训证书",
    },
    "zh_hant": {
        "minutes": "累計服務時數",
        "minutes-in-year": "{year} 年內的服務時數",
        "minutes-in-categories": "{names}類服務時數",
        "minutes-at-kinds": "由{names}記錄的服務時數",
        "years": "每年服務滿 {each}的年數",
        "years-consecutive": "連續每年服務滿 {each}的年數",
        "span-days": "首次至最近一次服務的時間跨度",
        "level-held": "已獲評的最高等級（{scheme}）",
        "awards-held": "獲評第 {level} 級的次數（{scheme}）",
        "trainings": "培訓證書",
    },
    "en": {
        "minutes": "service in all",
        "minutes-in-year": "service in {year}",
        "minutes-in-categories": "service in the categories {names}",
        "minutes-at-kinds": "service recorded by organisations of the kinds {names}",
        "years": "the number of years with {each} or more",
        "years-consecutive": "the number of successive years with {each} or more",
        "span-days": "the time from the first service to the last",
        "level-held": "the highest level granted before ({scheme})",
        "awards-held": "the number of times that level {level} was granted ({scheme})",
        "trainings": "the number of training certificates",
    },
}
AMOUNTS: Final[Mapping[Language, Mapping[str, str]]] = {
    "zh": {
        "hours": "{} 小时",
        "minutes": "{} 分钟",
        "days": "{} 天",
        "years": "{} 年",
        "level": "{} 级",
        "times": "{} 次",
    },
    "zh_hant": {
        "hours": "{} 小時",
        "minutes": "{} 分鐘",
        "days": "{} 天",
        "years": "{} 年",
        "level": "{} 級",
        "times": "{} 次",
    },
    "en": {"hours": "{} h", "minutes": "{} min", "days": "{} days", "years": "{} years", "level": "{}", "times": "{}"},
}


def amount(value: int, unit: Unit, language: Language) -> str:
    """A number with its unit; minutes as whole hours and the minutes left over."""
    words = AMOUNTS[language]
    if unit != "minutes":
        word = words[unit]
        return (word.removesuffix("s") if language == "en" and value == 1 else word).format(value)
    hours, minutes = divmod(value, 60)
    parts = [words["hours"].format(hours)] if hours or not minutes else []
    return " ".join([*parts, words["minutes"].format(minutes)] if minutes else parts)


def condition(found: Condition, year: int, language: Language) -> str:
    """What a condition measures, in words; `year` is that of the day asked about."""
    values: dict[str, object] = {"year": year}
    kind = found.kind
    match found:
        case MinutesInCategories(categories=codes):
            values["names"] = _names(codes, CATEGORIES, language)
        case MinutesAtKinds(kinds=codes):
            values["names"] = _names(codes, ORGANISATION_KINDS, language)
        case Years(minutes_each=minutes, consecutive=consecutive):
            values["each"] = amount(minutes, "minutes", language)
            kind += "-consecutive" if consecutive else ""
        case LevelHeld(scheme=scheme):
            values["scheme"] = scheme
        case AwardsHeld(scheme=scheme, level=level):
            values |= {"scheme": scheme, "level": level}
    return CONDITIONS[language][kind].format(**values)


def heading(scheme: Scheme, day: str, language: Language) -> str:
    """Which rule is applied, and as of when."""
    name = scheme.name.to(language)
    words = SENTENCES[language]["scheme"]
    return words.format(name=name, source=scheme.source, reference=scheme.reference, day=day)


def counting(counts: Counts, total: int, language: Language) -> str:
    """Which service counts, and what it comes to."""
    words = SENTENCES[language]
    restrictions = ""
    if counts.evidence:
        restrictions += words["evidence"].format(names=_names(counts.evidence, EVIDENCE, language))
    if counts.categories:
        restrictions += words["categories"].format(names=_names(counts.categories, CATEGORIES, language))
    return words["counts"].format(restrictions=restrictions, total=amount(total, "minutes", language))


def _names(codes: Iterable[str], labels: Labels, language: Language) -> str:
    if language == "en":
        return ", ".join(labels[code][1] for code in codes)
    return "、".join(TRADITIONAL[code] if language == "zh_hant" else labels[code][0] for code in codes)
