"""The pairs of its lists that a run's windows showed the teacher."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.training.evidence import (
    IMPLIED,
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


def coverage_of(run: RunDirectory) -> Coverage | None:
    """Returns the coverage of a run; None for one without windows, such as an imported one.

    Raises:
        IntegrityProblem: The windows do not fit the lists.
    """
    if not run.has_table("windows"):
        return None
    counts, pairs = np.zeros(3, dtype=np.int64), 0
    # A query's windows are in the shard of its list.
    shards = zip(
        run.shards("rankings", ["query_id", "doc_ids"]),
        run.shards("windows", WINDOW_COLUMNS),
        strict=True,
    )
    for rankings, calls in shards:
        own = windows_in([calls])
        for row in rankings.to_pylist():
            n = len(row["doc_ids"])
            levels = pair_levels(n, own.get(row["query_id"], ()))
            counts += np.bincount(levels[np.triu_indices(n, 1)], minlength=3)
            pairs += n * (n - 1) // 2
    return Coverage(float(counts[SEEN] / pairs), float(counts[IMPLIED] / pairs)) if pairs else None
