"""Students of imported rankings: with texts they train, without they say how to add them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_training import settings_of, toy_lists
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.errors import UsageError
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.training.train import train_student


def imported(folder: Path, *, with_texts: bool) -> Path:
    """Imports lists as rank_llm writes its requests, through the command line."""
    orders, queries, documents = toy_lists(queries=12, passages=6)
    rows = []
    for query_id, doc_ids in orders.items():
        candidates = [
            {"docid": doc_id, "score": -place}
            | ({"doc": {"text": documents[doc_id]}} if with_texts else {})
            for place, doc_id in enumerate(doc_ids)
        ]
        query = {"qid": query_id} | ({"text": queries[query_id]} if with_texts else {})
        rows.append({"query": query, "candidates": candidates})
    source, out = folder / "requests.jsonl", folder / "imported"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = CliRunner().invoke(app, ["import", "rank-llm", str(source), "--out", str(out)])
    assert done.exit_code == 0, done.stderr
    assert ("--collection" in done.stdout) is not with_texts
    checked = CliRunner().invoke(app, ["verify", str(out), "--full"])
    assert checked.exit_code == 0, checked.stdout
    return out


def test_a_student_trains_on_an_imported_run(recipe: dict[str, object], tmp_path: Path) -> None:
    rankings = imported(tmp_path, with_texts=True)
    summary = train_student(settings_of(recipe, rankings=rankings, max_steps=2))
    assert summary.steps == 2


def test_rankings_without_texts_say_how_to_add_them(
    recipe: dict[str, object], tmp_path: Path
) -> None:
    rankings = imported(tmp_path, with_texts=False)
    with pytest.raises(UsageError, match="has rankings but no texts of its queries") as refused:
        train_student(settings_of(recipe, rankings=rankings, max_steps=1))
    assert refused.value.hint is not None
    assert "--collection" in refused.value.hint


def test_an_imported_teacher_scores_as_its_run_does(test_data: Path, tmp_path: Path) -> None:
    collection = test_data / "msmarco-dl19"
    run = collection / "runs" / "teacher.rankvicuna-7b.on-bm25.top100.20230912T183614.trec"
    out = tmp_path / "imported"
    command = ["import", "trec-run", run, "--collection", collection, "--out", out]
    done = CliRunner().invoke(app, list(map(str, command)))
    assert done.exit_code == 0, done.stderr
    settings = EvaluationSettings.model_validate(
        {"rankings": [out], "qrels": collection / "qrels" / "full.trec", "out": tmp_path / "report"}
    )
    (system,) = evaluate(settings).systems
    # What trec_eval gives the run itself.
    assert system.measures["nDCG@10"] == pytest.approx(0.6665, abs=5e-5)


def test_evidence_needs_windows_which_an_imported_run_has_not(
    recipe: dict[str, object], tmp_path: Path
) -> None:
    rankings = imported(tmp_path, with_texts=True)
    with pytest.raises(UsageError, match="has no windows"):
        train_student(settings_of(recipe, rankings=rankings, max_steps=1, evidence="seen"))
