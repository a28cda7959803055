"""`yongzhi federation show`, `check`, `sign`, `install`: what is done with a federation file that others made."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
from msgspec import UNSET
from rich.console import Console

from api import cli_common, federation_edits, federation_folder
from api.federation_folder import read, write
from ledger import federation, keys
from ledger.errors import Untrusted
from ledger.federation import Federation, Region, Trust
from ledger.ids import parse_time
from ledger.keys import VerifyingKey, parse_vkey
from ledger.limits import REQUEST_BYTES_MAX

console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)

THERE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
file_argument = click.argument("file", type=THERE)
pin = click.option("--pin", "pins", multiple=True, help="A key you trust: vkey, or a file of vkeys. 所信任的公钥")
_after = click.option("--after", type=THERE, help="The federation trusted so far, which this one follows. 此前的文件")


def vkeys(pins: Sequence[str]) -> list[VerifyingKey]:
    """Keys as they are given: each a vkey, or a file of them."""
    texts = (
        read(Path(pin), REQUEST_BYTES_MAX).decode(errors="replace") if Path(pin).is_file() else pin for pin in pins
    )
    return [parse_vkey(line.strip()) for text in texts for line in text.splitlines() if line.strip()]


@click.command()
@file_argument
@cli_common.as_json
@cli_common.told
def show(file: Path, as_json: bool) -> None:
    """Show what FILE says. Whoever signed it: nothing of it is checked. 显示文件内容（未核对签名）"""
    data = read(file)
    _show(data, federation.unchecked(data).federation, as_json)


@click.command()
@file_argument
@pin
@_after
@click.option("--at", help="Check as of this time. 核对时间")
@cli_common.as_json
@cli_common.told
def check(file: Path, pins: Sequence[str], after: Path | None, at: str | None, as_json: bool) -> None:
    """Check that FILE is signed by keys you trust, or follows on --after, and is in force. 核对信任文件

    Exit status: 0 it is, 1 it is not, 5 it cannot be read.
    """
    now, data = int(time.time()) if at is None else parse_time(at), read(file)
    if not pins:
        raise click.UsageError("--pin is needed: a key that signs this federation, or signed the one it follows")
    if after is None:
        found = federation.open_bundle(data, vkeys(pins), now)
        _show(data, found.federation, as_json)
    else:
        old = federation.open_old(read(after), vkeys(pins))
        found = federation.follow(old, data, now)
        _show(data, found.federation, as_json, federation_edits.differences(old.federation, found.federation))


@click.command()
@file_argument
@click.option("--key", "signing", type=THERE, required=True, help="Sign with it. 签名密钥文件")
@_after
@pin
@click.option("--yes", is_flag=True, help="Do not ask. 不再询问")
@cli_common.told
def sign(file: Path, signing: Path, after: Path | None, pins: Sequence[str], yes: bool) -> None:
    """Add your signature to FILE, once you have read what it says. 追加签名

    With --after it shows what is new since that file, and refuses a key that is no signer's there.
    """
    data, key = read(file), keys.load(signing)
    found, changes = federation.unchecked(data).federation, []
    signers = found.keys
    if after is not None:
        before = federation.open_old(read(after), [*vkeys(pins), key.verifier], 1).federation
        federation.check_after(before, found)
        signers, changes = before.keys, federation_edits.differences(before, found)
    if key.verifier.public not in {parse_vkey(one).public for one in signers}:
        raise Untrusted(f"{key.name} is no signer of {found.name}: give the file before with --after, if it was one")
    _show(data, found, False, changes)
    if not yes:
        click.confirm("Sign this? 确定签署？", abort=True)
    signed = federation.countersign(data, key)
    write(file, signed)
    known = list(map(parse_vkey, signers))
    console.print(f"signatures 签名 {len(federation.signed_by(signed, known))}")


@click.command()
@file_argument
@cli_common.data
@pin
@cli_common.as_json
@cli_common.told
def install(file: Path, data: Path, pins: Sequence[str], as_json: bool) -> None:
    """Make FILE the federation of the servers of this data folder. 安装联盟文件

    The first one under --pin, a signer's key that you learnt from somebody you trust; each later one as its
    predecessor says.
    """
    found = federation_folder.install(data, read(file), int(time.time()), vkeys(pins))
    own = federation_folder.own_logs(data)
    absent = [code for code, key in own.items() if found.by_origin(key.name) is None]
    members = {"name": found.federation.name, "serial": found.federation.serial, "absent": absent}
    if as_json:
        click.echo(json.dumps(members, ensure_ascii=False))
        return
    console.print(f"{data / federation_folder.FILE} — {found.federation.name}, serial 序号 {found.federation.serial}")
    for code in absent:
        console.print(f"  {code} is not in it: its peers do not know it yet. 尚未加入联盟。")


# -- showing ------------------------------------------------------------------------------------------


def _show(data: bytes, found: Federation, as_json: bool, changes: Sequence[str] = ()) -> None:
    signed = federation.signed_by(data, map(parse_vkey, found.keys))
    now, trust = int(time.time()), Trust(found)
    if as_json:
        members = {"name": found.name, "serial": found.serial, "issued": found.issued, "expires": found.expires}
        signers = {"keys": found.keys, "threshold": found.threshold, "signed_by": [str(key) for key in signed]}
        regions = [_region(one) | {"peer": trust.valid(one, now)} for one in found.regions]
        told = {**members, **signers, "regions": regions, "changes": list(changes)}
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    console.print(f"{found.name}, serial 序号 {found.serial}, {found.issued} – {found.expires}")
    console.print(f"next signers 下任签名者 ({found.threshold}/{len(found.keys)}):")
    for key in found.keys:
        console.print(f"  {'✓' if parse_vkey(key) in signed else ' '} {key}")
    for one in found.regions:
        console.print(f"{one.region} {one.name.zh} {one.name.en} — {one.origin}, {one.address}{_ended(one)}")
        for key in one.log_keys:
            console.print(f"    {key}")
    for line in changes:
        console.print(line)


def _region(one: Region) -> dict[str, Any]:
    members = {"region": one.region, "origin": one.origin, "address": one.address, "log_keys": one.log_keys}
    dates = {name: getattr(one, name) for name in ("closed", "valid_from", "valid_until", "sealing_key")}
    return members | {name: value for name, value in dates.items() if value is not UNSET}


def _ended(one: Region) -> str:
    last = one.last_checkpoint()
    end = "" if last is None else f", {last.size} events 条"
    return "" if one.closed is UNSET else f", closed 已关闭 {one.closed}{end}"


__all__ = ["check", "console", "file_argument", "install", "pin", "show", "sign", "vkeys"]
