"""Chains over the borders of shards, on real Ray actors."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from made_up_work import MadeUpWork, made_up_job
from test_cluster import events_of, make_candidates

from rankgen.generator.jobs.label.job import label
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.shards.job import run_job
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.work import FilledShard
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.records import Query
from rankgen.manifests.run.run_directory import RunDirectory

pytestmark = pytest.mark.usefixtures("one_ray")

# Longer than a worker of a busy machine needs to start.
PATIENCE = 60.0


@dataclass(frozen=True)
class Meeting(MadeUpWork):
    """Work that fills a shard only once so many shards, of so many workers, are begun."""

    folder: Path
    shards: int
    workers: int

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        mark = self.folder / f"{os.getpid()}-{journal.name}"
        mark.touch()
        try:
            async with asyncio.timeout(PATIENCE):
                while not self._all_there():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            mark.unlink()
            raise
        return await super().fill(queries, journal)

    def _all_there(self) -> bool:
        begun = [path.name for path in self.folder.iterdir()]
        workers = {name.partition("-")[0] for name in begun}
        return len(begun) >= self.shards and len(workers) >= self.workers


def meet(folder: Path, shards: int, pool: PoolSettings) -> None:
    """Runs a job of so many shards of one query, which all must be begun before one ends."""
    (folder / "begun").mkdir()
    work = Meeting(folder / "begun", shards, pool.workers)
    job = made_up_job(folder / "run", work, pool, queries=shards, shards=shards)
    assert run_job(job).queries == shards


def test_all_chains_run_at_once_though_each_is_a_shard(tmp_path: Path) -> None:
    meet(tmp_path, 24, PoolSettings(cpus=0.1, chains=24))


def test_a_worker_that_is_ready_first_leaves_the_others_their_share(tmp_path: Path) -> None:
    # Each could do all alone.
    meet(tmp_path, 6, PoolSettings(workers=2, cpus=0.1, chains=24))
    begun = [path.name.partition("-")[0] for path in (tmp_path / "begun").iterdir()]
    assert {begun.count(worker) for worker in begun} == {3}


def labelled(folder: Path, name: str, script: str, max_failed: int = 0) -> dict[str, bytes]:
    """Labels eight queries in a shard each, all at once, and returns the published rows."""
    candidates = folder / "candidates"
    if not candidates.exists():
        make_candidates(candidates, queries=8)
    teacher = LabelSettings(teacher=f"scripted:{script}", window=8, stride=4, concurrency=8)
    summary = label(
        LabelRunSettings(
            candidates=candidates,
            teacher=teacher,
            shards=8,
            max_failed=max_failed,
            out=folder / name,
        )
    )
    assert len(summary.quarantined) == max_failed
    paths = RunDirectory(folder / name).shard_paths("rankings")
    return {path.name: path.read_bytes() for path in paths}


def test_of_many_chains_that_die_together_only_the_cause_is_lost(tmp_path: Path) -> None:
    untouched = labelled(tmp_path, "untouched", "hash")
    assert len(untouched) == 8
    found = labelled(tmp_path, "run", "hash,latency=0.05,die=q03", max_failed=1)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())["predicate"]
    (reason,) = manifest["quarantined"].values()
    assert "the script ends the engine at query q03" in reason
    lost = [name for name in untouched if found[name] != untouched[name]]
    assert len(lost) == 1
    deaths = [event for event in events_of(tmp_path / "run") if event["event"] == "worker died"]
    # Every shard that was there is named, and half as many are there at every further death.
    together = [int(str(event["together"])) for event in deaths]
    assert together == sorted(together, reverse=True)
    assert together[0] > 4
    assert together[-2:] == [1, 1]
    first = [event["shard"] for event in deaths[: together[0]]]
    assert len(set(first)) == together[0]
    assert {event["tries"] for event in deaths if event["together"] != 1} == {1}
