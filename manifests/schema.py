"""Arrow schemas of every table that a run publishes, and their row group sizes.

What each column means is in `column_meanings`.

Adding a column or making one nullable is a new minor version: shards of earlier minor versions are
read as if they held nulls there (`shard`). Any other change is a new version, which is part
of every plan: a run is finished in the version it was begun in.
"""

from __future__ import annotations

from functools import partial

import pyarrow as pa

SCHEMA_VERSION, SCHEMA_MINOR_VERSION = 1, 5
NOT_RETRIEVED = 0


_required = partial(pa.field, nullable=False)

CANDIDATES = pa.schema(
    [
        _required("query_id", pa.string()),
        _required("doc_ids", pa.list_(pa.string())),
        # float64, so that the scores of a run file keep exactly the ties they have.
        _required("retrieval_scores", pa.list_(pa.float64())),
        _required("candidates_sha256", pa.string()),
    ]
)

RANKINGS = pa.schema(
    [
        _required("query_id", pa.string()),
        _required("doc_ids", pa.list_(pa.string())),
        # NOT_RETRIEVED and 0.0 for a relevant passage that `rankgen negatives` added.
        _required("retrieval_positions", pa.list_(pa.int32())),
        _required("retrieval_scores", pa.list_(pa.float64())),
        _required("status", pa.string()),
        _required("windows", pa.int32()),
        _required("repaired_windows", pa.int32()),
        _required("prompt_tokens", pa.int64()),
        _required("output_tokens", pa.int64()),
        _required("candidates_sha256", pa.string()),
        # The manifest says in which unit (`teacher_scores`). Added in 1.2.
        pa.field("teacher_scores", pa.list_(pa.float32())),
        # The rest of the candidates, where only the teacher's top is kept. Added in 1.4.
        pa.field("unranked", pa.list_(pa.string())),
        # Where long documents are read in chunks, those that were shown. Added in 1.5.
        pa.field("chunks", pa.list_(pa.int32())),
    ]
)

# One row per call, answered or failed, including those of queries without a ranking. A request that
# an engine repeats by itself, as after a broken connection, is one call.
WINDOWS = pa.schema(
    [
        _required("query_id", pa.string()),
        _required("pass_index", pa.int32()),
        _required("window_index", pa.int32()),
        _required("start", pa.int32()),
        _required("end", pa.int32()),
        pa.field("permutation", pa.list_(pa.int16())),
        # A policy may refuse a repaired or truncated answer, which then has no permutation; nor has
        # an answer that was cut within its thought.
        _required("outcome", pa.string()),
        _required("duplicates", pa.int16()),
        _required("missing", pa.int16()),
        _required("out_of_range", pa.int16()),
        _required("prompt_tokens", pa.int32()),
        _required("output_tokens", pa.int32()),
        pa.field("output_text", pa.string()),
        # This column and those below were added in 1.1 and are null in earlier rows. Failed calls
        # are numbered in the order they were made, then the one that ordered the window.
        pa.field("attempt", pa.int32()),
        pa.field("reason", pa.string()),
        pa.field("cut", pa.int16()),
        # This column and the next were added in 1.3; see `rankgen.manifests.replay`.
        pa.field("shown", pa.list_(pa.int16())),
        pa.field("reordered", pa.list_(pa.int16())),
        # Added in 1.4.
        pa.field("asked", pa.int16()),
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

# Rows with text are in small groups, so that reading one row loads little (Hub viewer limit).
ROW_GROUP_ROWS: dict[str, int] = {
    table: 1_000 if "text" in schema.names else 10_000 for table, schema in TABLES.items()
}
