"""Reading one region's ledger: its log, its decision state, and what is kept beside them."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.app.proof_records import ProofRecords
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.domain.state import Identity, Need, Peer, R, Region, State, Transfer
from ledger.errors import NotFound
from ledger.events.body import KEY_TYPES
from ledger.evidence.evidence import Evidence
from ledger.store import decisions, keys, log, receipts, schema, vault
from ledger.store.exchange import imports, peers, transfers
from ledger.store.postgres.database import Database
from ledger.store.tiles import Tiles


class Reader:
    """Reads the tables of one region, each call in a snapshot of its own. Safe to share between threads."""

    def __init__(self, database: Database, region: str) -> None:
        self.database = database
        self.region = region
        self.schema = schema.region_schema(region)
        self.proofs = ProofRecords(database, self.schema)

    # -- the log --------------------------------------------------------------------------------------

    def head(self) -> log.Head:
        """The end of the log."""
        with self.database.read() as cursor:
            return log.read_head(cursor, self.schema)

    def event(self, event_id: str) -> log.StoredRow:
        """One event; raise NotFound."""
        with self.database.read() as cursor:
            rows = log.find_events(cursor, self.schema, [event_id])
        if not rows:
            raise NotFound(f"no event {event_id} in the ledger of {self.region}")
        return rows[0]

    def stream(self, subject: str) -> list[log.StoredRow]:
        """All events about one subject, oldest first."""
        with self.database.read() as cursor:
            return log.read_stream(cursor, self.schema, subject)

    def rows_at(self, positions: Sequence[int]) -> dict[int, log.StoredRow]:
        """The events at these positions."""
        with self.database.read() as cursor:
            return {row.position: row for row in log.read_positions(cursor, self.schema, positions)}

    def count(self, subject: str) -> int:
        """The number of events about one subject."""
        return log.count_stream(self.database, self.schema, subject)

    def key_events(self, issuer: str) -> list[log.StoredRow]:
        """The events that add and revoke an issuer's keys, oldest first."""
        return [row for row in self.stream(issuer) if row.topic in KEY_TYPES]

    def receipt(self, row: log.StoredRow, checkpoint: str) -> str:
        """The tlog-proof of an event in the tree of a signed checkpoint; raise NotYet when it is not in it."""
        with self.database.read() as cursor:
            return receipts.make_receipt(cursor, self.schema, row, checkpoint)

    def entry_bundle(self, index: int, width: int) -> bytes:
        """`width` log entries of bundle `index`, in the form of tlog-tiles; raise NotFound."""
        with self.database.read() as cursor:
            return receipts.entry_bundle(cursor, self.schema, index, width)

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The first `width` hashes of a tile, joined; raise NotFound when the tree has not grown so far."""
        with self.database.read() as cursor:
            return Tiles(cursor, self.schema, 0).tile(level, index, width)

    # -- the decision state ---------------------------------------------------------------------------

    def record(self, kind: type[R], identity: Identity) -> R | None:
        """A record of the decision state as it is now."""
        state = State()
        with self.database.read() as cursor:
            decisions.load(cursor, self.schema, [Need(kind, identity)], state)
        return state.get(kind, identity)

    @property
    def closed(self) -> bool:
        """Whether the ledger has ended: nothing comes after that, no revocation either."""
        region = self.record(Region, f"region:{self.region}")
        return region is not None and region.closed is not None

    def valid_key(self, issuer: str, key_id: str) -> VerifyingKey | None:
        """The key of an issuer if it is valid at the end of the log."""
        vkey = keys.find_valid(self.database, self.schema, issuer, key_id)
        return None if vkey is None else parse_vkey(vkey)

    def peers(self) -> list[Peer]:
        """Every key of another log that was ever recognised, by region, origin and time."""
        return peers.ever_recognised(self.database, self.schema)

    def transfers(self, limit: int, volunteer: str | None = None) -> list[Transfer]:
        """Up to `limit` moves of a person, by any of their ids, or of everybody; what changed last comes first."""
        with self.database.read() as cursor:
            return transfers.latest(cursor, self.schema, limit, volunteer)

    # -- beside them ----------------------------------------------------------------------------------

    def imported(self, origin: str, position: int) -> Evidence | None:
        """An event of another log with what proves it, if it was imported and not erased."""
        with self.database.read() as cursor:
            return imports.evidence(cursor, self.schema, [(origin, position)]).get((origin, position))

    def private(self, volunteer: str) -> list[vault.Private]:
        """The private details kept of a volunteer, oldest first."""
        with self.database.read() as cursor:
            return vault.read(cursor, self.schema, volunteer)
