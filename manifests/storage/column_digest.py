"""The digest of string columns, apart from the others because it needs pyarrow and numpy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc


def sha256_of_columns(*columns: pa.ChunkedArray) -> str:
    """Returns the SHA-256 of string columns, at the speed of bytes: for millions of rows.

    Each column counts with the lengths of its values and then their UTF-8 bytes, so that no value
    can pose as two.
    """
    # Each column is as long as the others in every table of ours.
    rows = len(columns[0]) if columns else 0
    return sha256_of_streams(rows, *(column.iterchunks for column in columns))


def sha256_of_streams(rows: int, *columns: Callable[[], Iterable[pa.Array]]) -> str:
    """Returns the same of columns that are read in parts, each column twice.

    Args:
        rows: The length of every column.
        columns: Starts a pass over the parts of one column.
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
