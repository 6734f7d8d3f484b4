"""Pair evidence against a slow reading of the same windows, and what it does to the losses."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import TABLES
from rankgen.students.losses import Targets, make_loss
from rankgen.students.losses.adr_mse import approximate_ranks, evidenced_ranks
from rankgen.students.losses.terms import reduced
from rankgen.students.training.evidence import (
    IMPLIED,
    SEEN,
    UNSEEN,
    Window,
    pair_levels,
    read_evidence,
)


def window(start: int, *permutation: int, named: int | None = None) -> Window:
    places = np.array(permutation, dtype=np.int16)
    return Window(start, start + len(places), places, len(places) if named is None else named)


def test_one_window_shows_every_pair() -> None:
    levels = pair_levels(3, [window(0, 2, 0, 1)])
    assert (levels[~np.eye(3, dtype=bool)] == SEEN).all()


def test_sliding_windows_by_hand() -> None:
    # a b c d e; [c d e] -> e d c; [a b e] -> a e b; final a e b d c. a-d: a above e above d.
    levels = pair_levels(5, [window(2, 2, 1, 0), window(0, 0, 2, 1)])
    a, e, b, d, c = range(5)
    assert levels[a, e] == levels[a, b] == levels[e, b] == SEEN
    assert levels[e, d] == levels[e, c] == levels[d, c] == SEEN
    assert levels[a, d] == levels[a, c] == IMPLIED
    # b lost to e, as d and c did: nobody compared b with d, they stand as they came.
    assert levels[b, d] == levels[b, c] == UNSEEN
    assert (levels == levels.T).all()


def test_what_the_teacher_left_out_is_below_but_not_ordered() -> None:
    # It named 3 and 1 of four; 0 and 2 were appended.
    levels = pair_levels(4, [window(0, 3, 1, 0, 2, named=2)])
    assert levels[2, 3] == UNSEEN
    assert levels[0, 1] == levels[0, 2] == levels[1, 3] == SEEN


def test_an_answer_that_names_nothing_is_no_evidence() -> None:
    assert (pair_levels(3, [window(0, 0, 1, 2, named=0)]) == UNSEEN).all()


def test_windows_of_any_places_by_hand() -> None:
    # Of a b c d, c and a are shown and a wins; the strategy then puts c last: a b d c.
    first = Window(0, 3, np.array([1, 0], dtype=np.int16), 2, (2, 0), (0, 1, 3, 2))
    # Then d and b, in which d is first, and nothing moves.
    second = Window(1, 3, np.array([0, 1], dtype=np.int16), 2, (2, 1))
    levels = pair_levels(4, [first, second])
    a, b, d, c = range(4)
    assert levels[a, c] == SEEN
    # The final order has b above d: no answer said so.
    assert levels[b, d] == levels[a, b] == levels[d, c] == UNSEEN
    # One of two votes said it.
    vote = Window(1, 3, np.array([1, 0], dtype=np.int16), 2, (2, 1))
    assert pair_levels(4, [first, second, vote])[b, d] == SEEN
    assert pair_levels(4, [first, vote, second])[b, d] == SEEN


@pytest.mark.parametrize(
    ("places", "order"), [((2, 3), None), ((0, 0), None), ((0, 1), (0, 1)), ((0, 1), (0, 0, 1))]
)
def test_a_window_of_places_that_does_not_fit_is_an_error(
    places: tuple[int, ...], order: tuple[int, ...] | None
) -> None:
    span = (min(places), max(places) + 1)
    call = Window(*span, np.array([0, 1], dtype=np.int16), 2, places, order)
    with pytest.raises(IntegrityProblem, match=r"a window|a list of 3"):
        pair_levels(3, [call])


def test_a_window_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(IntegrityProblem, match="does not fit a list of 3"):
        pair_levels(3, [window(1, 0, 1, 2)])


@st.composite
def runs(draw: st.DrawFn) -> tuple[int, list[Window]]:
    size = draw(st.integers(2, 14))
    width = draw(st.integers(2, 6))
    stride = draw(st.integers(1, width))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    windows = []
    for _ in range(draw(st.integers(1, 2))):
        end = size
        while True:
            start = max(0, end - width)
            order = generator.permutation(end - start)
            named = int(generator.integers(0, len(order) + 1)) if generator.random() < 0.3 else None
            if named is not None:
                order[named:] = np.sort(order[named:])
            windows.append(window(start, *order.tolist(), named=named))
            if start == 0:
                break
            end -= stride
    return size, windows


def slow_levels(size: int, windows: list[Window]) -> dict[tuple[int, int], int]:
    """Levels by (place, place), from every window's own words and all chains of them."""
    order, above = list(range(size)), dict[tuple[int, int], bool]()
    for call in windows:
        span = [order[call.start + i] for i in call.permutation]
        order[call.start : call.end] = span
        for high, low in itertools.combinations(range(len(span)), 2):
            above.pop((span[high], span[low]), None)
            above.pop((span[low], span[high]), None)
            if high < call.named:
                above[span[high], span[low]] = True
    places = {doc: place for place, doc in enumerate(order)}
    seen = {(places[a], places[b]) for a, b in above}
    # The order of the latest common window is the final order.
    assert all(high < low for high, low in seen)
    reached = set(seen)
    while True:
        more = {(a, d) for a, b in reached for c, d in seen if b == c} - reached
        if not more:
            break
        reached |= more
    return {
        pair: SEEN if pair in seen else IMPLIED if pair in reached else UNSEEN
        for pair in itertools.combinations(range(size), 2)
    }


@settings(max_examples=60)
@given(runs())
def test_levels_equal_a_slow_reading(run: tuple[int, list[Window]]) -> None:
    levels = pair_levels(*run)
    for (high, low), level in slow_levels(*run).items():
        assert levels[high, low] == levels[low, high] == level


def lists(weights: torch.Tensor | None) -> tuple[torch.Tensor, Targets]:
    scores = torch.tensor([[0.4, -1.0, 2.0, 0.1]], dtype=torch.float64)
    ranks = torch.tensor([[1.0, 2.0, 3.0, 4.0]], dtype=torch.float64)
    mask = torch.ones(1, 4, dtype=torch.bool)
    teacher = torch.tensor([[3.5, 2.0, 1.5, -1.0]], dtype=torch.float64)
    return scores, Targets(ranks, mask, teacher, weights)


PAIRWISE = ["ranknet", "adr-mse", "lambda", "margin-mse"]


@pytest.mark.parametrize("name", PAIRWISE)
def test_weights_of_one_change_nothing(name: str) -> None:
    plain = make_loss(name).terms(*lists(None))
    weighed = make_loss(name).terms(*lists(torch.ones(1, 4, 4)))
    torch.testing.assert_close(weighed.sums, plain.sums)
    assert weighed.counts.tolist() == plain.counts.tolist()


@pytest.mark.parametrize("name", ["ranknet", "adr-mse", "margin-mse"])
def test_a_pair_of_weight_zero_pulls_nothing(name: str) -> None:
    weights = torch.zeros(1, 4, 4)
    weights[0, 0, 3] = weights[0, 3, 0] = 1
    scores, targets = lists(weights)
    scores.requires_grad_()
    reduced(make_loss(name).terms(scores, targets), "per_query_mean").backward()
    assert scores.grad is not None
    assert scores.grad[0, 1:3].tolist() == [0, 0]
    assert scores.grad[0, 0] < 0 < scores.grad[0, 3]


@pytest.mark.parametrize("name", PAIRWISE)
def test_without_any_evidence_a_list_counts_nothing(name: str) -> None:
    scores, targets = lists(torch.zeros(1, 4, 4))
    terms = make_loss(name).terms(scores, targets)
    assert terms.counts.item() == 0
    assert reduced(terms, "per_query_mean").item() == 0


@pytest.mark.parametrize("name", PAIRWISE)
def test_weighed_gradients_equal_finite_differences(name: str) -> None:
    weights = torch.tensor([[[0, 1, 0.5, 0], [1, 0, 0, 2], [0.5, 0, 0, 1], [0, 2, 1, 0]]]).double()
    scores, targets = lists(weights)
    loss = make_loss(name)
    # The weights of the lambda loss depend on the scores, but only stepwise.
    assert torch.autograd.gradcheck(lambda s: loss.terms(s, targets).sums, scores.requires_grad_())


def test_weighed_ranknet_by_hand() -> None:
    weights = torch.zeros(1, 4, 4)
    weights[0, 0, 1] = weights[0, 1, 0] = 0.25
    terms = make_loss("ranknet").terms(*lists(weights))
    expected = 0.25 * np.log1p(np.exp(-1.0 - 0.4))
    assert terms.sums.item() == pytest.approx(expected)
    assert terms.counts.item() == 0.25


def test_weighed_ranks_by_hand() -> None:
    weights = torch.zeros(1, 4, 4)
    weights[0, 0, 3] = weights[0, 3, 0] = 1
    weights[0, 2, 3] = weights[0, 3, 2] = 0.5
    scores, targets = lists(weights)
    assert evidenced_ranks(targets, scores)[0].tolist() == [1, 1, 1, 2.5]
    sharp = approximate_ranks(scores, targets.mask, 1000.0, weights)
    assert sharp[0].tolist() == pytest.approx([1, 1, 1, 2.5])


def test_evidence_is_read_from_a_run_in_the_order_of_its_calls(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    write(run, "rankings", rankings_rows())
    # Published in another order than they were made: pass 0 windows 0 and 1.
    write(run, "windows", [windows_row(1, 0, [0, 2, 1]), windows_row(0, 2, [2, 1, 0])])
    evidence = read_evidence(run, (1.0, 0.5, 0.0))
    weights = evidence.weights("q", np.array([0, 2, 3]))
    # Places a, b, d of the list a e b d c: see the sliding windows by hand.
    assert weights.tolist() == [[0, 1, 0.5], [1, 0, 0], [0.5, 0, 0]]


def test_a_run_without_windows_says_so(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    write(run, "rankings", rankings_rows())
    with pytest.raises(UsageError, match="has no windows"):
        read_evidence(run, (1.0, 0.0, 0.0))


def rankings_rows() -> list[dict[str, object]]:
    return [
        {
            "query_id": "q",
            "doc_ids": ["a", "e", "b", "d", "c"],
            "retrieval_positions": [1, 5, 2, 4, 3],
            "retrieval_scores": [5.0, 1.0, 4.0, 2.0, 3.0],
            "status": "complete",
            "windows": 2,
            "repaired_windows": 0,
            "prompt_tokens": 0,
            "output_tokens": 0,
            "candidates_sha256": "0" * 64,
        }
    ]


def windows_row(index: int, start: int, permutation: list[int]) -> dict[str, object]:
    zeros = ("duplicates", "missing", "out_of_range", "prompt_tokens", "output_tokens")
    return {
        "query_id": "q",
        "pass_index": 0,
        "window_index": index,
        "start": start,
        "end": start + len(permutation),
        "permutation": permutation,
        "outcome": "ok",
        "output_text": None,
        **dict.fromkeys(zeros, 0),
    }


def write(run: RunDirectory, table: str, rows: list[dict[str, object]]) -> None:

    path = run.shard_path(table, 0, 1)
    path.parent.mkdir(parents=True, exist_ok=True)

    pq.write_table(pa.Table.from_pylist(rows, schema=TABLES[table]), path)
