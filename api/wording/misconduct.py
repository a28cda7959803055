"""What evidence of misconduct proves, in words for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ledger.evidence.misconduct import Finding

_WORDS: Final = {
    "forked-log": (
        "账本 {log} 签署了条数相同（{size} 条）而内容不同的两份检查点：它有两套历史。",
        "The log {log} signed two different trees of {size} events: it has two histories.",
    ),
    "two-offers": (
        (
            "账本 {log} 以同一转移序号 {epoch} 两次提出转出 {volunteer} 的记录：位置 {position}转往 {to}，"
            "位置 {other_position}转往 {other_to}。"
        ),
        (
            "The log {log} offered the record of {volunteer} twice as move number {epoch}: to {to} at position"
            " {position}, to {other_to} at position {other_position}."
        ),
    ),
    "two-acceptances": (
        (
            "{volunteer} 的第 {epoch} 次转移被接受了两次：{region}（位置 {position}）与 {other_region}"
            "（位置 {other_position}），同一份时长有两个归属。"
        ),
        (
            "Move number {epoch} of {volunteer} was accepted twice: by {region} at position {position} and by"
            " {other_region} at position {other_position}. One record has two homes."
        ),
    ),
    "left-out": (
        (
            "账本 {log} 在位置 {stated}声明了 {volunteer} 截至前 {size} 条的完整记录，却漏列了位置 {position}"
            "（{type}，关于 {subject}）。"
        ),
        (
            "At position {stated} the log {log} stated the whole record of {volunteer} before position {size}, and left"
            " out the {type} about {subject} at position {position}."
        ),
    ),
    "key-left-out": (
        (
            "账本 {log} 在位置 {stated}提出转出 {volunteer} 的记录并声明了全部密钥事件，却漏列了位置 {position}"
            "（{type}，关于 {subject}）。"
        ),
        (
            "At position {stated} the log {log} offered the record of {volunteer} with all key events before position"
            " {size}, and left out the {type} about {subject} at position {position}."
        ),
    ),
}
_EITHER: Final = (
    "责任在这两个地区之一，或在两次提出转出的原归属地 {home}；两地的提出事件可进一步证明。",
    "One of these two regions did wrong, or the former home {home} did, by offering twice: the offers tell which.",
)
_RECOVERED: Final = (
    "其中至少一方是在原归属地停止服务后恢复接管的，须由各地区商定归属。",
    "At least one of them took it over because the home was gone: the regions have to settle which one stays.",
)


def words(found: Finding, name: Callable[[str], str] = str) -> tuple[str, str]:
    """What is proven, in Chinese and in English; `name` tells what to call the log of an origin."""
    logs = [name(origin) for origin in found.against]
    facts = {**found.facts, "log": logs[0]}
    told = _WORDS[found.kind]
    if len(logs) > 1:
        more = _RECOVERED if found.facts.get("recovered") else _EITHER
        told = (told[0] + more[0], f"{told[1]} {more[1]}")
    zh, en = (text.format(**facts) for text in told)
    return zh, en
