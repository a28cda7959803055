"""What may happen in a region, drawn by Hypothesis: rules that draft events and gather them into submissions.

Three volunteers, three organisations and a grid of hours across a new year, so that entries overlap. What becomes of
the submissions is for a subclass to say: `Actions.commit`.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from tests import builders
from tests.builders import ABSENT, AUTHORITY, GROUP, STATION, signing_key, vkey
from tests.integration.world import organisation, volunteer
from tests.projections.model import Event, Model, Submission

HEIR = organisation(3)
ORGANISATIONS = (STATION, GROUP, HEIR)
VOLUNTEERS = (volunteer(1), volunteer(2), volunteer(3))
ISSUERS = (AUTHORITY, *ORGANISATIONS, *VOLUNTEERS)
KEYS = 4
"""Keys an issuer may come to have; organisations begin with two, all others with one."""
SIGNING = {(key.name, key.id): key for name in ISSUERS for key in (signing_key(name, n) for n in range(KEYS))}
OUTSET, HOURS = 20, 8
"""The grid begins at this hour of the last day of a year, and has so many hours."""
CATEGORIES = ("empty-nest-elders", "environment")


def activity(issuer: str) -> str:
    """The one activity that an organisation publishes."""
    return f"0199a1c2-0000-7000-8000-00000000ac{ORGANISATIONS.index(issuer):02}"


def clock(hour: int, zone: str) -> str:
    """An hour of the grid, as a clock in China or in Greenwich shows it."""
    total = OUTSET + hour - (0 if zone == "+08:00" else 8)
    return f"{'2025-12-31' if total < 24 else '2026-01-01'}T{total % 24:02}:00:00{zone}"


class Known(NamedTuple):
    """An entry that was drafted; whether it was accepted is another matter."""

    id: str
    volunteer: str
    organisation: str
    evidence: str


def submission(issuer: str, *events: Event, number: int = 0) -> Submission:
    return Submission(issuer, signing_key(issuer, number).id, list(events))


def beginning() -> list[Submission]:
    """The region with everybody in it."""
    key_added = "organisation.key_added/1"
    return [
        submission(
            AUTHORITY,
            builders.fields("region.established/1"),
            *(
                builders.fields("organisation.registered/1", subject=name, kind="station" if name == STATION else "school")
                for name in ORGANISATIONS
            ),
            *(builders.fields(key_added, subject=name, key=vkey(name, n)) for name in ORGANISATIONS for n in (0, 1)),
        ),
        *(
            submission(name, builders.fields("volunteer.registered/1", issuer=name, subject=name, key=vkey(name)))
            for name in VOLUNTEERS
        ),
        *(
            submission(
                name,
                builders.fields(
                    "activity.published/1",
                    issuer=name,
                    subject=f"activity:{activity(name)}",
                    start=clock(0, "Z"),
                    end=clock(HOURS, "+08:00"),
                ),
            )
            for name in ORGANISATIONS
        ),
    ]


@st.composite
def spans(draw: Callable[..., Any]) -> dict[str, Any]:
    """Start, end and minutes of an entry."""
    start = draw(st.integers(0, HOURS - 1))
    end = draw(st.integers(start + 1, min(HOURS, start + 4)))
    zone = draw(st.sampled_from(["+08:00", "Z"]))
    return {"start": clock(start, zone), "end": clock(end, zone), "minutes": draw(st.sampled_from([60, 60 * (end - start)]))}


organisations = st.sampled_from(ORGANISATIONS)
volunteers = st.sampled_from(VOLUNTEERS)
evidence = st.sampled_from(["check-in", "manual", "imported"])
categories = st.sampled_from(CATEGORIES)
keys = st.sampled_from([0, 0, 0, 1, 1, 2, 3])
"""Numbers of keys, the later ones mostly unknown."""
gathering = st.sampled_from(["alone", "alone", "wait", "join"])
"""Whether an event is committed at once with all that wait, waits, or joins the submission that waits last."""


class Actions(RuleBasedStateMachine):
    """Drafts events; keeps a model, which takes what is committed."""

    entries = Bundle("entries")

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
        new = submission(issuer, event, number=key)
        if how == "join" and self.waiting and self.waiting[-1][:2] == new[:2]:
            self.waiting[-1].events.append(event)
        else:
            self.waiting.append(new)
        if how == "alone":
            self.flush()
        return str(event["id"])

    def change(self, act: str, by: str, entry: Known, key: int, how: str, /, **members: Any) -> None:
        issuer = {"recorder": entry.organisation, "volunteer": entry.volunteer, "region": AUTHORITY}.get(by, by)
        self.draft(f"hours.{act}/1", issuer, key, how, subject=entry.volunteer, entry=entry.id, **members)

    # -- hours ------------------------------------------------------------------------------------------

    @rule(
        target=entries,
        issuer=organisations,
        subject=volunteers,
        span=spans(),
        category=categories,
        evidence=evidence,
        key=keys,
        how=gathering,
    )
    def record(
        self, issuer: str, subject: str, span: dict[str, Any], category: str, evidence: str, key: int, how: str
    ) -> Known:
        members = {"subject": subject, "activity": activity(issuer), "category": category, "evidence": evidence}
        return Known(self.draft("hours.recorded/1", issuer, key, how, **members, **span), subject, issuer, evidence)

    @rule(
        entry=entries,
        by=st.sampled_from(["recorder", "recorder", "region", HEIR, GROUP]),
        span=spans(),
        category=categories,
        evidence=st.none() | st.none() | evidence,
        key=keys,
        how=gathering,
    )
    def correct(
        self, entry: Known, by: str, span: dict[str, Any], category: str, evidence: str | None, key: int, how: str
    ) -> None:
        members = {"activity": activity(entry.organisation), "category": category, "evidence": evidence or entry.evidence}
        self.change("corrected", by, entry, key, how, **members, **span)

    @rule(entry=entries, by=st.sampled_from(["recorder", "recorder", "region", HEIR]), key=keys, how=gathering)
    def withdraw(self, entry: Known, by: str, key: int, how: str) -> None:
        self.change("withdrawn", by, entry, key, how)

    @rule(entry=entries, by=st.sampled_from(["recorder", "volunteer", HEIR, "region"]), key=keys, how=gathering)
    def approve(self, entry: Known, by: str, key: int, how: str) -> None:
        self.change("approved", by, entry, key, how)

    @rule(entry=entries, by=st.sampled_from(["volunteer", "region", "recorder"]), key=keys, how=gathering)
    def dispute(self, entry: Known, by: str, key: int, how: str) -> None:
        self.change("disputed", by, entry, key, how)

    @rule(entry=entries, outcome=st.sampled_from(["upheld", "upheld", "annulled"]), key=keys, how=gathering)
    def decide(self, entry: Known, outcome: str, key: int, how: str) -> None:
        self.change("decided", "region", entry, key, how, outcome=outcome)

    # -- issuers ----------------------------------------------------------------------------------------

    @rule(subject=volunteers, by=st.sampled_from(["itself", STATION, GROUP, AUTHORITY]), key=keys, how=gathering)
    def disclaim(self, subject: str, by: str, key: int, how: str) -> None:
        issuer, reference = (subject, ABSENT) if by == "itself" else (by, "档案 2026-17")
        self.draft("volunteer.disclaimed/1", issuer, key, how, subject=subject, reference=reference)

    @rule(
        subject=st.sampled_from(ISSUERS),
        by_region=st.booleans(),
        added=st.integers(0, KEYS - 1),
        key=keys,
        how=gathering,
    )
    def add_key(self, subject: str, by_region: bool, added: int, key: int, how: str) -> None:
        issuer = AUTHORITY if by_region else subject
        self.draft(f"{kind_of(subject)}.key_added/1", issuer, key, how, subject=subject, key=vkey(subject, added))

    @rule(
        subject=st.sampled_from(ISSUERS + ORGANISATIONS),
        by_region=st.booleans(),
        revoked=st.sampled_from([0, 1, 1, 2]),
        back=st.none() | st.integers(-1, 30),
        key=keys,
        how=gathering,
    )
    def revoke_key(self, subject: str, by_region: bool, revoked: int, back: int | None, key: int, how: str) -> None:
        """`back` says how far before the end of the log the key became suspect; the end is where it still may be."""
        issuer = AUTHORITY if by_region else subject
        suspect = ABSENT if back is None else max(0, self.model.size - back)
        key_id = signing_key(subject, revoked).id
        kind = f"{kind_of(subject)}.key_revoked/1"
        self.draft(kind, issuer, key, how, subject=subject, key_id=key_id, suspect_from=suspect)

    @rule(
        subject=organisations,
        act=st.sampled_from(["suspended", "suspended", "reinstated", "reinstated", "reinstated", "dissolved"]),
        successor=st.sampled_from([HEIR, HEIR, GROUP, ABSENT]),
        key=keys,
        how=gathering,
    )
    def change_status(self, subject: str, act: str, successor: Any, key: int, how: str) -> None:
        heir = {"successor": successor} if act == "dissolved" else {}
        self.draft(f"organisation.{act}/1", AUTHORITY, key, how, subject=subject, **heir)

    # -- submissions ------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 99), key=st.none() | keys, how=gathering)
    def replay(self, which: int, key: int | None, how: str) -> None:
        """Submit once more what was submitted before, accepted or not, under the same key or another."""
        if not self.sent:
            return
        old = self.sent[-1 - which % len(self.sent)]
        again = submission(old.issuer, *old.events, number=key or 0)
        self.waiting.append(again if key is not None else old._replace(events=list(old.events)))
        if how == "alone":
            self.flush()


def kind_of(issuer: str) -> str:
    return {"region": "region", "org": "organisation", "volunteer": "volunteer"}[issuer.partition(":")[0]]
