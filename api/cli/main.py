"""The command line `yongzhi`.

Exit status: 0 done, 1 refused or invalid, 2 wrong usage, 3 revoked, 4 status unknown, 5 out of reach.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import signal
import sys
from pathlib import Path
from typing import Any, ClassVar

import click
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.text import Text

from api import cli_common, logs, reports
from api.client import Client
from ledger import audit as auditing
from ledger import keys
from ledger.codes import region_name
from ledger.errors import NotFound, Unavailable
from ledger.ids import check_issuer, check_volunteer, issuer_kind
from projections.engine import catch_up
from projections.engine import rebuild as rebuild_projection
from projections.outgoing import Outgoing
from projections.totals import Totals
from projections.views import Breakdown, TotalsView, VolunteerTotals

_NOT_STARTED = 3
"""With which uvicorn exits when it cannot listen; of ours it would mean revoked."""

console = Console()
errors = Console(stderr=True)


class Commands(click.Group):
    """Commands of other modules are imported when they are named: each brings libraries that the others do without."""

    ELSEWHERE: ClassVar = {
        "conservation": "api.conservation_command:main",
        "demo": "api.demo:demo",
        "export": "api.record_commands:export",
        "federation": "api.federating:main",
        "import": "api.record_commands:import_",
        "misconduct": "api.misconduct_command:main",
        "proof-keys": "api.proof_commands:proof_keys",
        "proofs": "api.proof_commands:proofs",
        "prove": "api.proof_commands:prove",
        "submit": "api.submitting:submit",
        "transfer": "api.transfer_commands:main",
        "trust": "api.verifying:trust",
        "verify": "api.verifying:verify",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All, by name."""
        return sorted([*super().list_commands(ctx), *self.ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them, or None."""
        if cmd_name not in self.ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.ELSEWHERE[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found


@click.group(cls=Commands)
@click.version_option(package_name="yongzhi")
def main() -> None:
    """Yongzhi 永志: a service-record ledger for volunteering. 志愿服务记录账本"""


# -- setting up and serving -----------------------------------------------------------------------


@main.command()
@cli_common.data
@cli_common.region
@click.option("--origin", required=True, help="Name of its log, such as ledger.example/441300. 日志名称")
@click.option("--name-en", required=True, help="The region's name in English. 英文名称")
@click.option("--url", help="Where it is served, as proofs name it. Default: https:// and the origin's host. 服务网址")
@cli_common.told
def init(data: Path, region: str, origin: str, name_en: str, url: str | None) -> None:
    """Establish a region: its keys, its tables, its first events. 建立一个地区的账本"""
    with cli_common.opened(data) as deployment:
        deployment.establish(region, origin, name_en, url)
        console.print(f"{region} {region_name(region)} established. 已建立。Give its log key to auditors:")
        console.print(Text(str(deployment.region_keys(region).log.verifier)), soft_wrap=True)
        console.print("Give the key of the trust bundle to whoever checks proofs. 请将信任包公钥交给核验方：")
        console.print(Text(str(deployment.federation_key().verifier)), soft_wrap=True)


@main.command()
@cli_common.data
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--origin", help="This server's name in sign-in challenges. Default: HOST:PORT. 本服务名称")
@cli_common.told
def serve(data: Path, host: str, port: int, origin: str | None) -> None:
    """Serve the HTTP API of every region in the data folder. 启动服务"""
    import uvicorn

    from api.app import create_app
    from api.service import Service

    logs.configure()
    # Or the process would end by it before the last checkpoint is signed and the embedded database stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with cli_common.opened(data) as deployment:
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
        except SystemExit as ended:
            if ended.code == _NOT_STARTED:
                raise Unavailable(f"cannot serve on {host}:{port}: is something else listening there?") from None
            raise
        finally:
            service.close()


@main.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Key file. Default: NAME in the current folder. 密钥文件")
@cli_common.told
def keygen(name: str, out: Path | None) -> None:
    """Make a key for an issuer: org:…, volunteer:…, region:…. 生成签名密钥"""
    key = keys.generate(check_issuer(name))
    path = out or Path(name.replace(":", "-"))
    keys.save(key, path)
    console.print(f"{path} (0600) — public key 公钥:")
    console.print(str(key.verifier), soft_wrap=True, highlight=False)


@main.command()
@cli_common.data
@cli_common.region
@cli_common.told
def checkpoint(data: Path, region: str) -> None:
    """Sign a checkpoint at once and print it. 立即签署检查点"""
    with cli_common.opened(data) as deployment:
        click.echo(deployment.publisher(region).publish(), nl=False)


@main.command()
@click.argument("volunteer")
@cli_common.data
@cli_common.region
@click.confirmation_option(prompt="Destroy the private details for good? 确定永久销毁个人信息？")
@cli_common.told
def erase(volunteer: str, data: Path, region: str) -> None:
    """Destroy VOLUNTEER's private details and their key; the record stays, under a pseudonym. 销毁个人信息

    What is kept of the volunteer's proofs goes with it, so proofs that stand are revoked first.
    """
    with cli_common.opened(data) as deployment:
        revoked, rows = deployment.erase(region, check_volunteer(volunteer))
    console.print(f"{revoked} proofs revoked 已撤销证明")
    console.print(f"{rows} sets of details destroyed 已销毁. The vault's backups expire as docs/operations.md says.")
    if not rows:
        raise NotFound(f"no private details of {volunteer} are kept in {region}")


# -- checking -------------------------------------------------------------------------------------


@main.command()
@cli_common.data
@cli_common.one_region
@cli_common.as_json
@cli_common.told
def audit(data: Path, region: str | None, as_json: bool) -> None:
    """Check every body, entry, tile, signature and checkpoint. 审计全部记录"""
    with cli_common.opened(data) as deployment:
        codes = [region] if region else deployment.regions()
        found = [(code, deployment.audit(code)) for code in codes]
    if as_json:
        click.echo(json.dumps([_audited(code, report) for code, report in found], ensure_ascii=False))
    for code, report in found if not as_json else []:
        console.print(f"{code}: {report.events} events, {report.submissions} submissions, root {report.root.hex()}")
        for one in report.findings:
            console.print(f"  position {one.position} event {one.event_id}: {one.detail}", style="red", markup=False)
        console.print("  [green]everything holds 全部一致[/green]" if report.ok else "  [red]NOT intact 发现异常[/red]")
    if not all(report.ok for _, report in found):
        raise SystemExit(cli_common.REFUSED)


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
@cli_common.data
@cli_common.one_region
@cli_common.as_json
@cli_common.told
def rebuild(data: Path, region: str | None, as_json: bool) -> None:
    """Rebuild every projection from events and compare it with the live one. 由事件重建全部统计"""
    results = []
    with cli_common.opened(data) as deployment, Progress(console=errors) as progress:
        for code in [region] if region else deployment.regions():
            ledger = deployment.ledger(code)
            for kind in (Totals, Outgoing):
                task = progress.add_task(f"{code} {kind.name}", total=None)
                told = functools.partial(_advance, progress, task)
                found = rebuild_projection(kind(deployment.database, ledger.schema), ledger, told)
                results.append((code, kind.name, found))
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "region": code,
                        "projection": name,
                        "events": one.events,
                        "seconds": round(one.seconds, 3),
                        "differences": one.differences,
                        "examples": one.examples,
                    }
                    for code, name, one in results
                ],
                ensure_ascii=False,
            )
        )
    for code, name, one in results if not as_json else []:
        verdict = (
            "[green]nothing differs 完全一致[/green]" if one.same else f"[red]differs 有差异 {one.differences}[/red]"
        )
        console.print(f"{code} {name}: {one.events} events in {one.seconds:.1f} s: {verdict}")
        for example in one.examples:
            console.print(f"  {example}", markup=False)
    if not all(one.same for *_, one in results):
        raise SystemExit(cli_common.REFUSED)


def _advance(progress: Progress, task: TaskID, done: int, size: int) -> None:
    progress.update(task, completed=done, total=size)


# -- reading --------------------------------------------------------------------------------------


@main.command()
@click.argument("who", required=False)
@cli_common.data
@cli_common.region
@click.option("--url", envvar="YONGZHI_URL", help="A server, such as http://127.0.0.1:8000. 服务地址")
@click.option("--key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Sign in with it. 登录密钥")
@cli_common.as_json
@cli_common.told
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
        console.print(reports.totals_table(who or region, found))


def _ask(url: str, key: Path | None, region: str, who: str | None) -> dict[str, Any]:
    with Client(url) as client:
        if key is not None:
            client.sign_in(keys.load(key), region)
        paths = {"volunteer": f"/volunteers/{who}", "org": f"/organisations/{who}/totals"}
        path = "/totals" if who is None else paths.get(issuer_kind(who), "/totals")
        found: dict[str, Any] = client.get(f"/v1/regions/{region}{path}")
        return found


def _read(data: Path, region: str, who: str | None) -> dict[str, Any]:
    with cli_common.opened(data) as deployment:
        ledger = deployment.ledger(region)
        catch_up(Totals(deployment.database, ledger.schema), ledger)
        view = TotalsView(deployment.database, ledger.schema)
        match issuer_kind(who) if who else "region":
            case "volunteer":
                found: Breakdown | VolunteerTotals = view.record(str(who)) or view.volunteer(str(who))
            case "org":
                found = view.organisation(str(who))
            case _:
                found = view.region()
    return reports.as_dict(found)
