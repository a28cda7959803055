"""Records of paper logs as files: what a region states of one, true or not."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.crypto.keys import VerifyingKey
from ledger.events.body import decode_event
from ledger.events.peers import RecordStated
from ledger.evidence.evidence import Evidence
from ledger.exchange import record_files
from ledger.tlog import merkle
from tests.support.builders import ORIGIN, signing_key
from tests.support.evidence import ENTRY, KEY_POSITIONS, PaperLog

SUM = {"category": "empty-nest-elders", "state": "counted"}


def root_of(entries: Sequence[bytes]) -> str:
    root = merkle.tree_root([merkle.leaf_hash(entry) for entry in entries])
    return base64.urlsafe_b64encode(root).decode().rstrip("=")


@dataclass
class Kept:
    """A record of some events of a log, stated by its region, and the file of it."""

    log: PaperLog
    items: list[Evidence]
    sums: list[dict[str, Any]]
    keys: list[Evidence] = field(default_factory=list)
    aliases: tuple[str, ...] = ()
    log_keys: tuple[VerifyingKey, ...] = (signing_key(ORIGIN).verifier,)

    def state(self, **changes: Any) -> Evidence:
        """What the region says of it."""
        members = {
            "size": len(self.log.entries),
            "events": len(self.items),
            "root": root_of([item.entry for item in self.items]),
            "entries": sum(one["entries"] for one in self.sums),
            "sums": self.sums,
            "aliases": list(self.aliases),
            **changes,
        }
        return self.log.evidence(self.log.add("record.stated/1", **members))

    def file(self, stated: Evidence | None = None) -> bytes:
        evidence = stated or self.state()
        event = decode_event(evidence.body)
        assert isinstance(event, RecordStated)
        keys = self.keys or [self.log.evidence(position) for position in KEY_POSITIONS]
        return b"".join(record_files.lines((evidence, event), self.log_keys, keys, self.items))


def two_entries() -> Kept:
    """Of one organisation at one time, in a log of its own: the later one is contested."""
    log = PaperLog().populate()
    items = [log.evidence(ENTRY), log.evidence(ENTRY + 1)]
    sums = [{**SUM, "state": state, "entries": 1, "minutes": 150} for state in ("contested", "counted")]
    return Kept(log, items, sums)
