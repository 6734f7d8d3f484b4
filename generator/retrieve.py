"""The retrieve job: queries and a collection in, candidates and their texts out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from rankgen.generator.jobs.cluster import cpus_of_nodes
from rankgen.generator.jobs.job import JobSummary, ShardJob, run_job
from rankgen.generator.jobs.nodes import living_nodes
from rankgen.generator.jobs.pool_settings import PoolSettings
from rankgen.generator.retrieve_work import RetrieveFactory, validate_candidates
from rankgen.manifests.notices import warn
from rankgen.manifests.plan import Plan, default_shards, digest_of_queries
from rankgen.manifests.progress import progress
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run_directory import QRELS, RunDirectory
from rankgen.manifests.run_path import RunPath
from rankgen.manifests.texts import write_documents, write_queries
from rankgen.manifests.trec import Qrels, write_qrels
from rankgen.retrieval.collection import Collection
from rankgen.retrieval.open_collection import open_collection
from rankgen.retrieval.own_documents import OwnDocument, find_own_documents, shared_by_name
from rankgen.retrieval.retriever import RetrieverHandle, check_first_stage, prepare
from rankgen.retrieval.run_order import RunLosses
from rankgen.retrieval.sampling import sample_queries
from rankgen.retrieval.settings import RetrieverSettings

# Each ColBERT worker holds the index in its node's memory: 22 GB for MS MARCO's passages.
MOST_INDEXES_ON_A_NODE = 2


class RetrieveSettings(BaseModel):
    """Everything that `rankgen retrieve` can be told.

    Attributes:
        collection: A folder, `irds:ID`, or "" when both files are named.
        corpus: A file of documents instead of the collection's.
        queries: A file of queries instead of the collection's.
        split: Only the queries that the folder's qrels/SPLIT.tsv judges.
        retriever: The first stage.
        sample: Take this many queries, chosen by `seed`; None takes all.
        seed: Of the sample.
        own_document: What becomes of a hit that is the query itself; see `find_own_documents`.
        shards: Number of shards; None takes about a hundred queries in each.
        max_failed: Queries without candidates that are tolerated.
        ray_address: A cluster, or None for this machine.
        stall_seconds: A worker that finishes no search for so long is replaced.
        out: The run's folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    collection: str = ""
    corpus: Path | None = None
    queries: Path | None = None
    split: str | None = None
    retriever: RetrieverSettings = RetrieverSettings()
    sample: int | None = Field(default=None, ge=1)
    seed: int = 0
    own_document: OwnDocument = "auto"
    shards: int | None = Field(default=None, ge=1)
    max_failed: int = Field(default=0, ge=0)
    ray_address: str | None = None
    stall_seconds: float = Field(default=1800.0, gt=0)
    out: RunPath


@dataclass(frozen=True)
class RetrieveSummary:
    """What a retrieve run published, and what it lacks.

    Attributes:
        job: The shards.
        losses: What a recorded run lacks; None for any other first stage.
        judged: The judged queries of the population, sorted; None where nothing is judged.
        answered: The queries that have a list.
        same_id: Queries that share an id, which is not a number, with a document of another text.
    """

    job: JobSummary
    losses: RunLosses | None
    judged: tuple[str, ...] | None
    answered: frozenset[str]
    same_id: tuple[str, ...]


def retrieve(settings: RetrieveSettings) -> RetrieveSummary:
    """Finds candidates for every query of a collection and publishes them with their texts.

    Raises:
        RankgenError: See `prepare` and `run_job`.
    """
    collection = open_collection(
        settings.collection,
        corpus=settings.corpus,
        queries=settings.queries,
        split=settings.split,
        index=settings.retriever.index,
    )
    queries = list(collection.queries())
    check_first_stage(settings.retriever)
    own = find_own_documents(settings.own_document, collection, queries)
    handle = prepare(settings.retriever, collection, queries=queries, own=own.left_out)
    queries = _asked(settings, handle, queries)
    run = RunDirectory(settings.out)
    qrels = _population(settings, collection.qrels(), queries)
    plan = _plan(settings, handle, collection, queries)
    job = ShardJob(
        run=run,
        plan=plan,
        queries=queries,
        factory=RetrieveFactory(handle, settings.retriever.depth),
        validate=validate_candidates,
        finish=lambda: _publish_texts(run, plan, collection, queries, qrels),
        pool=lambda: size_pool(settings),
        max_failed=settings.max_failed,
        ray_address=settings.ray_address,
    )
    done = run_job(job)
    return RetrieveSummary(
        job=done,
        losses=handle.losses,
        judged=None if qrels is None else tuple(qrels),
        answered=frozenset(query.query_id for query in queries) - done.quarantined.keys(),
        same_id=tuple(shared_by_name(own.others)),
    )


def _population(
    settings: RetrieveSettings, qrels: Qrels | None, queries: Iterable[Query]
) -> Qrels | None:
    """Returns the judgements that a figure of this run is a mean over.

    They are all that the collection has, those of queries without text or without candidates too;
    of a sample they are those of its queries.
    """
    if qrels is None:
        return None
    sampled = {query.query_id for query in queries} if settings.sample is not None else qrels.keys()
    return {query_id: qrels[query_id] for query_id in sorted(qrels.keys() & sampled)}


def _asked(
    settings: RetrieveSettings, handle: RetrieverHandle, queries: list[Query]
) -> list[Query]:
    """Returns the queries to plan: those a recorded run has lists for, then the sample."""
    if handle.lists is not None:
        recorded = set(pq.read_table(handle.lists, columns=["query_id"])["query_id"].to_pylist())
        queries = [query for query in queries if query.query_id in recorded]
    if settings.sample is not None:
        queries = sample_queries(queries, settings.sample, settings.seed)
    return queries


def _plan(
    settings: RetrieveSettings,
    handle: RetrieverHandle,
    collection: Collection,
    queries: Sequence[Query],
) -> Plan:
    identity = settings.retriever.identity()
    recipe: dict[str, JsonValue] = {
        "collection": collection.name,
        "corpus_sha256": collection.digest(),
        "sample": settings.sample,
        "seed": settings.seed if settings.sample is not None else None,
        **{f"retriever.{key}": _json(value) for key, value in identity.items()},
    }
    # Only where it makes a difference: runs of before there was a rule keep their fingerprints.
    if not handle.own.isdisjoint(query.query_id for query in queries):
        recipe["own_document"] = settings.own_document
    recorded: dict[str, JsonValue] = (
        {} if handle.losses is None else {"recorded_run": handle.losses.model_dump()}
    )
    return Plan(
        kind="retrieve",
        tables=("candidates",),
        recipe=recipe,
        settings=settings.model_dump(mode="json") | recorded,
        shards=settings.shards or default_shards(len(queries)),
        queries=len(queries),
        queries_sha256=digest_of_queries(queries),
    )


def _json(value: object) -> JsonValue:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{value!r} has no place in a recipe")


def size_pool(settings: RetrieveSettings) -> PoolSettings:
    """Sizes the pool: one worker of many threads, and for ColBERT GPUs where the cluster has any.

    A ColBERT worker takes one GPU, and a node has `MOST_INDEXES_ON_A_NODE` of them at most.
    """
    # The next shard waits at the worker while the driver commits the last.
    pool = PoolSettings(shards_in_flight=2, stall_seconds=settings.stall_seconds)
    nodes = living_nodes() if settings.retriever.name == "colbert" else []
    gpus = sum(int(node.gpus) for node in nodes)
    if not gpus:
        # More than its largest node has would be waited for without end.
        return replace(pool, cpus=float(min(settings.retriever.threads, max(cpus_of_nodes()))))
    most = MOST_INDEXES_ON_A_NODE
    workers = sum(min(int(node.gpus), most) for node in nodes)
    if workers < gpus:
        warn(
            f"ColBERT searches on {workers} of {gpus} GPUs: every worker holds the index in its "
            f"node's memory, and a node has {most} workers at most"
        )
    return replace(pool, workers=workers, cpus=1.0, gpus=1.0, most_on_a_node=most)


def _publish_texts(
    run: RunDirectory,
    plan: Plan,
    collection: Collection,
    queries: Iterable[Query],
    qrels: Qrels | None,
) -> dict[str, JsonValue]:
    """Writes the texts of the queries that have candidates, of their candidates, and judgements.

    Returns:
        What the manifest says of the judged queries.
    """
    kept: set[str] = set()
    wanted: set[str] = set()
    for shard in run.shards("candidates", ["query_id", "doc_ids"]):
        kept.update(shard["query_id"].to_pylist())
        wanted.update(shard["doc_ids"].combine_chunks().flatten().to_pylist())
    if qrels is not None:
        write_qrels(run.root / QRELS, qrels)
    write_queries(run, (q for q in queries if q.query_id in kept), plan.fingerprint)
    with progress("texts", len(wanted)) as shown:

        def counted() -> Iterator[Document]:
            for document in collection.chosen(wanted):
                shown.advance()
                yield document

        write_documents(run, counted(), plan.fingerprint)
    if qrels is None:
        return {}
    lacking: list[JsonValue] = [query_id for query_id in qrels if query_id not in kept]
    return {"judged_queries": len(qrels), "judged_queries_without_list": lacking}
