"""Digests that identify values and files: canonical JSON and SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

_NO_STRINGS = pa.array([], pa.large_string())


def canonical_json(value: object) -> str:
    """Returns the one JSON text of `value`: sorted keys, no spaces, no NaN.

    Raises:
        ValueError: `value` holds NaN or an infinity.
        TypeError: `value` holds something JSON cannot express.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_of_value(value: object) -> str:
    """Returns the SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def sha256_of_lines(lines: Iterable[str]) -> str:
    """Returns the SHA-256 of `lines`; each is framed by its length, so none can pose as two."""
    digest = hashlib.sha256()
    for line in lines:
        encoded = line.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()


def sha256_of_columns(*columns: pa.ChunkedArray) -> str:
    """Returns the SHA-256 of string columns, at the speed of bytes: for millions of rows.

    Each column counts with the lengths of its values and then their UTF-8 bytes, so that no value
    can pose as two.
    """
    digest = hashlib.sha256()
    for column in columns:
        values = pa.concat_arrays(column.cast(pa.large_string()).chunks or [_NO_STRINGS])
        digest.update(len(values).to_bytes(8, "little"))
        digest.update(pc.binary_length(values).to_numpy().astype("<i8").tobytes())
        _, offsets, data = values.buffers()
        ends = pa.Array.from_buffers(pa.int64(), len(values) + 1, [None, offsets], 0, values.offset)
        first, last = ends[0].as_py(), ends[len(values)].as_py()
        if last > first:
            digest.update(memoryview(data)[first:last])
    return digest.hexdigest()


def sha256_of_file(path: Path) -> str:
    """Returns the SHA-256 of the file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
