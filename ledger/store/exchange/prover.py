"""Evidence in bulk from a region's store: the events that were asked for, with all that proves them to others.

Cost is by the submission and by the tile, not by the event. What is read is held against the signed roots, so that
nothing leaves which could not be checked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from ledger.errors import Corrupt, NotYet
from ledger.events.submission import read_note
from ledger.evidence.evidence import Evidence
from ledger.store import log
from ledger.store.postgres import copying
from ledger.store.postgres.copying import BIGINT
from ledger.store.postgres.database import Cursor
from ledger.store.tiles import Tiles
from ledger.store.trees import Rows, Trees, path_of, rows_of
from ledger.tlog import merkle, notes
from ledger.tlog.checkpoint import parse_checkpoint

_PAGE: Final = 1024
"""Rows that are proven together: their tiles are read in one query."""
_COMMITMENTS_MAX: Final = 100_000
"""Commitments that are read in one query; more only for one submission."""

SubmissionTrees: TypeAlias = Trees
"""The trees of submissions and of complete tiles of the logs, shared by the provers of one process."""

_root_of = lru_cache(maxsize=4096)(lambda text: read_note(text).root)


@dataclass(frozen=True, slots=True)
class _Submission:
    """A row of `submissions`, and the root that its note states."""

    first: int
    count: int
    note: str
    root: bytes


class Prover:
    """Proves events of one log against one checkpoint, inside the cursor's transaction.

    `trees` may be shared with other provers, of whatever log. The log's own nodes are kept for as long as the prover
    is. Raises Corrupt when what is stored does not come to what was signed.
    """

    def __init__(
        self, cursor: Cursor, schema: str, origin: str, checkpoint: str, trees: SubmissionTrees | None = None
    ) -> None:
        self._cursor = cursor
        self._schema = schema
        self._origin = origin
        self._note = checkpoint
        self._checkpoint = parse_checkpoint(notes.parse(checkpoint).text)
        self._trees = Trees() if trees is None else trees
        self._tiles = Tiles(cursor, schema, self._checkpoint.size, self._trees)
        self._rooted = False

    def prove(self, rows: Sequence[log.StoredRow]) -> list[Evidence]:
        """The evidence of each row, in the order given; raise NotYet when the checkpoint does not cover one."""
        self._check_covered(rows)
        order = sorted(range(len(rows)), key=lambda number: rows[number].position)
        evidence: dict[int, Evidence] = {}
        for at in range(0, len(order), _PAGE):
            page = [rows[number] for number in order[at : at + _PAGE]]
            evidence.update(zip(order[at : at + _PAGE], self._prove_page(page), strict=True))
        return [evidence[number] for number in range(len(rows))]

    def _check_covered(self, rows: Sequence[log.StoredRow]) -> None:
        if self._checkpoint.origin != self._origin:
            raise Corrupt(f"the checkpoint is of {self._checkpoint.origin!r:.80}, not of {self._origin}")
        last = max((row.position for row in rows), default=-1)
        if last >= self._checkpoint.size:
            raise NotYet(f"no published checkpoint covers position {last} yet")
        if not self._rooted and rows:
            if self._tiles.root() != self._checkpoint.root:
                raise Corrupt(f"the first {self._checkpoint.size} events are not those that were signed")
            self._rooted = True

    def _prove_page(self, rows: Sequence[log.StoredRow]) -> Iterator[Evidence]:
        """The evidence of rows that go up in position."""
        self._tiles.prefetch(row.position for row in rows)
        submissions = self._submissions([row.position for row in rows])
        firsts = [submission.first for submission in submissions]
        covered: dict[int, list[log.StoredRow]] = defaultdict(list)
        for row in rows:
            covered[_covering(submissions, firsts, row.position).first].append(row)
        for group in _groups(submissions):
            trees = self._load(group)
            for submission in group:
                for row in covered[submission.first]:
                    yield self._prove(row, submission, trees[submission.root])

    def _prove(self, row: log.StoredRow, submission: _Submission, tree: Rows) -> Evidence:
        if row.body is None:
            raise Corrupt(f"position {row.position} has no body")
        index = row.position - submission.first
        if merkle.leaf_hash(row.entry[:32]) != tree[0][index * 32 : index * 32 + 32]:
            raise Corrupt(f"position {row.position} is not what its submission committed to")
        return Evidence(
            origin=self._origin,
            position=row.position,
            recorded_at=row.recorded_at,
            body=row.body,
            note=submission.note,
            index=index,
            note_path=path_of(tree, index),
            log_path=self._tiles.path(row.position),
            checkpoint=self._note,
        )

    # -- submissions ----------------------------------------------------------------------------------

    def _submissions(self, positions: Sequence[int]) -> list[_Submission]:
        """The submissions that cover these positions, in order."""
        table = f"{self._schema}.submissions"
        self._cursor.execute(
            f"SELECT first, count, note FROM {table} WHERE first = ANY(ARRAY(SELECT DISTINCT"
            f" (SELECT max(s.first) FROM {table} s WHERE s.first <= p) FROM unnest(%s::bigint[]) p)) ORDER BY first",
            (list(positions),),
        )
        return [_Submission(first, count, note, _root_of(note)) for first, count, note in self._cursor.fetchall()]

    def _load(self, group: Sequence[_Submission]) -> Mapping[bytes, Rows]:
        """Their trees by root: those that are kept, and the others read and kept."""
        trees = {
            submission.root: tree for submission in group if (tree := self._trees.get(submission.root)) is not None
        }
        missing = [submission for submission in group if submission.root not in trees]
        for submission, commitments in zip(missing, self._commitments(missing), strict=True):
            leaves = [merkle.leaf_hash(commitments[at : at + 32]) for at in range(0, len(commitments), 32)]
            tree = rows_of(b"".join(leaves))
            if len(leaves) != submission.count or tree[-1] != submission.root:
                raise Corrupt(f"the submission at {submission.first} is not what its note says")
            self._trees.put(tree)
            trees[submission.root] = tree
        return trees

    def _commitments(self, submissions: Sequence[_Submission]) -> list[bytes]:
        """SHA-256 of the bodies of each submission, joined."""
        if not submissions:
            return []
        call, values = copying.arrays(
            {"first": BIGINT, "count": BIGINT}, [(item.first, item.count) for item in submissions]
        )
        self._cursor.execute(
            "SELECT (SELECT coalesce(string_agg(substring(e.entry FROM 1 FOR 32), ''::bytea ORDER BY e.position), '')"
            f" FROM {self._schema}.events e WHERE e.position >= r.first AND e.position < r.first + r.count)"
            f" FROM {call} WITH ORDINALITY AS r (first, count, number) ORDER BY r.number",
            values,
        )
        return [bytes(joined) for (joined,) in self._cursor.fetchall()]


def _covering(submissions: Sequence[_Submission], firsts: Sequence[int], position: int) -> _Submission:
    at = bisect_right(firsts, position) - 1
    if at < 0 or position >= firsts[at] + submissions[at].count:
        raise Corrupt(f"position {position} belongs to no submission")
    return submissions[at]


def _groups(submissions: Iterable[_Submission]) -> Iterator[list[_Submission]]:
    """Cut so that the trees of one group fit into memory."""
    group: list[_Submission] = []
    size = 0
    for submission in submissions:
        if group and size + submission.count > _COMMITMENTS_MAX:
            yield group
            group, size = [], 0
        group.append(submission)
        size += submission.count
    if group:
        yield group
