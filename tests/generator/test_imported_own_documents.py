"""Imported lists that hold the query itself as a document: said, left out, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.generator.jobs.imports.rows import validate_imported
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.verify import verify_run

ARGUMENT = "meat is murder whatever one says"
# arg1 finds itself, arg2 another document of its id, arg3 none of its id.
LISTS = {
    "arg1": {"arg1": 9.0, "x": 8.0, "y": 7.0, "z": 6.0},
    "arg2": {"x": 9.0, "arg2": 8.0, "y": 7.0},
    "arg3": {"z": 9.0, "y": 8.0, "x": 7.0, "arg1": 6.0},
}
QUERIES = {"arg1": ARGUMENT, "arg2": "taxes", "arg3": "wars"}
DOCUMENTS = {"arg1": ARGUMENT.upper() + ".", "arg2": "the sea", "x": "an x", "y": "a y", "z": "a z"}


def run_file(path: Path) -> Path:
    lines = [
        f"{query} Q0 {doc} {rank} {score} t\n"
        for query, scores in LISTS.items()
        for rank, (doc, score) in enumerate(scores.items(), start=1)
    ]
    path.write_text("".join(lines))
    return path


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    folder.mkdir()
    for name, texts in (("queries", QUERIES), ("corpus", DOCUMENTS)):
        rows = [json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("".join(rows))
    return folder


def imported(tmp_path: Path, *words: object, out: str = "run") -> Result:
    source = run_file(tmp_path / "lists.run")
    command = ["import", "trec-run", source, "--out", tmp_path / out, *words]
    return CliRunner().invoke(app, [str(word) for word in command])


def lists(tmp_path: Path, out: str = "run") -> dict[str, list[str]]:
    run = RunDirectory(tmp_path / out)
    found = verify_run(run, validate_imported)
    assert (found.problems, found.is_finished) == ((), True)
    rows = run.read("rankings").to_pylist()
    assert all(len(row["teacher_scores"]) == len(row["doc_ids"]) for row in rows)
    return {row["query_id"]: row["doc_ids"] for row in rows}


def test_lists_that_hold_the_query_itself_are_told(tmp_path: Path, collection: Path) -> None:
    done = imported(tmp_path, "--collection", collection)
    assert done.exit_code == 0, done.output
    assert "in 1 of 3 lists the query itself is a document (same id and text)" in done.stdout
    assert "--own-document auto" in done.stdout
    assert "own id and may be" not in done.stdout
    assert lists(tmp_path)["arg1"] == ["arg1", "x", "y", "z"]


def test_without_texts_their_ids_are_told(tmp_path: Path) -> None:
    done = imported(tmp_path)
    assert "in 2 of 3 lists a document has the query's own id" in done.stdout
    told = json.loads(imported(tmp_path, "--json", out="other").stdout)
    assert (told["own_documents_kept"], told["own_ids_kept"]) == (0, 2)
    refused = imported(tmp_path, "--own-document", "auto", out="third")
    assert (refused.exit_code, "compares texts" in refused.stderr) == (2, True)


def test_numbers_that_are_equal_by_chance_are_not_told(tmp_path: Path) -> None:
    path = tmp_path / "lists.tsv"
    path.write_text("7 Q0 7 1 2.0 t\n7 Q0 8 2 1.0 t\n")
    command = ["import", "trec-run", str(path), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, "own id" in done.stdout) == (0, False)


def test_the_query_itself_is_left_out_down_to_the_depth(tmp_path: Path, collection: Path) -> None:
    words = ["--collection", collection, "--depth", 3]
    done = imported(tmp_path, *words, "--own-document", "auto")
    assert done.exit_code == 0, done.output
    assert "own documents 1" in done.stdout
    assert "--own-document" not in done.stdout
    # A list is as deep without it as the others.
    assert lists(tmp_path) == {
        "arg1": ["x", "y", "z"],
        "arg2": ["x", "arg2", "y"],
        "arg3": ["z", "y", "x"],
    }
    texts = RunDirectory(tmp_path / "run").read("documents", ["doc_id"])["doc_id"].to_pylist()
    assert "arg1" not in texts
    imported(tmp_path, *words, "--own-document", "drop", out="all")
    assert lists(tmp_path, "all")["arg2"] == ["x", "y"]
    # It is another run: the folder refuses to become one with them.
    again = imported(tmp_path, *words)
    assert (again.exit_code, "own_document" in again.stderr) == (2, True)
