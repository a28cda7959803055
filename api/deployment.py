"""A data folder and its database: the keys, the regions and the checkpoints of one deployment."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from api import drafts
from ledger import audit as auditing
from ledger import events, keys
from ledger.app import Ledger
from ledger.codes import region_name
from ledger.errors import Invalid, Unavailable
from ledger.ids import check_origin, check_region
from ledger.keys import SigningKey
from ledger.log import CheckpointFile, Publisher
from ledger.store import embedded, schema
from ledger.store.postgres import Database
from ledger.submission import pack, seal


@dataclass(frozen=True, slots=True)
class RegionKeys:
    """The secrets of a region: what signs its log, what signs its events, what hashes identity numbers."""

    log: SigningKey
    issuing: SigningKey
    claims: bytes


@dataclass(frozen=True, slots=True)
class Deployment:
    """An open data folder. Regions are those whose log key lies in `keys/`."""

    data: Path
    database: Database

    def regions(self) -> list[str]:
        """Codes of the regions of this deployment."""
        return sorted(path.stem for path in (self.data / "keys").glob("*.log"))

    def region_keys(self, region: str) -> RegionKeys:
        """The keys of a region; raise Unavailable when it is not one of this deployment."""
        folder = self.data / "keys"
        log_key = keys.load(folder / f"{region}.log")
        issuing = keys.load(folder / f"{region}.issuing")
        try:
            claims = bytes.fromhex((folder / f"{region}.claims").read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as error:
            raise Unavailable(f"cannot read the claims key of {region}: {error}") from None
        return RegionKeys(log_key, issuing, claims)

    def create_region(self, region: str, origin: str) -> RegionKeys:
        """Make the keys and tables of a new region and sign its empty log; `region.established` comes next."""
        check_region(region)
        check_origin(origin)
        folder = self.data / "keys"
        if (folder / f"{region}.log").exists():
            raise Invalid(f"{region} is a region of this deployment already")
        with self.database.transaction() as cursor:
            if schema.exists(cursor, schema.region_schema(region)):
                raise Invalid(f"the database holds a ledger of {region} whose keys are not here")
            schema.create_region(cursor, schema.region_schema(region))
        keys.save(keys.generate(f"region:{region}"), folder / f"{region}.issuing")
        _save_secret(folder / f"{region}.claims", secrets.token_hex(32))
        log_key = keys.generate(origin)
        Publisher(self.database, schema.region_schema(region), log_key, self._checkpoint(region)).begin()
        keys.save(log_key, folder / f"{region}.log")  # last: it is what makes the region one of this deployment
        return self.region_keys(region)

    def establish(self, region: str, origin: str, name_en: str) -> None:
        """Create a region and submit the event that begins its ledger."""
        secret = self.create_region(region, origin)
        issuer = secret.issuing.name
        event = events.RegionEstablished(
            **drafts.common(issuer, region, issuer),
            name=events.RegionName(zh=region_name(region) or region, en=name_en),
            origin=origin,
            log_key=str(secret.log.verifier),
            key=str(secret.issuing.verifier),
        )
        bodies = [events.encode(event)]
        self.ledger(region).submit(pack(seal(bodies, secret.issuing, origin), bodies))
        self.publisher(region).publish()

    def audit(self, region: str) -> auditing.Report:
        """Audit a region against its own last checkpoint."""
        ledger, note = self.ledger(region), self.publisher(region).published
        with self.database.read() as cursor:
            return auditing.audit_published(cursor, ledger.schema, region, ledger.origin, note)

    def ledger(self, region: str) -> Ledger:
        """The ledger of a region."""
        secret = self.region_keys(region)
        with self.database.transaction() as cursor:
            schema.create_region(cursor, schema.region_schema(region))
        return Ledger(self.database, region, secret.log.name, secret.claims)

    def publisher(self, region: str) -> Publisher:
        """What signs the checkpoints of a region."""
        key = self.region_keys(region).log
        return Publisher(self.database, schema.region_schema(region), key, self._checkpoint(region))

    def _checkpoint(self, region: str) -> CheckpointFile:
        return CheckpointFile(self.data / "checkpoints" / region)


@contextlib.contextmanager
def opened(data: Path, database_url: str | None = None) -> Iterator[Deployment]:
    """Open a data folder; without a database URL its embedded PostgreSQL is started, or used if it runs."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "keys").mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        dsn = database_url or stack.enter_context(embedded.running(data)).dsn
        database = Database(dsn, connections_max=48)
        stack.callback(database.close)
        yield Deployment(data, database)


def _save_secret(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
