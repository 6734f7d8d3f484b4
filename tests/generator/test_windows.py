"""The windows of design section 3, the count formula, and what must hold for any list."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankgen.generator.strategies.windows import call_count, spans
from rankgen.manifests.errors import UsageError

NINE_AT_95 = [(75 - 10 * i, 95 - 10 * i) for i in range(8)] + [(0, 15)]
NINE_AT_99 = [(79 - 10 * i, 99 - 10 * i) for i in range(8)] + [(0, 19)]
NINE_AT_100 = [(80 - 10 * i, 100 - 10 * i) for i in range(9)]
TEN_AT_101 = [(81 - 10 * i, 101 - 10 * i) for i in range(9)] + [(0, 11)]


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, []),
        (1, [(0, 1)]),
        (5, [(0, 5)]),
        (20, [(0, 20)]),
        (21, [(1, 21), (0, 11)]),
        (25, [(5, 25), (0, 15)]),
        (35, [(15, 35), (5, 25), (0, 15)]),
        (95, NINE_AT_95),
        (99, NINE_AT_99),
        (100, NINE_AT_100),
        (101, TEN_AT_101),
    ],
)
def test_golden_table(n: int, expected: list[tuple[int, int]]) -> None:
    assert list(spans(n, 20, 10)) == expected
    assert call_count(n, 20, 10) == len(expected)


@given(
    n=st.integers(0, 300),
    window=st.integers(2, 40),
    data=st.data(),
    passes=st.integers(1, 3),
)
def test_every_list_is_covered_and_chained(
    n: int, window: int, data: st.DataObject, passes: int
) -> None:
    stride = data.draw(st.integers(1, window))
    found = list(spans(n, window, stride))
    assert call_count(n, window, stride, passes) == passes * len(found)
    assert {i for start, end in found for i in range(start, end)} == set(range(n))
    if n:
        assert found[0][1] == n
        assert found[-1][0] == 0
    assert all(0 < end - start <= window for start, end in found)
    # A passage that wins a window is seen by the next one whenever windows overlap.
    for (start, _), (_, next_end) in itertools.pairwise(found):
        assert next_end >= start + window - stride


def test_no_window_is_the_whole_list() -> None:
    assert list(spans(100, None, None)) == [(0, 100)]
    assert call_count(100, None, None, passes=2) == 2
    assert call_count(0, None, None) == 0


@pytest.mark.parametrize(
    ("window", "stride", "passes"), [(20, 21, 1), (1, 1, 1), (20, 0, 1), (20, None, 1), (20, 10, 0)]
)
def test_windows_that_rank_nothing_are_refused(
    window: int, stride: int | None, passes: int
) -> None:
    with pytest.raises(UsageError):
        call_count(50, window, stride, passes)
