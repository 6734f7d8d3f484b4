"""Arrow schemas of every table that a run publishes (version 1), and their writer settings."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 1
NOT_RETRIEVED = 0


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


CANDIDATES = pa.schema(
    [
        _required("query_id", pa.string()),
        # First-stage order, best first: rank = position + 1.
        _required("doc_ids", pa.list_(pa.string())),
        # float64, because a run file's scores must keep the ties they have and gain none.
        _required("retrieval_scores", pa.list_(pa.float64())),
        _required("candidates_sha256", pa.string()),
    ]
)

RANKINGS = pa.schema(
    [
        _required("query_id", pa.string()),
        # Teacher order, best first: rank = position + 1; a permutation of the candidates.
        _required("doc_ids", pa.list_(pa.string())),
        # 1-based first-stage position and first-stage score of each document, aligned; of a
        # relevant passage that `rankgen negatives` found elsewhere NOT_RETRIEVED and 0.0.
        _required("retrieval_positions", pa.list_(pa.int32())),
        _required("retrieval_scores", pa.list_(pa.float64())),
        # "complete", or "degraded" when at least one window was repaired.
        _required("status", pa.string()),
        _required("windows", pa.int32()),
        _required("repaired_windows", pa.int32()),
        _required("prompt_tokens", pa.int64()),
        _required("output_tokens", pa.int64()),
        _required("candidates_sha256", pa.string()),
    ]
)

WINDOWS = pa.schema(
    [
        _required("query_id", pa.string()),
        _required("pass_index", pa.int32()),
        # Order of the calls within the query, from 0.
        _required("window_index", pa.int32()),
        # The span [start, end) of the query's current list that this call ordered.
        _required("start", pa.int32()),
        _required("end", pa.int32()),
        # permutation[i] = position within the span, before the call, of the passage now at i.
        _required("permutation", pa.list_(pa.int16())),
        # ok | repaired | truncated | malformed (how a usable answer was read)
        _required("outcome", pa.string()),
        _required("duplicates", pa.int16()),
        _required("missing", pa.int16()),
        _required("out_of_range", pa.int16()),
        _required("prompt_tokens", pa.int32()),
        _required("output_tokens", pa.int32()),
        # Kept only where the outcome is not "ok".
        pa.field("output_text", pa.string()),
    ]
)

QUERIES = pa.schema([_required("query_id", pa.string()), _required("text", pa.string())])

DOCUMENTS = pa.schema(
    [
        _required("doc_id", pa.string()),
        _required("title", pa.string()),
        _required("text", pa.string()),
    ]
)

TABLES: dict[str, pa.Schema] = {
    "candidates": CANDIDATES,
    "rankings": RANKINGS,
    "windows": WINDOWS,
    "queries": QUERIES,
    "documents": DOCUMENTS,
}

# Rows with text stay in small groups, so that a reader of one row loads little (Hub viewer limit).
ROW_GROUP_ROWS: dict[str, int] = {
    "candidates": 10_000,
    "rankings": 10_000,
    "windows": 10_000,
    "queries": 1_000,
    "documents": 1_000,
}
