"""What may happen in a run.

An action is a name and three small numbers that choose among what there is by remainder, so that a script stays one
whichever of its actions are left out. What the rules refuse is an action without effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ledger.domain.state import Volunteer
from ledger.errors import Corrupt, LedgerError
from ledger.exchange import cancelling
from ledger.ids import format_time, instant
from tests.integration.world import DAY
from tests.simulation import copies
from tests.simulation.network import MODES
from tests.simulation.run import Recorded, Run
from tests.simulation.site import Crash, Site, Violated
from tests.simulation.stage import ACTIVITIES, CONSENT, person
from tests.support import builders
from tests.support.builders import ABSENT, GROUP, STATION

Action = tuple[str, int, int, int]
SECONDS: Final = 5
"""That pass with every action."""
_HOUR, _DAY = 3600, 24 * 3600
CLOCKS: Final = (-2 * _HOUR, -600, 600, 3 * _HOUR, 8 * _DAY, 15 * _DAY)
"""By how much a clock may go wrong: an offer stands for two weeks."""


def act(run: Run, action: Action) -> None:
    """Carry out an action, then look whether everything still holds."""
    name, where, one, two = action
    run.pass_time(SECONDS)
    site = run.sites[where % len(run.sites)]
    run.network.asking = site.code
    try:
        ACTIONS[name](run, site, one, two)
    except Crash as crash:
        run.reboot(crash.region)
    except Corrupt:
        raise
    except LedgerError:
        pass  # refused, or out of reach
    run.network.mode, run.network.cut, run.network.spoil = "whole", None, None
    run.look()


# -- people ---------------------------------------------------------------------------------------


def record(run: Run, site: Site, who: int, slot: int) -> None:
    """An organisation records half an hour; somebody who is not known there visits first."""
    someone = run.people[who % len(run.people)]
    known, homes = run.homes(someone)
    if not known:
        return  # the one region that knows them has an old database
    if site not in known:
        home = (homes or known)[0] if slot % 3 else known[slot % len(known)]  # the present one, or one before
        named = {"home": home.code, "home_origin": home.world.origin, "key": builders.vkey(someone.id)}
        run.submit(site, "volunteer.visiting/1", {"issuer": someone.id, "subject": someone.id, **named})
    issuer = (STATION, GROUP)[slot % 2]
    start = instant(f"{DAY}T06:00:00+08:00") + slot % 33 * 600
    members = {
        "issuer": issuer,
        "subject": someone.id,
        "activity": ACTIVITIES[issuer],
        "evidence": ("check-in", "manual")[slot % 5 == 0],
        "start": format_time(start),
        "end": format_time(start + 1800),
        "minutes": 30,
    }
    name = run.submit(site, "hours.recorded/1", members, by=int(slot % 4 == 0))
    run.recorded.append(Recorded(site.code, name, someone, issuer))


def change(run: Run, site: Site, which: int, how: int) -> None:
    """Correct, withdraw, approve, dispute or decide some entry, where it was recorded, at home, or elsewhere."""
    if not run.recorded:
        return
    entry = run.recorded[which % len(run.recorded)]
    _, homes = run.homes(entry.person)
    site = [run.network.sites[entry.region], *homes, site][which // 7 % (len(homes) + 2)]
    native = {"subject": entry.person.id, "entry": entry.id, "origin": ABSENT}
    anywhere = {**native, "origin": ABSENT if entry.region == site.code else f"ledger.example/{entry.region}"}
    match how % 6:
        case 0:
            span = {"start": f"{DAY}T08:00:00+08:00", "end": f"{DAY}T08:20:00+08:00", "minutes": 20}
            fields = {"activity": ACTIVITIES[entry.issuer], "evidence": ("check-in", "manual")[how % 5 == 0], **span}
            run.submit(site, "hours.corrected/1", {"issuer": entry.issuer, **native, **fields})
        case 1:
            run.submit(site, "hours.withdrawn/1", {"issuer": entry.issuer, **native})
        case 2:
            run.submit(site, "hours.approved/1", {"issuer": entry.person.id, **anywhere})
        case 3:
            run.submit(site, "hours.disputed/1", {"issuer": entry.person.id, **anywhere})
        case 4:
            run.submit(site, "hours.decided/1", {"issuer": site.world.authority, **anywhere})
        case _:
            run.submit(site, "hours.approved/1", {"issuer": entry.issuer, **native}, by=how % 2)


def request(run: Run, site: Site, who: int, to: int) -> None:
    """Somebody asks to move, at home, or where they believe to be at home."""
    someone = run.people[who % len(run.people)]
    _, homes = run.homes(someone)
    site = site if who // 7 % 4 == 0 or not homes else homes[0]
    others = [one for one in run.sites if one is not site]
    there = others[to % len(others)].world
    moved = {"volunteer": someone.id, "to": there.region, "to_origin": there.origin}
    run.submit(site, "transfer.requested/1", {"issuer": someone.id, "subject": f"transfer:{run.id()}", **moved})


def withdraw(run: Run, site: Site, which: int, _: int) -> None:
    """A request is withdrawn that was not offered yet."""
    rows = site.world.query(f"SELECT id::text FROM {site.name}.transfers WHERE outgoing ORDER BY opened")
    if rows:
        cancelling.withdraw(site.desk, rows[which % len(rows)][0])


def twin(run: Run, site: Site, _one: int, _two: int) -> None:
    """The first person is registered once more, elsewhere, by another id: the document is the same."""
    known, _ = run.homes(person(2))
    if known or site.world.ledger.record(Volunteer, person(0).id) is not None:
        return
    who = person(2)
    members = {"issuer": STATION, "subject": who.id, "consent": CONSENT, "key": builders.vkey(who.id)}
    run.submit(site, "volunteer.registered/1", members, private=who.details)
    run.people.append(who)


def lose_key(run: Run, site: Site, which: int, since: int) -> None:
    """An organisation's second key is lost: what it signed from some position on is in doubt."""
    issuer = (STATION, GROUP)[which % 2]
    key = builders.signing_key(issuer, 1).verifier.id
    members = {"issuer": site.world.authority, "subject": issuer, "key_id": key, "suspect_from": since % 24}
    run.submit(site, "organisation.key_revoked/1", members)


def trust(run: Run, site: Site, peer: int, how: int) -> None:
    """A peer is dismissed, or recognised again."""
    other = run.sites[peer % len(run.sites)].world
    members: dict[str, Any] = {"issuer": site.world.authority, "subject": site.world.authority}
    if other is site.world:
        return
    if how % 2:
        run.submit(site, "region.peer_dismissed/1", {**members, "peer_origin": other.origin})
    else:
        named = {"peer": other.region, "peer_origin": other.origin, "log_key": builders.vkey(other.origin)}
        run.submit(site, "region.peer_recognised/1", {**members, **named})


# -- regions --------------------------------------------------------------------------------------


def follow(run: Run, site: Site, _one: int, _two: int) -> None:
    """The followers take up what is new in the log."""
    site.follow()
    site.add_up()


def step(run: Run, site: Site, cut: int, published: int) -> None:
    """The node goes on, perhaps with a bundle that is cut off, or spoilt."""
    if published % 4:
        site.publish()
    run.network.cut = cut % 40 if cut % 3 == 0 else None
    run.network.spoil = cut % 40 if cut % 7 == 1 else None
    site.node.step()


def work(run: Run, site: Site, messages: int, _: int) -> None:
    """A region does what there is to do, and nothing goes wrong by the way."""
    site.follow()
    site.publish()
    site.node.step()
    site.publish()
    for _ in range(messages % 6):
        if (row := site.take([])) is not None:
            site.tell(row, run.network.send)


def deliver(run: Run, site: Site, mode: int, peer: int) -> None:
    """A region that has one sends a message that is due, perhaps not the oldest of all."""
    first = run.sites.index(site)
    for one in (*run.sites[first:], *run.sites[:first]):
        others = [code for code in run.codes if code != one.code]
        row = one.take([others[peer % len(others)]] if peer % 3 == 0 else [])
        if row is not None:
            if peer % 4:
                one.publish()
            run.network.asking, run.network.mode = one.code, MODES[mode % len(MODES)]
            one.tell(row, run.network.send)
            return


def arrive(run: Run, _site: Site, number: int, _two: int) -> None:
    """A message that was given up arrives after all."""
    if run.network.late:
        run.network.arrive(number)


def part(run: Run, site: Site, other: int, how: int) -> None:
    """Two regions do not reach each other any more, or again."""
    pair = frozenset((site.code, run.codes[other % len(run.codes)]))
    if len(pair) == 2 and how % 2:
        run.network.apart.add(pair)
    else:
        run.network.apart.discard(pair)


def crash(run: Run, site: Site, commits: int, after: int) -> None:
    """The region will die at one of its next commits, just before it or just after."""
    site.database.left, site.database.after = commits % 4, bool(after % 2)


def clock(run: Run, site: Site, by: int, _: int) -> None:
    """A clock goes wrong."""
    site.offset += CLOCKS[by % len(CLOCKS)]
    site.tick(run.elapsed)


def back_up(run: Run, site: Site, _one: int, _two: int) -> None:
    """A copy of the database is made."""
    if site.failure is None:
        with site.database.transaction("ISOLATION LEVEL REPEATABLE READ") as cursor:
            copies.copy(cursor, site.name, f"backup_{site.code}")
        run.backed_up.add(site.code)


def restore(run: Run, site: Site, _one: int, _two: int) -> None:
    """The database is replaced by an old copy; a log that has signed more must refuse to go on."""
    if site.failure is not None or site.code not in run.backed_up:
        return
    site.database.left = None
    site.publish()
    size = site.world.size
    with site.database.transaction() as cursor:
        copies.copy(cursor, site.name, f"newest_{site.code}")
        copies.copy(cursor, f"backup_{site.code}", site.name)
    lacking = site.world.size < size
    run.reboot(site.code)
    if not lacking:
        put_back(run, site)  # nothing tells such a copy from the newest, but messages that only the inbox held
    elif site.failure is None:
        raise Violated(f"{site.code} signs on over a database older than what it signed")


def heal(run: Run, site: Site, _one: int, _two: int) -> None:
    """The newest copy is found after all."""
    if site.failure is not None:
        put_back(run, site)


def put_back(run: Run, site: Site) -> None:
    """Have the newest copy in the place of an old one; the log goes on from there."""
    site.database.left = None
    with site.database.transaction() as cursor:
        copies.copy(cursor, f"newest_{site.code}", site.name)
    site.failure = None
    run.reboot(site.code)
    if site.failure is not None:
        raise Violated(f"{site.code} does not go on with its newest database: {site.failure}")


ACTIONS: Final[dict[str, Callable[[Run, Site, int, int], None]]] = {
    one.__name__: one
    for one in (
        *(record, change, request, withdraw, twin, lose_key, trust),
        *(follow, step, work, deliver, arrive, part, crash, clock, back_up, restore, heal),
    )
}
