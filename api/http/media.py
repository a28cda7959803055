"""Media types of what is handed out, and what a client asks for."""

from __future__ import annotations

from typing import Final

CREDENTIAL: Final = "application/vc"
"""W3C VC Data Model 2.0, 6.1.1: credentials, and status lists that are credentials."""
JSON: Final = "application/json"


def accepts(header: str, kind: str) -> bool:
    """Whether an Accept header names this media type itself (RFC 9110, 12.5.1), not only a range that covers it."""
    named = (part.partition(";")[0].strip().lower() for part in header.split(","))
    return kind in named


def wanted(header: str, kind: str) -> str:
    """The media type if it is asked for by name, else plain JSON: older clients know nothing else."""
    return kind if accepts(header, kind) else JSON
