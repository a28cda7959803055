"""Status lists as they are served: made of what the log says of each proof, signed, the same from every process."""

from __future__ import annotations

import secrets
import threading
from typing import Final, Protocol

from api.deployment.data_folder import ProofKeys
from ledger.app.ledger import Ledger
from ledger.app.status_records import StatusRecords
from ledger.credentials import status_list
from ledger.credentials.sd_jwt import token_status
from ledger.domain.state import Region
from ledger.errors import NotFound
from ledger.events.proofs import StatusIndex
from ledger.ids import parse_list_name
from ledger.limits import STATUS_LIST_SECONDS, STATUS_LIST_SIZE, SUBMISSION_EVENTS_MAX

_DAY: Final = 24 * 3600
_LATELY: Final = 2 * SUBMISSION_EVENTS_MAX


class StatusLists:
    """The lists of one region. A list is dated by its last revocation, or by the day when that is older."""

    def __init__(self, ledger: Ledger, keys: ProofKeys) -> None:
        self._ledger = ledger
        self._records = StatusRecords(ledger.database, ledger.schema)
        self._keys = keys
        self._lock = threading.Lock()
        self._made: dict[str, tuple[tuple[int, int, bool], bytes]] = {}

    def url(self, name: str) -> str:
        """The address of a list."""
        return f"{self._keys.base}/status/{name}"

    def names(self) -> list[str]:
        """Every list in which an index was given out, and the first of each kind even before."""
        return self._records.names(self._ledger.region)

    def get(self, name: str) -> bytes:
        """The list as it is now; raise NotFound for a list that was never begun."""
        parts = parse_list_name(name)
        if parts is None or parts.region != self._ledger.region or name not in self.names():
            raise NotFound("no such status list")
        closed, since = self._closed()
        revoked, last, at = self._records.state(name)
        if not closed:
            now = self._ledger.now()
            since = max(now - now % _DAY, at)
        version = (last, since, closed)
        with self._lock:
            made = self._made.get(name)
            if made is None or made[0] != version:
                until = None if closed else since + STATUS_LIST_SECONDS
                made = self._made[name] = (version, self._make(name, parts.tokens, revoked, since, until))
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


class Given(Protocol):
    """Tells which indexes of status lists were given to proofs."""

    def is_taken(self, listed: str, index: int) -> bool:
        """Whether an index of a list was."""

    def count_in(self, listed: str) -> int:
        """How many indexes of a list were."""


class Indexes:
    """Gives out random indexes of one kind of status lists, none twice; a list is left when half of it is given out.

    The kind is `vc` or `sd-jwt`.
    """

    def __init__(self, region: str, kind: str) -> None:
        self.kind = kind
        self._prefix = f"{region}-{'t' if kind == 'sd-jwt' else ''}"
        self._list = (1, STATUS_LIST_SIZE)
        """The number of the list at hand, and how many of its indexes may have been given out."""
        self._taken: set[tuple[str, int]] = set()
        """Those lately given out here; whether one is free is decided under the head's lock, once more."""
        self._lock = threading.Lock()

    def take(self, given: Given) -> StatusIndex:
        """A list, and an index of it that tells of nothing yet."""
        with self._lock:
            number, count = self._list
            while count >= STATUS_LIST_SIZE // 2:
                # Counted in the table only when the list seems full: what was refused has used up no index.
                count = given.count_in(f"{self._prefix}{number}")
                number += count >= STATUS_LIST_SIZE // 2
            listed = f"{self._prefix}{number}"
            index = secrets.randbelow(STATUS_LIST_SIZE)
            while (listed, index) in self._taken or given.is_taken(listed, index):
                index = secrets.randbelow(STATUS_LIST_SIZE)
            if len(self._taken) > _LATELY:
                self._taken.clear()
            self._taken.add((listed, index))
            self._list = number, count + 1
        return StatusIndex(list=listed, index=index)
