"""One list out of several: reciprocal rank fusion, and the union taken in turns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Fusion = Literal["rrf", "union"]

# The constant of Cormack, Clarke and Büttcher, SIGIR 2009, section 2.
RRF_K = 60


def fused(
    lists: Sequence[Sequence[str]], fusion: Fusion, depth: int
) -> tuple[list[str], list[float]]:
    """Returns the fused list, best first, and its descending scores.

    Args:
        lists: One query's document ids from each first stage, best first.
        fusion: "rrf" scores a document with the sum of 1 / (60 + rank) over the lists that hold it,
            equal sums by document id descending; "union" takes every list's
            first, then every list's second and so on, and scores with 1 / position.
        depth: Documents to keep.
    """
    if fusion == "union":
        return _union(lists, depth)
    parts: dict[str, list[float]] = {}
    for doc_ids in lists:
        for rank, doc_id in enumerate(doc_ids, start=1):
            parts.setdefault(doc_id, []).append(1 / (RRF_K + rank))
    # Exact sums, so that the order in which the runs are named makes no difference.
    sums = {doc_id: math.fsum(found) for doc_id, found in parts.items()}
    # Twice a stable order: first by id, then by the score.
    order = sorted(sorted(sums, reverse=True), key=lambda doc_id: -sums[doc_id])[:depth]
    return order, [sums[doc_id] for doc_id in order]


def _union(lists: Sequence[Sequence[str]], depth: int) -> tuple[list[str], list[float]]:
    longest = max((len(doc_ids) for doc_ids in lists), default=0)
    turns = (doc_ids[rank] for rank in range(longest) for doc_ids in lists if rank < len(doc_ids))
    order = list(dict.fromkeys(turns))[:depth]
    return order, [1 / position for position in range(1, len(order) + 1)]
