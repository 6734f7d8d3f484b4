"""Fills shards with lists of one relevant passage and hard negatives, and checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pydantic import JsonValue

from rankgen.generator.shards.attempt_checks import AGAIN, check_planned
from rankgen.generator.shards.work import FilledShard
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.candidate_lists import CandidateLists
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import NOT_RETRIEVED, RANKINGS
from rankgen.retrieval.negatives import list_with_negatives


class LeftOut(NamedTuple):
    """Query id -> candidates that must not be its negatives, by their kind.

    Attributes:
        copies: Copies of its relevant passages.
        without_text: Relevant passages that have no text.
        own: The query itself.
    """

    copies: Mapping[str, AbstractSet[str]]
    without_text: Mapping[str, AbstractSet[str]]
    own: Mapping[str, AbstractSet[str]]

    def of(self, query_id: str) -> set[str]:
        """Returns the candidates of all kinds."""
        return {doc_id for kind in self for doc_id in kind.get(query_id, ())}


@dataclass(frozen=True)
class NegativesFactory:
    """Opens the candidates in a worker process.

    Attributes:
        candidates: The folder of a retrieve run.
        positives: Query id -> its relevant passages, at least one.
        depth: See `list_with_negatives`.
        count: See `list_with_negatives`.
        seed: See `list_with_negatives`.
        left_out: Candidates that must not be negatives.
    """

    candidates: Path
    positives: Mapping[str, Sequence[str]]
    depth: int
    count: int
    seed: int
    left_out: LeftOut

    def __call__(self) -> NegativesWork:
        """Opens the candidates."""
        return NegativesWork(self)


class NegativesWork:
    """Draws the negatives of each query.

    Args:
        wanted: The candidates and the settings.
    """

    def __init__(self, wanted: NegativesFactory) -> None:
        self._wanted, self._drawn = wanted, 0
        self._lists = CandidateLists(RunDirectory(wanted.candidates))

    async def fill(self, queries: Sequence[Query], journal: Path) -> FilledShard:
        """Returns one list per query; no query fails."""
        del journal  # Repeating a draw is cheaper than recording it.
        lists = self._lists.of(query.query_id for query in queries)
        rows = [_row(found, self._list_of(found)) for found in lists]
        self._drawn += len(rows)
        return FilledShard(
            tables={"rankings": pa.Table.from_pylist(rows, schema=RANKINGS)}, failed={}
        )

    def counts(self, tables: Mapping[str, pa.Table]) -> Mapping[str, int]:
        """Counts passages, what was left out of the lists, and lists with too few negatives."""
        positions: list[list[int]] = tables["rankings"]["retrieval_positions"].to_pylist()
        held: list[str] = tables["rankings"]["query_id"].to_pylist()
        copies, _, own = self._wanted.left_out
        return {
            "passages": sum(map(len, positions)),
            "relevant_not_retrieved": sum(row[0] == NOT_RETRIEVED for row in positions),
            "copies_of_relevant_left_out": sum(len(copies.get(query_id, ())) for query_id in held),
            "own_documents_left_out": len(own.keys() & set(held)),
            "lists_with_fewer_negatives": sum(len(row) <= self._wanted.count for row in positions),
        }

    def progress(self) -> int:
        """Returns the number of queries done so far."""
        return self._drawn

    async def close(self) -> None:
        """Does nothing: no resource is held."""

    def facts(self) -> Mapping[str, JsonValue]:
        """Returns no facts."""
        return {}

    def _list_of(self, found: Candidates) -> list[str]:
        return list_with_negatives(
            found.query_id,
            found.doc_ids,
            self._wanted.positives[found.query_id],
            depth=self._wanted.depth,
            count=self._wanted.count,
            seed=self._wanted.seed,
            left_out=self._wanted.left_out.of(found.query_id),
        )


def validate_lists(
    tables: Mapping[str, pa.Table], planned: Sequence[str], quarantined: Mapping[str, str]
) -> None:
    """Checks an attempt: each planned query once, and no passage twice.

    Raises:
        IntegrityProblem: Something is wrong.
    """
    rows = tables["rankings"].to_pylist()
    check_planned([row["query_id"] for row in rows], planned, quarantined)
    for row in rows:
        if len(set(row["doc_ids"])) != len(row["doc_ids"]):
            raise IntegrityProblem(
                f"the list of query {row['query_id']} holds a passage twice",
                AGAIN,
            )


def _row(found: Candidates, doc_ids: Sequence[str]) -> dict[str, object]:
    """Returns the list as a row of the table `rankings`, with the columns of a teacher empty."""
    place = {doc_id: position for position, doc_id in enumerate(found.doc_ids)}
    return {
        "query_id": found.query_id,
        "doc_ids": doc_ids,
        "retrieval_positions": [place.get(d, NOT_RETRIEVED - 1) + 1 for d in doc_ids],
        "retrieval_scores": [found.scores[place[d]] if d in place else 0.0 for d in doc_ids],
        "status": "complete",
        "windows": 0,
        "repaired_windows": 0,
        "prompt_tokens": 0,
        "output_tokens": 0,
        "candidates_sha256": found.digest(),
    }
