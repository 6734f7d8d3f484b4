"""`rankgen negatives`: from candidates and judgements to a student that trains on them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    run = RunDirectory(tmp_path / "candidates")
    queries = [Query(f"q{n}", f"query {n}") for n in range(6)]
    found = [
        Candidates(
            q.query_id, tuple(f"d{i}" for i in range(30)), tuple(30.0 - i for i in range(30))
        )
        for q in queries
    ]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, queries, "f")
    write_documents(run, [Document(f"d{n}", "", f"passage {n}") for n in range(30)], "f")
    return run.root


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    folder = tmp_path / "collection"
    folder.mkdir()
    rows = [{"_id": f"d{n}", "text": f"passage {n}"} for n in range(60)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q0", "text": "query 0"}) + "\n")
    return folder


@pytest.fixture
def qrels(tmp_path: Path) -> Path:
    path = tmp_path / "qrels.txt"
    judged = ["q0 0 d5 1", "q0 0 d6 1", "q1 0 d50 1", "q2 0 d0 0", "q3 0 d1 2", "other 0 d1 1"]
    path.write_text("\n".join(judged) + "\n")
    return path


def command(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def lists_of(out: Path) -> dict[str, list[str]]:
    return {row["query_id"]: row["doc_ids"] for row in pq.read_table(out / "rankings").to_pylist()}


@pytest.mark.usefixtures("one_ray")
def test_lists_texts_and_what_is_left_out(
    candidates: Path, collection: Path, qrels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "lists"
    words = ["negatives", "--candidates", candidates, "--qrels", qrels, "--count", 7, "--json"]
    result = command(*words, "--collection", collection, "--shards", 2, "--out", out)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["queries"] == 3
    assert told["queries_without_relevant_passage"] == 3
    assert told["queries_without_its_text"] == 0
    assert told["relevant_not_retrieved"] == 1
    assert told["notices"] == [f"1 of 5 judged queries has no list in {candidates} (first: other)"]
    lists = lists_of(out)
    assert {q: doc_ids[0] for q, doc_ids in lists.items() if q != "q0"} == {"q1": "d50", "q3": "d1"}
    assert lists["q0"][0] in ("d5", "d6")
    assert all(len(doc_ids) == 8 for doc_ids in lists.values())
    (row,) = [r for r in pq.read_table(out / "rankings").to_pylist() if r["query_id"] == "q1"]
    assert row["retrieval_positions"][0] == 0
    assert row["retrieval_positions"][1:] == [int(d[1:]) + 1 for d in row["doc_ids"][1:]]
    texts = {row["doc_id"]: row["text"] for row in pq.read_table(out / "documents").to_pylist()}
    assert texts == {d: f"passage {d[1:]}" for doc_ids in lists.values() for d in doc_ids}
    checked = command("verify", "--full", "--json", out)
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["problems"] == []
    # Without the collection q1 is left out; the number of shards changes no list.
    alone = tmp_path / "alone"
    result = command(*words, "--out", alone)
    assert json.loads(result.stdout)["queries_without_its_text"] == 1
    assert lists_of(alone) == {q: doc_ids for q, doc_ids in lists.items() if q != "q1"}


@pytest.mark.usefixtures("one_ray")
def test_a_student_trains_on_the_lists(candidates: Path, qrels: Path, tmp_path: Path) -> None:
    out, student = tmp_path / "lists", tmp_path / "student"
    result = command("negatives", "--candidates", candidates, "--qrels", qrels, "--out", out)
    assert result.exit_code == 0, result.output
    words = ["train-student", "--rankings", out, "--preset", "paper-labels", "--backbone", "minilm"]
    words += ["--max-steps", 2, "--queries-per-step", 2, "--threads", 1, "--out", student]
    result = command(*words)
    assert result.exit_code == 0, result.output
    assert (student / "config.json").is_file()


def test_nothing_judged_is_one_sentence(candidates: Path, tmp_path: Path) -> None:
    qrels = tmp_path / "qrels.txt"
    qrels.write_text("elsewhere 0 d1 1\n")
    out = tmp_path / "lists"
    result = command("negatives", "--candidates", candidates, "--qrels", qrels, "--out", out)
    assert result.exit_code == 2
    assert "has a relevant passage" in result.stderr
    assert f"1 of 1 judged query has no list in {candidates}" in result.stderr
    assert not out.exists()
