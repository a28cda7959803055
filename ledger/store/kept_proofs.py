"""A proof of service with what is kept of it for its holder, in one statement that reads no holding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.domain.state import Proof, Volunteer
from ledger.events import private_details
from ledger.store.decisions import TABLES
from ledger.store.postgres import copying
from ledger.store.postgres.copying import VOLUNTEER
from ledger.store.postgres.database import Database

_PROOF: Final = copying.selection(TABLES[Proof].columns, "p")
_HOLDER: Final = copying.selection(TABLES[Volunteer].columns, "w")
_WIDTH: Final = len(Proof.__struct_fields__)


@dataclass(frozen=True, slots=True)
class KeptProof:
    """A proof as it stands, whose it is, and what was finished of it."""

    record: Proof
    volunteer: str | None
    """Whose it is; None once that was erased."""
    holder: Volunteer | None
    """The volunteer, if this ledger knows them under that id."""
    finished: bytes | None
    """What `vault.finish` kept; None before."""
    valid_keys: frozenset[str]
    """Multikeys of the region that are not revoked."""


def find(database: Database, schema: str, proof: str) -> KeptProof | None:
    """A proof that was issued here."""
    rows = database.query(
        f"SELECT {_PROOF}, {VOLUNTEER.read.format('v.volunteer')}, h.event_id, h.finished, v.key,"
        f" ARRAY(SELECT multikey FROM {schema}.credential_keys WHERE revoked IS NULL), {_HOLDER}"
        f" FROM {schema}.proofs p LEFT JOIN {schema}.holdings h ON h.proof = p.id"
        f" LEFT JOIN vault.{schema} v ON v.volunteer = h.volunteer"
        f" LEFT JOIN {schema}.volunteers w ON w.id = v.volunteer WHERE p.id = %s",
        (proof,),
    )
    if not rows:
        return None
    volunteer, event_id, finished, key, keys, *holder = rows[0][_WIDTH:]
    return KeptProof(
        record=Proof(**dict(zip(Proof.__struct_fields__, rows[0], strict=False))),
        volunteer=volunteer,
        holder=None if holder[0] is None else Volunteer(**dict(zip(Volunteer.__struct_fields__, holder, strict=True))),
        finished=None
        if finished is None or key is None
        else private_details.unseal(bytes(finished), bytes(key), event_id),
        valid_keys=frozenset(keys),
    )
