"""Every error this project raises on purpose, rooted by who must act on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class LedgerError(Exception):
    """Root of all our errors; `code` is stable and names the problem type, `detail` is for people."""

    code = "error"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


# -- the caller must act ------------------------------------------------------------------------


class Rejected(LedgerError):
    """What was asked cannot be done as asked; asking again unchanged gives the same answer."""

    code = "rejected"


class Invalid(Rejected):
    """Bytes or values that are not what their format says. `pointer` is an RFC 6901 JSON pointer."""

    code = "malformed"

    def __init__(self, detail: str = "", pointer: str = "") -> None:
        super().__init__(detail)
        self.pointer = pointer


class TooLarge(Rejected):
    """Over a limit of `ledger.limits`, told before the content is looked at."""

    code = "too-large"


class NotFound(Rejected):
    """No such thing, or none that the caller may know of."""

    code = "not-found"


class Forbidden(Rejected):
    """The caller is known and may not do or see this."""

    code = "forbidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with one event of a submission, or with its note (`index` None)."""

    index: int | None
    id: str | None
    code: str
    detail: str
    pointer: str = ""


class Refused(Rejected):
    """A rule is broken. `problems` lists every bad event; nothing of the submission was written."""

    code = "refused"

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        place = "the note" if first.index is None else f"event {first.index}"
        super().__init__(f"{len(problems)} problem(s), the first in {place}: {first.detail}")
        self.problems = tuple(problems)


# -- the evidence is not to be believed ---------------------------------------------------------


class Untrusted(LedgerError):
    """A signature, key or proof that does not hold."""

    code = "untrusted"


# -- the caller must look again, then perhaps retry ---------------------------------------------


class Conflict(LedgerError):
    """The ledger already holds something else. `known` lists `(id, position)` already in the log."""

    code = "conflict"

    def __init__(self, detail: str, known: Sequence[tuple[str, int]] = ()) -> None:
        super().__init__(detail)
        self.known = tuple(known)


class NotYet(LedgerError):
    """True soon: ask again after `retry_after` seconds."""

    code = "not-yet"

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Busy(NotYet):
    """More is waiting than the limits allow; ask again after `retry_after` seconds."""

    code = "busy"


# -- the operator must act ----------------------------------------------------------------------


class Unavailable(LedgerError):
    """A part that this one needs (database, key file, peer) cannot be reached or used."""

    code = "unavailable"


class Corrupt(LedgerError):
    """What is stored contradicts itself. Stop: never guess, never repair silently."""

    code = "corrupt"
