"""`import rankgen` in a notebook: four functions, and results that are tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

import rankgen

BEFORE = Path(__file__).resolve().parents[1] / "fixtures" / "begun_before"


def test_importing_it_loads_nothing() -> None:
    heavy = "import sys, rankgen; print({'pydantic', 'pyarrow', 'ray', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert {"retrieve", "label", "train_student", "evaluate", "Result"} <= set(dir(rankgen))


@pytest.mark.usefixtures("one_ray")
def test_the_steps_are_functions_whose_results_are_tables(tmp_path: Path) -> None:
    candidates = rankgen.retrieve(
        collection=str(BEFORE / "coll"),
        retriever=f"recorded:{BEFORE / 'run.trec'}",
        out=tmp_path / "candidates",
    )
    assert candidates.summary.job.queries == 12
    rows = pa.table(candidates)
    assert rows.column_names == ["query_id", "rank", "doc_id", "score"]
    assert rows.num_rows == 144
    first = rows.slice(0, 12).to_pylist()
    assert [row["rank"] for row in first] == list(range(1, 13))
    assert [row["score"] for row in first] == [float(19 - place) for place in range(12)]

    rankings = rankgen.label(
        candidates=candidates.out, teacher="scripted:reverse", out=tmp_path / "rankings"
    )
    ranked = rankings.table().slice(0, 12).to_pylist()
    assert [row["doc_id"] for row in ranked] == [row["doc_id"] for row in reversed(first)]
    assert rankings.table()["score"].null_count == 144

    result = rankgen.evaluate(
        qrels=BEFORE / "qrels.txt",
        candidates=candidates.out,
        rankings=(rankings.out,),
        out=tmp_path / "report",
    )
    table = result.table().to_pylist()
    assert [(row["kind"], row["measure"]) for row in table] == [
        ("first-stage", "nDCG@10"),
        ("teacher", "nDCG@10"),
    ]
    assert table[0]["mean"] == result.summary.systems[0].measures["nDCG@10"]
    assert (result.out / "report.html").exists()


def test_a_training_gives_its_metrics(
    write_rankings: Callable[..., Path], tiny_backbone: str, tmp_path: Path
) -> None:
    orders = {"q1": ["a", "b", "c"], "q2": ["b", "a", "c"]}
    texts = {"a": "one text", "b": "another text", "c": "a third text"}
    rankings = write_rankings("rankings", orders, dict.fromkeys(orders, "a query"), texts)
    train = partial(
        rankgen.train_student,
        rankings=rankings,
        backbone=tiny_backbone,
        out=tmp_path / "student",
        max_steps=3,
        queries_per_step=2,
        device="cpu",
    )
    student = train()
    assert student.summary.steps == 3
    rows = student.table()
    assert rows["step"].to_pylist() == [1, 2, 3]
    assert all(loss > 0 for loss in rows["loss"].to_pylist())
    again = train()
    assert again.summary.was_finished
    assert again.table() == rows
