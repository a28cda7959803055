"""Credentials of every kind, secured as a region secures them, for those who hold them against other software."""

import json
from typing import Any

import msgspec

from ledger.credentials import data_integrity, model
from tests.support import proofs
from tests.support.builders import REGION

KEY = proofs.credential_key()
STAR = model.StarLevel(scheme="cn-2012/1", level=2, title="二星级志愿者", title_en="Two stars", minutes=18_000)
EVIDENCE = model.LogEvidence(
    id="urn:uuid:7c9e6679-7425-40de-944b-e07fc1f90ae8",
    type=("Evidence",),
    name="出具事件与日志证明 · Event of issue and proof of its place in the log",
    event='{"detail":"a \\"quoted\\" 字","id":"0199b7d4-0000-7000-8000-000000000001"}',
    tlogProof="c2sp.org/tlog-proof@v1\nextra AAAA\nindex 1\n\nledger.example/441300\n2\nAAAA=\n\n— x AA==\n",
)


LINES = [proofs.line(number) for number in range(1, 41)]
OTHERS = model.Others(activities=3, entries=9, minutes=540)
ENTRIES = len(LINES) + OTHERS.entries
MINUTES = 150 * len(LINES) + OTHERS.minutes
LONG = proofs.service(
    *LINES,
    others=OTHERS,
    entries=ENTRIES,
    minutes=MINUTES,
    categories=(model.Amount(category="empty-nest-elders", entries=ENTRIES, minutes=MINUTES),),
    grades=(model.Grade(evidence="check-in", entries=ENTRIES, minutes=MINUTES),),
    filter=model.Filter(categories=("empty-nest-elders",)),
    star=STAR,
    note='备注 "note" \\ 𠮷',
)
REACHED = model.StarStatement(
    region=REGION, day="2026-11-22", star=STAR, explanation=("满 300 小时",), explanation_en=("300 hours reached",)
)
KINDS: dict[str, model.Credential] = {
    "named": proofs.credential(),
    "unnamed": proofs.credential(name=None),
    "with-evidence": proofs.credential(evidence=(EVIDENCE,)),
    "with-others": proofs.credential(LONG),
    "expiring": proofs.credential(validUntil="2099-11-22T08:00:00Z", evidence=(EVIDENCE,)),
    "star": proofs.credential(REACHED),
    "star-unnamed": proofs.credential(REACHED, name=None, evidence=(EVIDENCE,)),
}


def secured(credential: model.Credential, key: Any = KEY) -> dict[str, Any]:
    """The credential with its proof set, as the JSON it is handed out in."""
    document = data_integrity.secure(msgspec.to_builtins(credential), key, credential.validFrom)
    found: dict[str, Any] = json.loads(model.to_json(msgspec.convert(document, model.Credential)))
    return found
