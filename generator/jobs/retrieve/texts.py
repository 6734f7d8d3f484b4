"""Publishes texts and judgements once the shards of a retrieve run are done."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from rankgen.manifests.progress import progress
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.plan import Plan
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.run.run_directory import QRELS, RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.trec import Qrels, write_qrels
from rankgen.retrieval.collections.collection import Collection


def publish_texts(
    run: RunDirectory,
    plan: Plan,
    collection: Collection,
    queries: QueryTable,
    qrels: Qrels | None,
) -> dict[str, JsonValue]:
    """Writes the judgements, and the texts of all queries with candidates and of the candidates.

    Returns:
        The manifest's entries about judged queries.
    """
    wanted: set[str] = set()

    def kept() -> Iterator[Query]:
        shards = run.shards("candidates", ["query_id", "doc_ids"])
        for number, shard in enumerate(shards):
            wanted.update(shard["doc_ids"].combine_chunks().flatten().to_pylist())
            held = set(shard["query_id"].to_pylist())
            yield from (q for q in queries.of_shard(number, plan.shards) if q.query_id in held)

    if qrels is not None:
        write_qrels(run.root / QRELS, qrels)
    listed = QueryTable(kept())
    write_queries(run, listed, plan.fingerprint)
    with progress("texts", len(wanted)) as shown:

        def counted() -> Iterator[Document]:
            for document in collection.chosen(wanted):
                shown.advance()
                yield document

        write_documents(run, counted(), plan.fingerprint)
    if qrels is None:
        return {}
    lacking: list[JsonValue] = [q for q in qrels if listed.find(q) is None]
    return {"judged_queries": len(qrels), "judged_queries_without_list": lacking}
