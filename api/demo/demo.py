"""The demonstration: everything the ledger does, on real material, with every step checked as it goes."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from api.cli import common
from api.client.client import Client
from api.demo.moving import Moving
from api.demo.proofs import Proofs
from api.demo.world import CHINA, REGIONS, Organisation, World
from api.deployment.data_folder import Deployment, opened
from api.wording import totals
from ledger.audit.trial import audit_with_change
from ledger.errors import Corrupt, Invalid, Unavailable
from ledger.events.fields import type_name
from ledger.events.hours import HoursRecorded
from projections.engine import rebuild
from projections.totals import STATES, Totals

BATCH: Final = 1_000
_MARK: Final = "made-by-demo"
_DAYS: Final = 300

console = Console()


@dataclass(slots=True)
class Book:
    """What the demonstration itself knows should come out, minutes by volunteer and by region."""

    minutes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    entries: dict[str, list[HoursRecorded]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, str] = field(default_factory=dict)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="数据目录",
)
@click.option("--volunteers", default=2_000, show_default=True, help="志愿者人数")
@click.option("--entries", default=50_000, show_default=True, help="服务记录条数")
@click.option("--port", default=8000, show_default=True)
@click.option("--no-serve", is_flag=True, help="Stop when done instead of serving. 完成后退出")
@common.told
def demo(data: Path, volunteers: int, entries: int, port: int, no_serve: bool) -> None:
    """Show the whole ledger at work, then serve it. 演示全部流程"""
    _check_port(port)
    _fresh(data)
    with opened(data) as deployment, _serving(deployment, data, port) as (client, server):
        worlds = [
            World(
                code,
                f"ledger.example/{code}",
                _short(code),
                deployment.region_keys(code).issuing,
                random.Random(code),
            )
            for code, _, _ in REGIONS
        ]
        book = Book()
        _register(client, worlds, volunteers)
        _submit_hours(client, worlds, book, entries)
        _show_totals(client, worlds, book, "4", "Totals 统计")
        proofs = Proofs(client, worlds[0], data, deployment.federation_key().verifier)
        _step("5", "A proof of service, checked offline 开具服务记录证明，离线核验")
        book.figures["proof issued and saved 开具证明"] = proofs.issue()
        _correct(client, worlds, book)
        _show_totals(client, worlds, book, "7", "Totals follow 统计随之更新")
        _step("8", "The proof follows 证明随之撤销并替换")
        proofs.follow()
        _move(client, deployment, worlds, book)
        _rebuild(deployment, worlds, book)
        _audit(deployment, worlds, book)
        _figures(book)
        if not no_serve:
            _stay(port, worlds[0], proofs, server)


def _step(number: str, title: str) -> None:
    console.rule(f"[bold]{number}  {title}", align="left")


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise Corrupt(f"the demonstration found otherwise: {what}")


def _short(code: str) -> str:
    return {"441300": "惠州", "442000": "中山"}[code]


# -- 1: regions -----------------------------------------------------------------------------------


def _check_port(port: int) -> None:
    """Before anything is touched: what answers there may be a demonstration in the very same folder."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise Unavailable(f"port {port}: {error.strerror}; name another one with --port") from None


def _fresh(data: Path) -> None:
    """Only a folder that a demonstration made is ever removed."""
    if data.exists() and any(data.iterdir()):
        if not (data / _MARK).exists():
            raise click.UsageError(f"{data} is in use and was not made by a demonstration")
        shutil.rmtree(data)
    data.mkdir(parents=True, exist_ok=True)
    (data / _MARK).touch()


@contextlib.contextmanager
def _serving(deployment: Deployment, data: Path, port: int) -> Iterator[tuple[Client, subprocess.Popen[bytes]]]:
    _step("1", "Two regions 建立两个地区的账本")
    for code, name, _ in REGIONS:
        deployment.establish(code, f"ledger.example/{code}", name, f"http://127.0.0.1:{port}")
        console.print(f"{_short(code)} {code}  log key {deployment.region_keys(code).log.verifier}", soft_wrap=True)
    command = [sys.executable, "-m", "api", "serve", "--data", str(data), "--port", str(port)]
    # The demonstration has a database of its own, whatever the environment names.
    env = {name: value for name, value in os.environ.items() if name != "YONGZHI_DATABASE_URL"}
    with open(data / "server.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            _wait_ready(client, server, data / "server.log")
            yield client, server
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def _wait_ready(client: Client, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise Unavailable(f"the server did not start: {log.read_text(encoding='utf-8')[-800:]}")
        with contextlib.suppress(Unavailable):
            if client.get("/readyz")["ready"]:
                return
        time.sleep(0.1)
    raise Unavailable("the server was not ready within a minute")


# -- 2, 3: registrations and hours ----------------------------------------------------------------


def _register(client: Client, worlds: list[World], volunteers: int) -> None:
    _step("2", "Organisations, volunteers, activities 登记组织、志愿者，发布活动")
    today = datetime.now(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    for world in worlds:
        client.send(world.region, world.registrations())
        for request in world.volunteer_requests(volunteers // len(worlds)):
            client.send(world.region, request)
        for request in world.activity_requests(today - timedelta(days=_DAYS + 1), today + timedelta(days=30)):
            client.send(world.region, request)
        console.print(
            f"{_short(world.region)}: {len(world.stations)} stations 服务站,"
            f" {len(world.organisations)} organisations 组织, "
            f"{len(world.volunteers)} volunteers 志愿者"
        )


def _submit_hours(client: Client, worlds: list[World], book: Book, entries: int) -> None:
    _step("3", f"{entries:,} signed hours entries over HTTP 提交服务记录")
    per_region = entries // len(worlds)
    with Progress(console=console) as progress:
        task = progress.add_task("sign 签名", total=entries)
        requests = []
        for world in worlds:
            for organisation, made in _batches(world, per_region):
                for event in made:
                    book.minutes[event.subject] += event.minutes
                    book.minutes[world.region] += event.minutes
                    book.entries[event.subject].append(event)
                requests.append((world.region, len(made), world.request(organisation.key, list(made))))
                progress.advance(task, len(made))
        task = progress.add_task("submit 提交", total=entries)
        start = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            for size, (_, new) in pool.map(lambda one: (one[1], client.send(one[0], one[2])), requests):
                _check(new, "a batch was in the log before it was sent")
                progress.advance(task, size)
    book.figures["hours entries submitted over HTTP 提交"] = f"{entries / (time.monotonic() - start):,.0f}/s"


def _batches(world: World, entries: int) -> Iterator[tuple[Organisation, list[HoursRecorded]]]:
    """Entries in order of time, each volunteer at most once a day, gathered by organisation."""
    start = datetime.now(CHINA).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=_DAYS)
    waiting: dict[int, list[HoursRecorded]] = defaultdict(list)
    for number in range(entries):
        day, person = divmod(number, len(world.volunteers))
        which = (person + day) % len(world.organisations)
        begin = start + timedelta(
            days=day % (_DAYS - 1),
            hours=8 + world.random.randrange(9),
            minutes=15 * world.random.randrange(4),
        )
        waiting[which].append(
            world.hours(world.organisations[which], world.volunteers[person], begin, 30 * world.random.randint(2, 8))
        )
        if len(waiting[which]) == BATCH:
            yield world.organisations[which], waiting.pop(which)
    for which, rest in waiting.items():
        yield world.organisations[which], rest


# -- 4 to 9: totals, proofs, corrections and a move ---------------------------------------------------


def _show_totals(client: Client, worlds: list[World], book: Book, number: str, title: str) -> None:
    _step(number, title)
    table = Table("", *(str(totals.STATE_NAMES[state]) for state in STATES))
    for world in worlds:
        client.sign_in(world.key, world.region)
        after = _size(client, world) - 1
        for volunteer in world.volunteers[:2]:
            found = client.get(f"/v1/regions/{world.region}/volunteers/{volunteer}", after=after)
            _row(table, f"{_short(world.region)} {volunteer[:18]}…", found, book.minutes[volunteer])
        found = client.get(f"/v1/regions/{world.region}/totals")
        _row(table, f"[bold]{_short(world.region)} in all 全部", found, book.minutes[world.region])
    console.print(table)


def _size(client: Client, world: World) -> int:
    """Events in the log; a checkpoint covers them within about a second."""
    sizes = [-1]
    while True:
        sizes.append(int(client.region(world.region)["tree_size"]))
        if sizes[-1] == sizes[-2]:
            return sizes[-1]
        time.sleep(1.5)


def _row(table: Table, name: str, found: dict[str, Any], expected: int) -> None:
    table.add_row(name, *(totals.hours(found["total"].get(state)) for state in STATES))
    _check(
        found["total"]["counted"]["minutes"] == expected,
        f"{name}: {found['total']} and not {expected} minutes",
    )


def _correct(client: Client, worlds: list[World], book: Book) -> None:
    _step("6", "Corrections and withdrawals 更正与撤回")
    for world in worlds:
        by_issuer = {one.key.name: one.key for one in world.organisations}
        for volunteer in world.volunteers[:2]:
            first, second = book.entries[volunteer][:2]
            made = [
                (first, world.corrected(first, first.minutes - 15, "签退时间登记有误"), -15),
                (second, world.withdrawn(second, "重复登记"), -second.minutes),
            ]
            for entry, event, change in made:
                client.send(world.region, world.request(by_issuer[entry.issuer], [event]))
                book.minutes[volunteer] += change
                book.minutes[world.region] += change
                console.print(f"{type_name(event)}  {volunteer[:18]}…  {change:+} min")


def _move(client: Client, deployment: Deployment, worlds: list[World], book: Book) -> None:
    _step("9", "A volunteer moves house 志愿者迁居，记录随人转移")
    here, there = worlds
    person = here.volunteers[-1]
    moving = Moving(client, deployment, here, there, book.entries[person], book.minutes[person])
    moving.recognise()
    moving.visit()
    book.figures["record moved to another region 转移记录"] = moving.move()
    moving.follow()
    moving.prove()
    moving.conserved()


# -- 10 to 12: rebuild, audit, figures --------------------------------------------------------------


def _rebuild(deployment: Deployment, worlds: list[World], book: Book) -> None:
    _step("10", "Every projection rebuilt from events 由事件重建全部统计")
    total, seconds = 0, 0.0
    for world in worlds:
        ledger = deployment.ledger(world.region)
        result = rebuild(Totals(deployment.database, ledger.schema), ledger)
        _check(result.same, f"rebuilt totals of {world.region} differ: {result.examples}")
        total, seconds = total + result.events, seconds + result.seconds
        console.print(f"{_short(world.region)}: {result.events:,} events, [green]nothing differs 完全一致")
    book.figures["events rebuilt 重建"] = f"{total / seconds:,.0f}/s"


def _audit(deployment: Deployment, worlds: list[World], book: Book) -> None:
    _step("11", "Audit, then one byte changed 审计；篡改一个字节后再审计")
    total, seconds = 0, 0.0
    for world in worlds:
        start = time.monotonic()
        report = deployment.audit(world.region)
        total, seconds = total + report.events, seconds + time.monotonic() - start
        _check(report.ok, f"the audit of {world.region} found {report.findings}")
        console.print(f"{_short(world.region)}: {report.events:,} events, [green]everything holds 全部一致")
    book.figures["events audited 审计"] = f"{total / seconds:,.0f}/s"
    _tamper(deployment, worlds[0])


def _tamper(deployment: Deployment, world: World) -> None:
    ledger, note = deployment.ledger(world.region), deployment.publisher(world.region).published
    changed, report = audit_with_change(ledger, note)
    _check([one.event_id for one in report.findings] == [changed], f"changed {changed}, found {report.findings}")
    one = report.findings[0]
    console.print(f"one byte changed 改动一个字节: [red]position {one.position}, event {one.event_id}: {one.detail}")
    _check(deployment.audit(world.region).ok, "the change was not rolled back")
    console.print("rolled back 已回滚: [green]everything holds 全部一致")


def _figures(book: Book) -> None:
    _step("12", "Measured just now 本次实测")
    for name, value in book.figures.items():
        console.print(f"{name}: {value}")


def _stay(port: int, world: World, proofs: Proofs, server: subprocess.Popen[bytes]) -> None:
    url = f"http://127.0.0.1:{port}"
    console.rule("[bold]Serving 正在提供服务 — Ctrl-C to stop 停止", align="left")
    for path, what in (
        ("/", "start page 首页"),
        ("/verify", "check a proof 核验证明"),
        (f"/p/{proofs.first['id']}", "the revoked proof 已撤销的证明"),
        (f"/p/{proofs.second['id']}", "its replacement 替换后的证明"),
        ("/docs", "API 接口文档"),
        ("/v1/regions", "regions 地区"),
        (
            f"/v1/regions/{world.region}/organisations/{world.organisations[0].key.name}/statistics",
            "public statistics 公开统计",
        ),
        (f"/log/{world.region}/checkpoint", "checkpoint 检查点"),
        ("/metrics", "metrics 监控指标"),
    ):
        console.print(f"{url}{path}  {what}", soft_wrap=True, highlight=False)
    with contextlib.suppress(KeyboardInterrupt):
        server.wait()
    if server.returncode not in (None, 0, -signal.SIGTERM):
        raise Invalid(f"the server ended with {server.returncode}")
