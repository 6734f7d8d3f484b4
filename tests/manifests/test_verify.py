"""Every published file is checked, and a manifest must tell of the latest commits."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from toy_ledger import rows

from rankgen.manifests.records import Document, Query
from rankgen.manifests.run import texts
from rankgen.manifests.run.commit_record import Attempt
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import Plan, digest_of_queries, open_plan
from rankgen.manifests.run.provenance import is_told, write_manifest
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.status import run_status
from rankgen.manifests.run.texts import write_documents
from rankgen.manifests.run.verify import Verification, verify_run
from rankgen.manifests.storage.shard import write_shard

TWO = [Query("a", "text a"), Query("b", "text b")]


def commit(run: RunDirectory, plan: Plan, revision: int, *held: str) -> Ledger:
    ledger = Ledger(run, plan.fingerprint, plan.shards, plan.tables)
    name = f"attempt-{revision}"
    path = run.attempts / name / "queries.parquet"
    write_shard(path, "queries", rows(held), plan.fingerprint)
    lost = {query.query_id: "lost" for query in TWO if query.query_id not in held}
    attempt = Attempt(
        shard=0,
        revision=revision,
        name=name,
        quarantined=lost,
        counts={"n": len(held)},
        facts={"device": f"made in {revision}"},
    )
    assert ledger.commit(attempt, [query.query_id for query in TWO], lambda *given: None)
    return ledger


def planned(root: Path) -> tuple[RunDirectory, Plan]:
    run = RunDirectory(root)
    plan = Plan(
        kind="retrieve",
        tables=("queries",),
        recipe={"depth": 2},
        settings={},
        shards=1,
        queries=len(TWO),
        queries_sha256=digest_of_queries(TWO),
    )
    return run, open_plan(run, plan, TWO)


@pytest.fixture
def finished(tmp_path: Path) -> RunDirectory:
    run, plan = planned(tmp_path / "run")
    ledger = commit(run, plan, 0, "a", "b")
    write_documents(run, [Document("d", "", "a passage")], plan.fingerprint)
    (run.root / "qrels.tsv").write_text("a\td\t1\n")
    write_manifest(run, plan, ledger.history())
    return run


def checked(run: RunDirectory) -> Verification:
    return verify_run(run, None)


def test_a_finished_run_is_clean_wherever_it_stands(
    finished: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checked(finished).problems == ()
    moved = tmp_path / "elsewhere" / "copy"
    shutil.copytree(finished.root, moved)
    monkeypatch.chdir(moved.parent)
    found = checked(RunDirectory("copy"))
    assert found.problems == ()
    assert found.is_finished


CHANGED = ["documents/train-00000-of-00001.parquet", "qrels.tsv"]


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_and_a_lost_file_are_found(finished: RunDirectory, name: str) -> None:
    path = finished.root / name
    path.write_bytes(path.read_bytes() + b"x")
    (problem,) = checked(finished).problems
    assert name in problem
    assert "changed" in problem
    path.unlink()
    (problem,) = checked(finished).problems
    assert "is missing" in problem


@pytest.mark.parametrize(
    "name", ["documents/train-00000-of-00002.parquet", "queries/extra.parquet", "run.trec"]
)
def test_a_file_that_readers_would_take_for_a_part_is_found(
    finished: RunDirectory, name: str
) -> None:
    (finished.root / name).write_bytes(b"anything")
    (problem,) = checked(finished).problems
    assert name in problem
    assert "not published by this run" in problem


@pytest.mark.parametrize("key", ["fingerprint", "recipe", "queries", "shards", "counts"])
def test_a_manifest_that_says_something_else_is_found(finished: RunDirectory, key: str) -> None:
    manifest = json.loads(finished.manifest.read_text())
    manifest["predicate"][key] = {"n": 99}
    finished.manifest.write_text(json.dumps(manifest))
    (problem,) = checked(finished).problems
    assert f"another value of {key}" in problem


def test_a_manifest_cannot_name_files_outside_the_run(
    finished: RunDirectory, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("x")
    manifest = json.loads(finished.manifest.read_text())
    manifest["subject"].append({"name": "../secret", "digest": {"sha256": "0"}})
    finished.manifest.write_text(json.dumps(manifest))
    (problem,) = checked(finished).problems
    assert "missing" in problem


def test_a_manifest_of_earlier_commits_leaves_the_run_unfinished(tmp_path: Path) -> None:
    run, plan = planned(tmp_path / "run")
    write_manifest(run, plan, commit(run, plan, 0, "a").history())
    assert run_status(run).finished
    # A kill right after this commit leaves the manifest of before.
    ledger = commit(run, plan, 1, "a", "b")
    assert not is_told(run, ledger.settle())
    assert not run_status(run).finished
    assert not checked(run).is_finished
    write_manifest(run, plan, ledger.history())
    assert checked(run).is_finished
    environments = json.loads(run.manifest.read_text())["predicate"]["environments"]
    assert environments == [
        {"device": "made in 0", "made_shards": [0]},
        {"device": "made in 1", "made_shards": [0]},
    ]


def test_the_manifest_of_an_earlier_version_still_tells(finished: RunDirectory) -> None:
    manifest = json.loads(finished.manifest.read_text())
    del manifest["predicate"]["commits_sha256"]
    finished.manifest.write_text(json.dumps(manifest))
    assert checked(finished).is_finished


def test_texts_that_grow_into_more_shards_stand_there_once(
    finished: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "DOCUMENTS_PER_SHARD", 2)
    for count in (1, 5, 3):
        grown = [Document(f"d{number}", "", "a passage") for number in range(count)]
        write_documents(finished, grown, "f")
        assert finished.read("documents")["doc_id"].to_pylist() == [d.doc_id for d in grown]


def test_hidden_files_of_other_programs_are_let_be(finished: RunDirectory) -> None:
    (finished.root / "queries" / f".nfs{os.getpid()}").write_bytes(b"")
    assert checked(finished).problems == ()
