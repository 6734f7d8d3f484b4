"""A TREC run held as columns, some 100 bytes a line, so that runs of millions of lines fit."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rankgen.manifests.trec import run_lines


class RunRow(NamedTuple):
    """One line of a query's list."""

    doc_id: str
    rank: int
    score: float


class RunColumns:
    """All lines of a run; `lists` gives them query by query.

    Args:
        path: A run with the columns `query_id Q0 doc_id rank score tag`, its queries in any order.

    Raises:
        UsageError: The file is missing or empty, or a line has another form.
    """

    def __init__(self, path: Path) -> None:
        self._numbers: dict[str, int] = {}
        self._doc_ids: list[str] = []
        query_of, ranks, scores = array("q"), array("q"), array("d")
        for _, line in run_lines(path):
            query_of.append(self._numbers.setdefault(line.query_id, len(self._numbers)))
            # The same document stands in the lists of many queries.
            self._doc_ids.append(sys.intern(line.doc_id))
            ranks.append(line.rank)
            scores.append(line.score)
        self._ranks, self._scores = ranks, scores
        owners = np.frombuffer(query_of, dtype=np.int64)
        self._order = np.argsort(owners, kind="stable")
        self._ends = np.cumsum(np.bincount(owners))

    def __len__(self) -> int:
        """Returns the number of queries."""
        return len(self._numbers)

    def rows(self, query_id: str) -> list[RunRow]:
        """Returns a query's rows in the file's order; none where the run lacks the query."""
        number = self._numbers.get(query_id)
        if number is None:
            return []
        start = 0 if number == 0 else int(self._ends[number - 1])
        return self._between(start, int(self._ends[number]))

    def lists(self) -> Iterator[tuple[str, list[RunRow]]]:
        """Yields (query id, its rows in the file's order), queries as they first appear."""
        start = 0
        for query_id, end in zip(self._numbers, self._ends.tolist(), strict=True):
            yield query_id, self._between(start, end)
            start = end

    def _between(self, start: int, end: int) -> list[RunRow]:
        places = self._order[start:end].tolist()
        return [RunRow(self._doc_ids[i], self._ranks[i], self._scores[i]) for i in places]
