"""What one server process runs: for every region a committing thread, a publishing thread, projections."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec import UNSET

from api.batches import Batches
from api.checking import Checking, ShownProof
from api.deployment import Deployment, ProofKeys
from api.exchanging import Exchange
from api.metrics import Metrics
from api.proving import Finished, Proving
from api.statuses import StatusLists
from api.watching import Watching
from ledger import events, federation, identities, notes
from ledger.app import Ledger
from ledger.committer import Committer
from ledger.credentials import certificate, model
from ledger.credentials.sd_jwt import Binding
from ledger.credentials.verdict import Verdict
from ledger.deadlines import local_day
from ledger.domain import state
from ledger.errors import Invalid, LedgerError, NotFound, NotYet, Unavailable
from ledger.federation import Trust
from ledger.ids import format_time, parse_time
from ledger.limits import ACCESSES_SHOWN_MAX, CHECKPOINT_INTERVAL, MESSAGES_AT_ONCE
from ledger.log import Publisher, parse_checkpoint
from ledger.recognition import Recognised
from ledger.schemes import awards_for, scheme_for
from ledger.store import proofs
from ledger.store.postgres import DatabaseError
from projections.engine import Runner
from projections.statements import Statements
from projections.totals import Totals
from projections.views import TotalsView

logger = logging.getLogger("yongzhi.service")


@dataclass(frozen=True, slots=True)
class Proofs:
    """What a region needs to issue proofs of service and to keep them true."""

    proving: Proving
    statuses: StatusLists
    watching: Watching
    batches: Batches

    def close(self) -> None:
        """Stop its threads."""
        self.batches.close()
        self.watching.close()


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
        self._sealing_key = identities.sealing_public(deployment.sealing_key(code))
        self.exchange = Exchange(deployment, self.ledger, self.publisher, served, self.committer)
        keys = deployment.proof_keys_or_none(code)
        self._proofs = None if keys is None else self._open_proofs(deployment, keys)

    def _open_proofs(self, deployment: Deployment, keys: ProofKeys) -> Proofs:
        issuing = deployment.region_keys(self.code).issuing
        proving = Proving(self.ledger, self.committer, self.publisher, self._statements, issuing, keys)
        return Proofs(
            proving,
            StatusLists(self.ledger, keys),
            Watching(self.ledger, self.runner, proving),
            Batches(self.ledger, proving, self.print_certificate, self.note_access),
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
        access = proofs.Access(proof, now, action, by, outcome)
        with self.ledger.database.transaction() as cursor:
            return proofs.note_access(cursor, self.ledger.schema, access, now - 3600, limit)

    def certificate(self, proof: str) -> bytes:
        """The certificate of a proof, PDF/A-3b; the same bytes whenever it is rendered, but for a PAdES signature."""
        return self.print_certificate(self.proofs.proving.finished(proof))

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
        [(count,)] = self.ledger.database.query(
            f"SELECT count(*) FROM {self.ledger.schema}.events WHERE stream = %s", (f"region:{self.code}",)
        )
        return int(count)

    def vouched(self) -> federation.Region:
        """The region as a trust bundle states it."""
        found = self.ledger.record(state.Region, f"region:{self.code}")
        if found is None:
            raise NotYet("the region is not established")
        with self.ledger.database.read() as cursor:
            keys = proofs.credential_keys(cursor, self.ledger.schema)
        closed = None if found.closed is None else self.ledger.rows_at([found.closed])[found.closed].recorded_at
        return federation.Region(
            region=self.code,
            origin=found.origin,
            name=events.RegionName(zh=found.zh, en=found.en),
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
        if self.publishing.failure is not None:
            raise Unavailable("the log refuses to sign, so nothing is taken; its operator knows why")

    def published_size(self) -> int:
        """Events under the last published checkpoint."""
        with contextlib.suppress(Invalid):  # a file that is no checkpoint is told by `failures`
            return parse_checkpoint(notes.parse(self.publisher.published or "").text).size
        return 0

    def positions(self) -> dict[str, int]:
        """How many events each part that follows the log has taken into account."""
        found = {self.runner.projection.name: self.runner.position}
        return found if self._proofs is None else found | {"proofs": self._proofs.watching.position}

    def parts(self) -> dict[str, str | None]:
        """Everything that runs by itself, and why it stopped or does not get on, if so."""
        found = {
            "log": self.publishing.failure,
            self.runner.projection.name: self.runner.failure,
            "exchange": self.exchange.failure,
        }
        if self._proofs is None:
            return found
        return found | {"proofs": self._proofs.watching.failure, "batches": self._proofs.batches.failure}

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


class Publishing:
    """Signs a checkpoint about once a second while the log grows; one publisher a region.

    Which process publishes is decided by an advisory lock on a connection of its own: when that
    process dies, so does its lock, and another takes over.
    """

    def __init__(self, ledger: Ledger, publisher: Publisher) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._stopping = threading.Event()
        self.failure: str | None = None
        """Why no checkpoint is signed any more, if so."""
        self._sign()  # before anything is taken: a log that cannot go on must not grow
        self._thread = threading.Thread(target=self._run, name=f"publish-{ledger.region}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Sign once more, then stop."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while self.failure is None:
            last_time = self._stopping.is_set()
            try:
                with self._leading() as still_leading:
                    while still_leading() and self.failure is None:
                        self._sign()
                        if last_time or self._stopping.wait(CHECKPOINT_INTERVAL):
                            break
                    else:
                        self._publisher.refresh()
            except (LedgerError, DatabaseError) as error:
                logger.warning("checkpoint not signed", extra={"region": self._ledger.region, "reason": str(error)})
            if last_time:
                return
            self._stopping.wait(CHECKPOINT_INTERVAL)

    def _sign(self) -> None:
        try:
            self._publisher.publish()
        except Unavailable:
            raise
        except LedgerError as error:
            # To sign on could fork the log: nothing short of an operator may go on from here.
            self.failure = error.detail
            logger.error("log refuses to sign", extra={"region": self._ledger.region, "reason": error.detail})

    @contextlib.contextmanager
    def _leading(self) -> Iterator[Callable[[], bool]]:
        """Gives a question: whether this process leads. It is asked of the connection that holds the lock."""
        connection = self._ledger.database.connect()

        def leads() -> bool:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (f"publish {self._ledger.schema}",))
                row = cursor.fetchone()
            return bool(row and row[0])

        try:
            yield leads
        finally:
            connection.close()


class Service:
    """All regions of a deployment, running."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.metrics = Metrics()
        self.regions = {code: Region(deployment, code, self._exchange) for code in deployment.regions()}
        key = deployment.federation_key() if any(region.issues for region in self.regions.values()) else None
        self.checking = Checking(self.regions, key)
        self.verifying = ThreadPoolExecutor(max_workers=2, thread_name_prefix="verify")
        self.handling = ThreadPoolExecutor(max_workers=MESSAGES_AT_ONCE, thread_name_prefix="inbox")
        self.waiting_bytes = 0
        """Of submissions and messages read and not yet answered; changed by the event loop alone."""
        self.bundles = 0
        """That are being sent; changed by the event loop alone."""
        for region in self.regions.values():
            region.exchange.start()

    def _exchange(self, code: str) -> Exchange | None:
        region = self.regions.get(code)
        return None if region is None else region.exchange

    def region(self, code: str) -> Region:
        """A region by its code; raise NotFound."""
        try:
            return self.regions[code]
        except KeyError:
            raise NotFound(f"region {code!r:.20} is not served here") from None

    # What pages and verifying routes ask for, in the names under which they ask.

    def trust(self) -> Trust:
        """See `Checking.trust`."""
        return self.checking.trust()

    def status_list(self, url: str) -> bytes | None:
        """See `Checking.status_list`."""
        return self.checking.status_list(url)

    def check_upload(self, data: bytes, binding: Binding | None = None) -> Verdict:
        """See `Checking.check_upload`."""
        return self.checking.check_upload(data, binding)

    def shown_proof(self, proof_id: str) -> ShownProof:
        """See `Checking.shown_proof`."""
        return self.checking.shown_proof(proof_id)

    def failures(self) -> dict[str, str]:
        """What does not work, by part; empty when everything does."""
        found = {}
        for region in self.regions.values():
            found.update(region.failures())
        try:
            with self.deployment.database.read() as cursor:
                cursor.execute("SELECT 1")
        except (LedgerError, DatabaseError):
            found["database"] = "out of reach"
        return found

    def observe(self) -> None:
        """Bring the gauges up to date."""
        self.metrics.waiting_bytes.set(self.waiting_bytes)
        for code, region in self.regions.items():
            self.metrics.published_size.labels(code).set(region.published_size())
            for name, position in region.positions().items():
                self.metrics.projection_position.labels(code, name).set(position)
            for name, failure in region.parts().items():
                self.metrics.failed.labels(code, name).set(failure is not None)
            with contextlib.suppress(LedgerError, DatabaseError):
                self.metrics.log_size.labels(code).set(region.ledger.head().size)
                self._observe_messages(region)

    def _observe_messages(self, region: Region) -> None:
        now = region.ledger.now()
        for one in region.exchange.waiting():
            age = now - one.oldest // 1000 if one.number else 0
            self.metrics.messages.labels(region.code, one.box, one.state).set(one.number)
            self.metrics.message_age.labels(region.code, one.box, one.state).set(max(age, 0))

    def close(self) -> None:
        """Answer what is queued, then stop every thread."""
        self.verifying.shutdown()
        self.handling.shutdown()
        for region in self.regions.values():
            region.exchange.close()  # all of them first: each may be telling another one something
        for region in self.regions.values():
            region.close()
