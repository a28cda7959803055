"""What lies between regions: it loses, repeats, delays, cuts off and separates, as it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ledger.errors import LedgerError, Unavailable
from ledger.exchange.incoming import Answer
from tests.simulation.site import Crash, Site

MODES = ("whole", "whole", "whole", "lost", "unanswered", "twice", "late")
"""What becomes of a message: most arrive."""


@dataclass(slots=True)
class Network:
    """Between all sites. A site that dies while it answers has not answered."""

    sites: dict[str, Site] = field(default_factory=dict)
    reboot: Callable[[str], None] = lambda _: None
    mode: str = "whole"
    """What becomes of the next message."""
    cut: int | None = None
    """Lines of a bundle after which it is cut off."""
    spoil: int | None = None
    """The line of a bundle that its home spoils."""
    apart: set[frozenset[str]] = field(default_factory=set)
    """Pairs that do not reach each other."""
    late: list[tuple[str, bytes, str]] = field(default_factory=list)
    """Messages still under way, whose senders gave them up: they may arrive at any time, in any order."""
    asking: str = ""
    """Which site is at work: who fetches."""

    def send(self, region: str, data: bytes, sender: str) -> Answer:
        self._reach(sender, region)
        mode, self.mode = self.mode, "whole"
        if mode == "lost":
            raise Unavailable("no answer")
        if mode == "late":
            self.late.append((region, data, sender))
            raise Unavailable("no answer")
        answer = self._hand_over(region, data, sender)
        if mode == "twice":
            answer = self._hand_over(region, data, sender)
        if mode == "unanswered":
            raise Unavailable("no answer")
        return answer

    def arrive(self, number: int) -> None:
        """Have one of those under way arrive; nobody waits for the answer."""
        self._hand_over(*self.late.pop(number % len(self.late)))

    def fetch(self, region: str, transfer: str) -> Iterable[bytes]:
        self._reach(self.asking, region)
        try:
            for number, line in enumerate(self.sites[region].node.bundle(transfer)):
                if number == self.cut:
                    yield line[: len(line) // 2]
                    return
                yield line.replace(b'"minutes":30', b'"minutes":31') if number == self.spoil else line
        except LedgerError as error:  # as api/peers/http_peers.py has it: whatever goes wrong on the way may pass
            raise Unavailable(f"{region} does not give its bundle: {error.detail}") from None

    def _hand_over(self, region: str, data: bytes, sender: str) -> Answer:
        before, self.asking = self.asking, region
        try:
            return self.sites[region].node.deliver(data, sender)
        except Crash as crash:
            self.reboot(crash.region)
            raise Unavailable("the connection was lost") from None
        finally:
            self.asking = before

    def _reach(self, one: str, other: str) -> None:
        if frozenset((one, other)) in self.apart:
            raise Unavailable(f"{other} is out of reach")
