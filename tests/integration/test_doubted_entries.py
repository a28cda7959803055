"""What a lost key or a disclaimed record puts in doubt stays in doubt wherever the record goes."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.domain.state import Transfer
from ledger.errors import NotYet
from ledger.exchange import doubts, outgoing, stating
from tests.integration.test_lost_regions import Land
from tests.integration.world import World
from tests.support.builders import STATION, VOLUNTEER, vkey
from tests.support.exchanging import evidence_at


@pytest.fixture
def land(database: Any) -> Land:
    return Land(database)


def suspect(world: World) -> None:
    """The station's first key turns out to have been lost from the beginning."""
    key_id = vkey(STATION).split("+")[1]
    world.record("organisation.key_revoked/1", subject=STATION, issuer=world.authority, key_id=key_id, suspect_from=0)


def disputed(world: World) -> list[tuple[str, str]]:
    rows = world.query(f"SELECT id, disputed_by FROM {world.schema}.entries WHERE disputed_by IS NOT NULL ORDER BY id")
    return [(str(name), by) for name, by in rows]


def test_an_offer_says_of_each_entry_what_a_lost_key_put_in_doubt(land: Land) -> None:
    land.serve(land.a, 2)
    suspect(land.a)
    transfer = land.regions.request(land.a, land.b).removeprefix("transfer:")
    desk = land.desks["441300"]
    requested = land.a.ledger.record(Transfer, transfer)
    assert requested is not None
    with pytest.raises(NotYet):
        outgoing.offer(desk, requested)
    outgoing.offer(desk, requested)
    offer, _ = outgoing.offered(desk, transfer)
    assert [(one.state, one.entries, one.minutes) for one in offer.sums] == [("disputed", 2, 60)]
    land.regions.accept(land.a, land.b, f"transfer:{transfer}")
    assert [by for _, by in disputed(land.b)] == [land.a.authority] * 2
    assert doubts.explain(desk, [VOLUNTEER]) == 0


def test_a_statement_says_it_too(land: Land) -> None:
    land.serve(land.a, 1)
    suspect(land.a)
    stated, _ = stating.state(land.desks["441300"], VOLUNTEER)
    assert [(one.state, one.entries) for one in stated.sums] == [("disputed", 1)]


def test_what_a_volunteer_disputed_is_not_said_again(land: Land) -> None:
    land.serve(land.a, 1)
    (entry,) = [row.event_id for row in land.a.ledger.stream(VOLUNTEER) if row.topic == "hours.recorded/1"]
    land.a.record("hours.disputed/1", entry=entry)
    assert doubts.explain(land.desks["441300"], [VOLUNTEER]) == 0


def test_what_is_put_in_doubt_after_a_move_is_told_to_the_new_home(land: Land) -> None:
    land.serve(land.a, 1)
    land.regions.move(land.a, land.b)
    assert disputed(land.b) == []
    suspect(land.a)
    node = land.nodes["441300"]
    assert node.step()
    told = land.a.size - 1
    assert land.tell(land.a, told, land.b).state == "done"
    assert disputed(land.b) == disputed(land.a)
    assert not node.step()
    assert evidence_at(land.a, [told])[0].position == told
