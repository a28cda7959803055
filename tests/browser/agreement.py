"""The same documents and lists before the scripts and before the server: what both come to, step by step."""

import json
from datetime import UTC, datetime
from typing import Any

from ledger.credentials import data_integrity, status_list
from ledger.credentials.checking import reading, verify
from ledger.crypto.encoding import digest
from tests.browser.modules import call, values
from tests.browser.site import LIST, VALID, Proofs
from tests.support.builders import canonical

Json = Any


def lists_of(proofs: Proofs, *served: bytes) -> dict[str, Any]:
    texts = [one.decode() for one in served]
    return {"lists": {f"{proofs.base}/status/{LIST}": texts}}


def outcomes(proofs: Proofs, uploads: list[bytes], served: tuple[bytes, ...], **changes: Any) -> list[str]:
    """What both come to, one after the other of each upload; they must agree, step by step."""
    bundle = proofs.bundle(**changes)
    trust = {"trust": bundle.decode(), "now": proofs.now}
    lists = lists_of(proofs, *served)
    answers = values([call("check", "check", one.decode(), trust, lists, proofs.now) for one in uploads])
    for upload, answer in zip(uploads, answers, strict=True):
        found = verify.check(reading.read(upload), proofs.trust(bundle), lambda url: served, proofs.now)
        steps = [(step["code"], step["result"]) for step in answer["steps"]]
        assert steps == [(step.code, step.result) for step in found.steps], upload
        assert answer["outcome"] == found.outcome, upload
    return [answer["outcome"] for answer in answers]


def current(proofs: Proofs, *revoked: int, since: int = 60) -> bytes:
    url = f"{proofs.base}/status/{LIST}"
    return status_list.make(url, proofs.key, revoked, proofs.now - since, proofs.now + 86_400)


def sealed(proofs: Proofs) -> bytes:
    return f"{proofs.base}/p/{VALID}#{proofs.code(VALID)}".encode()


def handmade(proofs: Proofs, document: dict[str, Json]) -> bytes:
    """The document, logged and signed with the region's keys as if it were a good one; its RDF is not looked at."""
    bare = {name: value for name, value in document.items() if name not in ("proof", "evidence")}
    event = json.loads(document["evidence"][0]["event"]) | {"credential": digest(plain(bare))}
    body = canonical(event)
    evidence = document["evidence"][0] | {"event": body.decode(), "tlogProof": ""}
    return signed(proofs, bare | {"evidence": [evidence]}, body)


def plain(document: Json) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed(proofs: Proofs, document: dict[str, Json], body: bytes) -> bytes:
    document["evidence"][0]["tlogProof"] = proofs.log.receipt(proofs.log.append(body))
    return json.dumps(data_integrity.secure(document, proofs.key, document["validFrom"])).encode()


def time_of(seconds: int) -> str:
    """RFC 3339 of unix seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
