"""The work of a retrieve worker: shards of queries in, candidates out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import JsonValue

from rankgen.generator.shards.attempt_checks import AGAIN, check_planned
from rankgen.generator.shards.work import FilledShard
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.storage.digest import sha256_of_lines
from rankgen.retrieval.collections.own_documents import without_own
from rankgen.retrieval.first_stage import RetrieverHandle, Searcher
from rankgen.retrieval.retriever import open_searcher

# Queries of one search. ColBERT encodes 128 together, so that a multiple of them changes no score.
PORTION = 256


@dataclass(frozen=True)
class RetrieveFactory:
    """Opens a searcher in a worker process."""

    handle: RetrieverHandle

    def __call__(self) -> RetrieveWork:
        """Opens the index or the lists."""
        return RetrieveWork(open_searcher(self.handle), self.handle)


class RetrieveWork:
    """Fills shards with the candidates that a searcher finds.

    Args:
        searcher: The open first stage.
        handle: What it was opened from: the depth, and the queries that are documents themselves.
    """

    def __init__(self, searcher: Searcher, handle: RetrieverHandle) -> None:
        self._searcher = searcher
        self._name, self._depth, self._own = handle.settings.name, handle.settings.depth, handle.own
        self._searched = 0
        # The process reports progress meanwhile; a searcher must be used by one thread only.
        self._thread = ThreadPoolExecutor(max_workers=1)

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        """Searches; a query without candidates fails."""
        del journal  # Repeating a search is cheaper than recording it.
        found: list[Candidates] = []
        loop = asyncio.get_running_loop()
        for start in range(0, len(queries), PORTION):
            portion = queries[start : start + PORTION]
            found += await loop.run_in_executor(self._thread, self._found, portion)
            self._searched += len(portion)
        filled = [candidates for candidates in found if candidates.doc_ids]
        reason = f"{self._name} found no candidates for it"
        return FilledShard(
            tables={"candidates": candidate_table(filled)},
            failed={c.query_id: reason for c in found if not c.doc_ids},
        )

    def counts(self, tables: Mapping[str, pa.Table]) -> Mapping[str, int]:
        """Counts candidates, short lists, and lists that leave out the query itself."""
        lengths = pc.list_value_length(tables["candidates"]["doc_ids"]).to_pylist()
        counts = {
            "candidates": sum(lengths),
            "lists_shorter_than_depth": sum(length < self._depth for length in lengths),
        }
        if self._own:
            held = tables["candidates"]["query_id"].to_pylist()
            counts["own_documents_left_out"] = len(self._own & set(held))
        return counts

    def _found(self, queries: Sequence[Query]) -> list[Candidates]:
        """Returns a list per query; a query that is a document is left out of its own list."""
        alone = [query for query in queries if query.query_id not in self._own]
        itself = [query for query in queries if query.query_id in self._own]
        found = self._searcher.search(alone, self._depth) if alone else []
        deeper = self._searcher.search(itself, self._depth + 1) if itself else []
        return [*found, *(without_own(c, self._depth) for c in deeper)]

    def progress(self) -> int:
        """Returns the number of queries searched so far."""
        return self._searched

    async def close(self) -> None:
        """Stops without waiting for a running search."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def facts(self) -> Mapping[str, JsonValue]:
        """Returns the name of the first stage."""
        return {"retriever": self._name}


def validate_candidates(
    tables: Mapping[str, pa.Table], planned: Sequence[str], quarantined: Mapping[str, str]
) -> None:
    """Checks an attempt: each planned query once, no document twice, digests right.

    Raises:
        IntegrityProblem: Something is wrong.
    """
    rows = tables["candidates"].to_pylist()
    check_planned([row["query_id"] for row in rows], planned, quarantined)
    for row in rows:
        doc_ids = row["doc_ids"]
        sound = len(set(doc_ids)) == len(doc_ids) == len(row["retrieval_scores"]) > 0
        if not sound or sha256_of_lines(doc_ids) != row["candidates_sha256"]:
            raise IntegrityProblem(
                f"the candidates of query {row['query_id']} are not a list of distinct documents",
                AGAIN,
            )
