"""Taking over a record whose home is gone, as an operator does it with `yongzhi import --region`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console

from api.cli import common
from api.peers.exchange import exchanges
from ledger.errors import NotFound
from ledger.exchange import record_files, recovery
from ledger.exchange.recovery import Progress
from ledger.ids import format_time

console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)


def recover(data: Path, region: str, pieces: Iterable[bytes], as_json: bool) -> None:
    """Announce the recovery of the record in a file, or complete it; say where it stands."""
    with common.opened(data) as deployment:
        exchange = exchanges(deployment).get(region)
        if exchange is None:
            raise NotFound(f"{data} holds no region {region}")
        trust = exchange.federation()
        exchange.publisher.publish()
        progress = recovery.recover(exchange.desk, trust, record_files.open_file(pieces, trust))
        exchange.publisher.publish()
    if as_json:
        click.echo(json.dumps(_as_dict(progress)))
    else:
        _show(progress)


def _as_dict(progress: Progress) -> dict[str, object]:
    return {
        "transfer": progress.transfer,
        "state": "announced" if progress.accepted is None else "accepted",
        "position": progress.accepted,
        "until": format_time(progress.until) if progress.until else None,
        "endorsed": list(progress.endorsed),
        "quorum": progress.quorum,
    }


def _show(progress: Progress) -> None:
    if progress.accepted is not None:
        console.print(f"accepted at position {progress.accepted}: the record is at home here 已接收，记录归属本地区")
        return
    console.print(f"announced 已公告: transfer {progress.transfer}")
    console.print(f"  until 等待至 {format_time(progress.until)}")
    console.print(f"  endorsed 已同意: {len(progress.endorsed)} of {progress.quorum} {' '.join(progress.endorsed)}")
    console.print("  run this again then 届时请再次运行本命令")
