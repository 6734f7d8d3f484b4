"""TREC runs: read line by line or held query by query, and written."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates
from rankgen.manifests.score_order import trec_eval_places
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.text_lines import check_id, plain_number, rows_of, told_columns, whole_number

# Whether a line that names a document of its query again is an error, or a line like any other.
Duplicates = Literal["refuse", "keep"]
SHAPE = "each line of a run is `query_id Q0 doc_id rank score tag`"
_MOST_RANK = 2**63 - 1


class RunLine(NamedTuple):
    """One line of a six-column run, without its second and its last column."""

    query_id: str
    doc_id: str
    rank: int
    score: float


def run_lines(path: Path, duplicates: Duplicates = "refuse") -> Iterator[RunLine]:
    """Yields the lines of a six-column run in the file's order; it holds none of them.

    Args:
        path: The run, its queries in any order.
        duplicates: "refuse" raises at a second line of one query and document, for which it keeps
            a hash of each line; "keep" yields it too.

    Raises:
        UsageError: The file is missing or empty, or a line has another form or is refused.
    """
    is_empty = True
    seen: set[int] = set()
    for number, line in _numbered_lines(path):
        is_empty = False
        if duplicates == "refuse":
            pair = hash((line.query_id, line.doc_id))
            if pair in seen:
                _check_is_first(path, number, line)
            seen.add(pair)
        yield line
    if is_empty:
        raise UsageError(f"{path} is empty", "name a six-column TREC run")


class RunLists(Mapping[str, list[RunLine]]):
    """Query id -> its lines in the file's order, held at some 100 bytes a line.

    The queries are in the order of their first lines.

    Args:
        lines: The lines of a run, at least one; read once.
    """

    def __init__(self, lines: Iterable[RunLine]) -> None:
        self._numbers: dict[str, int] = {}
        self._doc_ids: list[str] = []
        query_of, self._ranks, self._scores = array("q"), array("q"), array("d")
        for line in lines:
            query_of.append(self._numbers.setdefault(line.query_id, len(self._numbers)))
            # The same document stands in the lists of many queries.
            self._doc_ids.append(sys.intern(line.doc_id))
            self._ranks.append(line.rank)
            self._scores.append(line.score)
        owners = np.frombuffer(query_of, dtype=np.int64)
        self._order = np.argsort(owners, kind="stable")
        self._ends = np.cumsum(np.bincount(owners))

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, query_id: object) -> bool:
        """Says whether the run has a query, without making its list."""
        return query_id in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __getitem__(self, query_id: str) -> list[RunLine]:
        """Returns the lines of a query.

        Raises:
            KeyError: The run lacks the query.
        """
        number = self._numbers[query_id]
        start = int(self._ends[number - 1]) if number else 0
        return [
            RunLine(query_id, self._doc_ids[place], self._ranks[place], self._scores[place])
            for place in self._order[start : self._ends[number]].tolist()
        ]


def read_run(path: Path, duplicates: Duplicates = "refuse") -> RunLists:
    """Reads a whole run; see `run_lines`.

    Raises:
        UsageError: See `run_lines`.
    """
    return RunLists(run_lines(path, duplicates))


def trec_eval_order(lines: Iterable[RunLine]) -> list[RunLine]:
    """Sorts one query's lines as trec_eval does; the rank column is ignored there."""
    given = list(lines)
    places = trec_eval_places([line.doc_id for line in given], [line.score for line in given])
    return [given[place] for place in places]


def write_run(path: Path, lists: Iterable[Candidates], tag: str) -> None:
    """Writes lists as a run, one after the other; their scores lose no digit.

    Args:
        path: The file, which appears when it is whole.
        lists: The ranked documents of each query.
        tag: The name of the system, without white space.
    """
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        for query_id, doc_ids, scores in lists:
            for rank, (doc_id, score) in enumerate(zip(doc_ids, scores, strict=True), start=1):
                file.write(f"{query_id} Q0 {doc_id} {rank} {score!r} {tag}\n")


def _numbered_lines(path: Path) -> Iterator[tuple[int, RunLine]]:
    return ((number, run_line(path, number, row)) for number, row in rows_of(path, (6,)))


def _check_is_first(path: Path, number: int, line: RunLine) -> None:
    """Raises if an earlier line has the same query and document; their hashes alone may agree."""
    for earlier, other in _numbered_lines(path):
        if earlier == number:
            return
        if other[:2] == line[:2]:
            raise UsageError(
                f"{path} line {number}: query {line.query_id} lists document {line.doc_id} twice "
                f"(first in line {earlier})",
                "remove one of the two lines",
            )


def run_line(path: Path | str, number: int, columns: list[str]) -> RunLine:
    """Reads the columns of one line.

    Args:
        path: What messages call the file.
        number: The line's number, from 1.
        columns: Its columns.

    Raises:
        UsageError: They are not those of a run.
    """
    if len(columns) != 6:
        hint = SHAPE
        if len(columns) > 6:
            hint += "; put tabs between the columns if the tag holds a space"
        elif len(columns) in (3, 4):
            hint += "; this looks like a line of judgements"
        raise UsageError(f"{path} line {number} has {told_columns(columns)}, not six", hint)
    query_id, _, doc_id, rank_text, score_text, _ = columns
    check_id(path, number, "query", query_id)
    check_id(path, number, "document", doc_id)
    try:
        rank, score = whole_number(rank_text), float(plain_number(score_text))
    except ValueError:
        rank, score = None, 0.0
    if rank is None:
        raise UsageError(
            f"{path} line {number}: rank '{rank_text}' or score '{score_text}' is not a number",
            SHAPE,
        )
    if not math.isfinite(score):
        raise UsageError(f"{path} line {number}: the score {score} is not finite", SHAPE)
    if abs(rank) > _MOST_RANK:
        raise UsageError(f"{path} line {number}: the rank {rank} is too large", SHAPE)
    return RunLine(query_id, doc_id, rank, score)
