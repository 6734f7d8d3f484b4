"""A label run on a Ray cluster of several nodes, one of which dies while another one joins."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rankgen.generator.jobs.cluster import ray_session, total_cpus
from rankgen.generator.label import LabelRunSettings, label
from rankgen.generator.label_settings import LabelSettings
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run_directory import RunDirectory
from rankgen.manifests.shard import write_shard
from rankgen.manifests.texts import write_documents, write_queries
from rankgen.retrieval.candidate_rows import candidate_table

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


def test_a_local_run_joins_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert not ray.is_initialized()
    with ray_session(None):
        assert total_cpus() >= 1
    assert not ray.is_initialized()


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
            while len(list(commits.glob("0*.json"))) < 4:
                time.sleep(0.05)
            cluster.remove_node(doomed)
            joined = cluster.add_node(num_cpus=2)
            summary = labelled.result()
    finally:
        ray.shutdown()
        cluster.shutdown()
    (log,) = (tmp_path / "run/.rankgen/events").iterdir()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert "worker died" in {event["event"] for event in events}
    assert joined.node_id in {e["node"] for e in events if e["event"] == "worker ready"}
    assert summary.queries == 32
    label(settings("untouched", None))
    for table in ("rankings", "windows"):
        mine = RunDirectory(tmp_path / "run").shard_paths(table)
        other = RunDirectory(tmp_path / "untouched").shard_paths(table)
        assert [p.read_bytes() for p in mine] == [p.read_bytes() for p in other]
        assert len(mine) == 16
