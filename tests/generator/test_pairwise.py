"""Pairwise teachers: answers, verdicts, a run by way of a server, and duoT5 in this process."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Reply, answer, serving
from hypothesis import given
from hypothesis import strategies as st
from made_up_candidates import write_run
from small_rerankers import QUERY, TEXTS, save_t5

import rankgen
from rankgen.generator.answers.outcomes import TeacherFailure, WindowOutcome
from rankgen.generator.answers.pair_answer import read_letter
from rankgen.generator.answers.pair_verdicts import ordered_pairs, pair_counts, verdicts
from rankgen.generator.jobs.label.estimate import estimate
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.strategies.ranking import rank_query
from rankgen.generator.teachers.registry import make_pair_builder, make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.teacher_scores import FACT

SHOWN = re.compile(r"Passage A: passage (\d+) of many\s+Passage B: passage (\d+) of")
DEPTH = 8


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Passage A", "A"),
        ("B", "B"),
        (" passage b. ", "B"),
        ("**Passage A**", "A"),
        ("```\nPassage B\n```", "B"),
        ("Passage: B", "B"),
        ("Passage A is more relevant than the other one.", "A"),
        ("<think>Passage A?</think>\nPassage B", "B"),
        ("<think>Passage A", None),
        ("Passage A and Passage B are alike", None),
        ("Passage B. A reason is its title.", "B"),
        ("Neither Passage A nor B is relevant.", None),
        ("Passage A and B are alike", None),
        ("Both, but Passage A", None),
        ("Passage A is less relevant than the other one.", None),
        ("Passage A isn't about plants.", None),
        ("A better question", None),
        ("Neither", None),
        ("", None),
        ("C", None),
    ],
)
def test_what_an_answer_prefers(text: str, letter: str | None) -> None:
    assert read_letter(text) == letter


@given(st.text())
def test_any_answer_can_be_read(text: str) -> None:
    assert read_letter(text) in ("A", "B", None)


@given(st.permutations(range(6)))
def test_a_consistent_judge_gets_its_own_order(truth: list[int]) -> None:
    answers = {(i, j): "A" if truth[i] < truth[j] else "B" for i, j in ordered_pairs(6)}
    found = verdicts(6, answers)  # type: ignore[arg-type]  # of its letters
    assert [truth[place] for place in found.order] == list(range(6))
    assert sum(found.wins) == 15


def test_draws_are_shared_and_keep_the_order() -> None:
    always_first = dict.fromkeys(ordered_pairs(3), "A")
    found = verdicts(3, always_first)  # type: ignore[arg-type]  # of its letters
    assert found == ((1.0, 1.0, 1.0), (0, 1, 2), "pairs: 1=2 1=3 2=3", 0)
    assert verdicts(2, {(0, 1): "A", (1, 0): None}).evidence == "pairs: 1?2"
    assert verdicts(2, {(0, 1): "B", (1, 0): "A"}).order == (1, 0)


def test_pairs_are_counted_only_in_evidence() -> None:
    texts = ["pairs: 1>2 1=3 2?3\n2,3: 1>2", "2>1", None, "pairs: 1<2"]
    assert pair_counts(texts) == {
        "pairs_agreed": 2,
        "pairs_contradictory": 1,
        "pairs_unreadable": 1,
    }
    assert pair_counts(["2>1", None]) == {}


def prefers_greater(request: dict[str, Any], tried: int) -> Reply:
    """Prefers the greater number; contradicts itself about 0 and 1, mumbles about 2 and 3."""
    content = str(request["messages"][0]["content"])
    found = SHOWN.search(content)
    assert found is not None, content
    first, second = int(found[1]), int(found[2])
    if {first, second} == {0, 1}:
        return answer("Passage A")
    if (first, second) == (2, 3):
        return answer("I cannot tell")
    return answer("Passage A" if first > second else "Passage B")


def made_up(folder: Path) -> RunDirectory:
    texts = {f"d{n}": f"passage {n} of many" for n in range(DEPTH)}
    found = [
        Candidates(q, tuple(texts), tuple(float(-n) for n in range(DEPTH))) for q in ("q0", "q1")
    ]
    run = RunDirectory(folder)
    write_run(run, found, [Query("q0", "which {num} [1]"), Query("q1", "what")], texts)
    return run


@pytest.mark.usefixtures("one_ray")
def test_a_run_keeps_wins_verdicts_and_costs(tmp_path: Path) -> None:
    made_up(tmp_path / "candidates")
    told = {"teacher": "pairwise", "model": "m", "window": DEPTH}
    with serving(prefers_greater) as server:
        run = rankgen.label(
            candidates=tmp_path / "candidates", out=tmp_path / "run", base_url=server.url, **told
        )
        asked = len(server.requests)
        rankgen.label(
            candidates=tmp_path / "candidates", out=tmp_path / "run", base_url=server.url, **told
        )
        assert len(server.requests) == asked == 2 * DEPTH * (DEPTH - 1)
    out = RunDirectory(tmp_path / "run")
    for row in out.read("rankings").to_pylist():
        # 0 and 1, and 2 and 3, are draws, which keep their order.
        assert row["doc_ids"] == [f"d{n}" for n in (*range(DEPTH - 1, 3, -1), 2, 3, 0, 1)]
        assert row["teacher_scores"] == [*range(DEPTH - 1, 3, -1), 2.5, 2.5, 0.5, 0.5]
        assert row["status"] == "degraded"
        assert row["prompt_tokens"] == 7 * DEPTH * (DEPTH - 1)
    (call, _) = out.read("windows").to_pylist()
    first, unread = call["output_text"].split("\n")
    assert first.startswith("pairs: 1=2 1<3 1<4")
    assert "3?4" in first
    assert unread == "3,4: I cannot tell"
    predicate = json.loads((out.root / "manifest.json").read_text())["predicate"]
    assert predicate[FACT] == {"unit": "wins", "source": "pairwise m"}
    pairs = DEPTH * (DEPTH - 1) // 2
    totals = {k: v for k, v in predicate["counts"].items() if k.startswith("pairs_")}
    assert totals == {
        "pairs_agreed": 2 * (pairs - 2),
        "pairs_contradictory": 2,
        "pairs_unreadable": 2,
    }
    assert len(run.table()) == 2 * DEPTH


@pytest.mark.parametrize(
    "shape",
    [
        {"window": 2, "stride": 1, "passes": DEPTH - 1},
        {"strategy": "setwise-bubble", "window": 2, "top": DEPTH - 1},
        {"window": 5, "stride": 3},
    ],
)
def test_sorting_by_pairs(shape: dict[str, Any]) -> None:
    def consistent(request: dict[str, Any], tried: int) -> Reply:
        content = str(request["messages"][0]["content"])
        first, second = map(int, SHOWN.search(content).groups())  # type: ignore[union-attr]  # every prompt has two
        return answer("Passage A" if first > second else "Passage B")

    passages = [Document(str(n), "", f"passage {n} of many") for n in range(DEPTH)]
    with serving(consistent) as server:
        teacher = make_teacher(LabelSettings(teacher="pairwise", model="m", base_url=server.url))
        found = asyncio.run(rank_query(Query("q", "what"), passages, teacher, **shape))
    sorted_places = 2 if shape["window"] == 5 else DEPTH
    assert found.order[:sorted_places] == tuple(range(DEPTH - 1, -1, -1))[:sorted_places]
    assert found.scores is None, "the wins of several windows do not compare"


def test_answers_that_say_nothing_are_never_a_label(tmp_path: Path) -> None:
    passages = [Document(str(n), "", f"passage {n} of many") for n in range(3)]
    with serving(lambda request, tried: answer("As an AI, I cannot")) as server:
        settings = LabelSettings(teacher="pairwise", model="m", base_url=server.url)
        teacher = make_teacher(settings)
        with pytest.raises(TeacherFailure, match="6 of 6 answers name neither") as failed:
            asyncio.run(teacher.rank_window(Query("q", "what"), passages))
    assert failed.value.outcome is WindowOutcome.MALFORMED
    assert failed.value.usage.prompt == 42


def test_a_failed_comparison_tells_what_the_others_cost(tmp_path: Path) -> None:
    def refusing(request: dict[str, Any], tried: int) -> Reply:
        content = str(request["messages"][0]["content"])
        if "Passage A: passage 0 " in content and "Passage B: passage 1 " in content:
            return answer("I must not", finish="content_filter")
        return answer("A")

    passages = [Document(str(n), "", f"passage {n} of many") for n in range(3)]
    with serving(refusing) as server:
        teacher = make_teacher(LabelSettings(teacher="pairwise", model="m", base_url=server.url))
        with pytest.raises(TeacherFailure) as failed:
            asyncio.run(teacher.rank_window(Query("q", "what"), passages))
    assert "content_filter" in failed.value.reason
    assert sum(call.usage.prompt for call in failed.value.calls) == 6 * 7


def test_a_dry_run_counts_requests_and_tokens(tmp_path: Path) -> None:
    made_up(tmp_path / "candidates")
    teacher = LabelSettings(
        teacher="pairwise",
        model="m",
        base_url="http://localhost:1/v1",
        window=5,
        stride=3,
        price_in=1.0,
        price_out=2.0,
    )
    found = estimate(
        LabelRunSettings(candidates=tmp_path / "candidates", out=tmp_path / "run", teacher=teacher),
        1.0,
    )
    assert (found.calls, found.requests) == (4, 4 * 20)
    built = make_pair_builder(teacher.resolved()).build(
        Query("q1", "what"), [Document(str(n), "", f"passage {n} of many") for n in (0, 1)], 16
    )
    assert found.prompt_tokens == pytest.approx(80 * len(built.token_ids), rel=0.05)
    assert found.output_tokens == 80 * 16
    assert found.cost_usd is not None
    assert "requests" in found.text()


@pytest.mark.usefixtures("one_ray")
def test_duot5_sums_probabilities_in_both_orders(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = save_t5(tmp_path / "duot5")
    model = transformers.T5ForConditionalGeneration.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    expected = [0.0] * len(TEXTS)
    for i, j in ordered_pairs(len(TEXTS)):
        text = f"Query: {QUERY} Document0: {TEXTS[i]} Document1: {TEXTS[j]} Relevant:"
        ids = torch.tensor([[*tokenizer(text).input_ids, tokenizer.eos_token_id]])
        logits = model(input_ids=ids, decoder_input_ids=torch.tensor([[0]])).logits[0, 0]
        both = logits[tokenizer.convert_tokens_to_ids(["▁true", "▁false"])].softmax(dim=0)
        expected[i] += both[0].item()
        expected[j] += both[1].item()
    teacher = make_teacher(LabelSettings(teacher="pairwise", model=str(folder), context_size=2000))
    passages = [Document(str(n), "", text) for n, text in enumerate(TEXTS)]
    found = asyncio.run(teacher.rank_window(Query("q", QUERY), passages))
    assert found.scores == pytest.approx(expected, abs=1e-5)
    assert found.are_relative
    assert teacher.default_window == 10
    texts = {f"d{n}": text for n, text in enumerate(TEXTS)}
    given = Candidates("q", tuple(texts), tuple(float(-n) for n in range(len(texts))))
    write_run(RunDirectory(tmp_path / "candidates"), [given], [Query("q", QUERY)], texts)
    rankgen.label(
        candidates=tmp_path / "candidates",
        out=tmp_path / "run",
        teacher="pairwise",
        model=str(folder),
        context_size=2000,
    )
    (row,) = RunDirectory(tmp_path / "run").read("rankings").to_pylist()
    kept = dict(zip(row["doc_ids"], row["teacher_scores"], strict=True))
    assert [kept[doc_id] for doc_id in texts] == pytest.approx(expected, abs=1e-5)
    predicate = json.loads((tmp_path / "run" / "manifest.json").read_text())["predicate"]
    assert predicate[FACT]["unit"] == "wins"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"model": "m", "base_url": "http://x/v1", "pair_prompt": "monot5"}, "does not compare"),
        ({"model": "m", "base_url": "http://x/v1", "instruction": "x"}, "no use for --instruction"),
        ({"model": "m", "base_url": "http://x/v1", "prompt": "rank_llm-0.25"}, "use for --prompt"),
        ({"model": "duot5", "base_url": "http://x/v1"}, "no use for --base-url"),
        ({}, "needs a model"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        LabelSettings.model_validate({"teacher": "pairwise", **settings}).resolved()
