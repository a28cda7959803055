"""Who may issue what, when: one table, read by the rules and printed in docs/format.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ledger import events as e
from ledger.domain.hours import entry_of
from ledger.domain.state import Entry, KeyRecord, Moment, Organisation, State, Volunteer, person
from ledger.domain.verdict import Violation
from ledger.event_fields import Event
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
    assert isinstance(event, e.TransferRequested)
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
    assert isinstance(event, e.EntryChange | e.HoursCorrected)
    return state.get(Entry, entry_of(event))


MAY_ISSUE: Final[dict[type[Event], tuple[Role, ...]]] = {
    e.RegionEstablished: (region,),
    e.RegionKeyAdded: (region,),
    e.RegionKeyRevoked: (region,),
    e.RegionCredentialKeyAdded: (region,),
    e.RegionCredentialKeyRevoked: (region,),
    e.RegionClosed: (region,),
    e.OrganisationRegistered: (region,),
    e.OrganisationKeyAdded: (region, itself),
    e.OrganisationKeyRevoked: (region, itself),
    e.OrganisationSuspended: (region,),
    e.OrganisationReinstated: (region,),
    e.OrganisationDissolved: (region,),
    e.VolunteerRegistered: (itself, station),
    e.VolunteerKeyAdded: (itself, own_station, region),
    e.VolunteerKeyRevoked: (itself, region),
    e.VolunteerVerified: (station,),
    e.VolunteerDisclaimed: (itself, station, region),
    e.ActivityPublished: (organisation,),
    e.HoursRecorded: (organisation,),
    e.HoursCorrected: (recorder, successor, region),
    e.HoursWithdrawn: (recorder, successor, region),
    e.HoursApproved: (recorder, successor, itself),
    e.HoursDisputed: (itself, region),
    e.HoursDecided: (region,),
    e.ProofIssued: (region,),
    e.ProofRevoked: (region,),
    e.PeerRecognised: (region,),
    e.PeerDismissed: (region,),
    e.VolunteerVisiting: (itself, station),
    e.EntryReceived: (region,),
    e.RecordStated: (region,),
    e.TransferRequested: (mover, station),
    e.TransferOffered: (region,),
    e.TransferAccepted: (region,),
    e.TransferRejected: (region,),
    e.TransferExpired: (region,),
    e.TransferClosed: (region,),
    e.TransferCancelled: (region,),
    e.RecoveryAnnounced: (region,),
    e.RecoveryAnswered: (region,),
}


def check_key(state: State, event: Event, moment: Moment) -> Iterator[Violation]:
    """The signing key is valid at this position (docs/format.md, "Keys"); a beginning brings its own."""
    if (
        isinstance(event, e.RegionEstablished | e.VolunteerRegistered | e.VolunteerVisiting)
        and event.issuer == event.subject
    ):
        return
    key = state.get(KeyRecord, (event.issuer, moment.key_id))
    if key is None or key.revoked is not None:
        yield Violation("key-not-valid", f"key {moment.key_id} of {event.issuer} is not valid here", "/issuer")


def check_issuer(state: State, event: Event) -> Iterator[Violation]:
    """The issuer may issue this type about this subject, and is in good standing."""
    roles = MAY_ISSUE[type(event)]
    if not any(role(state, event) for role in roles):
        allowed = ", ".join(str(role.__doc__) for role in roles)
        yield Violation("not-authorised", f"{e.type_name(event)} may be issued by: {allowed}", "/issuer")
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
