"""Candidates of a run with the texts that scoring them needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates
from rankgen.manifests.run.run_directory import RunDirectory

# Document id -> score by query id; higher is better.
Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class CandidateTexts:
    """First-stage candidates and their texts.

    Attributes:
        candidates: Sorted by query id.
        queries: Text by query id.
        documents: "title text" by document id.
    """

    candidates: tuple[Candidates, ...]
    queries: dict[str, str]
    documents: dict[str, str]

    @property
    def pairs(self) -> int:
        """How many (query, passage) pairs there are to score."""
        return sum(len(row.doc_ids) for row in self.candidates)

    def cut(self, depth: int | None) -> CandidateTexts:
        """Returns the best `depth` candidates of each query, by first-stage order."""
        kept = tuple(row.cut(depth) for row in self.candidates)
        return CandidateTexts(kept, self.queries, self.documents)


def read_candidates(
    run: RunDirectory,
    *,
    only: Collection[str] | None = None,
    queries: int | None = None,
    depth: int | None = None,
) -> CandidateTexts:
    """Reads candidates, cut to a number of queries and a depth, and the texts they name.

    Args:
        run: A folder that `rankgen retrieve` wrote.
        only: Query ids to keep; None keeps all.
        queries: At most so many queries, the first by id.
        depth: At most so many candidates a query, the best by first-stage order.

    Raises:
        UsageError: The run has no candidates.
        IntegrityProblem: A candidate's text is missing.
    """
    rows = sorted(run.candidates(), key=lambda row: row.query_id)
    kept = [row for row in rows if only is None or row.query_id in only][:queries]
    cut = [row.cut(depth) for row in kept]
    all_queries, all_documents = run.texts("queries"), run.texts("documents")
    try:
        query_texts = {row.query_id: all_queries[row.query_id] for row in cut}
        document_texts = {doc_id: all_documents[doc_id] for row in cut for doc_id in row.doc_ids}
    except KeyError as error:
        raise IntegrityProblem(
            f"{run.root} has no text for {error.args[0]}", f"rankgen verify {run.root}"
        ) from None
    return CandidateTexts(tuple(cut), query_texts, document_texts)
