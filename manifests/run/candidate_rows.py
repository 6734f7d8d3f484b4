"""The Arrow rows of the `candidates` table."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from rankgen.manifests.records import Candidates
from rankgen.manifests.schema import CANDIDATES
from rankgen.manifests.storage.digest import sha256_of_lines


def candidate_table(candidates: Iterable[Candidates]) -> pa.Table:
    """Returns the rows, sorted by query id; `candidates_sha256` covers the ids in their order."""
    ordered = sorted(candidates, key=lambda found: found.query_id)
    return pa.table(
        {
            "query_id": [found.query_id for found in ordered],
            "doc_ids": [list(found.doc_ids) for found in ordered],
            "retrieval_scores": [list(found.scores) for found in ordered],
            "candidates_sha256": [sha256_of_lines(found.doc_ids) for found in ordered],
        },
        schema=CANDIDATES,
    )
