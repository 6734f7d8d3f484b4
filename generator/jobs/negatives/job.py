"""The negatives job: candidates and judgements in, lists for the LCE loss out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pydantic import JsonValue

from rankgen.generator.jobs.kinds import KINDS
from rankgen.generator.jobs.negatives.settings import NegativesSettings
from rankgen.generator.jobs.negatives.work import LeftOut, NegativesFactory, validate_lists
from rankgen.generator.shards.job import JobSummary, ShardJob, run_job
from rankgen.generator.shards.pool_settings import PoolSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.judged_queries import judged_without
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.plan import Plan, default_shards
from rankgen.manifests.run.query_table import QueryTable, queries_of_run
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import DocumentTexts, write_documents, write_queries
from rankgen.manifests.storage.digest import sha256_of_lines, sha256_of_value
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.collections.judgements import read_judgements
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.collections.own_documents import OwnDocument
from rankgen.retrieval.collections.same_text import is_query_itself
from rankgen.retrieval.negatives import copies_of_positives, positives_of


@dataclass(frozen=True)
class NegativesSummary:
    """What was published, and what was left out.

    Attributes:
        job: The shards.
        unjudged: Queries with candidates but without a relevant passage.
        without_text: Queries whose relevant passages all lack a text.
        notice: Sentence about judged queries without candidates; None if there are none.
    """

    job: JobSummary
    unjudged: int
    without_text: int
    notice: str | None


def negatives(settings: NegativesSettings) -> NegativesSummary:
    """Publishes, for the LCE loss, lists of one relevant passage followed by hard negatives.

    Raises:
        UsageError: The run of candidates is not finished, or no query has a relevant passage.
        RankgenError: See `run_job`.
    """
    source, run = RunDirectory(settings.candidates), RunDirectory(settings.out)
    lists = CandidateLists.finished(source)
    collection = None if settings.collection is None else open_collection(settings.collection)
    qrels = read_judgements(settings.qrels)
    notice = judged_without(sorted(qrels), frozenset(lists.query_ids()), str(source.root))
    judged = positives_of(qrels, settings.grade)
    asked = {query_id: judged[query_id] for query_id in lists.query_ids() if query_id in judged}
    retrieved = DocumentTexts(source)
    relevant = _relevant(asked, retrieved, collection)
    positives = _with_texts(asked, relevant)
    if not positives:
        raise UsageError(
            f"no query of {source.root} has a relevant passage in {settings.qrels} with a text",
            "name the collection's judgements, or the collection itself: --collection"
            + (f"; {notice}" if notice else ""),
        )
    queries = queries_of_run(source, positives)
    kinds: tuple[Mapping[str, AbstractSet[str]], ...] = (
        copies_of_positives(positives, relevant, retrieved.all()),
        {query_id: set(asked[query_id]) - set(positives[query_id]) for query_id in positives},
        _own(settings.own_document, queries, retrieved),
    )
    left_out = LeftOut(*(_in_lists(lists, found, settings.depth) for found in kinds))
    plan = _plan(settings, lists, queries, positives, left_out)
    drawn = settings.depth, settings.count, settings.seed
    job = ShardJob(
        run=run,
        plan=plan,
        unit=KINDS["negatives"].unit,
        queries=queries,
        factory=NegativesFactory(source.root.absolute(), positives, *drawn, left_out),
        validate=validate_lists,
        finish=lambda: _publish_texts(source, run, plan, queries, collection),
        pool=lambda: PoolSettings(stall_seconds=settings.stall_seconds),
        max_failed=settings.max_failed,
        ray_address=settings.ray_address,
    )
    return NegativesSummary(
        run_job(job), len(lists) - len(asked), len(asked) - len(positives), notice
    )


def _plan(
    settings: NegativesSettings,
    lists: CandidateLists,
    queries: QueryTable,
    positives: Mapping[str, Sequence[str]],
    left_out: LeftOut,
) -> Plan:
    return Plan(
        kind="negatives",
        tables=KINDS["negatives"].tables,
        recipe={
            "candidates_sha256": lists.digest(),
            "positives_sha256": sha256_of_lines(
                part for query_id in positives for part in (query_id, *positives[query_id])
            ),
            **{key: getattr(settings, key) for key in ("depth", "count", "grade", "seed")},
            **_left_out_recipe(left_out),
        },
        settings=settings.model_dump(mode="json"),
        shards=settings.shards or default_shards(len(queries)),
        queries=len(queries),
        queries_sha256=queries.digest(),
    )


def _relevant(
    judged: Mapping[str, Sequence[str]], retrieved: DocumentTexts, collection: Collection | None
) -> list[Document]:
    """Returns the relevant passages that were retrieved or are in the collection."""
    wanted = {doc_id for doc_ids in judged.values() for doc_id in doc_ids}
    found = list(retrieved[sorted(wanted & retrieved.doc_ids)].values())
    elsewhere = wanted - retrieved.doc_ids
    if collection is not None and elsewhere:
        found += collection.chosen(elsewhere)
    return found


def _with_texts(
    judged: Mapping[str, Sequence[str]], relevant: Sequence[Document]
) -> dict[str, tuple[str, ...]]:
    """Returns each query's relevant passages that have a text, if it has any."""
    held = {document.doc_id for document in relevant}
    found = {q: tuple(d for d in doc_ids if d in held) for q, doc_ids in judged.items()}
    return {query_id: doc_ids for query_id, doc_ids in found.items() if doc_ids}


def _in_lists(
    lists: CandidateLists, found: Mapping[str, AbstractSet[str]], depth: int
) -> dict[str, frozenset[str]]:
    """Returns query id -> what was found among its top candidates, for queries with any."""
    held = lists.of(query_id for query_id, doc_ids in found.items() if doc_ids)
    within = {c.query_id: found[c.query_id] & set(c.doc_ids[:depth]) for c in held}
    return {query_id: frozenset(doc_ids) for query_id, doc_ids in within.items() if doc_ids}


def _own(
    rule: OwnDocument, queries: Iterable[Query], retrieved: DocumentTexts
) -> dict[str, frozenset[str]]:
    """Returns query id -> the passage of the same id, where that must not be its negative."""
    if rule == "keep":
        return {}
    shared = [query for query in queries if query.query_id in retrieved.doc_ids]
    found = retrieved[[query.query_id for query in shared]]
    return {
        query.query_id: frozenset({query.query_id})
        for query in shared
        if rule == "drop" or is_query_itself(query, found[query.query_id])
    }


def _left_out_recipe(left_out: LeftOut) -> dict[str, JsonValue]:
    """Returns the recipe's entries about candidates that must not be negatives.

    There is no entry without such candidates, so that older runs keep their fingerprints.
    """
    recipe: dict[str, JsonValue] = {}
    named = {"copies_sha256": left_out.copies, "without_text_sha256": left_out.without_text}
    for name, found in named.items():
        if found:
            recipe[name] = sha256_of_value({q: sorted(found[q]) for q in found})
    if left_out.own:
        recipe["own_documents_sha256"] = sha256_of_lines(sorted(left_out.own))
    return recipe


def _publish_texts(
    source: RunDirectory,
    run: RunDirectory,
    plan: Plan,
    queries: QueryTable,
    collection: Collection | None,
) -> None:
    """Writes the texts of the lists' queries and passages."""
    kept: set[str] = set()
    wanted: set[str] = set()
    for shard in run.shards("rankings", ["query_id", "doc_ids"]):
        kept.update(shard["query_id"].to_pylist())
        wanted.update(shard["doc_ids"].combine_chunks().flatten().to_pylist())
    write_queries(run, (query for query in queries if query.query_id in kept), plan.fingerprint)

    def documents() -> Iterator[Document]:
        retrieved = DocumentTexts(source)
        yield from retrieved[sorted(wanted & retrieved.doc_ids)].values()
        if collection is not None:
            yield from collection.chosen(wanted - retrieved.doc_ids)

    write_documents(run, documents(), plan.fingerprint)
