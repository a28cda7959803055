"""Regions that are gone, or that cheat: what they owe is settled, their people are taken over, they are caught."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.app.issuer import Issuer
from ledger.crypto.did import did_of
from ledger.crypto.encoding import encode_base64url
from ledger.domain.state import Transfer, Volunteer
from ledger.errors import Conflict, Invalid, NotFound, NotYet, Refused, Untrusted
from ledger.events import private_details
from ledger.events.body import decode_event
from ledger.events.fields import RegionName
from ledger.events.transfer import Closure, RecoveryAnswered, TransferCancelled
from ledger.evidence import misconduct
from ledger.evidence.evidence import Forked
from ledger.exchange import cancelling, incoming, mirror, outgoing, record_files, recovery, stating
from ledger.exchange.desk import Desk
from ledger.exchange.node import Node
from ledger.federation.members import Federation, Policy, Region, lines_of
from ledger.federation.trust_bundle import Trust
from ledger.tlog import notes
from ledger.tlog.checkpoint import Checkpoint
from tests.integration.world import World, at
from tests.support import builders
from tests.support.builders import VOLUNTEER, signing_key, vkey
from tests.support.exchanging import Regions, checkpoint_of, trusted

DAY = 24 * 3600


class Nobody:
    """Peers that are all out of reach: messages are carried by hand here."""

    def send(self, region: str, data: bytes, sender: str) -> incoming.Answer:
        raise AssertionError("nothing is sent")

    def fetch(self, region: str, transfer: str) -> Iterable[bytes]:
        raise AssertionError("nothing is fetched")


class Land:
    """Three regions with their nodes, and a federation that may say that some have ended."""

    def __init__(self, database: Any) -> None:
        self.regions = Regions(database, 3)
        self.a, self.b, self.c = self.regions.worlds
        self.reports: list[tuple[str, bytes]] = []
        self.closed: dict[str, str] = {}
        self.desks = {world.region: self._desk(world) for world in self.regions.worlds}
        self.nodes = {
            code: Node(desk, Nobody(), private_details.new_sealing_key()) for code, desk in self.desks.items()
        }

    def _desk(self, world: World) -> Desk:
        return Desk(
            Issuer(world.ledger, signing_key(world.authority)),
            lambda: checkpoint_of(world),
            trust=lambda: self.trust,
            report=lambda kind, data: self.reports.append((kind, data)),
        )

    @property
    def trust(self) -> Trust:
        """The federation as it is now; two days and one endorsement for a recovery."""
        found = []
        for world in self.regions.worlds:
            base = f"https://{world.region}.example"
            region = Region(
                region=world.region,
                origin=world.origin,
                name=RegionName(zh="某市", en="Somewhere"),
                log_keys=(vkey(world.origin),),
                did=did_of(base, world.region),
                base=base,
                credential_keys=(),
                token_keys=(),
                witness_keys=(),
            )
            if note := self.closed.get(world.region):
                region = replace(region, closed=at("12:00"), final=lines_of(note))
            found.append(region)
        federation = Federation(
            name="federation.example",
            serial=1 + len(self.closed),
            issued=at("12:00"),
            expires=at("12:00", "2027-11-01"),
            keys=(vkey("federation.example"),),
            threshold=1,
            regions=tuple(found),
            policy=Policy(recovery_days=2, recovery_quorum=1),
        )
        return Trust(federation)

    def close(self, world: World) -> None:
        """The federation learns that a log has ended where it stands now."""
        self.closed[world.region] = checkpoint_of(world)

    def serve(self, world: World, number: int = 1, subject: str = VOLUNTEER) -> None:
        """Hours, one of a day's morning each."""
        for hour in range(number):
            world.submit(world.hours(f"{6 + hour:02}:00", f"{6 + hour:02}:30", subject=subject))

    def tell(self, source: World, position: int, to: World) -> incoming.Answer:
        """The message about an event, delivered by hand."""
        data = outgoing.message(self.desks[source.region], "", position)
        return self.nodes[to.region].deliver(data, source.region)

    def file(self, world: World, volunteer: str = VOLUNTEER) -> list[bytes]:
        """The record as its owner keeps it."""
        desk = self.desks[world.region]
        return list(stating.export(desk, stating.state(desk, volunteer)))

    def opened(self, lines: list[bytes]) -> record_files.RecordFile:
        return record_files.open_file(lines, self.trust)

    def later(self, days: int) -> None:
        for world in self.regions.worlds:
            world.now += days * DAY


@pytest.fixture
def land(database: Any) -> Land:
    return Land(database)


# -- an offer to a region that ended ------------------------------------------------------------------------


def mirrored(world: World) -> list[bytes]:
    return list(mirror.write(world.ledger))


def test_an_offer_to_a_region_that_ended_is_cancelled_with_its_whole_log(land: Land) -> None:
    land.serve(land.a, 2)
    transfer = land.regions.offer(land.a, land.b).removeprefix("transfer:")
    land.close(land.b)
    cancelling.cancel(land.desks["441300"], transfer, land.trust, mirrored(land.b))
    found = land.a.ledger.record(Volunteer, VOLUNTEER)
    assert found is not None
    assert found.at_home
    assert found.transfer is None
    last = decode_event(land.a.ledger.rows_at([land.a.size - 1])[land.a.size - 1].body or b"")
    assert isinstance(last, TransferCancelled)
    assert isinstance(last.closure, Closure)
    assert last.closure.size == land.b.size


def test_an_offer_that_was_accepted_before_the_end_is_not_cancelled(land: Land) -> None:
    transfer = land.regions.offer(land.a, land.b)
    position = land.regions.accept(land.a, land.b, transfer)
    land.close(land.b)
    with land.a.unchanged(), pytest.raises(Conflict, match=f"accepted at position {position}"):
        cancelling.cancel(land.desks["441300"], transfer.removeprefix("transfer:"), land.trust, mirrored(land.b))


def spoil_first(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b"Huizhou", b"Huizhoo"), *lines[1:]]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda lines: lines[:-1], Untrusted),
        (lambda lines: [*lines, lines[-1]], Untrusted),
        (lambda lines: lines[::-1], Untrusted),
        (spoil_first, Untrusted),
        (lambda lines: [], Untrusted),
        (lambda lines: [b"not json\n"], Invalid),
        (lambda lines: [b'{"entry":"AAAA"}\n'], Invalid),
        (lambda lines: [b'{"body":{},"recorded_at":-1}\n'], Invalid),
        (lambda lines: [b'{"body":{},"recorded_at":1e3}\n'], Invalid),
        (lambda lines: [b"{" + b" " * 70_000 + b"}\n"], Invalid),
    ],
    ids=["cut", "longer", "reversed", "another body", "empty", "no json", "short", "negative", "float", "oversize"],
)
def test_a_mirror_that_is_not_the_log_shows_nothing(land: Land, spoil: Any, error: type[Exception]) -> None:
    transfer = land.regions.offer(land.a, land.b).removeprefix("transfer:")
    land.close(land.b)
    with land.a.unchanged(), pytest.raises(error):
        cancelling.cancel(land.desks["441300"], transfer, land.trust, spoil(mirrored(land.b)))


def test_silence_is_no_closure(land: Land) -> None:
    transfer = land.regions.offer(land.a, land.b).removeprefix("transfer:")
    with land.a.unchanged(), pytest.raises(Untrusted, match="does not say where"):
        cancelling.cancel(land.desks["441300"], transfer, land.trust, mirrored(land.b))
    with land.a.unchanged(), pytest.raises(Conflict, match="the other side's proof"):
        cancelling.withdraw(land.desks["441300"], transfer)


def test_a_mirror_without_a_body_does_not_show_what_it_said(land: Land) -> None:
    transfer = land.regions.offer(land.a, land.b).removeprefix("transfer:")
    land.close(land.b)
    lines = mirrored(land.b)
    entry = land.b.ledger.rows_at([1])[1].entry
    lines[1] = builders.canonical({"entry": encode_base64url(entry)}) + b"\n"
    with land.a.unchanged(), pytest.raises(Untrusted, match="erased"):
        cancelling.cancel(land.desks["441300"], transfer, land.trust, lines)


def test_a_request_that_was_never_offered_is_withdrawn(land: Land) -> None:
    transfer = land.regions.request(land.a, land.b).removeprefix("transfer:")
    cancelling.withdraw(land.desks["441300"], transfer)
    found = land.a.ledger.record(Transfer, transfer)
    assert found is not None
    assert found.state == "cancelled"
    with pytest.raises(Conflict):
        cancelling.withdraw(land.desks["441300"], transfer)
    with pytest.raises(NotFound):
        cancelling.withdraw(land.desks["441300"], builders.event_id())


def test_nothing_is_offered_to_a_region_that_cannot_answer(land: Land) -> None:
    """A record that is offered is frozen: whoever is gone, or was never there, would keep it so."""
    transfer = land.regions.request(land.a, land.b).removeprefix("transfer:")
    land.close(land.b)
    with land.a.unchanged():
        assert not land.nodes["441300"].step()
    cancelling.withdraw(land.desks["441300"], transfer)
    land.closed.clear()
    land.regions.request(land.a, land.b)
    assert land.nodes["441300"].step()


# -- a home that ended -------------------------------------------------------------------------------------


def test_a_record_whose_home_is_gone_is_taken_over_from_its_owners_file(land: Land) -> None:
    land.serve(land.a, 3)
    found = land.file(land.a)
    land.close(land.a)
    desk = land.desks["442000"]
    waiting = recovery.recover(desk, land.trust, land.opened(found))
    assert (waiting.accepted, waiting.endorsed, waiting.quorum) == (None, (), 1)
    # A peer is told, and endorses; told again, it answers the same.
    announced = land.b.size - 1
    assert land.tell(land.b, announced, land.c).state == "waiting"
    land.nodes["440300"].step()
    again = land.tell(land.b, announced, land.c)
    assert again.state == "done"
    assert again.position == land.c.size - 1
    land.tell(land.c, land.c.size - 1, land.b)
    waiting = recovery.recover(desk, land.trust, land.opened(found))
    assert (waiting.accepted, waiting.endorsed) == (None, ("440300",))
    land.later(2)
    done = recovery.recover(desk, land.trust, land.opened(found))
    assert done.accepted == land.b.size - 1
    assert recovery.recover(desk, land.trust, land.opened(found)).accepted == done.accepted
    home = land.b.ledger.record(Volunteer, VOLUNTEER)
    assert home is not None
    assert home.at_home
    assert home.epoch == 2
    rows = land.b.query(f"SELECT count(*), sum(minutes) FROM {land.b.schema}.entries")
    assert rows == [(3, 90)]


def test_a_recovered_record_moves_on_to_a_region_that_endorsed_it_and_knew_the_person(land: Land) -> None:
    world = land.c
    world.record("volunteer.visiting/1", issuer=builders.STATION, subject=VOLUNTEER, **visiting(land.a))
    found = begun(land)
    land.tell(land.b, land.b.size - 1, land.c)
    land.nodes["440300"].step()
    land.tell(land.c, land.c.size - 1, land.b)
    land.later(2)
    assert recovery.recover(land.desks["442000"], land.trust, land.opened(found)).accepted is not None
    transfer = land.regions.request(land.b, land.c).removeprefix("transfer:")
    requested = land.b.ledger.record(Transfer, transfer)
    assert requested is not None
    position = outgoing.offer(land.desks["442000"], requested).first
    message = incoming.check(land.desks["440300"], outgoing.message(land.desks["442000"], "", position))
    bundle = outgoing.bundle(land.desks["442000"], transfer, None)
    answer = incoming.decide(land.desks["440300"], message, lambda *_: bundle, b"\0" * 32)
    assert answer.state == "done"
    home = land.c.ledger.record(Volunteer, VOLUNTEER)
    assert home is not None
    assert home.at_home


def visiting(home: World) -> dict[str, Any]:
    consent = {"method": "form", "given": builders.TIME, "reference": "档案 2026-20"}
    return {"home": home.region, "home_origin": home.origin, "consent": consent, "key": builders.ABSENT}


def begun(land: Land) -> list[bytes]:
    """A recovery that was announced at the second region."""
    land.serve(land.a, 1)
    found = land.file(land.a)
    land.close(land.a)
    recovery.recover(land.desks["442000"], land.trust, land.opened(found))
    return found


def test_a_recovery_waits_for_its_days_and_its_quorum(land: Land) -> None:
    found = begun(land)
    land.later(2)
    assert recovery.recover(land.desks["442000"], land.trust, land.opened(found)).accepted is None
    assert land.b.ledger.record(Volunteer, VOLUNTEER) is None


def test_who_took_the_record_before_objects(land: Land) -> None:
    land.serve(land.a, 1)
    found = land.file(land.a)
    transfer = land.regions.offer(land.a, land.c)
    land.regions.accept(land.a, land.c, transfer)
    land.close(land.a)
    recovery.recover(land.desks["442000"], land.trust, land.opened(found))
    land.tell(land.b, land.b.size - 1, land.c)
    land.nodes["440300"].step()
    answered = decode_event(land.c.ledger.rows_at([land.c.size - 1])[land.c.size - 1].body or b"")
    assert isinstance(answered, RecoveryAnswered)
    assert answered.outcome == "objected"
    land.tell(land.c, land.c.size - 1, land.b)
    land.later(3)
    with pytest.raises(Conflict, match="440300"):
        recovery.recover(land.desks["442000"], land.trust, land.opened(found))
    assert land.b.ledger.record(Volunteer, VOLUNTEER) is None


def test_who_endorsed_takes_no_older_offer(land: Land) -> None:
    found = land.file(land.a)
    transfer = land.regions.offer(land.a, land.c)
    land.close(land.a)
    recovery.recover(land.desks["442000"], land.trust, land.opened(found))
    land.tell(land.b, land.b.size - 1, land.c)
    land.nodes["440300"].step()
    with land.c.unchanged(), pytest.raises(Refused) as refusal:
        land.regions.accept(land.a, land.c, transfer)
    assert "wrong-epoch" in {problem.code for problem in refusal.value.problems}


def test_a_peer_answers_only_once_its_federation_says_that_the_home_ended(land: Land) -> None:
    begun(land)
    closed, land.closed = land.closed, {}
    land.tell(land.b, land.b.size - 1, land.c)
    size = land.c.size
    land.nodes["440300"].step()
    assert land.c.size == size
    land.closed = closed
    land.c.now += DAY
    land.nodes["440300"].step()
    assert land.c.size == size + 1


def test_nothing_is_recovered_from_a_home_that_is_there(land: Land) -> None:
    found = land.file(land.a)
    with land.b.unchanged(), pytest.raises(Untrusted, match="does not say"):
        recovery.recover(land.desks["442000"], land.trust, land.opened(found))


def test_nothing_is_recovered_where_the_person_is_at_home(land: Land) -> None:
    found = land.file(land.a)
    land.close(land.a)
    land.b.enrol(VOLUNTEER)
    with land.b.unchanged(), pytest.raises(Refused) as refusal:
        recovery.recover(land.desks["442000"], land.trust, land.opened(found))
    assert {problem.code for problem in refusal.value.problems} == {"already-home"}


# -- peers that contradict themselves -------------------------------------------------------------------------


def test_a_log_that_signs_two_trees_of_one_size_is_caught(land: Land) -> None:
    land.serve(land.a, 1)
    data = outgoing.message(land.desks["441300"], "", 1)
    incoming.check(land.desks["442000"], data)
    # Another history of the same length, signed by the same key.
    with land.a.database.transaction() as cursor:
        other = notes.sign(Checkpoint(land.a.origin, land.a.size, b"\1" * 32).text(), [signing_key(land.a.origin)])
        schema = land.b.schema
        cursor.execute(f"UPDATE {schema}.sightings SET root = %s, note = %s", (b"\1" * 32, other))
    with pytest.raises(Forked):
        incoming.check(land.desks["442000"], data)
    ((kind, evidence),) = land.reports
    assert kind == "forked-log"
    assert misconduct.check(evidence, trusted).against == (land.a.origin,)


def test_two_acceptances_of_one_move_are_caught(land: Land) -> None:
    land.serve(land.a, 1)
    transfer = land.regions.offer(land.a, land.b)
    land.regions.accept(land.a, land.b, transfer)
    first = land.regions.decided(land.b, transfer)
    # A region that cheats takes it once more: its own rules are not asked.
    with land.b.database.transaction() as cursor:
        name = transfer.removeprefix("transfer:")
        cursor.execute(f"DELETE FROM {land.b.schema}.transfers WHERE id = %s", (name,))
        cursor.execute(f"DELETE FROM {land.b.schema}.volunteers")
        cursor.execute(f"DELETE FROM {land.b.schema}.entries")
        cursor.execute(f"DELETE FROM {land.b.schema}.keys WHERE issuer = %s", (VOLUNTEER,))
        cursor.execute(f"DELETE FROM {land.b.schema}.claims WHERE holder = %s", (VOLUNTEER,))
    again = land.regions.accept(land.a, land.b, transfer)
    assert land.tell(land.b, first, land.a).state == "done"
    with pytest.raises(Forked):
        land.tell(land.b, again, land.a)
    ((kind, evidence),) = land.reports
    assert kind == "two-acceptances"
    assert misconduct.check(evidence, trusted).kind == "two-acceptances"


def test_a_closed_log_is_believed_up_to_its_end_alone(land: Land) -> None:
    land.close(land.a)
    land.serve(land.a, 1)
    with pytest.raises(Untrusted, match="ended with"):
        incoming.check(land.desks["442000"], outgoing.message(land.desks["441300"], "", land.a.size - 1))


def test_an_offer_waits_while_the_end_of_an_own_one_is_not_known(land: Land) -> None:
    land.serve(land.a, 1)
    first = land.regions.offer(land.a, land.b)
    land.regions.accept(land.a, land.b, first)
    back = land.regions.offer(land.b, land.a)
    message = incoming.check(
        land.desks["441300"],
        outgoing.message(land.desks["442000"], "", land.regions.decided(land.b, back)),
    )
    with land.a.unchanged(), pytest.raises(NotYet, match="its end comes first"):
        incoming.decide(land.desks["441300"], message, Nobody().fetch, b"\0" * 32)
