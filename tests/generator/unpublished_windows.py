"""What the journals hold of shards that were not committed, and what a resumed run replayed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

import psutil
from processes import alive, wait_until

from rankgen.generator.teachers.journal import journalled_windows
from rankgen.manifests.run.event_logs import driver_logs
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.plan import read_plan
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.storage.object_store import is_remote


def committed_shards(run: RunDirectory) -> set[int]:
    return {int(path.name.split(".")[0]) for path in run.commits.glob("0*.json")}


def kill_between_commits(
    driver: subprocess.Popen[str] | subprocess.Popen[bytes], run: RunDirectory, committed: int
) -> set[int]:
    """Kills a driver and its group once so many shards are committed and others have windows.

    Returns:
        The committed shards, when all workers are dead.
    """
    wait_until(
        lambda: len(committed_shards(run)) >= committed and unpublished_windows(run) > 0,
        "the run does not get so far",
    )
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    _wait_for_the_end_of_all_workers(run)
    return committed_shards(run)


def _wait_for_the_end_of_all_workers(run: RunDirectory) -> None:
    """Waits until every worker of a killed driver is dead: then no journal grows any more."""
    if is_remote(run.root):
        # The last half minute of the driver's log has not reached the store.
        wait_until(lambda: not _workers_at_this_store(), "workers live on")
        return
    events = [event for log in driver_logs(run) for event in log.events()]
    workers = [event["process"] for event in events if event["event"] == "worker ready"]
    assert workers
    wait_until(lambda: not any(map(alive, workers)), "workers live on")


def _workers_at_this_store() -> list[int]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, IndexError):
            store = process.environ().get("AWS_ENDPOINT_URL")
            if process.cmdline()[0].startswith("ray::ShardWorker"):
                found += [process.pid] if store == os.environ["AWS_ENDPOINT_URL"] else []
    return found


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
