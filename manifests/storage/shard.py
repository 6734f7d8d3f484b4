"""Parquet shards, written with fixed settings so that equal rows give equal bytes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.schema import (
    ROW_GROUP_ROWS,
    SCHEMA_MINOR_VERSION,
    SCHEMA_VERSION,
    TABLES,
)
from rankgen.manifests.storage.atomic import fsync_directory, fsync_file
from rankgen.manifests.storage.object_store import is_remote, read_object

SORT_KEYS: dict[str, list[str]] = {
    "candidates": ["query_id"],
    "rankings": ["query_id"],
    "windows": ["query_id", "pass_index", "window_index", "attempt"],
    "queries": ["query_id"],
    "documents": ["doc_id"],
}


def write_shard(path: Path, table: str, rows: pa.Table, fingerprint: str) -> None:
    """Writes `rows`, sorted, to `path` and fsyncs it; the bytes depend on the arguments alone.

    Args:
        path: A local file that is not yet visible to readers; see `ledger`.
        table: A name in `TABLES`.
        rows: Rows with the table's schema.
        fingerprint: The plan's fingerprint, stored in the footer with the schema version.
    """
    footer = {
        "rankgen.table": table,
        "rankgen.schema_version": f"{SCHEMA_VERSION}.{SCHEMA_MINOR_VERSION}",
        "rankgen.fingerprint": fingerprint,
    }
    keys = [(key, "ascending") for key in SORT_KEYS[table]]
    ordered = rows.cast(TABLES[table]).sort_by(keys).combine_chunks()
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        ordered.replace_schema_metadata(footer),
        path,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS[table],
        write_page_index=True,
        use_content_defined_chunking=True,
    )
    fsync_file(path)
    fsync_directory(path.parent)


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Reads those of `columns` that a Parquet file has; a remote file takes one request.

    Raises:
        OSError: The file cannot be reached.
        pa.ArrowException: The file is not a Parquet file.
    """
    return parse_parquet(read_object(path) if is_remote(path) else path, columns)


def parse_parquet(source: Path | bytes, columns: list[str] | None = None) -> pa.Table:
    """Reads a local Parquet file, or its bytes; see `read_parquet`."""
    # pq.read_table builds a data set around each file, which takes six times as long.
    with pq.ParquetFile(pa.BufferReader(source) if isinstance(source, bytes) else source) as file:
        # Shards are small; callers read several at a time instead.
        return file.read(columns=columns, use_threads=False)
