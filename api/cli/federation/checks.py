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

from api.cli import common
from api.cli.federation import edits
from api.deployment import installed_federation
from ledger.crypto import keys
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.errors import Untrusted
from ledger.federation import trust_bundle
from ledger.federation.members import Federation, Region
from ledger.federation.trust_bundle import Trust
from ledger.files import read, write
from ledger.ids import parse_time
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
@common.as_json
@common.told
def show(file: Path, as_json: bool) -> None:
    """Show what FILE says. Whoever signed it: nothing of it is checked. 显示文件内容（未核对签名）"""
    data = read(file)
    _show(data, trust_bundle.unchecked(data).federation, as_json)


@click.command()
@file_argument
@pin
@_after
@click.option("--at", help="Check as of this time. 核对时间")
@common.as_json
@common.told
def check(file: Path, pins: Sequence[str], after: Path | None, at: str | None, as_json: bool) -> None:
    """Check that FILE is signed by keys you trust, or follows on --after, and is in force. 核对信任文件

    Exit status: 0 it is, 1 it is not, 5 it cannot be read.
    """
    now, data = int(time.time()) if at is None else parse_time(at), read(file)
    if not pins:
        raise click.UsageError("--pin is needed: a key that signs this federation, or signed the one it follows")
    if after is None:
        found = trust_bundle.open_bundle(data, vkeys(pins), now)
        _show(data, found.federation, as_json)
    else:
        old = trust_bundle.open_old(read(after), vkeys(pins))
        found = trust_bundle.follow(old, data, now)
        _show(data, found.federation, as_json, edits.differences(old.federation, found.federation))


@click.command()
@file_argument
@click.option("--key", "signing", type=THERE, required=True, help="Sign with it. 签名密钥文件")
@_after
@pin
@click.option("--yes", is_flag=True, help="Do not ask. 不再询问")
@common.told
def sign(file: Path, signing: Path, after: Path | None, pins: Sequence[str], yes: bool) -> None:
    """Add your signature to FILE, once you have read what it says. 追加签名

    With --after it shows what is new since that file, and refuses a key that is no signer's there.
    """
    data, key = read(file), keys.load(signing)
    found, changes = trust_bundle.unchecked(data).federation, []
    signers = found.keys
    if after is not None:
        before = trust_bundle.open_old(read(after), [*vkeys(pins), key.verifier], 1).federation
        trust_bundle.check_after(before, found)
        signers, changes = before.keys, edits.differences(before, found)
    if key.verifier.public not in {parse_vkey(one).public for one in signers}:
        raise Untrusted(f"{key.name} is no signer of {found.name}: give the file before with --after, if it was one")
    _show(data, found, False, changes)
    if not yes:
        click.confirm("Sign this? 确定签署？", abort=True)
    signed = trust_bundle.countersign(data, key)
    write(file, signed)
    known = list(map(parse_vkey, signers))
    console.print(f"signatures 签名 {len(trust_bundle.signed_by(signed, known))}")


@click.command()
@file_argument
@common.data
@pin
@common.as_json
@common.told
def install(file: Path, data: Path, pins: Sequence[str], as_json: bool) -> None:
    """Make FILE the federation of the servers of this data folder. 安装联盟文件

    The first one under --pin, a signer's key that you learnt from somebody you trust; each later one as its
    predecessor says.
    """
    found = installed_federation.install(data, read(file), int(time.time()), vkeys(pins))
    own = installed_federation.own_logs(data)
    absent = [code for code, key in own.items() if found.by_origin(key.name) is None]
    members = {"name": found.federation.name, "serial": found.federation.serial, "absent": absent}
    if as_json:
        click.echo(json.dumps(members, ensure_ascii=False))
        return
    console.print(
        f"{data / installed_federation.FILE} — {found.federation.name}, serial 序号 {found.federation.serial}"
    )
    for code in absent:
        console.print(f"  {code} is not in it: its peers do not know it yet. 尚未加入联盟。")


# -- showing ------------------------------------------------------------------------------------------


def _show(data: bytes, found: Federation, as_json: bool, changes: Sequence[str] = ()) -> None:
    signed = trust_bundle.signed_by(data, map(parse_vkey, found.keys))
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
