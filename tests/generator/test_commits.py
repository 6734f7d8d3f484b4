"""Shards that are done together are committed together; what follows a shard waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from rankgen.generator.shards.commits import COMMIT_THREADS, Commits, Filling
from rankgen.generator.shards.events import EventLog
from rankgen.generator.shards.pool import Pool
from rankgen.generator.shards.work import ShardTask
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Query
from rankgen.manifests.run.commit_record import Attempt
from rankgen.manifests.run.event_logs import driver_logs
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import QUERIES as QUERIES_SCHEMA
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.storage.shard import write_shard

FINGERPRINT = "f" * 64
SHARDS = 24
TABLE = QueryTable(Query(f"q{n:03}", f"text {n}") for n in range(4 * SHARDS))


def attempt(run: RunDirectory, task: ShardTask) -> Attempt:
    """Writes what a worker would, with the queries of the revisions before."""
    name = f"{task.shard}-{task.revision}"
    waiting = {query.query_id: "not tried yet" for query in task.later}
    held = [q for q in TABLE.of_shard(task.shard, SHARDS) if q.query_id not in waiting]
    columns = {"query_id": [q.query_id for q in held], "text": [q.text for q in held]}
    with whole_file(run.attempts / name / "queries.parquet") as draft:
        write_shard(draft, "queries", pa.table(columns, QUERIES_SCHEMA), FINGERPRINT)
    return Attempt(
        shard=task.shard,
        revision=task.revision,
        name=name,
        quarantined=waiting,
        counts={},
        facts={"filled": len(task.queries)},
    )


class Scripted:
    """Stands where the workers are: what is asked for is there at once."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.queue: list[ShardTask] = []

    def attempts(self, tasks: Iterable[ShardTask]) -> Iterator[tuple[ShardTask, Attempt] | None]:
        self.queue += tasks
        while self.queue:
            task = self.queue.pop(0)
            if task.revision:
                # The worker merges what was published before, so it must be there.
                published = self.run.shard_path("queries", task.shard, SHARDS)
                assert published.exists(), f"shard {task.shard} began before its first commit"
            yield task, attempt(self.run, task)
            yield None

    def add(self, task: ShardTask) -> None:
        self.queue.append(task)


class Watched:
    """Validates, and counts how many do so at the same time."""

    def __init__(self, together: int) -> None:
        self.most = self.now = 0
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(together)

    def __call__(
        self, tables: Mapping[str, pa.Table], planned: Sequence[str], lost: Mapping[str, str]
    ) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self._barrier.wait(timeout=60)
        with self._lock:
            self.now -= 1
        assert sorted(tables["queries"]["query_id"].to_pylist()) == sorted(set(planned) - set(lost))


def tasks(shards: Iterable[int]) -> list[ShardTask]:
    return [ShardTask(shard, 0, TABLE.of_shard(shard, SHARDS)) for shard in shards]


def committed(run: RunDirectory, ledger: Ledger, made: list[ShardTask], validate: Watched) -> None:
    pool = cast(Pool, Scripted(run))
    with Commits(ledger, validate) as commits:
        of_shard = partial(TABLE.of_shard, shards=SHARDS)
        failed = Filling(pool, commits, of_shard, run, EventLog(run)).fill(made, None, defers=False)
    assert failed.tasks(lambda shard: TABLE.of_shard(shard, SHARDS)) == []


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "run")


@pytest.fixture
def ledger(run: RunDirectory) -> Ledger:
    return Ledger(run, FINGERPRINT, SHARDS, ["queries"])


def test_shards_are_committed_together_but_not_without_bound(
    run: RunDirectory, ledger: Ledger
) -> None:
    # Nobody passes the barrier before so many commits are under way at once.
    watched = Watched(COMMIT_THREADS)
    committed(run, ledger, tasks(range(SHARDS)), watched)
    assert watched.most == COMMIT_THREADS
    assert ledger.records().keys() == set(range(SHARDS))
    names = [event["event"] for log in driver_logs(run) for event in log.events()]
    assert names == ["commit"] * SHARDS


def test_the_next_part_of_a_shard_begins_when_the_one_before_is_published(
    run: RunDirectory, ledger: Ledger
) -> None:
    whole = tasks(range(4))
    parts = [task.split("it died") for task in whole]
    assert all(task.later for task in parts)
    committed(run, ledger, parts, Watched(1))
    records = ledger.records()
    assert {shard: record.revision for shard, record in records.items()} == dict.fromkeys(
        range(4), 1
    )
    assert not any(record.quarantined for record in records.values())


def test_a_commit_that_fails_ends_the_round_after_those_under_way(
    run: RunDirectory, ledger: Ledger
) -> None:
    ended = []
    planned = [[q.query_id for q in task.queries] for task in tasks(range(4))]

    def validate(
        tables: Mapping[str, pa.Table], queries: Sequence[str], lost: Mapping[str, str]
    ) -> None:
        if queries == planned[0]:
            raise IntegrityProblem("not what was planned")
        time.sleep(0.2)
        ended.append(queries)

    with Commits(ledger, validate) as commits:
        for task in tasks(range(4)):
            commits.begin(task, attempt(run, task), planned[task.shard])
        with pytest.raises(IntegrityProblem, match="not what was planned"):
            commits.told(0)
    assert ledger.records().keys() == {1, 2, 3}
    assert sorted(ended) == sorted(planned[1:])
