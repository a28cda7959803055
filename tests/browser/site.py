"""A server with the public pages over real proofs: what a deployment serves, without its database.

Keys, log, receipts, status lists, trust bundle and verdicts are the product's own; only the store is a dict.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response
from msgspec.structs import replace

from api.http import uploads
from api.pages import routes
from api.wording import verdicts
from ledger.credentials import issuing, model, status_list
from ledger.credentials import qr_code as code
from ledger.credentials.checking import reading, verify
from ledger.credentials.checking.verdict import Verdict
from ledger.crypto.did import did_of
from ledger.crypto.encoding import digest
from ledger.crypto.multikey import CredentialKey
from ledger.errors import Invalid, NotFound
from ledger.events.fields import RegionName
from ledger.federation import trust_bundle
from ledger.limits import STATUS_LIST_SECONDS
from ledger.tlog import merkle, notes
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.entries import commitment_to
from ledger.tlog.receipt import PROOF_HEADER
from tests.support.builders import AUTHORITY, ORIGIN, REGION, SALT, canonical, signing_key
from tests.support.proofs import line, service, token_key

FIRST: Final = "0f8fad5b-d9cb-469f-a165-70867728950e"
VALID: Final = "5d2f3b1e-8c64-4b0a-9a51-0d7c1f1e2a01"
HOSTILE: Final = "5d2f3b1e-8c64-4b0a-9a51-0d7c1f1e2a02"
STAR: Final = "5d2f3b1e-8c64-4b0a-9a51-0d7c1f1e2a03"
NAMELESS: Final = "5d2f3b1e-8c64-4b0a-9a51-0d7c1f1e2a04"
ERASED: Final = "5d2f3b1e-8c64-4b0a-9a51-0d7c1f1e2a05"
UNKNOWN: Final = "00000000-0000-4000-8000-000000000000"
INDEXES: Final = {FIRST: 94_567, VALID: 94_568, HOSTILE: 7, STAR: 131_071, NAMELESS: 0, ERASED: 12}
LIST: Final = f"{REGION}-1"
EVENT: Final = "0199b7d4-0000-7000-8000-0000000000ff"
STAR_LEVEL: Final = model.StarLevel(
    scheme="cn-2012/1", level=1, title="一星级志愿者", title_en="One-star volunteer", minutes=6150
)


@dataclass(slots=True)
class Log:
    """A region's log over entries in memory: receipts of it hold like any other."""

    now: int
    """When it takes in an event, unix seconds."""
    entries: list[bytes] = field(default_factory=list)

    def append(self, body: bytes) -> int:
        """Add an event's entry and give its position."""
        self.entries.append(commitment_to(body) + self.now.to_bytes(8, "big"))
        return len(self.entries) - 1

    def receipt(self, position: int) -> str:
        """The tlog-proof of an entry under a checkpoint over all of them."""
        hashes = [merkle.leaf_hash(entry) for entry in self.entries]
        path = merkle.prove_inclusion(position, len(hashes), lambda low, high: merkle.tree_root(hashes[low:high]))
        checkpoint = Checkpoint(ORIGIN, len(hashes), merkle.tree_root(hashes))
        extra = base64.b64encode(self.entries[position][32:]).decode()
        lines = [PROOF_HEADER, f"extra {extra}", f"index {position}"]
        lines += [base64.b64encode(node).decode() for node in path]
        return "\n".join(lines) + "\n\n" + notes.sign(checkpoint.text(), [signing_key(ORIGIN)])


@dataclass(frozen=True, slots=True)
class Shown:
    """A proof as the pages ask for it (`api.pages.routes.ShownProof`)."""

    verdict: Verdict
    credential: model.Credential | None
    replacement: str | None

    def name_matches(self, text: str) -> bool:
        name = self.credential.name_of_holder if self.credential else None
        return name is not None and verdicts.same_name(name, text)


class Proofs:
    """Proofs of one region, issued once; what the running service is to pages (`api.pages.routes.Service`)."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.key = CredentialKey(signing_key(did_of(base, REGION)))
        self.now = int(datetime.now(UTC).timestamp())
        self.issued = datetime.fromtimestamp(self.now - 86_400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.log = Log(self.now - 86_400)
        self.revoked: dict[str, tuple[str, str | None]] = {FIRST: ("corrected", VALID), ERASED: ("erased", None)}
        self.list_seconds = STATUS_LIST_SECONDS
        self.bundled: dict[str, bytes] = {}
        """Status lists that the trust bundle brings along, by address."""
        plain = self._credentials()
        bodies = {proof: self.event(found) for proof, found in plain.items()}
        positions = {proof: self.log.append(body) for proof, body in bodies.items()}
        for filler in range(5):
            self.log.append(b"%d" % filler)
        self.files = {proof: self._finish(plain[proof], bodies[proof], positions[proof]) for proof in plain}

    @property
    def regions(self) -> Mapping[str, object]:
        return {REGION: self, "810000": self}

    def _credentials(self) -> dict[str, model.Credential]:
        hostile = line(
            3,
            activity_name="<img src=x onerror=alert(1)>{{7*7}}{% raw %}",
            content='"><script>alert("x")</script> \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627',
            organisation_name="</bdi></table><style>*{display:none}</style>" + "長" * 40,
        )
        lines = [
            line(1, minutes=1230, entries=9, last="2026-11-08"),
            line(
                2,
                activity_name="西湖景区文明旅游引导",
                category="civilised-tourism",
                content="文明引导、急救点值守",
                organisation_name="惠州市蓝天志愿服务队",
                minutes=725,
                entries=4,
                first="2026-05-01",
                last="2026-05-05",
            ),
        ]
        return {
            FIRST: self._credential(FIRST, self._shortened(*lines, line(9, minutes=600))),
            VALID: self._credential(VALID, service(*lines, star=STAR_LEVEL, note="以上时间为实际服务时间。")),
            HOSTILE: self._credential(HOSTILE, service(hostile), name="<b>O’Neil</b> {{name}}"),
            STAR: self._credential(
                STAR,
                model.StarStatement(
                    region=REGION,
                    day="2026-11-22",
                    star=STAR_LEVEL,
                    explanation=("累计志愿服务时间 102 小时 30 分钟，达到 100 小时", "不计待审核与有争议的时间"),
                    explanation_en=("102 h 30 min of service in all, at least 100 h", "pending and contested left out"),
                ),
            ),
            NAMELESS: self._credential(
                NAMELESS, service(*lines, filter=model.Filter(evidence=("check-in",))), name=None
            ),
            ERASED: self._credential(ERASED, service(*lines)),
        }

    @staticmethod
    def _shortened(*lines: model.Line) -> model.ServiceStatement:
        """A statement that sums up its last line instead of listing it."""
        *listed, last = lines
        others = model.Others(activities=1, entries=last.entries, minutes=last.minutes)
        return replace(service(*lines), lines=tuple(listed), others=others)

    def _credential(self, proof: str, statement: model.Statement, name: str | None = "林小明") -> model.Credential:
        place = issuing.Place(
            did=self.key.did,
            base=self.base,
            region=REGION,
            issuer_name="惠州市 · Huizhou",
            proof=proof,
            subject="7c9e6679-7425-40de-944b-e07fc1f90ae7",
            list=LIST,
            index=INDEXES[proof],
        )
        return issuing.make_credential(statement, place, self.issued, name)

    def event(self, found: model.Credential) -> bytes:
        event = {
            "id": EVENT,
            "type": "proof.issued/1",
            "issuer": AUTHORITY,
            "ledger": REGION,
            "subject": f"proof:{found.proof_id}",
            "time": self.issued,
            "salt": SALT,
            "credential": model.commitment(found),
            "holder": digest(b"whose it is"),
            "format": "vc",
            "status": {"list": LIST, "index": INDEXES[found.proof_id]},
        }
        return canonical(event)

    def issue(self, found: model.Credential, body: bytes | None = None) -> bytes:
        """The file of one more credential, whatever it says, under an event that the log holds."""
        body = self.event(found) if body is None else body
        return self._finish(found, body, self.log.append(body))

    def _finish(self, found: model.Credential, body: bytes, position: int) -> bytes:
        return issuing.finish(found, EVENT, body, self.log.receipt(position), self.key)

    # -- what is published ------------------------------------------------------------------------

    def trust(self, bundle: bytes | None = None) -> trust_bundle.Trust:
        return trust_bundle.open_bundle(bundle or self.bundle(), [signing_key("federation.example").verifier], self.now)

    def bundle(self, **changes: Any) -> bytes:
        """The trust bundle, with this region."""
        region = trust_bundle.Region(
            region=REGION,
            origin=ORIGIN,
            name=RegionName(zh="惠州市", en="Huizhou"),
            log_keys=(str(signing_key(ORIGIN).verifier),),
            did=self.key.did,
            base=self.base,
            credential_keys=(self.key.multikey,),
            token_keys=(token_key().multikey,),
            witness_keys=(),
            **changes,
        )
        stated = trust_bundle.Federation(
            name="federation.example",
            serial=1,
            issued=self.issued,
            expires="2100-01-01T00:00:00Z",
            keys=(str(signing_key("federation.example").verifier),),
            threshold=1,
            regions=(region,),
        )
        return trust_bundle.seal(stated, [signing_key("federation.example")], self.bundled)

    def status_list(self, url: str) -> bytes | None:
        """The list as it is now."""
        if url != f"{self.base}/status/{LIST}":
            return None
        revoked = [INDEXES[proof] for proof in self.revoked]
        return status_list.make(url, self.key, revoked, self.now - 60, self.now - 60 + self.list_seconds)

    def code(self, proof_id: str, /, **changes: Any) -> str:
        """The fragment of the QR of a proof."""
        plain = code.describe(model.decode(self.files[proof_id]), self.now - 86_400, b"\1" * 8)
        return code.seal(dataclasses.replace(plain, **changes), self.key)

    # -- api.pages.routes.Service ------------------------------------------------------------------------

    @property
    def checking(self) -> Self:
        """What shows and checks proofs."""
        return self

    def check_upload(self, data: bytes) -> Verdict:
        try:
            upload = reading.read(data)
        except Invalid as error:
            return verify.unreadable(error.detail)
        return self._told(verify.check(upload, self.trust(), self.status_list, self.now))

    def shown_proof(self, proof_id: str) -> Shown:
        if proof_id not in self.files:
            raise NotFound(f"no proof {proof_id!r:.80}")
        verdict = self.check_upload(self.files[proof_id])
        if proof_id == ERASED:
            return Shown(dataclasses.replace(verdict, credential=None), None, None)
        return Shown(verdict, model.decode(self.files[proof_id]), verdict.replacement)

    def _told(self, verdict: Verdict) -> Verdict:
        """A verdict with what the issuer knows of a revocation, and no verifier elsewhere does."""
        reason, replacement = self.revoked.get(verdict.proof or "", (None, None))
        return dataclasses.replace(verdict, reason=reason, replacement=replacement)


def application(proofs: Proofs) -> FastAPI:
    """The pages, and beside them what scripts fetch."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False})
    app.state.service = proofs
    app.state.uploads = uploads.new_budget()
    app.include_router(routes.router)

    @app.get("/v1/trust-bundle")
    def bundle() -> Response:
        return Response(proofs.bundle(), media_type="application/json")

    @app.get("/status/{name}")
    def status(name: str) -> Response:
        found = proofs.status_list(f"{proofs.base}/status/{name}")
        return Response(found or b"", 200 if found else 404, media_type="application/json")

    @app.exception_handler(NotFound)
    def missing(request: Request, error: Exception) -> Response:
        return Response("nothing here", 404)

    return app


@contextlib.contextmanager
def serving() -> Iterator[Proofs]:
    """A server on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    proofs = Proofs(f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(application(proofs), log_level="warning", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield proofs
    finally:
        server.should_exit = True
        thread.join()
