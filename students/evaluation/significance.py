"""Paired two-sided tests between systems: t with Bonferroni and Holm, and randomisation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

# Relative rounding error of sums and quotients of 64-bit numbers, with a wide margin.
_ROUNDING = 1e-12


class PairedTest(BaseModel):
    """The test of one pair of systems on one measure.

    Attributes:
        mean_difference: Mean of b minus mean of a, over queries.
        t: The statistic; None where it is undefined (one query, or no variance).
        p: Two-sided p value; 1 for equal systems; None where the test is undefined.
        p_bonferroni: min(1, m p).
        p_holm: Holm's step-down p value.
        p_randomisation: Two-sided p value of the randomisation test, without correction; None for
            a single query.
        m: Number of tests of this measure, which the corrections count.
        queries: Number of paired queries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: str
    a: str
    b: str
    mean_difference: float
    t: float | None
    p: float | None
    p_bonferroni: float | None
    p_holm: float | None
    p_randomisation: float | None
    m: int
    queries: int


def t_test(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Returns (t, two-sided p) of the paired differences b - a.

    Without any difference p is 1. With one query, or where all differences are equal, there is no
    variance to compare the mean difference with, and both are None. Differences that only rounding
    makes unequal count as equal.

    Args:
        a: Values of one system per query, shape (queries,).
        b: Values of the other in the same order, shape (queries,).
    """
    difference = b - a
    rounding = _ROUNDING * max(float(np.abs(a).max()), float(np.abs(b).max()))
    if np.abs(difference).max() <= rounding:
        return None, 1.0
    if len(difference) < 2 or np.ptp(difference) <= rounding:
        return None, None
    from scipy import stats

    result = stats.ttest_rel(b, a)
    return float(result.statistic), float(result.pvalue)


def randomisation_test(
    a: NDArray[np.float64], b: NDArray[np.float64], samples: int, seed: int
) -> float | None:
    """Returns the two-sided p value of Fisher's randomisation test (Smucker et al. 2007).

    Under the null hypothesis either system could have given either value of a query, so the sign of
    every difference is random. Where there are at most `samples` sign patterns, all of them are
    counted; where there are more, `samples` are drawn, and the observed one counts as one more.

    Args:
        a: Values of one system per query, shape (queries,).
        b: Values of the other in the same order, shape (queries,).
        samples: Number of sign patterns to draw.
        seed: Random seed.
    """
    difference = b - a
    difference = difference[difference != 0]
    if len(b) < 2:
        return None
    # Rounding must not make equal sums unequal.
    observed = abs(difference.sum()) - _ROUNDING * np.abs(difference).sum()
    if 2 ** min(len(difference), 62) <= samples:
        patterns = np.arange(2 ** len(difference))[:, None] >> np.arange(len(difference)) & 1
        sums = (1 - 2 * patterns) @ difference
        return float((np.abs(sums) >= observed).mean())
    generator = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, samples, 1000):
        size = (min(1000, samples - start), len(difference))
        signs = 1 - 2 * generator.integers(0, 2, size=size, dtype=np.int8)
        extreme += int((np.abs(signs @ difference) >= observed).sum())
    return (extreme + 1) / (samples + 1)


def smallest_p(queries: int, samples: int = 10_000) -> float:
    """Returns the smallest p value that `randomisation_test` has for so many queries."""
    return 2.0 ** (1 - queries) if 2 ** min(queries, 62) <= samples else 1 / (samples + 1)


def bonferroni(p_values: Sequence[float]) -> list[float]:
    """Returns min(1, m p) for each of the m p values."""
    return [min(1.0, len(p_values) * p) for p in p_values]


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns Holm's step-down adjusted p values in the given order (Holm 1979)."""
    m = len(p_values)
    adjusted = [0.0] * m
    highest = 0.0
    for place, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (m - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def paired_tests(
    measure: str,
    values: Sequence[tuple[str, NDArray[np.float64]]],
    pairs: Sequence[tuple[int, int]],
    samples: int = 10_000,
    seed: int = 0,
) -> list[PairedTest]:
    """Tests pairs of systems on one measure and corrects for their number.

    Args:
        measure: Name of the measure.
        values: (system name, value per query); all in the same query order.
        pairs: Which systems to compare, as indices into `values`.
        samples: Number of sign patterns of each randomisation test.
        seed: Random seed of the randomisation tests.
    """
    raw = [t_test(values[i][1], values[j][1]) for i, j in pairs]
    # An undefined p value stands for "no evidence" in the corrections.
    defined = [1.0 if p is None else p for _, p in raw]
    corrected = zip(bonferroni(defined), holm(defined), strict=True)
    tests = []
    for (i, j), (t, p), (p_bonferroni, p_holm) in zip(pairs, raw, corrected, strict=True):
        difference = float(values[j][1].mean() - values[i][1].mean())
        tests.append(
            PairedTest(
                measure=measure,
                a=values[i][0],
                b=values[j][0],
                mean_difference=difference,
                t=None if t is None or not math.isfinite(t) else t,
                p=p,
                p_bonferroni=None if p is None else p_bonferroni,
                p_holm=None if p is None else p_holm,
                p_randomisation=randomisation_test(values[i][1], values[j][1], samples, seed),
                m=len(pairs),
                queries=len(values[i][1]),
            )
        )
    return tests


def bootstrap_interval(
    values: NDArray[np.float64], samples: int, seed: int
) -> tuple[float, float] | None:
    """Returns the percentile bootstrap interval (95 %) of the mean over queries.

    Returns None for a single query, since every resample would be that query.

    Args:
        values: One value for each query, shape (queries,).
        samples: Number of resamples.
        seed: Random seed; the same seed draws the same queries for every system.
    """
    if len(values) < 2:
        return None
    draws = np.random.default_rng(seed).integers(0, len(values), size=(samples, len(values)))
    means = values[draws].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
