"""Changes to a federation, as `yongzhi federation` makes them: each gives the next one, and none is signed yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from ledger.crypto.keys import VerifyingKey
from ledger.errors import Invalid, LedgerError, NotFound
from ledger.federation.members import Federation, Policy, Region, lines_of
from ledger.federation.trust_bundle import Trust
from ledger.ids import format_time

Edit = Callable[[Federation], Federation]

_DAY: Final = 24 * 3600
_STATED: Final = ("endpoint", "valid_from", "valid_until", "final")
"""What a federation says of a region where the region itself says nothing."""


def begun(name: str, signers: Sequence[VerifyingKey], threshold: int, now: int, days: int) -> Federation:
    """The first federation of a name, without regions."""
    return _checked(
        lambda: Federation(
            name=name,
            serial=1,
            issued=format_time(now),
            expires=format_time(now + days * _DAY),
            keys=tuple(map(str, signers)),
            threshold=threshold,
            regions=(),
        )
    )


def next_one(before: Federation, edit: Edit, now: int, days: int) -> Federation:
    """The federation that an edit makes of one, issued at unix second `now` for some days, with the next serial."""
    after = _checked(lambda: edit(before))
    dates = {"issued": format_time(now), "expires": format_time(now + days * _DAY)}
    return _checked(lambda: replace(after, serial=before.serial + 1, **dates))


def added(entry: Region, **stated: Any) -> Edit:
    """The federation with a region as its server states it, new or in the place of what was said of the same log.

    `stated` is what only the federation says of it. Refused: another key of a log that is known, the opening of one
    that closed.
    """

    def edit(before: Federation) -> Federation:
        known = Trust(before).by_origin(entry.origin)
        if known is None:
            return replace(before, regions=(*before.regions, replace(entry, **stated)))
        if (known.region, set(known.log_keys)) != (entry.region, set(entry.log_keys)):
            raise Invalid(
                f"{entry.origin} is known under another region or other keys: it takes a removal to forget it"
            )
        if known.closed is not UNSET and known.closed != entry.closed:
            raise Invalid(f"{entry.origin} closed at {known.closed}: no log opens again")
        kept = {name: getattr(known, name) for name in _STATED if getattr(entry, name) is UNSET}
        found = replace(entry, **{"witness_keys": entry.witness_keys or known.witness_keys, **kept, **stated})
        return replace(before, regions=tuple(found if one == known else one for one in before.regions))

    return edit


def removed(name: str) -> Edit:
    """The federation without a region, by its code or the origin of its log; what it issued is believed no more."""

    def edit(before: Federation) -> Federation:
        gone = find(before, name)
        return replace(before, regions=tuple(one for one in before.regions if one != gone))

    return edit


def closed(name: str, note: str, at: int) -> Edit:
    """The federation with a log that ended: at unix second `at`, unless the region said when, with this checkpoint."""

    def edit(before: Federation) -> Federation:
        known = find(before, name)
        if known.final is not UNSET:
            raise Invalid(f"the last checkpoint of {known.origin} is stated already")
        when = format_time(at) if known.closed is UNSET else known.closed
        found = replace(known, closed=when, final=lines_of(note))
        return replace(before, regions=tuple(found if one == known else one for one in before.regions))

    return edit


def rotated(signers: Sequence[VerifyingKey], threshold: int | None) -> Edit:
    """The federation with other next signers."""
    return lambda before: replace(
        before, keys=tuple(map(str, signers)), threshold=before.threshold if threshold is None else threshold
    )


def renewed(recovery_days: int | None, recovery_quorum: int | None) -> Edit:
    """The federation issued anew, perhaps with another agreement on recovery."""

    def edit(before: Federation) -> Federation:
        changes = {"recovery_days": recovery_days, "recovery_quorum": recovery_quorum}
        given = {name: value for name, value in changes.items() if value is not None}
        policy = Policy() if isinstance(before.policy, UnsetType) else before.policy
        return replace(before, policy=replace(policy, **given)) if given else before

    return edit


def find(federation: Federation, name: str) -> Region:
    """A region by the origin of its log, or by its code when it has one log alone; raise NotFound, or Invalid."""
    trust = Trust(federation)
    found = [known] if (known := trust.by_origin(name)) is not None else list(trust.logs(name))
    if len(found) > 1:
        raise Invalid(f"{name} has several logs, say which: {', '.join(one.origin for one in found)}")
    if not found:
        raise NotFound(f"no region {name:.80} in {federation.name}")
    return found[0]


def differences(before: Federation, after: Federation) -> list[str]:
    """What one federation says and the other does not, a line each: `+` came, `-` went, `~` is another."""
    old, new = ({one.origin: one for one in found.regions} for found in (before, after))
    lines = [f"+ {new[origin].region} {origin}" for origin in new if origin not in old]
    lines += [f"- {old[origin].region} {origin}" for origin in old if origin not in new]
    for origin in old.keys() & new.keys():
        if changed := _changed(old[origin], new[origin], ()):
            lines.append(f"~ {new[origin].region} {origin}: {', '.join(changed)}")
    apart = _changed(before, after, ("regions", "serial", "issued", "expires"))
    return sorted(lines) + [f"~ {name}" for name in apart]


def _changed(one: Region | Federation, other: Region | Federation, besides: Sequence[str]) -> list[str]:
    names = (name for name in one.__struct_fields__ if name not in besides)
    return [name for name in names if getattr(one, name) != getattr(other, name)]


def _checked(make: Callable[[], Federation]) -> Federation:
    """What contradicts itself is refused as what comes in from outside is."""
    try:
        return make()
    except LedgerError:
        raise
    except ValueError as error:
        raise Invalid(str(error)) from None


__all__ = ["Edit", "added", "begun", "closed", "differences", "find", "next_one", "removed", "renewed", "rotated"]
