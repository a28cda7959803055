"""Valid keys, bodies and submissions, for tests to start from and to spoil.

Keys follow from their names and ids from a counter. JSON is written by the standard library, so that what the
product writes is compared with something else.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ledger.crypto.keys import SigningKey
from ledger.crypto.multikey import multikey
from ledger.events import submission
from ledger.events.body import AnyEvent, decode_event
from ledger.events.hours import HoursRecorded
from ledger.ids import EventId
from ledger.tlog import merkle

REGION = "441300"
ORIGIN = "ledger.example/441300"
AUTHORITY = f"region:{REGION}"
STATION = "org:51441300MJM000001P"
GROUP = "org:0199a1c2-0000-7000-8000-00000000aaaa"
VOLUNTEER = "volunteer:0199a1c2-0000-7000-8000-00000000bbbb"
ACTIVITY = "0199a1c2-0000-7000-8000-00000000cccc"
ENTRY = "0199a1c2-0000-7000-8000-00000000dddd"
DID = f"did:web:ledger.example:regions:{REGION}"
PROOF = "0f8fad5b-d9cb-469f-a165-70867728950e"
KNOWN = SigningKey("region-a.example/ledger", b"\1" * 32)
"""The key that the notes and keys in tests/vectors are made with."""
SALT = "mJ2o4VqS0m0f4m0Jw1x3Yg"
TIME = "2026-11-01T12:05:10+08:00"


class _Absent:
    def __repr__(self) -> str:  # part of test ids, which have to be the same in every process
        return "ABSENT"


ABSENT = _Absent()
"""As the value of a change: leave the field out."""

_numbers = count(1)


def event_id(number: int | None = None) -> EventId:
    """The UUID of a number; without one, a UUID not used before in this process."""
    return EventId(f"0199b7d4-0000-7000-8000-{next(_numbers) if number is None else number + 2**40:012x}")


def signing_key(name: str, number: int = 0) -> SigningKey:
    """The key of that name and number, the same in every run; another number is another key of one issuer."""
    return SigningKey(name, sha256(f"{name}/{number}".encode()).digest())


def vkey(name: str, number: int = 0) -> str:
    return str(signing_key(name, number).verifier)


def canonical(value: Any) -> bytes:
    """Canonical bytes, by the standard library, of values that have such a form."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def details(**changes: Any) -> bytes:
    """Private details; those of the examples when nothing is changed."""
    members = {"name": "测试员甲", "id_type": "passport", "id_number": "E12345678", "salt": SALT, **changes}
    return canonical({name: value for name, value in members.items() if value is not ABSENT})


def identity(data: bytes) -> str:
    """What a body says of private details."""
    return base64.urlsafe_b64encode(sha256(data).digest()).decode().rstrip("=")


# -- events -------------------------------------------------------------------------------------------

_REASON = {"reason": "由社区核实"}
_REVOCATION = {"key_id": "0a1b2c3d", **_REASON}
_HOURS = {
    "activity": ACTIVITY,
    "activity_name": "江南街道助老服务",
    "category": "empty-nest-elders",
    "content": "陪诊、代购",
    "start": "2026-11-01T09:00:00+08:00",
    "end": "2026-11-01T11:30:00+08:00",
    "minutes": 150,
    "place": {"name": "江南街道社区服务中心", "region": "441302"},
    "responsible": "陈站长",
    "recorder": "林老师",
}
_PUBLISHED = ("category", "content", "start", "end", "place", "responsible")

PEER = "442000"
PEER_ORIGIN = "ledger.example/442000"
TRANSFER = "0199a1c2-0000-7000-8000-00000000eeee"
_SUBJECT = f"transfer:{TRANSFER}"
_CITED = {"origin": PEER_ORIGIN, "position": 41, "entry": "A" * 54}
_MOVE = {"volunteer": VOLUNTEER}
_SUMS = [{"category": "health", "state": "counted", "entries": 2, "minutes": 300}]
_RECORD = {"events": 3, "root": identity(b"record"), "entries": 2}
_DECISION = {**_MOVE, "home": PEER, "basis": _CITED, "epoch": 1}
_CLOSURE = {"federation": "ledger.example/federation", "serial": 4, "size": 42, "root": identity(b"log")}

# By type: issuer, subject, and the fields of its own.
_EXAMPLES: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "region.established/1": (
        AUTHORITY,
        AUTHORITY,
        {
            "name": {"zh": "惠州市", "en": "Huizhou"},
            "origin": ORIGIN,
            "log_key": vkey(ORIGIN),
            "key": vkey(AUTHORITY),
        },
    ),
    "region.key_added/1": (AUTHORITY, AUTHORITY, {"key": vkey(AUTHORITY, 1)}),
    "region.credential_key_added/1": (
        AUTHORITY,
        AUTHORITY,
        {"did": DID, "multikey": multikey(signing_key(DID).verifier.public), "use": "credential"},
    ),
    "region.credential_key_revoked/1": (
        AUTHORITY,
        AUTHORITY,
        {"multikey": multikey(signing_key(DID).verifier.public), **_REASON},
    ),
    "region.closed/1": (AUTHORITY, AUTHORITY, _REASON),
    "region.key_revoked/1": (AUTHORITY, AUTHORITY, {**_REVOCATION, "suspect_from": 0}),
    "organisation.registered/1": (AUTHORITY, STATION, {"name": "江南街道志愿服务站", "kind": "station"}),
    "organisation.key_added/1": (AUTHORITY, STATION, {"key": vkey(STATION)}),
    "organisation.key_revoked/1": (STATION, STATION, {**_REVOCATION, "suspect_from": 41}),
    "organisation.suspended/1": (AUTHORITY, STATION, _REASON),
    "organisation.reinstated/1": (AUTHORITY, STATION, _REASON),
    "organisation.dissolved/1": (AUTHORITY, STATION, {**_REASON, "successor": GROUP}),
    "volunteer.registered/1": (
        VOLUNTEER,
        VOLUNTEER,
        {"consent": {"method": "signed", "given": TIME}, "key": vkey(VOLUNTEER)},
    ),
    "volunteer.key_added/1": (VOLUNTEER, VOLUNTEER, {"key": vkey(VOLUNTEER, 1)}),
    "volunteer.key_revoked/1": (VOLUNTEER, VOLUNTEER, _REVOCATION),
    "volunteer.verified/1": (STATION, VOLUNTEER, {"identity": identity(details())}),
    "volunteer.disclaimed/1": (STATION, VOLUNTEER, {**_REASON, "reference": "档案 2026-17"}),
    "activity.published/1": (
        STATION,
        f"activity:{ACTIVITY}",
        {"name": _HOURS["activity_name"], **{field: _HOURS[field] for field in _PUBLISHED}},
    ),
    "hours.recorded/1": (STATION, VOLUNTEER, {**_HOURS, "evidence": "check-in"}),
    "hours.corrected/1": (STATION, VOLUNTEER, {**_HOURS, "evidence": "check-in", "entry": ENTRY, **_REASON}),
    "hours.withdrawn/1": (STATION, VOLUNTEER, {"entry": ENTRY, **_REASON}),
    "hours.approved/1": (VOLUNTEER, VOLUNTEER, {"entry": ENTRY}),
    "hours.disputed/1": (VOLUNTEER, VOLUNTEER, {"entry": ENTRY, **_REASON}),
    "proof.issued/1": (
        AUTHORITY,
        f"proof:{PROOF}",
        {
            "credential": identity(b"credential"),
            "holder": identity(b"holder"),
            "format": "vc",
            "status": {"list": f"{REGION}-1", "index": 94_567},
        },
    ),
    "proof.revoked/1": (AUTHORITY, f"proof:{PROOF}", {"reason": "corrected"}),
    "hours.decided/1": (AUTHORITY, VOLUNTEER, {"entry": ENTRY, "outcome": "upheld", **_REASON}),
    "region.peer_recognised/1": (
        AUTHORITY,
        AUTHORITY,
        {"peer": PEER, "peer_origin": PEER_ORIGIN, "log_key": vkey(PEER_ORIGIN), "federation": "ledger.example#1"},
    ),
    "region.peer_dismissed/1": (AUTHORITY, AUTHORITY, {"peer_origin": PEER_ORIGIN, **_REASON}),
    "volunteer.visiting/1": (
        VOLUNTEER,
        VOLUNTEER,
        {
            "home": PEER,
            "home_origin": PEER_ORIGIN,
            "consent": {"method": "signed", "given": TIME},
            "key": vkey(VOLUNTEER),
        },
    ),
    "entry.received/1": (AUTHORITY, VOLUNTEER, {"event": _CITED, "sender": PEER}),
    "record.stated/1": (
        AUTHORITY,
        VOLUNTEER,
        {"aliases": [], "epoch": 0, "size": 12, **_RECORD, "sums": _SUMS},
    ),
    "transfer.requested/1": (VOLUNTEER, _SUBJECT, {**_MOVE, "to": PEER, "to_origin": PEER_ORIGIN}),
    "transfer.offered/1": (
        AUTHORITY,
        _SUBJECT,
        {
            **_MOVE,
            **_RECORD,
            "aliases": [],
            "to": PEER,
            "to_origin": PEER_ORIGIN,
            "epoch": 1,
            "size": 12,
            "sums": _SUMS,
            "key_events": 4,
            "key_root": identity(b"keys"),
            "expires": "2026-11-15T12:00:00+08:00",
        },
    ),
    "transfer.accepted/1": (
        AUTHORITY,
        _SUBJECT,
        {**_DECISION, **_RECORD, "aliases": [], "minutes": 300, "keys": [vkey(VOLUNTEER)]},
    ),
    "transfer.rejected/1": (
        AUTHORITY,
        _SUBJECT,
        {**_DECISION, "reasons": [{"code": "missing-event", "detail": "缺少一条记录"}]},
    ),
    "transfer.expired/1": (AUTHORITY, _SUBJECT, _DECISION),
    "transfer.closed/1": (AUTHORITY, _SUBJECT, {**_MOVE, "outcome": _CITED}),
    "transfer.cancelled/1": (AUTHORITY, _SUBJECT, {**_MOVE, "closure": _CLOSURE}),
    "recovery.announced/1": (
        AUTHORITY,
        _SUBJECT,
        {
            **_MOVE,
            "aliases": [],
            "home": PEER,
            "closure": _CLOSURE,
            "basis": _CITED,
            "epoch": 1,
            "events": 3,
            "root": identity(b"record"),
            "days": 30,
            "quorum": 1,
        },
    ),
    "recovery.answered/1": (AUTHORITY, _SUBJECT, {"announcement": _CITED, "outcome": "endorsed"}),
}


def fields(kind: str, /, **changes: Any) -> dict[str, Any]:
    """The members of a body of that type: a valid example with the changes made, whatever they lead to."""
    issuer, subject, own = _EXAMPLES[kind]
    common = {"id": event_id(), "type": kind, "ledger": REGION, "time": TIME, "salt": SALT}
    members = {**common, "issuer": issuer, "subject": subject, **own, **changes}
    return {name: value for name, value in members.items() if value is not ABSENT}


def body(kind: str, /, **changes: Any) -> bytes:
    return canonical(fields(kind, **changes))


def example(kind: str, /, **changes: Any) -> AnyEvent:
    """A valid event of that type."""
    return decode_event(body(kind, **changes))


def hours(**changes: Any) -> HoursRecorded:
    event = example("hours.recorded/1", **changes)
    assert isinstance(event, HoursRecorded)
    return event


def hours_bodies(number: int, **changes: Any) -> list[bytes]:
    return [body("hours.recorded/1", **changes) for _ in range(number)]


# -- submissions --------------------------------------------------------------------------------------


def sealed(
    bodies: Sequence[bytes],
    key: SigningKey | None = None,
    origin: str = ORIGIN,
    private: Mapping[str, bytes] | None = None,
) -> bytes:
    """The request that submits the bodies, signed by the station unless another key is given."""
    return submission.pack(submission.seal(bodies, key or signing_key(STATION), origin), bodies, private)


def knows(*keys: SigningKey) -> submission.FindKey:
    """Finds the keys given, and no others."""
    found = {(key.name, key.id): key.verifier for key in keys}
    return lambda issuer, key_id: found.get((issuer, key_id))


# -- trees --------------------------------------------------------------------------------------------


def entry(number: int) -> bytes:
    """An entry of the trees that the Go program counts: SHA-256 of the number as eight bytes."""
    return sha256(number.to_bytes(8, "big")).digest()


@cache
def leaf_hashes(size: int) -> list[bytes]:
    """Leaf hashes of the tree over the first `size` of those entries."""
    return [merkle.leaf_hash(entry(number)) for number in range(size)]


def subtree_of(hashes: Sequence[bytes]) -> merkle.Subtree:
    """What the provers ask for, computed from leaf hashes."""
    return lambda low, high: merkle.tree_root(hashes[low:high])


# -- vectors ------------------------------------------------------------------------------------------

VECTORS = Path(__file__).parents[1] / "vectors"


def vectors(folder: str) -> list[Any]:
    """The bytes of each file of a folder of tests/vectors, named by the reason for which it is there."""
    paths = sorted((VECTORS / folder).iterdir())
    return [pytest.param(path.read_bytes(), id=path.stem) for path in paths]
