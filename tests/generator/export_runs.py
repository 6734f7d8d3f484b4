"""Small runs to export, and the exports of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.generator.jobs.export.job import ExportSummary, export
from rankgen.generator.jobs.export.settings import ExportSettings
from rankgen.manifests.records import Document, Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.texts import write_documents, write_queries
from rankgen.manifests.schema import RANKINGS
from rankgen.manifests.storage.atomic import whole_file
from rankgen.manifests.storage.shard import write_shard

# Best first; the first stage had them in the order of their ids.
ORDERS = {"q1": ["d3", "d1", "d4", "d2"], "q2": ["d2", "d4", "d1"], "q3": ["d1", "d4"]}
SCORES = {"q1": [4.5, 2.25, 0.5, -1.0], "q2": [0.75, 0.25, 0.125], "q3": [3.0, -3.0]}


def write_rankings(
    root: Path,
    orders: Mapping[str, Sequence[str]],
    scores: Mapping[str, Sequence[float] | None] | None = None,
    *,
    titles: bool = True,
) -> Path:
    """Writes published rankings in two shards, as a copy without its ledger holds them."""
    run = RunDirectory(root)
    rows = [_row(query_id, orders[query_id], (scores or {}).get(query_id)) for query_id in orders]
    for shard in range(2):
        table = pa.Table.from_pylist(rows[shard::2], schema=RANKINGS)
        with whole_file(run.shard_path("rankings", shard, 2)) as draft:
            write_shard(draft, "rankings", table, "f")
    write_queries(run, [Query(query_id, f"query {query_id}?") for query_id in orders], "f")
    doc_ids = sorted({doc_id for order in orders.values() for doc_id in order})
    documents = [
        Document(doc_id, f"Title {doc_id}" if titles and number % 2 else "", f"text of {doc_id}")
        for number, doc_id in enumerate(doc_ids)
    ]
    write_documents(run, documents, "f")
    return root


def _row(query_id: str, order: Sequence[str], scores: Sequence[float] | None) -> dict[str, object]:
    places = {doc_id: place for place, doc_id in enumerate(sorted(order), start=1)}
    return {
        "query_id": query_id,
        "doc_ids": list(order),
        "retrieval_positions": [places[doc_id] for doc_id in order],
        "retrieval_scores": [10.0 / places[doc_id] for doc_id in order],
        "status": "complete",
        "windows": 1,
        "repaired_windows": 0,
        "prompt_tokens": 0,
        "output_tokens": 0,
        "candidates_sha256": "0" * 64,
        "teacher_scores": None if scores is None else list(scores),
    }


def exported(form: str, run: Path, out: Path, **more: object) -> ExportSummary:
    """Exports as `rankgen export FORM RUN --out OUT` does."""
    values = {"form": form, "run": run, "out": out, **more}
    return export(ExportSettings.model_validate(values))


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a JSON Lines, JSON or Parquet file."""
    if path.suffix == ".parquet":
        found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return found
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        rows: list[dict[str, Any]] = json.loads(text)
        return rows
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]
