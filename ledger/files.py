"""Read and write small files whole: bounded, and durable once written."""

from __future__ import annotations

import os
from pathlib import Path

from ledger.errors import TooLarge, Unavailable
from ledger.limits import BUNDLE_BYTES_MAX


def read(path: Path, bytes_max: int = BUNDLE_BYTES_MAX) -> bytes:
    """The bytes of a whole file; raise Unavailable, or TooLarge."""
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error}") from None
    if len(data) > bytes_max:
        raise TooLarge(f"{path} has more than {bytes_max} bytes")
    return data


def write(path: Path, data: bytes, mode: int = 0o666) -> None:
    """See `replace`; raise Unavailable where that raises OSError."""
    try:
        replace(path, data, mode)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from None


def replace(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file so that after a crash either the old or the new one is there, whole; raise OSError."""
    temporary = path.with_name(f"{path.name}.new")
    with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make the names in a folder as durable as its files; raise OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
