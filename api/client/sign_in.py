"""The sign-in note: the text of a challenge, and the client's answer (docs/format.md, "Sign-in")."""

from __future__ import annotations

from typing import Final

from ledger.crypto.keys import SigningKey
from ledger.errors import Untrusted
from ledger.ids import format_time
from ledger.tlog import notes

HEADER: Final = "yongzhi.sign-in/1"


def challenge_text(issuer: str, origin: str, nonce: str, expires: int) -> str:
    """The text of the note that answers a challenge."""
    return f"{HEADER}\n{issuer}\n{origin}\n{nonce}\n{format_time(expires)}\n"


def answer_challenge(text: str, key: SigningKey, origin: str) -> str:
    """The client's side: sign a challenge after comparing its origin; raise Untrusted for another server's."""
    lines = text.split("\n")
    if len(lines) != 6 or lines[0] != HEADER or lines[1] != key.name:
        raise Untrusted("this is not a sign-in challenge for this key")
    if lines[2] != origin:
        raise Untrusted(f"the challenge is for {lines[2]!r:.80}, not for {origin}")
    return notes.sign(text, [key])
