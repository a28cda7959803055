"""A data folder and its database: the keys, the regions and the checkpoints of one deployment."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ledger.app.issuer import Issuer
from ledger.app.ledger import Ledger
from ledger.app.publisher import CheckpointFile, Publisher
from ledger.audit.log import audit_ledger
from ledger.audit.report import Report
from ledger.codes import region_name
from ledger.credentials.certificate.pades import certificate_signer, sign_pdf
from ledger.crypto import keys
from ledger.crypto.did import base_of, did_of
from ledger.crypto.keys import SigningKey
from ledger.crypto.multikey import CredentialKey, TokenKey, generate_token_key, load_token_key, save_token_key
from ledger.errors import Conflict, Invalid, LedgerError, Unavailable
from ledger.events import private_details
from ledger.events.fields import Event, RegionName
from ledger.events.proofs import ProofRevoked, RegionCredentialKeyAdded
from ledger.events.registration import RegionEstablished
from ledger.ids import check_origin, check_region
from ledger.store import schema
from ledger.store.postgres import embedded
from ledger.store.postgres.database import Database

_OWN_NAMES = {"810000": "香港特別行政區", "820000": "澳門特別行政區"}
"""As they write themselves; GB/T 2260 has simplified Chinese only."""

PdfSigner = Callable[[bytes, datetime], bytes]
"""Signs a PDF as of a time."""


@dataclass(frozen=True, slots=True)
class RegionKeys:
    """The secrets of a region: what signs its log, what signs its events, what hashes identity numbers."""

    log: SigningKey
    issuing: SigningKey
    claims: bytes


@dataclass(frozen=True, slots=True)
class ProofKeys:
    """The keys that sign a region's proofs of service: credentials and their status lists, tokens and theirs."""

    credential: CredentialKey
    token: TokenKey

    @property
    def did(self) -> str:
        """The issuer that its credentials name."""
        return self.credential.did

    @property
    def base(self) -> str:
        """The address under which its pages and lists are found."""
        return base_of(self.did)


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
        if not schema.create(self.database, schema.region_schema(region)):
            raise Invalid(f"the database holds a ledger of {region} whose keys are not here")
        keys.save(keys.generate(f"region:{region}"), folder / f"{region}.issuing")
        _save_secret(folder / f"{region}.claims", secrets.token_hex(32))
        log_key = keys.generate(origin)
        Publisher(self.database, schema.region_schema(region), log_key, self._checkpoint(region)).begin()
        keys.save(log_key, folder / f"{region}.log")  # last: it is what makes the region one of this deployment
        return self.region_keys(region)

    def establish(self, region: str, origin: str, name_en: str, base: str | None = None) -> None:
        """Create a region and submit the events that begin its ledger; `base` is where it will be served.

        Without a base it is https:// and the host that the origin begins with.
        """
        did = did_of(base or f"https://{origin.partition('/')[0]}", region)
        secret = self.create_region(region, origin)
        issuer = self.issuer(region)
        event = RegionEstablished(
            **issuer.common(secret.issuing.name),
            name=RegionName(zh=_OWN_NAMES.get(region) or region_name(region) or region, en=name_en),
            origin=origin,
            log_key=str(secret.log.verifier),
            key=str(secret.issuing.verifier),
        )
        self.issue(issuer, [event, *self._make_proof_keys(issuer, did)])
        self._take_proof_keys(region)
        self.sealing_key(region)

    def change_proof_keys(self, region: str, base: str | None = None) -> ProofKeys:
        """Make the keys that sign proofs of service, or new ones; those before stay good until they are revoked.

        `base` is where the region is served. It stands in every proof, so only the first keys decide on it.
        """
        present = self.proof_keys_or_none(region)
        if present is None and base is None:
            raise Invalid("where is the region served? Its proofs will name that address: give it with --url")
        did = did_of(base, region) if base else present.did if present else ""
        if present is not None and present.did != did:
            raise Invalid(f"the proofs of {region} name {present.base}: their address cannot change")
        issuer = self.issuer(region)
        self.issue(issuer, self._make_proof_keys(issuer, did))
        return self._take_proof_keys(region)

    def proof_keys(self, region: str) -> ProofKeys:
        """The keys that sign proofs of service now; raise Unavailable when there are none."""
        folder = self.data / "keys"
        return ProofKeys(
            CredentialKey(keys.load(folder / f"{region}.credential")), load_token_key(folder / f"{region}.token")
        )

    def proof_keys_or_none(self, region: str) -> ProofKeys | None:
        """The same, or None for a region that issues no proofs yet."""
        return self.proof_keys(region) if (self.data / "keys" / f"{region}.credential").exists() else None

    def seal_image(self, region: str) -> bytes | None:
        """The region's seal, `seals/<code>.png` or `.svg`, as certificates show it; None when there is none."""
        from ledger.credentials.certificate.certificate import check_seal  # brings the compiler and its typefaces

        for path in (self.data / "seals" / f"{region}.png", self.data / "seals" / f"{region}.svg"):
            if path.exists():
                try:
                    return check_seal(path.read_bytes())
                except LedgerError as error:
                    raise Invalid(f"{path}: {error.detail}") from None
        return None

    def pdf_signer(self, region: str) -> PdfSigner | None:
        """The signer of the region's certificates as PDF documents, with `keys/<code>.pades`; None when there is none.

        The passphrase of that file, if it has one, is in `YONGZHI_PADES_PASSPHRASE`.
        """
        path = self.data / "keys" / f"{region}.pades"
        if not path.exists():
            return None
        signer = certificate_signer(path, os.environ.get("YONGZHI_PADES_PASSPHRASE"))
        return lambda pdf, at: sign_pdf(pdf, signer, at)

    def federation_key(self) -> SigningKey:
        """The key that signs the trust bundle of this deployment; made when it is first asked for."""
        path = self.data / "keys" / "federation"
        if not path.exists():
            base = next(filter(None, map(self.proof_keys_or_none, self.regions()))).base
            keys.save(keys.generate(f"{base.partition('://')[2]}/federation"), path)
        return keys.load(path)

    def sealing_key(self, region: str) -> bytes:
        """The key that opens private details sealed for this region; made when it is first asked for."""
        path = self.data / "keys" / f"{region}.sealing"
        if not path.exists():
            _save_once(path, private_details.new_sealing_key().hex())
        try:
            return bytes.fromhex(path.read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as error:
            raise Unavailable(f"cannot read the sealing key of {region}: {error}") from None

    def erase(self, region: str, volunteer: str) -> tuple[int, int]:
        """Revoke a volunteer's proofs and destroy the private details; how many there were of each.

        Proofs first: once nobody can tell whose they are, nobody could revoke them when the record changes.
        """
        issuer, revoked = self.issuer(region), 0
        while True:
            revoked += self._revoke_all(issuer, volunteer)
            with contextlib.suppress(Conflict):  # a server issued one meanwhile
                return revoked, issuer.ledger.erase(volunteer)

    def _revoke_all(self, issuer: Issuer, volunteer: str) -> int:
        if issuer.ledger.closed:
            return 0
        standing = issuer.ledger.proofs.standing_of(volunteer)
        self.issue(issuer, [ProofRevoked(**issuer.common(f"proof:{proof}"), reason="erased") for proof in standing])
        return len(standing)

    def issuer(self, region: str) -> Issuer:
        """The hand that signs the events of a region, for a command: each submission is a transaction of its own."""
        return Issuer(self.ledger(region), self.region_keys(region).issuing)

    def issue(self, issuer: Issuer, events: Sequence[Event]) -> None:
        """Submit any number of events and sign a checkpoint over them: for a command, as no publisher is running."""
        if events:
            issuer.issue_in_parts(events)
            self.publisher(issuer.ledger.region).publish()

    def _make_proof_keys(self, issuer: Issuer, did: str) -> list[Event]:
        """New keys beside the present ones, and the events that add them to the log."""
        folder, region = self.data / "keys", issuer.ledger.region
        for name in (f"{region}.credential.new", f"{region}.credential.new.pub", f"{region}.token.new"):
            (folder / name).unlink(missing_ok=True)  # of an attempt that was cut short
        credential, token = keys.generate(did), generate_token_key()
        keys.save(credential, folder / f"{region}.credential.new")
        save_token_key(token, folder / f"{region}.token.new")
        return [
            RegionCredentialKeyAdded(
                **issuer.common(issuer.key.name),
                did=did,
                multikey=key,
                use="token" if key.startswith("zDn") else "credential",
            )
            for key in (CredentialKey(credential).multikey, token.multikey)
        ]

    def _take_proof_keys(self, region: str) -> ProofKeys:
        """Put the new keys, which are in the log now, in the place of those before."""
        folder = self.data / "keys"
        for name in (f"{region}.credential", f"{region}.token"):
            (folder / f"{name}.new").replace(folder / name)
        (folder / f"{region}.credential.new.pub").replace(folder / f"{region}.credential.pub")
        return self.proof_keys(region)

    def audit(self, region: str) -> Report:
        """Audit a region against its own last checkpoint."""
        return audit_ledger(self.ledger(region), self.publisher(region).published)

    def ledger(self, region: str) -> Ledger:
        """The ledger of a region."""
        secret = self.region_keys(region)
        schema.update(self.database, schema.region_schema(region))
        return Ledger(self.database, region, secret.log.name, secret.claims)

    def publisher(self, region: str) -> Publisher:
        """The publisher that signs the checkpoints of a region."""
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


def _save_once(path: Path, text: str) -> None:
    """Save a text unless there is one: the first of two processes wins, and neither sees half a file."""
    own = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    _save_secret(own, text)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(own)
    own.unlink()
