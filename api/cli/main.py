"""The command line `yongzhi`.

Exit status: 0 done, 1 refused or invalid, 2 wrong usage, 3 revoked, 4 status unknown, 5 out of reach.
"""

from __future__ import annotations

import importlib
from typing import ClassVar

import click


class Commands(click.Group):
    """Commands of other modules are imported when they are named: each brings libraries that the others do without."""

    MODULES: ClassVar = {
        "audit": "api.cli.audit:audit",
        "checkpoint": "api.cli.serving:checkpoint",
        "conservation": "api.cli.conservation:main",
        "demo": "api.demo.demo:demo",
        "erase": "api.cli.serving:erase",
        "export": "api.cli.records:export",
        "federation": "api.cli.federation.commands:main",
        "import": "api.cli.records:import_",
        "init": "api.cli.serving:init",
        "keygen": "api.cli.serving:keygen",
        "misconduct": "api.cli.misconduct:main",
        "proof-keys": "api.cli.prove:proof_keys",
        "proofs": "api.cli.prove:proofs",
        "prove": "api.cli.prove:prove",
        "rebuild": "api.cli.audit:rebuild",
        "serve": "api.cli.serving:serve",
        "submit": "api.cli.submit:submit",
        "totals": "api.cli.totals:totals",
        "transfer": "api.cli.transfer:main",
        "trust": "api.cli.verify:trust",
        "verify": "api.cli.verify:verify",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All, by name."""
        return sorted([*super().list_commands(ctx), *self.MODULES])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them, or None."""
        if cmd_name not in self.MODULES:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.MODULES[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found


@click.group(cls=Commands)
@click.version_option(package_name="yongzhi")
def main() -> None:
    """Yongzhi 永志: a service-record ledger for volunteering. 志愿服务记录账本"""
