"""A person arrives: who they are here, under which keys, and their record, replayed in the order it came in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import UNSET

from ledger.crypto.encoding import encode_base64url
from ledger.crypto.keys import parse_vkey
from ledger.domain.peers import hops_of, replayed
from ledger.domain.registration import identity_claim, key_claim, new_key
from ledger.domain.rule import Violation
from ledger.domain.state import (
    Arrived,
    Claim,
    Entry,
    KeyRecord,
    Moment,
    Need,
    Receipt,
    Record,
    State,
    Volunteer,
    person,
    replace,
)
from ledger.domain.transfer_state import ids_of
from ledger.events.body import RECORD_TYPES
from ledger.events.registration import VolunteerKeyRevoked
from ledger.events.transfer import TransferAccepted
from ledger.limits import EPOCH_JUMP_MAX
from ledger.tlog import merkle

# -- who arrives ----------------------------------------------------------------------------------


def check_arrival(state: State, event: TransferAccepted, moment: Moment) -> Iterator[Violation]:
    """Nobody arrives twice, where they are at home, or from a region that the record never went to."""
    for name in ids_of(event):
        known = state.get(Volunteer, person(state, name))
        if known is None:
            continue
        if known.at_home:
            yield Violation("already-home", f"{name} is at home here", "/volunteer")
        if known.epoch >= event.epoch:
            yield Violation("wrong-epoch", f"{name} has made move {known.epoch} already", "/epoch")
        elif not (known.at_home or _came_through(state, event, moment, known)):
            yield Violation("custody-broken", f"nothing shows how {name} came from {known.home} to there", "/home")
    joined = joined_by(state, event, moment)
    made = [one.epoch for name in (*ids_of(event), joined or "") if (one := state.get(Volunteer, person(state, name)))]
    if event.epoch > max(made, default=0) + EPOCH_JUMP_MAX:
        yield Violation("wrong-epoch", f"that is more than {EPOCH_JUMP_MAX} moves after the last known here", "/epoch")
    if (event.joined if isinstance(event.joined, str) else None) != joined:
        yield Violation("wrong-join", f"the person is known here as {joined}", "/joined")
    elif joined and (found := state.get(Volunteer, joined)):
        if found.transfer or found.status == "disclaimed":
            yield Violation("record-frozen", f"the record of {joined} is under way or disclaimed", "/joined")
        if found.at_home and event.keys:
            # Another region's word on a document joins two records; it does not hand out the one that is here.
            yield Violation("keys-not-taken", f"{joined} signs with the keys that are known here", "/keys")


def _came_through(state: State, event: TransferAccepted, moment: Moment, known: Volunteer) -> bool:
    """Whether acceptances of offers, in their own logs, lead from the last home known here to the one that offers.

    Otherwise any region could offer a record that it never had, or had once.
    """
    if known.status == "noted" or event.recovery is not UNSET:
        return True
    home = known.home
    for epoch, start, end in hops_of(state, known.id, moment):
        if start == home and known.epoch < epoch < event.epoch:
            home = end
    return home == event.home


def joined_by(state: State, event: TransferAccepted, moment: Moment) -> str | None:
    """The id by which this ledger already knows the person who arrives, if that is another.

    It is the one at home here that holds the same identity number; else the first of those arriving that is known here,
    or the id that it is an alias of.
    """
    claim = identity_claim(moment.claim)
    held = state.get(Claim, claim) if claim else None
    holder = state.get(Volunteer, held.holder) if held else None
    if holder is not None and holder.at_home:
        return None if holder.id == event.volunteer else holder.id
    known = [one for name in ids_of(event) if (one := state.get(Volunteer, name))]
    name = next((one.alias_of or one.id for one in known), event.volunteer)
    return None if name == event.volunteer else name


def arrived_people(state: State, event: TransferAccepted, moment: Moment, here: str) -> Iterable[Record]:
    """The person at home here, by all their ids; `here` is the one under which the record is kept."""
    region = f"region:{moment.region}"
    claim = identity_claim(moment.claim)
    status = "unverified" if claim is None else "verified"
    for name in dict.fromkeys((here, *ids_of(event))):
        known = state.get(Volunteer, name) or Volunteer(id=name, status=status, registrar=region)
        status_now = status if known.status in ("visiting", "noted") else known.status
        alias = None if name == here else here
        yield replace(
            known, status=status_now, home=None, epoch=max(event.epoch, known.epoch), transfer=None, alias_of=alias
        )
    if claim is not None:
        yield Claim(kind=claim[0], key=claim[1], holder=here)


def arrived_keys(state: State, event: TransferAccepted, moment: Moment) -> Iterable[Record]:
    """The keys that arrived, but for those that somebody has here; and what was revoked on the way ends here too."""
    for one in moment.support:
        if isinstance(one.event, VolunteerKeyRevoked) and one.origin and one.event.subject in ids_of(event):
            known = state.get(KeyRecord, (one.event.subject, one.event.key_id))
            if known is not None and known.revoked is None:
                yield replace(known, revoked=moment.position)
    for text in event.keys:
        key = parse_vkey(text)
        if state.get(KeyRecord, (key.name, key.id)) is None and state.get(Claim, key_claim(text)) is None:
            yield from new_key(key.name, text, moment)


# -- what arrives ---------------------------------------------------------------------------------


def needs_arrival(event: TransferAccepted) -> Iterable[Need]:
    """What replaying the record asks for: a projection needs no more."""
    for name in ids_of(event):
        yield Need(Volunteer, name)
        yield Need(Entry, group=name)
        yield Need(KeyRecord, group=name)


def record_of(moment: Moment) -> Sequence[Arrived]:
    """The events of the record that was brought along, behind what the event cites."""
    return [one for one in moment.arrived or () if one.topic in RECORD_TYPES]


def check_record(state: State, event: TransferAccepted, moment: Moment) -> Iterator[Violation]:
    """What was brought along is the record that is accepted, in its order."""
    if moment.arrived is None:
        return  # which is told of what it cites
    entries = [one.entry for one in record_of(moment)[: event.events]]
    stated = encode_base64url(merkle.entries_root(entries))
    if (len(entries), stated) != (event.events, event.root):
        yield Violation("wrong-record", "the events that were brought along are not those of this record", "/root")
    ids = {person(state, name) for name in ids_of(event)}
    recorded: set[tuple[str, str]] = set()
    for one in record_of(moment):
        if one.topic != "hours.recorded/1":
            continue
        known = state.get(Entry, (one.event.id, one.origin))
        if (one.event.id, one.origin) in recorded or (known is not None and known.volunteer not in ids):
            yield Violation("entry-known", f"{one.event.id} stands there twice, or is another person's here", "/root")
            return
        recorded.add((one.event.id, one.origin))


def replay(event: TransferAccepted, moment: Moment, here: str) -> Iterable[Record]:
    """The entries of a record that arrived, in the order it came in; what is known here beyond it comes last."""
    known = State()
    for name in ids_of(event):
        known.load(Volunteer(id=name, status="", registrar="", alias_of=None if name == here else here))
    record = record_of(moment)
    for turn, one in enumerate(record):
        yield Receipt(at=moment.position, turn=turn, origin=one.origin, position=one.position)
        for found in replayed(known, one, moment, turn + 1):
            known.put(found)
    for turn, entry in enumerate(sorted(known.all(Entry), key=_precedence)):
        yield replace(entry, rank=moment.position, turn=turn)


def _precedence(entry: Entry) -> tuple[int, int]:
    return entry.precedence
