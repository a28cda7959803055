"""Drafts: events as an operator writes them, without the fields that every event has."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from ledger.crypto import canonical
from ledger.crypto.encoding import encode_base64url
from ledger.errors import Invalid
from ledger.events import private_details
from ledger.events.body import decode_event
from ledger.ids import format_time, new_id


def salt() -> str:
    """128 random bits, as bodies hold them."""
    return encode_base64url(secrets.token_bytes(16))


def common(issuer: str, ledger: str, subject: str, now: int | None = None) -> dict[str, Any]:
    """The fields that every event has, for a new one made at a unix second, by default the present one."""
    return {
        "id": new_id(),
        "issuer": issuer,
        "ledger": ledger,
        "subject": subject,
        "time": format_time(int(time.time()) if now is None else now),
        "salt": salt(),
    }


def body(draft: Mapping[str, Any], issuer: str, ledger: str) -> tuple[bytes, dict[str, bytes]]:
    """The canonical body of a draft, and its private details by event id; raise Invalid when it is no event.

    A draft has `type`, `subject` (default: the issuer) and the fields of its type. `private` holds a person's
    details in clear: they are salted, hashed into `identity`, and travel beside the event.
    """
    fields = {"subject": issuer, **draft}
    private = fields.pop("private", None)
    made = {**common(issuer, ledger, str(fields["subject"])), **fields}
    details = {}
    if private is not None:
        if not isinstance(private, dict):
            raise Invalid("the private details are an object", "/private")
        sealed = canonical.encode({"salt": salt(), **private})
        made["identity"] = private_details.identity_of(sealed)
        private_details.open_details(sealed, made["identity"])
        details[str(made["id"])] = sealed
    data = canonical.encode(made)
    decode_event(data)
    return data, details
