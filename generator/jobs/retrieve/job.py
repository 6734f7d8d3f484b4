"""The retrieve job: queries and a collection in, candidates and their texts out."""

from __future__ import annotations

from collections.abc import Collection as AbstractCollection
from dataclasses import dataclass, replace

from pydantic import JsonValue

from rankgen.generator.jobs.kinds import KINDS
from rankgen.generator.jobs.retrieve.settings import RetrieveSettings
from rankgen.generator.jobs.retrieve.texts import publish_texts
from rankgen.generator.jobs.retrieve.work import RetrieveFactory, validate_candidates
from rankgen.generator.shards.cluster import cpus_of_nodes
from rankgen.generator.shards.job import JobSummary, ShardJob, run_job
from rankgen.generator.shards.nodes import living_nodes
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.manifests.notices import warn
from rankgen.manifests.run.plan import Plan, default_shards
from rankgen.manifests.run.query_table import QueryIds, QueryTable
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.trec import Qrels
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.collections.own_documents import find_own_documents
from rankgen.retrieval.collections.sampling import sample_queries
from rankgen.retrieval.first_stage import Prepared
from rankgen.retrieval.retriever import FIRST_STAGES, prepare
from rankgen.retrieval.runs.run_order import RunLosses

# Each ColBERT worker holds the index in memory: 22 GB for MS MARCO's passages.
MOST_INDEXES_ON_A_NODE = 2


@dataclass(frozen=True)
class RetrieveSummary:
    """What a retrieve run published, and what it lacks.

    Attributes:
        job: The shards.
        losses: What a recorded run lacks; None for any other first stage.
        judged: The judged queries of the population, sorted; None where nothing is judged.
        answered: The queries that have a list.
        same_id: Queries that share a non-numeric id with a document of another text.
    """

    job: JobSummary
    losses: RunLosses | None
    judged: tuple[str, ...] | None
    answered: AbstractCollection[str]
    same_id: tuple[str, ...]


@dataclass(frozen=True)
class RetrievePlan:
    """What a retrieve run will do.

    Attributes:
        plan: The plan of the run folder.
        prepared: The first stage, and the queries to search.
        collection: Source of the texts.
        qrels: The judgements to publish; None where nothing is judged.
        same_id: See `RetrieveSummary`.
    """

    plan: Plan
    prepared: Prepared
    collection: Collection
    qrels: Qrels | None
    same_id: tuple[str, ...]


def retrieve(settings: RetrieveSettings) -> RetrieveSummary:
    """Finds candidates for every query of a collection and publishes them with their texts.

    Raises:
        RankgenError: See `prepare` and `run_job`.
    """
    planned = plan_retrieval(settings)
    plan, qrels, prepared = planned.plan, planned.qrels, planned.prepared
    queries = prepared.queries
    run = RunDirectory(settings.out)
    job = ShardJob(
        run=run,
        plan=plan,
        unit=KINDS["retrieve"].unit,
        queries=queries,
        factory=RetrieveFactory(prepared.handle),
        validate=validate_candidates,
        finish=lambda: publish_texts(run, plan, planned.collection, queries, qrels),
        pool=lambda: size_pool(settings),
        max_failed=settings.max_failed,
        ray_address=settings.ray_address,
    )
    done = run_job(job)
    return RetrieveSummary(
        job=done,
        losses=prepared.losses,
        judged=None if qrels is None else tuple(qrels),
        answered=QueryIds(queries, done.quarantined.keys()),
        same_id=planned.same_id,
    )


def plan_retrieval(settings: RetrieveSettings) -> RetrievePlan:
    """Reads the collection, prepares the first stage and plans the search.

    Raises:
        RankgenError: See `prepare`.
    """
    collection = open_collection(
        settings.collection,
        corpus=settings.corpus,
        queries=settings.queries,
        split=settings.split,
        index=settings.retriever.index,
    )
    queries = QueryTable(collection.queries())
    FIRST_STAGES[settings.retriever.name].check(settings.retriever)
    own = find_own_documents(settings.own_document, collection, queries)
    prepared = prepare(settings.retriever, collection, queries=queries, own=own.left_out)
    if settings.sample is not None:
        sample = sample_queries(prepared.queries, settings.sample, settings.seed)
        prepared = prepared._replace(queries=QueryTable(sample))
    return RetrievePlan(
        plan=_plan(settings, prepared, collection),
        prepared=prepared,
        collection=collection,
        qrels=_population(settings, collection.qrels(), prepared.queries),
        same_id=tuple(sorted(own.others)),
    )


def _population(
    settings: RetrieveSettings, qrels: Qrels | None, queries: QueryTable
) -> Qrels | None:
    """Returns the judgements to evaluate this run by.

    These are all judgements of the collection, also for queries without text or candidates; with
    --sample, those of the sampled queries.
    """
    if qrels is None:
        return None
    return {
        query_id: qrels[query_id]
        for query_id in sorted(qrels)
        if settings.sample is None or queries.find(query_id) is not None
    }


def _plan(settings: RetrieveSettings, prepared: Prepared, collection: Collection) -> Plan:
    queries = prepared.queries
    recipe: dict[str, JsonValue] = {
        "collection": collection.name,
        "corpus_sha256": collection.digest(),
        "sample": settings.sample,
        "seed": settings.seed if settings.sample is not None else None,
        **{f"retriever.{key}": _json(value) for key, value in prepared.identity.items()},
    }
    # Only where it matters, so that runs from before this rule keep their fingerprints.
    if any(queries.find(query_id) is not None for query_id in prepared.handle.own):
        recipe["own_document"] = settings.own_document
    recorded: dict[str, JsonValue] = (
        {} if prepared.losses is None else {"recorded_run": prepared.losses.model_dump()}
    )
    return Plan(
        kind="retrieve",
        tables=KINDS["retrieve"].tables,
        recipe=recipe,
        settings=settings.model_dump(mode="json") | recorded,
        shards=settings.shards or default_shards(len(queries)),
        queries=len(queries),
        queries_sha256=queries.digest(),
    )


def _json(value: object) -> JsonValue:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{value!r} has no place in a recipe")


def size_pool(settings: RetrieveSettings) -> PoolSettings:
    """Sizes the pool: one worker with many threads, or a ColBERT worker for each GPU.

    A node gets `MOST_INDEXES_ON_A_NODE` ColBERT workers at most.
    """
    # The worker has its next shard while the driver commits the last one.
    pool = PoolSettings(shards_in_flight=2, stall_seconds=settings.stall_seconds)
    nodes = living_nodes() if settings.retriever.name == "colbert" else []
    gpus = sum(int(node.gpus) for node in nodes)
    if not gpus:
        # Ray would wait forever for more CPUs than the largest node has.
        return replace(pool, cpus=float(min(settings.retriever.threads, max(cpus_of_nodes()))))
    most = MOST_INDEXES_ON_A_NODE
    workers = sum(min(int(node.gpus), most) for node in nodes)
    if workers < gpus:
        warn(
            f"ColBERT searches on {workers} of {gpus} GPUs: every worker holds the index in its "
            f"node's memory, and a node has {most} workers at most"
        )
    return replace(pool, workers=workers, cpus=1.0, gpus=1.0, most_on_a_node=most)
