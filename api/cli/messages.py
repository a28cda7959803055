"""`yongzhi transfer receive`, `pending`, `retry`: what waits to be told or decided, for operators."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from api.cli import common
from api.deployment.data_folder import Deployment
from api.peers.exchange import Exchange, exchanges
from ledger.errors import Invalid, NotFound
from ledger.exchange import retries
from ledger.exchange.messages import Messages
from ledger.ids import check_region, format_time
from ledger.store.exchange import inbox, outbox
from projections.engine import advance
from projections.outbox import Outgoing, Outline

# What a peer said is shown as it said it, never taken for markup.
console = Console(markup=False, emoji=False)
errors = Console(stderr=True)

_SHOWN_MAX: Final = 10_000
_INBOX: Final = re.compile(r"(.+)#([0-9]{1,16})")


# -- doing it without a server --------------------------------------------------------------------------


@dataclass(slots=True)
class _Running:
    """Regions of a folder that do what there is to do, one thing after another."""

    all: dict[str, Exchange]
    told: Callable[[], None]
    out_of_reach: set[str] = field(default_factory=set)
    """Peers that are not tried again."""
    messages: int = 0

    def run(self, codes: list[str]) -> None:
        """Until nothing is left that can be done now."""
        worked = True
        while worked:
            worked = False
            for code in codes:
                worked |= self._work(self.all[code])

    def _work(self, exchange: Exchange) -> bool:
        exchange.publisher.publish()
        worked = _follow(exchange)
        while self._send(exchange):
            worked = True
        return exchange.node.step() or worked

    def _send(self, exchange: Exchange) -> bool:
        """Tell a peer the next thing that is due; whether there was one."""
        ledger = exchange.ledger
        now = ledger.now() * 1000
        messages = Messages(ledger.database, ledger.schema)
        rows = messages.take(now, 1, sorted(self.out_of_reach))
        if not rows:
            return False
        row = rows[0]
        attempt = retries.attempt(
            lambda: exchange.node.message(row.origin, row.position),
            lambda data: exchange.peers.send(row.peer, data, ledger.region),
        )
        if attempt.answer is not None:
            self.messages += 1
            self.told()
        if attempt.fate.unreachable:
            self.out_of_reach.add(row.peer)
        due = retries.due(attempt.fate, row.attempts, now)
        messages.settle(row.number, attempt.fate.state, due, attempt.fate.reason, attempt.said)
        return True


def _follow(exchange: Exchange) -> bool:
    """Derive messages from all that is new in the log."""
    ledger, worked = exchange.ledger, False
    projection = Outgoing(ledger.database, ledger.schema)
    projection.prepare()
    with contextlib.closing(Outline(ledger)) as feed:
        while advance(projection, ledger.name, feed):
            worked = True
    return worked


@click.command()
@common.data
@common.one_region
@common.as_json
@common.told
def receive(data: Path, region: str | None, as_json: bool) -> None:
    """Do what a server would do by itself: offer, fetch, decide, tell, until nothing is left. 处理待办转移

    Exit status 5 when a peer was out of reach: run it again later.
    """
    with common.opened(data) as deployment, Progress(console=errors, transient=True) as progress:
        task = progress.add_task("messages 消息", total=None)
        running = _Running(exchanges(deployment), lambda: progress.advance(task))
        codes = _codes(deployment, region)
        try:
            running.run(codes)
        finally:
            for exchange in running.all.values():
                exchange.close()
        left = [message for code in codes for message in _undone(running.all[code])]
    counts = {state: sum(message["state"] == state for message in left) for state in ("waiting", "aside")}
    summary = {"messages": running.messages, **counts, "out_of_reach": sorted(running.out_of_reach)}
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False))
    else:
        console.print(
            f"{running.messages} messages 消息; waiting 等待 {counts['waiting']}, aside 搁置 {counts['aside']}"
        )
    if running.out_of_reach:
        raise SystemExit(common.OUT_OF_REACH)


def _codes(deployment: Deployment, region: str | None) -> list[str]:
    if region is None:
        return deployment.regions()
    deployment.region_keys(region)  # or it is no region of this folder
    return [region]


# -- looking, and trying again ----------------------------------------------------------------------------


@click.command()
@common.data
@common.one_region
@common.as_json
@common.told
def pending(data: Path, region: str | None, as_json: bool) -> None:
    """Show messages that wait or were set aside, with age, attempts and reason. 查看未完成的消息

    A peer that is out of reach is tried again by itself. What is aside waits for `retry`.
    """
    with common.opened(data) as deployment:
        running = exchanges(deployment)
        messages = [message for code in _codes(deployment, region) for message in _undone(running[code])]
    if as_json:
        click.echo(json.dumps(messages, ensure_ascii=False))
        return
    names = ("message 消息", "peer 对方", "kind 类型", "state 状态", "age 时长", "tries 次数", "reason 原因")
    # Folded, never cut: `retry` asks for the whole name.
    table = Table(*(Column(name, overflow="fold") for name in names))
    for message in messages:
        arrow = "→" if message["box"] == "outbox" else "←"
        name = f"{message['region']} {message['message']}"
        age = _age(message["age"])
        table.add_row(
            name,
            f"{arrow} {message['peer']}",
            message["kind"],
            message["state"],
            age,
            str(message["attempts"]),
            message["reason"],
        )
    console.print(table if messages else "nothing is pending 没有未完成的消息")


def _undone(exchange: Exchange) -> list[dict[str, Any]]:
    """Messages of both boxes that are not done, as they are shown; at most _SHOWN_MAX of each."""
    ledger = exchange.ledger
    now, region = ledger.now(), ledger.region
    outgoing, incoming = Messages(ledger.database, ledger.schema).pending(_SHOWN_MAX)
    return [
        *(_shown(region, "outbox", str(row.number), row.peer, row, now) for row in outgoing),
        *(_shown(region, "inbox", f"{row.origin}#{row.position}", row.sender, row, now) for row in incoming),
    ]


def _shown(region: str, box: str, message: str, peer: str, row: outbox.Row | inbox.Row, now: int) -> dict[str, Any]:
    return {
        "region": region,
        "box": box,
        "message": message,
        "peer": peer,
        "kind": row.kind,
        "origin": row.origin or None,
        "position": row.position,
        "state": row.state,
        "created": format_time(row.created // 1000),
        "age": max(now - row.created // 1000, 0),
        "attempts": row.attempts,
        "due": format_time(row.due // 1000) if row.state == "waiting" else None,
        "reason": row.reason,
    }


def _age(seconds: int) -> str:
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    return f"{days} d" if days else f"{hours} h" if hours else f"{minutes} min" if minutes else f"{seconds} s"


@click.command()
@click.argument("message", required=False)
@click.option("--all-to", "peer", help="Tell this region everything again: it was restored. 向该地区重发全部消息")
@common.data
@common.region
@common.as_json
@common.told
def retry(message: str | None, peer: str | None, data: Path, region: str, as_json: bool) -> None:
    """Have MESSAGE tried at once: a name that `pending` shows, or `all` for all that are aside. 立即重试消息

    With --all-to, a region that was restored from a backup is told everything once more; what it has, it takes once.
    """
    if (message is None) is (peer is None):
        raise click.UsageError("either MESSAGE or --all-to")
    with common.opened(data) as deployment:
        (code,) = _codes(deployment, region)
        ledger = deployment.ledger(code)
        now, named = ledger.now() * 1000, _INBOX.fullmatch(message or "")
        messages = Messages(ledger.database, ledger.schema)
        if message is None:
            count = messages.send_again(now, check_region(str(peer)))
        elif message == "all":
            count = messages.retry_all(now)
        elif message.isascii() and message.isdecimal() and len(message) <= 16:
            count = messages.retry_outgoing(now, int(message))
        elif named:
            count = messages.retry_incoming(now, named[1], int(named[2]))
        else:
            raise Invalid("a message is named by its number, or by ORIGIN#POSITION: see `yongzhi transfer pending`")
    if not count and message != "all":
        raise NotFound(f"no message {message or f'to {peer}'} of {region} is there")
    click.echo(json.dumps({"messages": count})) if as_json else console.print(f"{count} messages 消息")
