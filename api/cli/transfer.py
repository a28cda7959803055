"""`yongzhi transfer`: moves of records between regions, for those who ask for them and for operators."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
from rich.console import Console

from api.cli import common
from api.cli.federation.checks import THERE, vkeys
from api.cli.messages import pending, receive, retry
from api.client.client import Client
from api.deployment.data_folder import Deployment
from api.peers.exchange import Exchange, as_dict, exchanges
from ledger.crypto import keys
from ledger.crypto.keys import SigningKey
from ledger.domain.state import Transfer
from ledger.errors import NotFound
from ledger.events import drafts
from ledger.events.body import encode_event
from ledger.events.fields import Consent, Event
from ledger.events.peers import VolunteerVisiting
from ledger.events.submission import pack, seal
from ledger.events.transfer import TransferRequested
from ledger.exchange import cancelling
from ledger.ids import check_uuid, check_volunteer, format_time, new_id
from ledger.texts.catalogue import pick

# What stands in a ledger is shown as it stands there, never taken for markup.
console = Console(markup=False, emoji=False)

STATES: Final = {
    state: f"{text.en} {text.zh}"
    for state, text in pick(
        "transfer",
        ("requested", "offered", "closed", "cancelled", "announced", "accepted", "rejected", "expired"),
    ).items()
}
"""Of a transfer, at its origin and at its destination."""
_NAMES: Final = {
    "id": "transfer 转移",
    "volunteer": "volunteer 志愿者",
    "to": "to 转入",
    "home": "home 归属",
    "state": "state 状态",
    "position": "position 位置",
}

_url: Final = click.option("--url", envvar="YONGZHI_URL", help="A server. Default: the data folder. 服务地址")
_key: Final = click.option("--key", "key_file", type=THERE, required=True, help="Sign with it. 签名密钥")
_reference: Final = click.option("--reference", help="Where a station keeps the signed form. 申请书编号")


@click.group("transfer")
def main() -> None:
    """Move records between regions, and see how they get on. 记录转移"""


# -- asking -----------------------------------------------------------------------------------------------


def _signing(command: Callable[..., None]) -> Callable[..., None]:
    for one in (common.as_json, _reference, _key, _url, common.region, common.data):
        command = one(command)
    return command


@main.command()
@click.argument("volunteer")
@click.option("--to", required=True, help="Code of the region to move to. 转入地区代码")
@click.option("--to-origin", help="Name of its log, where it has several. 转入地区日志名称")
@_signing
@common.told
def request(volunteer: str, to: str, to_origin: str | None, reference: str | None, **options: Any) -> None:
    """Ask that the record of VOLUNTEER moves from --region to another. 申请转移记录

    Signed by the volunteer's key, or by a station's: then --reference says where the volunteer's form is kept.
    """
    key, transfer = keys.load(options.pop("key_file")), new_id()
    _check_reference(key, check_volunteer(volunteer), reference)

    def made(region: str, peers: Mapping[str, str]) -> Event:
        return TransferRequested(
            **drafts.common(key.name, region, f"transfer:{transfer}"),
            volunteer=volunteer,
            to=to,
            to_origin=to_origin or _origin(peers, to),
            **({"reference": reference} if reference else {}),
        )

    position = _submit(key, made, **_place(options))
    _tell({"id": transfer, "volunteer": volunteer, "to": to, "position": position}, options["as_json"])


@main.command()
@click.argument("volunteer")
@click.option("--home", required=True, help="Code of the volunteer's home region. 所属地区代码")
@click.option("--home-origin", help="Name of its log, where it has several. 所属地区日志名称")
@click.option("--public-key", help="The volunteer's vkey, or a file of it, when a station signs. 志愿者公钥")
@_signing
@common.told
def visit(
    volunteer: str, home: str, home_origin: str | None, public_key: str | None, reference: str | None, **options: Any
) -> None:
    """Tell --region of VOLUNTEER, whose record is kept elsewhere and is told of the hours served here. 登记来访

    Signed by the volunteer's key, or by a station's: then --reference says where the volunteer's consent is kept.
    """
    key = keys.load(options.pop("key_file"))
    _check_reference(key, check_volunteer(volunteer), reference)
    own = key.verifier if key.name == volunteer else next(iter(vkeys([public_key] if public_key else [])), None)
    given = format_time(int(time.time()))

    def made(region: str, peers: Mapping[str, str]) -> Event:
        return VolunteerVisiting(
            **drafts.common(key.name, region, volunteer),
            home=home,
            home_origin=home_origin or _origin(peers, home),
            consent=Consent(method="form", given=given, reference=reference)
            if reference
            else Consent(method="signed", given=given),
            **({"key": str(own)} if own else {}),
        )

    position = _submit(key, made, **_place(options))
    _tell({"volunteer": volunteer, "home": home, "position": position}, options["as_json"])


def _check_reference(key: SigningKey, volunteer: str, reference: str | None) -> None:
    if (key.name == volunteer) is not (reference is None):
        raise click.UsageError("--reference goes with the key of a station, and with that alone")


def _place(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in ("url", "data", "region")}


def _origin(peers: Mapping[str, str], code: str) -> str:
    if code not in peers:
        raise NotFound(f"{code} is not recognised there: see `yongzhi federation recognise`")
    return peers[code]


def _submit(
    key: SigningKey,
    made: Callable[[str, Mapping[str, str]], Event],
    *,
    url: str | None,
    data: Path,
    region: str,
) -> int:
    """Sign and submit an event made of the region and of the origins of its peers by code; its position."""
    if url is not None:
        with Client(url) as client:
            known = client.region(region)
            body = encode_event(made(region, {one["code"]: one["origin"] for one in known["peers"]}))
            answer, _ = client.send(region, pack(seal([body], key, str(known["origin"])), [body]))
            return int(json.loads(answer)["first"])
    with common.opened(data) as deployment:
        ledger = deployment.ledger(region)
        peers = sorted((peer for peer in ledger.peers() if peer.dismissed is None), key=lambda peer: peer.added)
        body = encode_event(made(region, {peer.region: peer.origin for peer in peers}))
        accepted = ledger.submit(pack(seal([body], key, ledger.origin), [body]))
        deployment.publisher(region).publish()
        return accepted.first


def _tell(found: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        told = (f"{_NAMES[name]} {STATES.get(str(value), value)}" for name, value in found.items())
        console.print("  ".join(told), soft_wrap=True, highlight=False)


# -- looking ----------------------------------------------------------------------------------------------


@main.command()
@click.argument("what", required=False)
@common.data
@common.region
@_url
@click.option("--key", "key_file", type=THERE, help="Sign in with it. 登录密钥")
@common.as_json
@common.told
def status(what: str | None, data: Path, region: str, url: str | None, key_file: Path | None, as_json: bool) -> None:
    """Show how a transfer stands: WHAT is its id, or a volunteer; without, all of them. 查询转移状态

    With --url and --key it is asked of a server; otherwise read in the data folder, as its operator may.
    """
    if what is not None and not what.startswith("volunteer:"):
        what = check_uuid(what.removeprefix("transfer:"))
    elif what is not None:
        check_volunteer(what)
    found = _ask(url, key_file, region, what) if url else _read(data, region, what)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        console.print(_listed(found), soft_wrap=True, highlight=False)


def _ask(url: str, key_file: Path | None, region: str, what: str | None) -> list[dict[str, Any]]:
    with Client(url) as client:
        if key_file is not None:
            client.sign_in(keys.load(key_file), region)
        base = f"/v1/regions/{quote(region)}/transfers"
        if what is None or what.startswith("volunteer:"):
            found: list[dict[str, Any]] = client.get(base, **({} if what is None else {"volunteer": what}))["transfers"]
            return found
        return [client.get(f"{base}/{what}")]


def _read(data: Path, region: str, what: str | None) -> list[dict[str, Any]]:
    with common.opened(data) as deployment:
        exchange = _exchange(deployment, region)
        if what is None or what.startswith("volunteer:"):
            found = exchange.transfers(what)
        else:
            found = [_found(exchange, what)]
        return [as_dict(one, exchange.reasons(one)) for one in found]


def _exchange(deployment: Deployment, region: str) -> Exchange:
    deployment.region_keys(region)  # or it is no region of this folder
    return exchanges(deployment)[region]


def _found(exchange: Exchange, transfer: str) -> Transfer:
    found = exchange.ledger.record(Transfer, transfer)
    if found is None:
        raise NotFound(f"no transfer {transfer} in the ledger of {exchange.ledger.region}")
    return found


def _listed(found: list[dict[str, Any]]) -> str:
    """Lines and no table: ids are to be copied, and none may be cut off."""
    lines = []
    for one in found:
        arrow = "→" if one["direction"] == "out" else "←"
        until = f"  until 期限 {one['expires']}" if one["state"] == "offered" else ""
        lines.append(f"{one['id']}  {arrow} {one['peer']}  {STATES[one['state']]}{until}")
        lines.append(f"  {one['volunteer']}")
        lines += [f"  {reason['code']}: {reason['detail']}" for reason in one["reasons"]]
    return "\n".join(lines) or "no transfers 没有转移"


# -- giving up --------------------------------------------------------------------------------------------


@main.command()
@click.argument("transfer")
@click.option("--mirror", type=THERE, help="The whole log of a destination that has ended. 已终止的转入地区日志镜像")
@common.data
@common.region
@common.as_json
@common.told
def cancel(transfer: str, mirror: Path | None, data: Path, region: str, as_json: bool) -> None:
    """Withdraw a request that was not offered yet; the record stays and counts. 撤回转移申请

    An offer is cancelled only when the installed federation says where the destination's log ended, and --mirror, the
    log as `yongzhi export --log` writes it, shows that nothing was accepted there.
    """
    name = check_uuid(transfer.removeprefix("transfer:"))
    with common.opened(data) as deployment:
        exchange = _exchange(deployment, region)
        if mirror is None:
            accepted = cancelling.withdraw(exchange.desk, name)
        else:
            trust = exchange.federation()
            with mirror.open("rb") as lines:
                accepted = cancelling.cancel(exchange.desk, name, trust, lines)
        exchange.publisher.publish()
    _tell({"id": name, "state": "cancelled", "position": accepted.first}, as_json)


for _command in (pending, receive, retry):
    main.add_command(_command)
