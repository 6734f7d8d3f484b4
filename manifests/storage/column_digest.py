"""The digest of string columns, in a file of its own because it needs pyarrow and numpy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc


def sha256_of_columns(*columns: pa.ChunkedArray) -> str:
    """Returns the SHA-256 of string columns of equal length, fast enough for millions of rows.

    The digest covers the lengths of a column's values and then their UTF-8 bytes, so that one value
    is never mistaken for two.
    """
    rows = len(columns[0]) if columns else 0
    return sha256_of_streams(rows, *(column.iterchunks for column in columns))


def sha256_of_streams(rows: int, *columns: Callable[[], Iterable[pa.Array]]) -> str:
    """Returns the same digest for columns that are read in parts, each column twice.

    Args:
        rows: The length of every column.
        columns: One function per column that starts a pass over its parts.
    """
    digest = hashlib.sha256()
    for parts in columns:
        digest.update(rows.to_bytes(8, "little"))
        for part in parts():
            digest.update(pc.binary_length(part).to_numpy().astype("<i8").tobytes())
        for part in parts():
            values = part.cast(pa.large_string())
            _, offsets, data = values.buffers()
            ends = pa.Array.from_buffers(
                pa.int64(), len(values) + 1, [None, offsets], 0, values.offset
            )
            first, last = ends[0].as_py(), ends[len(values)].as_py()
            if last > first:
                digest.update(memoryview(data)[first:last])
    return digest.hexdigest()
