"""Means over queries that belong to several tasks, and means over corpora."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence


def micro_mean(tasks: Mapping[str, Mapping[str, float]]) -> float:
    """Returns the mean over all (task, query) pairs.

    Tasks on one corpus may use the same query ids, as genomics 2004 and precision medicine do.

    Args:
        tasks: Task -> query id -> value, with at least one query.
    """
    return arithmetic_mean([value for values in tasks.values() for value in values.values()])


def arithmetic_mean(values: Sequence[float]) -> float:
    """Returns the sum divided by the number of values, which must be at least 1."""
    return math.fsum(values) / len(values)


def geometric_mean(values: Sequence[float]) -> float:
    """Returns the n-th root of the product, which is 0 if one of the values is 0."""
    if any(value <= 0 for value in values):
        return 0.0
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def root_mean_square(values: Iterable[float]) -> float:
    """Returns the root mean square, which Table 2 of arXiv 2405.07920 calls "G. Mean"."""
    return math.sqrt(arithmetic_mean([value * value for value in values]))
