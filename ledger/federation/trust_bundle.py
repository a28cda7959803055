"""The federation file, which is also the trust bundle: whom a verifier believes, signed by keys it pinned.

One canonical JSON file `{"federation": …, "lists": {…}, "note": NOTE}`. The note, a C2SP signed note by one or more
keys of the federation, covers the federation; status lists carry signatures of their own (docs/proofs.md,
"Trust bundle"). No host is believed because it served something: keys come from here alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from ledger.crypto import canonical
from ledger.crypto.encoding import encode_base64
from ledger.crypto.keys import SigningKey, VerifyingKey, parse_vkey
from ledger.crypto.multikey import parse_multikey
from ledger.errors import Invalid, LedgerError, TooLarge, Untrusted
from ledger.events.fields import Url
from ledger.federation.members import RECOVERY_DAYS, Federation, Policy, Region
from ledger.ids import instant, parse_list_name
from ledger.limits import BUNDLE_BYTES_MAX, CLOCK_AHEAD_MAX, FEDERATION_BYTES_MAX
from ledger.tlog import notes
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint

HEADER: Final = "yongzhi.federation/1"


class Expired(Untrusted):
    """A trust bundle that was good once; a newer one is needed."""

    code = "bundle-expired"


# -- what a verifier asks -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trust:
    """A federation that is believed, with the status lists that came along, by address."""

    federation: Federation
    lists: Mapping[str, bytes] = field(default_factory=dict)
    _dids: dict[str, Region] = field(init=False, repr=False, compare=False)
    _tokens: dict[str, Region] = field(init=False, repr=False, compare=False)
    _origins: dict[str, Region] = field(init=False, repr=False, compare=False)
    _codes: dict[str, list[Region]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        regions = self.federation.regions
        object.__setattr__(self, "_dids", {one.did: one for one in regions})
        object.__setattr__(self, "_tokens", {key: one for one in regions for key in one.token_keys})
        object.__setattr__(self, "_origins", {one.origin: one for one in regions})
        codes: dict[str, list[Region]] = {}
        for one in sorted(regions, key=_newest_first):
            codes.setdefault(one.region, []).append(one)
        object.__setattr__(self, "_codes", codes)

    def region(self, code: str) -> Region | None:
        """A region by its code: its open log, or when it has none the one that closed last."""
        return next(iter(self.logs(code)), None)

    def logs(self, code: str) -> Sequence[Region]:
        """Every log that a region has or had, the newest first."""
        return self._codes.get(code, ())

    def by_origin(self, origin: str) -> Region | None:
        """The region whose log has this origin, be it closed or open."""
        return self._origins.get(origin)

    def valid(self, region: Region, now: int) -> bool:
        """Whether a region is a peer at unix second `now`: one of this federation, not closed, both within dates."""
        current = now < instant(self.federation.expires)
        return current and self.by_origin(region.origin) == region and region.is_valid(now)

    def peers(self, now: int) -> list[Region]:
        """All that are valid."""
        return [one for one in self.federation.regions if self.valid(one, now)]

    def by_did(self, did: str) -> Region | None:
        """The region whose DID this is."""
        return self._dids.get(did)

    def by_kid(self, kid: str) -> Region | None:
        """The region one of whose token keys is this `kid`, a Multikey."""
        return self._tokens.get(kid)

    def by_list(self, url: str) -> Region | None:
        """The region whose status list has this address; None for any other address."""
        name = url.rpartition("/")[2]
        listed = parse_list_name(name)
        known = self.logs(listed.region) if listed else ()
        return next((one for one in known if url == one.list_url(name)), None)

    def log_keys(self, origin: str) -> list[VerifyingKey]:
        """The keys that verify checkpoints of a log."""
        found = self.by_origin(origin)
        return [] if found is None else [parse_vkey(key) for key in found.log_keys]

    def checkpoint(self, note: str, origin: str) -> Checkpoint:
        """The checkpoint of a log as one of its keys signed it; raise Untrusted or Invalid for any other.

        A closed log ends with its last checkpoint: whoever still has its key can append nothing.
        """
        found, region = _first_signed(note, self.log_keys(origin)), self.by_origin(origin)
        last = None if region is None else region.last_checkpoint()
        if last is not None and (found.size > last.size or (found.size == last.size and found.root != last.root)):
            raise Untrusted(f"the log {origin} ended with {last.size} events, and this checkpoint is of others")
        return found

    @property
    def recovery_days(self) -> int:
        """How long a recovery is announced for before it may be done."""
        policy = self.federation.policy
        found = UNSET if isinstance(policy, UnsetType) else policy.recovery_days
        return RECOVERY_DAYS if isinstance(found, UnsetType) else found

    def voters(self, now: int, *concerned: str) -> list[Region]:
        """The peers who may endorse a recovery: all but the codes concerned, of the lost and of the taking region."""
        return [one for one in self.peers(now) if one.region not in concerned]

    def recovery_quorum(self, now: int, *concerned: str) -> int:
        """How many of the `voters` must endorse a recovery: as many as is agreed on, or else more than half.

        It is one at least: where there is nobody to ask, nobody is recovered.
        """
        policy = self.federation.policy
        agreed = UNSET if isinstance(policy, UnsetType) else policy.recovery_quorum
        return len(self.voters(now, *concerned)) // 2 + 1 if isinstance(agreed, UnsetType) else agreed

    def token_key(self, kid: str) -> bytes:
        """The 33 bytes of a token key; raise Untrusted unless a region here has it."""
        if self.by_kid(kid) is None:
            raise Untrusted(f"the trust bundle has no token key {kid!r:.80}")
        return parse_multikey(kid)


def _newest_first(region: Region) -> float:
    return -inf if isinstance(region.closed, UnsetType) else -instant(region.closed)


def _first_signed(note: str, keys: Iterable[VerifyingKey]) -> Checkpoint:
    reason: LedgerError = Untrusted("the trust bundle has no such log")
    for key in keys:
        try:
            return open_checkpoint(note, key)
        except LedgerError as error:
            reason = error
    raise reason


# -- files ----------------------------------------------------------------------------------------


class _Bundle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    note: str
    federation: msgspec.Raw
    lists: dict[Url, str]


_bundles: Final = msgspec.json.Decoder(_Bundle)
_federations: Final = msgspec.json.Decoder(Federation)


def seal(federation: Federation, keys: Iterable[SigningKey], lists: Mapping[str, bytes] | None = None) -> bytes:
    """The trust bundle of a federation, signed by each key given, with status lists as they are served."""
    data = canonical.write(federation)
    note = notes.sign(_text(federation, data), keys)
    texts = {url: served.decode() for url, served in (lists or {}).items()}
    bundle = canonical.write(_Bundle(note=note, federation=msgspec.Raw(data), lists=texts))
    _read(bundle)  # what nobody could open is not worth a signature
    return bundle


def countersign(data: bytes, key: SigningKey) -> bytes:
    """The same trust bundle with a further signature; raise Untrusted when its note is about another federation."""
    _, note, _ = _read(data)
    if _signers(note, [key.verifier]):
        return data
    bundle = _bundles.decode(data)
    signed = canonical.write(msgspec.structs.replace(bundle, note=bundle.note + notes.signature_line(note.text, key)))
    _read(signed)
    return signed


def signed_by(data: bytes, keys: Iterable[VerifyingKey]) -> list[VerifyingKey]:
    """Those of the keys that signed a trust bundle, each public key once."""
    return _signers(_read(data)[1], keys)


def open_bundle(data: bytes, pinned: Iterable[VerifyingKey], now: int, threshold: int | None = None) -> Trust:
    """The federation of a trust bundle signed by at least `threshold` of the pinned keys, at unix second `now`.

    Without a threshold as many sign as the federation's own asks for, or all that are pinned if these are fewer.
    Raise TooLarge, Invalid for its form, Untrusted for its signatures, Expired outside its dates.
    """
    trust = open_old(data, pinned, threshold)
    check_dates(trust.federation, now)
    return trust


def check_dates(federation: Federation, now: int) -> None:
    """Raise Untrusted for a federation that is yet to come at unix second `now`, Expired for one that was."""
    if instant(federation.issued) > now + CLOCK_AHEAD_MAX:
        raise Untrusted(f"the trust bundle says it was issued at {federation.issued}, which is yet to come")
    if now >= instant(federation.expires):
        raise Expired(f"the trust bundle expired at {federation.expires}: fetch a newer one")


def open_old(data: bytes, pinned: Iterable[VerifyingKey], threshold: int | None = None) -> Trust:
    """The same whatever its dates: to `follow` on from it or to compare it with another, and for nothing else."""
    federation, note, lists = _read(data)
    keys = list(pinned)
    if threshold is None:
        threshold = min(federation.threshold, len({key.public for key in keys}))
    _check_signed(note, keys, threshold)
    return Trust(federation, lists)


def unchecked(data: bytes) -> Trust:
    """What a trust bundle says, whoever signed it: to show it to people, and for nothing else."""
    found, _, lists = _read(data)
    return Trust(found, lists)


def follow(old: Trust, data: bytes, now: int) -> Trust:
    """The next trust bundle, signed by those whom the old one names as its next signers.

    The old one may have expired meanwhile. Raise Untrusted for one that does not come after it, see `check_after`.
    """
    before = old.federation
    found = open_bundle(data, [parse_vkey(key) for key in before.keys], now, before.threshold)
    check_after(before, found.federation)
    return found


def check_after(before: Federation, after: Federation) -> None:
    """Raise Untrusted for an older serial, another content under the same serial, or a federation of another name."""
    if after.name != before.name:
        raise Untrusted(f"a trust bundle of {after.name}, not of {before.name}")
    if after.serial < before.serial or (after.serial == before.serial and after != before):
        raise Untrusted(f"serial {after.serial} does not come after serial {before.serial}")


def _read(data: bytes) -> tuple[Federation, notes.Note, dict[str, bytes]]:
    if len(data) > BUNDLE_BYTES_MAX:
        raise TooLarge(f"a trust bundle over {BUNDLE_BYTES_MAX} bytes")
    try:
        bundle = _bundles.decode(data)
        raw = bytes(bundle.federation)
        if len(raw) > FEDERATION_BYTES_MAX:
            raise TooLarge(f"a federation over {FEDERATION_BYTES_MAX} bytes")
        canonical.check_bytes(raw)
        federation = _federations.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"not a trust bundle: {error}") from None
    canonical.check_form(federation, raw)
    canonical.check_form(bundle, data)
    note = notes.parse(bundle.note)
    # The text is made anew from what was read: a note about anything else does not match.
    if note.text != _text(federation, raw):
        raise Untrusted("the note of the trust bundle is about another federation")
    return federation, note, {url: text.encode() for url, text in bundle.lists.items()}


def _text(federation: Federation, data: bytes) -> str:
    digest = encode_base64(sha256(data).digest())
    return f"{HEADER}\n{federation.name}\n{federation.serial}\n{digest}\n"


def _check_signed(note: notes.Note, pinned: Iterable[VerifyingKey], threshold: int) -> None:
    good, needed = _signers(note, pinned), max(threshold, 1)
    if len(good) < needed:
        raise Untrusted(f"the trust bundle is signed by {len(good)} of the pinned keys, and {needed} are needed")


def _signers(note: notes.Note, keys: Iterable[VerifyingKey]) -> list[VerifyingKey]:
    good: dict[bytes, VerifyingKey] = {}  # by public key: one key under two names signs once
    for key in keys:
        with contextlib.suppress(Untrusted):
            note.verify(key)
            good.setdefault(key.public, key)
    return list(good.values())


__all__ = [
    "HEADER",
    "Expired",
    "Federation",
    "Policy",
    "Region",
    "Trust",
    "check_after",
    "check_dates",
    "countersign",
    "follow",
    "open_bundle",
    "open_old",
    "seal",
    "signed_by",
    "unchecked",
]
