"""Sign-in: a challenge is signed as a note by any key the ledger knows, and answered with a bearer token.

The note (docs/format.md, "Sign-in") names the server, so that one server cannot use it at another.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from api.client.sign_in import HEADER, challenge_text
from api.http.problems import NotSignedIn
from ledger.app.ledger import Ledger
from ledger.errors import Invalid, Untrusted
from ledger.ids import check_issuer, format_time, parse_time
from ledger.limits import SESSION_SECONDS, SESSIONS_MAX, SIGN_IN_SECONDS
from ledger.tlog import notes


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in to which region's ledger, by which key, until when (unix seconds)."""

    issuer: str
    region: str
    key_id: str
    expires: int


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge of this server that was answered."""

    issuer: str
    region: str
    nonce: str
    expires: int


class Sessions:
    """Challenges and sessions of one server.

    A challenge is remembered by nobody: its nonce carries a MAC, so that asking for many fills no memory and
    keeps nobody out. Sessions, and the nonces that opened them, are in memory: a restart means to sign in again.
    """

    def __init__(self, origin: str, clock: Callable[[], float] = time.time) -> None:
        self.origin = origin
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._used: dict[str, int] = {}
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def challenge(self, issuer: str, region: str) -> tuple[str, int]:
        """The text to sign, and when it expires; the answer is the same whether the issuer is known or not."""
        check_issuer(issuer)
        expires = int(self._clock()) + SIGN_IN_SECONDS
        unique = f"{region}.{secrets.token_urlsafe(16)}"
        nonce = f"{unique}.{self._mac(issuer, unique, format_time(expires))}"
        return challenge_text(issuer, self.origin, nonce, expires), expires

    def claim(self, note_text: str) -> tuple[notes.Note, Challenge]:
        """The challenge of this server that a note answers; its signature is not verified yet."""
        note = notes.parse(note_text)
        lines = note.lines
        if len(lines) != 5 or lines[0] != HEADER or lines[2] != self.origin:
            raise Untrusted("the note answers no challenge of this server")
        _, issuer, _, nonce, expires = lines
        unique, _, mac = nonce.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(issuer, unique, expires).encode()):
            raise Untrusted("the note answers no challenge of this server")
        if expires <= format_time(int(self._clock())) or nonce in self._used:
            raise Untrusted("the challenge has expired or was answered")
        if len(note.signatures) != 1 or note.signatures[0].name != issuer:
            raise Untrusted("the challenge is answered by one signature of its issuer")
        return note, Challenge(issuer, unique.partition(".")[0], nonce, parse_time(expires))

    def open(self, challenge: Challenge, key_id: str) -> tuple[str, Session]:
        """A new session and its token, once a challenge; only the token's hash is kept."""
        now = int(self._clock())
        self._used = {nonce: expires for nonce, expires in self._used.items() if expires > now}
        if challenge.nonce in self._used:
            raise Untrusted("the challenge was answered")
        self._used[challenge.nonce] = challenge.expires
        session = Session(challenge.issuer, challenge.region, key_id, now + SESSION_SECONDS)
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

    def _mac(self, *parts: str) -> str:
        return hmac.new(self._secret, "\n".join(parts).encode(), sha256).hexdigest()


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
