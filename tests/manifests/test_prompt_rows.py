"""Prompts with their answers: RankZephyr's training rows, RankGPT and TWOLAR."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from forms_read import lists_in, written
from hypothesis import given
from hypothesis import strategies as st

from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.registry import shape_of
from rankgen.manifests.forms.shapes.prompt_text import (
    NotReadable,
    read_answer,
    read_prompt,
    written_answer,
)
from rankgen.manifests.forms.text_ids import id_of_text

RANKGPT = {
    "query": "q",
    "positive_passages": [{"docid": "9", "text": "nine"}],
    "retrieved_passages": [{"docid": str(n), "text": f"text {n}"} for n in range(4)],
}


def prompt(*passages: str, query: str = "what melts ice", told: int | None = None) -> str:
    body = "".join(f"[{n}] {text}\n" for n, text in enumerate(passages, start=1))
    return (
        f"I will provide you with {told or len(passages)} passages, each indicated by a numerical "
        f"identifier []. Rank the passages based on their relevance to the search query: {query}.\n"
        f"\n{body}Search Query: {query}.\nRank the passages above, e.g., [2] > [1], Only respond."
    )


def chat(prompt_text: str, answer: str, **more: object) -> dict[str, object]:
    turns = [
        {"from": "system", "value": "You are RankLLM."},
        {"from": "human", "value": prompt_text},
        {"from": "gpt", "value": answer},
    ]
    return {"id": "x", "conversations": turns, **more}


def test_rank_llm_sample(test_data: Path) -> None:
    path = test_data / "teacher-samples" / "rank_llm-listwise-chat.100.jsonl"
    lists, losses = lists_in("rank-llm-training", path)
    assert losses.model_dump(exclude_defaults=True) == {"rows": 100, "doc_ids_from_texts": 1297}
    assert sum(len(ranked.doc_ids) for ranked in lists) == 1297
    assert {len(ranked.doc_ids) for ranked in lists} <= set(range(2, 21))
    assert all(ranked.is_whole for ranked in lists)
    first = lists[0]
    assert first.query_id == "identity_1183415_da0open_ai_ada2random_ct0"
    assert first.query == "fibroblasts synthesize what of the ground substance"
    # "[3] > [8] > [14] > ..."
    assert first.first_stage is not None
    assert first.doc_ids[:3] == tuple(first.first_stage[place] for place in (2, 7, 13))
    texts = {document.doc_id: document.text for document in first.documents}
    assert texts[first.doc_ids[0]].startswith("The main function of fibroblasts is to maintain")


def test_a_repaired_answer_degrades_its_list(tmp_path: Path) -> None:
    row = chat(prompt("a", "b", "c", "d"), "[3] > [1] > [3] > [7]", docids=["A", "B", "C", "D"])
    ((ranked,), losses) = lists_in("rank-llm-training", written(tmp_path / "x.json", [row]))
    assert ranked.doc_ids == ("C", "A", "B", "D")
    assert ranked.first_stage == ("A", "B", "C", "D")
    assert not ranked.is_whole
    assert losses.model_dump(exclude_defaults=True) == {
        "rows": 1,
        "duplicate_rows": 1,
        "unranked_passages": 2,
        "unknown_passages": 1,
    }


def test_passages_may_repeat_and_span_lines(tmp_path: Path) -> None:
    row = chat(prompt("a\nsecond line", "b", "a\nsecond line"), "[3] > [2] > [1]")
    ((ranked,), losses) = lists_in("rank-llm-training", written(tmp_path / "x.jsonl", [row]))
    assert ranked.doc_ids == (id_of_text("a\nsecond line"), id_of_text("b"))
    assert losses.duplicate_rows == 1


def test_letters_are_identifiers_too(tmp_path: Path) -> None:
    text = prompt("one", "two").replace("\n[1] ", "\n[A] ").replace("\n[2] ", "\n[B] ")
    ((ranked,), _) = lists_in(
        "rank-llm-training", written(tmp_path / "x.jsonl", [chat(text, "[B] > [A]")])
    )
    assert ranked.doc_ids == (id_of_text("two"), id_of_text("one"))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (chat(prompt("a", "b"), "I cannot rank these."), "line 2: the answer is not a permutation"),
        (chat(prompt("a", "b"), "[1] > [2], but [1] is off-topic"), "has words beside its perm"),
        (chat(prompt(*"abcde"), "[1] > [2]"), "line 2: the answer names 2 of its 5 passages"),
        (chat(prompt("a", "b", told=3), "[1] > [2]"), "announces 3 passages but numbers 2"),
        (chat("Rank these.", "[1]"), "line 2: the prompt has no passages"),
        (chat("x\n[1] a\n[2] b\n", "[1] > [2]"), "has no line 'Search Query: ...' after"),
        (chat(prompt("a", "b"), "[1] > [2]", docids=["A"]), "docids holds 1 id for 2 passages"),
        ({"id": "x", "messages": [{"role": "user", "content": "x"}]}, "holds the turns user, not"),
        ({"id": "x", "messages": ["x"]}, "line 2: a turn in messages is not an object"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: dict[str, object], problem: str) -> None:
    path = written(tmp_path / "x.jsonl", [chat(prompt("a", "b"), "[1] > [2]"), row])
    with pytest.raises(UsageError) as raised:
        lists_in("rank-llm-training", path)
    assert problem in raised.value.message
    assert f"{path} line 2" in raised.value.message


def test_rankgpt_pairs_its_two_files(tmp_path: Path) -> None:
    rows = written(tmp_path / "marco-train.jsonl", [RANKGPT, RANKGPT | {"query": "r"}])
    answers = written(tmp_path / "marco-train-gpt3.5.json", ["[2] > [4] > [1] > [3]", "Sorry."])
    ((ranked,), losses) = lists_in("rankgpt", answers, rows)
    assert ranked.doc_ids == ("1", "3", "0", "2")
    assert ranked.first_stage == ("0", "1", "2", "3")
    assert ranked.query_id == id_of_text("q")
    assert losses.model_dump(exclude_defaults=True) == {
        "rows": 2,
        "dropped_rows": 1,
        "query_ids_from_texts": 2,
    }


def test_padding_is_never_a_passage(tmp_path: Path) -> None:
    padding = {"docid": "pad", "text": "<padding_passage>"}
    row = RANKGPT | {"retrieved_passages": [*RANKGPT["retrieved_passages"][:2], padding, padding]}
    rows = written(tmp_path / "rows.jsonl", [row])
    answers = written(tmp_path / "answers.json", ["[3] > [2] > [4] > [1]"])
    ((ranked,), losses) = lists_in("rankgpt", answers, rows)
    assert ranked.doc_ids == ("1", "0")
    assert ranked.first_stage == ("0", "1")
    assert ranked.is_whole
    assert losses.padded_passages == 2


def test_twolar_is_in_order_already(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", [RANKGPT])
    ((ranked,), _) = lists_in("twolar", path)
    assert ranked.doc_ids == ("0", "1", "2", "3")
    assert ranked.first_stage is None
    # Without its answers RankGPT's order is that of BM25.
    with pytest.raises(UsageError, match="no file of answers beside it"):
        lists_in("rankgpt", path)


@pytest.mark.parametrize(("rows", "answers"), [(1, 2), (3, 2)])
def test_rankgpt_with_the_answers_to_other_rows(tmp_path: Path, rows: int, answers: int) -> None:
    given = written(tmp_path / "rows.jsonl", [RANKGPT | {"query": f"q{n}"} for n in range(rows)])
    beside = written(tmp_path / "answers.json", ["[1] > [2] > [3] > [4]"] * answers)
    with pytest.raises(UsageError, match=rf"{rows} rows? of .* there are {answers} ans"):
        lists_in("rankgpt", beside, given)


@given(st.permutations(range(1, 30)))
def test_answers_round_trip(order: list[int]) -> None:
    places = [number - 1 for number in order]
    read = read_answer(written_answer(places), len(places))
    assert list(read.order) == places
    assert read.is_whole


@given(st.lists(st.integers(0, 12), max_size=16), st.integers(1, 10))
def test_every_answer_is_whole_or_degraded_or_refused(named: list[int], passages: int) -> None:
    text = " > ".join(f"[{number}]" for number in named)
    ours = list(dict.fromkeys(n for n in named if 1 <= n <= passages))
    if len(ours) < passages / 2:
        with pytest.raises(NotReadable):
            read_answer(text, passages)
        return
    read = read_answer(text, passages)
    assert [place + 1 for place in read.order[: len(ours)]] == ours
    rest = list(read.order[len(ours) :])
    assert rest == sorted(set(range(passages)) - {number - 1 for number in ours})
    assert read.missing == len(rest)
    assert read.out_of_range == sum(not 1 <= number <= passages for number in named)
    assert read.duplicates == len(named) - len(ours) - read.out_of_range


def test_prompts_of_every_length_are_read() -> None:
    draw = random.Random(1)
    for count in range(1, 101):
        passages = [f"text {draw.random()} (3) e.g., (2) > (1)" for _ in range(count)]
        read = read_prompt(prompt(*passages, query="who? [sic]"))
        assert read.passages == tuple(passages)
        assert read.query == "who? [sic]"


def test_what_is_of_this_shape() -> None:
    shape = shape_of("prompts")
    assert shape.fits(chat("x", "y"))
    assert shape.fits({"messages": []})
    assert shape.fits(RANKGPT)
    assert not shape.fits({"query": "q", "pos": ["a"], "neg": ["b"]})
