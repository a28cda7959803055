"""When the destination of an offer is gone: its record is looked through before anything is cancelled."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.app.arrivals import Brought
from ledger.app.intake import Accepted
from ledger.crypto.encoding import encode_base64url
from ledger.domain.state import Transfer
from ledger.errors import Conflict, NotFound, Untrusted
from ledger.events.transfer import Closure, TransferAccepted, TransferCancelled
from ledger.exchange import mirror
from ledger.exchange.desk import Desk
from ledger.federation.trust_bundle import Trust


def withdraw(desk: Desk, transfer: str) -> Accepted:
    """Cancel a move that was requested and never offered: nobody else knows of it."""
    found = desk.ledger.record(Transfer, transfer)
    if found is None:
        raise NotFound(f"no transfer {transfer} here")
    if found.state != "requested":
        raise Conflict(f"the transfer is {found.state}: an offer is cancelled with the other side's proof alone")
    return desk.issuer.issue(TransferCancelled(**desk.issuer.common(f"transfer:{transfer}"), volunteer=found.volunteer))


def cancel(desk: Desk, transfer: str, trust: Trust, lines: Iterable[bytes]) -> Accepted:
    """Cancel an offer to a region that has ended, after its mirrored log showed that it never accepted.

    `trust` is a federation file that says where the log ended. Raise Untrusted when that or the mirror does not show
    it, Conflict when the log holds an acceptance.
    """
    found = desk.ledger.record(Transfer, transfer)
    if found is None or not found.outgoing or found.state != "offered":
        raise NotFound(f"no offer of transfer {transfer} is open here")
    region = trust.by_origin(found.peer_origin)
    last = None if region is None else region.last_checkpoint()
    if last is None:
        raise Untrusted(f"the federation does not say where the log {found.peer_origin} ended")
    for position, event in mirror.events_of(lines, last):
        if event is None:
            raise Untrusted(f"what stood at position {position} was erased there, so the mirror cannot show it")
        if isinstance(event, TransferAccepted) and event.subject == f"transfer:{transfer}":
            raise Conflict(f"the record was accepted at position {position} before the log ended")
    federation = trust.federation
    made = TransferCancelled(
        **desk.issuer.common(f"transfer:{transfer}"),
        volunteer=found.volunteer,
        closure=Closure(
            federation=federation.name, serial=federation.serial, size=last.size, root=encode_base64url(last.root)
        ),
    )
    return desk.issuer.issue(made, Brought(sender=found.peer))
