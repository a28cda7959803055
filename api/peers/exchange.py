"""The exchange of one region with others: its node, how it reaches them, and who may ask it for what."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from api.deployment import installed_federation
from api.deployment.data_folder import Deployment
from api.peers import bundle_requests
from api.peers.delivery import Delivering
from api.peers.http_peers import HttpPeers
from api.peers.peer_keys import PeerKeys
from ledger import files
from ledger.app.committer import Committer
from ledger.app.issuer import Issuer
from ledger.app.ledger import Ledger
from ledger.app.publisher import Publisher
from ledger.crypto.keys import SigningKey, VerifyingKey
from ledger.domain.state import Transfer
from ledger.errors import Invalid, LedgerError, NotFound, NotYet, Unavailable
from ledger.events.body import decode_event
from ledger.events.transfer import Cited, Objection, TransferCancelled, TransferRejected
from ledger.evidence import wire
from ledger.evidence.evidence import UnknownOrigin
from ledger.exchange import outgoing
from ledger.exchange.desk import Desk
from ledger.exchange.incoming import Answer
from ledger.exchange.messages import Messages
from ledger.exchange.node import Node
from ledger.federation.trust_bundle import Trust
from ledger.ids import format_time

logger = logging.getLogger("yongzhi.exchange")

TRANSFERS_SHOWN: Final = 100
"""At most so many transfers of a volunteer or region, the latest."""


class Waiting(NamedTuple):
    """The messages of a box that are in a state: how many, and since when the oldest is there (unix milliseconds)."""

    box: str
    state: str
    number: int
    oldest: int


class Exchange:
    """One region among its peers, as a server or a command runs it."""

    def __init__(
        self,
        deployment: Deployment,
        ledger: Ledger,
        publisher: Publisher,
        served: Callable[[str], Exchange | None],
        committer: Committer | None = None,
    ) -> None:
        """`served` finds the regions of this process; without a committer every event is committed at once."""
        self.ledger = ledger
        self.publisher = publisher
        self._data: Path = deployment.data
        self._served = served
        issuing: SigningKey = deployment.region_keys(ledger.region).issuing
        self.desk = Desk(
            Issuer(ledger, issuing, committer),
            lambda: publisher.published,
            trust=self.installed,
            report=self._keep_evidence,
        )
        self.peers = HttpPeers(issuing, ledger.origin, self.federation, served, ledger.now)
        self._keys = PeerKeys(self.desk, self.peers)
        self.node = Node(self.desk, self.peers, deployment.sealing_key(ledger.region), self.federation)
        self.delivering: Delivering | None = None

    def _keep_evidence(self, kind: str, data: bytes) -> None:
        """Keep what proves misconduct, once, where `yongzhi misconduct` finds it; and tell the operator."""
        path = self._data / "evidence" / f"{kind}-{sha256(data).hexdigest()[:16]}.json"
        logger.error("a peer contradicts itself", extra={"region": self.ledger.region, "code": kind, "file": path.name})
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            files.write(path, data)

    def start(self) -> None:
        """Have threads deliver and go on by themselves."""
        self.delivering = Delivering(self.ledger, _Tended(self.ledger, self.node), self.peers, self.ledger.now)

    def close(self) -> None:
        """Stop what is under way."""
        self.peers.close()
        if self.delivering is not None:
            self.delivering.close()

    @property
    def failure(self) -> str | None:
        """Why messages do not get on, if it is no peer's doing."""
        return None if self.delivering is None else self.delivering.failure

    def installed(self) -> Trust | None:
        """The federation that is installed, if one is; raise Unavailable when it is not good now: another may be."""
        try:
            return installed_federation.installed(self._data, self.ledger.now())
        except LedgerError as error:
            raise Unavailable(f"the installed federation is of no use: {error.detail}") from None

    def federation(self) -> Trust:
        """The same; raise Unavailable while there is none."""
        trust = self.installed()
        if trust is None:
            raise Unavailable("no federation is installed here: see `yongzhi federation install`")
        return trust

    def deliver(self, data: bytes, sender: str) -> Answer:
        """Take a message in the name of `sender`, a region of the federation; see `Node.deliver`."""
        if sender == self.ledger.region:
            raise Invalid("a region sends nothing to itself", "/sender")
        known, trust = self.federation().region(sender), self.federation()
        if known is None or not trust.valid(known, self.ledger.now()):
            raise UnknownOrigin(f"{sender!r:.20} is no region of the federation that is installed here")
        return self.node.deliver(data, sender)

    def authorise(self, header: str, transfer: str) -> tuple[str, str]:
        """The region, code and origin, that signed a request for the bundle of a transfer, and to which it is offered.

        Raise Invalid for what is no request, NotFound unless it is offered to whoever asks, Untrusted for a signature
        that is not theirs, Unavailable when their keys cannot be asked for.
        """
        asked = bundle_requests.read(header, self.ledger.origin, transfer, self.ledger.now())
        offer = self._offered(transfer, asked.issuer.removeprefix("region:"))
        asked.verify(self._key(offer, asked.key_id))
        return offer.peer, offer.peer_origin

    def hand_out(self, transfer: str, to: str, to_origin: str) -> Iterator[bytes]:
        """The bundle of an offer that was made to that region and is open; the caller knows that it is asking."""
        if self._offered(transfer, to).peer_origin != to_origin:
            raise NotFound(f"no offer of transfer {transfer} to {to_origin} is open here")
        offer, _ = outgoing.offered(self.desk, transfer)
        region = self.federation().by_origin(to_origin)
        if offer.details is not UNSET and (region is None or region.sealing_key is UNSET):
            raise Unavailable(f"the federation has no sealing key of {to_origin}, and private details travel sealed")
        return self.node.bundle(transfer)

    def own_keys(self) -> bytes:
        """The message that shows a peer which keys this region issues with."""
        with self.desk.proofs() as (proofs, size):
            keys = proofs.support({(self.desk.origin, f"region:{self.desk.code}")}, size)
        if not keys:
            raise NotYet("no published checkpoint covers the region's keys yet")
        return wire.message(keys)

    def _offered(self, transfer: str, to: str) -> Transfer:
        offer = self.ledger.record(Transfer, transfer)
        if offer is None or not offer.outgoing or offer.state != "offered" or offer.peer != to:
            raise NotFound(f"no offer of transfer {transfer} to {to!r:.20} is open here")
        return offer

    def _key(self, offer: Transfer, key_id: str) -> VerifyingKey | None:
        served = self._served(offer.peer)
        if served is not None and served.ledger.origin == offer.peer_origin:
            return served.ledger.valid_key(f"region:{offer.peer}", key_id)
        return self._keys.find(offer.peer, offer.peer_origin, key_id)

    # -- what people ask ------------------------------------------------------------------------------

    def transfers(self, volunteer: str | None = None) -> list[Transfer]:
        """Moves that this ledger knows, of a volunteer or of all, the latest first; at most TRANSFERS_SHOWN."""
        return self.ledger.transfers(TRANSFERS_SHOWN, volunteer)

    def reasons(self, transfer: Transfer) -> list[Objection]:
        """Why a record was not taken, as the destination said in its rejection."""
        for row in self.ledger.stream(f"transfer:{transfer.id}"):
            event = decode_event(row.body) if row.body else None
            if isinstance(event, TransferRejected):
                return list(event.reasons)
            if isinstance(event, TransferCancelled) and isinstance(event.outcome, Cited):
                return self._rejected(event.outcome)
        return []

    def _rejected(self, outcome: Cited) -> list[Objection]:
        evidence = self.ledger.imported(outcome.origin, outcome.position)
        event = None if evidence is None else decode_event(evidence.body)
        return list(event.reasons) if isinstance(event, TransferRejected) else []

    # -- what operators ask ---------------------------------------------------------------------------

    def waiting(self) -> list[Waiting]:
        """The messages of each box that are not done: those that wait, and those that are aside."""
        return [
            Waiting(box, state, *counts.get(state, (0, 0)))
            for box, counts in Messages(self.ledger.database, self.ledger.schema).counts().items()
            for state in ("waiting", "aside")
        ]


def exchanges(deployment: Deployment) -> dict[str, Exchange]:
    """The exchanges of all regions of a deployment, for a command: nothing goes on by itself."""
    by_code: dict[str, Exchange] = {}
    for code in deployment.regions():
        by_code[code] = Exchange(deployment, deployment.ledger(code), deployment.publisher(code), by_code.get)
    return by_code


def as_dict(transfer: Transfer, reasons: Sequence[Objection]) -> dict[str, Any]:
    """A transfer as it is shown, whoever asks by whatever way."""
    return {
        "id": transfer.id,
        "volunteer": transfer.volunteer,
        "direction": "out" if transfer.outgoing else "in",
        "peer": transfer.peer,
        "peer_origin": transfer.peer_origin,
        "state": transfer.state,
        "opened": transfer.opened,
        "decided": transfer.decided,
        "expires": format_time(transfer.expires) if transfer.expires else None,
        "reasons": [{"code": reason.code, "detail": reason.detail} for reason in reasons],
    }


@dataclass(slots=True)
class _Tended:
    """The node, and beside it the boxes: what was taken by a process that died, or before the database did, is due.

    Nobody would say what became of it, and it would be left alone for DELIVERY_LEASE. Should another process have it
    at hand after all, it is sent twice, and taken once.
    """

    ledger: Ledger
    node: Node
    _since: datetime | None = None

    def message(self, origin: str, position: int) -> bytes:
        """See `Node.message`."""
        return self.node.message(origin, position)

    def step(self) -> bool:
        """See `Node.step`."""
        since = self.ledger.database.started()
        if since != self._since:
            self._release()
            self._since = since
        return self.node.step()

    def _release(self) -> None:
        Messages(self.ledger.database, self.ledger.schema).release(self.ledger.now() * 1000)
