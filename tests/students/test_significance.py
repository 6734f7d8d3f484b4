"""Tests and corrections against hand-computed values and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rankgen.students.evaluation.significance import (
    bonferroni,
    bootstrap_interval,
    holm,
    paired_tests,
    randomisation_test,
    t_test,
)

A = np.array([0.1, 0.4, 0.3, 0.9, 0.5])
B = np.array([0.3, 0.5, 0.2, 1.0, 0.9])


def test_t_by_hand() -> None:
    difference = B - A
    by_hand = difference.mean() / (difference.std(ddof=1) / np.sqrt(5))
    t, p = t_test(A, B)
    assert t == pytest.approx(by_hand)
    assert p == pytest.approx(2 * stats.t.sf(by_hand, df=4))


def test_equal_systems_differ_by_nothing() -> None:
    assert t_test(A, A.copy()) == (None, 1.0)


def test_one_query_is_no_evidence() -> None:
    assert t_test(np.array([0.1]), np.array([0.2])) == (None, None)
    (test,) = paired_tests("P@1", [("a", A[:1]), ("b", B[:1])], [(0, 1)])
    assert (test.p, test.p_holm, test.p_bonferroni, test.queries) == (None, None, None, 1)


@pytest.mark.parametrize("queries", [1, 2, 3, 50])
def test_a_constant_difference_cannot_be_tested(queries: int) -> None:
    assert t_test(np.zeros(queries), np.full(queries, 0.5)) == (None, None)
    # The same difference every time, as 64-bit numbers have it.
    a = np.resize([0.1, 0.3, 0.7, 0.2], queries)
    b = np.resize([0.3, 0.5, 0.9, 0.4], queries)
    assert queries == 1 or len(set((b - a).tolist())) > 1
    assert t_test(a, b) == (None, None)
    (test,) = paired_tests("P@1", [("a", a), ("b", b)], [(0, 1)])
    assert (test.t, test.p, test.p_holm, test.p_bonferroni) == (None, None, None, None)
    assert (test.p_randomisation is None) == (queries == 1)
    # What rounding alone tells apart is one system.
    assert t_test(a, a + 1e-16) == (None, 1.0)


def test_two_queries_can_be_tested_where_their_differences_vary() -> None:
    t, p = t_test(np.zeros(2), np.array([0.2, 0.4]))
    assert t == pytest.approx(3)
    assert p == pytest.approx(2 * stats.t.sf(3, df=1))
    assert randomisation_test(np.zeros(2), np.array([0.2, 0.4]), 1000, seed=0) == 0.5


def test_corrections_by_hand() -> None:
    p_values = [0.04, 0.01, 0.03]
    assert bonferroni(p_values) == pytest.approx([0.12, 0.03, 0.09])
    # Sorted: .01 * 3, then max(.03, .03 * 2), then max(.06, .04 * 1).
    assert holm(p_values) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_paired_tests_state_their_number() -> None:
    values = [("a", A), ("b", B), ("c", A)]
    tests = paired_tests("nDCG@10", values, [(0, 1), (0, 2), (1, 2)])
    assert [(test.a, test.b, test.m) for test in tests] == [
        ("a", "b", 3),
        ("a", "c", 3),
        ("b", "c", 3),
    ]
    assert tests[0].mean_difference == pytest.approx((B - A).mean())
    assert tests[0].p is not None
    assert tests[0].p_bonferroni == pytest.approx(min(1, 3 * tests[0].p))
    assert tests[1].p_holm == 1


def test_bootstrap_interval_holds_the_mean_and_is_seeded() -> None:
    values = np.random.default_rng(0).random(200)
    interval = bootstrap_interval(values, 2000, seed=1)
    assert interval is not None
    low, high = interval
    half = 1.96 * values.std(ddof=1) / np.sqrt(200)
    assert low == pytest.approx(values.mean() - half, abs=0.005)
    assert high == pytest.approx(values.mean() + half, abs=0.005)
    assert bootstrap_interval(values, 2000, seed=1) == (low, high)
    assert bootstrap_interval(np.array([0.2, 0.6]), 2000, seed=1) == (0.2, 0.6)
    assert bootstrap_interval(np.array([0.2]), 2000, seed=1) is None


def test_randomisation_counts_every_pattern_of_few_queries() -> None:
    a, b = np.zeros(3), np.array([0.1, 0.2, 0.3])
    # Of the 8 sign patterns only all + and all - reach a sum of 0.6.
    assert randomisation_test(a, b, 1000, seed=0) == 0.25
    # 0.1 + 0.2 - 0.3 = 0: every pattern is as extreme.
    assert randomisation_test(a, np.array([0.1, 0.2, -0.3]), 1000, seed=0) == 1
    assert randomisation_test(a, a, 1000, seed=0) == 1
    assert randomisation_test(np.zeros(1), np.ones(1), 1000, seed=0) is None


def test_randomisation_by_sampling_agrees_with_scipy_and_is_seeded() -> None:
    generator = np.random.default_rng(1)
    a = generator.random(40)
    b = a + generator.normal(0.05, 0.15, 40)
    found = randomisation_test(a, b, 20_000, seed=3)
    peer = stats.permutation_test(
        (b - a,), np.mean, permutation_type="samples", n_resamples=20_000, rng=generator
    )
    assert found == pytest.approx(peer.pvalue, abs=0.01)
    assert randomisation_test(a, b, 20_000, seed=3) == found
    assert randomisation_test(b, a, 20_000, seed=3) == found


def test_a_certain_difference_is_never_p_zero() -> None:
    found = randomisation_test(np.zeros(50), np.ones(50), 999, seed=0)
    assert found == 0.001
