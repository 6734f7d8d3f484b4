"""Guesses of how an answer goes on: learnt from other answers, bounded, and right for rankings."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rankgen.generator.answers.next_tokens import CONTEXT, NextTokens
from rankgen.generator.engines.vllm.drafts import AnswerDrafts

Tokens = st.lists(st.integers(0, 9), max_size=40)


def ranking(draw: random.Random) -> list[int]:
    """Returns the characters of a ranking of twenty, as tokens."""
    order = draw.sample(range(1, 21), 20)
    return [ord(sign) for sign in " > ".join(f"[{one}]" for one in order)]


def test_the_fixed_part_of_a_ranking_is_guessed_and_no_more() -> None:
    guesses, draw = NextTokens(), random.Random(0)
    for _ in range(20):
        guesses.learn(ranking(draw))
    written = [ord(sign) for sign in "[3] > [7"]
    assert "".join(map(chr, guesses.guess(written, 9))) == "] > [1"
    # After a 1 there is no saying.
    assert guesses.guess([ord(sign) for sign in "[3] > [1"], 9) == []
    assert guesses.guess(written, 2) == [ord("]"), ord(" ")]


def test_two_thirds_of_a_rankings_tokens_are_guessed() -> None:
    guesses, draw = NextTokens(), random.Random(1)
    for _ in range(20):
        guesses.learn(ranking(draw))
    answer, steps, place = ranking(draw), 0, CONTEXT
    while place < len(answer):
        guess = guesses.guess(answer[:place], 5)
        kept = 0
        while kept < len(guess) and answer[place : place + kept + 1] == guess[: kept + 1]:
            kept += 1
        # What the model itself writes behind the kept part.
        place, steps = place + kept + 1, steps + 1
    assert steps < 0.35 * len(answer)


def test_the_majority_is_guessed_and_may_change() -> None:
    guesses = NextTokens()
    for follower in (4, 4, 4, 5):
        guesses.learn([1, 2, 3, follower])
    assert guesses.guess([1, 2, 3], 1) == [4]
    for _ in range(8):
        guesses.learn([1, 2, 3, 5])
    assert guesses.guess([1, 2, 3], 1) == [5]


@given(st.lists(Tokens, max_size=10), Tokens, st.integers(-2, 6))
def test_no_guess_is_longer_than_asked_or_of_unknown_tokens(
    learnt: list[list[int]], before: list[int], most: int
) -> None:
    guesses = NextTokens()
    for tokens in learnt:
        guesses.learn(tokens)
    guess = guesses.guess(before, most)
    assert len(guess) <= max(0, most)
    assert {*guess} <= {token for tokens in learnt for token in tokens[CONTEXT:]}


def test_drafts_follow_each_row_and_end_with_the_context() -> None:
    config = SimpleNamespace(
        speculative_config=SimpleNamespace(num_speculative_tokens=3),
        model_config=SimpleNamespace(max_model_len=12),
    )
    drafts = AnswerDrafts(cast(Any, config))
    rows = np.zeros((3, 12), dtype=np.int32)
    rows[0, :9] = [1, 2, 3, 4, 5, 1, 2, 3, 4]
    rows[1, :3] = [1, 2, 3]
    rows[2, :11] = [9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 3]
    # The first row's answer taught what the others get; the second still reads its prompt.
    told = drafts.propose([[4, 5, 1, 2, 3, 4], [], [3]], np.array([9, 3, 11]), rows)
    assert told == [[5, 1], [], []]
    assert drafts.propose([[3]], np.array([3]), rows[1:2]) == [[4, 5, 1]]
    # Many requests at once fill a step by themselves.
    many = [[3]] * 65
    assert drafts.propose(many, np.full(65, 3), np.tile(rows[1], (65, 1))) == [[]] * 65
