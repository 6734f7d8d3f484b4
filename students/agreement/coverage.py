"""The pairs of its lists that a run's windows showed the teacher."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.unranked import whole_size
from rankgen.students.training.evidence import (
    IMPLIED,
    LIST_COLUMNS,
    SEEN,
    WINDOW_COLUMNS,
    pair_levels,
    windows_in,
)


class Coverage(NamedTuple):
    """Shares of all pairs of a run's lists, 0 to 1; the rest were never compared.

    Attributes:
        seen: Pairs that one window showed.
        implied: Pairs that follow from seen ones.
    """

    seen: float
    implied: float


class PairCount:
    """Counts the pairs of lists by what the teacher saw of them."""

    def __init__(self) -> None:
        self._counts = np.zeros(3, dtype=np.int64)

    def add(self, levels: NDArray[np.uint8]) -> None:
        """Counts the pairs of one list; see `pair_levels`."""
        self._counts += np.bincount(levels[np.triu_indices(len(levels), 1)], minlength=3)

    @property
    def coverage(self) -> Coverage | None:
        """The shares; None where no list has two passages."""
        pairs = int(self._counts.sum())
        if not pairs:
            return None
        return Coverage(float(self._counts[SEEN] / pairs), float(self._counts[IMPLIED] / pairs))


def coverage_of(run: RunDirectory) -> Coverage | None:
    """Returns the coverage of a run; None for one without windows, such as an imported one.

    Raises:
        IntegrityProblem: The windows do not fit the lists.
    """
    if not run.has_table("windows"):
        return None
    count = PairCount()
    for levels in list_levels(run):
        count.add(levels)
    return count.coverage


def list_levels(run: RunDirectory) -> Iterator[NDArray[np.uint8]]:
    """Yields the pairs of every list of a run with windows; see `pair_levels`.

    Raises:
        IntegrityProblem: The windows do not fit the lists.
    """
    # A query's windows are in the shard of its list.
    shards = zip(
        run.shards("rankings", LIST_COLUMNS),
        run.shards("windows", WINDOW_COLUMNS),
        strict=True,
    )
    for rankings, calls in shards:
        own = windows_in([calls])
        for row in rankings.to_pylist():
            yield pair_levels(whole_size(row), own.get(row["query_id"], ()))
