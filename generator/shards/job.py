"""Runs a shard job: plan, resume, fill, commit, finish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import JsonValue

from rankgen.generator.shards.actor import make_actor
from rankgen.generator.shards.claims import Claims
from rankgen.generator.shards.cluster import ray_session
from rankgen.generator.shards.commits import Commits, Filling
from rankgen.generator.shards.drivers import LEFT, STARTED, other_driver
from rankgen.generator.shards.elsewhere import Elsewhere
from rankgen.generator.shards.interrupt import StopRequest, stop_on_signals
from rankgen.generator.shards.pool import Pool
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.starts import Starts
from rankgen.generator.shards.task_queue import TaskQueue
from rankgen.generator.shards.watch import Watch, WatchedEvents, watched
from rankgen.generator.shards.work import ShardTask, WorkFactory
from rankgen.manifests.errors import IncompleteRun
from rankgen.manifests.notices import warn
from rankgen.manifests.progress import progress
from rankgen.manifests.run.commit_record import CommitRecord
from rankgen.manifests.run.ledger import Ledger, Validate
from rankgen.manifests.run.plan import Plan, open_plan, refuse_foreign_folder
from rankgen.manifests.run.provenance import is_told, total_counts, write_manifest
from rankgen.manifests.run.query_table import QueryTable, shard_size
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.store_probe import StoreToken, probed_store
from rankgen.manifests.storage.storage_faults import named_storage_faults


@dataclass(frozen=True)
class ShardJob:
    """Everything that the shard engine needs to know about a job.

    Attributes:
        run: The run's folder.
        plan: The run's plan.
        unit: What its workers' progress counts, in the plural, such as "windows".
        queries: The planned queries.
        factory: Creates the work in a worker; pickled.
        validate: Checks an attempt before it is committed.
        finish: Publishes the files that follow the shards (texts), and may return more values for
            the manifest; must be repeatable.
        pool: Returns the pool's settings; called once Ray is connected.
        max_failed: Number of quarantined queries to tolerate.
        tries_again: Whether to try failed queries once more when all others are done.
        ray_address: A cluster, or None for this machine.
    """

    run: RunDirectory
    plan: Plan
    unit: str
    queries: QueryTable
    factory: WorkFactory
    validate: Validate
    finish: Callable[[], Mapping[str, JsonValue] | None]
    pool: Callable[[], PoolSettings]
    max_failed: int = 0
    tries_again: bool = False
    ray_address: str | None = None


@dataclass(frozen=True)
class JobSummary:
    """The results of a finished job.

    Attributes:
        queries: Number of published queries.
        quarantined: query_id -> reason.
        shards: Number of committed shards.
        resumed_shards: How many of them an earlier command had committed.
        counts: Totals over the shards.
    """

    queries: int
    quarantined: dict[str, str]
    shards: int
    resumed_shards: int
    counts: dict[str, int]


def run_job(job: ShardJob) -> JobSummary:
    """Runs the job to its end; resumes after the shards that are already committed.

    Raises:
        UsageError: The folder belongs to another recipe.
        EnvironmentProblem: The store cannot hold a run, or a node does not share it.
        IncompleteRun: Too many queries are quarantined, or a signal stopped the run.
        IntegrityProblem: Committed files are damaged.
    """
    refuse_foreign_folder(job.run)
    with named_storage_faults(job.run.root), probed_store(job.run) as token:
        return _run_probed(job, token)


def _run_probed(job: ShardJob, token: StoreToken) -> JobSummary:
    events = WatchedEvents(job.run)
    events.write(STARTED)
    # Before the plan is written: other drivers look for this event.
    events.flush()
    try:
        return _run_alone(job, token, events)
    finally:
        events.write(LEFT)
        events.close()


def _run_alone(job: ShardJob, token: StoreToken, events: WatchedEvents) -> JobSummary:
    plan = open_plan(job.run, job.plan, job.queries, other_driver(job.run))
    ledger = Ledger(job.run, plan.fingerprint, plan.shards, plan.tables)
    records = ledger.settle()
    resumed = len(records)
    tasks = missing_tasks(job.queries, plan, records)
    if tasks or not is_told(job.run, records):
        with watched(job.run, plan, job.unit, events) as watch:
            if tasks:
                # After Ray, which installs its own handler for SIGTERM and would abort.
                with ray_session(job.ray_address), stop_on_signals() as stop:
                    _fill(job, plan, ledger, tasks, records, stop, token, watch)
                if stop.requested:
                    raise KeyboardInterrupt
                records = ledger.settle()
            watch.end("finishing")
            write_manifest(job.run, plan, ledger.history(), job.finish() or {})
    # Even for a finished run: a kill may have left some work.
    if not any(record.quarantined for record in records.values()):
        ledger.discard_work_in_progress()
    return _summary(job, records, resumed)


def missing_tasks(
    planned: QueryTable, plan: Plan, records: Mapping[int, CommitRecord]
) -> list[ShardTask]:
    """Returns a task for every shard that is not committed or has quarantined queries.

    The queries of a whole shard are only read when a worker takes it.
    """
    tasks = []
    for shard in range(plan.shards):
        record = records.get(shard)
        queries = planned.of_shard(shard, plan.shards)
        if record is None:
            tasks.append(ShardTask(shard, 0, queries))
        elif record.quarantined:
            again = tuple(query for query in queries if query.query_id in record.quarantined)
            tasks.append(ShardTask(shard, record.revision + 1, again))
    return tasks


def _fill(
    job: ShardJob,
    plan: Plan,
    ledger: Ledger,
    tasks: Sequence[ShardTask],
    records: dict[int, CommitRecord],
    stop: StopRequest,
    token: StoreToken,
    watch: Watch,
) -> None:
    settings, events = job.pool(), watch.events
    pool = _pool(job, plan, settings, stop, token, watch)
    for shard, record in records.items():
        size = shard_size(plan.queries, shard, plan.shards)
        events.count(shard, size, len(record.quarantined))
    events.write("start", shards_left=len(tasks), workers=settings.workers)
    try:
        with (
            progress(plan.kind, len(job.queries), events.done) as shown,
            Commits(ledger, job.validate) as commits,
        ):
            of_shard = partial(job.queries.of_shard, shards=plan.shards)
            filling = Filling(pool, commits, of_shard, job.run, events)
            failed = filling.fill(tasks, shown, defers=job.tries_again)
            again = failed.tasks(of_shard) if job.tries_again and not stop.requested else []
            if again:
                events.write("second try", queries=sum(len(task.queries) for task in again))
                filling.fill(again, None, defers=False)
    except BaseException:
        pool.kill()
        raise
    pool.close()
    events.write("end")


def _pool(
    job: ShardJob,
    plan: Plan,
    settings: PoolSettings,
    stop: StopRequest,
    token: StoreToken,
    watch: Watch,
) -> Pool:
    make = partial(make_actor, job.run.root.absolute(), plan, job.factory, token, settings)
    starts = Starts(make, settings, watch.events, warn)
    elsewhere = Elsewhere(Claims(job.run), watch.events, warn)
    queue = TaskQueue(settings, elsewhere)
    return Pool(settings, watch.events, stop, starts, queue, watch.see)


def _summary(job: ShardJob, records: dict[int, CommitRecord], resumed: int) -> JobSummary:
    quarantined = {q: why for r in records.values() for q, why in r.quarantined.items()}
    if len(quarantined) > job.max_failed:
        query_id, reason = min(quarantined.items())
        plural = "query" if len(job.queries) == 1 else "queries"
        have = "has" if len(quarantined) == 1 else "have"
        raise IncompleteRun(
            f"{len(quarantined)} of {len(job.queries)} {plural} {have} no result in "
            f"{job.run.root} (first: {query_id}: {reason})",
            "repeat the command to try again, or accept the loss with "
            f"--max-failed {len(quarantined)}",
        )
    return JobSummary(
        queries=len(job.queries) - len(quarantined),
        quarantined=quarantined,
        shards=len(records),
        resumed_shards=resumed,
        counts=total_counts(records),
    )
