"""The region's own hand: what it prepares is what the ledger would prepare of the same request, read from bytes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.app.committer import Committer
from ledger.app.intake import Prepared
from ledger.app.issuer import Issuer
from ledger.crypto import canonical
from ledger.errors import LedgerError, TooLarge, Untrusted
from ledger.events.fields import Event
from ledger.events.submission import pack, seal
from ledger.limits import BODY_BYTES_MAX, SUBMISSION_BYTES_MAX, SUBMISSION_EVENTS_MAX
from ledger.store.postgres.database import Database
from tests.api.proving import draft, holding
from tests.integration.world import World, check
from tests.support import builders
from tests.support.builders import AUTHORITY, GROUP, STATION

KINDS = [
    "region.credential_key_revoked/1",
    "region.closed/1",
    "organisation.suspended/1",
    "organisation.dissolved/1",
    "hours.decided/1",
    "region.peer_dismissed/1",
]
"""Issued by a region, with a reason in anybody's words."""


@pytest.fixture(scope="module")
def region(database: Database) -> Iterator[World]:
    world = World(database).establish()
    yield world
    check(world)


@pytest.fixture(scope="module")
def issuer(region: World) -> Issuer:
    return Issuer(region.ledger, builders.signing_key(AUTHORITY))


def read(issuer: Issuer, events: Sequence[Event], private: Mapping[str, bytes]) -> Prepared | type[LedgerError]:
    """What the ledger prepares of the request made of the events, or what it raises."""
    try:
        bodies = [canonical.write(event) for event in events]
        return issuer.ledger.prepare(pack(seal(bodies, issuer.key, issuer.ledger.origin), bodies, private))
    except LedgerError as error:
        return type(error)


def made(issuer: Issuer, events: Sequence[Event], private: Mapping[str, bytes]) -> Prepared | type[LedgerError]:
    try:
        return issuer.prepare(events, private)
    except LedgerError as error:
        return type(error)


@st.composite
def issued(draw: st.DrawFn) -> Event:
    """An event as code would make it, of any words, now and then of another issuer or for another ledger."""
    event = builders.example(draw(st.sampled_from(KINDS)))
    changes = {"reason": draw(st.text(max_size=20) | st.characters().map(lambda one: one * 200))}
    if draw(st.integers(0, 9)) == 0:
        changes[draw(st.sampled_from(["issuer", "ledger", "time", "id", "salt"]))] = draw(
            st.sampled_from([STATION, "442000", "2026-02-30T00:00:00Z", builders.ENTRY, "", "A" * 22])
        )
    return replace(event, **changes)


@given(st.lists(issued(), max_size=4), st.booleans())
def test_it_prepares_what_the_ledger_would_read(issuer: Issuer, events: list[Event], repeated: bool) -> None:
    events += events[:1] if repeated else []
    own, expected = made(issuer, events, {}), read(issuer, events, {})
    assert isinstance(own, Prepared) is isinstance(expected, Prepared), (own, expected)
    if isinstance(own, Prepared):
        assert own == expected


@given(st.text(max_size=20), st.sampled_from(["whole", "missing", "other", "of nothing"]))
def test_private_details_are_opened_as_those_of_a_request(issuer: Issuer, region: World, note: str, what: str) -> None:
    one = draft(region, held=holding(seen=len(note)))
    details = {
        "whole": one.private,
        "missing": {},
        "other": {one.event.id: b"{}"},
        "of nothing": {**one.private, builders.event_id(): b"{}"},
    }[what]
    assert made(issuer, [one.event], details) == read(issuer, [one.event], details)


def test_the_limits_of_a_request_hold(issuer: Issuer, region: World) -> None:
    large = [replace(builders.example("organisation.suspended/1"), reason="由" * BODY_BYTES_MAX)]
    many = [builders.example("organisation.suspended/1") for _ in range(SUBMISSION_EVENTS_MAX + 1)]
    for events in ([], large, many):
        assert not isinstance(made(issuer, events, {}), Prepared)
        assert not isinstance(read(issuer, events, {}), Prepared)
    one = draft(region)
    padding = {one.event.id: b'"' + b"A" * (SUBMISSION_BYTES_MAX - 2) + b'"'}
    assert made(issuer, [one.event], padding) is read(issuer, [one.event], padding) is TooLarge


def test_the_size_of_the_request_is_counted_to_the_byte(issuer: Issuer, region: World) -> None:
    one = draft(region)
    (body,), note = [one.body], seal([one.body], issuer.key, issuer.ledger.origin)
    room = SUBMISSION_BYTES_MAX - len(pack(note, [body], {one.event.id: b'""'}))
    for size, fits in ((room, True), (room + 1, False)):
        details = {one.event.id: b'"' + b"A" * size + b'"'}
        assert (read(issuer, [one.event], details) is not TooLarge) is fits
        assert (made(issuer, [one.event], details) is not TooLarge) is fits


def test_a_key_that_the_ledger_does_not_know_issues_nothing(region: World) -> None:
    for name in (AUTHORITY, GROUP):
        stranger = Issuer(region.ledger, builders.signing_key(name, 7))
        event = replace(builders.example("organisation.suspended/1"), issuer=name)
        with pytest.raises(Untrusted):
            stranger.prepare([event])


def test_its_events_are_committed_alone_or_with_those_of_others(issuer: Issuer) -> None:
    def suspended() -> Event:
        return replace(builders.example("organisation.registered/1"), **issuer.common(f"org:{builders.event_id()}"))

    assert issuer.issue(suspended()).new
    with closing(Committer(issuer.ledger)) as committer:
        together = Issuer(issuer.ledger, issuer.key, committer)
        assert len(together.issue_all([suspended(), suspended()]).events) == 2
        with pytest.raises(LedgerError):
            together.issue(builders.example("organisation.reinstated/1"))
