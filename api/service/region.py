"""One region's ledger as a server runs it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec import UNSET

from api.deployment.data_folder import Deployment, ProofKeys
from api.peers.exchange import Exchange
from api.service.batches import Batches
from api.service.handing_out import Finished, HandingOut
from api.service.proving import Proving
from api.service.publishing import Publishing
from api.service.revoking import Revoking
from api.service.status_lists import StatusLists
from ledger.app.committer import Committer
from ledger.app.ledger import Ledger
from ledger.app.publisher import Publisher
from ledger.credentials import model
from ledger.credentials.certificate import certificate
from ledger.domain import state
from ledger.domain.deadlines import local_day
from ledger.errors import Invalid, NotYet, Unavailable
from ledger.events import private_details
from ledger.events.fields import RegionName
from ledger.federation import trust_bundle
from ledger.ids import format_time, parse_time
from ledger.limits import ACCESSES_SHOWN_MAX
from ledger.schemes.recognition import Recognised
from ledger.schemes.scheme import awards_for, scheme_for
from ledger.store.proofs import Access
from ledger.tlog import notes
from ledger.tlog.checkpoint import parse_checkpoint
from projections.engine import Runner
from projections.statements import Statements
from projections.totals import Totals
from projections.views import TotalsView


@dataclass(frozen=True, slots=True)
class Proofs:
    """What a region needs to issue proofs of service and to keep them true."""

    proving: Proving
    handing_out: HandingOut
    statuses: StatusLists
    revoking: Revoking
    batches: Batches

    def close(self) -> None:
        """Stop its threads."""
        self.batches.close()
        self.revoking.close()


class Region:
    """One region's ledger as a server runs it."""

    def __init__(self, deployment: Deployment, code: str, served: Callable[[str], Exchange | None]) -> None:
        """`served` finds what another region of the same server exchanges, by code."""
        self.code = code
        self.ledger: Ledger = deployment.ledger(code)
        self.publisher: Publisher = deployment.publisher(code)
        self.log_key = deployment.region_keys(code).log.verifier
        self.committer = Committer(self.ledger)
        self.publishing = Publishing(self.ledger, self.publisher)
        self.runner = Runner(Totals(self.ledger.database, self.ledger.schema), self.ledger)
        self.totals = TotalsView(self.ledger.database, self.ledger.schema)
        self._statements = Statements(self.ledger.database, self.ledger.schema, code)
        self._seal = deployment.seal_image(code)
        self._sign_pdf = deployment.pdf_signer(code)
        self._sealing_key = private_details.sealing_public(deployment.sealing_key(code))
        self.exchange = Exchange(deployment, self.ledger, self.publisher, served, self.committer)
        keys = deployment.proof_keys_or_none(code)
        self._proofs = None if keys is None else self._open_proofs(deployment, keys)

    def _open_proofs(self, deployment: Deployment, keys: ProofKeys) -> Proofs:
        proving = Proving(self.exchange.desk.issuer, self._statements, keys)
        handing_out = HandingOut(self.ledger, proving, self.publisher, self._statements)
        return Proofs(
            proving,
            handing_out,
            StatusLists(self.ledger, keys),
            Revoking(self.ledger, self.runner, proving, self._statements),
            Batches(self.ledger, proving, handing_out, self.print_certificate, self.note_access),
        )

    @property
    def issues(self) -> bool:
        """Whether it has the keys to issue proofs of service."""
        return self._proofs is not None

    @property
    def proofs(self) -> Proofs:
        """Its proofs of service; raise Unavailable when it has no keys for them."""
        if self._proofs is None:
            raise Unavailable(f"{self.code} has no keys for proofs of service: see `yongzhi proof-keys`")
        return self._proofs

    def note_access(self, proof: str, action: str, by: str, outcome: str, limit: int = ACCESSES_SHOWN_MAX) -> bool:
        """Write down, for its holder to read, that somebody looked at a proof; False over `limit` within an hour."""
        now = self.ledger.now()
        access = Access(proof, now, action, by, outcome)
        return self.ledger.proofs.note_access(access, now - 3600, limit)

    def certificate(self, proof: str) -> bytes:
        """The certificate of a proof, PDF/A-3b; the same bytes whenever it is rendered, but for a PAdES signature."""
        return self.print_certificate(self.proofs.handing_out.finished(proof))

    def print_certificate(self, finished: Finished) -> bytes:
        """The certificate of a finished credential, with the region's seal, and signed, where it has what it takes."""
        pdf = certificate.render(finished.credential, finished.page, seal=self._seal)
        if self._sign_pdf is None:
            return pdf
        issued = parse_time(model.decode(finished.credential).validFrom)
        return self._sign_pdf(pdf, datetime.fromtimestamp(issued, UTC))

    def recognise(self, volunteer: str) -> list[Recognised]:
        """The star level that a volunteer's counted service comes to today, then the region's other awards."""
        day = local_day(self.ledger.now())
        found = [self._statements.recognise(volunteer, day.isoformat(), scheme_for(self.code, day))]
        for scheme in awards_for(self.code, day):
            with contextlib.suppress(Invalid):  # it asks for what is not known here
                found.append(self._statements.recognise(volunteer, day.isoformat(), scheme))
        return found

    def own_events(self) -> int:
        """How often the log says something of the region itself: its keys, its end."""
        return self.ledger.count(f"region:{self.code}")

    def vouched(self) -> trust_bundle.Region:
        """The region as a trust bundle states it."""
        found = self.ledger.record(state.Region, f"region:{self.code}")
        if found is None:
            raise NotYet("the region is not established")
        keys = self.ledger.proofs.credential_keys()
        closed = None if found.closed is None else self.ledger.rows_at([found.closed])[found.closed].recorded_at
        return trust_bundle.Region(
            region=self.code,
            origin=found.origin,
            name=RegionName(zh=found.zh, en=found.en),
            log_keys=(found.log_key,),
            did=self.proofs.proving.keys.did,
            base=self.proofs.proving.keys.base,
            credential_keys=tuple(key.multikey for key in keys if key.use == "credential"),
            token_keys=tuple(key.multikey for key in keys if key.use == "token"),
            witness_keys=(),
            closed=UNSET if closed is None else format_time(closed),
            sealing_key=self._sealing_key,
        )

    def check_writable(self) -> None:
        """Raise Unavailable once the log refuses to sign: what were taken now could not be proved later."""
        if self.publishing.refuses:
            raise Unavailable("the log refuses to sign, so nothing is taken; its operator knows why")

    def published_size(self) -> int:
        """Events under the last published checkpoint."""
        with contextlib.suppress(Invalid):  # a file that is no checkpoint is told by `failures`
            return parse_checkpoint(notes.parse(self.publisher.published or "").text).size
        return 0

    def positions(self) -> dict[str, int]:
        """How many events each part that follows the log has taken into account."""
        found = {self.runner.projection.name: self.runner.position}
        return found if self._proofs is None else found | {"proofs": self._proofs.revoking.position}

    def parts(self) -> dict[str, str | None]:
        """Everything that runs by itself, and why it stopped or does not get on, if so."""
        found = {
            "log": self.publishing.failure or self.committer.failure,
            self.runner.projection.name: self.runner.failure,
            "exchange": self.exchange.failure,
        }
        if self._proofs is None:
            return found
        return found | {"proofs": self._proofs.revoking.failure, "batches": self._proofs.batches.failure}

    def failures(self) -> dict[str, str]:
        """What has stopped so that the region cannot be served; what the metrics tell beyond that holds up nobody."""
        parts = self.parts()
        needed = ("log", self.runner.projection.name)
        return {f"{self.code} {name}": reason for name in needed if (reason := parts[name]) is not None}

    def close(self) -> None:
        """Commit what is queued, sign what was committed, and stop."""
        if self._proofs is not None:
            self._proofs.close()
        self.committer.close()
        self.publishing.close()
        self.runner.close()
