"""Windows of a list that is cut lead to the cut ranking, and show the same pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankgen.generator.jobs.label.checks import replayed
from rankgen.generator.jobs.subsample.projection import (
    kept_places,
    projected_ranking,
    projected_windows,
    summed_calls,
)
from rankgen.generator.strategies.windows import spans
from rankgen.manifests.replay import after_call, described
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.students.training.evidence import IMPLIED, SEEN, UNSEEN, Window, pair_levels

Call = dict[str, Any]


def call(start: int, permutation: list[int] | None, length: int, **more: object) -> Call:
    return {
        "start": start,
        "end": start + length,
        "permutation": permutation,
        "outcome": "ok" if permutation is not None else "error",
        "missing": 0,
        "prompt_tokens": 7,
        "output_tokens": 2,
        **more,
    }


@st.composite
def labelled(draw: st.DrawFn) -> tuple[int, list[Call], set[int]]:
    """Draws the length of a list, the calls about it, and the places of it that are kept."""
    size = draw(st.integers(1, 14))
    width = draw(st.integers(2, 6))
    stride = draw(st.integers(1, width - 1))
    random = draw(st.randoms(use_true_random=False))
    calls = list[Call]()
    for start, end in list(spans(size, width, stride)) * draw(st.integers(1, 2)):
        order = random.sample(range(end - start), end - start)
        named = random.choice([len(order), random.randint(0, len(order))])
        # What is not named follows in its old order.
        order[named:] = sorted(order[named:])
        if random.random() < 0.2:
            calls.append(call(start, None, len(order)))
        calls.append(call(start, order, len(order), missing=len(order) - named))
    kept = set(range(draw(st.integers(1, size))))
    if draw(st.booleans()):
        kept = draw(st.sets(st.integers(0, size - 1), min_size=1))
    return size, calls, kept


@st.composite
def labelled_otherwise(draw: st.DrawFn) -> tuple[int, list[Call], set[int]]:
    """Draws calls that show any places, and after which a strategy puts the list in any order."""
    size = draw(st.integers(1, 9))
    random = draw(st.randoms(use_true_random=False))
    order, calls = list(range(size)), list[Call]()
    # Every passage is shown at least once.
    shows = [random.sample(order, random.randint(1, size)) for _ in range(random.randint(0, 4))]
    shows.insert(random.randint(0, len(shows)), order)
    for held in shows:
        permutation = random.sample(range(len(held)), len(held))
        after = random.choice([order, random.sample(order, size)])
        start, end, shown, moved = described(order, held, permutation, after)
        named = random.randint(0, len(held))
        permutation[named:] = sorted(permutation[named:])
        if (shown, moved) == (None, None):
            after = after_call(order, start, end, permutation)
        if random.random() < 0.3:
            calls.append(call(start, None, end - start, shown=shown, reordered=None))
        more = {"shown": shown, "reordered": moved, "missing": len(held) - named}
        calls.append(call(start, permutation, end - start, **more))
        order = after
    return size, calls, draw(st.sets(st.integers(0, size - 1), min_size=1))


def answered(calls: list[Call]) -> Any:
    return [one for one in calls if one["permutation"] is not None]


def levels(size: int, calls: list[Call]) -> Any:
    windows = [
        Window(
            one["start"],
            one["end"],
            np.array(one["permutation"], dtype=np.int16),
            len(one["permutation"]) - one["missing"],
            one.get("shown"),
            one.get("reordered"),
        )
        for one in answered(calls)
    ]
    return pair_levels(size, windows)


@settings(max_examples=300)
@given(st.one_of(labelled(), labelled_otherwise()))
def test_cut_windows_lead_to_the_cut_ranking_and_show_the_same_pairs(
    drawn: tuple[int, list[Call], set[int]],
) -> None:
    size, calls, kept = drawn
    order = replayed(answered(calls), size)
    assert order is not None
    cut = [dict(one) for one in projected_windows(calls, size, kept)]
    number_of = {place: number for number, place in enumerate(sorted(kept))}
    assert replayed(answered(cut), len(kept)) == [number_of[p] for p in order if p in kept]
    assert all(one["end"] > one["start"] for one in cut)
    assert all(0 <= one["missing"] <= one["end"] - one["start"] for one in cut)
    ranks = [rank for rank, place in enumerate(order) if place in kept]
    before, after = levels(size, calls)[np.ix_(ranks, ranks)], levels(len(kept), cut)
    assert ((before == SEEN) == (after == SEEN)).all()
    # A chain of seen pairs may lead over a document that is gone, never the other way round.
    assert (before[after == IMPLIED] == IMPLIED).all()
    assert (after[before == UNSEEN] == UNSEEN).all()


def test_a_chain_over_a_lost_document_is_lost() -> None:
    # a b c, windows [b c] -> c b and [a c] -> a c: a above c above b, and a above b is implied.
    calls = [call(1, [1, 0], 2), call(0, [0, 1], 2)]
    assert levels(3, calls)[0, 2] == IMPLIED
    cut = [dict(one) for one in projected_windows(calls, 3, {0, 1})]
    assert levels(2, cut)[0, 1] == UNSEEN
    assert [one["permutation"] for one in cut] == [[0], [0]]


def test_windows_by_hand() -> None:
    # Of a b c d e, [c d e] -> e d c with c not named, then [a b e] -> e a b; c is left out.
    calls = [call(2, [2, 1, 0], 3, missing=1), call(0, None, 3), call(0, [2, 0, 1], 3)]
    cut = projected_windows(calls, 5, {0, 1, 3, 4})
    found = [(one["start"], one["end"], one["permutation"], one["missing"]) for one in cut]
    assert found == [(2, 4, [1, 0], 0), (0, 3, None, 0), (0, 3, [2, 0, 1], 0)]
    without_d = projected_windows(calls, 5, {0, 1, 2, 4})
    assert [one["missing"] for one in without_d] == [1, 0, 0]


def test_what_a_lost_window_moved_is_still_moved() -> None:
    # Of a b c, c is shown, and the strategy makes b a c of the list; then [b a] fails, then -> a b.
    calls = [
        call(2, [0], 1, shown=[2], reordered=[1, 0, 2]),
        call(0, None, 2),
        call(0, [1, 0], 2),
    ]
    assert replayed(answered(calls), 3) == [0, 1, 2]
    cut = [dict(one) for one in projected_windows(calls, 3, {0, 1})]
    assert [(one["start"], one["end"], one["shown"]) for one in cut] == [(0, 2, (1, 0))] * 2
    assert replayed(answered(cut), 2) == [0, 1]


def test_windows_about_no_kept_document_are_left_out_with_their_cost() -> None:
    calls = [call(2, [1, 0], 2), call(0, [1, 0], 2, outcome="repaired"), call(0, [0, 1], 2)]
    cut = projected_windows(calls, 4, {0, 1})
    assert [one["start"] for one in cut] == [0, 0]
    assert summed_calls(cut) == {
        "windows": 2,
        "repaired_windows": 1,
        "status": "degraded",
        "prompt_tokens": 14,
        "output_tokens": 4,
    }
    assert summed_calls(cut[1:])["status"] == "complete"


@pytest.mark.parametrize("scores", [None, [0.5, -1.0, 3.0]])
def test_a_row_keeps_the_teacher_s_order_and_scores(scores: list[float] | None) -> None:
    row = {
        "query_id": "q",
        "doc_ids": ["c", "a", "b"],
        "retrieval_positions": [3, 1, 2],
        "retrieval_scores": [1.0, 9.0, 5.0],
        "teacher_scores": scores,
        "chunks": [1, 4, 2],
        "candidates_sha256": "of all",
    }
    places_kept = kept_places([3, 1, 2], 2, keeps_first=False)
    cut = projected_ranking(row, places_kept)
    assert cut["doc_ids"] == ["a", "b"]
    assert cut["retrieval_positions"] == [1, 2]
    assert cut["retrieval_scores"] == [9.0, 5.0]
    assert cut["teacher_scores"] == (None if scores is None else [-1.0, 3.0])
    assert cut["chunks"] == [4, 2]
    assert cut["candidates_sha256"] == sha256_of_lines(["a", "b"])


def test_a_relevant_passage_stays_in_front_of_its_negatives() -> None:
    assert kept_places([150, 3, 60, 10], 50, keeps_first=True) == [0, 1, 3]
    assert kept_places([0, 3, 60, 10], 50, keeps_first=True) == [0, 1, 3]
    assert kept_places([150, 3, 60, 10], 50, keeps_first=False) == [1, 3]
    assert kept_places([150, 3], None, keeps_first=False) == [0, 1]
    assert kept_places([], 5, keeps_first=True) == []
