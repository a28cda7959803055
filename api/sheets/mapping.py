"""From rows to events, and what rows must not be to one another."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from api.sheets.draft import Draft
from api.sheets.problems import Fault, RowProblem, SheetError, shown
from api.sheets.reading import Row, Sheet
from ledger.crypto.encoding import encode_base64url
from ledger.events.hours import HoursRecorded
from ledger.ids import EventId, check_issuer, check_region, format_time, instant, new_id

_SPAN: Final = frozenset({"volunteer", "start", "end"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as an event: its number in the file, its reference in the organisation's system, and the body."""

    row: int
    ref: str | None
    event: HoursRecorded
    body: bytes


def new_salt() -> str:
    """128 random bits in base64url, without padding."""
    return encode_base64url(secrets.token_bytes(16))


def to_entries(
    sheet: Sheet,
    *,
    issuer: str,
    ledger: str,
    now: int,
    ids: Callable[[], EventId] = new_id,
    salts: Callable[[], str] = new_salt,
    watch: Callable[[Sequence[Row]], Iterable[Row]] = iter,
) -> list[Entry]:
    """The events of a file in the order of its rows, made by `issuer` at `now` (unix seconds).

    `ledger` is the code of the region they are addressed to. Raises SheetError with everything that is wrong
    with any row, as far as that shows without a server; Invalid for a bad issuer, region, id or salt.
    `watch` may stand between, to show progress.
    """
    envelope = {"issuer": check_issuer(issuer), "ledger": check_region(ledger), "time": format_time(now)}
    problems = list(sheet.problems)
    entries: list[Entry] = []
    file = _File(sheet, now)
    places = {shown(heading): place for place, heading in enumerate(sheet.columns.values())}
    for row in watch(sheet.rows):
        draft = Draft(sheet, row)
        made = draft.make({**envelope, "id": ids(), "salt": salts()})
        file.add(draft)
        problems += sorted(draft.problems, key=lambda problem: places.get(problem.column or "", len(places)))
        if made:
            entries.append(Entry(row.number, draft.ref, *made))
    problems += file.overlaps()
    if problems:
        raise SheetError(problems)
    return entries


class _File:
    """What one row must not be to the others, or to the clock. Keeps of each row only what that takes."""

    def __init__(self, sheet: Sheet, now: int) -> None:
        self._sheet = sheet
        self._now = now
        self._rows: dict[tuple[object, ...], int] = {}
        self._refs: dict[str, int] = {}
        self._spans: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)

    def add(self, draft: Draft) -> None:
        """Hold a row against the clock and the rows before it; its problems are added to the draft's own."""
        if draft.ref and (other := self._refs.setdefault(draft.ref, draft.row)) != draft.row:
            draft.tell("ref", Fault("duplicate-ref", other=other))
        if not _SPAN & draft.bad:
            start, end = instant(draft.values["start"]), instant(draft.values["end"])
            if end > self._now:
                draft.tell("end", Fault("not-ended"))
            same = not draft.bad - {"end", "ref"} and self._repeated(draft)
            if not same:
                self._spans[draft.values["volunteer"]].append((start, end, draft.row))

    def _repeated(self, draft: Draft) -> bool:
        other = self._rows.setdefault(tuple(draft.values.values()), draft.row)
        if other != draft.row:
            draft.tell(None, Fault("duplicate-row", other=other))
        return other != draft.row

    def overlaps(self) -> Iterator[RowProblem]:
        """Every row that begins before an earlier service of the same volunteer ends."""
        heading = self._sheet.heading("start")
        for spans in self._spans.values():
            until, before = -(2**63), 0
            for start, end, row in sorted(spans):
                if start < until:
                    yield Fault("overlap", other=before).at(row, heading)
                if end > until:
                    until, before = end, row
