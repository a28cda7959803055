"""The command line `yongzhi`. Exit status: 0 done, 1 refused or invalid, 2 wrong usage, 5 out of reach."""

from __future__ import annotations

import functools
import gc
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import click
import uvicorn
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from api import drafts, logs
from api.app import create_app
from api.client import Client, Told
from api.deployment import Deployment, opened
from api.service import Service
from ledger import audit as auditing
from ledger import events, keys, notes
from ledger.codes import region_name
from ledger.errors import LedgerError, NotFound, Unavailable
from ledger.ids import check_issuer, issuer_kind
from ledger.log import parse_checkpoint
from ledger.submission import pack, seal
from projections.engine import catch_up
from projections.engine import rebuild as rebuild_projection
from projections.totals import STATES, Totals
from projections.views import Breakdown, TotalsView

REFUSED: Final = 1
OUT_OF_REACH: Final = 5

console = Console()
errors = Console(stderr=True)
P = ParamSpec("P")
R = TypeVar("R")


def told(command: Callable[P, R]) -> Callable[P, R]:
    """Errors of ours end a command with a line and its exit status, never with a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except Unavailable as error:
            errors.print(f"[red]{error.code}[/red]: {error.detail}", highlight=False)
            raise SystemExit(OUT_OF_REACH) from None
        except LedgerError as error:
            errors.print(f"[red]{error.code}[/red]: {error.detail}", highlight=False)
            if isinstance(error, Told):
                for one in error.problem.get("errors", []):
                    errors.print(f"  {one['index']} {one['id']} {one['code']} {one['pointer']}: {one['detail']}")
            raise SystemExit(REFUSED) from None

    return run


_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var"),
    show_default=True,
    help="Folder of keys, checkpoints and the embedded database. 数据目录",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON. 输出 JSON")
_region = click.option("--region", required=True, help="Region code, such as 441300. 地区代码")
_url = click.option("--url", envvar="YONGZHI_URL", help="A server, such as http://127.0.0.1:8000. 服务地址")
_key = click.option(
    "--key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Key file to sign with. 签名密钥文件",
)


def _open(data: Path) -> Any:
    return opened(data, os.environ.get("YONGZHI_DATABASE_URL"))


@click.group()
@click.version_option(package_name="yongzhi")
def main() -> None:
    """Yongzhi 永志: a service-record ledger for volunteering. 志愿服务记录账本"""


# -- setting up and serving -----------------------------------------------------------------------


@main.command()
@_data
@_region
@click.option("--origin", required=True, help="Name of its log, such as ledger.example/441300. 日志名称")
@click.option("--name-en", required=True, help="The region's name in English. 英文名称")
@told
def init(data: Path, region: str, origin: str, name_en: str) -> None:
    """Establish a region: its keys, its tables, its first event. 建立一个地区的账本"""
    with _open(data) as deployment:
        establish(deployment, region, origin, name_en)
        console.print(f"{region} {region_name(region)} established. 已建立。Give its log key to auditors:")
        console.print(str(deployment.region_keys(region).log.verifier), soft_wrap=True, highlight=False)


def establish(deployment: Deployment, region: str, origin: str, name_en: str) -> None:
    """Create a region in a deployment and submit the event that begins its ledger."""
    secret = deployment.create_region(region, origin)
    issuer = secret.issuing.name
    event = events.RegionEstablished(
        **drafts.common(issuer, region, issuer),
        name=events.RegionName(zh=region_name(region) or region, en=name_en),
        origin=origin,
        log_key=str(secret.log.verifier),
        key=str(secret.issuing.verifier),
    )
    bodies = [events.encode(event)]
    deployment.ledger(region).submit(pack(seal(bodies, secret.issuing, origin), bodies))
    deployment.publisher(region).publish()


@main.command()
@_data
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--origin", help="This server's name in sign-in challenges. Default: HOST:PORT. 本服务名称")
@told
def serve(data: Path, host: str, port: int, origin: str | None) -> None:
    """Serve the HTTP API of every region in the data folder. 启动服务"""
    logs.configure()
    with _open(data) as deployment:
        if not deployment.regions():
            raise NotFound(f"{data} holds no region: begin with `yongzhi init`")
        service = Service(deployment)
        # Batches make many short-lived objects; what is there now lives as long as the process.
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        try:
            uvicorn.run(
                create_app(service, origin or f"{host}:{port}"),
                host=host,
                port=port,
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=10,
            )
        finally:
            service.close()


@main.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Key file. Default: NAME in the current folder. 密钥文件")
@told
def keygen(name: str, out: Path | None) -> None:
    """Make a key for an issuer: org:…, volunteer:…, region:…. 生成签名密钥"""
    key = keys.generate(check_issuer(name))
    path = out or Path(name.replace(":", "-"))
    keys.save(key, path)
    console.print(f"{path} (0600) — public key 公钥:")
    console.print(str(key.verifier), soft_wrap=True, highlight=False)


@main.command()
@_data
@_region
@told
def checkpoint(data: Path, region: str) -> None:
    """Sign a checkpoint at once and print it. 立即签署检查点"""
    with _open(data) as deployment:
        click.echo(deployment.publisher(region).publish(), nl=False)


# -- checking -------------------------------------------------------------------------------------


@main.command()
@_data
@click.option("--region", help="Only this region. 仅此地区")
@_json
@told
def audit(data: Path, region: str | None, as_json: bool) -> None:
    """Check every body, entry, tile, signature and checkpoint. 审计全部记录"""
    with _open(data) as deployment:
        codes = [region] if region else deployment.regions()
        found = [(code, audit_region(deployment, code)) for code in codes]
    if as_json:
        click.echo(json.dumps([_audited(code, report) for code, report in found], ensure_ascii=False))
    for code, report in found if not as_json else []:
        console.print(f"{code}: {report.events} events, {report.submissions} submissions, root {report.root.hex()}")
        for one in report.findings:
            console.print(f"  [red]position {one.position} event {one.event_id}: {one.detail}[/red]")
        console.print("  [green]everything holds 全部一致[/green]" if report.ok else "  [red]NOT intact 发现异常[/red]")
    if not all(report.ok for _, report in found):
        raise SystemExit(REFUSED)


def audit_region(deployment: Deployment, region: str) -> auditing.Report:
    """Audit a region against its own last checkpoint."""
    ledger, publisher = deployment.ledger(region), deployment.publisher(region)
    note = publisher.published
    signed = parse_checkpoint(notes.parse(note).text) if note else None
    with deployment.database.read() as cursor:
        return auditing.audit(cursor, ledger.schema, region, ledger.origin, signed)


def _audited(code: str, report: auditing.Report) -> dict[str, Any]:
    return {
        "region": code,
        "ok": report.ok,
        "events": report.events,
        "submissions": report.submissions,
        "root": report.root.hex(),
        "findings": [{"position": one.position, "id": one.event_id, "detail": one.detail} for one in report.findings],
    }


@main.command()
@_data
@click.option("--region", help="Only this region. 仅此地区")
@_json
@told
def rebuild(data: Path, region: str | None, as_json: bool) -> None:
    """Rebuild every projection from events and compare it with the live one. 由事件重建全部统计"""
    results = []
    with _open(data) as deployment, Progress(console=errors) as progress:
        for code in [region] if region else deployment.regions():
            ledger = deployment.ledger(code)
            task = progress.add_task(f"{code} totals", total=None)
            told = functools.partial(_advance, progress, task)
            result = rebuild_projection(Totals(deployment.database, ledger.schema), ledger, told)
            results.append((code, result))
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "region": code,
                        "projection": "totals",
                        "events": one.events,
                        "seconds": round(one.seconds, 3),
                        "differences": one.differences,
                        "examples": one.examples,
                    }
                    for code, one in results
                ],
                ensure_ascii=False,
            )
        )
    for code, one in results if not as_json else []:
        verdict = (
            "[green]nothing differs 完全一致[/green]" if one.same else f"[red]differs 有差异 {one.differences}[/red]"
        )
        console.print(f"{code} totals: {one.events} events in {one.seconds:.1f} s: {verdict}")
        for example in one.examples:
            console.print(f"  {example}")
    if not all(one.same for _, one in results):
        raise SystemExit(REFUSED)


def _advance(progress: Progress, task: TaskID, done: int, size: int) -> None:
    progress.update(task, completed=done, total=size)


# -- reading --------------------------------------------------------------------------------------


@main.command()
@click.argument("who", required=False)
@_data
@_region
@_url
@_key
@_json
@told
def totals(who: str | None, data: Path, region: str, url: str | None, key: Path | None, as_json: bool) -> None:
    """Totals of WHO (volunteer:…, org:…), or of the region. 查询志愿者、组织或地区的服务时长

    With --url and --key they are asked of a server; otherwise read in the data folder, as its operator may.
    """
    if who is not None:
        check_issuer(who)
    found = _ask(url, key, region, who) if url else _read(data, region, who)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        console.print(totals_table(who or region, found))


def _ask(url: str, key: Path | None, region: str, who: str | None) -> dict[str, Any]:
    with Client(url) as client:
        if key is not None:
            client.sign_in(keys.load(key), region)
        paths = {"volunteer": f"/volunteers/{who}", "org": f"/organisations/{who}/totals"}
        path = "/totals" if who is None else paths.get(issuer_kind(who), "/totals")
        found: dict[str, Any] = client.get(f"/v1/regions/{region}{path}")
        return found


def _read(data: Path, region: str, who: str | None) -> dict[str, Any]:
    with _open(data) as deployment:
        ledger = deployment.ledger(region)
        catch_up(Totals(deployment.database, ledger.schema), ledger)
        view = TotalsView(deployment.database, ledger.schema)
        match issuer_kind(who) if who else "region":
            case "volunteer":
                found = view.volunteer(str(who))
            case "org":
                found = view.organisation(str(who))
            case _:
                found = view.region()
    return as_dict(found)


def as_dict(found: Breakdown) -> dict[str, Any]:
    """A breakdown as the API writes it."""
    one = {"total": found.total} | {"by_year": found.by_year} | {"by_category": found.by_category}
    built: dict[str, Any] = json.loads(json.dumps(one | {"by_organisation": found.by_organisation}, default=_sum))
    return built


def _sum(value: Any) -> dict[str, int]:
    return {"minutes": value.minutes, "entries": value.entries}


def totals_table(title: str, found: dict[str, Any]) -> Table:
    """Hours by state, in all and under each heading."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for state in STATES:
        table.add_column(STATE_NAMES[state], justify="right")
    table.add_row("total 合计", *(hours(found["total"].get(state)) for state in STATES))
    for heading in ("by_year", "by_category", "by_organisation"):
        for name, sums in sorted(found.get(heading, {}).items()):
            table.add_row(name, *(hours(sums.get(state)) for state in STATES))
    return table


STATE_NAMES: Final = {
    "counted": "counted 计入",
    "pending": "pending 待核准",
    "contested": "contested 时间重叠",
    "disputed": "disputed 有异议",
    "withdrawn": "withdrawn 已撤回",
}


def hours(one: dict[str, int] | None) -> str:
    return f"{one['minutes'] // 60}:{one['minutes'] % 60:02} ({one['entries']})" if one and one["entries"] else "–"


from api import demo as _demo  # noqa: E402,F401 - adds its command to the group

if __name__ == "__main__":
    main()
