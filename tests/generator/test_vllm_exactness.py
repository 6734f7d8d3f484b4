"""vLLM in a Ray actor against transformers' greedy decoding, window by window, on real passages.

The tiny ranker reads a grade word in front of each passage, so its answers are rankings and their
right order is known: equality of ids is not vacuous, and the final order has a truth to meet.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rankgen.generator.answers.outcomes import TeacherFailure, WindowOutcome
from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Document, Query
from rankgen.manifests.trec import read_run, trec_eval_order

pytest.importorskip("vllm")

pytestmark = pytest.mark.usefixtures("unbound_vllm")

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tiny_ranker"
MODEL = FIXTURE / "model"
WINDOW, STRIDE, DEPTH = 20, 10, 100

Call = tuple[tuple[int, ...], tuple[int, ...], str]


def graded_queries(data: Path, count: int) -> list[tuple[Query, list[Document], list[int]]]:
    """Returns DL19 queries with BM25's top 100, a grade word before each text, and the grades."""
    folder = data / "msmarco-dl19"
    texts = {r["_id"]: r["text"] for r in _rows(folder / "corpus.jsonl")}
    queries = {r["_id"]: r["text"] for r in _rows(folder / "queries.jsonl")}
    run = read_run(folder / "runs" / "first-stage.bm25.trec")
    grades = (FIXTURE / "grades.txt").read_text().split()
    found = []
    for query_id in sorted(run)[:count]:
        doc_ids = [line.doc_id for line in trec_eval_order(run[query_id])[:DEPTH]]
        ranks = random.Random(query_id).sample(range(len(grades)), len(doc_ids))
        documents = [
            Document(doc_id, "", f"{grades[rank]} {texts[doc_id]}")
            for doc_id, rank in zip(doc_ids, ranks, strict=True)
        ]
        found.append((Query(query_id, queries[query_id]), documents, ranks))
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(x) for x in path.read_text(encoding="utf-8").split("\n") if x]


@pytest.fixture(scope="module")
def ranker() -> Path:
    if not (MODEL / "model.safetensors").is_file():
        pytest.skip("tests/fixtures/tiny_ranker/model is missing: exactness was not tested")
    return MODEL


@pytest.fixture
def local_ray() -> Iterator[None]:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def label_in_actor(
    model: Path, queries: Sequence[tuple[Query, list[Document], list[int]]]
) -> tuple[list[QueryRanking | TeacherFailure], list[Call]]:
    """Labels all queries at once in one actor; returns every call's prompt and answer ids too."""
    import ray

    settings = LabelSettings(
        teacher="rankzephyr",
        model=str(model),
        dtype="float32",
        context_size=4096,
        whole_answers=True,
        # The tiny model names few passages of a window now and then; what it wrote is compared.
        min_named=0.0,
    )

    # Within the function, so that Ray sends the class by value.
    class Labeller:
        def __init__(self) -> None:
            from rankgen.generator.teachers.registry import make_teacher

            self.teacher: Any = make_teacher(settings)
            self.calls: list[Call] = []
            generate = self.teacher._engine.generate

            async def recording(prompt: Any, max_tokens: int) -> Any:
                answer = await generate(prompt, max_tokens)
                self.calls.append((prompt.token_ids, answer.output_ids, answer.text))
                return answer

            self.teacher._engine.generate = recording

        async def label(self) -> tuple[list[QueryRanking | TeacherFailure], list[Call]]:
            from rankgen.generator.strategies.ranking import rank_query

            chains = [
                rank_query(query, documents, self.teacher, window=WINDOW, stride=STRIDE)
                for query, documents, _ in queries
            ]
            found = await asyncio.gather(*chains, return_exceptions=True)
            if errors := [x for x in found if not isinstance(x, QueryRanking | TeacherFailure)]:
                raise errors[0]
            return found, self.calls

        async def close(self) -> None:
            await self.teacher.close()

    actor = ray.remote(Labeller).options(num_cpus=1, max_concurrency=4).remote()
    found: tuple[list[QueryRanking | TeacherFailure], list[Call]] = ray.get(actor.label.remote())
    ray.get(actor.close.remote())
    return found


def greedy(model: Any, prompt: Sequence[int], length: int) -> tuple[list[int], list[float]]:
    """Returns transformers' greedy ids and, for each, how far the best logit leads the second."""
    import torch

    written = model.generate(
        torch.tensor([list(prompt)]),
        max_new_tokens=length,
        min_new_tokens=length,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    leads = [float(-torch.diff(step[0].topk(2).values)) for step in written.logits]
    return written.sequences[0, len(prompt) :].tolist(), leads


def differences(model_folder: Path, calls: Sequence[Call]) -> list[str]:
    """Returns a line for each call whose ids are not transformers' own."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    lines = []
    for number, (prompt, answer, _) in enumerate(calls):
        reference, leads = greedy(model, prompt, len(answer))
        if list(answer) != reference:
            at = next(i for i, (a, b) in enumerate(zip(answer, reference, strict=True)) if a != b)
            lines.append(
                f"call {number}, output token {at}: vLLM {answer[at]}, transformers "
                f"{reference[at]}, whose logit leads the second by {leads[at]:.3e}"
            )
    return lines


def kendall(order: Sequence[int]) -> float:
    """Returns Kendall's tau of a sequence of distinct numbers against ascending order."""
    pairs = list(itertools.combinations(order, 2))
    return sum(1 if a < b else -1 for a, b in pairs) / len(pairs)


def check_exactness(ranker: Path, data: Path, count: int) -> None:
    queries = graded_queries(data, count)
    found, calls = label_in_actor(ranker, queries)
    assert {len(answer) for _, answer, _ in calls} == {90}
    differing = differences(ranker, calls)
    assert not differing, "\n".join(differing)
    print(f"{len(calls)} windows: all output ids equal")
    rankings = [ranking for ranking in found if isinstance(ranking, QueryRanking)]
    assert len(rankings) == count, [x for x in found if not isinstance(x, QueryRanking)]
    assert len(calls) == 9 * count
    windows = [record for ranking in rankings for record in ranking.windows]
    assert len({record.result.permutation for record in windows}) > len(windows) // 2
    readable = [w for w in windows if w.result.outcome is WindowOutcome.OK]
    # .89 on the passages it was trained for (its README); these are longer.
    assert len(readable) >= 0.6 * len(windows)
    window_taus, final_taus, ideal_taus = [], [], []
    for ranking, (_, documents, ranks) in zip(rankings, queries, strict=True):
        order = list(range(len(documents)))
        ideal = list(range(len(documents)))
        for record in ranking.windows:
            span = order[record.start : record.end]
            order[record.start : record.end] = [span[i] for i in record.result.permutation]
            window_taus.append(kendall([ranks[i] for i in order[record.start : record.end]]))
            ideal[record.start : record.end] = sorted(
                ideal[record.start : record.end], key=ranks.__getitem__
            )
        assert tuple(order) == ranking.order
        final_taus.append(kendall([ranks[i] for i in ranking.order]))
        ideal_taus.append(kendall([ranks[i] for i in ideal]))
    window_tau = sum(window_taus) / len(window_taus)
    final_tau, ideal_tau = sum(final_taus) / count, sum(ideal_taus) / count
    print(
        f"{count} queries, {len(calls)} windows, {len(readable)} ok, all ids equal; "
        f"tau in windows {window_tau:.4f}, of final lists {final_tau:.4f} "
        f"(a perfect reader: {ideal_tau:.4f})"
    )
    assert window_tau > 0.8
    # One pass leaves pairs unseen; against a perfect reader's single pass only the model's own
    # mistakes are lost.
    assert final_tau >= ideal_tau - 2 * (1 - window_tau) - 0.02


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.timeout(900)
def test_a_query_is_decoded_exactly(ranker: Path, test_data: Path, local_ray: None) -> None:
    check_exactness(ranker, test_data, 1)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.timeout(3600)
def test_twenty_queries_are_decoded_exactly(ranker: Path, test_data: Path, local_ray: None) -> None:
    check_exactness(ranker, test_data, 20)
