"""`yongzhi federation recognise`, `dismiss`: a region says in its own log whose logs it believes.

A federation file is an agreement of its signers; what a region believes stands in its log, where anyone can see when
that began and ended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from api.cli import common
from api.cli.federation.checks import console
from api.deployment.data_folder import Deployment
from api.deployment.installed_federation import installed
from ledger.errors import NotFound
from ledger.events.peers import PeerDismissed, PeerRecognised
from ledger.federation.trust_bundle import Trust
from ledger.limits import SHORT_TEXT_MAX


class Known(NamedTuple):
    """A log key that a region knows of a peer, and whether it believes it still."""

    region: str
    origin: str
    log_key: str
    valid: bool


def known_keys(deployment: Deployment, region: str) -> list[Known]:
    """The log keys that a region ever recognised."""
    peers = deployment.ledger(region).peers()
    return [Known(peer.region, peer.origin, peer.log_key, peer.dismissed is None) for peer in peers]


def to_recognise(deployment: Deployment, region: str, trust: Trust, named: Sequence[str], now: int) -> list[Known]:
    """Log keys of valid peers that a region does not recognise: of those named by code or origin, or of all.

    One that was dismissed is only recognised again by its name. Raise NotFound for a name that is no valid peer.
    """
    peers = [one for one in trust.peers(now) if one.region != region]
    if unknown := set(named) - {name for one in peers for name in (one.region, one.origin)}:
        raise NotFound(f"the installed federation has no valid peer {', '.join(sorted(unknown))}")
    there = known_keys(deployment, region)
    skipped = {(one.origin, one.log_key) for one in there if one.valid or not named}
    return [
        Known(one.region, one.origin, key, True)
        for one in peers
        if not named or {one.region, one.origin} & set(named)
        for key in one.log_keys
        if (one.origin, key) not in skipped
    ]


@click.command()
@click.argument("peers", nargs=-1)
@common.data
@common.region
@common.as_json
@common.told
def recognise(peers: Sequence[str], data: Path, region: str, as_json: bool) -> None:
    """Have REGION recognise PEERS, codes or origins, of the installed federation; without any, all new ones. 承认地区

    Again after a peer's log key was added: what is recognised already is left as it is.
    """
    now = int(time.time())
    with common.opened(data) as deployment:
        trust = installed(data, now)
        if trust is None:
            raise NotFound("no federation is installed: see `yongzhi federation install`")
        found = to_recognise(deployment, region, trust, peers, now)
        serial = f"#{trust.federation.serial}"
        name = trust.federation.name[: SHORT_TEXT_MAX - len(serial)] + serial
        issuer = deployment.issuer(region)
        made = [
            PeerRecognised(
                **issuer.common(issuer.key.name),
                peer=one.region,
                peer_origin=one.origin,
                log_key=one.log_key,
                federation=name,
            )
            for one in found
        ]
        deployment.issue(issuer, made)
    _tell(found, "recognised 已承认", as_json)


@click.command()
@click.argument("peer")
@click.option("--reason", required=True, help="Why; it stands in the log. 原因")
@common.data
@common.region
@common.as_json
@common.told
def dismiss(peer: str, reason: str, data: Path, region: str, as_json: bool) -> None:
    """Have REGION believe the log of PEER, a code or an origin, no longer; what was received stays. 撤销承认"""
    with common.opened(data) as deployment:
        found = [one for one in known_keys(deployment, region) if one.valid and peer in (one.region, one.origin)]
        if not found:
            raise NotFound(f"{region} recognises no {peer}")
        issuer = deployment.issuer(region)
        made = [
            PeerDismissed(**issuer.common(issuer.key.name), peer_origin=origin, reason=reason)
            for origin in dict.fromkeys(one.origin for one in found)
        ]
        deployment.issue(issuer, made)
    _tell(found, "dismissed 已撤销", as_json)


def _tell(found: Sequence[Known], what: str, as_json: bool) -> None:
    if as_json:
        named = [{"region": one.region, "origin": one.origin, "log_key": one.log_key} for one in found]
        click.echo(json.dumps(named, ensure_ascii=False))
        return
    for one in found:
        console.print(f"{one.region} {one.origin} {what}\n  {one.log_key}")
    if not found:
        console.print("nothing new 没有变化")
