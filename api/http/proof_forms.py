"""Requests for proofs of service, and the answers to them, as JSON."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from ledger.credentials import holdings, model
from ledger.errors import Invalid

_LISTS: Final = model.Filter.__struct_fields__


class Selection(BaseModel):
    """The counted entries that a proof is about; an absent list leaves nothing out."""

    model_config = ConfigDict(extra="forbid")

    first: str = Field(description="first day, YYYY-MM-DD")
    last: str = Field(description="last day, inclusive")
    activities: list[str] | None = None
    categories: list[str] | None = None
    organisations: list[str] | None = None
    evidence: list[str] | None = None
    note: str | None = Field(None, description="printed as asked, such as what it is for")
    named: bool = Field(False, description="state the holder's name: only with the holder's consent")
    star: bool = Field(False, description="state the star level reached")
    kind: Literal["service", "star"] = "service"
    consent: str | None = Field(None, description="where the holder's consent is kept; required of anybody else")

    def request(self) -> holdings.Request:
        """The same as it is kept; raise Invalid, naming the place."""
        chosen = self.model_dump(include=set(_LISTS), exclude_none=True)
        plain = self.model_dump(
            include={"kind", "first", "last", "named", "star", "note", "consent"}, exclude_none=True
        )
        try:
            found = msgspec.convert({**plain, **({"filter": chosen} if chosen else {})}, holdings.Request)
            holdings.check_request(found)
        except msgspec.ValidationError as error:
            raise Invalid(*holdings.explain(error)) from None
        return found


class ProofIn(Selection):
    """A request for a proof. A volunteer asks for itself; its station, or the region, with consent."""

    first: str = Field("", description="first day, YYYY-MM-DD; of `replaces` alone, what was asked for before holds")
    last: str = Field("", description="last day, inclusive")
    volunteer: str | None = Field(None, description="whose proof it is; default: who is signed in")
    replaces: str | None = Field(None, description="a revoked proof; alone: the same again, as the record now stands")

    @property
    def again(self) -> str | None:
        """The proof that is asked for again, if nothing else is said but where the consent is kept."""
        return self.replaces if self.model_fields_set <= {"replaces", "consent"} else None


class ProofOut(BaseModel):
    """A proof as it stands."""

    id: str
    format: str
    state: str = Field(description="issued or revoked")
    position: int
    issued: str
    page: str | None = Field(description="what the certificate's QR opens; of a credential")
    ready: bool = Field(description="whether a published checkpoint covers it, so that its files can be fetched")
    reason: str | None = None
    replaced_by: str | None = None
    kind: str | None = Field(None, description="service or star; like those below, gone once the details are erased")
    first: str | None = None
    last: str | None = None
    minutes: int | None = None
    named: bool | None = None
    offer: bool = Field(description="revoked for a change of the record and not replaced: ask with `replaces`")


class ProofsOut(BaseModel):
    """A page of proofs, the newest first."""

    proofs: list[ProofOut]
    next: str | None = Field(description="cursor of the next page")


class TokenIn(BaseModel):
    """An SD-JWT to be made of a credential, for a wallet."""

    model_config = ConfigDict(extra="forbid")
    jwk: dict[str, Any] | None = Field(None, description="public P-256 key of the wallet, to bind it to")
    expires: str | None = Field(None, description="RFC 3339")
    consent: str | None = Field(None, description="where the holder's consent is kept; required of anybody else")


class TokenOut(BaseModel):
    """The token with all its disclosures: for the holder alone, who chooses what to show."""

    id: str = Field(description="its own proof id, by which it is revoked")
    token: str
    choices: dict[str, Any] = Field(description="what can be shown of it, value by path")


class RevocationIn(BaseModel):
    """Why a holder, or the region, takes a proof back."""

    model_config = ConfigDict(extra="forbid")
    detail: str | None = None


class AccessOut(BaseModel):
    """Somebody looked at a proof."""

    at: str
    action: str = Field(description="page, name, credential, pdf, qr, sd-jwt")
    by: str = Field(description="who was signed in; empty when nobody was")
    outcome: str
