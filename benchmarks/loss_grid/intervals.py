"""Intervals over queries and seeds: both are drawn again, for all students alike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000
LEVEL = 0.95
Values = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean with the limits between which 95 % of the drawn means lie."""

    mean: float
    low: float
    high: float


class Bootstrap:
    """Draws of seeds and of queries, with replacement, the same for every student.

    Args:
        seeds: Seeds of every student.
        queries: Queries of the test set.
    """

    def __init__(self, seeds: int, queries: int) -> None:
        generator = np.random.default_rng(0)
        self._seeds = _weights(generator, seeds)
        self._queries = _weights(generator, queries)

    def interval(self, values: Values) -> Interval:
        """Returns the mean of values of shape (seeds, queries) and its limits.

        For an interval of a difference, give the differences.
        """
        means = np.einsum("ds,sq,dq->d", self._seeds, values, self._queries, optimize=True)
        low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Interval(*(round(float(value), 4) for value in (values.mean(), low, high)))


def _weights(generator: np.random.Generator, count: int) -> Values:
    """Returns the share of each item in every draw, shape (draws, count)."""
    return generator.multinomial(count, np.full(count, 1 / count), size=DRAWS) / count
