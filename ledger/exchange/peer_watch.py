"""Watching peers: what they show is compared with what they showed before, and what contradicts it is kept for anyone.

Nothing here decides anything: whoever was caught is refused by the rules or by the operator, and the file that proves
it is for the federation (docs/transfer.md, "Misconduct").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ledger.events.body import decode_event, issuer_of
from ledger.events.fields import type_name
from ledger.events.registration import Revocation
from ledger.events.transfer import TransferAccepted, TransferOffered
from ledger.evidence import misconduct
from ledger.evidence.evidence import Evidence, Foreign, Forked
from ledger.exchange import manifest
from ledger.store.exchange import imports, records, sightings, transfers
from ledger.store.exchange.sightings import Sighting
from ledger.store.postgres.database import Cursor, Database
from ledger.tlog import notes
from ledger.tlog.checkpoint import parse_checkpoint

Report = Callable[[str, bytes], None]
"""Keeps a file of evidence of a kind; the same file may come again."""


class Watch:
    """Compares what peers show with what one region saw of their logs before."""

    def __init__(self, database: Database, schema: str, origin: str, report: Report) -> None:
        self._database = database
        self._schema = schema
        self._origin = origin
        self._report = report

    def checkpoints(self, items: Iterable[Evidence]) -> None:
        """Compare the verified checkpoints of evidence with those seen before; raise Forked for two histories."""
        texts = {(item.checkpoint, item.origin) for item in items if item.origin != self._origin}
        seen = []
        for text, origin in texts:
            checkpoint = parse_checkpoint(notes.parse(text).text)
            seen.append(Sighting(origin, checkpoint.size, checkpoint.root, text))
        with self._database.transaction() as cursor:
            contradictions = sightings.see(cursor, self._schema, seen)
        for before, now in contradictions:
            self._report("forked-log", misconduct.forked(before, now))
        if contradictions:
            raise Forked("the log signed two histories: the evidence is kept")

    def move(self, item: Evidence, foreign: Foreign) -> None:
        """Compare an offer or an acceptance with others of the same number; raise Forked for a second one of one log.

        Of two acceptances in two logs either may be the true one: what decides is which offer they cite.
        """
        event = foreign.event
        if not isinstance(event, TransferOffered | TransferAccepted):
            return
        with self._database.read() as cursor:
            known = imports.moves(cursor, self._schema, event.volunteer, type_name(event))
        for before in known:
            other = decode_event(before.body)
            assert isinstance(other, TransferOffered | TransferAccepted)
            if other.epoch != event.epoch or (before.origin, before.position) == (item.origin, item.position):
                continue
            same = before.origin == item.origin
            if isinstance(event, TransferAccepted):
                self._report("two-acceptances", misconduct.two_acceptances(before, item))
            elif same:
                self._report("two-offers", misconduct.two_offers(before, item))
            if same:
                raise Forked(f"move {event.epoch} of {event.volunteer} is in that log twice: the evidence is kept")

    def keys(self, verified: Iterable[tuple[Evidence, Foreign]]) -> None:
        """Compare revocations with the lists of keys that offers from the same log signed as complete."""
        revocations = [pair for pair in verified if isinstance(pair[1].event, Revocation)]
        if not revocations:
            return
        names = {(item.origin, item.position) for item, _ in revocations}
        with self._database.read() as cursor:
            new = names - set(imports.numbers(cursor, self._schema, names))
            for item, foreign in revocations:
                if (item.origin, item.position) in new:
                    self._compare(cursor, item, foreign)

    def _compare(self, cursor: Cursor, item: Evidence, foreign: Foreign) -> None:
        """Accuse every offer of this log that left the revocation out of its keys."""
        names = imports.offers_of(cursor, self._schema, item.origin)
        for offer in imports.evidence(cursor, self._schema, names).values():
            said = decode_event(offer.body)
            assert isinstance(said, TransferOffered)
            if item.position < said.size:
                self._accuse(cursor, offer, said, item, foreign)

    def _accuse(self, cursor: Cursor, offer: Evidence, said: TransferOffered, item: Evidence, foreign: Foreign) -> None:
        """Report an accepted offer whose list of keys needed this revocation and lacks it."""
        accepted_at = transfers.accepted_at(cursor, self._schema, said.subject.removeprefix("transfer:"))
        if accepted_at is None:
            return
        kept = records.received(cursor, self._schema, [accepted_at])[accepted_at][: said.events]
        signed = [event for event in kept if issuer_of(event.body) == foreign.event.subject]
        own = foreign.event.subject in (said.volunteer, *said.aliases, said.issuer)
        if not (signed or own):
            return
        keys = [key.entry for key in self._listed_keys(cursor, offer.origin, said, kept, accepted_at)]
        if len(keys) != said.key_events or manifest.root_of(keys) != said.key_root:
            return  # what was listed cannot be told any more
        signer = imports.evidence(cursor, self._schema, [(offer.origin, signed[0].position)]) if signed else {}
        self._report(
            "key-left-out",
            misconduct.key_left_out(
                offer, keys, item, [event.entry for event in kept], next(iter(signer.values()), None)
            ),
        )

    def _listed_keys(
        self,
        cursor: Cursor,
        origin: str,
        said: TransferOffered,
        kept: Sequence[records.Kept],
        decided: int,
    ) -> list[Evidence]:
        signers = {(event.origin or self._origin, issuer_of(event.body)) for event in kept}
        signers |= {(origin, name) for name in (said.volunteer, *said.aliases, said.issuer)}
        ids = (said.volunteer, *said.aliases)
        names = records.custody(cursor, self._schema, self._origin, ids, decided + 1)
        passed = list(imports.evidence(cursor, self._schema, names).values())
        signers |= manifest.signers(passed)
        listed = {
            (event.origin, event.position): event
            for event in (*passed, *manifest.imported_support(cursor, self._schema, signers))
        }.values()
        before = [event for event in listed if event.origin != origin or event.position < said.size]
        return sorted(before, key=lambda event: (event.origin, event.position))
