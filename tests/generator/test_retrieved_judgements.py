"""`rankgen retrieve` names the judged queries it lost, and keeps all judgements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.generator.jobs.kinds import KINDS
from rankgen.manifests.run.plan import Kind
from rankgen.manifests.trec import read_qrels

pytestmark = pytest.mark.usefixtures("one_ray")

CORPUS = {
    "d1": "bread rises with yeast",
    "d2": "salt dries in the sun",
    "d3": "the moon pulls the water of the sea",
    "d4": "yeast eats sugar",
    "q1": "how does bread rise",
}
QUERIES = {"q1": "how does bread rise", "q2": "where does salt dry", "q3": "?!", "q4": "yeast"}
JUDGED = ["q1\td1\t1", "q2\td2\t2", "q3\td3\t1", "q_gone\td3\t1"]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    (folder / "qrels").mkdir(parents=True)
    for stem, texts in (("corpus", CORPUS), ("queries", QUERIES)):
        lines = [json.dumps({"_id": key, "text": text}) for key, text in texts.items()]
        (folder / f"{stem}.jsonl").write_text("\n".join(lines) + "\n")
    header = "query-id\tcorpus-id\tscore"
    (folder / "qrels" / "test.tsv").write_text("\n".join([header, *JUDGED]) + "\n")
    run = ["q1 Q0 q1 1 3 t", "q1 Q0 d1 2 2 t", "q1 Q0 d2 3 1 t", "q2 Q0 d2 1 3 t"]
    (tmp_path / "some.trec").write_text("\n".join(run) + "\n")
    return folder


def command(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def mean_of(qrels: Path, candidates: Path, out: Path) -> float:
    words = ["evaluate", "--qrels", qrels, "--candidates", candidates, "--json", "--out", out]
    done = command(*words)
    assert done.exit_code == 0, done.output
    (system,) = json.loads(done.stdout)["systems"]
    return float(system["measures"]["nDCG@10"])


def test_judged_queries_that_are_lost(collection: Path, tmp_path: Path) -> None:
    out, judged = tmp_path / "out", collection / "qrels" / "test.tsv"
    words = ["retrieve", "--collection", collection, "--split", "test", "--max-failed", 1]
    words += ["--depth", 3, "--out", out]
    done = command(*words)
    assert done.exit_code == 0, done.output
    assert f"2 of 4 judged queries have no list in {out} (first: q3)" in done.stdout
    assert "left out of 1 of 2 lists: the document that is the query itself" in done.stdout
    lists = {r["query_id"]: r["doc_ids"] for r in pq.read_table(out / "candidates").to_pylist()}
    assert lists.keys() == {"q1", "q2"}
    assert lists["q1"][0] == "d1"
    assert "q1" not in lists["q1"]
    assert read_qrels(out / "qrels.tsv") == read_qrels(judged)
    predicate = json.loads((out / "manifest.json").read_text())["predicate"]
    assert predicate["judged_queries"] == 4
    assert predicate["judged_queries_without_list"] == ["q3", "q_gone"]
    assert predicate["recipe"]["own_document"] == "auto"
    figure = mean_of(judged, out, tmp_path / "one")
    assert figure == mean_of(out / "qrels.tsv", out, tmp_path / "other") == 0.5
    # Repeated, it says the same; another rule is another recipe.
    assert "2 of 4 judged queries" in command(*words).stdout
    refused = command(*words, "--own-document", "keep")
    assert refused.exit_code == 2
    assert "own_document auto -> null" in refused.stderr


def test_a_recorded_run_that_answers_few(collection: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["retrieve", "--collection", collection, "--split", "test", "--json", "--out", out]
    words += ["--retriever", f"recorded:{tmp_path / 'some.trec'}", "--own-document", "keep"]
    done = command(*words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["judged_queries"], told["judged_queries_without_list"]) == (4, 2)
    assert len(read_qrels(out / "qrels.tsv")) == 4
    recipe = json.loads((out / "manifest.json").read_text())["predicate"]["recipe"]
    assert "own_document" not in recipe
    lists = {r["query_id"]: r["doc_ids"] for r in pq.read_table(out / "candidates").to_pylist()}
    assert lists["q1"] == ["q1", "d1", "d2"]


def test_a_sample_has_its_own_judgements(collection: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["retrieve", "--collection", collection, "--split", "test", "--sample", 1]
    words += ["--retriever", f"recorded:{tmp_path / 'some.trec'}", "--out", out]
    done = command(*words)
    assert done.exit_code == 0, done.output
    assert "judged" not in done.stdout
    (query_id,) = pq.read_table(out / "candidates")["query_id"].to_pylist()
    assert read_qrels(out / "qrels.tsv").keys() == {query_id}


def test_every_kind_of_run_is_verified(collection: Path, tmp_path: Path) -> None:
    assert KINDS.keys() == set(get_args(Kind))
    retrieved, judged = tmp_path / "candidates", collection / "qrels" / "test.tsv"
    words = ["retrieve", "--collection", collection, "--split", "test", "--out", retrieved]
    recorded = f"recorded:{tmp_path / 'some.trec'}"
    made = {
        retrieved: [*words, "--retriever", recorded],
        tmp_path / "labels": ["label", "--teacher", "scripted:reverse", "--candidates", retrieved],
        tmp_path / "lists": ["negatives", "--qrels", judged, "--candidates", retrieved],
        tmp_path / "part": ["subsample", tmp_path / "labels", "--queries", 1],
    }
    for out, step in made.items():
        done = command(*step, "--out", out)
        assert done.exit_code == 0, done.output
        checked = command("verify", "--full", "--json", out)
        assert checked.exit_code == 0, checked.output
        assert json.loads(checked.stdout)["problems"] == []
