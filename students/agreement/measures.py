"""Agreement of two orders of the same documents: pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence


def kendall_tau(one: Sequence[str], other: Sequence[str]) -> float:
    """Returns Kendall's tau: 1 for the same order, -1 for the reversed one.

    Args:
        one: Distinct ids, best first; at least two.
        other: The same ids in another order.
    """
    from scipy.stats import kendalltau

    place = {doc_id: n for n, doc_id in enumerate(other)}
    return float(kendalltau(range(len(one)), [place[doc_id] for doc_id in one]).statistic)


def rank_biased_overlap(one: Sequence[str], other: Sequence[str], persistence: float) -> float:
    """Returns the rank-biased overlap, extrapolated from the lists' common depth; 0 to 1.

    Source: Webber, Moffat and Zobel 2010, equation 23: the agreement at depth d (the share of
    common ids among the top d) weighs (1 - p) p^(d - 1), and that at the end stands for the rest.

    Args:
        one: Distinct ids, best first; at least one.
        other: As many, of which any number may be others.
        persistence: p, above 0 and below 1: 0.9 gives the top 10 86 % of the weight.
    """
    seen_one, seen_other = set[str](), set[str]()
    common, total = 0, 0.0
    for depth, (left, right) in enumerate(zip(one, other, strict=True), start=1):
        common += (left == right) + (left in seen_other) + (right in seen_one)
        seen_one.add(left)
        seen_other.add(right)
        total += common / depth * persistence ** (depth - 1)
    depth = len(one)
    return common / depth * persistence**depth + (1 - persistence) * total


def overlap(one: Sequence[str], other: Sequence[str], depth: int) -> float:
    """Returns the share of ids that both have among their first `depth`, 0 to 1."""
    tops = set(one[:depth]), set(other[:depth])
    return len(tops[0] & tops[1]) / max(len(top) for top in tops)


def mean(values: Sequence[float]) -> float:
    """Returns the mean; not a number for no values."""
    return math.fsum(values) / len(values) if values else math.nan
