"""Commands that set up a region and serve it: init, serve, keygen, checkpoint, erase."""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from api.cli import common
from api.service import logs
from ledger.codes import region_name
from ledger.crypto import keys
from ledger.errors import NotFound, Unavailable
from ledger.ids import check_issuer, check_volunteer

# -- setting up and serving -----------------------------------------------------------------------

_NOT_STARTED: Final = 3
"""With which uvicorn exits when it cannot listen; of ours it would mean revoked."""

console = Console()


@click.command()
@common.data
@common.region
@click.option("--origin", required=True, help="Name of its log, such as ledger.example/441300. 日志名称")
@click.option("--name-en", required=True, help="The region's name in English. 英文名称")
@click.option("--url", help="Where it is served, as proofs name it. Default: https:// and the origin's host. 服务网址")
@common.told
def init(data: Path, region: str, origin: str, name_en: str, url: str | None) -> None:
    """Establish a region: its keys, its tables, its first events. 建立一个地区的账本"""
    with common.opened(data) as deployment:
        deployment.establish(region, origin, name_en, url)
        console.print(f"{region} {region_name(region)} established. 已建立。Give its log key to auditors:")
        console.print(Text(str(deployment.region_keys(region).log.verifier)), soft_wrap=True)
        console.print("Give the key of the trust bundle to whoever checks proofs. 请将信任包公钥交给核验方：")
        console.print(Text(str(deployment.federation_key().verifier)), soft_wrap=True)


@click.command()
@common.data
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--origin", help="This server's name in sign-in challenges. Default: HOST:PORT. 本服务名称")
@common.told
def serve(data: Path, host: str, port: int, origin: str | None) -> None:
    """Serve the HTTP API of every region in the data folder. 启动服务"""
    import uvicorn

    from api.app import create_app
    from api.service.service import Service

    logs.configure()
    # Or the process would end by it before the last checkpoint is signed and the embedded database stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with common.opened(data) as deployment:
        if not deployment.regions():
            raise NotFound(f"{data} holds no region: begin with `yongzhi init`")
        service = Service(deployment)
        # Batches make many short-lived objects; what is there now lives as long as the process.
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        try:
            uvicorn.run(
                create_app(service, origin or f"{host}:{port}"),
                host=host,
                port=port,
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=10,
            )
        except SystemExit as ended:
            if ended.code == _NOT_STARTED:
                raise Unavailable(f"cannot serve on {host}:{port}: is something else listening there?") from None
            raise
        finally:
            service.close()


@click.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), help="Key file. Default: NAME in the current folder. 密钥文件")
@common.told
def keygen(name: str, out: Path | None) -> None:
    """Make a key for an issuer: org:…, volunteer:…, region:…. 生成签名密钥"""
    key = keys.generate(check_issuer(name))
    path = out or Path(name.replace(":", "-"))
    keys.save(key, path)
    console.print(f"{path} (0600) — public key 公钥:")
    console.print(str(key.verifier), soft_wrap=True, highlight=False)


@click.command()
@common.data
@common.region
@common.told
def checkpoint(data: Path, region: str) -> None:
    """Sign a checkpoint at once and print it. 立即签署检查点"""
    with common.opened(data) as deployment:
        click.echo(deployment.publisher(region).publish(), nl=False)


@click.command()
@click.argument("volunteer")
@common.data
@common.region
@click.confirmation_option(prompt="Destroy the private details for good? 确定永久销毁个人信息？")
@common.told
def erase(volunteer: str, data: Path, region: str) -> None:
    """Destroy VOLUNTEER's private details and their key; the record stays, under a pseudonym. 销毁个人信息

    What is kept of the volunteer's proofs goes with it, so proofs that stand are revoked first.
    """
    with common.opened(data) as deployment:
        revoked, rows = deployment.erase(region, check_volunteer(volunteer))
    console.print(f"{revoked} proofs revoked 已撤销证明")
    console.print(f"{rows} sets of details destroyed 已销毁. The vault's backups expire as docs/operations.md says.")
    if not rows:
        raise NotFound(f"no private details of {volunteer} are kept in {region}")
