"""`yongzhi audit` and `yongzhi rebuild`: check the log, and rebuild the projections from it."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, TaskID

from api.cli import common
from ledger.audit.report import Report
from projections.engine import rebuild as rebuild_projection
from projections.outbox import Outgoing
from projections.totals import Totals

# -- checking -------------------------------------------------------------------------------------

console = Console()
errors = Console(stderr=True)


@click.command()
@common.data
@common.one_region
@common.as_json
@common.told
def audit(data: Path, region: str | None, as_json: bool) -> None:
    """Check every body, entry, tile, signature and checkpoint. 审计全部记录"""
    with common.opened(data) as deployment:
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
        raise SystemExit(common.REFUSED)


def _audited(code: str, report: Report) -> dict[str, Any]:
    return {
        "region": code,
        "ok": report.ok,
        "events": report.events,
        "submissions": report.submissions,
        "root": report.root.hex(),
        "findings": [{"position": one.position, "id": one.event_id, "detail": one.detail} for one in report.findings],
    }


@click.command()
@common.data
@common.one_region
@common.as_json
@common.told
def rebuild(data: Path, region: str | None, as_json: bool) -> None:
    """Rebuild every projection from events and compare it with the live one. 由事件重建全部统计"""
    results = []
    with common.opened(data) as deployment, Progress(console=errors) as progress:
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
        raise SystemExit(common.REFUSED)


def _advance(progress: Progress, task: TaskID, done: int, size: int) -> None:
    progress.update(task, completed=done, total=size)
