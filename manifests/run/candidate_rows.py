"""Candidates as Arrow rows of the table `candidates`, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from rankgen.manifests.records import Candidates
from rankgen.manifests.schema import CANDIDATES


def candidate_table(candidates: Iterable[Candidates]) -> pa.Table:
    """Returns the rows, sorted by query id; `candidates_sha256` covers the ids in their order."""
    ordered = sorted(candidates, key=lambda found: found.query_id)
    return pa.table(
        {
            "query_id": [found.query_id for found in ordered],
            "doc_ids": [list(found.doc_ids) for found in ordered],
            "retrieval_scores": [list(found.scores) for found in ordered],
            "candidates_sha256": [found.digest() for found in ordered],
        },
        schema=CANDIDATES,
    )


def candidates_in(table: pa.Table) -> Iterator[Candidates]:
    """Yields the rows of a table `candidates`, in their order."""
    for row in table.to_pylist():
        yield Candidates(row["query_id"], tuple(row["doc_ids"]), tuple(row["retrieval_scores"]))
