"""Which pairs of ranks the windows of a run showed the teacher together."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from rankgen.manifests.progress import progress
from rankgen.students.agreement.coverage import Coverage, PairCount, list_levels
from rankgen.students.pages.displacement import MOST_BINS, ranks_of
from rankgen.students.pages.opened_run import OpenedRun
from rankgen.students.training.evidence import IMPLIED, SEEN


class CoverageCell(TypedDict):
    """Pairs of a passage at ranks `high` and one at ranks `low` of the teacher's order.

    Attributes:
        seen, implied: Shares of the pairs, 0 to 1.
    """

    high: tuple[int, int]
    low: tuple[int, int]
    seen: float
    implied: float


class SeenPairs(NamedTuple):
    """The coverage of a run as a whole, and by ranks; see `Coverage`."""

    coverage: Coverage
    cells: list[CoverageCell]


def seen_pairs(run: OpenedRun) -> SeenPairs | None:
    """Returns what the windows showed; None for a run without windows or pairs.

    Raises:
        IntegrityProblem: The windows do not fit the lists.
    """
    if not run.has_windows:
        return None
    count, depth = PairCount(), 0
    totals = np.zeros((3, 0, 0), dtype=np.int64)
    with progress(f"pairs of {run.name}", None) as shown:
        for levels in list_levels(run.directory):
            count.add(levels)
            if len(levels) > depth:
                more = len(levels) - depth
                totals, depth = np.pad(totals, ((0, 0), (0, more), (0, more))), len(levels)
            _add(totals, levels)
            shown.advance()
    coverage = count.coverage
    return None if coverage is None else SeenPairs(coverage, _cells(totals, depth))


def _add(totals: NDArray[np.int64], levels: NDArray[np.uint8]) -> None:
    """Counts the pairs of a list above the diagonal: seen, implied, all."""
    n = len(levels)
    above = np.triu(np.ones((n, n), dtype=bool), 1)
    totals[0, :n, :n] += (levels == SEEN) & above
    totals[1, :n, :n] += (levels == IMPLIED) & above
    totals[2, :n, :n] += above


def _cells(totals: NDArray[np.int64], depth: int) -> list[CoverageCell]:
    width = -(-depth // MOST_BINS)
    starts = np.arange(0, depth, width)
    binned = np.add.reduceat(np.add.reduceat(totals, starts, axis=1), starts, axis=2)
    return [
        CoverageCell(
            high=ranks_of(int(i), width, depth),
            low=ranks_of(int(j), width, depth),
            seen=float(binned[0, i, j] / binned[2, i, j]),
            implied=float(binned[1, i, j] / binned[2, i, j]),
        )
        for i, j in np.argwhere(binned[2])
    ]
