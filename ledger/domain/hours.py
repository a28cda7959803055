"""Activities and hours entries: published, recorded, corrected, withdrawn, approved, disputed, decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import UNSET

from ledger.domain.rule import Rule, Violation
from ledger.domain.state import Activity, Entry, Moment, Need, Record, State, Volunteer, at_home, person, replace
from ledger.events.fields import Event, type_name
from ledger.events.hours import (
    ActivityPublished,
    EntryChange,
    HoursApproved,
    HoursCorrected,
    HoursDecided,
    HoursDisputed,
    HoursFields,
    HoursRecorded,
    HoursWithdrawn,
)
from ledger.ids import instant, issuer_kind

# -- activities -----------------------------------------------------------------------------------


def _activity_id(event: ActivityPublished) -> str:
    return event.subject.removeprefix("activity:")


def _needs_published(event: ActivityPublished) -> Iterable[Need]:
    yield Need(Activity, _activity_id(event))


def _decide_published(state: State, event: ActivityPublished, moment: Moment) -> Iterator[Violation]:
    if state.get(Activity, _activity_id(event)):
        yield Violation("already-published", f"{event.subject} is published", "/subject")


def _evolve_published(state: State, event: ActivityPublished, moment: Moment) -> Iterable[Record]:
    start, end = instant(event.start), instant(event.end)
    yield Activity(id=_activity_id(event), issuer=event.issuer, start=start, end=end)


# -- entries: recorded and corrected --------------------------------------------------------------


def _needs_recorded(event: HoursFields) -> Iterable[Need]:
    start, end = instant(event.start), instant(event.end)
    yield Need(Volunteer, event.subject)
    yield Need(Activity, event.activity)
    yield Need(Entry, group=event.subject, span=(start, end))


def _check_volunteer(state: State, event: Event) -> Iterator[Violation]:
    volunteer = state.get(Volunteer, person(state, event.subject))
    if volunteer is None or volunteer.status == "noted":
        yield Violation("unknown-volunteer", f"{event.subject} is not registered here", "/subject")
    elif volunteer.status == "disclaimed" and issuer_kind(event.issuer) != "region":
        yield Violation("record-frozen", "the record is frozen since it was disclaimed", "/subject")


def _check_fields(state: State, event: HoursFields, moment: Moment, issuer: str, entry_id: str) -> Iterator[Violation]:
    """What holds for the fields of an entry, recorded or corrected (docs/format.md, "Hours")."""
    yield from _check_volunteer(state, event)
    start, end = instant(event.start), instant(event.end)
    if end > moment.now or end > instant(event.time):
        yield Violation("not-ended", "an entry is made after its own end", "/end")
    activity = state.get(Activity, event.activity)
    if activity is None or activity.issuer != issuer:
        yield Violation("unknown-activity", f"{issuer} published no activity {event.activity} here", "/activity")
    elif start < activity.start or end > activity.end:
        yield Violation("outside-activity", "the entry lies outside the activity's window", "/start")
    for other in state.group(Entry, person(state, event.subject)):
        # No volunteer is in two places at once; across issuers the later entry is contested instead.
        if other.issuer == issuer and not other.withdrawn and other.id != entry_id and other.overlaps(start, end):
            yield Violation("overlap", f"overlaps entry {other.id} of the same organisation", "/start")


def _decide_recorded(state: State, event: HoursRecorded, moment: Moment) -> Iterator[Violation]:
    return _check_fields(state, event, moment, event.issuer, event.id)


def _evolve_recorded(state: State, event: HoursRecorded, moment: Moment) -> Iterable[Record]:
    return (
        Entry(
            id=event.id,
            position=moment.position,
            version=moment.position,
            volunteer=person(state, event.subject),
            issuer=event.issuer,
            signer=event.issuer,
            key_id=moment.key_id,
            activity=event.activity,
            category=event.category,
            day=event.start[:10],
            start=instant(event.start),
            end=instant(event.end),
            minutes=event.minutes,
            evidence=event.evidence,
            rank=moment.rank,
            approved=event.evidence != "manual",
            origin=moment.source,
        ),
    )


AboutEntry = HoursCorrected | EntryChange


def entry_of(event: AboutEntry, source: str = "", own: str = "") -> tuple[str, str]:
    """Identity of the entry that an event is about; `source` is the log of the event, `own` the name of this log."""
    origin = getattr(event, "origin", UNSET)
    named = source if origin is UNSET else origin
    return event.entry, "" if named == own else named


def _entry(state: State, event: AboutEntry, moment: Moment) -> Entry | None:
    return state.get(Entry, entry_of(event, moment.source, moment.origin))


def _needs_entry(event: AboutEntry) -> Iterable[Need]:
    yield Need(Entry, entry_of(event))
    yield Need(Entry, (event.entry, ""))  # when the event names this very log
    yield Need(Volunteer, event.subject)


def _needs_corrected(event: HoursCorrected) -> Iterable[Need]:
    yield from _needs_recorded(event)
    yield Need(Entry, entry_of(event))


def _check_entry(state: State, event: AboutEntry, moment: Moment) -> Iterator[Violation]:
    entry = _entry(state, event, moment)
    if entry is None or entry.volunteer != person(state, event.subject):
        yield Violation("unknown-entry", f"no entry {event.entry} of {event.subject} here", "/entry")
    elif entry.withdrawn:
        yield Violation("entry-withdrawn", "the entry was withdrawn or annulled, which is final", "/entry")
    elif entry.origin and not at_home(state, entry.volunteer):
        yield Violation("not-home", "an entry of another ledger is decided where the volunteer is at home", "/origin")


def _decide_corrected(state: State, event: HoursCorrected, moment: Moment) -> Iterator[Violation]:
    yield from _check_entry(state, event, moment)
    entry = _entry(state, event, moment)
    if entry is not None:
        yield from _check_fields(state, event, moment, entry.issuer, entry.id)
        if event.evidence != entry.evidence:
            yield Violation("evidence-changed", f"the evidence grade stays {entry.evidence}", "/evidence")


def _evolve_corrected(state: State, event: HoursCorrected, moment: Moment) -> Iterable[Record]:
    entry = _entry(state, event, moment)
    if entry is None:
        return
    start, end = instant(event.start), instant(event.end)
    within = entry.start <= start and end <= entry.end
    # What one key could not make count alone, one key cannot change alone either.
    approved = entry.approved and (entry.evidence != "manual" or issuer_kind(event.issuer) == "region")
    yield replace(
        entry,
        version=moment.position,
        signer=event.issuer,
        key_id=moment.key_id,
        activity=event.activity,
        category=event.category,
        day=event.start[:10],
        start=start,
        end=end,
        minutes=event.minutes,
        rank=entry.rank if within else moment.rank,
        turn=entry.turn if within else 0,
        approved=approved,
    )


# -- entries: withdrawn, approved, disputed, decided ----------------------------------------------


def _decide_change(state: State, event: EntryChange, moment: Moment) -> Iterator[Violation]:
    yield from _check_volunteer(state, event)
    yield from _check_entry(state, event, moment)


def _evolve_withdrawn(state: State, event: HoursWithdrawn, moment: Moment) -> Iterable[Record]:
    if entry := _entry(state, event, moment):
        yield replace(entry, withdrawn=True)


def _decide_approved(state: State, event: HoursApproved, moment: Moment) -> Iterator[Violation]:
    yield from _decide_change(state, event, moment)
    entry = _entry(state, event, moment)
    if entry is not None and issuer_kind(event.issuer) == "org":
        if entry.approved:
            yield Violation("nothing-to-approve", "the entry needs no approval", "/entry")
        elif (entry.signer, entry.key_id) == (event.issuer, moment.key_id):
            yield Violation("same-key", "the key that signed an entry cannot approve it", "/issuer")


def _evolve_approved(state: State, event: HoursApproved, moment: Moment) -> Iterable[Record]:
    if entry := _entry(state, event, moment):
        rank, turn = entry.precedence if entry.approved else (moment.rank, 0)
        # A volunteer may settle a dispute of their own, not what the region or a lost key put in doubt.
        own = entry.disputed_by == event.issuer and person(state, event.issuer) == entry.volunteer
        yield replace(entry, approved=True, rank=rank, turn=turn, disputed_by=None if own else entry.disputed_by)


def _decide_disputed(state: State, event: HoursDisputed, moment: Moment) -> Iterator[Violation]:
    yield from _decide_change(state, event, moment)
    entry = _entry(state, event, moment)
    if entry is not None and entry.disputed and not _to_be_explained(entry, event):
        yield Violation("already-disputed", "the entry is disputed", "/entry")


def _to_be_explained(entry: Entry, event: HoursDisputed) -> bool:
    """Whether the region may say of the entry alone what a lost key or a disclaimed record made of it.

    Those events are not part of a record, and the dispute has to go where the record goes.
    """
    doubted = entry.disputed_by is not None and not entry.disputed_by.startswith("volunteer:")
    return doubted and issuer_kind(event.issuer) == "region"


def _evolve_disputed(state: State, event: HoursDisputed, moment: Moment) -> Iterable[Record]:
    if entry := _entry(state, event, moment):
        yield replace(entry, disputed_by=event.issuer)


def _evolve_decided(state: State, event: HoursDecided, moment: Moment) -> Iterable[Record]:
    entry = _entry(state, event, moment)
    if entry is None:
        return
    if event.outcome == "annulled":
        yield replace(entry, withdrawn=True)
    else:
        # Ahead of every rank by position, and a later word of the region ahead of an earlier one.
        yield replace(entry, approved=True, disputed_by=None, rank=-moment.rank, turn=0)


RULES: dict[type[Event], Rule] = {
    ActivityPublished: Rule(_needs_published, _decide_published, _evolve_published),
    HoursRecorded: Rule(_needs_recorded, _decide_recorded, _evolve_recorded),
    HoursCorrected: Rule(_needs_corrected, _decide_corrected, _evolve_corrected),
    HoursWithdrawn: Rule(_needs_entry, _decide_change, _evolve_withdrawn),
    HoursApproved: Rule(_needs_entry, _decide_approved, _evolve_approved),
    HoursDisputed: Rule(_needs_entry, _decide_disputed, _evolve_disputed),
    HoursDecided: Rule(_needs_entry, _decide_change, _evolve_decided),
}
BY_NAME = {type_name(kind): rule for kind, rule in RULES.items() if kind is not ActivityPublished}
"""Rules of the types that make up a record, by name: its events may be read with some of their fields only."""
