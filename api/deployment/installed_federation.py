"""The federation that a data folder knows: `federation.json`, a trust bundle of several servers' regions.

`federation.pins` holds the keys that may have signed it, one a line. Whoever installs it first says which they are;
from then on each federation names the signers of the next. Nothing is fetched: the file is carried, and any number of
servers may have the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from ledger import files
from ledger.crypto.keys import VerifyingKey, parse_vkey
from ledger.errors import Invalid, Unavailable
from ledger.federation import trust_bundle
from ledger.federation.trust_bundle import Trust
from ledger.limits import REQUEST_BYTES_MAX

FILE: Final = "federation.json"
PINS: Final = "federation.pins"


def installed(data: Path, now: int) -> Trust | None:
    """The federation of a data folder at unix second `now`; None where none is installed.

    It may be asked as often as one likes: the file is read again when it is another. Raise Expired once it needs a
    successor, Untrusted or Invalid when somebody changed it, Unavailable when it cannot be read.
    """
    path = data / FILE
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error}") from None
    trust = _opened(path, _pins(data), (stat.st_ino, stat.st_size, stat.st_mtime_ns))
    trust_bundle.check_dates(trust.federation, now)
    return trust


@lru_cache(maxsize=4)
def _opened(path: Path, pins: tuple[VerifyingKey, ...], version: tuple[int, int, int]) -> Trust:
    # How many have to sign was asked when it was installed; what is told here is that it is still the same.
    return trust_bundle.open_old(files.read(path), pins, 1)


def install(data: Path, bundle: bytes, now: int, pinned: Sequence[VerifyingKey] = ()) -> Trust:
    """Put a federation into a data folder: the first under keys that were `pinned`, each other after the one before.

    With pinned keys a later one is believed under these instead, as when a successor was missed; its serial must not
    go back all the same. Raise Untrusted for a file that does not follow, Invalid when it says something else of a
    region of this folder than its keys do.
    """
    before = trust_bundle.open_old(files.read(data / FILE), _pins(data), 1) if (data / FILE).exists() else None
    if pinned:
        found, signers = trust_bundle.open_bundle(bundle, pinned, now), tuple(pinned)
    elif before is not None:
        found, signers = trust_bundle.follow(before, bundle, now), tuple(map(parse_vkey, before.federation.keys))
    else:
        raise Invalid("which keys sign this federation? Nothing is installed yet that names them: give them with --pin")
    if before is not None:
        trust_bundle.check_after(before.federation, found.federation)
    _check_own(data, found)
    kept = () if before is None else _pins(data)
    _write_pins(data, dict.fromkeys([*kept, *signers]))  # so that either file opens, whenever this ends
    files.write(data / FILE, bundle)
    _write_pins(data, signers)
    return found


def own_logs(data: Path) -> dict[str, VerifyingKey]:
    """The log keys of the regions of a data folder, by region."""
    found = sorted((data / "keys").glob("*.log.pub"))
    texts = {path.name.partition(".")[0]: files.read(path, REQUEST_BYTES_MAX).decode() for path in found}
    return {region: parse_vkey(text.strip()) for region, text in texts.items()}


def _check_own(data: Path, trust: Trust) -> None:
    for code, key in own_logs(data).items():
        if trust.logs(code) and key not in trust.log_keys(key.name):
            raise Invalid(f"the federation has another log of {code} than this folder, {key.name} with key {key.id}")


def _pins(data: Path) -> tuple[VerifyingKey, ...]:
    try:
        lines = files.read(data / PINS, REQUEST_BYTES_MAX).decode().splitlines()
    except UnicodeDecodeError:
        raise Invalid(f"{data / PINS} is not text") from None
    return tuple(parse_vkey(line.strip()) for line in lines if line.strip())


def _write_pins(data: Path, keys: Iterable[VerifyingKey]) -> None:
    files.write(data / PINS, "".join(f"{key}\n" for key in keys).encode())
