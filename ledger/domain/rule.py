"""What a rule answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ledger.domain.state import Moment, Need, Record, State


class Violation(NamedTuple):
    """A broken rule: a stable code, words for people, and the JSON pointer of the field."""

    code: str
    detail: str
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one event type is decided and what it changes; all three are pure.

    `needs(event)` names the records that the other two will ask the state for, `decide` yields what is
    broken, `evolve` yields the records as the event leaves them.
    """

    needs: Callable[[Any], Iterable[Need]]
    decide: Callable[[State, Any, Moment], Iterator[Violation]]
    evolve: Callable[[State, Any, Moment], Iterable[Record]]
