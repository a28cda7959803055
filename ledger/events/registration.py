"""Events that register regions, organisations and volunteers, and that add and revoke their keys."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from ledger.errors import Invalid
from ledger.events.fields import (
    Consent,
    Digest,
    Event,
    KeyId,
    Kind,
    LongText,
    OrganisationId,
    Origin,
    Position,
    RegionId,
    RegionName,
    ShortText,
    VKey,
    VolunteerId,
    at,
    check_key,
)
from ledger.ids import check_issuer, check_origin

# -- regions --------------------------------------------------------------------------------------


class RegionEstablished(Event, tag="region.established/1", frozen=True, kw_only=True):
    """Begins a ledger: its name, its origin, its log key and its first issuing key. Position 0, once."""

    subject: RegionId
    name: RegionName
    origin: Origin
    log_key: Annotated[VKey, Meta(description="verifies checkpoints; its name is the origin")]
    key: Annotated[VKey, Meta(description="verifies this submission; its name is the issuer")]

    def check(self) -> None:
        at("/origin", check_origin, self.origin)
        check_key(self.log_key, self.origin, "/log_key")
        check_key(self.key, self.issuer)


class RegionKeyAdded(Event, tag="region.key_added/1", frozen=True, kw_only=True):
    """Adds an issuing key of the region."""

    subject: RegionId
    key: VKey

    def check(self) -> None:
        check_key(self.key, self.subject)


class Revocation(Event, frozen=True, kw_only=True):
    """What the revocations of all kinds of issuers hold."""

    key_id: KeyId
    reason: LongText
    suspect_from: Annotated[
        Position | UnsetType, Meta(description="entries this key signed from here on become disputed")
    ] = UNSET


class RegionKeyRevoked(Revocation, tag="region.key_revoked/1", frozen=True, kw_only=True):
    """Ends an issuing key of the region."""

    subject: RegionId


class RegionClosed(Event, tag="region.closed/1", frozen=True, kw_only=True):
    """Ends the ledger: nothing comes after it, and the last status lists do not expire."""

    subject: RegionId
    reason: LongText


# -- organisations ----------------------------------------------------------------------------------


class OrganisationRegistered(Event, tag="organisation.registered/1", frozen=True, kw_only=True):
    """Admits an organisation. One of kind `station` may register and verify volunteers."""

    subject: OrganisationId
    name: ShortText
    name_en: ShortText | UnsetType = UNSET
    kind: Kind

    def check(self) -> None:
        at("/subject", check_issuer, self.subject)


class OrganisationKeyAdded(Event, tag="organisation.key_added/1", frozen=True, kw_only=True):
    """Adds a signing key of an organisation; the first comes from the region."""

    subject: OrganisationId
    key: VKey

    def check(self) -> None:
        check_key(self.key, self.subject)


class OrganisationKeyRevoked(Revocation, tag="organisation.key_revoked/1", frozen=True, kw_only=True):
    """Ends a signing key of an organisation; the last one only the region may end."""

    subject: OrganisationId


class OrganisationSuspended(Event, tag="organisation.suspended/1", frozen=True, kw_only=True):
    """The organisation may submit nothing until it is reinstated."""

    subject: OrganisationId
    reason: LongText


class OrganisationReinstated(Event, tag="organisation.reinstated/1", frozen=True, kw_only=True):
    """Ends a suspension."""

    subject: OrganisationId
    reason: LongText


class OrganisationDissolved(Event, tag="organisation.dissolved/1", frozen=True, kw_only=True):
    """Ends the organisation; a successor may correct its records (民发〔2015〕149号)."""

    subject: OrganisationId
    reason: LongText
    successor: OrganisationId | UnsetType = UNSET


# -- volunteers -------------------------------------------------------------------------------------


class VolunteerRegistered(Event, tag="volunteer.registered/1", frozen=True, kw_only=True):
    """Registers a consenting person: unverified when signed by their own key, verified by a station."""

    subject: VolunteerId
    consent: Consent
    key: Annotated[VKey | UnsetType, Meta(description="the volunteer's first key; required when self-signed")] = UNSET
    identity: Annotated[Digest | UnsetType, Meta(description="hash of the private details; required of a station")] = (
        UNSET
    )

    def check(self) -> None:
        if self.key is not UNSET:
            check_key(self.key, self.subject)
        own = self.issuer == self.subject
        if own and (self.key is UNSET or self.consent.method != "signed"):
            raise Invalid("a self-registration carries its key, and consent by that signature", "/consent")
        if not own and (self.identity is UNSET or self.consent.method != "form"):
            raise Invalid("a station registers with the private details' hash and a consent form", "/consent")


class VolunteerKeyAdded(Event, tag="volunteer.key_added/1", frozen=True, kw_only=True):
    """Adds a key of a volunteer."""

    subject: VolunteerId
    key: VKey

    def check(self) -> None:
        check_key(self.key, self.subject)


class VolunteerKeyRevoked(Revocation, tag="volunteer.key_revoked/1", frozen=True, kw_only=True):
    """Ends a key of a volunteer; the last one only the region may end."""

    subject: VolunteerId


class VolunteerVerified(Event, tag="volunteer.verified/1", frozen=True, kw_only=True):
    """A station saw the person's document: takes the claim on the identity number."""

    subject: VolunteerId
    identity: Annotated[Digest, Meta(description="hash of the private details as seen")]


class VolunteerDisclaimed(Event, tag="volunteer.disclaimed/1", frozen=True, kw_only=True):
    """The person never agreed to be registered: freezes the record at once, all entries disputed."""

    subject: VolunteerId
    reason: LongText
    reference: Annotated[
        ShortText | UnsetType,
        Meta(description="where the signed statement is kept; required on another's behalf"),
    ] = UNSET

    def check(self) -> None:
        if (self.issuer == self.subject) is not (self.reference is UNSET):
            raise Invalid("a statement made for another names where it is kept; one's own has none", "/reference")
