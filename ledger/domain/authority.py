"""Who may issue what, when: one table, read by the rules and printed in docs/format.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ledger.domain.hours import entry_of
from ledger.domain.rule import Violation
from ledger.domain.state import Entry, KeyRecord, Moment, Organisation, State, Volunteer, person
from ledger.events.fields import Event, type_name
from ledger.events.hours import (
    ActivityPublished,
    EntryChange,
    HoursApproved,
    HoursCorrected,
    HoursDecided,
    HoursDisputed,
    HoursRecorded,
    HoursWithdrawn,
)
from ledger.events.peers import EntryReceived, PeerDismissed, PeerRecognised, RecordStated, VolunteerVisiting
from ledger.events.proofs import ProofIssued, ProofRevoked, RegionCredentialKeyAdded, RegionCredentialKeyRevoked
from ledger.events.registration import (
    OrganisationDissolved,
    OrganisationKeyAdded,
    OrganisationKeyRevoked,
    OrganisationRegistered,
    OrganisationReinstated,
    OrganisationSuspended,
    RegionClosed,
    RegionEstablished,
    RegionKeyAdded,
    RegionKeyRevoked,
    VolunteerDisclaimed,
    VolunteerKeyAdded,
    VolunteerKeyRevoked,
    VolunteerRegistered,
    VolunteerVerified,
)
from ledger.events.transfer import (
    RecoveryAnnounced,
    RecoveryAnswered,
    TransferAccepted,
    TransferCancelled,
    TransferClosed,
    TransferExpired,
    TransferOffered,
    TransferRejected,
    TransferRequested,
)
from ledger.ids import issuer_kind

Role = Callable[[State, Event], bool]


def region(state: State, event: Event) -> bool:
    """the region"""
    return event.issuer == f"region:{event.ledger}"


def itself(state: State, event: Event) -> bool:
    """the subject itself"""
    if event.issuer == event.subject:
        return True
    both = event.issuer.startswith("volunteer:") and event.subject.startswith("volunteer:")
    return both and person(state, event.issuer) == person(state, event.subject)


def organisation(state: State, event: Event) -> bool:
    """any organisation"""
    return issuer_kind(event.issuer) == "org"


def station(state: State, event: Event) -> bool:
    """an organisation of kind `station`"""
    issuer = state.get(Organisation, event.issuer)
    return issuer is not None and issuer.kind == "station"


def own_station(state: State, event: Event) -> bool:
    """the station that registered or verified the volunteer"""
    volunteer = state.get(Volunteer, event.subject)
    return volunteer is not None and event.issuer in (volunteer.registrar, volunteer.verifier)


def mover(state: State, event: Event) -> bool:
    """the volunteer"""
    assert isinstance(event, TransferRequested)
    return issuer_kind(event.issuer) == "volunteer" and person(state, event.issuer) == person(state, event.volunteer)


def recorder(state: State, event: Event) -> bool:
    """the organisation that recorded the entry"""
    entry = _entry(state, event)
    return entry is None or event.issuer == entry.issuer


def successor(state: State, event: Event) -> bool:
    """its successor, once it is dissolved"""
    entry = _entry(state, event)
    before = state.get(Organisation, entry.issuer) if entry else None
    return before is not None and before.status == "dissolved" and event.issuer == before.successor


def _entry(state: State, event: Event) -> Entry | None:
    assert isinstance(event, EntryChange | HoursCorrected)
    return state.get(Entry, entry_of(event))


MAY_ISSUE: Final[dict[type[Event], tuple[Role, ...]]] = {
    RegionEstablished: (region,),
    RegionKeyAdded: (region,),
    RegionKeyRevoked: (region,),
    RegionCredentialKeyAdded: (region,),
    RegionCredentialKeyRevoked: (region,),
    RegionClosed: (region,),
    OrganisationRegistered: (region,),
    OrganisationKeyAdded: (region, itself),
    OrganisationKeyRevoked: (region, itself),
    OrganisationSuspended: (region,),
    OrganisationReinstated: (region,),
    OrganisationDissolved: (region,),
    VolunteerRegistered: (itself, station),
    VolunteerKeyAdded: (itself, own_station, region),
    VolunteerKeyRevoked: (itself, region),
    VolunteerVerified: (station,),
    VolunteerDisclaimed: (itself, station, region),
    ActivityPublished: (organisation,),
    HoursRecorded: (organisation,),
    HoursCorrected: (recorder, successor, region),
    HoursWithdrawn: (recorder, successor, region),
    HoursApproved: (recorder, successor, itself),
    HoursDisputed: (itself, region),
    HoursDecided: (region,),
    ProofIssued: (region,),
    ProofRevoked: (region,),
    PeerRecognised: (region,),
    PeerDismissed: (region,),
    VolunteerVisiting: (itself, station),
    EntryReceived: (region,),
    RecordStated: (region,),
    TransferRequested: (mover, station),
    TransferOffered: (region,),
    TransferAccepted: (region,),
    TransferRejected: (region,),
    TransferExpired: (region,),
    TransferClosed: (region,),
    TransferCancelled: (region,),
    RecoveryAnnounced: (region,),
    RecoveryAnswered: (region,),
}


def check_key(state: State, event: Event, moment: Moment) -> Iterator[Violation]:
    """The signing key is valid at this position (docs/format.md, "Keys"); a beginning brings its own."""
    if isinstance(event, RegionEstablished | VolunteerRegistered | VolunteerVisiting) and event.issuer == event.subject:
        return
    key = state.get(KeyRecord, (event.issuer, moment.key_id))
    if key is None or key.revoked is not None:
        yield Violation("key-not-valid", f"key {moment.key_id} of {event.issuer} is not valid here", "/issuer")


def check_issuer(state: State, event: Event) -> Iterator[Violation]:
    """The issuer may issue this type about this subject, and is in good standing."""
    roles = MAY_ISSUE[type(event)]
    if not any(role(state, event) for role in roles):
        allowed = ", ".join(str(role.__doc__) for role in roles)
        yield Violation("not-authorised", f"{type_name(event)} may be issued by: {allowed}", "/issuer")
    match issuer_kind(event.issuer):
        case "org":
            issuer = state.get(Organisation, event.issuer)
            if issuer is None or issuer.status != "active":
                status = "not registered" if issuer is None else issuer.status
                yield Violation("organisation-inactive", f"{event.issuer} is {status}", "/issuer")
        case "volunteer":
            volunteer = state.get(Volunteer, event.issuer)
            if volunteer is not None and volunteer.status == "disclaimed":
                yield Violation("record-frozen", "the record is frozen since it was disclaimed", "/issuer")
