"""The order of a recorded run, by score or by rank, and what the run lacks in that order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel

from rankgen.manifests.score_order import in_32_bits
from rankgen.manifests.trec import RunLine, trec_eval_order

Order = Literal["score", "rank"]


class RunLosses(BaseModel, frozen=True, extra="forbid"):
    """What a recorded run lacks or leaves undecided, counted over the queries that are asked.

    Attributes:
        queries_without_lines: Queries that are not in the run.
        short_lists: Lists with fewer documents than the depth.
        duplicate_rows: Lines that repeat a document of their list; they are left out.
        tied_rows: Lines within the depth that share their score with another line of their list, in
            the 32 bits that trec_eval compares.
        queries_with_ties: Queries with such lines.
        tied_ranks: Lines within the depth that share their rank with another line of their list.
        top10_differences: Positions 1 to 10 where the orders by score and by rank differ.
        rows_without_document: Lines within the depth whose document the collection lacks.
    """

    queries: int = 0
    queries_without_lines: int = 0
    short_lists: int = 0
    duplicate_rows: int = 0
    tied_rows: int = 0
    queries_with_ties: int = 0
    tied_ranks: int = 0
    top10_differences: int = 0
    rows_without_document: int = 0


class Tally:
    """Counts `RunLosses` of lists that are cut to a depth, one by one."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._counts: Counter[str] = Counter()

    def add(
        self, rows: Sequence[RunLine], kept: Sequence[RunLine], missing: frozenset[str]
    ) -> None:
        """Counts one list.

        Args:
            rows: The list as the file has it.
            kept: The list in its order, without duplicates, cut to the depth.
            missing: Documents that the collection lacks.
        """
        by_score, by_rank = ordered(rows, "score"), ordered(rows, "rank")
        times = Counter(in_32_bits([row.score for row in by_score]))
        tied = sum(times[score] > 1 for score in in_32_bits([row.score for row in kept]))
        of_rank = Counter(row.rank for row in by_score)
        self._counts += Counter(
            queries=1,
            short_lists=int(len(kept) < self._depth),
            duplicate_rows=len(rows) - len(by_score),
            tied_rows=tied,
            queries_with_ties=int(tied > 0),
            tied_ranks=sum(of_rank[row.rank] > 1 for row in kept),
            top10_differences=sum(
                one.doc_id != other.doc_id
                for one, other in zip(by_score[:10], by_rank[:10], strict=True)
            ),
            rows_without_document=sum(row.doc_id in missing for row in kept),
        )

    def losses(self, queries_without_lines: int) -> RunLosses:
        """Returns the counts; queries without lines are asked too, so they count as queries."""
        missing = Counter(
            queries=queries_without_lines, queries_without_lines=queries_without_lines
        )
        return RunLosses(**(self._counts + missing))


def ordered(rows: Iterable[RunLine], order: Order) -> list[RunLine]:
    """Returns the rows in order; of rows that repeat a document, only the first is kept.

    Args:
        rows: One query's rows in the file's order.
        order: "score" is trec_eval's order (score descending in 32 bits, then document id
            descending); "rank" is the rank column's, equal ranks in the file's order.
    """
    by_rank = order == "rank"
    in_order = sorted(rows, key=lambda row: row.rank) if by_rank else trec_eval_order(rows)
    first: dict[str, RunLine] = {}
    for row in in_order:
        first.setdefault(row.doc_id, row)
    return list(first.values())
