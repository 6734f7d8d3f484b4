"""`rankgen subsample`: a part of a labelled set, as a run like any other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from labelled_in_process import draw_negatives, label_in_process, write_candidates
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.generator.jobs.subsample.rows import SubsampleRows
from rankgen.manifests.records import Query
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import RANKINGS
from rankgen.manifests.storage.shard import write_shard
from rankgen.retrieval.collections.sampling import sample_queries
from rankgen.students.training.evidence import read_evidence

QUERIES, DEPTH = 12, 9


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("labelled")
    source = write_candidates(root / "candidates", QUERIES, DEPTH)
    return label_in_process(source, root / "labels", shards=3).root


def command(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def subsampled(source: Path, out: Path, *words: object) -> dict[str, Any]:
    done = command("subsample", source, "--out", out, "--json", *words)
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def refused(*words: object) -> str:
    done = command("subsample", *words)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ")
    return done.stderr


def rows_of(run: Path, table: str = "rankings") -> dict[str, dict[str, Any]]:
    return {row["query_id"]: row for row in pq.read_table(run / table).to_pylist()}


def test_lists_are_cut_and_a_run_like_any_other_is_left(labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = subsampled(labels, out, "--queries", 7, "--depth", 4, "--shards", 2)
    assert (told["queries"], told["queries_before"]) == (7, QUERIES)
    assert (told["passages"], told["short_lists"]) == (7 * 4, 0)
    before = rows_of(labels)
    for query_id, row in rows_of(out).items():
        kept = [i for i, p in enumerate(before[query_id]["retrieval_positions"]) if p <= 4]
        for name in ("doc_ids", "retrieval_positions", "retrieval_scores", "teacher_scores"):
            assert row[name] == [before[query_id][name][i] for i in kept]
        # Windows [4, 9) and [2, 7) hold kept passages 3 and 4, or none.
        assert row["windows"] == 2
    texts = {row["doc_id"]: row["text"] for row in pq.read_table(out / "documents").to_pylist()}
    ranked = {doc_id for row in rows_of(out).values() for doc_id in row["doc_ids"]}
    assert texts == {doc_id: f"passage {doc_id[1:]}" for doc_id in ranked}
    assert rows_of(out, "queries").keys() == rows_of(out).keys()
    checked = command("verify", "--full", "--json", out)
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["problems"] == []
    assert "finished" in command("status", out).stdout
    # Every list has the evidence that its losses may ask for.
    assert read_evidence(RunDirectory(out), (1.0, 0.5, 0.0))


def test_the_manifest_says_where_the_lists_come_from(labels: Path, tmp_path: Path) -> None:
    out, smaller = tmp_path / "out", tmp_path / "smaller"
    subsampled(labels, out, "--queries", 7)
    subsampled(out, smaller, "--queries", 3, "--depth", 5)
    source, told, again = (
        json.loads((run / "manifest.json").read_text())["predicate"]
        for run in (labels, out, smaller)
    )
    for key in ("fingerprint", "commits_sha256", "recipe"):
        assert told["source"][key] == source[key]
        assert again["source"][key] == told[key]
    assert again["source"]["source"] == told["source"]
    assert again["recipe"]["source_kind"] == "label"
    assert again["teacher_scores"] == {"unit": "logit", "source": "scripted"}


def test_samples_nest_and_are_those_of_retrieve(labels: Path, tmp_path: Path) -> None:
    drawn = {}
    for n in (3, 8):
        subsampled(labels, tmp_path / f"{n}", "--queries", n, "--seed", 5)
        drawn[n] = rows_of(tmp_path / f"{n}").keys()
    assert drawn[3] < drawn[8]
    queries = QueryTable(Query(q, "") for q in rows_of(labels))
    assert drawn[8] == {query.query_id for query in sample_queries(queries, 8, 5)}
    subsampled(labels, tmp_path / "other", "--queries", 8, "--seed", 6)
    assert rows_of(tmp_path / "other").keys() != drawn[8]


def test_counting_writes_nothing(labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--depth", DEPTH, "--out", out]
    counted = json.loads(command("subsample", labels, *words, "--dry-run", "--json").stdout)
    assert not out.exists()
    assert counted["short_lists"] == 1
    assert counted["passages"] == counted["passages_before"] == QUERIES * DEPTH - 3
    told = subsampled(labels, out, "--depth", DEPTH)
    assert {key: told[key] for key in counted} == counted


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--queries", 9, "--depth", 6, "--shards", 3]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subsampled(labels, whole, *words)
    commit, left = Ledger.commit, iter([1, 2])

    def commit_twice(*arguments: Any) -> bool:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return commit(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "commit", commit_twice)
        done = command("subsample", labels, "--out", killed, *words)
    assert done.exit_code == 130
    assert command("verify", killed).exit_code == 4
    fill, filled = SubsampleRows.fill, list[int]()

    def counted(rows: SubsampleRows, queries: Sequence[Query]) -> Any:
        filled.append(len(queries))
        return fill(rows, queries)

    monkeypatch.setattr(SubsampleRows, "fill", counted)
    done = command("subsample", labels, "--out", killed, *words)
    assert "3 shards (2 from before)" in done.stdout
    assert filled == [3]
    for path in sorted(whole.rglob("*.parquet")):
        other = killed / path.relative_to(whole)
        if ".rankgen" not in path.parts:
            assert other.read_bytes() == path.read_bytes()
    told = refused(labels, "--out", killed, "--queries", 8, "--depth", 6)
    assert "made by another recipe" in told


def test_a_half_finished_source_needs_partial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_candidates(tmp_path / "candidates", QUERIES, DEPTH)
    commit, left = Ledger.commit, iter([1])

    def commit_once(*arguments: Any) -> bool:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return commit(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "commit", commit_once)
        with pytest.raises(KeyboardInterrupt):
            label_in_process(source, tmp_path / "labels", shards=3)
    out, labels = tmp_path / "out", tmp_path / "labels"
    told = refused(labels, "--queries", 2, "--out", out)
    assert f"{labels} is not finished (1 of 3 shards)" in told
    assert "--partial" in told
    assert subsampled(labels, out, "--queries", 2, "--partial")["queries_before"] == 4
    assert command("verify", "--full", out).exit_code == 0
    assert rows_of(out, "queries").keys() == rows_of(out).keys()


def test_what_cannot_be_cut_is_one_sentence(labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = refused(labels, "--queries", 13, "--out", out)
    assert f"{labels} has 12 ranked queries, fewer than 13" in told
    assert "--queries 12" in told
    told = refused(labels, "--depth", 10, "--out", out)
    assert "go down to first-stage rank 9, not 10" in told
    # Its only list is the last one, which is shorter by three.
    short = write_candidates(tmp_path / "short", queries=1, depth=4)
    one = label_in_process(short, tmp_path / "one", shards=1).root
    told = refused(one, "--depth", 2, "--out", out)
    assert "hint: label deeper candidates" in told
    assert "nothing to leave out" in refused(labels, "--out", out)
    assert "has no rankings" in refused(labels.parent / "candidates", "--depth", 5, "--out", out)
    assert "depth must be at least 2" in refused(labels, "--depth", 1, "--out", out)
    assert not out.exists()


def test_an_import_is_cut_by_depth_only_where_its_first_stage_is_known(tmp_path: Path) -> None:
    order = {"query_id": "q0", "doc_ids": ["a", "b", "c", "d"]}
    rows = [{**order, "query_id": f"q{n}"} for n in range(3)]
    (tmp_path / "orders.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    imported, out = tmp_path / "imported", tmp_path / "out"
    done = command("import", "auto", tmp_path / "orders.jsonl", "--out", imported)
    assert done.exit_code == 0, done.output
    told = refused(imported, "--depth", 2, "--out", out)
    assert "does not say where the first stage had its passages" in told
    # Its positions count the teacher's own order: those of a part do too.
    subsampled(imported, out, "--queries", 2)
    assert command("verify", "--full", out).exit_code == 0
    assert not (out / "queries").exists()
    told = refused(out, "--depth", 2, "--out", tmp_path / "smaller")
    assert "does not say where the first stage had its passages" in told


def test_an_import_with_a_first_stage_is_cut_like_labels(tmp_path: Path) -> None:
    orders = {"initial_list": ["a", "b", "c", "d"], "final_list": ["d", "b", "a", "c"]}
    rows = [{"qid": f"q{n}", **orders} for n in range(3)]
    (tmp_path / "orders.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    imported = tmp_path / "imported"
    done = command("import", "auto", tmp_path / "orders.jsonl", "--out", imported)
    assert done.exit_code == 0, done.output
    subsampled(imported, tmp_path / "out", "--depth", 3)
    assert {tuple(row["doc_ids"]) for row in rows_of(tmp_path / "out").values()} == {
        ("b", "a", "c")
    }
    # What is known of the first stage is known of a part, too.
    subsampled(tmp_path / "out", tmp_path / "smaller", "--depth", 2)
    cut = rows_of(tmp_path / "smaller").values()
    assert {tuple(row["doc_ids"]) for row in cut} == {("b", "a")}


@pytest.fixture
def unplaced(labels: Path, tmp_path: Path) -> Path:
    """Lists of a teacher whose first stage is unknown, as in a published folder."""
    run = RunDirectory(tmp_path / "unplaced")
    rows = rows_of(labels).values()
    for row in rows:
        row["retrieval_positions"] = [0] * len(row["doc_ids"])
    table = pa.Table.from_pylist(list(rows), schema=RANKINGS)
    write_shard(run.shard_path("rankings", 0, 1), "rankings", table, "f")
    for name in ("queries", "documents"):
        (run.root / name).symlink_to(labels / name)
    return run.root


def test_lists_without_a_first_stage_are_cut_by_queries_only(
    unplaced: Path, tmp_path: Path
) -> None:
    told = refused(unplaced, "--depth", 5, "--out", tmp_path / "out")
    assert "does not say where the first stage had its passages" in told
    (unplaced / "manifest.json").write_text('{"predicate": {"kind": "label"}}')
    told = refused(unplaced, "--depth", 5, "--out", tmp_path / "out")
    assert "does not say where the first stage had the passages of query q" in told
    told = refused(unplaced, "--depth", 5, "--queries", 3, "--out", tmp_path / "out")
    assert "leave out --depth" in told
    subsampled(unplaced, tmp_path / "out", "--queries", 3)
    assert command("verify", "--full", tmp_path / "out").exit_code == 0
    assert not (tmp_path / "out" / "windows").exists()


def test_negatives_keep_their_relevant_passage(labels: Path, tmp_path: Path) -> None:
    # q00 has d0 to d8: its relevant passage is the last; that of q01 was not retrieved.
    positives = {"q00": ("d8",), "q01": ("d50",)}
    candidates = labels.parent / "candidates"
    lists = draw_negatives(candidates, tmp_path / "lists", positives).root
    subsampled(lists, tmp_path / "out", "--depth", 3)
    cut = rows_of(tmp_path / "out")
    assert {q: row["doc_ids"][0] for q, row in cut.items()} == {"q00": "d8", "q01": "d50"}
    assert sorted(cut["q00"]["retrieval_positions"]) == [1, 2, 3, 9]
    assert cut["q01"]["retrieval_positions"][0] == 0
    assert sorted(cut["q01"]["retrieval_positions"]) == [0, 1, 2, 3]
    assert command("verify", "--full", tmp_path / "out").exit_code == 0
    # A part of the part knows it too.
    subsampled(tmp_path / "out", tmp_path / "smaller", "--depth", 2)
    assert sorted(rows_of(tmp_path / "smaller")["q00"]["retrieval_positions"]) == [1, 2, 9]


def test_parts_are_made_from_store_to_store(labels: Path, s3_bucket: str) -> None:
    part, smaller = f"{s3_bucket}/part", f"{s3_bucket}/smaller"
    for source, out, words in (
        (labels, part, ["--queries", 6]),
        (part, smaller, ["--depth", 3, "--shards", 2]),
    ):
        done = command("subsample", source, "--out", out, "--json", *words)
        assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["passages"] == 6 * 3
    checked = command("verify", "--full", "--json", smaller)
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["problems"] == []
    again = command("subsample", part, "--out", smaller, "--depth", 3, "--shards", 2)
    assert "2 shards (2 from before)" in again.stdout
