"""Means over queries that belong to several tasks, and means over corpora."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence


def keyed(task: str, values: Mapping[str, float]) -> dict[str, float]:
    """Returns the values of one task by `task/query`.

    Tasks of one corpus number their queries alike (the TREC web tracks, genomics 2004 and precision
    medicine), so a bare query id would let one task's query take the place of another's.
    """
    return {f"{task}/{query_id}": value for query_id, value in values.items()}


def micro_mean(tasks: Mapping[str, Mapping[str, float]]) -> float:
    """Returns the mean over all (task, query) pairs, each once.

    Args:
        tasks: Value by query id, by task; at least one query in all.
    """
    merged: dict[str, float] = {}
    for task, values in tasks.items():
        merged |= keyed(task, values)
    return arithmetic_mean(list(merged.values()))


def arithmetic_mean(values: Sequence[float]) -> float:
    """Returns the sum over the number of values, of which there must be one."""
    return math.fsum(values) / len(values)


def geometric_mean(values: Sequence[float]) -> float:
    """Returns the n-th root of the product: never above the arithmetic mean; 0 if one value is."""
    if any(value <= 0 for value in values):
        return 0.0
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def root_mean_square(values: Iterable[float]) -> float:
    """Returns the root of the mean square: never below the arithmetic mean.

    This is what arXiv 2405.07920 prints in Table 2 as "G. Mean".
    """
    squares = [value * value for value in values]
    return math.sqrt(math.fsum(squares) / len(squares))
