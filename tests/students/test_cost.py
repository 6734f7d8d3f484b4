"""The cost of a student: exact under a clock of our own, and of as many pairs as it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.evaluation import cost as cost_module
from rankgen.students.evaluation.cost import MOST_QUERIES, Cost, measure_cost
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.result import Evaluation
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.evaluation.table import format_table
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone
from rankgen.students.pages.evaluated import Evaluated
from rankgen.students.pages.template import filled
from rankgen.students.reranking.candidates import CandidateTexts, FirstStage
from rankgen.students.reranking.reranker import StudentReranker

# The first query, which warms the student up, and then each list.
SECONDS = (9.0, 0.1, 0.4, 0.2)
DOCUMENTS = {"a": "one text", "b": "another text", "c": "a third text here"}


@pytest.fixture
def encoder(tiny_backbone: str) -> CrossEncoder:
    return load_backbone(tiny_backbone, seed=1, query_tokens=8, passage_tokens=8, dropout=None)


def run_with(write_candidates: Callable[..., Path], queries: int, passages: int) -> Path:
    # Half of the passages say the same.
    documents = {f"d{n}": f"text {n // 2}" for n in range(passages)}
    asked = {f"q{n}": f"query {n}" for n in range(queries)}
    lists = {query: [(doc_id, 1.0) for doc_id in documents] for query in asked}
    return write_candidates("candidates", lists, asked, documents)


def texts_of(run: Path) -> CandidateTexts:
    first_stage = FirstStage(RunDirectory(run))
    return first_stage.texts(first_stage.lists.values(), None)


def on_one_thread(encoder: CrossEncoder) -> StudentReranker:
    hardware = choose_hardware("cpu", "fp32", chunk_tokens=512, threads=1)
    return StudentReranker(encoder, hardware)


def set_clock(monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, ...]) -> None:
    """Makes scorings take so long, one after the other."""
    times = iter(
        [time for n, taken in enumerate(seconds) for time in (100.0 * n, 100.0 * n + taken)]
    )
    monkeypatch.setattr(cost_module, "time", SimpleNamespace(perf_counter=lambda: next(times)))


def test_the_cost_is_the_median_time_of_a_query_without_the_first(
    encoder: CrossEncoder,
    write_candidates: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    set_clock(monkeypatch, SECONDS)
    cost = measure_cost(on_one_thread(encoder), texts_of(run_with(write_candidates, 3, 4)))
    encoder.save(tmp_path / "student")
    weights = load_file(tmp_path / "student" / "model.safetensors")
    assert cost == Cost(
        parameters=sum(tensor.numel() for tensor in weights.values()),
        ms_per_query=200.0,
        passages=100,
        queries=3,
        device="cpu",
        is_bf16=False,
        threads=torch.get_num_threads(),
        peak_gpu_bytes=None,
    )


def test_at_most_ten_queries_are_timed(
    encoder: CrossEncoder, write_candidates: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, (9.0, *(0.1 * n for n in range(1, MOST_QUERIES + 1))))
    cost = measure_cost(on_one_thread(encoder), texts_of(run_with(write_candidates, 12, 3)))
    assert (cost.queries, cost.ms_per_query) == (10, 550.0)


@pytest.mark.parametrize("passages", [3, 120])
def test_the_cost_is_that_of_scoring_every_pair(
    encoder: CrossEncoder, write_candidates: Callable[..., Path], passages: int
) -> None:
    scored: list[int] = []
    encoder.model.get_submodule("classifier").register_forward_hook(
        lambda _module, _inputs, logits: scored.append(len(logits))
    )
    # A short list is repeated up to a hundred.
    cost = measure_cost(on_one_thread(encoder), texts_of(run_with(write_candidates, 2, passages)))
    assert (cost.queries, cost.passages) == (2, 100)
    # Two lists, and the first once more to warm up.
    assert sum(scored) == 3 * cost.passages


def test_an_evaluation_shows_the_cost_of_its_students(
    encoder: CrossEncoder,
    write_candidates: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    encoder.save(tmp_path / "student")
    (tmp_path / "qrels").write_text("".join(f"q{n} 0 d1 1\n" for n in range(3)))

    def settings(**more: object) -> EvaluationSettings:
        return EvaluationSettings.model_validate(
            {
                "out": tmp_path / "report",
                "qrels": tmp_path / "qrels",
                "candidates": run,
                "students": [str(tmp_path / "student")],
                "device": "cpu",
                **more,
            }
        )

    run = run_with(write_candidates, 3, 4)
    assert "ms/query" not in format_table(evaluate(settings()))
    set_clock(monkeypatch, SECONDS)
    evaluation = evaluate(settings(cost=True))
    first, student = evaluation.systems
    assert first.cost is None
    assert student.cost is not None
    parameters = sum(parameter.numel() for parameter in encoder.model.parameters())
    assert (student.cost.parameters, student.cost.ms_per_query) == (parameters, 200.0)
    page = (tmp_path / "report" / "report.html").read_text()
    for shown in (format_table(evaluation), page):
        assert f"{parameters:,}" in shown
        assert "200.0" in shown


def shown_in_page(evaluation: Evaluation) -> str:
    return filled("evaluated.html.j2", {"evaluated": Evaluated(evaluation)})


def test_memory_of_a_gpu_is_a_column_where_it_was_measured(
    write_candidates: Callable[..., Path], tmp_path: Path
) -> None:
    candidates = run_with(write_candidates, 1, 2)
    (tmp_path / "qrels").write_text("q0 0 d0 1\n")
    settings = EvaluationSettings(
        qrels=tmp_path / "qrels", candidates=candidates, out=tmp_path / "out"
    )
    plain = evaluate(settings)
    (system,) = plain.systems
    cost = Cost(
        parameters=7,
        ms_per_query=1.0,
        passages=100,
        queries=1,
        device="cuda",
        is_bf16=True,
        threads=1,
        peak_gpu_bytes=3 * 2**29,
    )
    timed = system.model_copy(update={"cost": cost})
    measured = plain.model_copy(update={"systems": (system, timed)})
    assert "GPU GiB" not in format_table(plain) + shown_in_page(plain)
    for shown in (format_table(measured), shown_in_page(measured)):
        assert "GPU GiB" in shown
        assert "1.5" in shown
