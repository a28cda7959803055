"""Read and write small files whole: bounded, and durable once written."""

from __future__ import annotations

import os
from pathlib import Path

from ledger.errors import TooLarge, Unavailable
from ledger.limits import BUNDLE_BYTES_MAX


def read(path: Path, bytes_max: int = BUNDLE_BYTES_MAX) -> bytes:
    """A file as a whole; raise Unavailable, or TooLarge."""
    try:
        with path.open("rb") as file:
            found = file.read(bytes_max + 1)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error}") from None
    if len(found) > bytes_max:
        raise TooLarge(f"{path} has more than {bytes_max} bytes")
    return found


def write(path: Path, data: bytes) -> None:
    """Replace a file, so that after a crash either the old or the new one is there, whole; raise Unavailable."""
    temporary = path.with_name(f"{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error}") from None
