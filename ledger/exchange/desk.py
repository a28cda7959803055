"""The desk of a region: reads others verified, reads itself with proof, and has the hand that issues."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from ledger.app.issuer import Issuer
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.domain.state import Need, Peer, Region, State
from ledger.errors import NotYet, Unavailable
from ledger.evidence.evidence import Checker, Evidence
from ledger.exchange.manifest import Proofs
from ledger.exchange.peer_watch import Report, Watch
from ledger.federation.trust_bundle import Trust
from ledger.store import decisions
from ledger.store.exchange.prover import Prover, SubmissionTrees
from ledger.tlog import notes
from ledger.tlog.checkpoint import parse_checkpoint

Federation = Callable[[], Trust | None]
"""The federation that is installed, if one is."""


class Desk:
    """One region's ledger and what issues in its name, among its peers. Safe to share between threads."""

    def __init__(
        self,
        issuer: Issuer,
        checkpoint: Callable[[], str | None],
        trees: SubmissionTrees | None = None,
        trust: Federation = lambda: None,
        report: Report = lambda kind, data: None,
    ) -> None:
        self.issuer = issuer
        self.ledger = ledger = issuer.ledger
        self._checkpoint = checkpoint
        self._trees = trees or SubmissionTrees()
        self.trust = trust
        self.watch = Watch(ledger.database, ledger.schema, ledger.origin, report)

    @property
    def code(self) -> str:
        """The code of the region."""
        return self.ledger.region

    @property
    def origin(self) -> str:
        """The name of its log."""
        return self.ledger.origin

    # -- reading others -------------------------------------------------------------------------------

    def log_keys(self, origin: str) -> Sequence[VerifyingKey]:
        """The keys trusted for a log: those of recognised peers, and the own one for events that come back."""
        if origin == self.origin:
            region = self.ledger.record(Region, f"region:{self.code}")
            return [] if region is None else [parse_vkey(region.log_key)]
        return [parse_vkey(peer.log_key) for peer in self.peers(origin)]

    def peers(self, origin: str) -> list[Peer]:
        """The keys of a log that are recognised now."""
        state = State()
        with self.ledger.database.read() as cursor:
            decisions.load(cursor, self.ledger.schema, [Need(Peer, group=origin)], state)
        return [peer for peer in state.group(Peer, origin) if peer.dismissed is None]

    def checker(self) -> Checker:
        """Verifies what peers sent, for one job."""
        return Checker(self.log_keys)

    def seen(self, items: Iterable[Evidence]) -> None:
        """Hold verified evidence against what its logs showed before, and against where a closed log ended.

        Raise Forked for two histories, Untrusted for what was appended behind the end.
        """
        evidence = list(items)
        trust = self.trust()
        for origin, text in {(item.origin, item.checkpoint) for item in evidence}:
            if trust is not None and trust.by_origin(origin) is not None and origin != self.origin:
                trust.checkpoint(text, origin)
        self.watch.checkpoints(evidence)

    # -- reading itself -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def proofs(self) -> Iterator[tuple[Proofs, int]]:
        """Proofs of this ledger's events for others, and how many events the published checkpoint covers."""
        note = self._checkpoint()
        if note is None:
            raise NotYet("no checkpoint is published yet")
        size = _size(note)
        with self.ledger.database.read() as cursor:
            prover = Prover(cursor, self.ledger.schema, self.origin, note, self._trees)
            yield Proofs(cursor, self.ledger.schema, self.origin, prover), size

    def check_whole(self) -> None:
        """Raise Unavailable while less is stored than was signed: the database is older than the last checkpoint.

        An event taken then would stand in the place of a lost one, or be lost itself once that one is restored.
        """
        note = self._checkpoint()
        if note is not None and (stored := self.ledger.head().size) < _size(note):
            raise Unavailable(f"{_size(note)} events were signed and {stored} are stored, so nothing is exchanged")


def _size(note: str) -> int:
    """Events under a checkpoint."""
    return parse_checkpoint(notes.parse(note).text).size
