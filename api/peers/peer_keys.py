"""The keys with which peers sign their requests, asked of the peers and cached."""

from __future__ import annotations

import time

from api.peers.http_peers import _ASKED_AGAIN_SECONDS, HttpPeers
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.exchange.desk import Desk
from ledger.limits import (
    INTEGER_MAX,
    PEER_KEYS_SECONDS,
)

# -- whose signature it is --------------------------------------------------------------------------------


class PeerKeys:
    """The keys with which peers issue, as their own logs prove them; kept for PEER_KEYS_SECONDS."""

    def __init__(self, desk: Desk, peers: HttpPeers) -> None:
        self._desk = desk
        self._peers = peers
        self._known: dict[str, tuple[float, dict[str, VerifyingKey]]] = {}
        """By origin: when they were asked for, and the valid ones by id."""

    def find(self, region: str, origin: str, key_id: str) -> VerifyingKey | None:
        """The key of a peer if it is valid, as far as its server shows; raise Unavailable when that cannot be asked.

        Raise Untrusted or Invalid when what it shows does not hold.
        """
        now = time.monotonic()
        asked, known = self._known.get(origin, (-PEER_KEYS_SECONDS, {}))
        age = now - asked
        if age >= PEER_KEYS_SECONDS or (key_id not in known and age >= _ASKED_AGAIN_SECONDS):
            known = self._ask(region, origin)
            self._known[origin] = now, known
        return known.get(key_id)

    def _ask(self, region: str, origin: str) -> dict[str, VerifyingKey]:
        checker = self._desk.checker()
        checker.learn(self._peers.keys(region))
        found = map(parse_vkey, checker.valid_keys(origin, f"region:{region}", INTEGER_MAX))
        return {key.id: key for key in found}
