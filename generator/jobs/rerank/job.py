"""The rerank job: candidates in, the same candidates in a student's order out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from rankgen.generator.jobs.kinds import KINDS
from rankgen.generator.jobs.rerank.work import Reranker, RerankFactory, validate_reranked
from rankgen.generator.shards.cluster import cpus_of_nodes, total_gpus
from rankgen.generator.shards.job import JobSummary, ShardJob, run_job
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.generator.shards.settled import Settle, settled
from rankgen.manifests.models.half_precision import precision_recipe
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.plan import Plan, default_shards
from rankgen.manifests.run.query_table import QueryTable, queries_of_run
from rankgen.manifests.run.run_directory import TREC_RUN, RunDirectory
from rankgen.manifests.run.texts import digest_of_documents, link_texts
from rankgen.manifests.trec import write_run


@dataclass(frozen=True)
class RerankRun:
    """The settings of a rerank run.

    Attributes:
        candidates: The folder of a retrieve run (or of an earlier rerank run).
        out: The run's folder.
        opener: Loads the student in a worker, to compute in the given precision; pickled.
        precision: The number format that was asked for; "auto" takes what the run was begun with,
            else what suits the worker's machine.
        settle: Returns what a precision means on a worker's machine; called there, so pickled.
        recipe: Every other value that changes the scores.
        settings: Every value that the run was started with, for the record.
        tag: Name of the system in the TREC run.
        is_on_gpu: Whether each worker takes a GPU where the cluster has some.
        shards: Number of shards; None puts about a hundred queries in each.
        workers: Number of Ray actors; None takes one for each GPU, or one for each node.
        max_failed: Queries without an order to tolerate.
        ray_address: Address of a Ray cluster; None for this machine.
        stall_seconds: Seconds without a scored pair after which a worker is replaced.
    """

    candidates: Path
    out: Path
    opener: Callable[[str], Reranker]
    precision: str
    settle: Settle
    recipe: Mapping[str, JsonValue]
    settings: Mapping[str, JsonValue]
    tag: str
    stall_seconds: float
    is_on_gpu: bool = True
    shards: int | None = None
    workers: int | None = None
    max_failed: int = 0
    ray_address: str | None = None


def rerank(wanted: RerankRun) -> JobSummary:
    """Re-ranks every query's candidates by a student and publishes the result as candidates.

    The table `candidates` holds the new order with strictly decreasing scores; `run.trec` is the
    same as a TREC run, and the texts are linked, so that every command that takes candidates takes
    this folder too.

    Raises:
        UsageError: The candidates are not a finished run.
        RankgenError: See `run_job`.
    """
    source, run = RunDirectory(wanted.candidates), RunDirectory(wanted.out)
    lists = CandidateLists.finished(source)
    queries = queries_of_run(source, lists.query_ids())
    digests = {
        "candidates_sha256": lists.digest(),
        "documents_sha256": digest_of_documents(source),
    }
    with settled(
        run,
        "precision",
        wanted.precision,
        wanted.settle,
        may_use_gpus=wanted.is_on_gpu,
        ray_address=wanted.ray_address,
    ) as precision:
        job = ShardJob(
            run=run,
            plan=_plan(
                wanted, queries, {**digests, **wanted.recipe, **precision_recipe(precision)}
            ),
            unit=KINDS["rerank"].unit,
            queries=queries,
            factory=RerankFactory(source.root.absolute(), partial(wanted.opener, precision)),
            validate=validate_reranked,
            finish=lambda: _publish(source, run, wanted.tag),
            pool=lambda: _pool(wanted),
            max_failed=wanted.max_failed,
            ray_address=wanted.ray_address,
        )
        return run_job(job)


def _plan(wanted: RerankRun, queries: QueryTable, recipe: Mapping[str, JsonValue]) -> Plan:
    return Plan(
        kind="rerank",
        tables=KINDS["rerank"].tables,
        recipe=dict(recipe),
        settings=dict(wanted.settings),
        shards=wanted.shards or default_shards(len(queries)),
        queries=len(queries),
        queries_sha256=queries.digest(),
    )


def _publish(source: RunDirectory, run: RunDirectory, tag: str) -> None:
    link_texts(source, run)
    name = "-".join(tag.split()) or "student"
    write_run(run.root / TREC_RUN, run.candidates(), name)


def _pool(wanted: RerankRun) -> PoolSettings:
    """Sizes the pool: a student takes a GPU, or the CPUs of a node."""
    gpus = total_gpus() if wanted.is_on_gpu else 0
    if gpus:
        workers = wanted.workers or gpus
        return PoolSettings(workers=workers, gpus=1.0, stall_seconds=wanted.stall_seconds)
    nodes = cpus_of_nodes()
    workers = wanted.workers or len(nodes)
    cpus = max(1, min(*nodes, sum(nodes) // workers))
    return PoolSettings(workers=workers, cpus=float(cpus), stall_seconds=wanted.stall_seconds)
