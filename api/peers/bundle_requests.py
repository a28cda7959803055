"""The signed request by which a destination fetches a bundle: who asks, for what, when (docs/api.md, "Exchange").

`authorization: Yongzhi <base64 of a signed note>`. The note has five lines: what it is, who asks, the log that is
asked, the transfer, the time. It is good for that transfer at that log alone, and only for minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.crypto.encoding import decode_base64, encode_base64
from ledger.crypto.keys import SigningKey, VerifyingKey
from ledger.errors import Invalid, Untrusted
from ledger.ids import format_time, parse_time
from ledger.limits import BUNDLE_REQUEST_SECONDS, NOTE_BYTES_MAX
from ledger.tlog import notes

HEADER: Final = "yongzhi.bundle/1"
SCHEME: Final = "Yongzhi"


def header(key: SigningKey, origin: str, transfer: str, now: int) -> str:
    """What a region that signs with `key` sends as `authorization` to the log `origin`, at unix second `now`."""
    note = notes.sign(f"{HEADER}\n{key.name}\n{origin}\n{transfer}\n{format_time(now)}\n", [key])
    return f"{SCHEME} {encode_base64(note.encode())}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose form and time hold; its signature is not verified yet."""

    issuer: str
    """`region:` and the code of whoever asks."""
    key_id: str
    note: notes.Note

    def verify(self, key: VerifyingKey | None) -> None:
        """Raise Untrusted unless this key, which is None for one that is not known, signed the request."""
        if key is None:
            raise Untrusted(f"key {self.key_id} of {self.issuer} is not known, or was revoked")
        self.note.verify(key)


def read(value: str, origin: str, transfer: str, now: int) -> Asked:
    """The request in a header that came to the log `origin` for that transfer at unix second `now`.

    Raise Invalid for what is no such note, Untrusted for one made for something else, or too long ago.
    """
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != SCHEME.lower() or not encoded:
        raise Untrusted(f"a bundle is asked for with `authorization: {SCHEME}` and a signed note")
    if len(encoded) > 2 * NOTE_BYTES_MAX:
        raise Invalid("the note of a request is that long only when it is something else")
    note = notes.parse(decode_base64(encoded))
    lines = note.lines
    if len(lines) != 5 or lines[0] != HEADER:
        raise Invalid(f"the note of a request has five lines, the first {HEADER}")
    _, issuer, asked, wanted, time = lines
    if asked != origin or wanted != transfer:
        raise Untrusted("the request is for another log, or for another transfer")
    if abs(parse_time(time) - now) > BUNDLE_REQUEST_SECONDS:
        raise Untrusted(f"the request was made at {time}, and is good for {BUNDLE_REQUEST_SECONDS} seconds")
    if len(note.signatures) != 1 or note.signatures[0].name != issuer:
        raise Untrusted("a request has one signature, of whoever asks")
    return Asked(issuer, note.signatures[0].key_id, note)
