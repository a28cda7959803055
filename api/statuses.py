"""Status lists as they are served: made of what the log says of each proof, signed, the same from every process."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Final

from api.deployment import ProofKeys
from ledger.app import Ledger
from ledger.credentials import status_list, token_status
from ledger.domain.state import Region
from ledger.errors import NotFound
from ledger.ids import parse_list_name
from ledger.limits import STATUS_LIST_SECONDS
from ledger.store import log, proofs
from ledger.store.postgres import Cursor

BITSTRING: Final = "application/vc+json"
TOKEN: Final = "application/statuslist+jwt"
_DAY: Final = 24 * 3600


class StatusLists:
    """The lists of one region. A list is dated by its last revocation, or by the day when that is older."""

    def __init__(self, ledger: Ledger, keys: ProofKeys) -> None:
        self._ledger = ledger
        self._keys = keys
        self._lock = threading.Lock()
        self._made: dict[str, tuple[tuple[int, int, bool], bytes]] = {}

    def url(self, name: str) -> str:
        """The address of a list."""
        return f"{self._keys.base}/status/{name}"

    def names(self) -> list[str]:
        """Every list in which an index was given out, and the first of each kind even before."""
        with self._ledger.database.read() as cursor:
            return [name for kind in ("", "t") for name in self._names(cursor, kind)]

    def _names(self, cursor: Cursor, kind: str) -> Iterator[str]:
        for number in itertools.count(1):
            name = f"{self._ledger.region}-{kind}{number}"
            if number > 1 and not proofs.is_begun(cursor, self._ledger.schema, name):
                return
            yield name

    def get(self, name: str) -> bytes:
        """The list as it is now; raise NotFound for a list that was never begun."""
        found = parse_list_name(name)
        if found is None or found.region != self._ledger.region or name not in self.names():
            raise NotFound("no such status list")
        closed, since = self._closed()
        with self._ledger.database.read() as cursor:
            revoked, last = proofs.list_state(cursor, self._ledger.schema, name)
            dates = [row.recorded_at for row in log.read_positions(cursor, self._ledger.schema, [last])]
        if not closed:
            now = self._ledger.now()
            since = max([now - now % _DAY, *dates])
        version = (last, since, closed)
        with self._lock:
            made = self._made.get(name)
            if made is None or made[0] != version:
                until = None if closed else since + STATUS_LIST_SECONDS
                made = self._made[name] = (version, self._make(name, found.tokens, revoked, since, until))
        return made[1]

    def _closed(self) -> tuple[bool, int]:
        """Whether the region ended, and when: its last lists are of that second, and do not expire."""
        region = self._ledger.record(Region, f"region:{self._ledger.region}")
        if region is None or region.closed is None:
            return False, 0
        return True, self._ledger.rows_at([region.closed])[region.closed].recorded_at

    def _make(self, name: str, token: bool, revoked: list[int], since: int, until: int | None) -> bytes:
        if token:
            return token_status.make(self.url(name), self._keys.token, revoked, since, until).encode()
        return status_list.make(self.url(name), self._keys.credential, revoked, since, until)
