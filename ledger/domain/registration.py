"""Regions, organisations, volunteers and their keys: admitted, suspended, verified, disclaimed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.crypto.keys import parse_vkey
from ledger.domain.rule import Rule, Violation
from ledger.domain.state import (
    Claim,
    Entry,
    KeyRecord,
    Moment,
    Need,
    Organisation,
    Record,
    Region,
    State,
    Volunteer,
    replace,
)
from ledger.events.fields import Event
from ledger.events.registration import (
    OrganisationDissolved,
    OrganisationKeyAdded,
    OrganisationKeyRevoked,
    OrganisationRegistered,
    OrganisationReinstated,
    OrganisationSuspended,
    RegionEstablished,
    RegionKeyAdded,
    RegionKeyRevoked,
    Revocation,
    VolunteerDisclaimed,
    VolunteerKeyAdded,
    VolunteerKeyRevoked,
    VolunteerRegistered,
    VolunteerVerified,
)
from ledger.ids import issuer_kind


def _needs_nothing(event: Event) -> Iterable[Need]:
    return ()


# -- keys -----------------------------------------------------------------------------------------


def key_claim(vkey: str) -> tuple[str, str]:
    """One key, one role: its public half is claimed by the first name it is registered under."""
    return "public-key", parse_vkey(vkey).public.hex()


def check_new_key(state: State, vkey: str) -> Iterator[Violation]:
    key = parse_vkey(vkey)
    if state.get(KeyRecord, (key.name, key.id)) or state.get(Claim, key_claim(vkey)):
        yield Violation("key-known", f"key {key.id} was registered before; a key has one role, once", "/key")


def new_key(issuer: str, vkey: str, moment: Moment) -> Iterable[Record]:
    yield KeyRecord(issuer=issuer, key_id=parse_vkey(vkey).id, vkey=vkey, added=moment.position)
    kind, key = key_claim(vkey)
    yield Claim(kind=kind, key=key, holder=issuer)


def _needs_key(event: RegionKeyAdded | OrganisationKeyAdded | VolunteerKeyAdded) -> Iterable[Need]:
    yield _subject_need(event)
    yield Need(KeyRecord, group=event.subject)
    yield Need(Claim, key_claim(event.key))


def _decide_key_added(
    state: State, event: RegionKeyAdded | OrganisationKeyAdded | VolunteerKeyAdded, moment: Moment
) -> Iterator[Violation]:
    yield from _check_known(state, event)
    yield from check_new_key(state, event.key)


def _evolve_key_added(
    state: State, event: RegionKeyAdded | OrganisationKeyAdded | VolunteerKeyAdded, moment: Moment
) -> Iterable[Record]:
    return new_key(event.subject, event.key, moment)


def _needs_revoked(event: Revocation) -> Iterable[Need]:
    yield _subject_need(event)
    yield Need(KeyRecord, group=event.subject)
    if isinstance(event.suspect_from, int):
        yield Need(Entry, signed_by=(event.subject, event.key_id, event.suspect_from))


def _decide_revoked(state: State, event: Revocation, moment: Moment) -> Iterator[Violation]:
    key = state.get(KeyRecord, (event.subject, event.key_id))
    if key is None:
        yield Violation("unknown-key", f"{event.subject} has no key {event.key_id}", "/key_id")
    elif key.revoked is not None:
        yield Violation("key-revoked", f"key {event.key_id} was revoked at {key.revoked}", "/key_id")
    valid = sum(1 for other in state.group(KeyRecord, event.subject) if other.revoked is None)
    by_region = issuer_kind(event.issuer) == "region"
    if valid == 1 and (not by_region or event.subject == event.issuer):
        yield Violation("last-key", "the last key is revoked by the region, and its own never", "/key_id")
    if isinstance(event.suspect_from, int) and event.suspect_from > moment.position:
        yield Violation("position-ahead", "suspect_from lies beyond the end of the log", "/suspect_from")


def _evolve_revoked(state: State, event: Revocation, moment: Moment) -> Iterable[Record]:
    key = state.get(KeyRecord, (event.subject, event.key_id))
    if key is not None:
        yield replace(key, revoked=moment.position)
    if isinstance(event.suspect_from, int):
        suspects = (
            entry
            for entry in state.all(Entry)
            if (entry.signer, entry.key_id) == (event.subject, event.key_id) and entry.version >= event.suspect_from
        )
        yield from _disputed(suspects, event.issuer)


def _disputed(entries: Iterable[Entry], issuer: str) -> Iterable[Entry]:
    return (replace(entry, disputed_by=issuer) for entry in entries if not entry.withdrawn)


def _subject_need(event: Event) -> Need:
    kinds: dict[str, type[Record]] = {"org": Organisation, "volunteer": Volunteer, "region": Region}
    return Need(kinds[issuer_kind(event.subject)], event.subject)


def _check_known(state: State, event: Event) -> Iterator[Violation]:
    need = _subject_need(event)
    if state.get(need.kind, need.identity) is None:
        yield Violation("unknown-subject", f"{event.subject} is not registered", "/subject")


# -- regions --------------------------------------------------------------------------------------


def _decide_established(state: State, event: RegionEstablished, moment: Moment) -> Iterator[Violation]:
    if moment.position != 0:
        yield Violation("already-established", "a ledger is established once, by its first event", "/type")
    if event.origin != moment.origin:
        yield Violation("wrong-origin", f"this log's origin is {moment.origin}", "/origin")
    if event.log_key.rpartition("+")[2] == event.key.rpartition("+")[2]:
        yield Violation("key-known", "the log key signs only checkpoints: the issuing key is another", "/key")


def _evolve_established(state: State, event: RegionEstablished, moment: Moment) -> Iterable[Record]:
    name = event.name
    yield Region(id=event.subject, origin=event.origin, zh=name.zh, en=name.en, log_key=event.log_key)
    yield from new_key(event.issuer, event.key, moment)
    kind, key = key_claim(event.log_key)
    yield Claim(kind=kind, key=key, holder=event.origin)


# -- organisations --------------------------------------------------------------------------------


def _needs_subject(event: Event) -> Iterable[Need]:
    yield _subject_need(event)


def _decide_organisation(state: State, event: OrganisationRegistered, moment: Moment) -> Iterator[Violation]:
    if state.get(Organisation, event.subject):
        yield Violation("already-registered", f"{event.subject} is registered", "/subject")


def _evolve_organisation(state: State, event: OrganisationRegistered, moment: Moment) -> Iterable[Record]:
    yield Organisation(id=event.subject, name=event.name, kind=event.kind)


StatusChange = OrganisationSuspended | OrganisationReinstated | OrganisationDissolved
_STATUS: dict[type[Event], tuple[frozenset[str], str]] = {
    OrganisationSuspended: (frozenset({"active"}), "suspended"),
    OrganisationReinstated: (frozenset({"suspended"}), "active"),
    OrganisationDissolved: (frozenset({"active", "suspended"}), "dissolved"),
}
"""From which states a type leads to which."""


def _needs_status(event: StatusChange) -> Iterable[Need]:
    yield _subject_need(event)
    if isinstance(event, OrganisationDissolved) and isinstance(event.successor, str):
        yield Need(Organisation, event.successor)


def _decide_status(state: State, event: StatusChange, moment: Moment) -> Iterator[Violation]:
    yield from _check_known(state, event)
    subject = state.get(Organisation, event.subject)
    before, after = _STATUS[type(event)]
    if subject is not None and subject.status not in before:
        yield Violation("wrong-status", f"{event.subject} is {subject.status}, so it cannot become {after}", "/subject")
    if isinstance(event, OrganisationDissolved) and isinstance(event.successor, str):
        heir = state.get(Organisation, event.successor)
        if heir is None or heir.status != "active" or heir.id == event.subject:
            yield Violation("unknown-successor", f"{event.successor} is not another active organisation", "/successor")


def _evolve_status(state: State, event: StatusChange, moment: Moment) -> Iterable[Record]:
    subject = state.get(Organisation, event.subject)
    if subject is not None:
        successor = event.successor if isinstance(event, OrganisationDissolved) else None
        heir = successor if isinstance(successor, str) else None
        yield replace(subject, status=_STATUS[type(event)][1], successor=heir)


# -- volunteers -----------------------------------------------------------------------------------


def identity_claim(claim: str | None) -> tuple[str, str] | None:
    """Identity of the claim on a person: the keyed hash of the number in the private details."""
    return None if claim is None else ("identity", claim)


def _needs_registered(event: VolunteerRegistered) -> Iterable[Need]:
    yield _subject_need(event)
    if isinstance(event.key, str):
        yield Need(KeyRecord, group=event.subject)
        yield Need(Claim, key_claim(event.key))


def _check_claim(state: State, event: Event, moment: Moment) -> Iterator[Violation]:
    claim = identity_claim(moment.claim)
    if claim is None:
        yield Violation("identity-missing", "a station sends the identity number in the private details", "/identity")
    elif (held := state.get(Claim, claim)) and held.holder != event.subject:
        # Only a station ever reaches this answer: it has the person and the document before it.
        yield Violation("person-registered", f"this person is registered as {held.holder}", "/identity")


def _take_claim(event: Event, moment: Moment) -> Iterable[Record]:
    if claim := identity_claim(moment.claim):
        yield Claim(kind=claim[0], key=claim[1], holder=event.subject)


def _decide_registered(state: State, event: VolunteerRegistered, moment: Moment) -> Iterator[Violation]:
    if state.get(Volunteer, event.subject):
        yield Violation("already-registered", f"{event.subject} is registered", "/subject")
    if isinstance(event.key, str):
        yield from check_new_key(state, event.key)
    if event.issuer != event.subject:
        yield from _check_claim(state, event, moment)


def _evolve_registered(state: State, event: VolunteerRegistered, moment: Moment) -> Iterable[Record]:
    own = event.issuer == event.subject
    status = "unverified" if own else "verified"
    verifier = None if own else event.issuer
    yield Volunteer(id=event.subject, status=status, registrar=event.issuer, verifier=verifier)
    if isinstance(event.key, str):
        yield from new_key(event.subject, event.key, moment)
    if not own:
        yield from _take_claim(event, moment)


def _decide_verified(state: State, event: VolunteerVerified, moment: Moment) -> Iterator[Violation]:
    yield from _check_known(state, event)
    subject = state.get(Volunteer, event.subject)
    if subject is not None and subject.status != "unverified":
        yield Violation("wrong-status", f"{event.subject} is {subject.status}", "/subject")
    yield from _check_claim(state, event, moment)


def _evolve_verified(state: State, event: VolunteerVerified, moment: Moment) -> Iterable[Record]:
    subject = state.get(Volunteer, event.subject)
    if subject is not None:
        yield replace(subject, status="verified", verifier=event.issuer)
    yield from _take_claim(event, moment)


def _needs_disclaimed(event: VolunteerDisclaimed) -> Iterable[Need]:
    yield _subject_need(event)
    yield Need(Entry, group=event.subject)


def _decide_disclaimed(state: State, event: VolunteerDisclaimed, moment: Moment) -> Iterator[Violation]:
    yield from _check_known(state, event)
    subject = state.get(Volunteer, event.subject)
    if subject is not None and subject.alias_of is not None:
        yield Violation("wrong-status", f"{event.subject} is kept here as {subject.alias_of}", "/subject")
    elif subject is not None and subject.status == "disclaimed":
        yield Violation("wrong-status", f"{event.subject} is disclaimed", "/subject")


def _evolve_disclaimed(state: State, event: VolunteerDisclaimed, moment: Moment) -> Iterable[Record]:
    subject = state.get(Volunteer, event.subject)
    if subject is not None:
        yield replace(subject, status="disclaimed")
    yield from _disputed(state.group(Entry, event.subject), event.issuer)


RULES: dict[type[Event], Rule] = {
    RegionEstablished: Rule(_needs_nothing, _decide_established, _evolve_established),
    RegionKeyAdded: Rule(_needs_key, _decide_key_added, _evolve_key_added),
    RegionKeyRevoked: Rule(_needs_revoked, _decide_revoked, _evolve_revoked),
    OrganisationRegistered: Rule(_needs_subject, _decide_organisation, _evolve_organisation),
    OrganisationKeyAdded: Rule(_needs_key, _decide_key_added, _evolve_key_added),
    OrganisationKeyRevoked: Rule(_needs_revoked, _decide_revoked, _evolve_revoked),
    OrganisationSuspended: Rule(_needs_status, _decide_status, _evolve_status),
    OrganisationReinstated: Rule(_needs_status, _decide_status, _evolve_status),
    OrganisationDissolved: Rule(_needs_status, _decide_status, _evolve_status),
    VolunteerRegistered: Rule(_needs_registered, _decide_registered, _evolve_registered),
    VolunteerKeyAdded: Rule(_needs_key, _decide_key_added, _evolve_key_added),
    VolunteerKeyRevoked: Rule(_needs_revoked, _decide_revoked, _evolve_revoked),
    VolunteerVerified: Rule(_needs_subject, _decide_verified, _evolve_verified),
    VolunteerDisclaimed: Rule(_needs_disclaimed, _decide_disclaimed, _evolve_disclaimed),
}
