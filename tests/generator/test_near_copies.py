"""`rankgen negatives` draws neither copies of relevant passages nor the query itself."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard
from rankgen.retrieval.negatives import copies_of_positives, list_with_negatives

DOCUMENTS = [
    Document("good", "Salt", "The sea is salty."),
    Document("copy", "Salt", "the sea  is SALTY"),
    Document("untitled", "", "Salt: the sea is salty"),
    Document("other", "Salt", "The sea is blue."),
    Document("q1", "", "Why is the sea salty"),
    Document("q2", "", "An unrelated passage about bread."),
    Document("blank", "", ""),
]


def test_copies_are_found_whatever_their_title_and_spelling() -> None:
    positives = {"q1": ("good",), "q2": ("other",), "q3": ("good", "copy", "blank")}
    found = copies_of_positives(positives, [DOCUMENTS[0], *DOCUMENTS[1:]], DOCUMENTS)
    assert found == {"q1": {"copy", "untitled"}, "q3": {"untitled"}}


def test_what_is_left_out_is_not_drawn() -> None:
    drawn = list_with_negatives(
        "q", ["a", "b", "c", "p"], ["p"], depth=9, count=9, seed=0, left_out={"b"}
    )
    assert drawn == ["p", "a", "c"]


def written(folder: Path) -> Path:
    run = RunDirectory(folder)
    queries = [Query("q1", "why is the sea salty?"), Query("q2", "how is bread baked")]
    # A recorded run may hold passages that the collection lacks.
    ids = (*(document.doc_id for document in DOCUMENTS), "no-text")
    found = [Candidates(q.query_id, ids, tuple(9.0 - n for n in range(len(ids)))) for q in queries]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, queries, "f")
    write_documents(run, DOCUMENTS, "f")
    return run.root


def test_the_command_counts_what_it_leaves_out(tmp_path: Path) -> None:
    candidates, qrels = written(tmp_path / "candidates"), tmp_path / "qrels"
    qrels.write_text("q1 0 good 1\nq1 0 no-text 1\nq2 0 other 1\n")
    command = ["negatives", "--candidates", candidates, "--qrels", qrels, "--out", tmp_path / "out"]
    result = CliRunner().invoke(app, [*map(str, command), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["copies_of_relevant_left_out"] == 2
    assert told["own_documents_left_out"] == 1
    rows = pq.read_table(tmp_path / "out" / "rankings").to_pylist()
    assert {row["query_id"]: row["doc_ids"] for row in rows} == {
        "q1": ["good", "other", "q2", "blank"],
        # The passage that is numbered like the query is another text.
        "q2": ["other", "good", "copy", "untitled", "q1", "q2", "blank", "no-text"],
    }
    again = CliRunner().invoke(app, [*map(str, command), "--own-document", "keep"])
    assert again.exit_code == 2
    assert "own_documents_sha256" in again.stderr
