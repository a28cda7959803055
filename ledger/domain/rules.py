"""Deciding one event after another: the only way from an event to a changed state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.domain import authority, hours, peers, proofs, recovery, registration, transfer
from ledger.domain.rule import Rule, Violation
from ledger.domain.state import (
    Arrived,
    Claim,
    Entry,
    KeyRecord,
    Moment,
    Need,
    Organisation,
    Record,
    Region,
    State,
    Transfer,
    Volunteer,
    person,
)
from ledger.events.body import CATALOGUE
from ledger.events.fields import Event, type_name
from ledger.events.hours import HoursFields
from ledger.events.registration import RegionEstablished
from ledger.ids import instant, issuer_kind
from ledger.limits import CLOCK_AHEAD_MAX

RULES: dict[type[Event], Rule] = (
    registration.RULES | hours.RULES | proofs.RULES | peers.RULES | transfer.RULES | recovery.RULES
)
BY_NAME = {type_name(kind): rule for kind, rule in RULES.items()}
"""The same by type name, for events that come from the log with some of their fields."""
assert set(RULES) == set(CATALOGUE.values()) == set(authority.MAY_ISSUE)


def needs(event: Event, claim: str | None = None) -> Iterable[Need]:
    """Records that deciding this event will ask for; `claim` as in `Moment`."""
    if taken := registration.identity_claim(claim):
        yield Need(Claim, taken)
    yield Need(Region, f"region:{event.ledger}")
    yield Need(KeyRecord, group=event.issuer)
    match issuer_kind(event.issuer):
        case "org":
            yield Need(Organisation, event.issuer)
        case "volunteer":
            yield Need(Volunteer, event.issuer)
    yield from RULES[type(event)].needs(event)


def further_needs(state: State, arrived: Iterable[Arrived]) -> Iterable[Need]:
    """Records that only those already loaded, or what an event brings along, tell to ask for."""
    # Who may act on an entry depends on the organisation that recorded it.
    yield from (Need(Organisation, entry.issuer) for entry in state.all(Entry) if not entry.origin)
    for volunteer in state.all(Volunteer):
        if volunteer.alias_of is not None:
            yield Need(Volunteer, volunteer.alias_of)
            yield Need(Transfer, group=volunteer.alias_of)
    for claim in state.all(Claim):
        if claim.kind == "identity":
            yield Need(Volunteer, claim.holder)
    for one in arrived:
        yield from peers.needs_of(one)


def further_spans(state: State, events: Iterable[Event]) -> Iterable[Need]:
    """Entries that overlap those of a person who was recorded under another id."""
    for event in events:
        if isinstance(event, HoursFields) and (here := person(state, event.subject)) != event.subject:
            yield Need(Entry, group=here, span=(instant(event.start), instant(event.end)))


def decide(state: State, event: Event, moment: Moment) -> Sequence[Violation]:
    """Everything that forbids the event now; nothing when it is admitted.

    Who may not issue an event is told that alone: the rules could tell what is none of the issuer's business.
    """
    violations = list(_check_envelope(state, event, moment))
    violations += authority.check_key(state, event, moment)
    violations += authority.check_issuer(state, event)
    return violations or list(RULES[type(event)].decide(state, event, moment))


def evolve(state: State, event: Event, moment: Moment) -> Iterable[Record]:
    """The records as an admitted event leaves them."""
    return RULES[type(event)].evolve(state, event, moment)


def _check_envelope(state: State, event: Event, moment: Moment) -> Iterable[Violation]:
    if instant(event.time) > moment.now + CLOCK_AHEAD_MAX:
        yield Violation("time-ahead", f"more than {CLOCK_AHEAD_MAX} s ahead of the ledger's clock", "/time")
    region = state.get(Region, f"region:{moment.region}")
    if region is not None and region.closed is not None:
        yield Violation("region-closed", f"the ledger was closed at position {region.closed}", "/ledger")
    if not isinstance(event, RegionEstablished) and region is None:
        yield Violation("not-established", "the first event of a ledger establishes its region", "/type")
