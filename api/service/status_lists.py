"""Status lists as they are served: made of what the log says of each proof, signed, the same from every process."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Iterator
from typing import Final

from api.deployment.data_folder import ProofKeys
from ledger.app.ledger import Ledger
from ledger.credentials import status_list
from ledger.credentials.sd_jwt import token_status
from ledger.domain.state import Region
from ledger.errors import NotFound
from ledger.ids import parse_list_name
from ledger.limits import STATUS_LIST_SECONDS, STATUS_LIST_SIZE, SUBMISSION_EVENTS_MAX
from ledger.store import log, proofs
from ledger.store.postgres.database import Cursor

_DAY: Final = 24 * 3600
_LATELY: Final = 2 * SUBMISSION_EVENTS_MAX


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


class Indexes:
    """Gives out random indexes of status lists, none twice; a list is left when half of it is given out."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lists: dict[str, tuple[int, int]] = {}
        """By kind: the number of the list at hand, and how many of its indexes may have been given out."""
        self._taken: set[tuple[str, int]] = set()
        """Those lately given out here; whether one is free is decided under the head's lock, once more."""
        self._lock = threading.Lock()

    def take(self, kind: str) -> tuple[str, int]:
        """A list for `vc` or `sd-jwt`, and an index of it that tells of nothing yet."""
        with self._lock, self._ledger.database.read() as cursor:
            number, given = self._lists.get(kind, (1, STATUS_LIST_SIZE))
            while given >= STATUS_LIST_SIZE // 2:
                # Counted in the table only when the list seems full: what was refused has used up no index.
                given = proofs.count_in(cursor, self._ledger.schema, self._name(kind, number))
                number += given >= STATUS_LIST_SIZE // 2
            listed = self._name(kind, number)
            index = secrets.randbelow(STATUS_LIST_SIZE)
            while (listed, index) in self._taken or proofs.is_taken(cursor, self._ledger.schema, listed, index):
                index = secrets.randbelow(STATUS_LIST_SIZE)
            if len(self._taken) > _LATELY:
                self._taken.clear()
            self._taken.add((listed, index))
            self._lists[kind] = number, given + 1
        return listed, index

    def _name(self, kind: str, number: int) -> str:
        return f"{self._ledger.region}-{'t' if kind == 'sd-jwt' else ''}{number}"
