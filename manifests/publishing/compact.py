"""Writes one file of a published data set from many shards, a row group at a time."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from rankgen.manifests.errors import IntegrityProblem, reason_of
from rankgen.manifests.publishing.scores import Rows
from rankgen.manifests.publishing.source import SourceFile
from rankgen.manifests.schema import SCHEMA_MINOR_VERSION, SCHEMA_VERSION
from rankgen.manifests.storage.digest import sha256_of_bytes, sha256_of_file
from rankgen.manifests.storage.object_store import is_remote, read_object
from rankgen.manifests.storage.shard import WRITER_SETTINGS, OtherColumns, completed

# The Hub's viewer refuses row groups of more than 286 MiB before compression.
ROW_GROUP_BYTES = 100_000_000
_BATCH_ROWS = 1_000


def write_compacted(
    draft: Path, schema: pa.Schema, footer: dict[str, str], parts: Iterable[pa.Table], rows: int
) -> int:
    """Writes a Parquet file of all parts, in their order; holds one row group in memory.

    Args:
        draft: A local file that is not yet visible to readers.
        schema: The columns of every part.
        footer: Key-value metadata of the file.
        parts: The rows.
        rows: Most rows of a row group; a group of large rows has fewer, see `ROW_GROUP_BYTES`.

    Returns:
        The number of rows.
    """
    written = 0
    with pq.ParquetWriter(draft, schema.with_metadata(footer), **WRITER_SETTINGS) as writer:
        for group in row_groups(parts, rows, ROW_GROUP_BYTES):
            writer.write_table(
                group.replace_schema_metadata(footer).combine_chunks(),
                row_group_size=group.num_rows,
            )
            written += group.num_rows
    return written


def row_groups(parts: Iterable[pa.Table], most_rows: int, most_bytes: int) -> Iterator[pa.Table]:
    """Cuts a stream of tables into row groups; every group has a row.

    A group is full when it has `most_rows` rows, or `most_bytes` bytes as Arrow holds them, which
    is about what they take before compression.
    """
    held: list[pa.Table] = []
    rows = size = 0
    for part in parts:
        while part.num_rows:
            room = max(1, (most_bytes - size) * part.num_rows // max(1, part.nbytes))
            piece = part.slice(0, min(room, most_rows - rows))
            part = part.slice(piece.num_rows)
            held.append(piece)
            rows, size = rows + piece.num_rows, size + piece.nbytes
            if rows >= most_rows or size >= most_bytes:
                yield pa.concat_tables(held)
                held, rows, size = [], 0, 0
    if held:
        yield pa.concat_tables(held)


def rows_between(
    files: Sequence[SourceFile], table: str, start: int, end: int, columns: Sequence[str] = ()
) -> Iterator[Rows]:
    """Yields the rows [start, end) of a table, some hundred at a time.

    Args:
        files: The shards of the table, in order.
        table: A name in `TABLES`.
        start: Number of the first row in all shards together, from 0.
        end: Number of the row behind the last one.
        columns: Names of the columns that are read; all without any.

    Raises:
        IntegrityProblem: A shard has changed since it was committed, or cannot be read.
    """
    begin = 0
    for file in files:
        low, high = max(start, begin) - begin, min(end, begin + file.rows) - begin
        if low < high:
            yield from _rows_of(file, table, low, high, list(columns) or None)
        begin += file.rows


def without_answers(windows: pa.Table) -> pa.Table:
    """Returns windows without the teacher's own words, which may repeat the passages."""
    place = windows.schema.get_field_index("output_text")
    field = windows.schema.field(place)
    return windows.set_column(place, field, pa.nulls(windows.num_rows, field.type))


def _rows_of(
    file: SourceFile, table: str, low: int, high: int, columns: list[str] | None
) -> Iterator[Rows]:
    at = 0
    try:
        with _unchanged(file) as content, pq.ParquetFile(content) as parquet:
            held = [name for name in columns or () if name in parquet.schema_arrow.names] or None
            for batch in parquet.iter_batches(_BATCH_ROWS, columns=held, use_threads=False):
                first, last = max(low, at), min(high, at + batch.num_rows)
                if first < last:
                    read = completed(pa.Table.from_batches([batch]), table, columns)
                    read = read if columns is None else read.select(columns)
                    yield Rows(file.path, first, read.slice(first - at, last - first))
                at += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise IntegrityProblem(
            f"{file.path} cannot be read: {reason_of(error)}",
            "see what else differs: rankgen verify RUN",
        ) from None
    except OtherColumns as problem:
        raise IntegrityProblem(
            f"{file.path} is not a shard of {table} version "
            f"{SCHEMA_VERSION}.{SCHEMA_MINOR_VERSION} or earlier: it {problem}",
            "was it written by another version of rankgen?",
        ) from None


@contextlib.contextmanager
def _unchanged(file: SourceFile) -> Iterator[Path | IO[bytes]]:
    """Yields what `pq.ParquetFile` reads, once its bytes are known to be those committed."""
    content = read_object(file.path) if is_remote(file.path) else None
    found = sha256_of_file(file.path) if content is None else sha256_of_bytes(content)
    if found != file.sha256:
        raise IntegrityProblem(
            f"{file.path} has changed since it was committed (SHA-256 differs)",
            "see what else differs: rankgen verify RUN",
        )
    yield file.path if content is None else io.BytesIO(content)
