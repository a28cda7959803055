"""What may happen in a region, drawn by Hypothesis: rules that draft events and gather them into submissions.

Three volunteers, three organisations and a grid of hours across a new year, so that entries overlap. What becomes of
the submissions is for a subclass to say: `Actions.commit`.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule

from tests.integration.world import organisation, volunteer
from tests.projections.model import Event, Model, Submission
from tests.support import builders
from tests.support.builders import ABSENT, AUTHORITY, GROUP, STATION, signing_key, vkey

HEIR = organisation(3)
ORGANISATIONS = (STATION, GROUP, HEIR)
VOLUNTEERS = (volunteer(1), volunteer(2), volunteer(3))
ISSUERS = (AUTHORITY, *ORGANISATIONS, *VOLUNTEERS)
KEYS = 4
"""Keys an issuer may come to have; all begin with two."""
SIGNING = {(key.name, key.id): key for name in ISSUERS for key in (signing_key(name, n) for n in range(KEYS))}
OUTSET, HOURS = 21, 6
"""The grid begins at this hour of the last day of a year, and has so many hours."""


def activity(issuer: str) -> str:
    """The one activity that an organisation publishes."""
    return f"0199a1c2-0000-7000-8000-00000000ac{ORGANISATIONS.index(issuer):02}"


def kind_of(issuer: str) -> str:
    return {"region": "region", "org": "organisation", "volunteer": "volunteer"}[issuer.partition(":")[0]]


def clock(hour: int, zone: str = "+08:00") -> str:
    """An hour of the grid, as a clock in China or in Greenwich shows it."""
    total = OUTSET + hour - (8 if zone == "Z" else 0)
    return f"{'2025-12-31' if total < 24 else '2026-01-01'}T{total % 24:02}:00:00{zone}"


def submission(issuer: str, *events: Event, number: int = 0) -> Submission:
    return Submission(issuer, signing_key(issuer, number).id, list(events))


def beginning() -> list[Submission]:
    """The region with everybody in it."""

    def registered(name: str) -> Event:
        kind = "station" if name == STATION else "school"
        return builders.fields("organisation.registered/1", subject=name, kind=kind)

    def key_added(name: str, number: int) -> Event:
        return builders.fields(f"{kind_of(name)}.key_added/1", issuer=AUTHORITY, subject=name, key=vkey(name, number))

    def enrolled(name: str) -> Event:
        return builders.fields("volunteer.registered/1", issuer=name, subject=name, key=vkey(name))

    def published(name: str) -> Event:
        window = {"start": clock(0), "end": clock(HOURS)}
        return builders.fields("activity.published/1", issuer=name, subject=f"activity:{activity(name)}", **window)

    admitted = [event for name in ORGANISATIONS for event in (registered(name), key_added(name, 0))]
    return [
        submission(AUTHORITY, builders.fields("region.established/1"), *admitted),
        *(submission(name, enrolled(name)) for name in VOLUNTEERS),
        *(submission(name, published(name)) for name in ORGANISATIONS),
        submission(AUTHORITY, *(key_added(name, 1) for name in ISSUERS)),
    ]


# -- strategies -------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """An entry that was drafted; whether it was accepted is another matter."""

    id: str
    volunteer: str
    organisation: str
    evidence: str


organisations = st.sampled_from(ORGANISATIONS)
volunteers = st.sampled_from(VOLUNTEERS[:1] * 3 + VOLUNTEERS[1:])
evidences = st.sampled_from(["check-in", "manual", "manual", "imported"])
keys = st.sampled_from([0, 0, 0, 0, 1, 1, 1, 2])
"""Numbers of keys; the last is mostly unknown."""
gathering = st.sampled_from(["alone", "alone", "wait", "join"])
"""An event is committed at once with all that wait, or waits, or joins the last that waits, if that is its issuer's."""


def service(start: int, end: int, zone: str = "+08:00", **changes: Any) -> dict[str, Any]:
    """Members that say when something was done and for how long."""
    return {"start": clock(start, zone), "end": clock(end, zone), "minutes": 60 * (end - start), **changes}


@st.composite
def services(draw: Callable[..., Any]) -> dict[str, Any]:
    start = draw(st.integers(0, HOURS - 1))
    end = draw(st.integers(start + 1, min(HOURS, start + 4)))
    minutes = draw(st.sampled_from([45, 60 * (end - start)]))
    category = draw(st.sampled_from(["empty-nest-elders", "environment"]))
    return service(start, end, draw(st.sampled_from(["+08:00", "Z"])), minutes=minutes, category=category)


class Actions(RuleBasedStateMachine):
    """Drafts events; keeps a model, which takes what is committed."""

    first = Bundle("first")
    later = Bundle("later")
    """Entries. There are two bundles so that much happens to a few of them."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(ORGANISATIONS)
        self.waiting: list[Submission] = []
        self.sent: list[Submission] = []

    def commit(self, batch: list[Submission]) -> None:
        """Decide a batch in one transaction, and compare the answers with those of the model."""
        raise NotImplementedError

    def flush(self) -> None:
        """Commit everything that waits."""
        batch, self.waiting = self.waiting, []
        if batch:
            self.sent += batch
            self.commit(batch)

    def draft(self, kind: str, issuer: str, key: int, how: str, /, **members: Any) -> str:
        """Make an event, put it where `how` says, and tell its id."""
        event = json.loads(builders.body(kind, issuer=issuer, **members))
        if how == "join" and self.waiting and self.waiting[-1].issuer == issuer:
            self.waiting[-1].events.append(event)
        else:
            self.waiting.append(submission(issuer, event, number=key))
        if how == "alone":
            self.flush()
        return str(event["id"])

    # -- hours ------------------------------------------------------------------------------------------

    @initialize(target=first)
    def begin(self) -> Any:
        """Three organisations want one volunteer's evening, and two another's."""
        one, other = VOLUNTEERS[:2]
        wanted = [
            (STATION, one, "check-in", 0, 2),
            (GROUP, one, "check-in", 1, 3),
            (STATION, one, "manual", 2, 4),
            (HEIR, one, "imported", 1, 5),
            (GROUP, other, "manual", 0, 4),
            (STATION, other, "check-in", 3, 6),
        ]
        return multiple(
            *(
                self.draft_hours(issuer, subject, evidence, service(start, end), 0, "wait")
                for issuer, subject, evidence, start, end in wanted
            )
        )

    @rule(
        target=later,
        issuer=organisations,
        subject=volunteers,
        evidence=evidences,
        service=services(),
        key=keys,
        how=gathering,
    )
    def record(self, issuer: str, subject: str, evidence: str, service: dict[str, Any], key: int, how: str) -> Known:
        return self.draft_hours(issuer, subject, evidence, service, key, how)

    def draft_hours(
        self, issuer: str, subject: str, evidence: str, service: dict[str, Any], key: int, how: str
    ) -> Known:
        members = {"subject": subject, "activity": activity(issuer), "evidence": evidence, **service}
        return Known(self.draft("hours.recorded/1", issuer, key, how, **members), subject, issuer, evidence)

    def change(self, act: str, by: str, entry: Known, key: int, how: str, /, **members: Any) -> None:
        issuer = {"recorder": entry.organisation, "volunteer": entry.volunteer, "region": AUTHORITY}.get(by, by)
        self.draft(f"hours.{act}/1", issuer, key, how, subject=entry.volunteer, entry=entry.id, **members)

    @rule(
        entry=first | later,
        by=st.sampled_from(["recorder", "recorder", "recorder", "region", HEIR]),
        service=services(),
        other=st.sampled_from([None] * 5 + ["manual", "check-in"]),
        key=keys,
        how=gathering,
    )
    def correct(self, entry: Known, by: str, service: dict[str, Any], other: str | None, key: int, how: str) -> None:
        members = {"activity": activity(entry.organisation), "evidence": other or entry.evidence, **service}
        self.change("corrected", by, entry, key, how, **members)

    @rule(entry=first | later | later, by=st.sampled_from(["recorder", "region", HEIR]), key=keys, how=gathering)
    def withdraw(self, entry: Known, by: str, key: int, how: str) -> None:
        self.change("withdrawn", by, entry, key, how)

    @rule(
        entry=first | later,
        by=st.sampled_from(["recorder", "recorder", "recorder", "volunteer", "volunteer", HEIR, "region"]),
        key=st.sampled_from([0, 0, 1, 1, 1, 2]),
        how=gathering,
    )
    def approve(self, entry: Known, by: str, key: int, how: str) -> None:
        self.change("approved", by, entry, key, how)

    @rule(entry=first | later, by=st.sampled_from(["volunteer", "region", "recorder"]), key=keys, how=gathering)
    def dispute(self, entry: Known, by: str, key: int, how: str) -> None:
        self.change("disputed", by, entry, key, how)

    @rule(
        entry=first | later,
        outcome=st.sampled_from(["upheld", "upheld", "upheld", "annulled"]),
        key=keys,
        how=gathering,
    )
    def decide(self, entry: Known, outcome: str, key: int, how: str) -> None:
        self.change("decided", "region", entry, key, how, outcome=outcome)

    # -- issuers ----------------------------------------------------------------------------------------

    @rule(
        subject=st.sampled_from(ISSUERS + ORGANISATIONS),
        by_region=st.booleans(),
        number=st.integers(0, KEYS - 1),
        revoked=st.booleans(),
        key=keys,
        how=gathering,
    )
    def change_key(self, subject: str, by_region: bool, number: int, revoked: bool, key: int, how: str) -> None:
        """Add or revoke."""
        if revoked:
            act, members = "key_revoked", {"key_id": signing_key(subject, number).id, "suspect_from": ABSENT}
        else:
            act, members = "key_added", {"key": vkey(subject, number)}
        issuer = AUTHORITY if by_region else subject
        self.draft(f"{kind_of(subject)}.{act}/1", issuer, key, how, subject=subject, **members)

    @rule(
        entry=first | later,
        by_region=st.booleans(),
        after=st.sampled_from([-1, 0, 0, 1, 99]),
        key=keys,
        how=gathering,
    )
    def suspect(self, entry: Known, by_region: bool, after: int, key: int, how: str) -> None:
        """Revoke the key that signed an entry, suspect from about there on."""
        if kept := self.model.entries.get(entry.id):
            subject, key_id = kept.signed
            members = {"key_id": key_id, "suspect_from": max(0, kept.version + after)}
            issuer = AUTHORITY if by_region else subject
            self.draft(f"{kind_of(subject)}.key_revoked/1", issuer, key, how, subject=subject, **members)

    @rule(
        subject=organisations,
        act=st.sampled_from(["suspended", "reinstated", "reinstated", "dissolved"]),
        successor=st.sampled_from([HEIR, HEIR, GROUP, ABSENT]),
        key=keys,
        how=gathering,
    )
    def change_status(self, subject: str, act: str, successor: Any, key: int, how: str) -> None:
        heir = {"successor": successor} if act == "dissolved" else {}
        self.draft(f"organisation.{act}/1", AUTHORITY, key, how, subject=subject, **heir)

    @rule(
        subject=st.sampled_from(VOLUNTEERS[1:]),
        by=st.sampled_from(["itself", STATION, GROUP, AUTHORITY]),
        key=keys,
        how=gathering,
    )
    def disclaim(self, subject: str, by: str, key: int, how: str) -> None:
        """Not the first volunteer, to whom most happens."""
        issuer, reference = (subject, ABSENT) if by == "itself" else (by, "档案 2026-17")
        self.draft("volunteer.disclaimed/1", issuer, key, how, subject=subject, reference=reference)

    # -- submissions ------------------------------------------------------------------------------------

    @rule(back=st.integers(0, 30), key=st.none() | keys, how=gathering)
    def replay(self, back: int, key: int | None, how: str) -> None:
        """Submit once more what was submitted before, accepted or not, under the same key or another."""
        if not self.sent:
            return
        old = self.sent[-1 - back % len(self.sent)]
        key_id = old.key_id if key is None else signing_key(old.issuer, key).id
        self.waiting.append(Submission(old.issuer, key_id, list(old.events)))
        if how == "alone":
            self.flush()
