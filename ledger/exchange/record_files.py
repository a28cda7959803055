"""A record as a file that its owner keeps: whole by the home's signed word, checked by anyone, offline.

It is a bundle (`ledger.evidence.wire`) whose manifest brings the home's `record.stated/1` along; docs/transfer.md,
"The record as a file", has the steps of checking one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from ledger.crypto import canonical
from ledger.crypto.keys import VerifyingKey
from ledger.domain.record import sums_of
from ledger.errors import Invalid, Untrusted
from ledger.events.body import RECORD_TYPES
from ledger.events.fields import Code, Digest, Origin, Position, VKey, VolunteerId, type_name
from ledger.events.peers import RecordStated
from ledger.events.transfer import Aliases, StateSum, Sums
from ledger.evidence import form, misconduct, wire
from ledger.evidence.evidence import Checker, Evidence, Foreign, Verified
from ledger.exchange.bundles import arrived, check_authors
from ledger.exchange.manifest import root_of
from ledger.tlog.checkpoint import Checkpoint

KIND: Final = "yongzhi.record/1"
_LOGS_MAX: Final = 256


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line: whose record it is, what the home stated of it, and where that stands.

    `log_keys` help to find the keys that are needed. They prove nothing: compare them with a trust bundle.
    """

    kind: Literal["yongzhi.record/1"]
    region: Code
    origin: Origin
    volunteer: VolunteerId
    aliases: Aliases
    size: Position
    events: form.Number
    root: Digest
    entries: form.Number
    sums: Sums
    log_keys: Annotated[tuple[VKey, ...], Meta(max_length=_LOGS_MAX)]
    stated: Raw

    @property
    def ids(self) -> tuple[str, ...]:
        """The id it goes by at home, then the others under which entries were recorded."""
        return self.volunteer, *self.aliases


_manifests: Final = msgspec.json.Decoder(Manifest)
_Said: TypeAlias = tuple[tuple[str, ...], int, int, str, int, tuple[StateSum, ...]]


class Logs(Protocol):
    """Which logs are believed: a `federation.Trust`, say."""

    def log_keys(self, origin: str) -> Sequence[VerifyingKey]:
        """The keys that verify checkpoints of a log; none for one that is not known."""

    def checkpoint(self, note: str, origin: str) -> Checkpoint:
        """A checkpoint of a log; raise Untrusted or Invalid when it is none, or lies behind the end of a closed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFile:
    """A file that holds: every event is proven, and together they are what the home stated."""

    manifest: Manifest
    stated: Verified
    """The `record.stated/1`."""
    record: tuple[Verified, ...]
    """In record order."""
    support: tuple[Verified, ...]
    """Events about the keys of those who signed them."""


def lines(
    stated: tuple[Evidence, RecordStated],
    log_keys: Iterable[VerifyingKey],
    keys: Iterable[Evidence],
    items: Iterable[Evidence],
) -> Iterator[bytes]:
    """The lines of the file: `keys` are the key events that check the statement and the events of the record."""
    evidence, event = stated
    manifest = Manifest(
        kind=KIND,
        region=event.ledger,
        origin=evidence.origin,
        volunteer=event.subject,
        aliases=event.aliases,
        size=event.size,
        events=event.events,
        root=event.root,
        entries=event.entries,
        sums=event.sums,
        log_keys=tuple(map(str, log_keys)),
        stated=Raw(wire.message([evidence])),
    )
    return wire.bundle_lines(canonical.write(manifest), keys, items)


def open_file(chunks: Iterable[bytes], logs: Logs) -> RecordFile:
    """The record of a file, every event and the whole of it checked, as its bytes come in chunks of any size.

    Raise Invalid or TooLarge for its form, UnknownOrigin for a log that is not believed, Untrusted for an event that
    does not hold, or a record that is not what the home stated.
    """
    manifest, keys, items = _read(chunks)
    told = wire.read_message(bytes(manifest.stated))
    if len(told) != 1:
        raise Invalid("the manifest brings one statement along", "/manifest/stated")
    checker = Checker(logs.log_keys)
    support = tuple(checker.learn_verified(keys))
    stated = (told[0], checker.check(told[0]))
    record = tuple((item, checker.check(item)) for item in items)
    for note, origin in {(item.checkpoint, item.origin) for item in (*told, *keys, *items)}:
        logs.checkpoint(note, origin)
    _check_statement(manifest, stated[1])
    _check_record(manifest, [one for _, one in record], [one for _, one in support])
    return RecordFile(manifest=manifest, stated=stated, record=record, support=support)


def _read(chunks: Iterable[bytes]) -> tuple[Manifest, list[Evidence], list[Evidence]]:
    """The parts of the file, nothing of them verified."""
    manifest: Manifest | None = None
    keys: list[Evidence] = []
    items: list[Evidence] = []
    for part in wire.BundleReader(chunks):
        match part:
            case wire.Manifest(data):
                manifest = form.decode(_manifests, data, "the manifest of a record")
            case wire.KeyItem(evidence):
                keys.append(evidence)
            case wire.EventItem(evidence):
                items.append(evidence)
            case _:
                raise Invalid("a record as a file has a manifest, keys and events only")
    assert manifest is not None  # the reader begins with one
    return manifest, keys, items


def _check_statement(manifest: Manifest, found: Foreign) -> None:
    """The home signed what the manifest says, of this person, and over events that its log had by then."""
    event = found.event
    if not isinstance(event, RecordStated):
        raise Untrusted(f"the statement is a {type_name(event)}")
    if (found.origin, event.ledger, event.issuer) != (manifest.origin, manifest.region, f"region:{manifest.region}"):
        raise Untrusted(f"the statement is by {event.issuer} in {found.origin!r:.80}")
    if event.subject != manifest.volunteer:
        raise Untrusted(f"the statement is about {event.subject}")
    if event.size > found.position:
        raise Untrusted("the statement covers events that were yet to come")
    if _said(event) != _said(manifest):
        raise Untrusted("the manifest says something else than the statement that it brings along")


def _said(one: RecordStated | Manifest) -> _Said:
    return one.aliases, one.size, one.events, one.root, one.entries, one.sums


def _check_record(manifest: Manifest, record: Sequence[Foreign], support: Sequence[Foreign]) -> None:
    """These events, in this order, are all that the home stated, and come to the sums."""
    if len(record) != manifest.events or root_of(one.entry for one in record) != manifest.root:
        raise Untrusted(f"these are not the {manifest.events} events that the home stated, in their order")
    if len({(one.origin, one.position) for one in record}) < len(record):
        raise Untrusted("an event stands there twice")
    for one in record:
        place = f"position {one.position} of {one.origin!r:.80}"
        if type_name(one.event) not in RECORD_TYPES or one.event.subject not in manifest.ids:
            raise Untrusted(f"{place} is no event of this record")
        if one.origin == manifest.origin and one.position >= manifest.size:
            raise Untrusted(f"{place} came later than what was stated")
    check_authors(record, support, manifest.ids)
    sums = sums_of([arrived(one, "") for one in record], manifest.ids)
    if sums != manifest.sums or sum(one.entries for one in sums) != manifest.entries:
        raise Untrusted("the entries do not come to the sums that the home stated")


def missing_from(found: RecordFile, body: bytes, receipt: str, logs: Logs) -> bytes:
    """What proves to anyone that the home left an event out of a record that it stated as whole.

    `receipt` is the tlog-proof of the event, or of the `entry.received/1` by which the home acknowledged it. Raise
    NotProven when the event is in the record, belongs to none or came later; Invalid or Untrusted for what does not
    hold.
    """
    evidence, _ = found.stated
    shown = misconduct.Shown(body=Raw(body), receipt=receipt)
    data = misconduct.left_out(evidence, [one.entry for _, one in found.record], shown)
    misconduct.check(data, logs.log_keys)
    return data
