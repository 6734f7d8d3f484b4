"""Rows spread over files by a hash of their query, so that a query's rows can be found together.

A file holds the queries of one range of SHA-256 values (`place_of`), the order in which a run's
shards hold its queries. Only the rows that are being added and one file that is read are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from rankgen.manifests.storage.string_pairs import place_of

# As many files are open at once; macOS allows a process 256.
BUCKETS = 64


class Buckets:
    """Tables in a folder, one a bucket.

    Args:
        folder: A new or empty folder.
        schema: Of the rows; the column `query_id` decides where a row goes.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._files: dict[int, tuple[pa.OSFile, pa.ipc.RecordBatchStreamWriter]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, rows: pa.Table) -> None:
        """Adds rows; those of a bucket are kept in the order in which they came."""
        if not rows.num_rows:
            return
        coded = rows["query_id"].combine_chunks().dictionary_encode()
        buckets = np.array([bucket_of(q) for q in coded.dictionary.to_pylist()], np.uint8)
        of_row = buckets[coded.indices.to_numpy()]
        order = np.argsort(of_row, kind="stable")
        sorted_rows = rows.take(pa.array(order))
        ends = np.searchsorted(of_row[order], np.arange(BUCKETS + 1)).tolist()
        for bucket in range(BUCKETS):
            if ends[bucket] < ends[bucket + 1]:
                part = sorted_rows.slice(ends[bucket], ends[bucket + 1] - ends[bucket])
                self._stream(bucket).write_table(part)

    def replace(self, bucket: int, rows: pa.Table) -> None:
        """Writes a whole bucket anew; all adding must be over."""
        path = self._path(bucket)
        path.unlink(missing_ok=True)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, self._schema) as stream:
            stream.write_table(rows)

    def close(self) -> None:
        """Ends the adding of rows."""
        for file, stream in self._files.values():
            stream.close()
            file.close()
        self._files.clear()

    def read(self, bucket: int) -> pa.Table:
        """Returns the rows of a bucket."""
        path = self._path(bucket)
        if not path.exists():
            return self._schema.empty_table()
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
            return stream.read_all().combine_chunks()

    def drain(self) -> Iterator[tuple[int, pa.Table]]:
        """Yields (bucket, rows) of every bucket in order, and removes each once it is read."""
        self.close()
        for bucket in range(BUCKETS):
            rows = self.read(bucket)
            self._path(bucket).unlink(missing_ok=True)
            yield bucket, rows

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{bucket:02d}.arrow"

    def _stream(self, bucket: int) -> pa.ipc.RecordBatchStreamWriter:
        if bucket not in self._files:
            file = pa.OSFile(str(self._path(bucket)), "wb")
            self._files[bucket] = file, pa.ipc.new_stream(file, self._schema)
        return self._files[bucket][1]


def bucket_of(query_id: str) -> int:
    """Returns the bucket of a query; buckets hold successive ranges of `place_of`."""
    return place_of(query_id)[0] * BUCKETS // 256
