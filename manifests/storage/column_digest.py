"""The digest of string columns, in a file of its own because it needs pyarrow and numpy."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable

import numpy as np
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


def sha256_of_lists(lists: pa.ListArray) -> list[str]:
    """Returns `digest.sha256_of_lines` of every list of strings, fast enough for millions of them.

    Args:
        lists: Lists without nulls, whose strings are valid UTF-8.
    """
    values = pc.list_flatten(lists).cast(pa.large_string())
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    lengths = np.diff(ends)
    # Each string stands behind the eight bytes of its length.
    starts = ends[:-1] - ends[0] + 8 * np.arange(len(values))
    size = int(lengths.sum()) + 8 * len(values)
    places = (starts[:, None] + np.arange(8)).ravel()
    is_text = np.ones(size, bool)
    is_text[places] = False
    content = np.empty(size, np.uint8)
    content[places] = lengths.astype("<i8").view(np.uint8)
    if data is not None:
        content[is_text] = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    counts = pc.list_value_length(lists).to_numpy()
    bounds = np.append(starts, size)[np.concatenate([[0], np.cumsum(counts)])].tolist()
    return [
        hashlib.sha256(content.data[low:high]).hexdigest()
        for low, high in itertools.pairwise(bounds)
    ]
