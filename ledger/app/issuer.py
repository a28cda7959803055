"""The region's own signing hand: makes, signs and submits the events that the region issues itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ledger.app.arrivals import Brought
from ledger.app.committer import Committer
from ledger.app.intake import Accepted, Prepared
from ledger.app.ledger import Ledger
from ledger.crypto.keys import SigningKey
from ledger.errors import LedgerError
from ledger.events import drafts
from ledger.events.fields import Event
from ledger.events.submission import make_submission
from ledger.limits import SUBMISSION_EVENTS_MAX


@dataclass(frozen=True, slots=True)
class Issuer:
    """A ledger and the key by which its region issues. Safe to share between threads.

    With a committer its events share transactions with what others submit; without one each submission has its own.
    """

    ledger: Ledger
    key: SigningKey
    committer: Committer | None = None

    def common(self, subject: str) -> dict[str, Any]:
        """The fields that every event has, for one of the region made now, by the ledger's clock."""
        return drafts.common(self.key.name, self.ledger.region, subject, self.ledger.now())

    def issue(
        self, event: Event, brought: Brought | None = None, private: Mapping[str, bytes] | None = None
    ) -> Accepted:
        """Sign and submit one event with the foreign events it relies on; raise what is wrong with it."""
        prepared = self.prepare([event], private)
        return self._commit(replace(prepared, brought={event.id: brought}) if brought else prepared)

    def issue_all(self, events: Sequence[Event], private: Mapping[str, bytes] | None = None) -> Accepted:
        """Sign and submit events together, all or none of them."""
        return self._commit(self.prepare(events, private))

    def issue_in_parts(self, events: Sequence[Event]) -> None:
        """Sign and submit any number of events, as many at a time as one submission holds."""
        for at in range(0, len(events), SUBMISSION_EVENTS_MAX):
            self.issue_all(events[at : at + SUBMISSION_EVENTS_MAX])

    def prepare(self, events: Sequence[Event], private: Mapping[str, bytes] | None = None) -> Prepared:
        """Sign events, with private details by event id; equal to what the ledger prepares of the same request."""
        submission = make_submission(events, self.key, self.ledger.region, self.ledger.origin, private)
        return self.ledger.prepare_own(submission, self.key.verifier)

    def _commit(self, prepared: Prepared) -> Accepted:
        if self.committer is not None:
            answer = self.committer.submit(prepared).result()
        else:
            (answer,) = self.ledger.commit([prepared])
        if isinstance(answer, LedgerError):
            raise answer
        return answer
