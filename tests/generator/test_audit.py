"""`rankgen audit` and strategies in whole runs: what is committed replays, resumes and verifies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from labelled_in_process import write_candidates
from made_up_candidates import write_one
from one_shard import QUERIES, OneShard
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.jobs.label import relabel
from rankgen.generator.jobs.label.audit import audit, audit_cost
from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.counts import label_counts
from rankgen.generator.jobs.label.estimate import estimate
from rankgen.generator.jobs.label.factory import LabelFactory
from rankgen.generator.jobs.label.job import plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.in_process import InProcessJob, run_in_process
from rankgen.generator.shards.work import ShardTask
from rankgen.generator.strategies.registry import STRATEGIES, StrategyName
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.publishing.publish import Publication
from rankgen.manifests.publishing.settings import PublishSettings
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import link_texts
from rankgen.students.agreement.coverage import coverage_of


def label_here(settings: LabelRunSettings, beside: Sequence[RunDirectory] = ()) -> None:
    """Does the work of a label run in this process."""
    plan, queries = plan_labels(settings)
    source, run = RunDirectory(settings.candidates), RunDirectory(settings.out)
    digest = plan.recipe.get("documents_sha256")

    def fill(task: ShardTask) -> Mapping[str, pa.Table]:
        work = LabelFactory(source.root, settings.teacher.resolved(), digest)()
        return asyncio.run(work.fill(task.queries, run.journal / str(task.shard))).tables

    def finish(_: Mapping[str, int]) -> None:
        link_texts(source, run)

    job = InProcessJob(run, plan, "windows", queries, fill, label_counts, validate_rankings, finish)
    run_in_process(job)


def labelled(root: Path, **teacher: object) -> RunDirectory:
    source = write_candidates(root / "candidates", queries=6, depth=20)
    settings = LabelSettings.model_validate(teacher)
    out = root / "labels"
    label_here(LabelRunSettings(candidates=source.root, teacher=settings, out=out, shards=2))
    return RunDirectory(out)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relabel, "label", label_here)


@pytest.mark.usefixtures("in_process")
def test_a_teacher_that_only_repeats_its_input_is_found_out(tmp_path: Path) -> None:
    run = labelled(tmp_path, teacher="scripted:identity")
    found = audit(run, 4)
    own, again, reverse, shuffled = found.rows
    assert [row.given for row in found.rows] == ["run", "again", "reversed", "shuffled"]
    assert all((row.queries, row.follows_input) == (4, 1.0) for row in found.rows)
    assert own.flip_rate == again.flip_rate == 0
    assert (reverse.kendall_tau, reverse.flip_rate, reverse.top10_overlap < 0.5) == (-1, 1, True)
    assert -1 < shuffled.kendall_tau < 0.5
    assert "reversed" in found.text()


@pytest.mark.usefixtures("in_process")
def test_a_teacher_without_bias_keeps_its_order(tmp_path: Path) -> None:
    run = labelled(tmp_path, teacher="scripted:hash")
    for row in audit(run, 4).rows:
        assert (row.flip_rate, row.kendall_tau, row.top10_overlap) == (0, 1, 1)
        assert abs(row.follows_input) < 0.5


@pytest.mark.usefixtures("in_process")
def test_what_an_audit_costs_is_said_before(tmp_path: Path) -> None:
    run = labelled(tmp_path, teacher="scripted:hash", window=6, stride=3)
    asked = audit_cost(run, 2)
    spent = [
        RunDirectory(Path(folder)).read("windows").num_rows
        for folder in sorted(Path(audit(run, 2).kept).iterdir())
    ]
    assert (asked.queries, asked.calls) == (2, sum(spent))
    with pytest.raises(UsageError, match="is not a run of rankgen"):
        audit(RunDirectory(tmp_path / "candidates"), 2)


@pytest.mark.usefixtures("in_process")
def test_lists_of_one_document_say_nothing_of_a_teacher(tmp_path: Path) -> None:
    source = write_one(tmp_path / "candidates")
    teacher = LabelSettings.model_validate({"teacher": "scripted:hash"})
    label_here(LabelRunSettings(candidates=source, teacher=teacher, out=tmp_path / "labels"))
    for again in (audit, relabel.relabel):
        with pytest.raises(UsageError, match="holds one document, which has no order to compare"):
            again(RunDirectory(tmp_path / "labels"), 2)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("votes", [None, 2])
def test_a_run_is_verified_and_resumed(
    tmp_path: Path, name: StrategyName, votes: int | None
) -> None:
    more: dict[str, object] = {"strategy": name, "window": 3, "shuffle": votes, "passes": 2}
    more |= {} if name == "sliding" else {"top": 2}

    def teacher(script: str) -> LabelSettings:
        return LabelSettings.model_validate({"teacher": script, **more})

    first = OneShard(tmp_path, teacher("scripted:hash,fail=b"))
    first.filled(1, *QUERIES)
    # Whatever the journal holds is not asked again, or this teacher would fail.
    again = OneShard(tmp_path, teacher("scripted:hash,fail=a"))
    again.filled(2, *QUERIES)
    record = again.commit()
    assert record.quarantined == {}
    assert again.is_clean()
    coverage = coverage_of(again.run)
    assert coverage is not None
    assert coverage.seen > 0.3


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_dry_run_counts_the_calls_of_every_strategy(tmp_path: Path, name: StrategyName) -> None:
    more: dict[str, object] = {"strategy": name, "window": 5, "shuffle": 2, "passes": 2}
    run = labelled(tmp_path, teacher="scripted:hash", **more)
    made = run.read("windows").num_rows
    settings = LabelSettings.model_validate({"teacher": "scripted:hash", **more})
    asked = LabelRunSettings(
        candidates=tmp_path / "candidates", teacher=settings, out=tmp_path / "other"
    )
    calls = estimate(asked, tokens_per_second=1.0).calls
    if name in ("sliding", "setwise-bubble", "tournament"):
        assert calls == made
    # The calls of the others depend on the answers.
    assert 0.7 < calls / made < 1.4


def test_a_published_run_names_its_strategy(tmp_path: Path) -> None:
    run = labelled(tmp_path, teacher="scripted:hash", strategy="tdpart", window=6)
    settings = PublishSettings(to=str(tmp_path / "public"))
    Publication(run, settings).publish()
    card = (tmp_path / "public" / "README.md").read_text("utf-8")
    assert "windows a query, chosen by `tdpart` to order the top 3." in card
    shown = pq.read_table(sorted((tmp_path / "public").rglob("windows/*.parquet"))[0])["shown"]
    assert 0 < shown.null_count < len(shown)


def test_a_failed_call_of_a_strategy_says_what_it_showed(tmp_path: Path) -> None:
    settings = LabelSettings(teacher="scripted:hash,fail=b", strategy="setwise", window=3)
    shard = OneShard(tmp_path, settings)
    shard.filled(1, *QUERIES)
    shard.commit()
    # Of a heap of six passages the last node with a child is the third, with the sixth below it.
    (failed,) = shard.calls("b")
    assert (failed["start"], failed["end"], failed["shown"]) == (2, 6, [2, 5])
    assert failed["permutation"] is None


@pytest.mark.usefixtures("one_ray")
def test_the_command_labels_by_ray(tmp_path: Path) -> None:
    run = labelled(tmp_path, teacher="scripted:identity", strategy="tournament", window=8)
    done = CliRunner().invoke(app, ["audit", str(run.root), "--queries", "2", "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["given"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows["again"]["flip_rate"] == 0
    assert rows["reversed"]["flip_rate"] == 1
    assert rows["reversed"]["top10_overlap"] < 0.5
