"""The demonstration's proofs of service: issued, checked offline, revoked by a correction, replaced."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from api.client.client import Client
from api.demo.world import CHINA, World
from ledger.crypto.keys import VerifyingKey
from ledger.errors import Corrupt, Unavailable

_WAIT_SECONDS: Final = 60
_CONSENT: Final = "纸质同意书 00001"
_LINES: Final = 20
"""Of what `verify` says: enough to see the outcome and how it came about."""

console = Console()


class Proofs:
    """The proof of one volunteer of one region, as the demonstration follows it."""

    def __init__(self, client: Client, world: World, data: Path, pinned: VerifyingKey) -> None:
        self._client = client
        self._world = world
        self._pinned = pinned
        self._folder = data / "proofs"
        self._base = f"/v1/regions/{world.region}"
        self.first: dict[str, Any] = {}
        self.second: dict[str, Any] = {}

    def issue(self) -> str:
        """Issue a proof for the region's first volunteer, and check it without the network; a measured figure."""
        self._folder.mkdir(exist_ok=True)
        self._client.sign_in(self._world.key, self._world.region)
        today = datetime.now(CHINA).date()
        start = time.monotonic()
        self.first = self._client.post(
            f"{self._base}/proofs",
            volunteer=self._world.volunteers[0],
            first=str(today - timedelta(days=365)),
            last=str(today),
            named=True,
            star=True,
            consent=_CONSENT,
        )
        self._wait(self.first["id"])
        self._save(self.first["id"])
        seconds = time.monotonic() - start
        self._verify(self.first["id"], 0)
        return f"{seconds:.1f} s"

    def follow(self) -> None:
        """After the record was corrected: the proof is revoked, its replacement is issued and checked."""
        self._client.sign_in(self._world.key, self._world.region)
        deadline = time.monotonic() + _WAIT_SECONDS
        while self._state(self.first["id"])["state"] != "revoked":
            _pause(deadline, "the proof was not revoked")
        self._verify(self.first["id"], 3)
        self.second = self._client.post(f"{self._base}/proofs", replaces=self.first["id"], consent=_CONSENT)
        self._wait(self.second["id"])
        self._save(self.second["id"])
        self._verify(self.second["id"], 0)
        if self._state(self.first["id"])["replaced_by"] != self.second["id"]:
            raise Corrupt("the demonstration found otherwise: the replacement is not named")
        console.print(f"replaced 已替换: {self.first['page']} → {self.second['page']}", soft_wrap=True, highlight=False)

    def _state(self, proof: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get(f"{self._base}/proofs/{proof}")
        return found

    def _wait(self, proof: str) -> None:
        deadline = time.monotonic() + _WAIT_SECONDS
        while not self._state(proof)["ready"]:
            _pause(deadline, "no checkpoint covers the proof")

    def _save(self, proof: str) -> None:
        self._file(proof).write_bytes(self._client.data(f"{self._base}/proofs/{proof}/pdf"))

    def _file(self, proof: str) -> Path:
        return self._folder / f"{proof}.pdf"

    def _verify(self, proof: str, expected: int) -> None:
        """What whoever receives the PDF does, on a machine without a network."""
        bundle = self._folder / "trust-bundle.json"
        bundle.write_bytes(self._client.data("/v1/trust-bundle"))
        arguments = ["verify", str(self._file(proof)), "--bundle", str(bundle), "--key", str(self._pinned), "--offline"]
        console.print(f"$ yongzhi verify {self._file(proof)} --bundle {bundle} --key … --offline", soft_wrap=True)
        done = subprocess.run([sys.executable, "-m", "api", *arguments], capture_output=True, text=True, check=False)
        lines = done.stdout.rstrip().splitlines()
        shown = lines[:_LINES] + ["  …"] * (len(lines) > _LINES)
        console.print("\n".join(shown), soft_wrap=True, highlight=False, markup=False)
        if done.returncode != expected:
            raise Corrupt(f"the demonstration found otherwise: verify ended with {done.returncode}: {done.stderr}")


def _pause(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise Unavailable(what)
    time.sleep(0.1)
