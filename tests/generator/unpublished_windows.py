"""What the journals hold of shards that were not committed, and what a resumed run replayed."""

from __future__ import annotations

from rankgen.generator.journal import journalled_windows
from rankgen.manifests.ledger import Ledger
from rankgen.manifests.plan import read_plan
from rankgen.manifests.run_directory import RunDirectory


def committed_shards(run: RunDirectory) -> set[int]:
    return {int(path.name.split(".")[0]) for path in run.commits.glob("0*.json")}


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
