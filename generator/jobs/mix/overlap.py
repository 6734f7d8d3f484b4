"""What several runs have in common: the queries and passages that every one of them ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rankgen.manifests.counted import counted
from rankgen.manifests.run.run_directory import RunDirectory


class LeftOut(NamedTuple):
    """What a mix leaves out, over all runs.

    Attributes:
        lists_of_other_queries: Lists of queries that not every run ranks.
        lists_without_common_passages: Lists of queries of which no passage is in every run.
        passages_of_other_lists: Passages of mixed lists that not every run ranks.
    """

    lists_of_other_queries: int = 0
    lists_without_common_passages: int = 0
    passages_of_other_lists: int = 0

    def text(self) -> str:
        """Returns what is left out in words; empty if nothing is."""
        told = (
            (self.lists_of_other_queries, "list", "of queries that not every run ranks"),
            (self.lists_without_common_passages, "list", "of which no passage is in every run"),
            (self.passages_of_other_lists, "passage", "that not every run has in that list"),
        )
        return ", ".join(f"{counted(count, one)} {what}" for count, one, what in told if count)


def in_common(runs: Sequence[RunDirectory]) -> tuple[list[str], LeftOut]:
    """Returns the sorted ids of the queries to mix, and what else the runs have.

    It holds eight bytes a passage of the first run.
    """
    first = _lists(runs[0])
    shared, sizes = first, {query_id: len(own) for query_id, own in first.items()}
    lists = len(first)
    for run in runs[1:]:
        other = _lists(run)
        lists += len(other)
        sizes = {q: sizes[q] + len(own) for q, own in other.items() if q in shared}
        shared = {q: np.intersect1d(shared[q], other[q]) for q in sizes}
    kept = sorted(query_id for query_id, own in shared.items() if len(own))
    passages = sum(sizes[query_id] - len(runs) * len(shared[query_id]) for query_id in kept)
    return kept, LeftOut(
        lists_of_other_queries=lists - len(runs) * len(shared),
        lists_without_common_passages=len(runs) * (len(shared) - len(kept)),
        passages_of_other_lists=passages,
    )


def _lists(run: RunDirectory) -> dict[str, NDArray[np.int64]]:
    """Returns query id -> the hashes of its passages' ids."""
    found: dict[str, NDArray[np.int64]] = {}
    for shard in run.shards("rankings", ["query_id", "doc_ids"]):
        for row in shard.to_pylist():
            hashes = (hash(doc_id) for doc_id in row["doc_ids"])
            found[row["query_id"]] = np.fromiter(hashes, np.int64)
    return found
