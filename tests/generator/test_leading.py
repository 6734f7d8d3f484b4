"""The leading ids of an answer, and that reading them alone agrees with reading all of it."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rankgen.generator.answers import permutation as permutation_module
from rankgen.generator.answers.first_ids import parse_leading
from rankgen.generator.answers.formats import BRACKETS, FORMATS, AnswerFormat
from rankgen.generator.answers.leading import ids_text, leading_ids
from rankgen.generator.answers.outcomes import WindowOutcome
from rankgen.generator.answers.permutation import (
    ParsedAnswer,
    ReadingRules,
    parse_permutation,
)

SPELT = [form for form in FORMATS.values() if form.spelling is not None]
# What answers are made of, and what they are made wrong by.
PIECES = st.sampled_from(
    [
        "[1]",
        "[2]",
        "[3]",
        "[4]",
        "[12]",
        "[0]",
        " > ",
        ">",
        " ",
        "\n",
        "[",
        "]",
        ",",
        "1",
        "so",
        ".",
    ]
)


@pytest.mark.parametrize(
    ("text", "name", "first", "expected"),
    [
        ("[2] > [1] > [3]", "brackets", 2, (1, 0)),
        ("[2]>[1]\n> [3", "brackets", 2, (1, 0)),
        (" [2] > [1] > [2] > so", "brackets", 2, (1, 0)),
        ("[2] > [2] > [1]", "brackets", 2, None),
        ("[2] > [9] > [1]", "brackets", 2, None),
        ("[2] > [0] > [1]", "brackets", 2, None),
        ("[2] > [1", "brackets", 2, None),
        ("[2], [1]", "brackets", 2, None),
        ("Here: [2] > [1]", "brackets", 2, None),
        ("```\n[2] > [1]", "brackets", 2, None),
        ("2 > 1 > 3", "numbers", 2, (1, 0)),
        ("2 > 1", "numbers", 2, None),
        ("[C] > [A] > [", "letters", 2, (2, 0)),
        ("[3, 1, 2", "json", 2, (2, 0)),
        ("[3, 1", "json", 2, None),
        ("[PASSAGE3, PASSAGE1, P", "passages", 2, (2, 0)),
        ("[rankstart] [3] > [1] > [2", "rankstart", 2, (2, 0)),
        ("[3] > [1] = [2]", "ties", 2, None),
    ],
)
def test_leading_ids_are_clean_or_none(
    text: str, name: str, first: int, expected: tuple[int, ...] | None
) -> None:
    assert leading_ids(text, FORMATS[name], 4, first, is_cut=True) == expected


def test_a_number_at_the_end_is_whole_if_the_model_ended_there() -> None:
    assert leading_ids("2 > 1", FORMATS["numbers"], 12, 2, is_cut=False) == (1, 0)


@pytest.mark.parametrize("form", SPELT, ids=lambda form: form.name)
def test_every_prefix_of_a_ranking_is_read_or_left_alone(form: AnswerFormat) -> None:
    chance, k = random.Random(form.name), 13
    for gap in ("", " "):
        order = chance.sample(range(k), k)
        text = ids_text(form, [form.identifier(place + 1) for place in order], gap)
        for end in range(len(text) + 1):
            for first in range(1, k + 1):
                found = leading_ids(text[:end], form, k, first, is_cut=True)
                assert found in (None, tuple(order[:first]))
        whole = leading_ids(text, form, k, k - 1, is_cut=True)
        assert whole == tuple(order[:-1])


def test_the_last_passage_is_known_and_others_are_not() -> None:
    early = parse_leading("[3] > [1] > [2] > [", 4, 3, cut_by_length=True)
    assert early == ParsedAnswer(WindowOutcome.OK, (2, 0, 1, 3))
    part = parse_leading("[3] > [1] > [2] > [", 4, 2, cut_by_length=True)
    assert part == ParsedAnswer(WindowOutcome.OK, (2, 0, 1, 3), asked=2)
    thought = ReadingRules(begins_in_thought=True)
    assert parse_leading("[3] > [1] >", 4, 2, cut_by_length=True, rules=thought) is None


@settings(max_examples=600)
@given(st.lists(PIECES, max_size=14), st.integers(2, 5), st.data())
@example(["[1]", " > ", "[2]", " > ", "[2]"], 3, None)
def test_what_is_read_early_is_what_the_whole_answer_says(
    pieces: list[str], k: int, data: st.DataObject | None
) -> None:
    text = "".join(pieces)
    first = 2 if data is None else data.draw(st.integers(1, k - 1))
    early = parse_leading(text, k, first, cut_by_length=True)
    # A model that ends its answers by itself is asked for two ids at least.
    for cut in (True, False) if first > 1 else (True,):
        whole = parse_permutation(text, k, cut_by_length=cut)
        if early is None:
            assert whole.outcome is not WindowOutcome.OK
        elif whole.permutation is not None:
            assert early.permutation is not None
            assert early.permutation[:first] == whole.permutation[:first]


@settings(max_examples=600)
@given(st.lists(PIECES, max_size=9), st.integers(1, 4), st.booleans(), st.sampled_from(SPELT))
@example(["[1]", " > ", "[1]"], 1, False, BRACKETS)
@example(["[2]", " > ", "[1]"], 2, True, BRACKETS)
def test_the_short_way_to_a_clean_answer_agrees_with_the_rules(
    pieces: list[str], k: int, cut: bool, form: AnswerFormat
) -> None:
    text, rules = "".join(pieces), ReadingRules(form=form)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(permutation_module, "_clean_ids", lambda *_: None)
        by_rules = parse_permutation(text, k, cut_by_length=cut, rules=rules)
    assert parse_permutation(text, k, cut_by_length=cut, rules=rules) == by_rules


@pytest.mark.parametrize("form", SPELT, ids=lambda form: form.name)
def test_clean_answers_take_the_short_way(form: AnswerFormat) -> None:
    text, rules = form.sample, ReadingRules(form=form)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(permutation_module, "answer_of", None)
        found = parse_permutation(f" {text}.\n", 3, rules=rules)
    assert found == ParsedAnswer(WindowOutcome.OK, (1, 0, 2))
