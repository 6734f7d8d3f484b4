"""Runs a shard job in this process: the same plan, commits and resuming as on Ray, without it.

It is for work that reads and writes files and is done in less time than Ray takes to start.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pydantic import JsonValue

from rankgen.generator.shards.drivers import LEFT, STARTED, other_driver
from rankgen.generator.shards.job import JobSummary, missing_tasks
from rankgen.generator.shards.watch import WatchedEvents, watched
from rankgen.generator.shards.work import ShardTask
from rankgen.manifests.progress import progress
from rankgen.manifests.run.commit_record import Attempt
from rankgen.manifests.run.driver_names import driver_name
from rankgen.manifests.run.ledger import Ledger, Validate
from rankgen.manifests.run.plan import Plan, open_plan, refuse_foreign_folder
from rankgen.manifests.run.provenance import is_told, total_counts, write_manifest
from rankgen.manifests.run.query_table import QueryTable, shard_size
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.store_probe import probed_store
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.storage.shard import write_shard
from rankgen.manifests.storage.storage_faults import named_storage_faults

Tables = Mapping[str, pa.Table]


@dataclass(frozen=True)
class InProcessJob:
    """A job whose every query gets a row.

    Attributes:
        run: The run's folder.
        plan: The run's plan.
        unit: What its progress counts, in the plural.
        queries: The planned queries.
        fill: Returns the rows of a shard: table name -> rows with that table's schema.
        counts: Returns the totals of a shard from its rows.
        validate: Checks an attempt before it is committed.
        finish: Given the totals of all shards, publishes the files that follow them, and may return
            more values for the manifest; must be repeatable.
    """

    run: RunDirectory
    plan: Plan
    unit: str
    queries: QueryTable
    fill: Callable[[ShardTask], Tables]
    counts: Callable[[Tables], Mapping[str, int]]
    validate: Validate
    finish: Callable[[Mapping[str, int]], Mapping[str, JsonValue] | None]


def run_in_process(job: InProcessJob) -> JobSummary:
    """Runs the job to its end; resumes after the shards that are already committed.

    Raises:
        UsageError: The folder belongs to another recipe.
        EnvironmentProblem: The store cannot hold a run.
        IntegrityProblem: Committed files are damaged, or rows are not what the plan promises.
    """
    refuse_foreign_folder(job.run)
    with named_storage_faults(job.run.root), probed_store(job.run):
        events = WatchedEvents(job.run)
        events.write(STARTED)
        # Before the plan is written: other drivers look for this event.
        events.flush()
        try:
            return _run(job, events)
        finally:
            events.write(LEFT)
            events.close()


def _run(job: InProcessJob, events: WatchedEvents) -> JobSummary:
    plan = open_plan(job.run, job.plan, job.queries, other_driver(job.run))
    ledger = Ledger(job.run, plan.fingerprint, plan.shards, plan.tables)
    records = ledger.settle()
    resumed = len(records)
    for shard in records:
        events.count(shard, shard_size(plan.queries, shard, plan.shards), 0)
    tasks = missing_tasks(job.queries, plan, records)
    if tasks or not is_told(job.run, records):
        with watched(job.run, plan, job.unit, events) as watch:
            with progress(plan.kind, len(job.queries), events.done) as shown:
                for task in tasks:
                    _commit(job, plan, ledger, task, events)
                    shown.advance(len(task.queries))
            records = ledger.settle()
            watch.end("finishing")
            facts = job.finish(total_counts(records)) or {}
            write_manifest(job.run, plan, ledger.history(), facts)
    # Even for a finished run: a kill may have left some work.
    ledger.discard_work_in_progress()
    return JobSummary(
        queries=len(job.queries),
        quarantined={},
        shards=len(records),
        resumed_shards=resumed,
        counts=total_counts(records),
    )


def _commit(
    job: InProcessJob, plan: Plan, ledger: Ledger, task: ShardTask, events: WatchedEvents
) -> None:
    began, clock = time.time(), time.monotonic()
    tables = job.fill(task)
    name = f"{task.shard:05d}.{task.revision}-{uuid.uuid4().hex}"
    for table, rows in tables.items():
        with whole_file(job.run.attempts / name / f"{table}.parquet") as draft:
            write_shard(draft, table, rows, plan.fingerprint)
    attempt = Attempt(
        shard=task.shard,
        revision=task.revision,
        name=name,
        quarantined={},
        counts=dict(job.counts(tables)),
        facts={
            "worker": driver_name(),
            "began": round(began, 3),
            "filled": len(task.queries),
            "seconds": round(time.monotonic() - clock, 3),
        },
    )
    planned = [query.query_id for query in task.queries]
    won = ledger.commit(attempt, planned, job.validate)
    events.write("commit" if won else "lost race", shard=task.shard, queries=len(planned), failed=0)
