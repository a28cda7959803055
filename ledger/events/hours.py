"""Events that publish activities, and that record, correct, approve, dispute and decide hours."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from ledger.errors import Invalid
from ledger.events.fields import (
    ActivityId,
    Category,
    Event,
    Evidence,
    LongText,
    Minutes,
    Origin,
    Place,
    ShortText,
    Time,
    Uuid,
    VolunteerId,
    at,
)
from ledger.ids import instant
from ledger.limits import ENTRY_MINUTES_MAX

# -- activities and hours ---------------------------------------------------------------------------


def _check_window(start: str, end: str) -> int:
    begins, ends = at("/start", instant, start), at("/end", instant, end)
    if ends <= begins:
        raise Invalid("the end is not after the start", "/end")
    return ends - begins


class ActivityPublished(Event, tag="activity.published/1", frozen=True, kw_only=True):
    """Announces an activity and the window in which hours can be served."""

    subject: ActivityId
    name: ShortText
    category: Category
    content: LongText
    start: Time
    end: Time
    place: Place
    responsible: ShortText

    def check(self) -> None:
        _check_window(self.start, self.end)


class HoursFields(Event, frozen=True, kw_only=True):
    """What Order 67 (articles 7 and 15) asks of a service record; the organising unit is the issuer."""

    subject: VolunteerId
    activity: Annotated[Uuid, Meta(description="UUID of a published activity of the same organisation")]
    activity_name: ShortText
    category: Category
    content: LongText
    start: Time
    end: Annotated[Time, Meta(description="exclusive; the entry is made after it")]
    minutes: Annotated[Minutes, Meta(description="time actually given, at most the time between start and end")]
    place: Place
    responsible: ShortText
    recorder: ShortText
    evidence: Evidence

    def check(self) -> None:
        seconds = _check_window(self.start, self.end)
        if seconds > ENTRY_MINUTES_MAX * 60:
            raise Invalid(f"longer than {ENTRY_MINUTES_MAX} minutes from start to end", "/end")
        if self.minutes * 60 > seconds:
            raise Invalid("more minutes than lie between start and end", "/minutes")


class HoursRecorded(HoursFields, tag="hours.recorded/1", frozen=True, kw_only=True):
    """One entry of service."""


class EntryChange(Event, frozen=True, kw_only=True):
    """What every event about an existing entry holds."""

    subject: VolunteerId
    entry: Annotated[Uuid, Meta(description="id of the `hours.recorded/1` event")]


class HoursCorrected(HoursFields, tag="hours.corrected/1", frozen=True, kw_only=True):
    """Replaces the fields of an entry; all are repeated, the evidence grade stays."""

    entry: Annotated[Uuid, Meta(description="id of the `hours.recorded/1` event")]
    reason: LongText


class HoursWithdrawn(EntryChange, tag="hours.withdrawn/1", frozen=True, kw_only=True):
    """Takes an entry back, for good."""

    reason: LongText


class HomeChange(EntryChange, frozen=True, kw_only=True):
    """What the volunteer and the home region may say of an entry, wherever it was recorded."""

    origin: Annotated[
        Origin | UnsetType, Meta(description="log of the entry, when it was recorded in another than this one")
    ] = UNSET


class HoursApproved(EntryChange, tag="hours.approved/1", frozen=True, kw_only=True):
    """A second key of the organisation approves a manual entry, or the volunteer confirms any."""


class HoursDisputed(HomeChange, tag="hours.disputed/1", frozen=True, kw_only=True):
    """The volunteer or the region says that an entry is wrong; it stops counting."""

    reason: LongText


class HoursDecided(HomeChange, tag="hours.decided/1", frozen=True, kw_only=True):
    """The region decides a disputed, contested or doubtful entry."""

    outcome: Annotated[
        Literal["upheld", "annulled"],
        Meta(description="`upheld` counts before all others, `annulled` never again"),
    ]
    reason: LongText
