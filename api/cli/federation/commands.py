"""`yongzhi federation`: whom regions of several servers trust, as a file that its signers make by hand.

A file is a trust bundle. Every change gives the next serial, signed by the keys at hand; where several have to sign,
the file goes round (`sign`) before it is given to servers (`install`) and verifiers.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from api.cli import common
from api.cli.federation import edits
from api.cli.federation.checks import THERE, check, console, file_argument, install, pin, show, sign, vkeys
from api.cli.federation.edits import Edit
from api.cli.federation.recognition import dismiss, recognise
from api.client.fetching import fetch, fetch_bundle
from ledger.crypto import keys
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.errors import Invalid, NotFound, Untrusted
from ledger.federation import trust_bundle
from ledger.federation.members import Federation
from ledger.federation.trust_bundle import Trust
from ledger.files import read, write
from ledger.ids import check_origin, parse_time
from ledger.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, RECOVERY_DAYS_MAX

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_key = click.option("--key", "signing", type=THERE, multiple=True, required=True, help="Sign with it. 签名密钥文件")
_days = click.option(
    "--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long it is good. 有效天数"
)
_threshold = click.option(
    "--threshold", type=click.IntRange(1, NOTE_SIGNATURES_MAX), help="How many of them sign the next one. 所需签名数"
)


def _editing(command: Callable[..., None]) -> Callable[..., None]:
    """The options of every command that makes the next federation out of FILE."""
    known = click.option("--known", multiple=True, help="A key that signed FILE, unless --key did. 已签署本文件的公钥")
    out = click.option("--out", type=_FILE, help="Default: in the place of FILE. 输出文件")
    for one in (common.as_json, out, _days, known, _key, file_argument):
        command = one(command)
    return command


@click.group("federation")
def main() -> None:
    """Whom regions trust: a file that its signers make and servers install. 地区间信任文件"""


@main.command()
@click.argument("name")
@click.option("--out", type=_FILE, required=True, help="Key file. 密钥文件")
@common.told
def keygen(name: str, out: Path) -> None:
    """Make a key for a signer; NAME is such as federation.example/huizhou. 生成联盟签名密钥"""
    key = keys.generate(check_origin(name))
    keys.save(key, out)
    console.print(f"{out} (0600) — public key 公钥:\n{key.verifier}")


@main.command()
@click.argument("file", type=_FILE)
@click.option("--name", required=True, help="Its name, such as federation.example. 联盟名称")
@_key
@click.option("--signer", "signers", multiple=True, help="A further signer: vkey, or a file of vkeys. 其他签名者公钥")
@_threshold
@_days
@common.as_json
@common.told
def create(
    file: Path,
    name: str,
    signing: Sequence[Path],
    signers: Sequence[str],
    threshold: int | None,
    days: int,
    as_json: bool,
) -> None:
    """Begin a federation without regions in FILE. 新建联盟文件"""
    if file.exists():
        raise Invalid(f"{file} is there")
    own = list(map(keys.load, signing))
    every = list(dict.fromkeys([*(key.verifier for key in own), *vkeys(signers)]))
    found = edits.begun(name, every, threshold or 1, int(time.time()), days)
    data = trust_bundle.seal(found, own)
    write(file, data)
    _tell(file, data, every, found.threshold, [], as_json)


@main.command()
@_editing
@click.argument("source")
@pin
@click.option("--region", "codes", multiple=True, help="Only this region of it. 仅此地区")
@click.option("--endpoint", help="Where its peers post, unless at its own address. 接收地址")
@click.option("--valid-from", help="Such as 2027-01-01T00:00:00+08:00. 生效时间")
@click.option("--valid-until", help="From then on it is no peer. 失效时间")
@common.told
def add(source: str, pins: Sequence[str], codes: Sequence[str], **options: Any) -> None:
    """Add the regions of SOURCE, a server's trust bundle or its address, or bring them up to date. 加入或更新地区

    --pin is the federation key of that server, learnt from whoever runs it; `yongzhi init` prints it.
    """
    stated = {name: options.pop(name) for name in ("endpoint", "valid_from", "valid_until")}
    stated = {name: value for name, value in stated.items() if value is not None}
    served = fetch_bundle(source) if source.startswith(("https://", "http://")) else read(Path(source))
    if not pins:
        raise click.UsageError("--pin is needed: the key that signs the trust bundle of that server")
    trust = trust_bundle.open_bundle(served, vkeys(pins), int(time.time()))
    wanted = [one for one in trust.federation.regions if not codes or one.region in codes]
    if missing := set(codes) - {one.region for one in wanted}:
        raise NotFound(f"no region {', '.join(sorted(missing))} in that trust bundle")

    def edit(before: Federation) -> Federation:
        for one in wanted:
            before = edits.added(one, **stated)(before)
        return before

    brought = {url: served for url, served in trust.lists.items() if trust.by_list(url) in wanted}
    _change(edit, brought, **options)


@main.command()
@_editing
@click.argument("region")
@common.told
def remove(region: str, **options: Any) -> None:
    """Remove REGION, a code or an origin: nothing that it signed is believed any more. 移除地区"""
    _change(edits.removed(region), {}, **options)


@main.command()
@_editing
@click.argument("region")
@click.option("--checkpoint", required=True, help="Its last checkpoint: a file, or an address. 最后的检查点")
@click.option("--at", help="When it closed, unless it said so. Default: now. 关闭时间")
@common.told
def close(region: str, checkpoint: str, at: str | None, **options: Any) -> None:
    """State that the log of REGION ended with this checkpoint: what stands in it stays good. 关闭地区账本"""
    remote = checkpoint.startswith(("https://", "http://"))
    data = fetch(checkpoint, NOTE_BYTES_MAX) if remote else read(Path(checkpoint), NOTE_BYTES_MAX)
    note = data.decode(errors="replace")
    _change(edits.closed(region, note, int(time.time()) if at is None else parse_time(at)), {}, **options)


@main.command("rotate-keys")
@_editing
@click.option("--next", "signers", multiple=True, required=True, help="A next signer: vkey or file. 下任签名者公钥")
@_threshold
@common.told
def rotate_keys(signers: Sequence[str], threshold: int | None, **options: Any) -> None:
    """Name the next signers, all of them; those so far sign this file. 更换签名密钥

    Sign with old and new keys for as long as somebody may have missed this file.
    """
    _change(edits.rotated(list(dict.fromkeys(vkeys(signers))), threshold), {}, **options)


@main.command()
@_editing
@click.option(
    "--recovery-days",
    type=click.IntRange(1, RECOVERY_DAYS_MAX),
    help="Before a lost region's people move. 恢复公示天数",
)
@click.option("--recovery-quorum", type=click.IntRange(1, 10_000), help="Regions that must agree. 恢复所需同意数")
@common.told
def renew(recovery_days: int | None, recovery_quorum: int | None, **options: Any) -> None:
    """Issue it anew before it expires, perhaps with another agreement on recovery. 续期"""
    _change(edits.renewed(recovery_days, recovery_quorum), {}, **options)


# -- what every change does ---------------------------------------------------------------------------


def _change(
    edit: Edit,
    brought: Mapping[str, bytes],
    *,
    file: Path,
    signing: Sequence[Path],
    known: Sequence[str],
    days: int,
    out: Path | None,
    as_json: bool,
) -> None:
    own = list(map(keys.load, signing))
    # Whoever could change the file on the way to its signer would be signed for.
    old = trust_bundle.open_old(read(file), [*(key.verifier for key in own), *vkeys(known)], 1)
    before, signers = old.federation, list(map(parse_vkey, old.federation.keys))
    if not {key.verifier.public for key in own} & {key.public for key in signers}:
        raise Untrusted(f"none of these keys signs for {before.name}: nobody would follow")
    after = edits.next_one(before, edit, int(time.time()), days)
    trust = Trust(after)
    lists = {url: served for url, served in {**old.lists, **brought}.items() if trust.by_list(url) is not None}
    data = trust_bundle.seal(after, own, lists)
    write(out or file, data)
    _tell(out or file, data, signers, before.threshold, edits.differences(before, after), as_json)


def _tell(
    file: Path, data: bytes, signers: Sequence[VerifyingKey], threshold: int, changes: Sequence[str], as_json: bool
) -> None:
    """What is in the file now, what is new, and who has still to sign."""
    found, signed = trust_bundle.unchecked(data).federation, trust_bundle.signed_by(data, signers)
    if as_json:
        told = {"file": str(file), "serial": found.serial, "expires": found.expires, "changes": list(changes)}
        signatures = {"signatures": len(signed), "needed": threshold}
        click.echo(json.dumps({**told, **signatures, "regions": [one.region for one in found.regions]}))
        return
    console.print(f"{file} — {found.name}, serial 序号 {found.serial}, until 有效至 {found.expires}")
    for line in changes:
        console.print(f"  {line}")
    console.print(f"  signatures 签名 {len(signed)}/{threshold}")
    if len(signed) < threshold:
        console.print("  Have the others sign it: yongzhi federation sign. 请其他签名者签署。")


for _command in (check, dismiss, install, recognise, show, sign):
    main.add_command(_command)
