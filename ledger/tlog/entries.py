"""Entries of the log: the commitment to a body, and the second it was recorded."""

from __future__ import annotations

from hashlib import sha256


def commitment_to(body: bytes) -> bytes:
    """SHA-256 of a body, 32 bytes: its entry in a submission's tree, and the head of its log entry."""
    return sha256(body).digest()


def make_entry(commitment: bytes, recorded_at: int) -> bytes:
    """A log entry: SHA-256 of the body and the second it was recorded, u64 big-endian; 40 bytes."""
    return commitment + recorded_at.to_bytes(8, "big")
