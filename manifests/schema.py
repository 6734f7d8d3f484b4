"""Arrow schemas of every table that a run publishes, and their writer settings.

A column may be added, or become nullable, at any time: that is a new minor version, and shards of
earlier ones are read as if they held nulls there (`shard_columns`). Everything else is a new
version, which is part of every plan: a run is finished in the version that it was begun in.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION, SCHEMA_MINOR_VERSION = 1, 1
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
        # The windows that led to this order, and how many answers among theirs were repaired.
        _required("windows", pa.int32()),
        _required("repaired_windows", pa.int32()),
        # Of all calls for the query, failed ones too.
        _required("prompt_tokens", pa.int64()),
        _required("output_tokens", pa.int64()),
        _required("candidates_sha256", pa.string()),
    ]
)

# One row a call, whether it was answered or failed, also for a query without a ranking. What an
# engine repeats by itself, such as a request whose connection broke, is one call.
WINDOWS = pa.schema(
    [
        _required("query_id", pa.string()),
        _required("pass_index", pa.int32()),
        # Order of the windows within the query, from 0.
        _required("window_index", pa.int32()),
        # The span [start, end) of the query's current list that this call was to order.
        _required("start", pa.int32()),
        _required("end", pa.int32()),
        # permutation[i] = position within the span, before the call, of the passage now at i.
        # Null where the call failed: it ordered nothing.
        pa.field("permutation", pa.list_(pa.int16())),
        # ok | repaired | truncated (how a usable answer was read) | malformed | error. A policy may
        # refuse a repaired or truncated answer, which then has no permutation.
        _required("outcome", pa.string()),
        # 0 where the call failed.
        _required("duplicates", pa.int16()),
        _required("missing", pa.int16()),
        _required("out_of_range", pa.int16()),
        _required("prompt_tokens", pa.int32()),
        _required("output_tokens", pa.int32()),
        # Kept only where the outcome is not "ok".
        pa.field("output_text", pa.string()),
        # Since 1.1, null in rows of before. Which call for its window it was, from 1: failed ones
        # in the order they were made, the one that ordered the window last.
        pa.field("attempt", pa.int32()),
        # Why a call failed, in one line; null where it did not.
        pa.field("reason", pa.string()),
        # How many texts, the window's passages and the query, were shortened so that the prompt
        # fits the context; null where the teacher has no prompt, or none could be written.
        pa.field("cut", pa.int16()),
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
