"""The home's side: it offers a record, hands out the bundle, and tells others what happened here."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from ledger.app.intake import Accepted
from ledger.domain.state import Transfer, Volunteer
from ledger.errors import Conflict, Corrupt, NotFound, NotYet
from ledger.events import private_details
from ledger.events.body import decode_event
from ledger.events.transfer import TransferOffered
from ledger.evidence import wire
from ledger.evidence.evidence import Evidence
from ledger.exchange import bundles, doubts, manifest
from ledger.exchange.desk import Desk
from ledger.exchange.manifest import Proofs, Record
from ledger.ids import format_time
from ledger.limits import TRANSFER_OFFER_SECONDS
from ledger.store.exchange import imports, records


def offer(desk: Desk, requested: Transfer, seconds: int = TRANSFER_OFFER_SECONDS) -> Accepted:
    """Log the offer of a record whose move was requested, as the published checkpoint covers it.

    Raise NotYet while that does not cover the request.
    """
    volunteer = desk.ledger.record(Volunteer, requested.volunteer)
    if volunteer is None or requested.state != "requested":
        raise Conflict(f"transfer {requested.id} is {requested.state}")
    if doubts.explain(desk, [volunteer.id]):
        raise NotYet("what is in doubt was said of each entry, and no checkpoint covers that yet")
    with desk.proofs() as (proofs, size):
        if max(requested.opened, doubts.last(desk, volunteer.id)) >= size:
            raise NotYet("no published checkpoint covers the request yet")
        record = manifest.collect_all(proofs.cursor, desk.ledger.schema, desk.origin, volunteer.id, size)
        keys = _keys(desk, proofs, record)
    details = _details(desk, volunteer.id)
    return desk.issuer.issue(
        TransferOffered(
            **desk.issuer.common(f"transfer:{requested.id}"),
            volunteer=volunteer.id,
            aliases=record.ids[1:],
            to=requested.peer,
            to_origin=requested.peer_origin,
            epoch=volunteer.epoch + 1,
            size=size,
            events=len(record.kept),
            root=record.root,
            entries=record.entries,
            sums=record.sums,
            key_events=len(keys),
            key_root=manifest.root_of(key.entry for key in keys),
            expires=format_time(desk.ledger.now() + seconds),
            details=private_details.identity_of(details) if details else UNSET,
        )
    )


def _keys(desk: Desk, proofs: Proofs, record: Record) -> list[Evidence]:
    """Through whose hands the record went, and all about the keys of who signed it, of the person and the regions."""
    names = records.custody(proofs.cursor, desk.ledger.schema, desk.origin, record.ids, record.size)
    passed = proofs.named(names)
    signers = record.signed_by(desk.origin, desk.code) | manifest.signers(passed)
    found = {(one.origin, one.position): one for one in (*passed, *proofs.support(signers, record.size))}
    return [found[name] for name in sorted(found)]


def _details(desk: Desk, volunteer: str) -> bytes | None:
    kept = desk.ledger.private(volunteer)
    return kept[-1].details if kept else None


def offered(desk: Desk, transfer: str) -> tuple[TransferOffered, int]:
    """The offer of a transfer, and its position; raise NotFound."""
    for row in desk.ledger.stream(f"transfer:{transfer}"):
        if row.topic == "transfer.offered/1":
            event = decode_event(row.body or b"")
            assert isinstance(event, TransferOffered)
            return event, row.position
    raise NotFound(f"no offer of transfer {transfer} here")


def bundle(desk: Desk, transfer: str, sealing_key: str | None) -> Iterator[bytes]:
    """The bundle of an offer, in lines, for the region it was made to; `sealing_key` is that region's.

    Raise NotFound for a transfer that is not offered; a second time the same, as often as it is asked for.
    """
    offer_made, _ = offered(desk, transfer)
    details = _details(desk, offer_made.volunteer) if isinstance(offer_made.details, str) else None
    sealed = None
    if details is not None and sealing_key is not None:
        info = private_details.sealing_info(transfer, desk.origin, offer_made.to_origin)
        sealed = private_details.seal_for(sealing_key, details, info)
    with desk.proofs() as (proofs, _):
        ids = (offer_made.volunteer, *offer_made.aliases)
        record = manifest.collect(proofs.cursor, desk.ledger.schema, desk.origin, ids, offer_made.size)
        if record.root != offer_made.root:
            raise Corrupt(f"the record of {offer_made.volunteer} is not the one that was offered")
        keys = _keys(desk, proofs, record)
        yield from bundles.lines(offer_made, record.listed(desk.origin), keys, proofs.of(record.kept), sealed)


def message(desk: Desk, origin: str, position: int) -> bytes:
    """The message that tells a peer of an event: its evidence, and that of its signer's keys.

    `origin` is empty for an event of this log. Raise NotYet until a published checkpoint covers it.
    """
    name = (origin or desk.origin, position)
    with desk.proofs() as (proofs, size):
        (told,) = proofs.named([name])
        passed = proofs.named(_custody(desk, proofs, told, size))
        keys = proofs.support(manifest.signers([told, *passed]), size)
    found = {(one.origin, one.position): one for one in (*passed, *keys)}
    return wire.message([told, *(found[one] for one in sorted(found))])


def _custody(desk: Desk, proofs: Proofs, told: Evidence, size: int) -> list[imports.Name]:
    """Through whose hands the record went, when what is told changes an entry of another log: homes alone may."""
    event = decode_event(told.body)
    if not isinstance(getattr(event, "origin", None), str):
        return []
    known = desk.ledger.record(Volunteer, event.subject)
    here = event.subject if known is None or known.alias_of is None else known.alias_of
    ids = [here, *records.aliases(proofs.cursor, desk.ledger.schema, here)]
    found = records.custody(proofs.cursor, desk.ledger.schema, desk.origin, ids, size)
    return [name for name in found if name != (told.origin, told.position)]
