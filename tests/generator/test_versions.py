"""Versions belong to a run: of all its workers, and of the drivers that resume it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from rankgen.generator.jobs.label.held_versions import VLLM_KEY, vllm_version
from rankgen.generator.jobs.label.job import label, plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.cluster import kept_session
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.versions import versions
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.notices import warn
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.commit_record import CommitRecord
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard

OWN = importlib.metadata.version("rankgen-distill")
OTHER = "9.9.9"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of packages that this process and the workers of its Ray look into first."""
    folder = tmp_path_factory.mktemp("packages")
    with pytest.MonkeyPatch.context() as patch, kept_session():
        patch.syspath_prepend(folder)
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        yield folder


@pytest.fixture
def upgraded(packages: Path) -> Iterator[Path]:
    """Another version of rankgen, as far as its metadata go; the test may remove it."""
    info = install(packages, "rankgen_distill", OTHER)
    yield info
    shutil.rmtree(info, ignore_errors=True)


def install(folder: Path, name: str, version: str) -> Path:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return info


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = RunDirectory(tmp_path_factory.mktemp("candidates"))
    asked = [Query(f"q{n}", "") for n in range(4)]
    found = [Candidates(query.query_id, ("a", "b"), (2.0, 1.0)) for query in asked]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, asked, "f")
    write_documents(run, [Document("a", "", ""), Document("b", "", "")], "f")
    return run.root


def settings(candidates: Path, out: Path, script: str = "hash", **more: object) -> LabelRunSettings:
    teacher = LabelSettings(teacher=f"scripted:{script}")
    values = {"candidates": candidates, "teacher": teacher, "out": out, "shards": 2}
    return LabelRunSettings.model_validate(values | more)


def made_with(out: Path) -> dict[str, dict[str, JsonValue]]:
    paths = sorted((out / ".rankgen" / "commits").glob("*.json"))
    records = [CommitRecord.model_validate_json(path.read_bytes()) for path in paths]
    return {f"{record.shard}.{record.revision}": record.facts for record in records}


@pytest.mark.parametrize(
    ("teacher", "names"),
    [
        ({"teacher": "rankzephyr"}, {"rankgen", "ftfy", "transformers", "vllm"}),
        (
            {"teacher": "listwise", "model": "m", "base_url": "http://h"},
            {"rankgen", "ftfy", "transformers"},
        ),
        ({"teacher": "minilm"}, {"rankgen", "transformers", "torch"}),
        ({"teacher": "scripted:hash"}, {"rankgen"}),
    ],
)
def test_a_teacher_is_made_by_what_touches_its_labels(
    teacher: dict[str, str], names: set[str]
) -> None:
    found = versions(LabelSettings.model_validate(teacher).resolved())
    assert set(found) == names
    assert found["rankgen"] == OWN
    # Of a build (+cpu, +cu130) the machine decides.
    assert not any("+" in str(version) for version in found.values())


def test_a_run_goes_on_with_other_versions_only_on_purpose(
    candidates: Path, tmp_path: Path, upgraded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warn.cache_clear()
    out = tmp_path / "run"
    upgraded.rename(tmp_path / "hidden")
    label(settings(candidates, out, "hash,fail=q1", max_failed=1))
    begun = read_plan(RunDirectory(out))
    assert begun.recipe["versions.rankgen"] == OWN
    assert {facts["rankgen"] for facts in made_with(out).values()} == {OWN}
    (tmp_path / "hidden").rename(upgraded)

    with pytest.raises(UsageError) as caught:
        label(settings(candidates, out))
    expected = f"was begun with other versions: rankgen {OWN} -> {OTHER}"
    assert expected in caught.value.message
    assert "--allow-other-versions" in str(caught.value.hint)

    assert label(settings(candidates, out, allow_other_versions=True)).queries == 4
    assert "continues with other versions" in capsys.readouterr().err
    assert read_plan(RunDirectory(out)) == begun
    revisions = [facts["rankgen"] for _, facts in sorted(made_with(out).items())]
    # Two shards, the second try of the failed query in the first run, and its third.
    assert sorted(map(str, revisions)) == [OWN] * 3 + [OTHER]
    predicate = json.loads((out / "manifest.json").read_text())["predicate"]
    assert {facts["rankgen"] for facts in predicate["environments"]} == {OWN, OTHER}

    # Nothing is left to do: what is installed today does not matter.
    assert label(settings(candidates, out)).queries == 4


def test_a_run_begun_before_versions_were_recorded_goes_on_likewise(
    candidates: Path, tmp_path: Path, packages: Path
) -> None:
    out = tmp_path / "run"
    label(settings(candidates, out))
    plan_file = RunDirectory(out).plan
    old = json.loads(plan_file.read_text())
    del old["recipe"]["versions.rankgen"]
    plan_file.write_text(json.dumps(old))
    fingerprint = read_plan(RunDirectory(out)).fingerprint
    for path in (out / ".rankgen" / "commits").glob("*.json"):
        record = json.loads(path.read_text()) | {"fingerprint": fingerprint}
        path.write_text(json.dumps(record))
    assert label(settings(candidates, out)).queries == 4
    (out / "manifest.json").unlink()
    with pytest.raises(UsageError, match=f"rankgen null -> {OWN}"):
        label(settings(candidates, out))
    assert label(settings(candidates, out, allow_other_versions=True)).queries == 4


def test_a_run_without_work_takes_todays_versions(
    candidates: Path, tmp_path: Path, upgraded: Path
) -> None:
    out = RunDirectory(tmp_path / "run")
    plan, _ = plan_labels(settings(candidates, out.root))
    out.state.mkdir(parents=True)
    before = plan.model_copy(update={"recipe": {**plan.recipe, "versions.rankgen": OWN}})
    out.plan.write_text(before.model_dump_json())
    label(settings(candidates, out.root, allow_other_versions=True))
    assert read_plan(out).recipe["versions.rankgen"] == OTHER


def test_a_worker_compares_files_and_versions_before_it_loads(
    candidates: Path, tmp_path: Path
) -> None:
    from rankgen.generator.jobs.label.factory import LabelFactory
    from rankgen.generator.teachers.teacher_recipe import teacher_recipe

    run_file = tmp_path / "run.trec"
    run_file.write_text("q0 Q0 a 1 2.0 t\n")
    teacher = LabelSettings(teacher=f"recorded:{run_file}").resolved()
    wanted = teacher_recipe(teacher)
    LabelFactory(candidates, teacher, None, wanted)()
    other = {**wanted, "versions.rankgen": OTHER}
    with pytest.raises(EnvironmentProblem, match=f"rankgen {OWN} instead of {OTHER}") as caught:
        LabelFactory(candidates, teacher, None, other)()
    assert "install the run's versions" in str(caught.value.hint)
    run_file.write_text("q0 Q0 b 1 2.0 t\n")
    with pytest.raises(EnvironmentProblem, match="run_sha256") as caught:
        LabelFactory(candidates, teacher, None, wanted)()
    assert "the same files" in str(caught.value.hint)


def test_a_driver_without_vllm_asks_a_worker(
    candidates: Path, tmp_path: Path, packages: Path
) -> None:
    plan, _ = plan_labels(settings(candidates, tmp_path / "run"))
    installed = versions(LabelSettings(teacher="rankzephyr").resolved())["vllm"]
    assert installed is not None
    for key in (None, "0.1"):
        known = plan.model_copy(update={"recipe": {**plan.recipe, VLLM_KEY: key}})
        found = vllm_version(RunDirectory(tmp_path / "run"), known, None)
        assert found == (key or installed)


@pytest.mark.timeout(300)
def test_a_node_with_other_versions_is_set_aside(
    candidates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "ftfy", OTHER)
    install(tmp_path, "rankgen_distill", OTHER)
    import ray
    from ray.cluster_utils import Cluster

    ray.shutdown()
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        odd = cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": paths})
        out = tmp_path / "run"
        wanted = settings(candidates, out, "hash,latency=0.5", workers=2, shards=4)
        label(wanted.model_copy(update={"ray_address": cluster.address}))
        (log,) = (out / ".rankgen" / "events").iterdir()
        events = [json.loads(line) for line in log.read_text().splitlines()]
        failed = [event for event in events if event["event"] == "worker could not start"]
        assert {event["node"] for event in failed} == {odd.node_id}
        assert f"rankgen {OTHER} instead of {OWN}" in failed[0]["reason"]
        assert {facts["rankgen"] for facts in made_with(out).values()} == {OWN}
    finally:
        ray.shutdown()
        cluster.shutdown()
