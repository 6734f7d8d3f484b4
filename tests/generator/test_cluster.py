"""A label run on a Ray cluster of several nodes, one of which dies while another one joins."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from made_up_work import MadeUpWork, made_up_job
from processes import descendants
from pydantic import JsonValue

from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.cluster import ray_session, total_cpus
from rankgen.generator.shards.job import ShardJob, run_job
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.work import FilledShard
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import EnvironmentProblem, RankgenError, UsageError
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.storage.shard import write_shard

pytestmark = pytest.mark.timeout(600)
# The dashboard is ten processes.
HEAD = {"num_cpus": 1, "include_dashboard": False}


def make_candidates(root: Path, queries: int = 32) -> Path:
    run = RunDirectory(root)
    asked = [Query(f"q{n:02}", "") for n in range(queries)]
    ids = tuple(f"d{n}" for n in range(20))
    scores = tuple(float(-n) for n in range(20))
    found = [Candidates(query.query_id, ids, scores) for query in asked]
    write_shard(run.shard_path("candidates", 0, 1), "candidates", candidate_table(found), "f")
    write_queries(run, asked, "f")
    write_documents(run, [Document(doc_id, "", "") for doc_id in ids], "f")
    return root


def events_of(run: Path) -> list[dict[str, object]]:
    (log,) = (run / ".rankgen" / "events").iterdir()
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_local_run_joins_no_cluster_and_has_few_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert not ray.is_initialized()
    with ray_session(None):
        assert total_cpus() >= 1
        ours, all_ = descendants(os.getpid()), psutil.process_iter(["cmdline"])
        started = [" ".join(one.info["cmdline"] or ()) for one in all_ if one.pid in ours]
    assert not ray.is_initialized()
    assert any("raylet" in command for command in started)
    # The autoscaler's and the logs' monitors, and the server of a dashboard.
    assert not [command for command in started if re.search(r"(monitor|dashboard)\.py ", command)]


def test_a_node_dies_and_another_joins(tmp_path: Path) -> None:
    import ray
    from ray.cluster_utils import Cluster

    candidates = make_candidates(tmp_path / "candidates")
    teacher = LabelSettings(teacher="scripted:hash,latency=0.1", window=8, stride=4)

    def settings(out: str, address: str | None) -> LabelRunSettings:
        return LabelRunSettings(
            candidates=candidates,
            teacher=teacher,
            shards=16,
            workers=3,
            ray_address=address,
            out=tmp_path / out,
        )

    cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    try:
        doomed = cluster.add_node(num_cpus=2)

        with ThreadPoolExecutor(1) as driver:
            # Ray starts nodes in the main thread only, so the driver gets another one.
            labelled = driver.submit(label, settings("run", cluster.address))
            commits = tmp_path / "run" / ".rankgen" / "commits"
            while len(list(commits.glob("0*.json"))) < 4 and not labelled.done():
                time.sleep(0.05)
            cluster.remove_node(doomed)
            joined = cluster.add_node(num_cpus=2)
            summary = labelled.result()
    finally:
        ray.shutdown()
        cluster.shutdown()
    events = events_of(tmp_path / "run")
    # A lost node makes no query suspect.
    assert "node lost" in {event["event"] for event in events}
    assert "worker died" not in {event["event"] for event in events}
    assert joined.node_id in {e["node"] for e in events if e["event"] == "worker ready"}
    assert summary.queries == 32
    label(settings("untouched", None))
    for table in ("rankings", "windows"):
        mine = RunDirectory(tmp_path / "run").shard_paths(table)
        other = RunDirectory(tmp_path / "untouched").shard_paths(table)
        assert [p.read_bytes() for p in mine] == [p.read_bytes() for p in other]
        assert len(mine) == 16


@dataclass(frozen=True)
class Texts(MadeUpWork):
    """Work that cannot be made on the nodes named, and takes its time on others."""

    broken: tuple[str, ...]
    seconds: float = 0.2
    problem: type[RankgenError] = EnvironmentProblem

    def __call__(self) -> Texts:
        import ray

        if ray.get_runtime_context().get_node_id() in self.broken:
            raise self.problem("this node has no mount")
        return self

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        await asyncio.sleep(self.seconds)
        return await super().fill(queries, journal)

    def facts(self) -> Mapping[str, JsonValue]:
        import ray

        return {"gpus": [int(number) for number in ray.get_gpu_ids()]}


def text_job(
    out: Path,
    address: str | None,
    broken: Sequence[str],
    pool: PoolSettings,
    seconds: float = 0.2,
    problem: type[RankgenError] = EnvironmentProblem,
) -> ShardJob:
    work = Texts(tuple(broken), seconds, problem)
    return made_up_job(out, work, pool, queries=12, shards=6, address=address)


def test_a_node_where_workers_cannot_start_is_set_aside(tmp_path: Path) -> None:
    import ray
    from ray.cluster_utils import Cluster

    two = PoolSettings(workers=2, cpus=1.0)
    cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    try:
        good = cluster.add_node(num_cpus=1, num_gpus=1)
        bad = cluster.head_node.node_id
        summary = run_job(text_job(tmp_path / "run", cluster.address, [bad], two))
        assert (summary.queries, summary.quarantined) == (12, {})
        events = events_of(tmp_path / "run")
        (failed,) = (e for e in events if e["event"] == "worker could not start")
        assert (failed["node"], failed["reason"]) == (bad, "this node has no mount")
        assert {e["node"] for e in events if e["event"] == "worker ready"} == {good.node_id}

        # What looks there like a wrong setting, such as a folder without candidates, is no other
        # thing: elsewhere the same settings work.
        unseen = text_job(tmp_path / "unseen", cluster.address, [bad], two, problem=UsageError)
        assert run_job(unseen).queries == 12

        nowhere = [bad, good.node_id]
        with pytest.raises(EnvironmentProblem, match="no mount"):
            run_job(text_job(tmp_path / "none", cluster.address, nowhere, two))
        with pytest.raises(UsageError, match="no mount"):
            run_job(text_job(tmp_path / "wrong", cluster.address, nowhere, two, problem=UsageError))

        # Ray gives a GPU to one worker at a time, and shows it only that one.
        on_gpu = PoolSettings(workers=2, cpus=0.0, gpus=1.0)
        run_job(text_job(tmp_path / "gpu", cluster.address, [], on_gpu))
        events = events_of(tmp_path / "gpu")
        assert {e["node"] for e in events if e["event"] == "worker ready"} == {good.node_id}
        manifest = json.loads((tmp_path / "gpu" / "manifest.json").read_text())
        (environment,) = manifest["predicate"]["environments"]
        assert environment["gpus"] == [0]

        # Ray itself would have all three on the node with most GPUs.
        rich = cluster.add_node(num_cpus=1, num_gpus=8)
        capped = PoolSettings(workers=4, cpus=0.0, gpus=1.0, most_on_a_node=2)
        run_job(text_job(tmp_path / "capped", cluster.address, [], capped, seconds=1.5))
        ready = Counter(
            e["node"] for e in events_of(tmp_path / "capped") if e["event"] == "worker ready"
        )
        assert ready == {good.node_id: 1, rich.node_id: 2}

        large = PoolSettings(workers=2, cpus=2.0)
        with pytest.raises(EnvironmentProblem, match="needs 2 CPUs, which no node") as caught:
            run_job(text_job(tmp_path / "large", cluster.address, [], large))
        assert "has 1 CPU" in caught.value.message
    finally:
        ray.shutdown()
        cluster.shutdown()
