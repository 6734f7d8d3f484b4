"""The candidates of a run are read once, and of their texts only those that are needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.run import recipe_lock, run_directory
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.model.loading import load_backbone
from rankgen.students.reranking.candidates import FirstStage
from rankgen.students.training.validation_sets import judged_validation

QUERIES = {"q1": "first", "q2": "second"}
DOCUMENTS = {"a": "one text", "b": "another text", "c": "a third text here"}


@pytest.fixture
def candidates(write_candidates: Callable[..., Path]) -> Path:
    lists = {"q1": [("b", 2.0), ("a", 1.0)], "q2": [("c", 3.0), ("a", 2.0), ("gone", 1.0)]}
    return write_candidates("bm25", lists, QUERIES, DOCUMENTS)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the Parquet files that are read, by table, and the digests, by file."""
    counted: Counter[str] = Counter()
    shard, digest = run_directory.read_shard, recipe_lock.sha256_of_file

    def counted_shard(path: Path, table: str, columns: list[str] | None = None) -> object:
        counted[table] += 1
        return shard(path, table, columns)

    def counted_digest(path: Path) -> str:
        counted[f"digest of {path.parent.name}"] += 1
        return digest(path)

    monkeypatch.setattr(run_directory, "read_shard", counted_shard)
    monkeypatch.setattr(recipe_lock, "sha256_of_file", counted_digest)
    return counted


def test_only_texts_that_are_asked_for_are_held(candidates: Path, read: Counter[str]) -> None:
    first_stage = FirstStage(RunDirectory(candidates))
    assert list(first_stage.lists) == ["q1", "q2"]
    texts = first_stage.texts([first_stage.lists["q2"]], 1)
    assert (texts.queries, texts.documents) == ({"q2": "second"}, {"c": "a third text here"})
    assert (texts.pairs(1), texts.pairs(None)) == (1, 3)
    texts = first_stage.texts(first_stage.lists.values(), 2)
    assert (texts.queries, texts.documents) == (QUERIES, DOCUMENTS)
    first_stage.texts(first_stage.lists.values(), 1)
    assert read == {"candidates": 1, "queries": 2, "documents": 2}
    with pytest.raises(IntegrityProblem, match="has no text for gone"):
        first_stage.texts(first_stage.lists.values(), None)


def test_an_evaluation_reads_once_for_all_its_students(
    tmp_path: Path, candidates: Path, tiny_backbone: str, read: Counter[str]
) -> None:
    (tmp_path / "qrels").write_text("q1 0 a 1\nq1 0 b 0\nq2 0 c 2\n")
    students = []
    for seed in range(3):
        encoder = load_backbone(
            tiny_backbone, seed=seed, query_tokens=8, passage_tokens=8, dropout=None
        )
        encoder.save(tmp_path / f"student{seed}")
        students.append(str(tmp_path / f"student{seed}"))
    settings = EvaluationSettings(
        qrels=tmp_path / "qrels",
        out=tmp_path / "report",
        candidates=candidates,
        students=tuple(students),
        queries="candidates",
        depth=2,
        device="cpu",
    )
    evaluation = evaluate(settings)
    digests = {f"digest of {table}": 1 for table in ("candidates", "queries", "documents")}
    # The texts once for all students, and once for the page, which shows more of them.
    assert read == {"candidates": 1, "queries": 2, "documents": 2, **digests}
    assert len({system.measures["nDCG@10"] for system in evaluation.systems}) > 1
    read.clear()
    # The scores are kept, so only the page needs texts.
    assert evaluate(settings) == evaluation
    assert read == {"candidates": 1, "queries": 1, "documents": 1, **digests}


def test_a_validation_reads_once(tmp_path: Path, candidates: Path, read: Counter[str]) -> None:
    (tmp_path / "qrels").write_text("q1 0 a 1\nq2 0 c 1\n")
    judged_validation(candidates, tmp_path / "qrels", None, 2)
    assert read == {"candidates": 1, "queries": 1, "documents": 1}
