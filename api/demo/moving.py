"""The demonstration's move: a volunteer moves house, and the whole record follows to the other region."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from rich.console import Console

from api.cli.federation import edits
from api.client.client import Client
from api.demo.proofs import Proofs
from api.demo.world import CHINA, Organisation, World
from api.deployment import installed_federation
from api.deployment.data_folder import Deployment
from ledger.crypto import keys
from ledger.crypto.keys import SigningKey
from ledger.domain.state import Entry
from ledger.errors import Corrupt, Unavailable
from ledger.events.body import decode_event
from ledger.events.fields import Consent, Event, type_name
from ledger.events.hours import HoursDisputed, HoursRecorded
from ledger.events.peers import PeerRecognised, VolunteerVisiting
from ledger.events.registration import VolunteerKeyAdded
from ledger.events.transfer import TransferAccepted, TransferOffered, TransferRequested
from ledger.federation import trust_bundle

_WAIT_SECONDS: Final = 60
_VISIT, _LATE = 90, 45
"""Minutes that the volunteer serves as a visitor, and minutes that are recorded after the move."""

console = Console()


class Moving:
    """One volunteer of `here`, who visits `there`, moves, and is at home there from then on."""

    def __init__(
        self,
        client: Client,
        deployment: Deployment,
        here: World,
        there: World,
        served: list[HoursRecorded],
        minutes: int,
    ) -> None:
        """`served` is what the last volunteer of `here` has done there, and `minutes` what of it counts now."""
        self._client = client
        self._deployment = deployment
        self._here = here
        self._there = there
        self._served = served
        self._key: SigningKey = keys.generate(here.volunteers[-1])
        self._volunteer = self._key.name
        self._minutes = minutes
        """What must be counted, wherever that is."""

    def recognise(self) -> None:
        """A federation file names both regions; each says in its own log that it believes the other's."""
        now, pinned = int(time.time()), self._deployment.federation_key().verifier
        served = trust_bundle.open_bundle(self._client.data("/v1/trust-bundle"), [pinned], now).federation
        signer = keys.generate("federation.example")
        found = edits.begun(signer.name, [signer.verifier], 1, now, 365)
        for region in served.regions:
            found = edits.next_one(found, edits.added(region), now, 365)
        installed_federation.install(self._deployment.data, trust_bundle.seal(found, [signer]), now, [signer.verifier])
        for own, peer in ((self._here, self._there), (self._there, self._here)):
            event = PeerRecognised(
                **own.common(own.key.name, own.key.name),
                peer=peer.region,
                peer_origin=peer.origin,
                log_key=str(self._deployment.region_keys(peer.region).log),
                federation=f"{found.name}#{found.serial}",
            )
            self._send(own, own.key, event)
            console.print(f"region.peer_recognised/1  {own.place} → {peer.place} 承认对方的账本")

    def visit(self) -> None:
        """Hours served away from home are relayed there."""
        here, there, name = self._here, self._there, self._volunteer
        common = here.common(here.key.name, name)
        self._send(here, here.key, VolunteerKeyAdded(**common, key=str(self._key)))
        common = there.common(name, name)
        consent = Consent(method="signed", given=common["time"])
        home = {"home": here.region, "home_origin": here.origin}
        self._send(there, self._key, VolunteerVisiting(**common, **home, consent=consent, key=str(self._key)))
        self._serve(there, there.organisations[0], 9, _VISIT)
        self._counted(here, self._minutes)
        console.print(f"visitor in {there.place} 来访服务: {_told(_VISIT)}, relayed home to 转回 {here.place}")

    def move(self) -> str:
        """The volunteer asks; the regions do the rest. A measured figure."""
        here, there, transfer = self._here, self._there, str(uuid4())
        event = TransferRequested(
            **here.common(self._volunteer, f"transfer:{transfer}"),
            volunteer=self._volunteer,
            to=there.region,
            to_origin=there.origin,
        )
        start = time.monotonic()
        self._send(here, self._key, event)
        console.print("transfer.requested/1  signed by the volunteer 志愿者本人签名申请")
        path = f"/v1/regions/{here.region}/transfers/{transfer}"
        self._wait(here, lambda: self._client.get(path)["state"] == "closed", "the move was not closed")
        seconds = time.monotonic() - start
        for world, kind in ((here, TransferOffered), (there, TransferAccepted)):
            rows = self._deployment.ledger(world.region).stream(f"transfer:{transfer}")
            (one,) = (found for row in rows if isinstance(found := decode_event(row.body or b""), kind))
            then = "" if world is here else ", [green]each verified 逐条核验无误"
            console.print(f"{type_name(one)}  {world.place}: {one.events} events 条事件{then}", highlight=False)
        self._counted(there, self._minutes)
        self._counted(here, 0)
        console.print(f"{there.place} counts 计入 {_told(self._minutes)}, {here.place} {_told(0)}")
        return f"{seconds:.1f} s"

    def follow(self) -> None:
        """What happens after the move reaches whoever has to know."""
        here, there = self._here, self._there
        late = self._serve(here, here.organisations[0], 14, _LATE)
        self._counted(there, self._minutes)
        console.print(f"recorded late in {here.place} 补录: {_told(_LATE)}, follows to 转至 {there.place}")
        # The first two may have been corrected and withdrawn.
        entry = (*self._served[2:], late)[0]
        common = there.common(self._volunteer, self._volunteer)
        self._send(there, self._key, HoursDisputed(**common, entry=entry.id, origin=here.origin, reason="当日未到场"))
        self._minutes -= entry.minutes
        self._counted(there, self._minutes)
        ledger = self._deployment.ledger(here.region)
        self._wait(
            here,
            lambda: (found := ledger.record(Entry, (entry.id, ""))) is not None and found.disputed,
            "the dispute was not passed back",
        )
        told = f"hours.disputed/1  {there.place}: {_told(entry.minutes)}, passed back to 异议传回 {here.place}"
        console.print(told)

    def prove(self) -> None:
        """The new home states hours of the old one."""
        there = replace(self._there, volunteers=[self._volunteer])
        proofs = Proofs(self._client, there, self._deployment.data, self._deployment.federation_key().verifier)
        proofs.issue()
        _check(proofs.first["minutes"] == self._minutes, f"the proof states {proofs.first['minutes']} minutes")
        former = _told(self._minutes - _VISIT)
        console.print(f"of these served in 其中服务于 {self._here.place}: {former}")

    def conserved(self) -> None:
        """No minute was lost or counted twice, of anybody."""
        console.print(f"$ yongzhi conservation --data {self._deployment.data}", soft_wrap=True)
        command = [sys.executable, "-m", "api", "conservation", "--data", str(self._deployment.data)]
        # As for the server: the demonstration has a database of its own.
        env = {name: value for name, value in os.environ.items() if name != "YONGZHI_DATABASE_URL"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        console.print(done.stdout.rstrip(), soft_wrap=True, highlight=False, markup=False)
        _check(done.returncode == 0, f"conservation ended with {done.returncode}: {done.stderr}")

    # -- what it takes ------------------------------------------------------------------------------------

    def _send(self, world: World, key: SigningKey, event: Event) -> None:
        self._client.send(world.region, world.request(key, [event]))

    def _serve(self, world: World, organisation: Organisation, hour: int, minutes: int) -> HoursRecorded:
        yesterday = datetime.now(CHINA).replace(hour=hour, minute=0, second=0, microsecond=0) - timedelta(days=1)
        made = world.hours(organisation, self._volunteer, yesterday, minutes)
        self._send(world, organisation.key, made)
        self._minutes += minutes
        return made

    def _counted(self, world: World, minutes: int) -> None:
        """Wait until a region counts that much for the volunteer."""
        path = f"/v1/regions/{world.region}/volunteers/{self._volunteer}"
        self._wait(
            world,
            lambda: bool(self._client.get(path)["total"]["counted"]["minutes"] == minutes),
            f"{world.region} does not count {minutes} minutes",
        )

    def _wait(self, world: World, reached: Callable[[], bool], otherwise: str) -> None:
        """Until a region, asked by the volunteer, says so."""
        self._client.sign_in(self._key, world.region)
        deadline = time.monotonic() + _WAIT_SECONDS
        while not reached():
            if time.monotonic() > deadline:
                raise Unavailable(otherwise)
            time.sleep(0.05)


def _told(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours}:{rest:02}"


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise Corrupt(f"the demonstration found otherwise: {what}")
