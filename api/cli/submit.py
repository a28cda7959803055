"""`yongzhi submit`: an organisation's own file, or drafts of any events, signed and sent; safe to run again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from api.cli import common
from api.client.client import Client, Told
from api.client.queue import Outbox, Sent
from api.sheets.mapping import Entry, to_entries
from api.sheets.problems import RowProblem, SheetError
from api.sheets.reading import Sheet, read
from ledger.crypto import keys
from ledger.crypto.keys import SigningKey
from ledger.errors import Conflict, Invalid, LedgerError, Rejected, Unavailable
from ledger.events import drafts
from ledger.events.submission import pack, seal
from ledger.limits import SUBMISSION_BYTES_MAX, SUBMISSION_EVENTS_MAX

# What stands in a file is shown as it stands there, never taken for markup.
console = Console(markup=False, emoji=False)
errors = Console(stderr=True, markup=False, emoji=False)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@common.data
@common.region
@click.option("--url", envvar="YONGZHI_URL", default="http://127.0.0.1:8000", show_default=True, help="服务地址")
@click.option(
    "--key", "key_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True,
    help="Key file of the issuer. 签名密钥文件",
)  # fmt: skip
@click.option(
    "--write", type=click.Path(path_type=Path), help="Write the request instead of sending it. 只生成请求文件"
)
@click.option("--origin", help="Name of the log; asked of the server otherwise. 日志名称")
@click.option("--again", is_flag=True, help="Send rows whose reference was sent in another file too. 允许重复行号")
@common.as_json
@common.told
def submit(
    file: Path,
    data: Path,
    region: str,
    url: str,
    key_file: Path,
    write: Path | None,
    origin: str | None,
    again: bool,
    as_json: bool,
) -> None:
    """Submit FILE: hours as CSV, XLSX or JSON lines, or drafts of any events as JSON lines. 提交服务记录

    Every bad row is told before anything is signed. Run again after a break, it goes on where it stopped.
    """
    key = keys.load(key_file)
    with Client(url) as client:
        log = origin or str(client.region(region)["origin"])
        if _holds_drafts(file):
            told = _submit_drafts(client, file, region, key, log, write)
        else:
            told = _submit_hours(client, file, data, region, key, log, write, again)
    _tell(told, as_json)


def _tell(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
    elif "written" in told:
        console.print(f"written 已生成: {told['written']} ({told['events']} events)")
    else:
        repeated = " — all of it was there before 此前已提交" if not told["new"] else ""
        console.print(
            f"{told['events']} events accepted 已接收，position 位置 {told['first']}–{told['last']}{repeated}"
        )


# -- hours ----------------------------------------------------------------------------------------


def _submit_hours(
    client: Client, file: Path, data: Path, region: str, key: SigningKey, origin: str, write: Path | None, again: bool
) -> dict[str, Any]:
    sheet = read(file)
    if write is not None:
        entries = _entries(sheet, key, region)
        bodies = [entry.body for entry in entries]
        return _write(write, pack(seal(bodies, key, origin), bodies), len(bodies))
    with Outbox(data / "outbox", digest=sheet.digest, key=key, region=region, origin=origin) as outbox:
        if not outbox.prepared:
            entries = _entries(sheet, key, region)
            if not again:
                _refuse_sent(outbox.earlier([entry.ref for entry in entries if entry.ref is not None]))
            outbox.prepare(entries)
        return _send(client, outbox, region)


def _entries(sheet: Sheet, key: SigningKey, region: str) -> list[Entry]:
    try:
        with Progress(console=errors, transient=True) as progress:
            return to_entries(
                sheet,
                issuer=key.name,
                ledger=region,
                now=int(time.time()),
                watch=lambda rows: progress.track(rows, description="check 检查"),
            )
    except SheetError as error:
        _show_problems(error.problems)
        raise


def _show_problems(problems: Sequence[RowProblem]) -> None:
    table = Table("row 行", "column 列", "code", "", "")
    for one in problems[:200]:
        table.add_row(str(one.row or "–"), one.column or "–", one.code, one.zh, one.en)
    errors.print(table)


def _refuse_sent(sent: Sequence[Sent]) -> None:
    if sent:
        rows = ", ".join(f"{one.ref} (row {one.row} of file {one.digest[:12]}…)" for one in sent[:20])
        raise Conflict(
            f"{len(sent)} row(s) were sent in another file: {rows}. To change an entry, correct it; to send all the"
            " same, say --again. 这些行已在其他文件中提交过；如需修改请提交更正，确需重复提交请加 --again"
        )


def _send(client: Client, outbox: Outbox, region: str) -> dict[str, Any]:
    new = False
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task("submit 提交", total=sum(len(batch.items) for batch in outbox.batches))
        progress.advance(task, sum(len(batch.items) for batch, _ in outbox.answers()))
        for path, request in outbox.pending():
            items = outbox.batch(path).items
            try:
                answer, fresh = client.send(region, request)
            except Told as error:
                if error.nothing_written:
                    outbox.refused(path)
                _show_refused(error, [item.row for item in items])
                raise Rejected(error.detail) from None
            outbox.done(path, answer)
            new = new or fresh
            progress.advance(task, len(items))
    positions = [event.position for _, answer in outbox.answers() for event in answer.events]
    return {"region": region, "events": len(positions), "first": min(positions), "last": max(positions), "new": new}


def _show_refused(error: Told, rows: Sequence[int]) -> None:
    """What the ledger refused, by the rows of the file instead of places in a request."""
    table = Table("row 行", "code", "field", "")
    for one in error.problem.get("errors", []):
        index = one.get("index")
        row = str(rows[index]) if isinstance(index, int) and index < len(rows) else "–"
        table.add_row(row, str(one.get("code")), str(one.get("pointer")), str(one.get("detail")))
    errors.print(table)


# -- drafts ---------------------------------------------------------------------------------------


def _holds_drafts(file: Path) -> bool:
    """JSON lines whose first object has a `type` are drafts of events; all else is a file of hours."""
    if file.suffix.lower() not in (".jsonl", ".ndjson", ".json"):
        return False
    first = next(_lines(file, 1), "")
    try:
        found = json.loads(first)
    except ValueError:
        return False  # whoever reads hours will say what is wrong with it
    return isinstance(found, dict) and "type" in found


def _lines(file: Path, limit: int = SUBMISSION_EVENTS_MAX + 1) -> Iterator[str]:
    if file.stat().st_size > SUBMISSION_BYTES_MAX:
        raise Invalid(f"{file} is over {SUBMISSION_BYTES_MAX} bytes")
    try:
        with file.open(encoding="utf-8-sig") as text:
            for line in text:
                if line.strip() and limit:
                    limit -= 1
                    yield line
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"cannot read {file}: {error}") from None


def _submit_drafts(
    client: Client, file: Path, region: str, key: SigningKey, origin: str, write: Path | None
) -> dict[str, Any]:
    bodies, private = [], {}
    for number, line in enumerate(_lines(file), 1):
        try:
            draft = json.loads(line)
            if not isinstance(draft, dict):
                raise Invalid("not a JSON object")
            body, details = drafts.body(draft, key.name, region)
        except (ValueError, LedgerError) as error:
            pointer = f" at {error.pointer}" if isinstance(error, Invalid) and error.pointer else ""
            raise Invalid(f"line {number}{pointer}: {error}") from None
        bodies.append(body)
        private.update(details)
    request = pack(seal(bodies, key, origin), bodies, private)
    if write is not None:
        return _write(write, request, len(bodies))
    answer, new = client.send(region, request)
    found = json.loads(answer)
    last = found["first"] + found["count"] - 1
    return {"region": region, "events": found["count"], "first": found["first"], "last": last, "new": new}


def _write(path: Path, request: bytes, events: int) -> dict[str, Any]:
    if len(request) > SUBMISSION_BYTES_MAX:
        raise Invalid(f"the request would have {len(request)} bytes, over {SUBMISSION_BYTES_MAX}: split the file")
    path.write_bytes(request)
    return {"written": str(path), "events": events}
