"""Proofs for a whole school term: asked for at once, issued in the background, fetched as one ZIP."""

from __future__ import annotations

import csv
import io
import logging
import uuid
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import msgspec

from api.service.handing_out import Finished, HandingOut
from api.service.proving import Ask, Issued, Proving
from ledger.app.batch_records import BatchRecords
from ledger.app.ledger import Ledger
from ledger.app.worker import Worker
from ledger.credentials import model
from ledger.credentials.holdings import Request
from ledger.domain.proofs import may_ask
from ledger.domain.state import Volunteer
from ledger.errors import Busy, NotFound, Rejected
from ledger.ids import issuer_kind
from ledger.limits import BATCHES_OPEN_MAX
from ledger.store.batches import Batch, Item, Progress

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

logger = logging.getLogger("yongzhi.batches")

ISSUED_AT_ONCE: Final = 200
"""Proofs under one signature: few enough that what is wrong with the database costs little work."""
_PAGE: Final = 200
_AHEAD: Final = 4
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""Spreadsheets take a cell that begins so for a formula; some do with the wide forms too."""


class Batches:
    """The batches of one region, worked on by a thread; what a crash cut short goes on after it."""

    def __init__(
        self,
        ledger: Ledger,
        proving: Proving,
        handing_out: HandingOut,
        certificate: Callable[[Finished], bytes],
        note_access: Callable[[str, str, str, str], object],
    ) -> None:
        self._ledger = ledger
        self._records = BatchRecords(ledger.database, ledger.schema)
        self._proving = proving
        self._handing_out = handing_out
        self._certificate = certificate
        self._note_access = note_access
        self._turn = 0
        self._printing = ThreadPoolExecutor(2, f"certificates-{ledger.region}")
        self._worker = Worker(f"batches-{ledger.region}", self._step)
        self._worker.start()

    @property
    def failure(self) -> str | None:
        """Why no batch gets on, if so; it is tried again."""
        return self._worker.failure

    def close(self) -> None:
        """Stop after the proofs at hand."""
        self._worker.close()
        self._printing.shutdown(cancel_futures=True)

    # -- asking ---------------------------------------------------------------------------------------

    def create(self, requester: str, volunteers: Sequence[str], request: Request) -> str:
        """Begin a batch; its UUID. Raise Busy while the requester has too many that wait."""
        if sum(batch.requester == requester for batch in self._records.unfinished()) >= BATCHES_OPEN_MAX:
            raise Busy(f"{BATCHES_OPEN_MAX} batches of yours are still being issued", retry_after=60)
        batch = Batch(str(uuid.uuid4()), requester, msgspec.json.encode(request).decode(), self._ledger.now())
        items = [
            Item(number, volunteer, str(uuid.uuid4()), "waiting", None)
            for number, volunteer in enumerate(volunteers, 1)
        ]
        self._records.create(batch, items)
        self._worker.wake()
        return batch.id

    def find(self, batch: str, requester: str) -> Batch:
        """A batch of whoever began it; the region sees all. Raise NotFound."""
        record = self._records.find(batch)
        if record is None or (record.requester != requester and issuer_kind(requester) != "region"):
            raise NotFound("no such batch, or not yours to see")
        return record

    def progress(self, batch: str) -> Progress:
        """The items of a batch by state: how far it has come."""
        return self._records.progress(batch)

    def items(self, batch: str, state: str, after: int = 0, limit: int = _PAGE) -> list[Item]:
        """Items in a state (waiting, issued, refused), by number."""
        return self._records.items(batch, state, after, limit)

    # -- issuing --------------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Issue the next few proofs of a batch, the batches taking turns; whether there was anything to do."""
        waiting = self._records.unfinished()
        if not waiting:
            return False
        self._turn += 1
        batch = waiting[self._turn % len(waiting)]
        self._records.settle(batch.id, [])  # of a step that was cut short, what is in the log
        items = self.items(batch.id, "waiting", limit=ISSUED_AT_ONCE)
        request = msgspec.json.decode(batch.request, type=Request)
        allowed = [item for item in items if self._may(batch.requester, item.volunteer)]
        issued = self._issue([Ask(item.volunteer, request, None, item.proof) for item in allowed])
        refused = [(item.number, "not registered by whoever asks") for item in items if item not in allowed]
        refused += [
            (item.number, answer.problem.detail) for item, answer in zip(allowed, issued, strict=True) if answer.problem
        ]
        self._records.settle(batch.id, refused)
        return True

    def _issue(self, asks: Sequence[Ask]) -> list[Issued]:
        """Together if that can be, else one by one, so that what is wrong with one keeps no other from its proof."""
        try:
            return self._proving.issue_all(asks)
        except Rejected as error:
            if len(asks) == 1:
                return [Issued(problem=error)]
        return [issued for ask in asks for issued in self._issue([ask])]

    def _may(self, requester: str, volunteer: str) -> bool:
        return may_ask(self._ledger.record(Volunteer, volunteer), requester)

    # -- fetching -------------------------------------------------------------------------------------

    def archive(self, batch: str, by: str) -> Iterator[bytes]:
        """The certificates of a batch as a ZIP, piece by piece, with `index.csv` at its end; nothing is kept of it.

        Each holder can read that it was handed out, and to whom.
        """
        sink = _Sink()
        rows = [("number", "volunteer", "name", "proof", "file", "problem")]
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            for item, pdf, name in self._rendered(batch):
                if pdf is None:
                    rows.append((str(item.number), "", "", "", "", "erased"))
                    continue
                self._note_access(item.proof, "pdf", by, "handed out")
                file = f"{item.number:05}-{item.proof}.pdf"
                archive.writestr(zipfile.ZipInfo(file), pdf)
                rows.append((str(item.number), item.volunteer, name or "", item.proof, file, ""))
                yield sink.take()
            rows += [
                (str(item.number), item.volunteer, "", "", "", item.problem or "")
                for items in self._pages(batch, "refused")
                for item in items
            ]
            archive.writestr(zipfile.ZipInfo("index.csv"), _table(rows))
        yield sink.take()

    def _rendered(self, batch: str) -> Iterator[tuple[Item, bytes | None, str | None]]:
        """Certificates in order, a few of them made ahead on the other core, however slowly they are fetched."""
        ahead: deque[Future[tuple[Item, bytes | None, str | None]]] = deque()
        for items in self._pages(batch, "issued"):
            for item in items:
                ahead.append(self._printing.submit(self._render, item))
                if len(ahead) == _AHEAD:
                    yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def _render(self, item: Item) -> tuple[Item, bytes | None, str | None]:
        try:
            finished = self._handing_out.finished(item.proof)
            return item, self._certificate(finished), model.decode(finished.credential).name_of_holder
        except NotFound:  # erased while the others were made
            return item, None, None

    def _pages(self, batch: str, state: str) -> Iterator[list[Item]]:
        after = 0
        while items := self.items(batch, state, after):
            yield items
            after = items[-1].number


class _Sink(io.RawIOBase):
    """Holds the bytes of a ZIP that is being written, until they are sent on."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """Yes, and it cannot be sought: the ZIP is written as a stream."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Keep a piece."""
        piece = bytes(data)
        self._pieces.append(piece)
        return len(piece)

    def take(self) -> bytes:
        """Take out the bytes that were written since."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _table(rows: Sequence[Sequence[str]]) -> bytes:
    """CSV with a byte order mark, so that spreadsheets read it as UTF-8; no cell is taken for a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([[f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows])
    return text.getvalue().encode("utf-8-sig")
