"""Parquet shards, written with fixed settings so that equal rows give equal bytes.

Those of earlier minor schema versions are read with nulls in columns that were added later.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.schema import ROW_GROUP_ROWS, SCHEMA_MINOR_VERSION, SCHEMA_VERSION, TABLES
from rankgen.manifests.storage.atomic import fsync_directory, fsync_file
from rankgen.manifests.storage.object_store import is_remote, read_object

SORT_KEYS: dict[str, list[str]] = {
    "candidates": ["query_id"],
    "rankings": ["query_id"],
    "windows": ["query_id", "pass_index", "window_index", "attempt"],
    "queries": ["query_id"],
    "documents": ["doc_id"],
}

# Fixed, so that equal rows give equal bytes; a reader finds a row by the page index, and a store of
# content-defined chunks keeps equal rows of two files once.
WRITER_SETTINGS: Mapping[str, Any] = {
    "compression": "zstd",
    "write_page_index": True,
    "use_content_defined_chunking": True,
}


class OtherColumns(Exception):
    """The columns match no readable version of the table; the message says what is wrong."""


def write_shard(path: Path, table: str, rows: pa.Table, fingerprint: str) -> None:
    """Writes `rows`, sorted, to `path` and fsyncs it; the bytes depend on the arguments alone.

    Args:
        path: A local file that is not yet visible to readers; see `ledger`.
        table: A name in `TABLES`.
        rows: Rows with the table's schema.
        fingerprint: The plan's fingerprint, stored in the footer with the schema version.
    """
    keys = [(key, "ascending") for key in SORT_KEYS[table]]
    ordered = rows.cast(TABLES[table]).sort_by(keys).combine_chunks()
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        ordered.replace_schema_metadata(footer_of(table, fingerprint)),
        path,
        row_group_size=ROW_GROUP_ROWS[table],
        **WRITER_SETTINGS,
    )
    fsync_file(path)
    fsync_directory(path.parent)


def footer_of(table: str, fingerprint: str) -> dict[str, str]:
    """Returns what the footer of a file of `table` says, besides its schema."""
    return {
        "rankgen.table": table,
        "rankgen.schema_version": f"{SCHEMA_VERSION}.{SCHEMA_MINOR_VERSION}",
        "rankgen.fingerprint": fingerprint,
    }


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


def completed(read: pa.Table, table: str, columns: Collection[str] | None) -> pa.Table:
    """Returns a shard with nulls for the columns that were added later.

    Args:
        read: The shard as stored, or those of `columns` that it has.
        table: A name in `TABLES`.
        columns: Names of the wanted columns; None for all, as the current schema defines them.

    Raises:
        OtherColumns: The shard lacks a required column; for all columns also where it has an
            unknown one or one of another type.
    """
    expected = TABLES[table]
    if columns is not None:
        return _with_nulls(read, pa.schema([field for field in expected if field.name in columns]))
    if read.schema.equals(expected, check_metadata=False):
        return read
    names = read.schema.names
    held = [field for field in expected if field.name in names]
    # A column that may be null now may have been required earlier, but not the other way round.
    fits = names == [field.name for field in held] and all(
        read.schema.field(field.name).type == field.type
        and (field.nullable or not read.schema.field(field.name).nullable)
        for field in held
    )
    if not fits:
        raise OtherColumns(f"has the columns {names}")
    return _with_nulls(read, expected).select(expected.names).cast(expected)


def _with_nulls(read: pa.Table, expected: pa.Schema) -> pa.Table:
    for field in expected:
        if field.name not in read.schema.names:
            if not field.nullable:
                raise OtherColumns(f"lacks the column {field.name}")
            read = read.append_column(field, pa.nulls(read.num_rows, field.type))
    return read
