"""`yongzhi conservation`: where every minute is, over all the regions that one can read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from api.cli import common
from api.wording.totals import hours
from ledger.audit.conservation import examine_databases
from ledger.audit.conservation import regions as regions_in
from ledger.audit.shares import RULES, Report, Share, Sums
from ledger.errors import NotFound
from ledger.store import schema
from ledger.store.exchange.conservation import Schemas
from ledger.store.postgres.database import Database

console = Console()
Source = tuple[Database, Schemas]


@click.command("conservation")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    multiple=True,
    help="A data folder, with all its regions; may be given several times. Default: var. 数据目录，可多次给出",
)
@click.option("--database-url", "urls", multiple=True, help="A database, with all its regions. 数据库地址，可多次给出")
@common.as_json
@common.told
def main(data: Sequence[Path], urls: Sequence[str], as_json: bool) -> None:
    """Where every minute is, in all regions at hand: none lost, none counted twice. 核对各地区时长守恒

    Nothing is written. Status 1 when something is wrong.
    """
    with _sources(data or ([] if urls else [Path("var")]), urls) as sources:
        report = examined(sources)
    if as_json:
        click.echo(json.dumps(as_dict(report), ensure_ascii=False))
    else:
        _show(report)
    if not report.ok:
        raise SystemExit(common.REFUSED)


@contextlib.contextmanager
def _sources(folders: Sequence[Path], urls: Sequence[str]) -> Iterator[list[Source]]:
    """The databases with those of their regions that are to be compared, each region once."""
    with contextlib.ExitStack() as stack:
        found: list[Source] = []
        for folder in folders:
            deployment = stack.enter_context(common.opened(folder))
            found.append((deployment.database, _schemas(deployment.regions(), found)))
        for url in urls:
            database = Database(url)
            stack.callback(database.close)
            found.append((database, _schemas(regions_in(database), found)))
        if not any(schemas for _, schemas in found):
            raise NotFound("no region is to be found there")
        yield found


def _schemas(codes: Sequence[str], before: Sequence[Source]) -> Schemas:
    known = {code for _, schemas in before for code in schemas}
    return {code: schema.region_schema(code) for code in codes if code not in known}


def examined(sources: Sequence[Source]) -> Report:
    """What holds in one database at one moment; over several, what was wrong at two moments in a row.

    Snapshots of several databases are not of one moment: what moved between them would look lost.
    """
    report = examine_databases(sources)
    if report.ok or len(sources) == 1:
        return report
    again = examine_databases(sources)
    again.findings = [one for one in again.findings if one in report.findings]
    return again


# -- what is shown ----------------------------------------------------------------------------------


def as_dict(report: Report) -> dict[str, Any]:
    """The report as JSON says it."""
    return {
        "ok": report.ok,
        "distinct": asdict(report.distinct),
        "regions": {
            code: {
                "home": asdict(share.home),
                "transit": _plain(share.transit),
                "on_the_way": asdict(share.way),
                "aside": asdict(share.aside),
                "elsewhere": _plain(share.elsewhere),
            }
            for code, share in report.regions.items()
        },
        "with_others": _plain(report.others),
        "findings": [one._asdict() for one in report.findings],
    }


def _plain(sums: dict[str, Sums]) -> dict[str, Any]:
    return {code: asdict(one) for code, one in sorted(sums.items())}


def _show(report: Report) -> None:
    table = Table()
    table.add_column("region 地区")
    for name in ("at home 归属", "in transit 转移中", "on the way 在途", "aside 待处理", "elsewhere 归属他处"):
        table.add_column(name, justify="right")
    for code, share in sorted(report.regions.items()):
        table.add_row(code, *_cells(share))
    console.print(table)
    for code, sums in sorted(report.others.items()):
        console.print(f"with {code}, not looked at 归属 {code}，未核对: {hours(asdict(sums))}")
    console.print(f"all, each once 合计（每条一次）: {hours(asdict(report.distinct))}")
    for one in report.findings:
        rule = RULES[one.kind]
        console.print(f"  {one.kind} — {rule.en} {rule.zh}: {one.detail}", style="red", markup=False)
    console.print(
        "[green]nothing lost, nothing twice 无遗漏、无重复[/green]" if report.ok else "[red]NOT conserved 不守恒[/red]"
    )


def _cells(share: Share) -> Iterator[str]:
    for one in (share.home, share.transit, share.way, share.aside, share.elsewhere):
        if isinstance(one, Sums):
            yield hours(asdict(one))
        else:
            yield "\n".join(f"{code} {hours(asdict(sums))}" for code, sums in sorted(one.items())) or "–"
