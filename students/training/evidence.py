"""Which pairs of a ranking the teacher really compared, according to the windows it ordered.

A sliding window never shows the teacher most pairs of a list; their order follows from comparisons
with third passages, or only from the order in which the list arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.replay import after_call, places_shown
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.unranked import whole_size

# The values of `pair_levels`.
SEEN, IMPLIED, UNSEEN = 0, 1, 2

# Levels of this many lists are kept for later epochs; a list of 100 takes 10 kB.
KEPT_LISTS = 20_000

WINDOW_COLUMNS = [
    "query_id",
    "pass_index",
    "window_index",
    "start",
    "end",
    "permutation",
    "missing",
    "shown",
    "reordered",
    "asked",
]


LIST_COLUMNS = ["query_id", "doc_ids", "unranked"]


class Window(NamedTuple):
    """A successful call to the teacher, as in the table `windows`.

    Attributes:
        start, end: The call ordered the span [start, end) of the current list.
        permutation: permutation[i] is the place within the span, before the call, of what is now
            at i.
        named: The number of passages that the teacher put in order, because it wrote no more or was
            asked for no more; the others follow in their old order, which says nothing about them.
        shown, reordered: See `rankgen.manifests.replay`.
    """

    start: int
    end: int
    permutation: NDArray[np.int16]
    named: int
    shown: Sequence[int] | None = None
    reordered: Sequence[int] | None = None


def pair_levels(size: int, windows: Sequence[Window]) -> NDArray[np.uint8]:
    """Returns the evidence for every pair of a list, in the teacher's final order.

    A pair is seen if a window that held both put them in the final order: a teacher orders those it
    named, and puts them above those it left out. Where a later window that held both named neither,
    the pair is not seen. A pair is implied if a chain of seen pairs leads from the higher to the
    lower passage, else unseen.

    The final order of a sliding window always agrees with the latest common window, because a span
    that holds only one of two passages cannot move it past the other. Other strategies, and votes
    over several calls, may decide against an answer, which then is no evidence.

    Args:
        size: Number of passages in the list.
        windows: All calls for the query, in the order they were made.

    Returns:
        SEEN, IMPLIED or UNSEEN, symmetric, shape (size, size); the diagonal is UNSEEN.

    Raises:
        IntegrityProblem: A window does not fit a list of that size.
    """
    order = list(range(size))
    # put[a, b]: an answer put a above b.
    put = np.zeros((size, size), dtype=bool)
    for window in windows:
        span, permutation = (window.start, window.end), window.permutation.tolist()
        try:
            after = after_call(order, *span, permutation, window.shown, window.reordered)
        except ValueError as error:
            raise IntegrityProblem(str(error), "rankgen verify RUN") from None
        held = [order[place] for place in places_shown(*span, window.shown)]
        ranked = np.array([held[number] for number in permutation], dtype=np.intp)
        order, left_out = after, ranked[window.named :]
        put[np.ix_(ranked, ranked)] |= np.triu(np.ones((len(ranked), len(ranked)), bool), 1)
        put[np.ix_(left_out, left_out)] = False
    above = np.triu(put[np.ix_(order, order)], 1)
    chained = _closure(above)
    levels = np.full((size, size), UNSEEN, dtype=np.uint8)
    levels[chained | chained.T] = IMPLIED
    levels[above | above.T] = SEEN
    return levels


def _closure(above: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns reachability along edges that all lead downwards: `above` is strictly triangular.

    A matrix product would do it too, in threads that take ten times as long on a busy machine.
    """
    reached = above.copy()
    for place in range(len(above) - 2, -1, -1):
        reached[place] |= reached[above[place]].any(axis=0)
    return reached


class PairEvidence:
    """Weights of the pairs of every list of a run.

    Args:
        windows: The calls of each query, in order.
        sizes: The number of passages in each query's whole list.
        weights: Weights of a seen, an implied and an unseen pair, at least 0.
    """

    def __init__(
        self,
        windows: Mapping[str, Sequence[Window]],
        sizes: Mapping[str, int],
        weights: tuple[float, float, float],
    ) -> None:
        self._windows, self._sizes = windows, sizes
        self._weights = np.array(weights, dtype=np.float32)
        self._levels: dict[str, NDArray[np.uint8]] = {}

    def weights(self, query_id: str, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the weight of every pair of a sample of a list, symmetric, shape (n, n).

        Args:
            query_id: The list's query.
            positions: The sample's places in the teacher's order, from 0, shape (n,).
        """
        levels = self._levels.get(query_id)
        if levels is None:
            levels = pair_levels(self._sizes[query_id], self._windows[query_id])
            if len(self._levels) < KEPT_LISTS:
                self._levels[query_id] = levels
        weights: NDArray[np.float32] = self._weights[levels[np.ix_(positions, positions)]]
        return weights


def read_evidence(run: RunDirectory, weights: tuple[float, float, float]) -> PairEvidence:
    """Reads the windows of a rankings run.

    Args:
        run: A folder that `rankgen label` wrote.
        weights: Weights of a seen, an implied and an unseen pair.

    Raises:
        UsageError: The run has no windows.
        IntegrityProblem: A ranked query has no windows.
    """
    if not run.has_table("windows"):
        raise UsageError(
            f"{run.root} has no windows, so the pairs that its teacher compared are unknown",
            "label with rankgen, or use --evidence all",
        )
    sizes: dict[str, int] = {}
    for shard in run.shards("rankings", LIST_COLUMNS):
        sizes |= {row["query_id"]: whole_size(row) for row in shard.to_pylist()}
    windows = windows_in(run.shards("windows", WINDOW_COLUMNS))
    for query_id in sizes:
        if query_id not in windows:
            raise IntegrityProblem(
                f"{run.root} ranks query {query_id} but has no window of it",
                f"rankgen verify {run.root}",
            )
    return PairEvidence(windows, sizes, weights)


def windows_in(shards: Iterable[pa.Table]) -> dict[str, tuple[Window, ...]]:
    """Returns the windows of each query in the order they were made, without failed calls.

    Args:
        shards: Rows of the table `windows`, with `WINDOW_COLUMNS`.
    """
    calls: dict[str, list[tuple[int, int, Window]]] = {}
    for shard in shards:
        for row in shard.to_pylist():
            if row["permutation"] is None:
                continue
            permutation = np.array(row["permutation"], dtype=np.int16)
            asked = len(permutation) if row["asked"] is None else row["asked"]
            named = asked - row["missing"]
            moves = (row["shown"], row["reordered"])
            window = Window(row["start"], row["end"], permutation, named, *moves)
            own = calls.setdefault(row["query_id"], [])
            own.append((row["pass_index"], row["window_index"], window))
    return {
        query_id: tuple(window for *_, window in sorted(own, key=lambda call: call[:2]))
        for query_id, own in calls.items()
    }
