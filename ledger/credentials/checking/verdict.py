"""What checking a proof of service comes to: numbered steps and one outcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ledger.credentials.model import Credential


class Outcome(StrEnum):
    """One of these, and never more."""

    VALID = "valid"
    REVOKED = "revoked"
    EXPIRED = "expired"
    STATUS_UNKNOWN = "status-unknown"
    INVALID = "invalid"


class Result(StrEnum):
    """How one step went."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Could not be answered with what is at hand."""
    SKIPPED = "skipped"
    """Not asked, because an earlier step failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of docs/proofs.md, "Checking a proof". `code` is stable; `detail` is for people, in English."""

    number: int
    code: str
    result: Result
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of something that claims to be a proof of service."""

    outcome: Outcome
    format: str
    """`vc`, `sd-jwt`, `code` (the signed code of a QR), or `unknown`."""
    steps: tuple[Step, ...]
    proof: str | None = None
    """UUID of the proof, once its form holds."""
    region: str | None = None
    issuer_name: str | None = None
    """As the trust bundle, not the document, names the issuer."""
    issued: str | None = None
    credential: Credential | None = None
    """Of a `vc` whose form holds."""
    claims: dict[str, object] | None = None
    """What an SD-JWT disclosed, or a code says."""
    reason: str | None = None
    """Of `revoked`, when it is known: corrected, withdrawn, disclaimed, requested, erased, mistaken."""
    replacement: str | None = None
    """UUID of the proof that replaces a revoked one, when it is known."""
    as_of: str | None = None
    """Date of the status list that was asked, RFC 3339."""
