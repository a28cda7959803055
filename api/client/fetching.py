"""Fetching trust bundles, and status lists of the regions in one: bounded, without redirects, nothing else."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx2

from ledger.errors import Invalid, LedgerError, TooLarge, Unavailable, Untrusted
from ledger.federation.trust_bundle import Trust
from ledger.limits import BUNDLE_BYTES_MAX, STATUS_LIST_BYTES_MAX

_SECONDS_MAX: Final = 20
"""For one answer as a whole; a server that drips is given up."""
_TIMEOUT: Final = httpx2.Timeout(10, connect=5)
_BUNDLE_PATH: Final = "/v1/trust-bundle"


def fetch(url: str, bytes_max: int, seconds_max: float = _SECONDS_MAX) -> bytes:
    """What an address serves; raise Unavailable when it cannot be had, TooLarge when it is too much."""
    ends, data = time.monotonic() + seconds_max, bytearray()
    headers = {"accept-encoding": "identity"}  # what is compressed could be any size
    try:
        with httpx2.stream("GET", url, timeout=_TIMEOUT, follow_redirects=False, headers=headers) as answer:
            if answer.status_code != 200:
                raise Unavailable(f"{url} answers {answer.status_code}")
            for chunk in answer.iter_raw():
                data += chunk
                if len(data) > bytes_max:
                    raise TooLarge(f"{url} serves more than {bytes_max} bytes")
                if time.monotonic() > ends:
                    raise Unavailable(f"{url} takes longer than {seconds_max} seconds")
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
        raise Unavailable(f"{url} is out of reach: {error}") from None
    return bytes(data)


def fetch_bundle(url: str) -> bytes:
    """The trust bundle of a server, by its base or by the bundle's own address; nothing about it is believed yet."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Invalid(f"not the address of a server: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Invalid(f"not the address of a server: {url:.200}")
    return fetch(url if parts.path.strip("/") else url.rstrip("/") + _BUNDLE_PATH, BUNDLE_BYTES_MAX)


@dataclass(slots=True)
class StatusLists:
    """The status lists of the regions in a trust bundle: those fetched, and those that the bundle brought along.

    A server or cache that holds back a revocation by serving an older list cannot hide what the bundle shows.

    An address that is no list of a region in the bundle is never asked, whatever a proof says.
    """

    trust: Trust
    failures: list[LedgerError] = field(default_factory=list)
    """Why lists could not be fetched."""

    def __call__(self, url: str) -> tuple[bytes, ...]:
        """The lists at hand for `url`: what the network has, and what the bundle has."""
        if self.trust.by_list(url) is None:
            raise Untrusted(f"{url:.200} is no status list of a region in the trust bundle")
        brought = self.trust.lists.get(url)
        found = () if brought is None else (brought,)
        try:
            return (fetch(url, STATUS_LIST_BYTES_MAX), *found)
        except LedgerError as error:
            self.failures.append(error)
            return found
