"""Proofs of service as a region issues them: events with their holdings, and a holder who asks a server for them."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx2
from msgspec import UNSET
from msgspec.structs import replace

from ledger.credentials import holdings, model
from ledger.crypto.encoding import digest
from ledger.events.body import decode_event
from ledger.events.proofs import ProofIssued
from ledger.store import proofs as queries
from tests.integration.waiting import DEADLINE_SECONDS, eventually
from tests.integration.world import World, span
from tests.support import builders, proofs
from tests.support.builders import AUTHORITY, REGION, SALT, STATION, VOLUNTEER, vkey

if TYPE_CHECKING:
    from tests.api.site import Site

YEAR: dict[str, Any] = {"first": "2026-01-01", "last": "2026-12-31"}
"""A period that holds all that is recorded here."""
CONSENT = "同意书 2026-18"


# -- without a server -----------------------------------------------------------------------------------


def holding(volunteer: str = VOLUNTEER, **changes: Any) -> holdings.Holding:
    """One that is valid but for the changes."""
    fields: dict[str, Any] = {
        "volunteer": volunteer,
        "salt": SALT,
        "request": holdings.Request(kind="service", **YEAR),
        "seen": 7,
        "entries": (3, 5),
        "statement": proofs.service(),
        "credential": proofs.credential(),
        **changes,
    }
    return holdings.Holding(**fields)


@dataclass(frozen=True, slots=True)
class Draft:
    """A body that issues a proof, and the holding that it commits to."""

    body: bytes
    data: bytes

    @property
    def event(self) -> ProofIssued:
        found = decode_event(self.body)
        assert isinstance(found, ProofIssued)
        return found

    @property
    def private(self) -> dict[str, bytes]:
        return {self.event.id: self.data}

    @property
    def proof(self) -> str:
        return self.event.subject.removeprefix("proof:")


def draft(
    world: World, proof: str | None = None, index: int = 17, held: holdings.Holding | None = None, **changes: Any
) -> Draft:
    """The event that issues a proof in a world; `changes` are those of its body."""
    proof = proof or str(uuid.uuid4())
    if held is None:
        plain = proofs.credential()
        held = holding(credential=replace(plain, id=f"{proofs.HOST}/p/{proof}"))
    data = holdings.encode(held)
    fields = {
        "subject": f"proof:{proof}",
        "issuer": world.authority,
        "credential": holdings.committed(held),
        "holder": digest(data),
        "status": {"list": f"{world.region}-1", "index": index},
        **changes,
    }
    return Draft(world.body("proof.issued/1", **fields), data)


def token_draft(world: World, proof: str | None = None, index: int = 17, **changes: Any) -> Draft:
    """The same of an SD-JWT."""
    held = holding(credential=UNSET, token="eyJpc3MiOiIifQ", of=builders.PROOF)
    status = {"list": f"{world.region}-t1", "index": index}
    return draft(world, proof, held=held, **{"format": "sd-jwt", "status": status, **changes})


def revocation(world: World, proof: str, reason: str = "corrected", **changes: Any) -> bytes:
    return world.body("proof.revoked/1", subject=f"proof:{proof}", issuer=world.authority, reason=reason, **changes)


# -- with one -------------------------------------------------------------------------------------------


class Holder:
    """Somebody who asks a server for proofs: a volunteer, or whoever acts for one."""

    def __init__(self, site: Site, name: str = VOLUNTEER) -> None:
        self.site = site
        self.name = name

    def post(self, path: str, **members: Any) -> httpx2.Response:
        """What is answered to JSON, whatever it is."""
        return self.send(path, json.dumps(members).encode())

    def send(self, path: str, data: bytes) -> httpx2.Response:
        headers = {**self.site.signed_in(self.name), "content-type": "application/json"}
        return self.site.http.post(self.site.path(path), content=data, headers=headers)

    def ask(self, **members: Any) -> dict[str, Any]:
        """A proof that is issued, of a year unless `members` say another period."""
        answer = self.post("proofs", **(members if "replaces" in members else {**YEAR, **members}))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def proof(self, **members: Any) -> str:
        """The same under a checkpoint; its id."""
        found: str = self.ask(**members)["id"]
        self.site.publish()
        return found

    def get(self, path: str, **query: Any) -> httpx2.Response:
        return self.site.get(path, self.name, **query)

    def shown(self, proof: str) -> dict[str, Any]:
        """A proof as it stands now."""
        found: dict[str, Any] = self.site.json(f"proofs/{proof}", self.name)
        return found

    def part(self, proof: str, part: str) -> bytes:
        answer = self.get(f"proofs/{proof}/{part}")
        assert answer.status_code == 200, answer.text
        return answer.content

    def credential(self, proof: str) -> model.Credential:
        return model.decode(self.part(proof, "credential"))

    def statement(self, proof: str) -> model.ServiceStatement:
        found = self.credential(proof).credentialSubject.service
        assert isinstance(found, model.ServiceStatement)
        return found

    def serve(self, start: str, end: str, **changes: Any) -> str:
        """An entry; its id."""
        return self.site.world.record("hours.recorded/1", subject=self.name, **span(start, end, **changes))

    def change(self, act: str, entry: str, **changes: Any) -> None:
        """Something happens to an entry, as the station wants it unless `changes` name another."""
        self.site.world.record(f"hours.{act}/1", subject=self.name, entry=entry, **changes)

    def revoked(self, proof: str) -> dict[str, Any]:
        """The proof once it is revoked, which is waited for."""
        return eventually(lambda: (found := self.shown(proof))["state"] == "revoked" and found)


_people = count(1)


def newcomer(site: Site, *spans: tuple[str, str], named: bool = False, **changes: Any) -> Holder:
    """A volunteer with a key, and with entries from one clock time to another, all of one day."""
    name = f"volunteer:0199a1c2-0000-7000-9000-{next(_people):012x}"
    if named:
        site.world.register(name, builders.details(name="林小明", id_number=f"E{next(_people):08}"), key=vkey(name))
    else:
        site.world.enrol(name)
    found = Holder(site, name)
    for start, end in spans:
        found.serve(start, end, **changes)
    return found


def settled(site: Site) -> None:
    """Until whatever the log says so far has been compared with every proof that it may concern."""
    region, world = site.service.regions[REGION], site.world
    assert region.runner.wait(world.size - 1, DEADLINE_SECONDS)

    def suspects() -> list[str]:
        with world.database.read() as cursor:
            return queries.suspects(cursor, world.schema, region.runner.projection.schema, 0, 0)

    eventually(lambda: not suspects())


def listed(site: Site, name: str = f"{REGION}-1") -> bytes:
    """A status list as it is served now."""
    answer = site.get(f"/status/{name}")
    assert answer.status_code == 200, answer.text
    return answer.content


__all__ = [
    "AUTHORITY",
    "CONSENT",
    "REGION",
    "STATION",
    "VOLUNTEER",
    "YEAR",
    "Draft",
    "Holder",
    "draft",
    "holding",
    "listed",
    "newcomer",
    "revocation",
    "settled",
    "token_draft",
]
