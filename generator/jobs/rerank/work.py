"""What a rerank worker does with a shard: candidates in a student's order, and their check."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import JsonValue

from rankgen.generator.jobs.retrieve.work import validate_candidates
from rankgen.generator.shards.attempt_checks import AGAIN
from rankgen.generator.shards.work import FilledShard
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import DocumentTexts


class Reranker(Protocol):
    """What the job needs of a student; the command gives it one."""

    def rerank(
        self,
        lists: Sequence[Candidates],
        queries: Mapping[str, str],
        documents: Mapping[str, Document],
        count: Callable[[int], None],
    ) -> tuple[list[Candidates], dict[str, str]]:
        """Returns the lists in the student's order, scores strictly decreasing, and the failures.

        Args:
            lists: First-stage candidates.
            queries: Text by query id.
            documents: By document id.
            count: Told how many more pairs were scored; may be called from a thread.

        Returns:
            The ordered lists, and query id -> reason for those without an order.
        """

    def facts(self) -> Mapping[str, JsonValue]:
        """Returns where and how the student computes, for the record."""


@dataclass(frozen=True)
class RerankFactory:
    """Opens a student and the candidates in a worker process.

    Attributes:
        candidates: The folder of the run with the candidates.
        opener: Loads the student; pickled.
    """

    candidates: Path
    opener: Callable[[], Reranker]

    def __call__(self) -> RerankWork:
        """Loads the model."""
        return RerankWork(RunDirectory(self.candidates), self.opener())


class RerankWork:
    """Fills shards with re-ranked candidates.

    Args:
        source: The candidates with their texts.
        reranker: Orders them.
    """

    def __init__(self, source: RunDirectory, reranker: Reranker) -> None:
        self._lists, self._documents = CandidateLists(source), DocumentTexts(source)
        self._reranker, self._scored = reranker, 0

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        """Scores in a thread, so that the process still answers questions about its progress."""
        del journal  # A shard is some minutes of scoring at most, and is sooner repeated than kept.
        if not queries:
            return FilledShard(tables={"candidates": candidate_table([])}, failed={})
        lists = self._lists.of(query.query_id for query in queries)
        texts = self._documents[sorted({doc_id for row in lists for doc_id in row.doc_ids})]
        ordered, failed = await asyncio.to_thread(
            self._reranker.rerank,
            lists,
            {query.query_id: query.text for query in queries},
            texts,
            self._count,
        )
        return FilledShard(
            tables={"candidates": candidate_table(ordered)},
            failed=failed,
        )

    def counts(self, tables: Mapping[str, pa.Table]) -> Mapping[str, int]:
        """Returns the number of candidates."""
        return {
            "candidates": sum(pc.list_value_length(tables["candidates"]["doc_ids"]).to_pylist())
        }

    def progress(self) -> int:
        """Returns the number of pairs scored so far."""
        return self._scored

    async def close(self) -> None:
        """Does nothing: there is nothing to free."""

    def facts(self) -> Mapping[str, JsonValue]:
        """Returns where and how the student computes."""
        return self._reranker.facts()

    def _count(self, pairs: int) -> None:
        self._scored += pairs


def validate_reranked(
    tables: Mapping[str, pa.Table], planned: Sequence[str], quarantined: Mapping[str, str]
) -> None:
    """Checks an attempt as candidates are checked, and that no two scores of a query are equal.

    Raises:
        IntegrityProblem: The attempt is not what was planned, or two scores are equal.
    """
    validate_candidates(tables, planned, quarantined)
    for row in tables["candidates"].to_pylist():
        narrow = np.asarray(row["retrieval_scores"], dtype=np.float32)
        if not (np.diff(narrow) < 0).all():
            raise IntegrityProblem(
                f"the scores of query {row['query_id']} do not strictly decrease",
                AGAIN,
            )
