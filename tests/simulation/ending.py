"""What must have come of every run once nothing stands in the way any more."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from ledger.audit.log import audit_published
from ledger.audit.shares import Report
from ledger.errors import LedgerError
from ledger.store.exchange import inbox, outbox
from tests.simulation import actions
from tests.simulation.run import Run
from tests.simulation.site import Site, Violated

ROUNDS: Final = 60
"""After which something goes in circles."""


def settle(run: Run) -> None:
    """Mend everything, let everybody work in turn until nothing is left, and check the end; raise Violated."""
    _mend(run)
    rounds = 0
    while _work(run):
        rounds += 1
        if rounds > ROUNDS:
            raise Violated("it does not come to an end")
    report = run.check()
    _check_report(report)
    _check_moves(run)
    _check_known(run)
    for site in run.sites:
        _check_site(site, report)


def _mend(run: Run) -> None:
    """Clocks, connections, databases and trust as they should be; and some time passes, so that clocks that were
    ahead find due what they put off.
    """
    run.pass_time(24 * 3600)
    run.network.apart.clear()
    run.network.mode, run.network.cut = "whole", None
    ahead = max(site.offset for site in run.sites)
    for site in run.sites:
        site.database.left = None
        site.offset = ahead
        site.tick(run.elapsed)
        actions.heal(run, site, 0, 0)
        site.publish()
    for site in run.sites:
        _recognise_all(run, site)
    while run.network.late:
        _take_late(run)
    for site in run.sites:  # what was put aside while a peer was dismissed: an operator tries again
        with site.database.transaction() as cursor:
            outbox.retry(cursor, site.name, 0)
            inbox.retry(cursor, site.name, 0)


def _recognise_all(run: Run, site: Site) -> None:
    rows = site.world.query(
        f"SELECT region FROM {site.name}.peers GROUP BY region HAVING bool_and(dismissed IS NOT NULL)"
    )
    for (code,) in rows:
        if code in run.codes:
            actions.trust(run, site, run.codes.index(code), 0)


def _take_late(run: Run) -> None:
    with contextlib.suppress(LedgerError):
        run.network.arrive(0)


def _work(run: Run) -> bool:
    worked = False
    run.pass_time(3600)  # whatever waits to be tried again is due
    for site in run.sites:
        run.network.asking = site.code
        while site.follow():
            worked = True
        site.publish()
        while (row := site.take([])) is not None:
            worked |= site.tell(row, run.network.send) != "waiting"
        worked |= site.node.step()
    return worked


def _check_report(report: Report) -> None:
    for code, share in report.regions.items():
        left = [share.way, share.aside, *share.transit.values()]
        if any(one.entries for one in left):
            raise Violated(f"not everything has come home from {code}: {share}")


def _check_moves(run: Run) -> None:
    for site in run.sites:
        rows = site.world.query(f"SELECT id, state, outgoing FROM {site.name}.transfers WHERE outgoing")
        for name, state, _ in rows:
            if state not in ("closed", "cancelled"):
                raise Violated(f"transfer {name} is still {state} in {site.code}")


def _check_known(run: Run) -> None:
    """Whatever was said of an entry, anywhere, is known in the region that recorded it."""
    for site in run.sites:
        for topic, position, entry, origin in _changes(site):
            at = next(one for one in run.sites if one.world.origin == (origin or site.world.origin))
            if at is site or not _moved(entry, run):
                continue
            [(known,)] = at.world.query(
                f"SELECT count(*) FROM {at.name}.imports WHERE (origin, position) = (%s, %s)",
                site.world.origin,
                position,
            )
            if not known:
                raise Violated(f"{topic} at position {position} of {site.code} is not known in {at.code}")


def _moved(entry: str, run: Run) -> bool:
    return any(one.id == entry for one in run.recorded)


def _changes(site: Site) -> list[tuple[Any, ...]]:
    text = "convert_from(body, 'UTF8')::jsonb"
    return site.world.query(
        f"SELECT topic, position, {text} ->> 'entry', {text} ->> 'origin' FROM {site.name}.events"
        " WHERE topic IN ('hours.approved/1', 'hours.disputed/1', 'hours.decided/1')"
    )


def _check_site(site: Site, report: Report) -> None:
    """The log is whole, and totals are what a rebuild makes of it, and what is at home."""
    site.publish()
    with site.database.read() as cursor:
        found = audit_published(cursor, site.name, site.code, site.world.origin, site.publisher.published)
    if not found.ok:
        raise Violated(f"audit of {site.code}: {[one.detail for one in found.findings]}")
    site.add_up()
    [(minutes,)] = site.world.query(
        f"SELECT coalesce(sum(t.minutes), 0)::bigint FROM {site.name}_totals.volunteer_totals t"
        f" JOIN {site.name}.volunteers v ON v.id = t.volunteer WHERE v.home IS NULL AND v.alias_of IS NULL"
    )
    if minutes != report.regions[site.code].home.minutes:
        raise Violated(f"totals of {site.code} are {minutes}, and {report.regions[site.code].home} are at home")
    for table, rows in site.rebuilt().items():
        raise Violated(f"a rebuild of {site.code} differs in {table}: {rows}")
