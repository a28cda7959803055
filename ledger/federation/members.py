"""What a federation says: of each region its log, its keys, where it is found, for how long, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from ledger.crypto.did import check_base, did_of
from ledger.crypto.keys import parse_vkey
from ledger.crypto.multikey import MULTIKEY_MAX
from ledger.errors import LedgerError
from ledger.events.fields import Code, Origin, RegionName, Time, Url, VKey
from ledger.events.private_details import check_sealing_key
from ledger.ids import ORIGIN_PATTERN, check_origin, check_region, instant
from ledger.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, ORIGIN_MAX, RECOVERY_DAYS_MAX
from ledger.tlog import notes
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint

RECOVERY_DAYS: Final = 30
"""How long a recovery is announced for before it may be done, where a federation says nothing else."""

_BASE58: Final = "[1-9A-HJ-NP-Za-km-z]"
_CHECKPOINT_LINES: Final = 3
_Did = Annotated[str, Meta(max_length=400, pattern=r"\Adid:web:[A-Za-z0-9.%:_-]+\Z")]
_CredentialKey = Annotated[str, Meta(max_length=MULTIKEY_MAX, pattern=rf"\Az6Mk{_BASE58}+\Z")]
_TokenKey = Annotated[str, Meta(max_length=MULTIKEY_MAX, pattern=rf"\AzDn{_BASE58}+\Z")]
_SealingKey = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]\Z")]
_Name = Annotated[str, Meta(max_length=ORIGIN_MAX, pattern=rf"\A(?:{ORIGIN_PATTERN})\Z")]
_Serial = Annotated[int, Meta(ge=1, le=2**53 - 1)]
_Threshold = Annotated[int, Meta(ge=1, le=NOTE_SIGNATURES_MAX)]
_Line = Annotated[str, Meta(max_length=NOTE_BYTES_MAX, pattern=r"\A[^\x00-\x1f\x7f]*\Z")]
_Note = Annotated[
    tuple[_Line, ...], Meta(min_length=_CHECKPOINT_LINES + 2, max_length=_CHECKPOINT_LINES + 1 + NOTE_SIGNATURES_MAX)
]


class Region(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A region as the federation vouches for it: its log, its DID, where it is served, its keys.

    One entry tells of one log. A region that goes on under another log has an entry for each, all but one closed.
    """

    region: Code
    origin: Origin
    name: RegionName
    log_keys: Annotated[tuple[VKey, ...], Meta(min_length=1, max_length=16)]
    did: _Did
    base: Annotated[Url, Meta(description="where pages and status lists are, without a final slash")]
    credential_keys: Annotated[tuple[_CredentialKey, ...], Meta(max_length=64)]
    token_keys: Annotated[tuple[_TokenKey, ...], Meta(max_length=64)]
    witness_keys: Annotated[tuple[VKey, ...], Meta(max_length=64)]
    closed: Annotated[Time | UnsetType, Meta(description="when it closed; what it issued before stays good")] = UNSET
    endpoint: Annotated[Url | UnsetType, Meta(description="where other regions post, unless at `base`")] = UNSET
    sealing_key: Annotated[_SealingKey | UnsetType, Meta(description="X25519 key that details are sealed to")] = UNSET
    valid_from: Annotated[Time | UnsetType, Meta(description="before it, it is no peer yet")] = UNSET
    valid_until: Annotated[Time | UnsetType, Meta(description="from then on it is no peer any more")] = UNSET
    final: Annotated[_Note | UnsetType, Meta(description="the last checkpoint of a closed log, line by line")] = UNSET

    def __post_init__(self) -> None:
        check_region(self.region)
        check_origin(self.origin)
        if self.did != did_of(self.base, self.region):
            raise ValueError(f"the DID of {self.region} at {self.base} is {did_of(self.base, self.region)}")
        if any(not key.startswith(f"{self.origin}+") for key in self.log_keys):
            raise ValueError("a log key is named as its origin")
        if self.endpoint is not UNSET:
            check_base(self.endpoint)
        if self.sealing_key is not UNSET:
            check_sealing_key(self.sealing_key)
        self._check_times()
        self.last_checkpoint()

    def _check_times(self) -> None:
        _, begins, ends = (None if one is UNSET else instant(one) for one in self._times)
        if begins is not None and ends is not None and begins >= ends:
            raise ValueError(f"{self.origin} is valid until before it is valid")
        if self.final is not UNSET and self.closed is UNSET:
            raise ValueError(f"{self.origin} has a last checkpoint and is not closed")

    @property
    def _times(self) -> tuple[str | UnsetType, ...]:
        return self.closed, self.valid_from, self.valid_until

    def last_checkpoint(self) -> Checkpoint | None:
        """Where a closed log ended; None where that is not said. Raise ValueError unless a key of the log signed it."""
        if isinstance(self.final, UnsetType):
            return None
        note = "".join(f"{line}\n" for line in self.final)
        for key in self.log_keys:
            try:
                return open_checkpoint(note, parse_vkey(key))
            except LedgerError:
                continue
        raise ValueError(f"the last checkpoint of {self.origin} is signed by none of its keys")

    def is_valid(self, now: int) -> bool:
        """Whether it is a peer at unix second `now`: not closed, and within its dates."""
        _, begins, ends = (None if one is UNSET else instant(one) for one in self._times)
        return self.closed is UNSET and (begins is None or begins <= now) and (ends is None or now < ends)

    @property
    def address(self) -> str:
        """Where other regions post, without a final slash."""
        return self.base if isinstance(self.endpoint, UnsetType) else self.endpoint

    def methods(self) -> list[str]:
        """Its verification methods: what a Data Integrity proof of this region may name."""
        return [f"{self.did}#{key}" for key in self.credential_keys]

    def page(self, proof: str) -> str:
        """The address of a proof's page."""
        return f"{self.base}/p/{proof}"

    def list_url(self, name: str) -> str:
        """The address of one of its status lists."""
        return f"{self.base}/status/{name}"


def lines_of(note: str) -> tuple[str, ...]:
    """A signed note as `Region.final` holds it; raise Invalid for what is no note."""
    notes.parse(note)
    return tuple(note[:-1].split("\n"))


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the regions agreed on for when one of them is gone without handing over."""

    recovery_days: Annotated[int, Meta(ge=1, le=RECOVERY_DAYS_MAX)] | UnsetType = UNSET
    recovery_quorum: Annotated[int, Meta(ge=1, le=10_000)] | UnsetType = UNSET


class Federation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the federation's keys sign. `keys` and `threshold` say who signs the next one."""

    name: _Name
    serial: _Serial
    issued: Time
    expires: Time
    keys: Annotated[tuple[VKey, ...], Meta(min_length=1, max_length=NOTE_SIGNATURES_MAX)]
    threshold: _Threshold
    regions: Annotated[tuple[Region, ...], Meta(max_length=10_000)]
    policy: Policy | UnsetType = UNSET

    def __post_init__(self) -> None:
        if instant(self.expires) <= instant(self.issued):
            raise ValueError("a federation expires after it is issued")
        if self.threshold > len({parse_vkey(key).public for key in self.keys}):
            raise ValueError("the threshold is more than there are keys")
        _check_succession(self.regions)
        _check_once("origin", [one.origin for one in self.regions])
        _check_once("did", [one.did for one in self.regions])
        _check_once("log key", [key for one in self.regions for key in one.log_keys])
        _check_once("credential key", [key for one in self.regions for key in one.credential_keys])
        _check_once("token key", [key for one in self.regions for key in one.token_keys])


def _check_succession(regions: Sequence[Region]) -> None:
    """A region has one log at a time; one that it leaves for another says where it ended, so that nothing follows."""
    _check_once("region", [one.region for one in regions if one.closed is UNSET])
    counted = Counter(one.region for one in regions)
    for one in regions:
        if counted[one.region] > 1 and one.closed is not UNSET and one.final is UNSET:
            raise ValueError(f"{one.region} goes on elsewhere, and the last checkpoint of {one.origin} is not stated")


def _check_once(what: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"a {what} stands there twice")


__all__ = ["RECOVERY_DAYS", "Federation", "Policy", "Region", "lines_of"]
