"""`yongzhi export` and `import`: a whole record as a file that whoever holds it checks without a server."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click
from rich.console import Console
from rich.table import Table

from api.cli import common
from api.cli.federation.checks import THERE
from api.cli.misconduct import name_in, pin_option, tell, trust_option, trusted_by
from api.cli.prove import check_folder, save
from api.cli.recovery import recover
from api.client.client import Client, Told
from api.wording.totals import STATE_NAMES, hours
from ledger.crypto import keys
from ledger.errors import Invalid, NotYet, Unavailable
from ledger.evidence import misconduct
from ledger.exchange import mirror, record_files, stating
from ledger.exchange.desk import Desk
from ledger.exchange.record_files import RecordFile
from ledger.federation.trust_bundle import Trust
from ledger.files import read, write
from ledger.ids import check_volunteer
from ledger.limits import BODY_BYTES_MAX, NOTE_BYTES_MAX

console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)

_POLL_SECONDS: Final = 0.5
_WAIT_SECONDS: Final = 120
_PIECE: Final = 1024 * 1024
_OUT: Final = click.Path(path_type=Path, dir_okay=False)
_PARTS: Final = {"vc": {".json": "credential", ".pdf": "pdf"}, "sd-jwt": {".jwt": "sd-jwt"}}
"""Files of a proof by its format."""


# -- export -------------------------------------------------------------------------------------------


@click.command()
@click.argument("volunteer", required=False)
@common.region
@common.data
@click.option("--url", envvar="YONGZHI_URL", help="A server, such as http://127.0.0.1:8000. 服务地址")
@click.option("--key", type=THERE, help="Sign in with it. 登录密钥")
@click.option("--out", type=_OUT, required=True, help="The file. 输出文件")
@click.option("--log", "whole", is_flag=True, help="The region's whole log with its bodies: a mirror. 导出整个日志镜像")
@click.option(
    "--proofs",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --url: also save the proofs of service that stand, into this folder. 同时保存有效证明",
)
@common.as_json
@common.told
def export(
    volunteer: str | None,
    region: str,
    data: Path,
    url: str | None,
    key: Path | None,
    out: Path,
    whole: bool,
    proofs: Path | None,
    as_json: bool,
) -> None:
    """Save VOLUNTEER's whole record, as its home states it, in a file that anyone can check. 导出完整服务记录

    With --url and --key it is fetched by the volunteer, or for one by the region; otherwise it is made of the data
    folder, as its operator may.
    """
    if (url is None) is not (key is None) or (proofs is not None and url is None):
        raise click.UsageError("--url and --key belong together, and --proofs goes with them")
    check_folder(out)
    if whole:
        if volunteer is not None or url is not None:
            raise click.UsageError("--log is of a whole region, out of its data folder")
        _mirror(data, region, out, as_json)
        return
    saved: list[str] = []
    if url is not None and key is not None:
        signing = keys.load(key)
        whose = check_volunteer(volunteer or signing.name)
        with Client(url) as client:
            client.sign_in(signing, region)
            _fetch(client, f"/v1/regions/{region}/volunteers/{whose}/record", out)
            if proofs is not None:
                saved = _save_proofs(client, f"/v1/regions/{region}/proofs", whose, proofs)
    elif volunteer is None:
        raise click.UsageError("whose record? VOLUNTEER is needed")
    else:
        _make(data, region, check_volunteer(volunteer), out)
    if as_json:
        click.echo(json.dumps({"file": str(out), "bytes": out.stat().st_size, "proofs": saved}))
    else:
        console.print(f"{out} — check it with 核对: yongzhi import {out} --check --trust BUNDLE --pin KEY")
        for name in saved:
            console.print(f"  {name}")


def _mirror(data: Path, region: str, out: Path, as_json: bool) -> None:
    """Write the whole log with its bodies: personal records, so the file is the operator's alone."""
    with (
        common.opened(data) as deployment,
        closing(mirror.write(deployment.ledger(region))) as lines,
        _replacing(out) as file,
    ):
        file.writelines(lines)
    if as_json:
        click.echo(json.dumps({"file": str(out), "bytes": out.stat().st_size}))
    else:
        console.print(f"{out} (0600)")


def _make(data: Path, region: str, volunteer: str, out: Path) -> None:
    with common.opened(data) as deployment:
        publisher = deployment.publisher(region)
        publisher.publish()
        desk = Desk(deployment.issuer(region), lambda: publisher.published)
        stated = stating.state(desk, volunteer)
        publisher.publish()
        with _replacing(out) as file:
            file.writelines(stating.export(desk, stated))


def _fetch(client: Client, path: str, out: Path) -> None:
    """Save a record that the home may have to state anew first."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            with _replacing(out) as file:
                client.save(path, file, lambda _: None)
            return
        except Told as told:
            if told.code != NotYet.code:
                raise
        if time.monotonic() > deadline:
            raise NotYet("no checkpoint covers the statement yet: ask again later")
        time.sleep(_POLL_SECONDS)


@contextmanager
def _replacing(out: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `out` once it is whole."""
    part = out.with_name(out.name + ".part")
    try:
        # Whose hours they are is their owner's business.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
        part.replace(out)
    except OSError as error:
        raise Unavailable(f"cannot write {out}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _save_proofs(client: Client, base: str, volunteer: str, folder: Path) -> list[str]:
    """The files of every proof that stands; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    for one in _proofs(client, base, volunteer):
        if one["state"] == "issued" and one["ready"]:
            for suffix, part in _PARTS[one["format"]].items():
                save(client, f"{base}/{one['id']}", part, folder / (one["id"] + suffix))
                saved.append(str(folder / (one["id"] + suffix)))
    return saved


def _proofs(client: Client, base: str, volunteer: str) -> Iterator[dict[str, Any]]:
    asked: dict[str, str | int] = {"limit": 100, "volunteer": volunteer}
    while True:
        page = client.get(base, **asked)
        yield from page["proofs"]
        if page["next"] is None:
            return
        asked["cursor"] = page["next"]


# -- import -------------------------------------------------------------------------------------------


@click.command("import")
@click.argument("file", type=THERE)
@click.option("--check", "checking", is_flag=True, help="Check it, without a network. 离线核对")
@trust_option
@pin_option
@click.option(
    "--missing",
    type=(THERE, THERE),
    metavar="BODY RECEIPT",
    help="An event that is left out, and its receipt. 被漏列的事件及其存证",
)
@click.option("--out", type=_OUT, help="With --missing: evidence of that, for anyone. 漏列证据文件")
@click.option("--region", help="Take the record over into this region: its home is gone. 接收已终止地区的记录")
@common.data
@common.as_json
@common.told
def import_(
    file: Path,
    region: str | None,
    data: Path,
    checking: bool,
    trust: Path | None,
    pins: Sequence[str],
    missing: tuple[Path, Path] | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Check the record in FILE: every event, that none is left out, and what they come to. 核对服务记录文件

    Exit status: 0 it holds, 1 it does not, or --missing is proven to be left out, 5 something cannot be read.

    With --region it is taken over, when the installed federation says that its home has ended: announced first, and
    accepted by the same command once the waiting time is over and enough peers endorse it.
    """
    if region is not None:
        if checking or trust is not None or missing is not None:
            raise click.UsageError("--region goes by the federation that is installed, and checks by itself")
        recover(data, region, _pieces(file), as_json)
        return
    if not checking or trust is None:
        raise click.UsageError("--check and --trust are needed: whom to believe about the record in this file")
    if (missing is None) is not (out is None):
        raise click.UsageError("--missing and --out belong together")
    trusted = trusted_by(trust, pins)
    found = record_files.open_file(_pieces(file), trusted)
    if as_json:
        click.echo(json.dumps(_as_json(found), ensure_ascii=False))
    else:
        _show(found, trusted)
    if missing is not None and out is not None:
        body, receipt = read(missing[0], BODY_BYTES_MAX), read(missing[1], 2 * NOTE_BYTES_MAX)
        evidence = record_files.missing_from(found, body, _text(receipt), trusted)
        write(out, evidence)
        tell(misconduct.check(evidence, trusted.log_keys), trusted, as_json)
        if not as_json:
            console.print(f"{out} — show it to whom it concerns 请出示给有关方")
        raise SystemExit(common.REFUSED)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Invalid("a receipt is text") from None


def _pieces(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None


def _by_state(found: RecordFile) -> dict[str, dict[str, int]]:
    states: dict[str, dict[str, int]] = defaultdict(lambda: {"minutes": 0, "entries": 0})
    for one in found.manifest.sums:
        states[one.state]["minutes"] += one.minutes
        states[one.state]["entries"] += one.entries
    return dict(states)


def _as_json(found: RecordFile) -> dict[str, Any]:
    manifest = found.manifest
    names = ("region", "origin", "volunteer", "aliases", "size", "events", "root", "entries")
    sums = [
        {"category": one.category, "state": one.state, "entries": one.entries, "minutes": one.minutes}
        for one in manifest.sums
    ]
    stated = {"position": found.stated[1].position, "time": found.stated[1].event.time}
    logs = sorted({one.origin for _, one in found.record})
    members = {name: getattr(manifest, name) for name in names}
    return {**members, "stated": stated, "logs": logs, "sums": sums, "by_state": _by_state(found)}


def _show(found: RecordFile, trusted: Trust) -> None:
    manifest, stated = found.manifest, found.stated[1].event
    console.print(f"{manifest.volunteer} — {name_in(trusted)(manifest.origin)}, {stated.time}")
    for name in manifest.aliases:
        console.print(f"  also 又名 {name}")
    console.print(
        f"  complete and proven 完整且可核验: {manifest.events} events 事件, {manifest.entries} entries 条记录"
    )
    table, states = Table("", "hours (entries) 时长（条数）"), _by_state(found)
    for state in states:
        table.add_row(STATE_NAMES[state], hours(states[state]))
    console.print(table)
