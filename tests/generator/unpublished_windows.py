"""What the journals hold of shards that were not committed, and what a resumed run replayed."""

from __future__ import annotations

import json

from processes import alive, wait_until

from rankgen.generator.journal import journalled_windows
from rankgen.manifests.ledger import Ledger
from rankgen.manifests.plan import read_plan
from rankgen.manifests.run_directory import RunDirectory


def committed_shards(run: RunDirectory) -> set[int]:
    return {int(path.name.split(".")[0]) for path in run.commits.glob("0*.json")}


def wait_for_the_end_of_all_workers(run: RunDirectory) -> None:
    """Waits until every worker that ever started is dead: then no journal grows any more."""
    logs = [log.read_text().splitlines() for log in run.events.glob("*.jsonl")]
    events = [json.loads(line) for log in logs for line in log]
    workers = [event["process"] for event in events if event["event"] == "worker ready"]
    assert workers
    wait_until(lambda: not any(map(alive, workers)), "workers live on")


def unpublished_windows(run: RunDirectory) -> int:
    """Returns the journalled windows of shards without a commit."""
    done = committed_shards(run)
    folders = {path.parent for path in run.journal.glob("*/*.jsonl")}
    return sum(journalled_windows(path) for path in folders if int(path.name) not in done)


def replayed_windows(run: RunDirectory, without: set[int]) -> int:
    """Returns the windows that the commits replayed, leaving some shards out."""
    plan = read_plan(run)
    records = Ledger(run, plan.fingerprint, plan.shards, plan.tables).records()
    replayed = 0
    for shard, record in records.items():
        number = record.facts["windows_replayed"]
        assert isinstance(number, int)
        replayed += 0 if shard in without else number
    return replayed
