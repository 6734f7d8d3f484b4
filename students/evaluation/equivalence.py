"""Whether two systems are as good as each other, which a test that finds no difference cannot say.

Two one-sided paired t-tests (TOST, Schuirmann 1987) against a margin chosen beforehand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# A difference of nDCG@10 below this is not worth a choice between two systems.
MARGIN = 0.02


class MarginTest(NamedTuple):
    """One-sided p values of b against a; None where the test is undefined.

    Attributes:
        not_worse: Of "b is worse than a by the margin or more": small where b is not inferior.
        equivalent: Of "b differs from a by the margin or more": small where both are equivalent.
    """

    not_worse: float | None
    equivalent: float | None


def margin_test(a: NDArray[np.float64], b: NDArray[np.float64], margin: float) -> MarginTest:
    """Tests whether b is not inferior to a, and whether both are equivalent.

    Differences without variance are certain: their p values are 0 or 1.

    Args:
        a: Values of one system per query, shape (queries,).
        b: Values of the other in the same order, shape (queries,).
        margin: The difference from which on a system counts as worse, above 0.
    """
    difference = b - a
    if len(difference) < 2:
        return MarginTest(None, None)
    center = float(difference.mean())
    spread = float(difference.std(ddof=1)) / len(difference) ** 0.5
    if spread < 1e-12:
        below, above = float(center <= -margin), float(center >= margin)
        return MarginTest(below, max(below, above))
    from scipy import stats

    degrees = len(difference) - 1
    below = float(stats.t.sf((center + margin) / spread, degrees))
    above = float(stats.t.cdf((center - margin) / spread, degrees))
    return MarginTest(below, max(below, above))
