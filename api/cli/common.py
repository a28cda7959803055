"""What the commands share: options, and how our errors end a command."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.text import Text

from api.client.client import Told
from api.deployment import data_folder
from api.deployment.data_folder import Deployment
from ledger.errors import LedgerError, Unavailable

REFUSED: Final = 1
OUT_OF_REACH: Final = 5

errors = Console(stderr=True, markup=False, emoji=False)
P = ParamSpec("P")
R = TypeVar("R")

data = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var"),
    show_default=True,
    help="Folder of keys, checkpoints and the embedded database. 数据目录",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON. 输出 JSON")
region = click.option("--region", required=True, help="Region code, such as 441300. 地区代码")
one_region = click.option("--region", help="Only this region. 仅此地区")


def opened(folder: Path) -> contextlib.AbstractContextManager[Deployment]:
    """The data folder, with the database that `YONGZHI_DATABASE_URL` names or the embedded one."""
    return data_folder.opened(folder, os.environ.get("YONGZHI_DATABASE_URL"))


def told(command: Callable[P, R]) -> Callable[P, R]:
    """Errors of ours end a command with a line and its exit status, never with a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except LedgerError as error:
            errors.print(Text.assemble((error.code, "red"), f": {error.detail}"), soft_wrap=True)
            if isinstance(error, Told):
                if pointer := error.problem.get("pointer"):
                    errors.print(f"  {pointer}", soft_wrap=True)
                for one in error.problem.get("errors", []):
                    place = "note" if one["index"] is None else f"event {one['index']} {one['id']}"
                    errors.print(f"  {place} {one['pointer']}: {one['code']}: {one['detail']}", soft_wrap=True)
            raise SystemExit(OUT_OF_REACH if isinstance(error, Unavailable) else REFUSED) from None

    return run
