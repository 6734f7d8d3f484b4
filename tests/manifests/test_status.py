"""What a run says of itself: status while it goes on, environments when it is done."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from rankgen.manifests.records import Query
from rankgen.manifests.run.commit_record import Attempt, CommitRecord
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import Plan, digest_of_queries, open_plan
from rankgen.manifests.run.provenance import write_manifest
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.status import run_status
from rankgen.manifests.schema import QUERIES
from rankgen.manifests.storage.shard import write_shard

TEN = [Query(f"q{n}", f"text {n}") for n in range(10)]


def started(root: Path) -> tuple[RunDirectory, Plan]:
    run = RunDirectory(root)
    plan = Plan(
        kind="retrieve",
        tables=("queries",),
        recipe={},
        settings={},
        shards=2,
        queries=len(TEN),
        queries_sha256=digest_of_queries(TEN),
    )
    return run, open_plan(run, plan, TEN)


def commit(run: RunDirectory, plan: Plan, shard: int, **facts: str | float) -> CommitRecord:
    ids = [query.query_id for query in QueryTable(TEN).of_shard(shard, plan.shards)]
    rows = pa.table({"query_id": ids, "text": ids}, QUERIES)
    write_shard(run.attempts / str(shard) / "queries.parquet", "queries", rows, plan.fingerprint)
    ledger = Ledger(run, plan.fingerprint, plan.shards, plan.tables)
    attempt = Attempt(
        shard=shard,
        revision=0,
        name=str(shard),
        quarantined={},
        counts={"windows": 7},
        facts=dict(facts),
    )
    assert ledger.commit(attempt, ids, lambda tables, planned, quarantined: None)
    return ledger.records()[shard]


def test_rate_and_time_left_come_from_the_commits(tmp_path: Path) -> None:
    run, plan = started(tmp_path / "run")
    assert run_status(run).queries_per_second is None
    commit(run, plan, 0, began=1000.0, seconds=2.0)
    found = run_status(run)
    assert (found.committed, found.published, found.counts) == (1, 5, {"windows": 7})
    assert found.queries_per_second is None, "one commit is no rate"
    commit(run, plan, 1, began=1002.0, seconds=3.0)
    found = run_status(run)
    assert found.queries_per_second == pytest.approx(10 / 5)
    assert found.seconds_left == 0


def test_commits_from_the_future_give_no_negative_time(tmp_path: Path) -> None:
    run, plan = started(tmp_path / "run")
    for shard in (0, 1):
        commit(run, plan, shard, began=4e9 + shard, seconds=1.0)
    found = run_status(run)
    assert found.queries_per_second is None
    assert found.seconds_left is None


def test_a_silent_driver_is_told_from_a_living_one(tmp_path: Path) -> None:
    run, _ = started(tmp_path / "run")
    assert run_status(run).seconds_silent is None
    run.events.mkdir(parents=True)
    (run.events / "host-1.jsonl").write_text("{}\n")
    silent = run_status(run).seconds_silent
    assert silent is not None
    assert 0 <= silent < 60


def test_the_manifest_names_each_environment_once(tmp_path: Path) -> None:
    run, plan = started(tmp_path / "run")
    history = [
        commit(run, plan, 0, device="H200", worker="a-1", began=1.0, seconds=1.0),
        commit(run, plan, 1, device="H200", worker="b-2", began=2.0, seconds=1.0),
    ]
    write_manifest(run, plan, history)
    manifest = json.loads(run.manifest.read_text())
    assert manifest["predicate"]["environments"] == [{"device": "H200", "made_shards": [0, 1]}]
    named = {subject["name"] for subject in manifest["subject"]}
    assert named == {f"queries/train-{n:05d}-of-00002.parquet" for n in (0, 1)}
