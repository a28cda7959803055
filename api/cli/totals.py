"""`yongzhi totals`: totals of a volunteer, an organisation or a region."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from api.cli import common
from api.client.client import Client
from api.wording import totals as reports
from ledger.crypto import keys
from ledger.ids import check_issuer, issuer_kind
from projections.engine import catch_up
from projections.totals import Totals
from projections.views import Breakdown, TotalsView, VolunteerTotals

# -- reading --------------------------------------------------------------------------------------

console = Console()


@click.command()
@click.argument("who", required=False)
@common.data
@common.region
@click.option("--url", envvar="YONGZHI_URL", help="A server, such as http://127.0.0.1:8000. 服务地址")
@click.option("--key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Sign in with it. 登录密钥")
@common.as_json
@common.told
def totals(who: str | None, data: Path, region: str, url: str | None, key: Path | None, as_json: bool) -> None:
    """Totals of WHO (volunteer:…, org:…), or of the region. 查询志愿者、组织或地区的服务时长

    With --url and --key they are asked of a server; otherwise read in the data folder, as its operator may.
    """
    if who is not None:
        check_issuer(who)
    found = _ask(url, key, region, who) if url else _read(data, region, who)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        console.print(reports.totals_table(who or region, found))


def _ask(url: str, key: Path | None, region: str, who: str | None) -> dict[str, Any]:
    with Client(url) as client:
        if key is not None:
            client.sign_in(keys.load(key), region)
        paths = {"volunteer": f"/volunteers/{who}", "org": f"/organisations/{who}/totals"}
        path = "/totals" if who is None else paths.get(issuer_kind(who), "/totals")
        found: dict[str, Any] = client.get(f"/v1/regions/{region}{path}")
        return found


def _read(data: Path, region: str, who: str | None) -> dict[str, Any]:
    with common.opened(data) as deployment:
        ledger = deployment.ledger(region)
        catch_up(Totals(deployment.database, ledger.schema), ledger)
        view = TotalsView(deployment.database, ledger.schema)
        match issuer_kind(who) if who else "region":
            case "volunteer":
                found: Breakdown | VolunteerTotals = view.record(str(who)) or view.volunteer(str(who))
            case "org":
                found = view.organisation(str(who))
            case _:
                found = view.region()
    return reports.as_dict(found)
