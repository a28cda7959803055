"""`yongzhi misconduct`: evidence that a region said two things, or kept something back."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click
from rich.console import Console

from api.cli import common
from api.cli.federation.checks import THERE, vkeys
from api.wording import misconduct as record_texts
from ledger.crypto.keys import VerifyingKey
from ledger.errors import LedgerError, Unavailable
from ledger.evidence import misconduct
from ledger.federation import trust_bundle
from ledger.federation.trust_bundle import Trust
from ledger.files import read
from ledger.limits import MISCONDUCT_BYTES_MAX

console = Console(markup=False, emoji=False, highlight=False, soft_wrap=True)

trust_option = click.option("--trust", type=THERE, help="Trust bundle, or federation file. 信任文件")
pin_option = click.option("--pin", "pins", multiple=True, help="A key that signs it: vkey, or a file. 所信任的公钥")


@click.command("misconduct")
@click.argument("file", type=THERE)
@trust_option
@pin_option
@click.option("--log-key", "log_keys", multiple=True, help="Instead: the key of a log, or a file of them. 账本公钥")
@common.as_json
@common.told
def main(file: Path, trust: Path | None, pins: Sequence[str], log_keys: Sequence[str], as_json: bool) -> None:
    """Check FILE, evidence that a region said two things or kept something back. 核对地区失信证据

    Exit status: 0 proven, 1 not proven, 5 something cannot be read.
    """
    if (trust is None) is not bool(log_keys):
        raise click.UsageError("either --trust with --pin, or --log-key: the keys of the logs that are accused")
    data = read(file, MISCONDUCT_BYTES_MAX)
    trusted = None if trust is None else trusted_by(trust, pins)
    found = misconduct.check(data, trusted.log_keys if trusted is not None else _given(vkeys(log_keys)))
    tell(found, trusted, as_json)


def _given(given: Iterable[VerifyingKey]) -> Callable[[str], Sequence[VerifyingKey]]:
    by_origin: dict[str, list[VerifyingKey]] = defaultdict(list)
    for key in given:
        by_origin[key.name].append(key)
    return lambda origin: by_origin.get(origin, [])


def tell(found: misconduct.Finding, trusted: Trust | None, as_json: bool) -> None:
    """Print what is proven."""
    told = record_texts.words(found, name_in(trusted))
    if as_json:
        members = {"proven": found.kind, "against": found.against, "zh": told.zh, "en": told.en}
        click.echo(json.dumps({**members, "facts": found.facts}, ensure_ascii=False))
        return
    console.print(f"proven 已证实: {found.kind}", style="bold red")
    console.print(f"{told.zh}\n{told.en}")
    console.print("signed by the log of 由其账本签署: " + ", ".join(map(name_in(trusted), found.against)))


def name_in(trusted: Trust | None) -> Callable[[str], str]:
    """What to call the log of an origin: a region that the trust bundle names, too."""

    def name(origin: str) -> str:
        region = None if trusted is None else trusted.by_origin(origin)
        return origin if region is None else f"{origin} ({region.region} {region.name.zh} {region.name.en})"

    return name


def trusted_by(trust: Path, pins: Sequence[str]) -> Trust:
    """The federation that a file states, under pinned keys; raise Unavailable when it is of no use."""
    if not pins:
        raise click.UsageError("--pin is needed: a key that signs the trust bundle")
    try:
        return trust_bundle.open_bundle(read(trust), vkeys(pins), int(time.time()))
    except LedgerError as error:
        # It says nothing of the file: nobody is to take an old bundle for a forgery.
        raise Unavailable(f"{error.code}: this trust bundle is of no use: {error.detail}") from None
