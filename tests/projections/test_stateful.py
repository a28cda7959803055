"""A region lives at random on a real database; after every step ledger and totals are what a short model says."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from ledger.audit import audit
from ledger.errors import LedgerError, Untrusted
from ledger.intake import Accepted
from ledger.store.postgres import Cursor, Database
from projections.engine import Feed, advance, rebuild
from projections.totals import Totals
from projections.views import TotalsView
from tests.builders import ORIGIN, REGION, canonical, sealed
from tests.integration.world import World, check
from tests.projections.actions import SIGNING, VOLUNTEERS, Actions, beginning
from tests.projections.model import Submission, totals
from tests.projections.tables import fresh, rows

ENTRY = (
    "id::text, position, version, 'volunteer:' || volunteer, issuer, signer, key_id, category, day::text,"
    ' start, "end", minutes, evidence, rank, approved, disputed, withdrawn'
)
HEADINGS = {
    "volunteer_totals": {
        "volunteer": "'volunteer:' || volunteer",
        "organisation": "organisation",
        "year": "year",
        "category": "category",
    },
    "organisation_totals": {"organisation": "organisation", "year": "year", "category": "category"},
    "day_totals": {"day": "day::text"},
}
"""Of each table of totals, beside the state; with the expressions that select them."""


def request(submission: Submission) -> bytes:
    key = SIGNING[submission.issuer, submission.key_id]
    return sealed([canonical(event) for event in submission.events], key, ORIGIN)


class Life(Actions):
    """The actions on a ledger, followed by two objects of one projection in turn, as two processes would."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.world = fresh(database)
        self.page = 1
        self.restart()
        for submission in beginning():
            for event in submission.events:
                self.model.take(event, submission.key_id)
            self.world.ledger.submit(request(submission))

    @initialize(page=st.sampled_from([1, 2, 3, 1000]))
    def follow(self, page: int) -> None:
        """How many events the projection takes at a time."""
        self.page = page
        self.compare()

    def commit(self, batch: list[Submission]) -> None:
        prepared = [self.prepare(one) for one in batch]
        decided = iter(self.world.ledger.commit([one for one in prepared if one is not None]))
        expected = [(None, False)]
        # An answer to each: positions, and whether the events are new.
        given = [None if one is None else next(decided) for one in prepared]
        known = set(self.model.positions)
        for submission, answer, positions in zip(batch, given, self.model.commit(batch), strict=True):
            if positions is None:
                assert not isinstance(answer, Accepted), submission
                continue
            assert isinstance(answer, Accepted), (submission, answer)
            assert [position for _, position, _ in answer.events] == positions
            assert answer.new is known.isdisjoint(event["id"] for event in submission.events)
            known |= {event["id"] for event in submission.events}
        self.compare()
