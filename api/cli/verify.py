"""Checking proofs of service without a server of one's own: `yongzhi verify` and `yongzhi trust`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text as Line

from api.cli import common
from api.cli.common import REFUSED
from api.client.fetching import StatusLists, fetch_bundle
from api.wording import verdicts
from api.wording.languages import Wording
from api.wording.verdicts import mask
from ledger.credentials.checking.standing import Lists
from ledger.credentials.checking.verdict import Outcome, Result, Verdict
from ledger.credentials.checking.verify import check_data
from ledger.credentials.sd_jwt.token import Binding
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.errors import Invalid, LedgerError, TooLarge, Unavailable, Untrusted
from ledger.federation import trust_bundle
from ledger.files import read, write
from ledger.ids import parse_time
from ledger.limits import BUNDLE_BYTES_MAX, VERIFY_BYTES_MAX
from ledger.texts.text import Text

EXITS: Final = {
    Outcome.VALID: 0,
    Outcome.INVALID: REFUSED,
    Outcome.EXPIRED: REFUSED,
    Outcome.REVOKED: 3,
    Outcome.STATUS_UNKNOWN: 4,
}
"""Exit status by outcome."""
_OWN_KEY: Final = Path("keys", "federation.pub")
_STYLES: Final = {Outcome.VALID: "bold green", Outcome.STATUS_UNKNOWN: "bold yellow"}
_NAMES: Final = {
    True: "姓名相符 · The name is the holder's",
    False: "姓名不符 · The name is ANOTHER",
    None: "证明未载姓名 · The proof states no name",
}
_MARKS: Final = {
    Result.PASSED: ("✓", "green"),
    Result.FAILED: ("✗", "red"),
    Result.UNKNOWN: ("?", "yellow"),
    Result.SKIPPED: ("–", "dim"),
}

console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)


# -- on the command line ------------------------------------------------------------------------------

_key = click.option(
    "--key", "pins", multiple=True, help="A federation key you trust: vkey, or a file of vkeys. 所信任的联盟公钥"
)
_data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var"),
    show_default=True,
    help="Without --key, the federation key of this data folder is trusted. 数据目录",
)


@click.command()
@click.argument("file")
@click.option("--bundle", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Trust bundle. 信任文件")
@click.option("--url", envvar="YONGZHI_URL", help="Fetch the trust bundle from this server. 从此服务取得信任文件")
@_key
@click.option("--offline", is_flag=True, help="No network: status lists of the bundle only. 离线核验")
@click.option("--at", help="Check as of this time, such as 2026-11-01T09:00:00+08:00. 核验时间")
@click.option("--name", help="Also compare the holder's name. 核对姓名")
@click.option("--audience", help="Whom the holder of an SD-JWT had to sign for. 出示对象")
@click.option("--nonce", help="The value the holder of an SD-JWT had to sign. 随机数")
@_data
@common.as_json
@common.told
def verify(
    file: str,
    bundle: Path | None,
    url: str | None,
    pins: tuple[str, ...],
    offline: bool,
    at: str | None,
    name: str | None,
    audience: str | None,
    nonce: str | None,
    data: Path,
    as_json: bool,
) -> None:
    """Check FILE: a PDF, JSON, an SD-JWT, a photo of the QR or the text in it; - reads it. 核验志愿服务记录证明

    Exit status: 0 valid, 1 invalid or expired, or --name is another, 3 revoked, 4 status unknown, 5 out of reach.
    """
    if (audience is None) is not (nonce is None) or "" in (audience, nonce):
        raise click.UsageError("--audience and --nonce belong together, and are not empty")
    if bundle is None and (url is None or offline):
        raise click.UsageError("--bundle is needed, or online --url: they say whom to believe")
    now, presented, pinned = int(time.time()) if at is None else parse_time(at), _presented(file), _pinned(pins, data)
    served = read(bundle, BUNDLE_BYTES_MAX) if bundle is not None else fetch_bundle(url or "")
    try:
        trusted = trust_bundle.open_bundle(served, pinned, now)
    except LedgerError as error:
        # It says nothing of the proof: nobody is to take an old bundle for a forgery.
        raise Unavailable(f"{error.code}: this trust bundle is of no use: {error.detail}") from None
    lists: Lists = trusted.lists.get if offline else StatusLists(trusted)
    binding = None if audience is None or nonce is None else Binding(audience=audience, nonce=nonce)
    verdict = check_data(presented, trusted, lists, now, binding)
    matches = None if name is None else verdicts.name_matches(verdict, name)
    if as_json:
        click.echo(json.dumps(verdicts.as_json(verdict, name), ensure_ascii=False))
    else:
        _show(verdict, name, matches)
        _tell_failures(lists)
    status = EXITS[verdict.outcome]
    raise SystemExit(REFUSED if status == 0 and name is not None and not matches else status)


@click.command()
@click.argument("url")
@_key
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where to write it; never over a newer one. 输出文件",
)
@click.option(
    "--after",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A bundle trusted so far; the new one must be signed by its next signers. 此前的信任文件",
)
@_data
@common.as_json
@common.told
def trust(url: str, pins: tuple[str, ...], out: Path, after: Path | None, data: Path, as_json: bool) -> None:
    """Fetch the trust bundle of the server at URL, check it, and keep it for offline use. 取得并核对信任文件

    A bundle that is kept already is replaced by a newer one of the same federation only.
    """
    now, pinned, served = int(time.time()), _pinned(pins, data), fetch_bundle(url)
    if after is None:
        found = trust_bundle.open_bundle(served, pinned, now)
    else:
        old = trust_bundle.open_old(read(after, BUNDLE_BYTES_MAX), pinned)
        found = trust_bundle.follow(old, served, now)
        pinned += map(parse_vkey, old.federation.keys)  # one of which signed what was followed to before
    if out.exists():
        _check_newer(out, found, pinned)
    write(out, served)
    known = found.federation
    members = {
        "written": str(out),
        "name": known.name,
        "serial": known.serial,
        "expires": known.expires,
        "regions": [one.region for one in known.regions],
        "lists": len(found.lists),
    }
    if as_json:
        click.echo(json.dumps(members, ensure_ascii=False))
        return
    console.print(f"{out} — {known.name}, serial 序号 {known.serial}, until 有效至 {known.expires}")
    for one in known.regions:
        console.print(f"  {one.region} {one.name.zh} {one.name.en}")


def _check_newer(out: Path, found: trust_bundle.Trust, known: Sequence[VerifyingKey]) -> None:
    """A server that serves an older bundle brings back the keys that were revoked since: raise Untrusted."""
    try:
        kept = trust_bundle.open_old(read(out, BUNDLE_BYTES_MAX), known, 1)
    except (Invalid, TooLarge, Untrusted) as error:
        raise Untrusted(f"{out} is there, and no trust bundle under these keys: {error.detail}") from None
    trust_bundle.check_after(kept.federation, found.federation)


def _pinned(pins: Sequence[str], data: Path) -> list[VerifyingKey]:
    """The keys that were given, or else the one of the data folder; never one that a server sent."""
    if not pins and (data / _OWN_KEY).exists():
        pins = [str(data / _OWN_KEY)]
    if not pins:
        raise click.UsageError("--key is needed: the federation key that you trust")
    found = []
    for pin in pins:
        text = read(Path(pin), 64 * 1024).decode(errors="replace") if Path(pin).is_file() else pin
        found += [parse_vkey(line.strip()) for line in text.splitlines() if line.strip()]
    return found


def _presented(file: str) -> bytes:
    """What is to be checked: a file, what is piped in, or a QR's text or SD-JWT as the argument itself."""
    if file == "-":
        data = sys.stdin.buffer.read(VERIFY_BYTES_MAX + 1)
    elif len(file) < 4096 and Path(file).is_file():
        return read(Path(file), VERIFY_BYTES_MAX)
    elif file.startswith(("https://", "http://")) or (file.count(".") >= 2 and "~" in file):
        data = file.encode(errors="replace")
    else:
        raise click.UsageError(f"there is no file {file:.200}")
    if len(data) > VERIFY_BYTES_MAX:
        raise TooLarge(f"more than {VERIFY_BYTES_MAX} bytes")
    return data


# -- showing ------------------------------------------------------------------------------------------


def _show(verdict: Verdict, name: str | None, matches: bool | None) -> None:
    chinese, english = Wording(Wording.written_in(verdict.region or "")), Wording("en")

    def both(text: Text) -> str:
        return f"{chinese.pick(text)} · {text.en}"

    for step in verdict.steps:
        mark, style = _MARKS[step.result]
        why = f" ({step.detail})" if step.detail and step.result is not Result.PASSED else ""
        title, found = both(verdicts.STEPS[step.code]), both(verdicts.finding(step, verdict.format))
        _line(f"{mark} {step.number} {title}: {found}{why}", style)
    _line(f"\n{both(verdicts.OUTCOMES[verdict.outcome])}", _STYLES.get(verdict.outcome, "bold red"))
    for wording in (chinese, english):
        _line(wording.pick(verdicts.explanation(verdict)))
    if verdict.outcome is not Outcome.INVALID:
        _show_stated(verdict, matches, chinese, english)
        if name is not None:
            _line(_NAMES[matches], "green" if matches else "red")


def _show_stated(verdict: Verdict, matches: bool | None, chinese: Wording, english: Wording) -> None:
    stated = verdicts.holder(verdict)
    shown = {
        "签发 Issuer": f"{verdict.issuer_name} ({verdict.region})",
        "编号 Proof": verdict.proof,
        "签发时间 Issued": verdict.issued,
        "替代证明 Replaced by": verdict.replacement,
        "姓名 Name": stated and (stated if matches else mask(stated)),
    }
    for label, value in shown.items():
        if value is not None:
            _line(f"  {label}: {value}")
    for key, claim in (verdicts.statement(verdict) or {}).items():
        if key == "lines":
            lines = [_activity(one) for one in claim]
        else:
            said = [wording.claim("claim.kind" if key == "kind" else key, claim) for wording in (chinese, english)]
            lines = [zh if zh == en else f"{zh} / {en}" for zh, en in zip(*said, strict=True)]
        if lines:
            _line(f"  {chinese.named('claim', key)} {english.named('claim', key)}: " + "\n    ".join(lines))


def _activity(line: Mapping[str, Any]) -> str:
    """One activity, short: what is read in a terminal is compared with paper."""
    hours, minutes = divmod(line.get("minutes", 0), 60)
    days = " – ".join(dict.fromkeys(str(line.get(name, "")) for name in ("first", "last")))
    return f"{hours}:{minutes:02}  {line.get('activity_name')} — {line.get('organisation_name')}  {days}"


def _line(text: str, style: str = "") -> None:
    """A line in which nothing can steer the terminal."""
    console.print(Line("".join(one if one.isprintable() or one == "\n" else "�" for one in text), style))


def _tell_failures(lists: Lists) -> None:
    for error in lists.failures if isinstance(lists, StatusLists) else ():
        common.errors.print(error.detail, soft_wrap=True)


__all__ = ["EXITS", "mask", "trust", "verify"]
