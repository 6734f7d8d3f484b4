"""Ids are not texts: other passages under the same ids are other candidates."""

from __future__ import annotations

from pathlib import Path

import pytest

from rankgen.generator.jobs.label.factory import LabelFactory
from rankgen.generator.jobs.label.job import plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.plan import open_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import digest_of_documents, write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard


def candidates(root: Path, text: str) -> RunDirectory:
    run = RunDirectory(root)
    found = [Candidates("q", ("a", "b"), (2.0, 1.0))]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, [Query("q", "a query")], "f")
    write_documents(run, [Document("a", "", text), Document("b", "", "passage b")], "f")
    return run


def settings(source: RunDirectory, out: Path, teacher: str) -> LabelRunSettings:
    return LabelRunSettings(candidates=source.root, teacher=LabelSettings(teacher=teacher), out=out)


def test_other_texts_under_the_same_ids_are_refused(tmp_path: Path) -> None:
    out = RunDirectory(tmp_path / "out")
    plan, queries = plan_labels(
        settings(candidates(tmp_path / "one", "passage a"), out.root, "minilm")
    )
    open_plan(out, plan, queries)
    # Some work, so that the plan stands.
    out.journal_of(0).mkdir(parents=True)
    (out.journal_of(0) / "w.jsonl").write_text("")
    same, queries = plan_labels(
        settings(candidates(tmp_path / "copy", "passage a"), out.root, "minilm")
    )
    assert open_plan(out, same, queries).fingerprint == plan.fingerprint
    other, queries = plan_labels(
        settings(candidates(tmp_path / "other", "passage A"), out.root, "minilm")
    )
    with pytest.raises(UsageError, match="documents_sha256"):
        open_plan(out, other, queries)


def test_a_teacher_that_reads_no_texts_does_not_mind_them(tmp_path: Path) -> None:
    one, other = (
        plan_labels(settings(candidates(tmp_path / text, text), tmp_path, "scripted:hash"))[0]
        for text in ("x", "y")
    )
    assert one.fingerprint == other.fingerprint


def test_a_worker_that_sees_other_texts_does_not_start(tmp_path: Path) -> None:
    planned, seen = candidates(tmp_path / "one", "x"), candidates(tmp_path / "other", "y")
    teacher = LabelSettings(teacher="minilm").resolved()
    with pytest.raises(EnvironmentProblem, match="differ from those in the run's plan"):
        LabelFactory(seen.root, teacher, digest_of_documents(planned))()
