"""Selective disclosure of claims (RFC 9901, 4 and 7.1): hiding them as an issuer, putting them together again.

A claim is hidden behind the SHA-256 of its disclosure, a salted JSON array. Digests are sorted and padded with decoys
to a count the caller chooses, so that neither their number nor their order tells what is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ledger.crypto.encoding import decode_base64url, digest, encode_base64url
from ledger.crypto.strict_json import DEPTH_MAX, parse_json
from ledger.errors import Invalid, TooLarge, Untrusted
from ledger.limits import DISCLOSURES_MAX

ALGORITHM: Final = "sha-256"
SALT_BYTES: Final = 16
"""Randomness of one salt, as RFC 9901, 9.3 advises."""
_DIGESTS: Final = "_sd"
_ALGORITHM: Final = "_sd_alg"
_ELEMENT: Final = "..."
_RESERVED: Final = frozenset({_DIGESTS, _ALGORITHM, _ELEMENT})


# -- hiding -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Hider:
    """Hides claims one after the other; `disclosures` collects what opens them, in base64url."""

    randomness: Callable[[int], bytes]
    """That many unpredictable bytes: `secrets.token_bytes`."""
    disclosures: list[str] = field(default_factory=list)

    def members(self, claims: Mapping[str, Any], count: int) -> dict[str, list[str]]:
        """What stands in an object instead of its hidden members: `{"_sd": […]}` of exactly `count` digests."""
        digests = [self._hide(name, value) for name, value in claims.items()]
        return {_DIGESTS: sorted(self._padded(digests, count))}

    def elements(self, values: Sequence[Any], count: int) -> list[dict[str, str]]:
        """What stands in an array instead of its hidden elements: exactly `count` of `{"...": digest}`."""
        digests = [self._hide(value) for value in values]
        return [{_ELEMENT: one} for one in sorted(self._padded(digests, count))]

    def _hide(self, *parts: Any) -> str:
        text = encode_base64url(msgspec.json.encode([encode_base64url(self.randomness(SALT_BYTES)), *parts]))
        self.disclosures.append(text)
        return digest(text.encode())

    def _padded(self, digests: list[str], count: int) -> list[str]:
        if len(digests) > count:
            raise Invalid(f"{len(digests)} claims where {count} are hidden")
        # As long as a salt is secret, its hash is as good as that of a disclosure (RFC 9901, 4.2.5).
        return [*digests, *(digest(self.randomness(2 * SALT_BYTES)) for _ in range(count - len(digests)))]


# -- putting together ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """A disclosure in its place."""

    path: tuple[str, ...]
    """Names of members and labels of array elements, from the top; see `_label`."""
    value: Any
    """What it discloses, with whatever other disclosures open within it."""
    texts: tuple[str, ...]
    """The disclosures needed to see it, itself last."""


@dataclass(frozen=True, slots=True)
class Revealed:
    """The claims without `_sd`, `_sd_alg` and `...`, and where each disclosure went."""

    claims: dict[str, Any]
    opened: tuple[Opened, ...]


def reveal(payload: dict[str, Any], disclosures: Sequence[str]) -> Revealed:
    """The claims that the disclosures open in a payload (RFC 9901, 7.1, steps 2.3 to 5; numbers in the code).

    Raise Invalid for what is badly formed, and Untrusted for a disclosure that no digest vouches for: it is not signed.
    """
    if len(disclosures) > DISCLOSURES_MAX:
        raise TooLarge(f"more than {DISCLOSURES_MAX} disclosures")
    if payload.get(_ALGORITHM, ALGORITHM) != ALGORITHM:  # 2.3
        raise Invalid(f"the hash algorithm is not {ALGORITHM}", "/_sd_alg")
    if len(set(disclosures)) != len(disclosures):
        raise Invalid("a disclosure given twice")
    reader = _Reader({digest(text.encode()): text for text in disclosures})  # 3.1
    claims = reader.members({name: value for name, value in payload.items() if name != _ALGORITHM}, (), (), 0)
    if reader.waiting:  # 5
        raise Untrusted("a disclosure that no digest of the token refers to")
    return Revealed(claims, tuple(reader.opened))


@dataclass(slots=True)
class _Reader:
    waiting: dict[str, str]
    """Disclosures by digest, until their place is found."""
    opened: list[Opened] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def value(self, value: Any, path: tuple[str, ...], texts: tuple[str, ...], depth: int) -> Any:
        """A value with everything opened; `path` and `texts` lead to it."""
        if not isinstance(value, (dict, list)):
            return value
        if depth == DEPTH_MAX:
            raise Invalid(f"disclosures nested deeper than {DEPTH_MAX}")
        if isinstance(value, dict):
            return self.members(value, path, texts, depth)
        return list(self._elements(value, path, texts, depth))

    def members(
        self, value: dict[str, Any], path: tuple[str, ...], texts: tuple[str, ...], depth: int
    ) -> dict[str, Any]:
        if _ALGORITHM in value or _ELEMENT in value:
            raise Invalid("`_sd_alg` below the top, or `...` beside other members")
        found = {
            name: self.value(item, (*path, name), texts, depth + 1) for name, item in value.items() if name != _DIGESTS
        }
        digests = value.get(_DIGESTS, [])
        if not isinstance(digests, list):
            raise Invalid("`_sd` is not an array")
        for one in digests:
            if (text := self._take(one)) is None:
                continue
            parts = _parse(text, 3)
            name, item = parts[1:]
            if not isinstance(name, str) or name in _RESERVED:  # 3.3.2.1, 3.3.2.2
                raise Invalid("a disclosure without the name of a claim")
            if name in found:  # 3.3.2.3
                raise Invalid(f"the claim {name:.40} is there twice")
            found[name] = self._open(item, (*path, name), (*texts, text), depth)
        return found

    def _elements(self, value: list[Any], path: tuple[str, ...], texts: tuple[str, ...], depth: int) -> Iterator[Any]:
        for item in value:
            if not isinstance(item, dict) or _ELEMENT not in item:
                yield self.value(item, (*path, _label(item)), texts, depth + 1)
            elif len(item) != 1:
                raise Invalid("`...` beside other members")
            elif (text := self._take(item[_ELEMENT])) is not None:
                element = _parse(text, 2)[1]
                yield self._open(element, (*path, _label(element)), (*texts, text), depth)

    def _open(self, value: Any, path: tuple[str, ...], texts: tuple[str, ...], depth: int) -> Any:
        place = len(self.opened)
        found = self.value(value, path, texts, depth + 1)
        self.opened.insert(place, Opened(path, found, texts))
        return found

    def _take(self, one: Any) -> str | None:
        """The disclosure of a digest; None when it is withheld, or the digest a decoy."""
        if not isinstance(one, str):
            raise Invalid("a digest is not a string")
        if one in self._seen:  # 4
            raise Invalid("a digest that is there twice")
        self._seen.add(one)
        return self.waiting.pop(one, None)


def _parse(text: str, length: int) -> list[Any]:
    """The parts of a disclosure: salt, name (of a member only) and value (RFC 9901, 4.2.1 and 4.2.2)."""
    parts = parse_json(decode_base64url(text))
    if not isinstance(parts, list) or len(parts) != length or not isinstance(parts[0], str):  # 3.3.2.1, 3.3.3.1
        raise Invalid("a disclosure is not [salt, name, value] in an object, [salt, value] in an array")
    return parts


def _label(element: Any) -> str:
    """How people refer to an element of an array: what it is about, or else its text.

    Its activity or evidence grade; its year and category, joined by `+`, or `all` when it has neither.
    """
    if not isinstance(element, dict):
        return str(element) if isinstance(element, (str, int)) else ""
    for name in ("activity", "evidence"):
        if isinstance(element.get(name), str):
            return str(element[name])
    return "+".join(str(element[name]) for name in ("year", "category") if name in element) or "all"
