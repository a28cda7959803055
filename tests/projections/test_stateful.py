"""A region lives at random on a real database; after every commit ledger and totals are what a short model says."""

from contextlib import closing
from functools import partial
from itertools import combinations
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from ledger.app.intake import Accepted, Prepared
from ledger.audit.log import audit
from ledger.errors import LedgerError, Untrusted
from ledger.store.postgres.database import Cursor, Database
from projections.engine import Feed, advance, rebuild
from projections.totals import Totals
from projections.views import TotalsView
from tests.integration.world import World, check
from tests.projections.actions import SIGNING, VOLUNTEERS, Actions, beginning
from tests.projections.model import Submission, totals
from tests.projections.tables import fresh, rows
from tests.support.builders import ORIGIN, REGION, canonical, sealed

ENTRY = (
    "id::text, position, version, 'volunteer:' || volunteer, issuer, signer, key_id, category, day::text,"
    " start, \"end\", minutes, evidence, rank, approved, coalesce(disputed_by, ''), withdrawn"
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
        self.page = 1000
        for submission in beginning():
            for event in submission.events:
                self.model.take(event, submission.key_id)
            self.world.ledger.submit(request(submission))
        self.start()

    def start(self) -> None:
        self.world = World(self.world.database, fresh=False)
        self.projections = [Totals(self.world.database, self.world.schema) for _ in range(2)]
        with self.world.database.transaction() as cursor:
            self.projections[0].create(cursor)
        self.compare()

    @rule(page=st.sampled_from([1, 2, 3, 1000]), anew=st.booleans())
    def restart(self, page: int, anew: bool) -> None:
        """`page` is how many events the projection takes at a time from now on; `anew` has it rebuilt."""
        self.flush()
        self.page = page
        if anew:
            # All events in one batch come to what they came to a few at a time.
            report = rebuild(self.projections[0], self.world.ledger)
            assert (report.differences, report.events) == (dict.fromkeys(Totals.tables, 0), self.world.size), report
        self.start()

    def commit(self, batch: list[Submission]) -> None:
        given, known = self.answers(batch), set(self.model.positions)
        for submission, answer, positions in zip(batch, given, self.model.commit(batch), strict=True):
            assert isinstance(answer, Accepted) is (positions is not None), (submission, answer)
            if isinstance(answer, Accepted):
                ids = [event["id"] for event in submission.events]
                assert ([name for name, _, _ in answer.events], [place for _, place, _ in answer.events]) == (
                    ids,
                    positions,
                )
                assert answer.new is known.isdisjoint(ids)
                known.update(ids)
        self.compare()

    def answers(self, batch: list[Submission]) -> list[Accepted | LedgerError]:
        """What the ledger says to each; those whose signature does not hold never come to be decided."""
        prepared = [self.prepare(submission) for submission in batch]
        decided = iter(self.world.ledger.commit([one for one in prepared if isinstance(one, Prepared)]))
        return [next(decided) if isinstance(one, Prepared) else one for one in prepared]

    def prepare(self, submission: Submission) -> Prepared | LedgerError:
        try:
            return self.world.ledger.prepare(request(submission))
        except Untrusted as error:
            return error

    # -- what must hold after every step ------------------------------------------------------------------

    def compare(self) -> None:
        self.projections.reverse()
        with closing(Feed(self.world.ledger, self.page)) as feed:
            while advance(self.projections[0], self.world.ledger.name, feed):
                pass
        with self.world.database.read() as cursor:
            report = audit(cursor, self.world.schema, REGION, ORIGIN)
            assert (report.findings, report.events) == ([], self.model.size)
            self.compare_entries(cursor)
            self.compare_totals(cursor)
        self.compare_view()

    def compare_entries(self, cursor: Cursor) -> None:
        expected = sorted(
            (
                *(entry.id, entry.position, entry.version, entry.volunteer, entry.organisation, *entry.signed),
                *(entry.fields["category"], entry.fields["start"][:10]),
                *(int(entry.start.timestamp()), int(entry.end.timestamp()), entry.fields["minutes"], entry.evidence),
                *(entry.rank, entry.approved, entry.disputed, entry.withdrawn),
            )
            for entry in self.model.entries.values()
        )
        for schema in (self.world.schema, self.projections[0].schema):
            assert sorted(rows(cursor, f"SELECT {ENTRY} FROM {schema}.entries")) == expected

    def compare_totals(self, cursor: Cursor) -> None:
        for table, headings in HEADINGS.items():
            columns = ", ".join(headings.values())
            found = rows(cursor, f"SELECT {columns}, state, minutes, entries FROM {self.projections[0].schema}.{table}")
            assert {tuple(heading): (minutes, count) for *heading, minutes, count in found} == totals(
                self.model, *headings
            )
        found = rows(cursor, f"SELECT 'volunteer:' || volunteer, position FROM {self.projections[0].schema}.changed")
        assert dict(found) == self.model.changed

    def compare_view(self) -> None:
        """The state that a page shows of each entry; and what counts of one volunteer never overlaps."""
        view, shown = TotalsView(self.world.database, self.world.schema), {}
        for volunteer in VOLUNTEERS:
            entries = view.entries(volunteer, None, None, 1000)
            shown.update({entry.id: entry.state for entry in entries})
            counted = [(entry.start, entry.end) for entry in entries if entry.state == "counted"]
            assert all(one[1] <= other[0] or other[1] <= one[0] for one, other in combinations(counted, 2))
        assert shown == self.model.states()

    def teardown(self) -> None:
        self.flush()
        check(self.world)


def live(database: Database, **changes: Any) -> None:
    suppressed = [HealthCheck.too_slow, HealthCheck.data_too_large]
    machine = cast(type[Life], partial(Life, database))
    run_state_machine_as_test(machine, settings=settings(deadline=None, suppress_health_check=suppressed, **changes))


def test_ledger_and_totals_follow_a_short_model(database: Database) -> None:
    live(database, max_examples=40, stateful_step_count=50)


@pytest.mark.slow
def test_ledger_and_totals_follow_a_short_model_for_long(database: Database) -> None:
    live(database, max_examples=1000, stateful_step_count=60)
