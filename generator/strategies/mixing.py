"""One order out of several teachers' orders of the same passages: pure functions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from rankgen.retrieval.runs.fusion import RRF_K

Method = Literal["rrf", "borda", "median", "scores"]


class TeacherList(NamedTuple):
    """One teacher's list: distinct ids, best first, and its scores of them, if it gave any."""

    doc_ids: Sequence[str]
    scores: Sequence[float] | None = None


def mixed(lists: Sequence[TeacherList], method: Method) -> tuple[list[str], list[float]]:
    """Returns the mixed order, best first, and its descending scores.

    Equal scores are ordered by the mean rank, and then by id, so that the order in which the
    teachers are named makes no difference.

    Args:
        lists: At least one; all of the same ids.
        method: "rrf" adds up 1 / (60 + rank) (Cormack et al. 2009), "borda" the number of passages
            below; "median" takes the median of the ranks; "scores" the mean of the teachers'
            scores, each list's brought to mean 0 and deviation 1 first.

    Raises:
        ValueError: The method is "scores", and a list has none.
    """
    ranks = [{doc_id: n for n, doc_id in enumerate(one.doc_ids, start=1)} for one in lists]
    of_document = {doc_id: [own[doc_id] for own in ranks] for doc_id in ranks[0]}
    if method == "scores":
        standard = [_standardised(one) for one in lists]
        found = {d: math.fsum(own[d] for own in standard) / len(lists) for d in of_document}
    else:
        score = _BY_RANKS[method]
        found = {d: score(own, len(of_document)) for d, own in of_document.items()}
    order = sorted(of_document, key=lambda d: (-found[d], sum(of_document[d]), d))
    return order, [found[doc_id] for doc_id in order]


def _standardised(one: TeacherList) -> Mapping[str, float]:
    if one.scores is None:
        raise ValueError("a list has no scores")
    mean = math.fsum(one.scores) / len(one.scores)
    deviation = math.sqrt(math.fsum((s - mean) ** 2 for s in one.scores) / len(one.scores))
    # A teacher that finds all passages equal says nothing.
    scale = deviation or 1.0
    return {d: (s - mean) / scale for d, s in zip(one.doc_ids, one.scores, strict=True)}


_BY_RANKS: Mapping[str, Callable[[Sequence[int], int], float]] = {
    "rrf": lambda ranks, _: math.fsum(1 / (RRF_K + rank) for rank in ranks),
    "borda": lambda ranks, n: float(sum(n - rank for rank in ranks)),
    "median": lambda ranks, _: -float(statistics.median(ranks)),
}
