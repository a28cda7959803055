"""Whose proof it is, and what it rests on: the private object that `proof.issued/1` commits to.

It travels beside the event as private details do, and is kept sealed under the volunteer's key, so that
erasing the key erases it. Without it nobody can tell from the log whose proof a proof is.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ledger.credentials import model
from ledger.crypto import canonical
from ledger.crypto.encoding import digest
from ledger.errors import Invalid, TooLarge
from ledger.events.fields import Position, Salt, ShortText, Uuid, VolunteerId
from ledger.events.proofs import ProofIssued
from ledger.limits import HOLDING_BYTES_MAX, PROOF_ENTRIES_MAX, PROOF_LINES_MAX

EARLIEST: Final = "1970-01-01"
"""The code of a certificate counts days from here."""


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was asked for: issuing a replacement asks for the same again."""

    kind: Annotated[str, Meta(pattern=r"\A(?:service|star)\Z")]
    first: model.Day
    last: model.Day
    filter: model.Filter | UnsetType = UNSET
    named: bool = False
    star: bool = False
    note: ShortText | UnsetType = UNSET
    consent: Annotated[
        ShortText | UnsetType, Meta(description="where the holder's consent is kept; of what others ask for")
    ] = UNSET


def check_request(request: Request) -> None:
    """Raise Invalid unless the period has days that exist, in their order, lists are not empty, texts are text."""
    for name in ("first", "last"):
        try:
            date.fromisoformat(getattr(request, name))
        except ValueError:
            raise Invalid("no such day", f"/{name}") from None
    if request.first > request.last:
        raise Invalid("the period ends before it begins", "/last")
    if request.first < EARLIEST:
        raise Invalid(f"no service was recorded before {EARLIEST}", "/first")
    for name in ("note", "consent"):
        if isinstance(text := getattr(request, name), str):
            try:
                canonical.encode(text)
            except Invalid as error:
                raise Invalid(error.detail, f"/{name}") from None
    if isinstance(request.filter, model.Filter):
        for name in request.filter.__struct_fields__:
            if (wanted := getattr(request.filter, name)) is not UNSET and not 1 <= len(wanted) <= PROOF_LINES_MAX:
                raise Invalid(f"1 to {PROOF_LINES_MAX} are chosen, or the list is left out", f"/{name}")


_DAY_FORM: Final = "a day is written YYYY-MM-DD"


def explain(error: msgspec.ValidationError) -> tuple[str, str]:
    """Detail and JSON pointer of what is wrong with a request."""
    detail, _, place = str(error).partition(" - at `$")
    pointer = re.sub(r"[.\[]", "/", place.rstrip("`")).replace("]", "").replace("/filter", "")
    forms = {"first": _DAY_FORM, "last": _DAY_FORM, "organisations": "an organisation is org: and its code or UUID"}
    return forms.get(pointer.split("/")[1] if pointer else "", detail), pointer


_Handle = Annotated[int, Meta(ge=-(2**53 - 1), le=2**53 - 1, description="as `Entry.position` names an entry")]


class Holding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One proof as its region keeps it: holder, request, the entries it rests on, and what was signed."""

    volunteer: VolunteerId
    salt: Salt
    request: Request
    seen: Annotated[Position, Meta(description="events that the projections had applied when it was stated")]
    entries: Annotated[tuple[_Handle, ...], Meta(max_length=PROOF_ENTRIES_MAX)]
    statement: model.Statement
    credential: Annotated[model.Credential | UnsetType, Meta(description="as committed to; of a `vc`")] = UNSET
    token: Annotated[str | UnsetType, Meta(description="payload as committed to; of an `sd-jwt`")] = UNSET
    of: Annotated[Uuid | UnsetType, Meta(description="the `vc` that an SD-JWT was made of")] = UNSET


_decoder: Final = msgspec.json.Decoder(Holding)


def encode(holding: Holding) -> bytes:
    """The canonical bytes of a holding, checked as a receiver would check them."""
    data = canonical.write(holding)
    decode(data)
    return data


def decode(data: bytes) -> Holding:
    """The holding of canonical bytes; raise Invalid otherwise."""
    if len(data) > HOLDING_BYTES_MAX:
        raise TooLarge(f"a holding over {HOLDING_BYTES_MAX} bytes")
    canonical.check_bytes(data)
    try:
        found = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"not a holding: {error}") from None
    canonical.check_form(found, data)
    return found


def open_holding(data: bytes, event: ProofIssued) -> Holding:
    """The holding that the event commits to, and that is about the credential it commits to; raise Invalid."""
    found = decode(data)
    if digest(data) != event.holder:
        raise Invalid("the holding does not have the hash that the body states")
    if committed(found) != event.credential:
        raise Invalid("the holding is of another credential than the body states")
    return found


def committed(holding: Holding) -> str:
    """What `proof.issued/1` says of the credential: of an SD-JWT, SHA-256 of its payload."""
    if isinstance(holding.credential, model.Credential):
        return model.commitment(holding.credential)
    return digest(str(holding.token).encode())
