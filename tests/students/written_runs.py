"""Small run folders, written as a run publishes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import TABLES


def written(
    root: Path,
    table: str,
    rows: list[dict[str, object]],
    queries: Mapping[str, str],
    documents: Mapping[str, str],
) -> Path:
    tables: dict[str, list[dict[str, object]]] = {
        table: rows,
        "queries": [{"query_id": q, "text": t} for q, t in sorted(queries.items())],
        "documents": [{"doc_id": d, "title": "", "text": t} for d, t in sorted(documents.items())],
    }
    for name, content in tables.items():
        path = RunDirectory(root).shard_path(name, 0, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(content, schema=TABLES[name]), path)
    return root


def written_rankings(
    root: Path,
    orders: Mapping[str, Sequence[str]],
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    scores: Mapping[str, Sequence[float]] | None = None,
) -> Path:
    """Writes a rankings run: query id -> doc ids best first, query texts, doc texts."""
    rows: list[dict[str, object]] = [
        {
            "query_id": query_id,
            "doc_ids": list(doc_ids),
            "teacher_scores": (scores or {}).get(query_id),
            "retrieval_positions": list(range(1, len(doc_ids) + 1)),
            "retrieval_scores": [float(-place) for place in range(len(doc_ids))],
            "status": "complete",
            "windows": 1,
            "repaired_windows": 0,
            "prompt_tokens": 0,
            "output_tokens": 0,
            "candidates_sha256": "0" * 64,
        }
        for query_id, doc_ids in sorted(orders.items())
    ]
    return written(root, "rankings", rows, queries, documents)
