"""`yongzhi prove` and `yongzhi proof-keys`: proofs of service from the command line, and the keys that sign them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from api.cli import common
from api.client.client import Client
from ledger.codes import CATEGORIES
from ledger.crypto import keys
from ledger.errors import Invalid, NotYet, Unavailable
from ledger.ids import check_volunteer
from ledger.limits import BATCH_VOLUNTEERS_MAX

console = Console()
errors = Console(stderr=True)

_POLL_SECONDS: Final = 0.5
_WAIT_SECONDS: Final = 3600
_SHOWN_MAX: Final = 100
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_OUT: Final = click.Path(path_type=Path, dir_okay=False)
_KINDS: Final = {".pdf": "pdf", ".json": "credential", ".svg": "qr"}


@click.command()
@common.region
@click.option("--url", envvar="YONGZHI_URL", required=True, help="The server. 服务地址")
@click.option(
    "--key",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="Sign in with it. 登录密钥",
)
@click.option("--first", help="First day, YYYY-MM-DD. 起始日期")
@click.option("--last", help="Last day, inclusive. 截止日期")
@click.option("--activity", "activities", multiple=True, help="Only this activity (UUID). 仅此活动")
@click.option("--category", "categories", multiple=True, help="Only this category. 仅此类别")
@click.option("--organisation", "organisations", multiple=True, help="Only this recording unit. 仅此记录单位")
@click.option("--evidence", multiple=True, help="Only this evidence grade. 仅此记录方式")
@click.option("--kind", type=click.Choice(["service", "star"]), default="service", show_default=True)
@click.option("--named", is_flag=True, help="State the holder's name, who consents. 写明姓名（须本人同意）")
@click.option("--star", is_flag=True, help="State the star level. 写明星级")
@click.option("--note", help="Printed as it is. 备注")
@click.option("--volunteer", help="Whose; default: the key's. 志愿者")
@click.option("--volunteers", type=_FILE, help="A file of volunteers, one a line. 志愿者名单")
@click.option("--consent", help="Where the consent is kept, when asking for others. 同意书编号")
@click.option("--replaces", help="A revoked proof: the same again as the record now stands. 替换已撤销的证明")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help=".pdf, .json, .svg; .zip of many. 输出文件",
)
@common.as_json
@common.told
def prove(region: str, url: str, key: Path, out: Path, as_json: bool, **asked: Any) -> None:
    """Issue a proof of service and save it; with --volunteers, one for each as a ZIP. 开具志愿服务记录证明"""
    names, wanted = asked.pop("volunteers"), {name: value for name, value in asked.items() if value}
    suffix = out.suffix.lower()
    if suffix not in ({".zip"} if names else _KINDS):
        raise click.UsageError("--out ends in .zip with --volunteers, else in .pdf, .json or .svg")
    if "replaces" not in wanted and not {"first", "last"} <= wanted.keys():
        raise click.UsageError("--first and --last are needed, or --replaces, which asks for the same again")
    if names and wanted.keys() & {"volunteer", "replaces"}:
        raise click.UsageError("--volunteers goes with neither --volunteer nor --replaces")
    wanted |= {"categories": [_category(one) for one in wanted["categories"]]} if "categories" in wanted else {}
    check_folder(out)
    people = _volunteers(names) if names else []
    with Client(url) as client:
        client.sign_in(keys.load(key), region)
        base = f"/v1/regions/{region}"
        if names:
            found = _prove_many(client, base, people, wanted, out)
        else:
            again = {name: value for name, value in wanted.items() if name in ("replaces", "consent")}
            asking = again if "replaces" in wanted else wanted
            found = _prove_one(client, base, asking, out, _KINDS[suffix])
    if as_json:
        click.echo(json.dumps({**found, "file": str(out)}, ensure_ascii=False))
    else:
        console.print(Text(f"{out}  {found.get('page') or ''}"), soft_wrap=True)
    if found.get("refused"):
        raise SystemExit(common.REFUSED)


def _prove_one(client: Client, base: str, asked: Mapping[str, Any], out: Path, part: str) -> dict[str, Any]:
    found: dict[str, Any] = client.post(f"{base}/proofs", **asked)
    deadline = time.monotonic() + _WAIT_SECONDS
    while not found["ready"]:
        _pause(deadline)
        found = client.get(f"{base}/proofs/{found['id']}")
    save(client, f"{base}/proofs/{found['id']}", part, out)
    return found


def _category(text: str) -> str:
    """The code of a category, by its code or its Chinese name."""
    return next((code for code, name in CATEGORIES.items() if text == name.zh), text)


def save(client: Client, place: str, part: str, out: Path) -> None:
    """Fetch a file of a proof; what cannot be written names the proof, which is issued all the same."""
    data = client.data(f"{place}/{part}")
    try:
        out.write_bytes(data)
    except OSError as error:
        proof = place.rpartition("/")[2]
        raise Unavailable(f"cannot write {out}: {error.strerror}; fetch proof {proof} with `yongzhi proofs`") from None


def check_folder(out: Path) -> None:
    """Before anything is issued: the folder of the file must be there."""
    if not out.parent.is_dir():
        raise click.UsageError(f"there is no folder {out.parent}")


def _prove_many(
    client: Client, base: str, volunteers: list[str], asked: Mapping[str, Any], out: Path
) -> dict[str, Any]:
    found: dict[str, Any] = client.post(f"{base}/proof-batches", volunteers=volunteers, **asked)
    place = f"{base}/proof-batches/{found['id']}"
    with Progress(console=errors) as progress:
        task = progress.add_task("issue 开具", total=found["total"])
        deadline = time.monotonic() + _WAIT_SECONDS
        while not found["ready"]:
            _pause(deadline)
            found = client.get(place)
            progress.update(task, completed=found["issued"] + found["refused"])
        task = progress.add_task("save 保存", total=None)
        _save_zip(client, f"{place}/zip", out, lambda size: progress.advance(task, size))
    for item in client.get(f"{place}/items", state="refused", limit=_SHOWN_MAX)["items"]:
        errors.print(Text(f"{item['number']} {item['volunteer']}: {item['problem']}"), style="red", soft_wrap=True)
    if found["refused"] > _SHOWN_MAX:
        errors.print(f"… {found['refused']} in all, see index.csv in the ZIP 其余见 ZIP 内 index.csv", style="red")
    return found


def _save_zip(client: Client, place: str, out: Path, told: Callable[[int], None]) -> None:
    """Fetch a ZIP; where that fails, say where it can be fetched: the proofs are issued all the same."""
    part = out.with_name(out.name + ".part")
    try:
        with open(part, "wb") as file:
            client.save(place, file, told)
        part.replace(out)
    except OSError as error:
        raise Unavailable(f"cannot write {out}: {error.strerror}; the proofs are issued, see {place}") from None
    except Unavailable as error:
        raise Unavailable(f"{error.detail}; the proofs are issued, see {place}") from None


def _pause(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise NotYet("no checkpoint covers it yet: ask again later")
    time.sleep(_POLL_SECONDS)


def _volunteers(path: Path) -> list[str]:
    found = [line.strip() for line in path.read_bytes().decode("utf-8-sig", "replace").splitlines() if line.strip()]
    if not 1 <= len(found) <= BATCH_VOLUNTEERS_MAX:
        raise Invalid(f"a file of 1 to {BATCH_VOLUNTEERS_MAX} volunteers, one a line")
    for number, name in enumerate(found, 1):
        try:
            check_volunteer(name)
        except Invalid as error:
            raise Invalid(f"line {number}: {error.detail}") from None
    return found


@click.command()
@common.region
@click.option("--url", envvar="YONGZHI_URL", required=True, help="The server. 服务地址")
@click.option("--key", type=_FILE, required=True, help="Sign in with it. 登录密钥")
@click.option("--volunteer", help="Whose; default: the key's. 志愿者")
@click.option("--fetch", help="Save this proof (its id) once more, as --out. 再次下载")
@click.option("--out", type=_OUT, help=".pdf, .json or .svg. 输出文件")
@click.option("--revoke", help="Take this proof back, for good. 撤销")
@common.as_json
@common.told
def proofs(
    region: str,
    url: str,
    key: Path,
    volunteer: str | None,
    fetch: str | None,
    out: Path | None,
    revoke: str | None,
    as_json: bool,
) -> None:
    """List a volunteer's proofs, fetch one again, or take one back. 查询、再次下载或撤销证明"""
    if (fetch is None) is not (out is None) or (out is not None and out.suffix.lower() not in _KINDS):
        raise click.UsageError("--fetch goes with --out, which ends in .pdf, .json or .svg")
    base = f"/v1/regions/{region}/proofs"
    with Client(url) as client:
        client.sign_in(keys.load(key), region)
        if fetch is not None and out is not None:
            check_folder(out)
            save(client, f"{base}/{fetch}", _KINDS[out.suffix.lower()], out)
        if revoke is not None:
            client.post(f"{base}/{revoke}/revocation")
        found = _all(client, base, volunteer)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        console.print(_listed(found))


def _all(client: Client, base: str, volunteer: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    asked: dict[str, str | int] = {"limit": 100} if volunteer is None else {"limit": 100, "volunteer": volunteer}
    while True:
        page = client.get(base, **asked)
        found += page["proofs"]
        if page["next"] is None:
            return found
        asked["cursor"] = page["next"]


def _listed(found: list[dict[str, Any]]) -> Table:
    table = Table("id", "issued 签发", "what 内容", "state 状态")
    for one in found:
        hours, minutes = divmod(one["minutes"] or 0, 60)
        what = f"{one['kind']} {one['first']} – {one['last']}  {hours}:{minutes:02}" if one["kind"] else one["format"]
        state = (
            one["state"] + (f" ({one['reason']})" if one["reason"] else "") + (" → --replaces" if one["offer"] else "")
        )
        table.add_row(one["id"], one["issued"], what, state)
    return table


@click.command("proof-keys")
@common.data
@common.region
@click.option("--url", help="Where the region is served, for its first keys. 服务网址")
@common.told
def proof_keys(data: Path, region: str, url: str | None) -> None:
    """Make new keys for signing proofs; those before stay good until they are revoked. 更换证明签发密钥

    A server that runs goes on with the keys it began with: restart it.
    """
    with common.opened(data) as deployment:
        made = deployment.change_proof_keys(region, url)
        console.print(Text(f"{made.credential.id}\n{made.did}#{made.token.multikey}"), soft_wrap=True)
