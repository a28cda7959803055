"""What a record comes to, folded from its events alone: a home that offers it and whoever checks it agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ledger.domain.entry_states import contested_among, state_of
from ledger.domain.peers import replayed
from ledger.domain.state import Arrived, Entry, Moment, State, Volunteer
from ledger.events.transfer import StateSum


def sums_of(record: Sequence[Arrived], ids: Sequence[str], own_origin: str = "") -> tuple[StateSum, ...]:
    """What the entries of a record come to, by category and state.

    `record` holds its events in record order. `ids` are the person's, the one under which the record is kept first.
    `own_origin` is the log that `Arrived.origin` leaves empty, if it does so for one.
    """
    entries = entries_of(record, ids, own_origin)
    contested = contested_among(entries)
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for entry in entries:
        sums = found[entry.category, state_of(entry, entry.identity in contested)]
        sums[0] += 1
        sums[1] += entry.minutes
    return tuple(
        StateSum(category=category, state=state, entries=entries, minutes=minutes)  # type: ignore[arg-type]
        for (category, state), (entries, minutes) in sorted(found.items())
    )


def entries_of(record: Sequence[Arrived], ids: Sequence[str], own_origin: str = "") -> list[Entry]:
    """The entries as the events of a record leave them, one after the other, by the rules that admitted them."""
    state = State()
    for name in ids:
        state.load(Volunteer(id=name, status="", registrar="", alias_of=None if name == ids[0] else ids[0]))
    moment = Moment(position=0, now=0, key_id="", region="", origin=own_origin)
    for turn, one in enumerate(record, 1):
        for found in replayed(state, one, moment, turn):
            state.put(found)
    return list(state.all(Entry))
