"""Which searches of the model are made: two forms in which everything must hold, and mutations that must fail."""

from dataclasses import dataclass

from tests.model.spin import Search


def bounds(moves: int, entries: int, *more: str) -> tuple[str, ...]:
    return (f"MOVES={moves}", f"ENTRIES={entries}", *more)


SHORT = (
    Search(name="safety", macros=bounds(3, 2)),
    Search(name="safety, a region is closed", macros=bounds(2, 2, "CLOSURE")),
    Search(name="liveness", macros=bounds(2, 1, "LIVE")),
)

LONG = (
    Search(name="safety", macros=bounds(3, 3)),
    Search(name="safety, four moves", macros=bounds(4, 2)),
    Search(name="safety, a region is closed", macros=bounds(3, 2, "CLOSURE")),
    Search(name="safety, copies lost one by one", macros=bounds(2, 1, "LOSSY")),
    Search(name="liveness, two entries", macros=bounds(1, 2, "LIVE")),
    Search(name="liveness, two moves", macros=bounds(2, 1, "LIVE")),
)


ONE_HOME, COUNTED_ONCE, NEVER_LOST, OWN_OUTCOME, NONE = 1, 2, 3, 4, 9
"""The numbers of the invariants in the model, each asserted alone under -DINVARIANT; NONE leaves only liveness."""

WORDS = {
    ONE_HOME: "two_tenants",
    COUNTED_ONCE: "twice",
    NEVER_LOST: "recorded",
    OWN_OUTCOME: "fate",
    NONE: "acceptance",
}
"""A word of what Spin prints when that one is violated, and no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """A mistake in the protocol, the one invariant asserted, and the macros that the mistake needs to show."""

    macro: str
    breaks: int
    needs: tuple[str, ...] = ()

    @property
    def search(self) -> Search:
        macros = bounds(2, 1, f"INVARIANT={self.breaks}", self.macro, *self.needs)
        return Search(name=self.macro.lower().replace("_", " "), macros=macros)


MUTATIONS = (
    Mutation(macro="CANCEL_ON_SILENCE", breaks=ONE_HOME),
    Mutation(macro="CANCEL_ON_SILENCE", breaks=OWN_OUTCOME),
    Mutation(macro="DECIDE_TWICE", breaks=ONE_HOME),
    Mutation(macro="REUSE_EPOCH", breaks=ONE_HOME),
    Mutation(macro="COUNT_WHILE_OFFERED", breaks=COUNTED_ONCE),
    Mutation(macro="COUNT_WHILE_FROZEN", breaks=COUNTED_ONCE),
    Mutation(macro="RECEIVE_TWICE", breaks=COUNTED_ONCE),
    Mutation(macro="FORGET_HELD", breaks=NEVER_LOST),
    Mutation(macro="ANSWER_BEFORE_LOG", breaks=NEVER_LOST, needs=("LOSSY",)),
    Mutation(macro="ACT_AFTER_CLOSURE", breaks=ONE_HOME, needs=("CLOSURE",)),
    Mutation(macro="SEND_ONCE", breaks=NONE, needs=("LIVE",)),
    Mutation(macro="OUTBOX_APART", breaks=NONE, needs=("LIVE",)),
    Mutation(macro="ACCEPT_IN_TRANSIT", breaks=NONE, needs=("LIVE",)),
)
