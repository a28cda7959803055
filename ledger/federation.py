"""The federation file, which is also the trust bundle: whom a verifier believes, signed by keys it pinned.

One canonical JSON file `{"federation": …, "lists": {…}, "note": NOTE}`. The note, a C2SP signed note by one or more
keys of the federation, covers the federation; status lists carry signatures of their own (docs/proofs.md,
"Trust bundle"). No host is believed because it served something: keys come from here alone.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger import canonical, notes
from ledger.credentials.did import did_of
from ledger.credentials.keys import MULTIKEY_MAX, parse_multikey
from ledger.credentials.model import Did, Url
from ledger.errors import Invalid, TooLarge, Untrusted
from ledger.events import Code, Origin, RegionName, Time, VKey
from ledger.ids import ORIGIN_PATTERN, check_origin, check_region, instant, parse_list_name
from ledger.keys import SigningKey, VerifyingKey, parse_vkey
from ledger.limits import BUNDLE_BYTES_MAX, CLOCK_AHEAD_MAX, FEDERATION_BYTES_MAX, NOTE_SIGNATURES_MAX, ORIGIN_MAX

HEADER: Final = "yongzhi.federation/1"

_BASE58: Final = "[1-9A-HJ-NP-Za-km-z]"
_Name = Annotated[str, Meta(max_length=ORIGIN_MAX, pattern=rf"\A(?:{ORIGIN_PATTERN})\Z")]
_CredentialKey = Annotated[str, Meta(max_length=MULTIKEY_MAX, pattern=rf"\Az6Mk{_BASE58}+\Z")]
_TokenKey = Annotated[str, Meta(max_length=MULTIKEY_MAX, pattern=rf"\AzDn{_BASE58}+\Z")]
_Serial = Annotated[int, Meta(ge=1, le=2**53 - 1)]
_Threshold = Annotated[int, Meta(ge=1, le=NOTE_SIGNATURES_MAX)]


class Expired(Untrusted):
    """A trust bundle that was good once; a newer one is needed."""

    code = "bundle-expired"


class Region(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A region as the federation vouches for it: its log, its DID, where it is served, its keys."""

    region: Code
    origin: Origin
    name: RegionName
    log_keys: Annotated[tuple[VKey, ...], Meta(min_length=1, max_length=16)]
    did: Did
    base: Annotated[Url, Meta(description="where pages and status lists are, without a final slash")]
    credential_keys: Annotated[tuple[_CredentialKey, ...], Meta(max_length=64)]
    token_keys: Annotated[tuple[_TokenKey, ...], Meta(max_length=64)]
    witness_keys: Annotated[tuple[VKey, ...], Meta(max_length=64)]
    closed: Annotated[Time | UnsetType, Meta(description="when it closed; what it issued before stays good")] = UNSET

    def __post_init__(self) -> None:
        check_region(self.region)
        check_origin(self.origin)
        if self.did != did_of(self.base, self.region):
            raise ValueError(f"the DID of {self.region} at {self.base} is {did_of(self.base, self.region)}")
        if any(not key.startswith(f"{self.origin}+") for key in self.log_keys):
            raise ValueError("a log key is named as its origin")
        if self.closed is not UNSET:
            instant(self.closed)

    def methods(self) -> list[str]:
        """Its verification methods: what a Data Integrity proof of this region may name."""
        return [f"{self.did}#{key}" for key in self.credential_keys]

    def page(self, proof: str) -> str:
        """The address of a proof's page."""
        return f"{self.base}/p/{proof}"

    def list_url(self, name: str) -> str:
        """The address of one of its status lists."""
        return f"{self.base}/status/{name}"


class Federation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the federation's keys sign. `keys` and `threshold` say who signs the next one."""

    name: _Name
    serial: _Serial
    issued: Time
    expires: Time
    keys: Annotated[tuple[VKey, ...], Meta(min_length=1, max_length=NOTE_SIGNATURES_MAX)]
    threshold: _Threshold
    regions: Annotated[tuple[Region, ...], Meta(max_length=10_000)]

    def __post_init__(self) -> None:
        if instant(self.expires) <= instant(self.issued):
            raise ValueError("a federation expires after it is issued")
        if self.threshold > len({parse_vkey(key).public for key in self.keys}):
            raise ValueError("the threshold is more than there are keys")
        _check_once("region", [one.region for one in self.regions])
        _check_once("origin", [one.origin for one in self.regions])
        _check_once("did", [one.did for one in self.regions])
        _check_once("log key", [key for one in self.regions for key in one.log_keys])
        _check_once("credential key", [key for one in self.regions for key in one.credential_keys])
        _check_once("token key", [key for one in self.regions for key in one.token_keys])


def _check_once(what: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"a {what} stands there twice")


# -- what a verifier asks -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trust:
    """A federation that is believed, with the status lists that came along, by address."""

    federation: Federation
    lists: Mapping[str, bytes] = field(default_factory=dict)
    _dids: dict[str, Region] = field(init=False, repr=False, compare=False)
    _tokens: dict[str, Region] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        regions = self.federation.regions
        object.__setattr__(self, "_dids", {one.did: one for one in regions})
        object.__setattr__(self, "_tokens", {key: one for one in regions for key in one.token_keys})

    def region(self, code: str) -> Region | None:
        """A region by its code."""
        return next((one for one in self.federation.regions if one.region == code), None)

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
        found = self.region(listed.region) if listed else None
        return found if found is not None and url == found.list_url(name) else None

    def log_keys(self, origin: str) -> list[VerifyingKey]:
        """The keys that verify checkpoints of a log."""
        return [parse_vkey(key) for one in self.federation.regions if one.origin == origin for key in one.log_keys]

    def token_key(self, kid: str) -> bytes:
        """The 33 bytes of a token key; raise Untrusted unless a region here has it."""
        if self.by_kid(kid) is None:
            raise Untrusted(f"the trust bundle has no token key {kid!r:.80}")
        return parse_multikey(kid)


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


def open_bundle(data: bytes, pinned: Iterable[VerifyingKey], now: int, threshold: int | None = None) -> Trust:
    """The federation of a trust bundle signed by at least `threshold` of the pinned keys, at unix second `now`.

    Without a threshold as many sign as the federation's own asks for, or all that are pinned if these are fewer.
    Raise TooLarge, Invalid for its form, Untrusted for its signatures, Expired outside its dates.
    """
    trust = open_old(data, pinned, threshold)
    federation = trust.federation
    if instant(federation.issued) > now + CLOCK_AHEAD_MAX:
        raise Untrusted(f"the trust bundle says it was issued at {federation.issued}, which is yet to come")
    if now >= instant(federation.expires):
        raise Expired(f"the trust bundle expired at {federation.expires}: fetch a newer one")
    return trust


def open_old(data: bytes, pinned: Iterable[VerifyingKey], threshold: int | None = None) -> Trust:
    """The same whatever its dates: to `follow` on from it or to compare it with another, and for nothing else."""
    federation, note, lists = _read(data)
    keys = list(pinned)
    if threshold is None:
        threshold = min(federation.threshold, len({key.public for key in keys}))
    _check_signed(note, keys, threshold)
    return Trust(federation, lists)


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
    digest = base64.b64encode(sha256(data).digest()).decode()
    return f"{HEADER}\n{federation.name}\n{federation.serial}\n{digest}\n"


def _check_signed(note: notes.Note, pinned: Iterable[VerifyingKey], threshold: int) -> None:
    good = set()  # of public keys: one key under two names signs once
    for key in pinned:
        with contextlib.suppress(Untrusted):
            note.verify(key)
            good.add(key.public)
    needed = max(threshold, 1)
    if len(good) < needed:
        raise Untrusted(f"the trust bundle is signed by {len(good)} of the pinned keys, and {needed} are needed")


__all__ = [
    "HEADER",
    "Expired",
    "Federation",
    "Region",
    "Trust",
    "check_after",
    "follow",
    "open_bundle",
    "open_old",
    "seal",
]
