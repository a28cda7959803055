"""Sign-in: a challenge is signed as a note by any key the ledger knows, and answered with a bearer token.

The note (docs/format.md, "Sign-in") names the server, so that one server cannot use it at another.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from api.problems import NotSignedIn
from ledger import notes
from ledger.app import Ledger
from ledger.errors import Busy, Invalid, Untrusted
from ledger.ids import check_issuer, format_time
from ledger.keys import SigningKey
from ledger.limits import CHALLENGES_MAX, SESSION_SECONDS, SIGN_IN_SECONDS

HEADER: Final = "yongzhi.sign-in/1"
SESSIONS_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in to which region's ledger, by which key, until when (unix seconds)."""

    issuer: str
    region: str
    key_id: str
    expires: int


def challenge_text(issuer: str, origin: str, nonce: str, expires: int) -> str:
    """The text of the note that answers a challenge."""
    return f"{HEADER}\n{issuer}\n{origin}\n{nonce}\n{format_time(expires)}\n"


def answer(text: str, key: SigningKey, origin: str) -> str:
    """The client's side: sign a challenge after comparing its origin; raise Untrusted for another server's."""
    lines = text.split("\n")
    if len(lines) != 6 or lines[0] != HEADER or lines[1] != key.name:
        raise Untrusted("this is not a sign-in challenge for this key")
    if lines[2] != origin:
        raise Untrusted(f"the challenge is for {lines[2]!r:.80}, not for {origin}")
    return notes.sign(text, [key])


class Sessions:
    """Challenges and sessions of one server, in memory: a restart only means to sign in again.

    All methods are called on the event loop's thread or under its control; none blocks.
    """

    def __init__(self, origin: str, clock: Callable[[], float] = time.time) -> None:
        self.origin = origin
        self._clock = clock
        self._challenges: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def challenge(self, issuer: str, region: str) -> tuple[str, int]:
        """The text to sign, and when it expires; the answer is the same whether the issuer is known or not."""
        check_issuer(issuer)
        self._drop_old()
        if len(self._challenges) >= CHALLENGES_MAX:
            raise Busy("too many challenges are unanswered", retry_after=10)
        expires = int(self._clock()) + SIGN_IN_SECONDS
        text = challenge_text(issuer, self.origin, secrets.token_urlsafe(24), expires)
        self._challenges[text] = (issuer, region)
        return text, expires

    def claim(self, note_text: str) -> tuple[notes.Note, str, str]:
        """Take the challenge that a note answers, once: the note, its issuer and region; nothing is verified yet."""
        note = notes.parse(note_text)
        self._drop_old()
        found = self._challenges.pop(note.text, None)
        if found is None:
            raise Untrusted("the note answers no challenge of this server, or one that was answered or has expired")
        if len(note.signatures) != 1 or note.signatures[0].name != found[0]:
            raise Untrusted("the challenge is answered by one signature of its issuer")
        return note, *found

    def open(self, issuer: str, region: str, key_id: str) -> tuple[str, Session]:
        """A new session and its token; only the token's hash is kept."""
        session = Session(issuer, region, key_id, int(self._clock()) + SESSION_SECONDS)
        token = secrets.token_urlsafe(32)
        self._sessions[_digest(token)] = session
        if len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)
        return token, session

    def find(self, token: str) -> Session:
        """The session of a token; raise NotSignedIn when there is none or it has expired."""
        session = self._sessions.get(_digest(token))
        if session is None or session.expires <= self._clock():
            raise NotSignedIn("the token is unknown or has expired")
        return session

    def close(self, token: str) -> None:
        """Sign out."""
        self._sessions.pop(_digest(token), None)

    def _drop_old(self) -> None:
        now = format_time(int(self._clock()))
        while self._challenges and next(iter(self._challenges)).split("\n")[4] <= now:
            self._challenges.popitem(last=False)


def verify_answer(ledger: Ledger, note: notes.Note, issuer: str) -> str:
    """The id of the key that signed the answer, valid now; raise Untrusted otherwise."""
    key_id = note.signatures[0].key_id
    key = ledger.valid_key(issuer, key_id)
    if key is None:
        raise Untrusted(f"{issuer} has no valid key {key_id}")
    note.verify(key)
    return key_id


def _digest(token: str) -> bytes:
    try:
        return sha256(token.encode("ascii")).digest()
    except UnicodeEncodeError:
        raise Invalid("a token is ASCII") from None
